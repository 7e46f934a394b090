//! Ways over links and by Asterisk, as far as the caller may go.
//!
//! | caller | over links | by Asterisk |
//! | --- | --- | --- |
//! | our own, and Asterisk | all | all but numbers that name Asterisk's peers |
//! | a visitor, another office | what `policy` permits the office, and all that the call passed | the same; no feature codes from offices |
//! | a carrier | none | what is ours: extensions, services, and numbers outside that no route of ours would carry out again |
//!
//! A number outside is `pstn` whatever link a route gives it, and a carrier is `pstn` whatever number it is given.

use std::sync::Arc;

use super::cause::Cause;
use super::plan::{AsteriskState, Attempt, Plan, Question, Target};
use crate::engine::flow::Side;
use crate::engine::numbering::{Dialled, NumberPlan, OfficeId};
use crate::engine::policy::{Destination, Guest};
use crate::engine::registrar::Registrar;
use crate::engine::routing::{Choice, Link, LinkKind, LinkPlan, Query, SkipReason, Skipped};

/// On whose account a call is judged: the office that it came from and those that it passed, or a visitor's home. Nobody's
/// for our own callers.
pub(in crate::engine) fn guests(
    side: Side,
    caller: &str,
    office: Option<OfficeId>,
    passed: &[OfficeId],
    registrar: &Registrar,
) -> Vec<Guest> {
    if let Some(office) = office {
        let others = passed.iter().filter(|one| **one != office);
        return [office]
            .iter()
            .chain(others)
            .map(|office| Guest { office: *office, visits: false })
            .collect();
    }
    let visitor = caller.parse().ok().filter(|_| side == Side::Site);
    let home = visitor.and_then(|extension| registrar.visitor(&extension)).map(|aor| aor.home);
    home.map(|office| Guest { office, visits: true }).into_iter().collect()
}

/// The links that carry the number; nothing when no route answers it, or the caller may not use links.
pub(super) fn over_links(question: &Question<'_>) -> Result<Option<Plan>, Cause> {
    if question.is_from_carrier() {
        return Ok(None);
    }
    let Some(made) = links_to(question, question.number, Destination::Transit)? else { return Ok(None) };
    if made.choices.is_empty() {
        let is = |why| made.skipped.iter().any(|skipped| skipped.why == why);
        return Err(if is(SkipReason::Full) {
            Cause::LinkLimit
        } else if is(SkipReason::Origin) {
            Cause::Loop
        } else {
            Cause::NoRoute
        });
    }
    let attempts = by_link(made.choices).collect();
    Ok(Some(Plan::over_links(attempts, made.skipped)))
}

/// The links that carry a number and that the caller may use, to `there` where they do not lead outside; nothing when no
/// route answers it, an error when the caller may use none.
pub(super) fn links_to(
    question: &Question<'_>,
    number: &str,
    there: Destination,
) -> Result<Option<LinkPlan>, Cause> {
    let query = Query { number, origin: question.origin, draw: question.draw };
    let Some(mut made) = question.router.plan(query, question.asterisk == AsteriskState::Up) else {
        return Ok(None);
    };
    let mut denied = None;
    let skipped = &mut made.skipped;
    made.choices.retain(|choice| {
        let is_outside = choice.link.kind == LinkKind::PstnGateway || is_outside(question.numbers, number);
        let there = if is_outside { Destination::Pstn } else { there };
        let Err(cause) = permit(question, there) else { return true };
        skipped.push(Skipped { link: choice.link.id.clone(), why: SkipReason::NotPermitted });
        denied = Some(cause);
        false
    });
    match denied {
        Some(cause) if made.choices.is_empty() => Err(cause),
        _ => Ok(Some(made)),
    }
}

/// One attempt for each choice.
pub(super) fn by_link(choices: Vec<Choice>) -> impl Iterator<Item = Attempt> {
    choices.into_iter().map(|choice| vec![Target::Link(Box::new(choice))])
}

/// Whether the caller may reach what the number is.
pub(super) fn permit(question: &Question<'_>, there: Destination) -> Result<(), Cause> {
    let judged = question.permissions.judge(question.guests, there, question.number);
    judged.map_err(|_| Cause::NotPermitted(there))
}

/// Whether the number may go to Asterisk, by the table above: none that it sent itself; none that names one of its peers,
/// which is for links alone. An error when it is the caller who may not.
pub(super) fn may_ask_asterisk(question: &Question<'_>, is_extension: bool) -> Result<bool, Cause> {
    let number = question.number;
    let is_foreign = matches!(question.side, Side::Office(_) | Side::Gateway);
    let is_out_of_reach = question.side == Side::Asterisk
        || question.asterisk == AsteriskState::Absent
        || names_a_peer(number)
        || is_foreign && number.starts_with(['*', '#']);
    if is_out_of_reach {
        return Ok(false);
    }
    let is_outside = !is_extension && is_outside(question.numbers, number);
    if question.is_from_carrier() {
        return from_carrier(question, is_outside);
    }
    permit(question, if is_outside { Destination::Pstn } else { Destination::Extensions })?;
    Ok(true)
}

/// A carrier's caller may not get out again by way of Asterisk.
fn from_carrier(question: &Question<'_>, is_outside: bool) -> Result<bool, Cause> {
    if OfficeId::split(question.number).is_some() {
        return Err(Cause::NotPermitted(Destination::Transit));
    }
    let query = Query { number: question.number, origin: None, draw: question.draw };
    let leads_out = is_outside && question.router.plan(query, false).is_some();
    if leads_out && !question.is_inbound() {
        return Err(Cause::NotPermitted(Destination::Pstn));
    }
    Ok(true)
}

/// Whether a number is one outside. One that is no number of any kind is taken for it where it begins as they do: carriers
/// do not mind what stands behind the digits that they need.
pub(super) fn is_outside(numbers: &NumberPlan, number: &str) -> bool {
    match numbers.classify(number) {
        Ok(Dialled::External(_)) => true,
        Ok(_) => false,
        Err(_) => number.starts_with(|first: char| first == '+' || first.is_ascii_digit()),
    }
}

/// What Asterisk is asked to call through one of its own peers: `iax2*par*1001`. Only links make such numbers.
pub(super) fn peer_number(technology: &str, peer: &str, number: &str) -> String {
    format!("{}*{peer}*{number}", technology.to_ascii_lowercase())
}

fn names_a_peer(number: &str) -> bool {
    let technology = number.split_once('*').map_or("", |(technology, _)| technology);
    technology.bytes().any(|byte| byte.is_ascii_alphabetic())
        && technology.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a link leads to another office, as opposed to a carrier.
pub(super) fn leads_to_office(link: &Arc<Link>) -> bool {
    !matches!(link.kind, LinkKind::PstnGateway)
}

//! Calls to users who roam.
//!
//! | who | where | attempts |
//! | --- | --- | --- |
//! | one of ours | here, or nobody knows better | as for any extension of ours |
//! | one of ours | in another office | that office; then as for any extension of ours: the desk phone, Asterisk |
//! | another office's | here, or nobody knows better | the devices here; when none can be rung, home |
//! | another office's | in a third office | that office, then home, then what devices are here |
//! | another office's | at home, by the home office's word | home, then what devices are here |
//! | one who does not want to be disturbed, and said so here | anywhere | none; Asterisk, for one of ours |
//!
//! Devices may be here of a user who signed in elsewhere later (docs/decisions/0006): they are for when no link leads on.
//!
//! An office is asked for a roamer by its own prefix, the home office's, and the extension with its country:
//! `PAR-BRU-32-1001`, so that whatever numbers it has itself, it knows whom we mean. Where no link leads on, the number is
//! called as if nobody roamed.

use std::collections::VecDeque;

use super::cause::Cause;
use super::plan::{Attempt, Plan, Question, at_home, devices_of};
use super::ways::{by_link, links_to, permit};
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::policy::Destination;
use crate::engine::roaming::{Aor, Named, Roaming, Whereabouts, named};
use crate::engine::routing::Skipped;

/// The plan for a user who roams; `None` when the number is to be called as any other.
pub(super) fn plan(question: &Question<'_>) -> Option<Result<Plan, Cause>> {
    let roaming = question.roaming?;
    let exists = |extension: &Extension| question.registrar.has_account(extension);
    match named(question.number, question.numbers, exists, roaming) {
        Named::Own(extension) => our_roamer(question, roaming, &extension).transpose(),
        Named::Visitor { home, extension } => visitor(question, roaming, home, extension).transpose(),
        Named::Nobody => None,
    }
}

/// One of ours who is in another office.
fn our_roamer(question: &Question<'_>, roaming: &Roaming, own: &Extension) -> Result<Option<Plan>, Cause> {
    if question.registrar.is_undisturbed(own) {
        return Ok(None);
    }
    let aor = aor_of_own(question, roaming, own);
    let Whereabouts::Visiting { office, .. } = roaming.locate(&aor, question.now) else { return Ok(None) };
    permit(question, Destination::Roamers)?;
    let mut way = Way::default();
    way.by_links(question, &visited_number(office, &aor), Destination::Roamers)?;
    let visits = way.attempts.len();
    if visits == 0 {
        return Ok(None);
    }
    if let Ok(rest) = at_home(&Question { number: own.as_str(), ..*question }) {
        way.attempts.extend(rest.into_attempts());
    }
    Ok(Some(way.plan(visits)))
}

/// One of ours, as all offices write it.
pub(super) fn aor_of_own(question: &Question<'_>, roaming: &Roaming, own: &Extension) -> Aor {
    let home = question.numbers.home();
    let extension = home.and_then(|home| own.in_country(home).ok()).unwrap_or_else(|| own.clone());
    Aor { home: roaming.own(), extension }
}

/// A user of another office.
fn visitor(
    question: &Question<'_>,
    roaming: &Roaming,
    home: Option<OfficeId>,
    extension: Extension,
) -> Result<Option<Plan>, Cause> {
    // Without a country the number may also be one of ours: PAR-1001 is not our 1001.
    let is_served = question.registrar.serves(&extension) && !question.registrar.has_account(&extension);
    if is_served && question.registrar.is_undisturbed(&extension) {
        permit(question, Destination::Roamers)?;
        return Err(Cause::DoNotDisturb);
    }
    let devices = if is_served { devices_of(question, &extension) } else { Vec::new() };
    let aor = home.map(|home| Aor { home, extension });
    let place = aor.as_ref().map(|aor| roaming.locate(aor, question.now));
    let is_elsewhere =
        matches!(place, Some(Whereabouts::Visiting { .. } | Whereabouts::Home { age: Some(_), .. }));
    let may_go_on = !question.is_from_carrier() && (is_elsewhere || devices.is_empty());
    let mut way = Way::default();
    let mut visits = Ok(0);
    if let Some(aor) = aor.filter(|aor| aor.home != roaming.own() && may_go_on) {
        visits = way.leads_on(question, &aor, place);
    }
    if devices.is_empty() {
        let visits = visits?;
        return Ok((!way.attempts.is_empty()).then(|| way.plan(visits)));
    }
    match permit(question, Destination::Roamers) {
        Ok(()) => way.attempts.extend(devices),
        Err(cause) if way.attempts.is_empty() => return Err(cause),
        Err(_) => {}
    }
    Ok(Some(way.plan(visits.unwrap_or_default())))
}

/// Attempts as they are found.
#[derive(Default)]
struct Way {
    attempts: VecDeque<Attempt>,
    skipped: Vec<Skipped>,
}

impl Way {
    fn by_links(&mut self, question: &Question<'_>, number: &str, there: Destination) -> Result<(), Cause> {
        if let Some(made) = links_to(question, number, there)? {
            self.attempts.extend(by_link(made.choices));
            self.skipped.extend(made.skipped);
        }
        Ok(())
    }

    /// To the office where another office's user is, then home; how many of the attempts lead to the former.
    fn leads_on(
        &mut self,
        question: &Question<'_>,
        aor: &Aor,
        place: Option<Whereabouts>,
    ) -> Result<usize, Cause> {
        let mut there = Destination::Transit;
        if let Some(Whereabouts::Visiting { office, .. }) = place {
            there = Destination::Roamers;
            self.by_links(question, &visited_number(office, aor), there)?;
        }
        let visits = self.attempts.len();
        self.by_links(question, &home_number(aor), there)?;
        Ok(visits)
    }

    fn plan(self, visits: usize) -> Plan {
        Plan::of_roamer(self.attempts, visits, self.skipped)
    }
}

fn visited_number(office: OfficeId, aor: &Aor) -> String {
    format!("{office}-{}", home_number(aor))
}

fn home_number(aor: &Aor) -> String {
    format!("{}-{}", aor.home, aor.extension)
}

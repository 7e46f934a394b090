//! Whom to ring for a dialled number: ordered attempts, each of one target or several devices at once.
//!
//! | attempt | made when |
//! | --- | --- |
//! | a link of a route, in the order that `routing` chose | the number is none of ours and a route answers it; never for a carrier's caller |
//! | Asterisk | a caller of the site, of another office or of a carrier dials, and Asterisk answers |
//! | the first group of the user's devices, together | a caller from Asterisk dials; Asterisk is absent, down or failed |
//! | the next group | nobody answered the ones before within `ring-step`, or all of them failed |
//! | every way out, carriers first | an emergency number was dialled |
//! | the office where a user is who roams, before home | see `roamers` |
//!
//! The groups are made by what the user says and by the devices' q values (`registrar/best`). Devices that give no q value have
//! the highest, so they ring at once. A user who does not want to be disturbed is called by nothing, wherever they are; Asterisk
//! is still asked, whose dialplan has the voicemail.
//!
//! # What follows a failed attempt
//!
//! | what failed | another attempt |
//! | --- | --- |
//! | devices | yes, unless one said no for all (6xx) |
//! | Asterisk is down, silent, or refused 500, 502, 503, 504 before it rang | yes |
//! | Asterisk said anything else | no: its verdict is final |
//! | a link: no way, no response, nothing after its 100 | yes |
//! | a link: refused for a reason of its own, also after it rang | yes |
//! | a link: busy, declined, no such number, nobody there | no: that is the called party's word |
//! | a link: lost after it rang | no: the called phone may still ring |
//! | a link to where a user is visiting: no such number, nobody there, no answer | yes: at home |
//! | an emergency call, whatever it was | yes |

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::cause::Cause;
use crate::engine::flow::Side;
use crate::engine::numbering::{Extension, NumberPlan, OfficeId};
use crate::engine::registrar::{Binding, Ranked, Registrar, Why};
use crate::engine::roaming::Roaming;
use crate::engine::routing::{Choice, EmergencyWay, Link, LinkPlan, Query, Router, SkipReason, Skipped};
use crate::engine::settings::CallSettings;
use crate::time::WallTime;

/// One device or next hop to ring.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The site's Asterisk decides.
    Asterisk {
        /// What was dialled.
        number: String,
    },
    /// A device of an extension.
    Device {
        /// The device.
        binding: Box<Binding>,
        /// Why it rings when it does.
        why: Why,
    },
    /// A link of ours.
    Link(Box<Choice>),
}

/// Targets that ring together.
pub(super) type Attempt = Vec<Target>;

/// What an attempt is made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// None was made.
    #[default]
    None,
    /// Asterisk.
    Asterisk,
    /// Devices.
    Devices,
    /// A link.
    Link,
}

/// Ordered attempts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    attempts: VecDeque<Attempt>,
    /// With what the attempt under way is made, or the last one was.
    way: Way,
    /// Whether the call is for help.
    emergency: bool,
    /// Links that are not tried.
    skipped: Vec<Skipped>,
    /// How many of the next attempts lead to where a user is visiting; others, to the user's home, follow.
    visits: usize,
    /// Whether the attempt under way does.
    is_visit: bool,
}

impl Plan {
    /// A plan of these attempts, of which the first `visits` lead to where the user is visiting.
    pub(super) fn of_roamer(attempts: VecDeque<Attempt>, visits: usize, skipped: Vec<Skipped>) -> Self {
        Self { attempts, skipped, visits, ..Self::default() }
    }

    /// Its attempts.
    pub(super) fn into_attempts(self) -> VecDeque<Attempt> {
        self.attempts
    }

    /// The next attempt.
    pub fn next_attempt(&mut self) -> Option<Attempt> {
        let attempt = self.attempts.pop_front()?;
        self.is_visit = self.visits > 0;
        self.visits = self.visits.saturating_sub(1);
        self.way = match attempt.first() {
            Some(Target::Asterisk { .. }) => Way::Asterisk,
            Some(Target::Link(_)) => Way::Link,
            Some(Target::Device { .. }) | None => Way::Devices,
        };
        Some(attempt)
    }

    /// With what the attempt under way is made.
    pub const fn way(&self) -> Way {
        self.way
    }

    /// Whether nothing is left to try after the attempt under way.
    pub fn is_last(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Whether the attempt under way leads to where the user is visiting.
    pub const fn is_visit(&self) -> bool {
        self.is_visit
    }

    /// Whether the call is for help.
    pub const fn is_emergency(&self) -> bool {
        self.emergency
    }

    /// The links that are not tried, and why.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Whether the first attempt goes over a link.
    pub fn begins_with_link(&self) -> bool {
        self.first_choice().is_some()
    }

    /// The office that the first attempt leads to.
    pub fn first_office(&self) -> Option<OfficeId> {
        self.first_choice().and_then(|choice| choice.office)
    }

    fn first_choice(&self) -> Option<&Choice> {
        match self.attempts.front()?.first()? {
            Target::Link(choice) => Some(choice),
            Target::Asterisk { .. } | Target::Device { .. } => None,
        }
    }

    /// How long the attempt under way may ring.
    pub fn ring_time(&self, settings: &CallSettings) -> Duration {
        let others_wait = self.way == Way::Devices && !self.attempts.is_empty();
        if others_wait { settings.ring_step } else { settings.ring_timeout }
    }

    /// Whether another attempt may follow one that ended by `cause`, by the table above. `rang`: its phone rang.
    pub fn goes_on_after(&self, cause: Cause, rang: bool) -> bool {
        if self.attempts.is_empty() {
            return false;
        }
        if self.emergency {
            return true;
        }
        match self.way {
            Way::Link if self.is_visit && is_absence(cause) => true,
            Way::Link => is_of_link(cause, rang),
            Way::Devices => !cause.is_global(),
            Way::Asterisk | Way::None => match cause {
                Cause::NextHopSilent | Cause::AsteriskDown | Cause::ConnectionLost => true,
                Cause::Refused(status) => !rang && matches!(status.code(), 500 | 502 | 503 | 504),
                _ => false,
            },
        }
    }
}

/// Whether a failure says something about a link only, not about the called party.
const fn is_of_link(cause: Cause, rang: bool) -> bool {
    match cause {
        Cause::Busy
        | Cause::Declined
        | Cause::NoSuchNumber
        | Cause::NotRegistered
        | Cause::NoAnswer
        | Cause::Cancelled => false,
        Cause::NextHopSilent | Cause::ConnectionLost | Cause::AsteriskDown => !rang,
        Cause::Refused(status) => status.code() != 604,
        _ => true,
    }
}

/// Whether a failure says that the user is not where they were thought to be, or not at that phone.
const fn is_absence(cause: Cause) -> bool {
    matches!(cause, Cause::NoSuchNumber | Cause::NotRegistered | Cause::NoAnswer)
}

/// What decides about a plan.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Question<'a> {
    /// What was dialled, as this office calls it.
    pub number: &'a str,
    /// From which side.
    pub side: Side,
    /// Whether the number is an emergency number.
    pub emergency: bool,
    /// Whether Asterisk is configured and answers.
    pub asterisk: AsteriskState,
    /// Where devices are.
    pub registrar: &'a Registrar,
    /// Links and routes.
    pub router: &'a Router,
    /// Where extensions are that roam, where they do.
    pub roaming: Option<&'a Roaming>,
    /// How numbers look here.
    pub numbers: &'a NumberPlan,
    /// The time.
    pub now: WallTime,
    /// Random bits.
    pub draw: u64,
}

impl Question<'_> {
    /// The office that the call comes from.
    const fn origin(&self) -> Option<OfficeId> {
        match self.side {
            Side::Office(office) => Some(office),
            Side::Site | Side::Asterisk | Side::Gateway => None,
        }
    }
}

/// Whether Asterisk can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsteriskState {
    /// Not configured: Branchline alone.
    Absent,
    /// It answers.
    Up,
    /// It does not answer.
    Down,
}

/// Makes the plan, by the first table above.
pub(super) fn plan(question: &Question<'_>) -> Result<Plan, Cause> {
    if question.emergency {
        return emergency(question);
    }
    super::roamers::plan(question).unwrap_or_else(|| at_home(question))
}

/// The same for a number that does not roam, or whose user is at home.
pub(super) fn at_home(question: &Question<'_>) -> Result<Plan, Cause> {
    let devices = devices(question);
    if devices.is_err()
        && let Some(plan) = over_links(question)?
    {
        return Ok(plan);
    }
    let asks_asterisk = may_ask_asterisk(question.side, question.number);
    let mut attempts = VecDeque::new();
    if asks_asterisk && question.asterisk == AsteriskState::Up {
        attempts.push_back(vec![Target::Asterisk { number: question.number.to_owned() }]);
    }
    match devices {
        Ok(devices) if !devices.is_empty() => attempts.extend(devices),
        Ok(_) if attempts.is_empty() => return Err(nobody_rings(question)),
        Err(()) if attempts.is_empty() => {
            let is_down = asks_asterisk && question.asterisk == AsteriskState::Down;
            return Err(if is_down { Cause::AsteriskDown } else { Cause::NoSuchNumber });
        }
        Ok(_) | Err(()) => {}
    }
    Ok(Plan { attempts, ..Plan::default() })
}

/// The links that carry the number; nothing when no route answers it, or the caller may not use links.
fn over_links(question: &Question<'_>) -> Result<Option<Plan>, Cause> {
    if question.side == Side::Gateway {
        return Ok(None);
    }
    let Some(made) = links_to(question, question.number) else { return Ok(None) };
    if made.choices.is_empty() {
        let is = |why| made.skipped.iter().any(|skipped| skipped.why == why);
        return Err(if is(SkipReason::Full) {
            Cause::Limit
        } else if is(SkipReason::Origin) {
            Cause::Loop
        } else {
            Cause::NoRoute
        });
    }
    let attempts = by_link(made.choices).collect();
    Ok(Some(Plan { attempts, skipped: made.skipped, ..Plan::default() }))
}

/// The links that carry a number; nothing when no route answers it.
pub(super) fn links_to(question: &Question<'_>, number: &str) -> Option<LinkPlan> {
    let query = Query { number, origin: question.origin(), draw: question.draw };
    question.router.plan(query, question.asterisk == AsteriskState::Up)
}

/// One attempt for each choice.
pub(super) fn by_link(choices: Vec<Choice>) -> impl Iterator<Item = Attempt> {
    choices.into_iter().map(|choice| vec![Target::Link(Box::new(choice))])
}

/// Every way out. A visitor, a full house, a cut uplink and a refused route set change nothing here.
fn emergency(question: &Question<'_>) -> Result<Plan, Cause> {
    let asterisk = match (question.side, question.asterisk) {
        (Side::Asterisk, _) | (_, AsteriskState::Absent) => None,
        (_, state) => Some(state == AsteriskState::Up),
    };
    let number = question.number;
    let ways = question.router.emergency_ways(asterisk, question.origin());
    let target = |way| match way {
        EmergencyWay::Asterisk => Target::Asterisk { number: number.to_owned() },
        EmergencyWay::Link(link) => {
            let office = link.office;
            Target::Link(Box::new(Choice { link, number: number.to_owned(), office }))
        }
    };
    let attempts: VecDeque<Attempt> = ways.into_iter().map(|way| vec![target(way)]).collect();
    if attempts.is_empty() {
        return Err(Cause::NoRoute);
    }
    Ok(Plan { attempts, emergency: true, ..Plan::default() })
}

/// Why no device of an extension of ours rings.
fn nobody_rings(question: &Question<'_>) -> Cause {
    let is_undisturbed = |extension| question.registrar.is_undisturbed(&extension);
    let wants_peace = question.number.parse().is_ok_and(is_undisturbed);
    if wants_peace { Cause::DoNotDisturb } else { Cause::NotRegistered }
}

/// The devices of the number that ring, group by group; an error when it is no extension of ours.
fn devices(question: &Question<'_>) -> Result<Vec<Attempt>, ()> {
    let extension = question.number.parse::<Extension>().map_err(|_| ())?;
    if !question.registrar.has_account(&extension) {
        return Err(());
    }
    Ok(devices_of(question, &extension))
}

/// The devices of an extension that ring, as above.
pub(super) fn devices_of(question: &Question<'_>, extension: &Extension) -> Vec<Attempt> {
    let groups = question.registrar.ring_order(extension).groups;
    groups.iter().map(|group| group.iter().map(device).collect()).collect()
}

fn device(ranked: &Ranked<'_>) -> Target {
    Target::Device { binding: Box::new(ranked.binding.clone()), why: ranked.why }
}

/// What Asterisk is asked to call through one of its own peers: `iax2*par*1001`. Only links make such numbers.
pub(super) fn peer_number(technology: &str, peer: &str, number: &str) -> String {
    format!("{}*{peer}*{number}", technology.to_ascii_lowercase())
}

/// Whether a number may go to Asterisk: none that it sent itself; none that names one of its peers, which is for links alone;
/// from other offices and outside no feature codes, which are for the site's own users.
fn may_ask_asterisk(side: Side, number: &str) -> bool {
    match side {
        Side::Asterisk => false,
        Side::Office(_) | Side::Gateway if number.starts_with(['*', '#']) => false,
        Side::Site | Side::Office(_) | Side::Gateway => !names_a_peer(number),
    }
}

fn names_a_peer(number: &str) -> bool {
    let technology = number.split_once('*').map_or("", |(technology, _)| technology);
    technology.bytes().any(|byte| byte.is_ascii_alphabetic())
        && technology.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a link leads to another office, as opposed to a carrier.
pub(super) fn leads_to_office(link: &Arc<Link>) -> bool {
    use crate::engine::routing::LinkKind;
    !matches!(link.kind, LinkKind::PstnGateway)
}

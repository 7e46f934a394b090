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
use std::time::Duration;

use super::cause::Cause;
use super::ways::{may_ask_asterisk, over_links, permit};
use crate::engine::flow::Side;
use crate::engine::numbering::{Extension, NumberPlan, OfficeId};
use crate::engine::policy::{Destination, Guest, Mask, Permissions};
use crate::engine::registrar::{Binding, Ranked, Registrar, Why};
use crate::engine::roaming::Roaming;
use crate::engine::routing::{Choice, EmergencyWay, Router, SkipReason, Skipped};
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

    /// A plan of attempts over links, and the links that are left out.
    pub(super) fn over_links(attempts: VecDeque<Attempt>, skipped: Vec<Skipped>) -> Self {
        Self { attempts, skipped, ..Self::default() }
    }

    /// Leaves out the links for which there is a reason to.
    pub(super) fn leave_out(&mut self, reason: impl Fn(&Choice) -> Option<SkipReason>) {
        let (attempts, skipped) = (&mut self.attempts, &mut self.skipped);
        let before_visits = attempts.len().min(self.visits);
        let mut place = 0;
        let mut visits_left = before_visits;
        attempts.retain(|attempt| {
            place += 1;
            let Some(Target::Link(choice)) = attempt.first() else { return true };
            let Some(why) = reason(choice) else { return true };
            skipped.push(Skipped { link: choice.link.id.clone(), why });
            visits_left -= usize::from(place <= before_visits);
            false
        });
        self.visits = visits_left;
    }

    /// Whether there is nothing to try.
    pub(super) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// What would be sent over its links.
    pub(super) fn choices(&self) -> impl Iterator<Item = &Choice> {
        self.attempts.iter().flatten().filter_map(|target| match target {
            Target::Link(choice) => Some(choice.as_ref()),
            Target::Asterisk { .. } | Target::Device { .. } => None,
        })
    }

    /// Whether Asterisk is asked first.
    pub(super) fn begins_with_asterisk(&self) -> bool {
        matches!(self.attempts.front().and_then(|attempt| attempt.first()), Some(Target::Asterisk { .. }))
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

    /// The next attempt is once more over a link.
    pub(super) fn next_is(&mut self, choice: Choice) {
        self.visits += usize::from(self.is_visit);
        self.attempts.push_front(vec![Target::Link(Box::new(choice))]);
    }

    /// How many attempts are left after the one under way.
    pub fn left(&self) -> usize {
        self.attempts.len()
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
    /// The office that the call comes from.
    pub origin: Option<OfficeId>,
    /// On whose account it is judged.
    pub guests: &'a [Guest],
    /// What they may.
    pub permissions: &'a Permissions,
    /// Numbers outside that carriers deliver here.
    pub inbound: &'a [Mask],
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
    /// Whether a carrier's caller asks, for whom nobody vouches.
    pub(super) fn is_from_carrier(&self) -> bool {
        self.side == Side::Gateway && self.origin.is_none()
    }

    /// Whether carriers deliver the number here.
    pub(super) fn is_inbound(&self) -> bool {
        self.inbound.iter().any(|mask| mask.matches(self.number))
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
    if devices.is_ok() {
        permit(question, Destination::Extensions)?;
    }
    let asks_asterisk = may_ask_asterisk(question, devices.is_ok())?;
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

/// Every way out. A visitor, a full house, a cut uplink and a refused route set change nothing here.
fn emergency(question: &Question<'_>) -> Result<Plan, Cause> {
    let asterisk = match (question.side, question.asterisk) {
        (Side::Asterisk, _) | (_, AsteriskState::Absent) => None,
        (_, state) => Some(state == AsteriskState::Up),
    };
    let number = question.number;
    let ways = question.router.emergency_ways(asterisk, question.origin);
    let target = |way| match way {
        EmergencyWay::Asterisk => Target::Asterisk { number: number.to_owned() },
        EmergencyWay::Link(link) => {
            let office = link.office;
            Target::Link(Box::new(Choice { link, number: number.to_owned(), office, price: 0 }))
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

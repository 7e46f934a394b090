//! One call: its legs, its plan, how far it is.
//!
//! | state | event | next |
//! | --- | --- | --- |
//! | Dialling | a device rings | Ringing |
//! | Dialling, Ringing | a device answers, the caller is told | Up |
//! | Dialling, Ringing | all attempts failed, the caller gave up | Over |
//! | Up | either party hangs up, vanishes, is silent, does not acknowledge | Over |
//! | Over | all final responses and media reports are in, or the linger time has passed | forgotten |

use std::borrow::Cow;

use super::attempts::Tried;
use super::cause::Cause;
use super::id::{CallId, LegId};
use super::leg::{Leg, LegState, Party};
use super::plan::Plan;
use super::terms::Terms;
use crate::engine::flow::Side;
use crate::engine::numbering::OfficeId;
use crate::engine::routing::{Choice, Place, Revision, RuleName};
use crate::sdp::{Codec, Direction, SessionDescription};
use crate::time::{Now, WallTime};

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Attempts are being made.
    Dialling,
    /// A device rings.
    Ringing,
    /// Answered.
    Up,
    /// Over.
    Over(Cause),
}

/// What the caller wants of media.
#[derive(Clone, Debug)]
pub enum CallerOffer {
    /// It offered; our answer goes with the 2xx (or a 183 before).
    Offered {
        /// Its description.
        description: Box<SessionDescription>,
        /// What it can do, in its order.
        codecs: Vec<Codec>,
        /// What it wants.
        direction: Direction,
    },
    /// It did not (a late offer): we offer in the 2xx, its ACK answers.
    Late,
}

/// A call.
#[derive(Debug)]
pub struct Call {
    /// Its name.
    pub id: CallId,
    /// From which side the caller came.
    pub side: Side,
    /// The office from which it came.
    pub origin: Option<OfficeId>,
    /// The same, or a visitor's home.
    pub guest: Option<OfficeId>,
    /// What was dialled.
    pub dialled: String,
    /// How far it is.
    pub state: CallState,
    /// All legs ever tried; leg A is the first.
    pub legs: Vec<Leg>,
    /// What is left to try.
    pub plan: Plan,
    /// What was tried.
    pub tried: Vec<Tried>,
    /// Why the attempt under way fails, when something says it more exactly than a cause.
    pub attempt_reason: Option<Cow<'static, str>>,
    /// The attempt that waits for a way to its link's peer, and since when.
    pub awaiting: Option<(Box<Choice>, Now)>,
    /// Where the caller is, when it calls for help.
    pub place: Option<Box<Place>>,
    /// The offices that the call has passed before it came here.
    pub passed: Vec<OfficeId>,
    /// The route table by which it was planned.
    pub revision: Revision,
    /// What the caller wants of media.
    pub offer: CallerOffer,
    /// The leg that answered.
    pub winner: Option<u16>,
    /// The leg whose early media the caller hears.
    pub early: Option<u16>,
    /// The best reason among the legs that failed.
    pub failure: Option<Cause>,
    /// Hops left of the caller's INVITE.
    pub max_forwards: u8,
    /// When it began.
    pub started: WallTime,
    /// When it was answered.
    pub answered: Option<WallTime>,
    /// When it ended.
    pub ended: Option<WallTime>,
    /// Whether it ended unanswered where Asterisk, which is down, would have gone on with voicemail.
    pub voicemail_away: bool,
    /// What rules say of it.
    pub terms: Option<Box<Terms>>,
    /// The rule that refused or ended it.
    pub rule: Option<RuleName>,
    /// Whether its record was written.
    pub recorded: bool,
}

impl Call {
    /// A leg by its place.
    pub fn leg(&mut self, place: u16) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(place))
    }

    /// The name of a leg.
    pub const fn leg_id(&self, place: u16) -> LegId {
        LegId { call: self.id, place }
    }

    /// The leg on the other side of `place`: leg A's is the winner, or who gives early media; any other leg's is leg A.
    pub fn other(&self, place: u16) -> Option<u16> {
        if place == 0 { self.winner.or(self.early) } else { Some(0) }
    }

    /// Both legs of a bridge at once.
    pub fn pair(&mut self, place: u16) -> Option<(&mut Leg, &mut Leg)> {
        let (a, b) = (usize::from(place), usize::from(self.other(place)?));
        if a == b || a.max(b) >= self.legs.len() {
            return None;
        }
        let (low, high) = self.legs.split_at_mut(a.max(b));
        let (low, high) = (low.get_mut(a.min(b))?, high.first_mut()?);
        Some(if a < b { (low, high) } else { (high, low) })
    }

    /// Whether somebody may still answer.
    pub fn has_live_callee(&self) -> bool {
        self.legs.iter().skip(1).any(|leg| leg.state.is_live())
    }

    /// Whether the attempt under way may still lead to an answer.
    pub fn is_trying(&self) -> bool {
        self.awaiting.is_some() || self.has_live_callee()
    }

    /// Whether it counts as a call in progress.
    pub const fn is_active(&self) -> bool {
        !matches!(self.state, CallState::Over(_))
    }

    /// The party that a leg's party talks to.
    pub fn peer_of(&self, place: u16) -> Party {
        if place != 0 {
            return self.legs.first().map_or_else(|| self.dialled_party(), |leg| leg.party.clone());
        }
        let winner = self.winner.and_then(|winner| self.legs.get(usize::from(winner)));
        winner.map_or_else(
            || self.dialled_party(),
            |leg| Party { number: self.dialled.clone(), name: leg.party.name.clone() },
        )
    }

    /// Whether it goes over a link, or came over one.
    pub fn uses_links(&self) -> bool {
        self.origin.is_some() || self.awaiting.is_some() || self.live_links().next().is_some()
    }

    /// Whether it is with a party of this office.
    pub fn is_with(&self, office: OfficeId) -> bool {
        self.origin == Some(office) || self.live_links().any(|leg| leg.office == Some(office))
    }

    fn live_links(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.state.is_live() && leg.link.is_some())
    }

    /// Notes why a leg failed: the reason that says most about the called party wins (RFC 3261 §16.7 step 6).
    pub fn note_failure(&mut self, cause: Cause) {
        if self.failure.is_none_or(|known| weight(cause) > weight(known)) {
            self.failure = Some(cause);
        }
    }

    /// Whether any leg is in this state.
    pub fn any_callee(&self, state: LegState) -> bool {
        self.legs.iter().skip(1).any(|leg| leg.state == state)
    }

    fn dialled_party(&self) -> Party {
        Party { number: self.dialled.clone(), name: None }
    }
}

/// How much a reason says about the called party.
const fn weight(cause: Cause) -> u8 {
    match cause {
        Cause::Declined => 9,
        Cause::Busy | Cause::DoNotDisturb => 8,
        Cause::Forbidden | Cause::NotPermitted(_) | Cause::Rule(_) => 7,
        Cause::NoSuchNumber => 6,
        Cause::NoAnswer => 5,
        Cause::NoCommonMedia | Cause::BadDescription => 4,
        Cause::Refused(_) => 3,
        Cause::NotRegistered | Cause::Loop | Cause::NoRoute => 2,
        _ => 1,
    }
}

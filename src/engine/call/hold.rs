//! Hold and resume: what each party wants is kept as `Leg::wants`, and the other one is told.
//!
//! | event | do |
//! | --- | --- |
//! | a party's offer or answer changes what it wants | the other is offered that direction, if it was not told yet |
//! | a page holds or resumes | its media stop or go on here; the other is offered that direction |
//! | the other is a page | its media stop or go on here, an event tells it |
//! | the other is in an exchange, or not up yet | told once that is over (`Leg::resync`) |

use super::effects::Effects;
use super::keying;
use super::leg::{LegState, Wire};
use super::model::Call;
use crate::media::MediaCommand;
use crate::sdp::Direction;

impl Call {
    /// What the party of `place` may do: what the other party does, seen from there.
    pub(super) fn wanted_towards(&mut self, place: u16) -> Direction {
        self.other(place).and_then(|other| self.leg(other)).map_or(Direction::SendRecv, |leg| leg.wants)
    }

    /// The party of `place` holds or resumes without an offer (a page's button).
    pub(super) fn hold(&mut self, place: u16, hold: bool, fx: &mut Effects<'_>) {
        let wanted = self.wanted_towards(place);
        let Some(leg) = self.leg(place) else { return };
        leg.wants = if hold { Direction::Inactive } else { Direction::SendRecv };
        let own = if hold { Direction::Inactive } else { wanted };
        if let Some(end) = leg.session.end() {
            fx.media(MediaCommand::SetFlow { end, flow: keying::flow(own) });
        }
        self.tell_other_direction(place, fx);
        self.tell_page(place, fx);
    }

    /// The party of `place` may have changed what it wants: the other one is told, by re-INVITE or by an event.
    pub(super) fn tell_other_direction(&mut self, place: u16, fx: &mut Effects<'_>) {
        let Some(other) = self.other(place) else { return };
        let wanted = self.wanted_towards(other);
        let codecs = self.agreed_codecs(other);
        let Some(leg) = self.leg(other).filter(|leg| leg.state.is_live()) else { return };
        let due = Direction::answer_to(leg.wants, wanted);
        if let Wire::Web(web) = &mut leg.wire {
            if std::mem::replace(&mut web.told, wanted) == wanted {
                return;
            }
            if let Some(end) = leg.session.end() {
                fx.media(MediaCommand::SetFlow { end, flow: keying::flow(due) });
            }
            return self.tell_page(other, fx);
        }
        let is_told = leg.session.agreed().is_some_and(|agreed| agreed.direction == due);
        let is_open = leg.state == LegState::Up && leg.session.agreed().is_some();
        if (is_told && !leg.session.is_offering()) || (is_open && self.offer_to(other, codecs, false, fx)) {
            return;
        }
        if let Some(leg) = self.leg(other) {
            leg.resync = true;
        }
    }

    /// Makes up for a change that came while an exchange was under way.
    pub(super) fn resync(&mut self, place: u16, fx: &mut Effects<'_>) {
        if let Some(leg) = self.leg(place).filter(|leg| leg.resync) {
            leg.resync = false;
            if let Some(other) = self.other(place) {
                self.tell_other_direction(other, fx);
            }
        }
    }
}

/// What a peer wants, from what it described: what our own description did not allow says nothing about it.
pub(super) fn wish(theirs: Direction, ours: Direction) -> Direction {
    Direction::new(theirs.sends() || !ours.receives(), theirs.receives() || !ours.sends())
}

//! A call as one of its parties sees it.

use super::cause::Cause;
use super::effects::Effects;
use super::leg::{LegState, Wire};
use super::model::{Call, CallState};
use crate::engine::web::{CallView, Signal, WebEvent};
use crate::sdp::SessionDescription;

impl Call {
    /// What the party of `place` is shown.
    pub(super) fn view(&self, place: u16) -> CallView {
        let leg = self.legs.get(usize::from(place));
        let peer = self.peer_of(place);
        let ended = leg.and_then(|leg| match leg.state {
            LegState::Ended(cause) => Some(cause),
            _ => None,
        });
        CallView {
            id: self.id,
            direction: if place == 0 { "outgoing" } else { "incoming" },
            state: self.state_word(place, ended),
            peer: peer.number,
            peer_name: peer.name,
            held_by_peer: self.is_held_by_peer(place),
            started: self.started.0,
            answered: leg.and_then(|leg| leg.answered).map(|at| at.0),
            ended_at: ended.and(self.ended).map(|at| at.0),
            ended: ended.map(|cause| cause.as_str().to_owned()),
            ended_text: ended.map(|cause| self.in_words(cause).to_owned()),
        }
    }

    /// Tells the page of `place` how the call is now.
    pub(super) fn tell_page(&mut self, place: u16, fx: &mut Effects<'_>) {
        let call = self.view(place);
        if let Some(Wire::Web(web)) = self.legs.get(usize::from(place)).map(|leg| &leg.wire) {
            web.tell(WebEvent::CallState { call }, fx);
        }
    }

    /// Sends the page of `place` our answer.
    pub(super) fn answer_page(&mut self, place: u16, answer: &SessionDescription, fx: &mut Effects<'_>) {
        let call = self.id;
        if let Some(web) = self.leg(place).and_then(|leg| leg.web()) {
            web.signal(call, Signal::Answer { sdp: answer.to_string() }, fx);
        }
    }

    fn is_held_by_peer(&self, place: u16) -> bool {
        let other = self.other(place).and_then(|other| self.legs.get(usize::from(other)));
        other.is_some_and(|leg| leg.state.is_live() && leg.holds())
    }

    fn state_word(&self, place: u16, ended: Option<Cause>) -> &'static str {
        let holds = self.legs.get(usize::from(place)).is_some_and(super::leg::Leg::holds);
        match self.state {
            _ if ended.is_some() => "ended",
            CallState::Over(_) => "ended",
            CallState::Up if holds => "held",
            CallState::Up => "up",
            _ if place != 0 => "ringing",
            CallState::Ringing if self.early.is_some() => "early",
            CallState::Ringing => "ringing",
            CallState::Dialling => "dialling",
        }
    }
}

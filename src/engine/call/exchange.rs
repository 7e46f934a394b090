//! Offers in an open call: hold and resume, a change of codec, a refresh (RFC 3264 §8, RFC 3261 §14).
//!
//! An offer that changes nothing but direction or address is answered at once, and the other leg is told if its peer's
//! direction changed. An offer whose codecs the other leg did not agree to is passed on to it first.

use std::time::Duration;

use super::books::Asked;
use super::cause::Cause;
use super::effects::Effects;
use super::keying;
use super::leg::Wire;
use super::model::Call;
use super::sip_leg::Exchange;
use super::timer::Purpose;
use crate::engine::web::Signal;
use crate::media::MediaCommand;
use crate::sdp::{Codec, Direction, OfficeCodecs, SessionDescription, codecs_for_other_leg, remote_audio};
use crate::sip::StatusCode;

/// What becomes of an offer.
#[derive(Debug)]
pub(super) enum Reply {
    /// The answer to send now.
    Answer(Box<SessionDescription>),
    /// The other leg is asked first.
    Later,
    /// It cannot be.
    Refuse(StatusCode),
}

impl Call {
    /// The party of `place` offers anew.
    pub(super) fn offer_from(
        &mut self,
        place: u16,
        offer: &SessionDescription,
        fx: &mut Effects<'_>,
    ) -> Reply {
        let Some(policy) = self.leg(place).map(|leg| leg.session.policy()) else {
            return Reply::Refuse(StatusCode::CALL_DOES_NOT_EXIST);
        };
        let remote = match remote_audio(offer, policy) {
            Ok(remote) => remote,
            Err(refusal) => {
                fx.refused("sdp", refusal.as_str());
                return Reply::Refuse(StatusCode::NOT_ACCEPTABLE_HERE);
            }
        };
        let direction = if remote.rtp.is_none() && keying::is_plain(&remote) {
            Direction::Inactive
        } else {
            remote.direction
        };
        let common = self.common_with_other(place, &remote.codecs);
        if common.iter().any(|codec| codec.encoding().is_audio()) {
            return self.answer_offer(place, offer, common, direction, fx);
        }
        self.ask_other_first(place, &remote.codecs, direction, fx)
    }

    /// The other leg answered a passed-on offer (or refused it): now the first one gets its answer.
    pub(super) fn relayed_offer_settled(&mut self, asked: u16, accepted: bool, fx: &mut Effects<'_>) {
        let Some(place) = self.other(asked) else { return };
        let Some(leg) = self.leg(place) else { return };
        let Some(sip) = leg.sip() else { return };
        let Exchange::Theirs { .. } = &sip.exchange else { return };
        let Exchange::Theirs { server, request } = std::mem::replace(&mut sip.exchange, Exchange::Idle)
        else {
            return;
        };
        let offer = SessionDescription::parse(&request.body);
        let answer = match offer {
            Ok(offer) if accepted => {
                let codecs = self.codecs_like(asked);
                let direction = self.leg(place).map_or(Direction::SendRecv, |leg| leg.wants);
                self.answer_offer(place, &offer, codecs, direction, fx)
            }
            _ => Reply::Refuse(StatusCode::NOT_ACCEPTABLE_HERE),
        };
        self.reply_to_offer(place, server, &request, answer, fx);
    }

    fn answer_offer(
        &mut self,
        place: u16,
        offer: &SessionDescription,
        codecs: Vec<Codec>,
        direction: Direction,
        fx: &mut Effects<'_>,
    ) -> Reply {
        let wanted = self.wanted_towards(place);
        let Some(leg) = self.leg(place) else { return Reply::Refuse(StatusCode::SERVER_INTERNAL_ERROR) };
        match leg.session.answer(offer, codecs, wanted, fx) {
            Ok(answer) => {
                leg.wants = direction;
                self.note_end(place, fx);
                self.bridge(fx);
                self.tell_other_direction(place, fx);
                Reply::Answer(Box::new(answer))
            }
            Err(cause) => Reply::Refuse(cause.status()),
        }
    }

    /// What the party of `place` may do: what the other party does, seen from there.
    pub(super) fn wanted_towards(&mut self, place: u16) -> Direction {
        self.other(place).and_then(|other| self.leg(other)).map_or(Direction::SendRecv, |leg| leg.wants)
    }

    fn common_with_other(&self, place: u16, offered: &[Codec]) -> Vec<Codec> {
        let Some(other) = self.other(place) else { return Vec::new() };
        let codecs = self.codecs_like(other);
        codecs.into_iter().filter(|codec| offered.iter().any(|one| one.matches(codec))).collect()
    }

    fn ask_other_first(
        &mut self,
        place: u16,
        offered: &[Codec],
        direction: Direction,
        fx: &mut Effects<'_>,
    ) -> Reply {
        let codecs = codecs_for_other_leg(offered, &OfficeCodecs::default());
        let Some(other) = self.other(place) else { return Reply::Refuse(StatusCode::NOT_ACCEPTABLE_HERE) };
        if codecs.is_empty() {
            return Reply::Refuse(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        if let Some(leg) = self.leg(place) {
            leg.wants = direction;
        }
        if self.offer_to(other, codecs, true, fx) {
            Reply::Later
        } else {
            Reply::Refuse(StatusCode::REQUEST_PENDING)
        }
    }

    /// Offers to the party of `place`; false when an exchange is under way there.
    pub(super) fn offer_to(
        &mut self,
        place: u16,
        codecs: Vec<Codec>,
        relayed: bool,
        fx: &mut Effects<'_>,
    ) -> bool {
        let direction = self.wanted_towards(place);
        let call = self.id;
        let id = self.leg_id(place);
        let Some(leg) = self.leg(place).filter(|leg| leg.state.is_live()) else { return false };
        let is_idle = leg.sip().is_none_or(|sip| matches!(sip.exchange, Exchange::Idle));
        if !is_idle || leg.session.is_offering() {
            return false;
        }
        let Ok(offer) = leg.session.offer(codecs, direction, fx) else { return false };
        match &mut leg.wire {
            Wire::Sip(sip) => match sip.reoffer(&offer, relayed, fx) {
                Some(client) => fx.books.note_client(client, id, Asked::Reinvite),
                None => {
                    leg.session.withdraw();
                    return false;
                }
            },
            Wire::Web(web) => web.signal(call, Signal::Offer { sdp: offer.to_string() }, fx),
        }
        true
    }

    /// The party of `place` changed its direction: the other one is told, by re-INVITE or by an event.
    pub(super) fn tell_other_direction(&mut self, place: u16, fx: &mut Effects<'_>) {
        let Some(other) = self.other(place) else { return };
        let wanted = self.wanted_towards(other);
        let codecs = self.agreed_codecs(other);
        let Some(leg) = self.leg(other).filter(|leg| leg.state.is_live()) else { return };
        match &leg.wire {
            Wire::Sip(_) => {
                let Some(agreed) = leg.session.agreed() else { return };
                let wants = leg.wants;
                if agreed.direction == Direction::answer_to(wants, wanted)
                    || self.offer_to(other, codecs, false, fx)
                {
                    return;
                }
                if let Some(leg) = self.leg(other) {
                    leg.resync = true;
                }
            }
            Wire::Web(_) => {
                let flow = keying::flow(Direction::answer_to(leg.wants, wanted));
                if let Some(end) = leg.session.end() {
                    fx.media(MediaCommand::SetFlow { end, flow });
                }
                self.tell_page(other, fx);
            }
        }
    }

    /// The final answer to our re-INVITE came.
    pub(super) fn own_exchange_over(&mut self, place: u16, outcome: Outcome<'_>, fx: &mut Effects<'_>) {
        let Some(leg) = self.leg(place) else { return };
        let Some(sip) = leg.sip() else { return };
        let relayed = matches!(sip.exchange, Exchange::Ours { relayed: true, .. });
        sip.exchange = Exchange::Idle;
        let accepted = match outcome {
            Outcome::Answered(answer) => leg.session.read_answer(answer, fx).is_ok(),
            Outcome::Refused => {
                leg.session.withdraw();
                false
            }
            Outcome::Glare => {
                leg.session.withdraw();
                self.try_again(place, relayed, fx);
                return;
            }
        };
        if accepted {
            self.bridge(fx);
        }
        if relayed {
            self.relayed_offer_settled(place, accepted, fx);
        }
        self.resync(place, fx);
    }

    /// The wait after glare is over.
    pub(super) fn exchange_again(&mut self, place: u16, fx: &mut Effects<'_>) {
        if let Some(sip) = self.leg(place).and_then(|leg| leg.sip())
            && matches!(sip.exchange, Exchange::Backoff)
        {
            sip.exchange = Exchange::Idle;
        }
        self.resync(place, fx);
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

    /// Both sides offered at once. We own the Call-ID of called legs: they wait 2.1 to 4 s, leg A 0 to 2 s (§14.1).
    fn try_again(&mut self, place: u16, relayed: bool, fx: &mut Effects<'_>) {
        let chance = (fx.random_u64() % 190) * 10;
        let wait = if place == 0 { chance } else { 2_100 + chance };
        if let Some(leg) = self.leg(place) {
            leg.resync = true;
            if let Some(sip) = leg.sip() {
                sip.exchange = Exchange::Backoff;
            }
        }
        if relayed {
            self.relayed_offer_settled(place, false, fx);
        }
        fx.books.set(self.id, Purpose::Again(place), fx.now.instant, Duration::from_millis(wait));
    }

    /// Notes the end of a leg whose session was opened anew.
    pub(super) fn note_end(&mut self, place: u16, fx: &mut Effects<'_>) {
        let id = self.leg_id(place);
        if let Some(end) = self.leg(place).and_then(|leg| leg.session.end()) {
            fx.books.note_end(end, id);
        }
    }

    /// The party of `place` holds or resumes without an offer (a page's button).
    pub(super) fn hold(&mut self, place: u16, hold: bool, fx: &mut Effects<'_>) -> Result<(), Cause> {
        let leg = self.leg(place).ok_or(Cause::BadDescription)?;
        leg.wants = if hold { Direction::SendOnly } else { Direction::SendRecv };
        let wanted = self.wanted_towards(place);
        let Some(leg) = self.leg(place) else { return Ok(()) };
        let own = if hold { Direction::Inactive } else { wanted };
        if let Some(end) = leg.session.end() {
            fx.media(MediaCommand::SetFlow { end, flow: keying::flow(own) });
        }
        self.tell_other_direction(place, fx);
        self.tell_page(place, fx);
        Ok(())
    }
}

/// How our re-INVITE ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    /// 2xx with an answer.
    Answered(&'a SessionDescription),
    /// Refused, or a 2xx that cannot be used.
    Refused,
    /// 491.
    Glare,
}

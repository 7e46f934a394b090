//! Offers in an open call: a change of codec, a refresh, glare (RFC 3264 §8, RFC 3261 §14). Hold is in `hold`.
//!
//! | an offer of one party | do |
//! | --- | --- |
//! | takes all codecs that the other leg may send | answered at once; the other leg is told if the direction changed |
//! | takes some or none of them | the other leg is asked first; then answered with what it said |
//! | of a page, takes some of them | answered at once: a browser offers all that it has |

use std::time::Duration;

use super::books::Asked;
use super::effects::Effects;
use super::hold::wish;
use super::leg::{LegState, Wire};
use super::model::Call;
use super::sip_leg::Exchange;
use super::timer::Purpose;
use crate::engine::web::Signal;
use crate::sdp::{
    Codec, Direction, OfficeCodecs, RemoteMedia, SessionDescription, codecs_for_other_leg, remote_audio,
};
use crate::sip::StatusCode;

/// How long a page may take to answer an offer of ours.
const PAGE_REPLY: Duration = Duration::from_secs(10);
/// How long a phone may take to answer a re-INVITE after a provisional response.
const PHONE_REPLY: Duration = Duration::from_secs(40);

/// What becomes of an offer.
#[derive(Debug)]
pub(super) enum Reply {
    /// The answer to send now.
    Answer(Box<SessionDescription>),
    /// The other leg is asked first; until then the party wanted this.
    Later(Direction),
    /// It cannot be.
    Refuse(StatusCode),
}

/// How our re-INVITE ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    /// 2xx with an answer.
    Answered(&'a SessionDescription),
    /// Refused, or a 2xx that cannot be used.
    Refused,
    /// 491, or a connection that broke: again later.
    Again,
}

impl Call {
    /// The party of `place` offers anew.
    pub(super) fn offer_from(
        &mut self,
        place: u16,
        offer: &SessionDescription,
        fx: &mut Effects<'_>,
    ) -> Reply {
        let Some(leg) = self.leg(place) else { return Reply::Refuse(StatusCode::CALL_DOES_NOT_EXIST) };
        let is_page = leg.web().is_some();
        let remote = match remote_audio(offer, leg.session.policy()) {
            Ok(remote) => remote,
            Err(refusal) => {
                fx.refused("sdp", refusal.as_str());
                return Reply::Refuse(StatusCode::NOT_ACCEPTABLE_HERE);
            }
        };
        let common = self.common_with_other(place, &remote.codecs);
        let has_audio = common.iter().any(|codec| codec.encoding().is_audio());
        if has_audio && (is_page || self.covers_other(place, &remote.codecs)) {
            return self.answer_offer(place, offer, &remote, common, fx);
        }
        if is_page {
            return Reply::Refuse(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        self.ask_other_first(place, &remote, fx)
    }

    /// The other leg answered a passed-on offer (or refused it): now the first one gets its answer.
    pub(super) fn relayed_offer_settled(
        &mut self,
        asked: u16,
        failure: Option<StatusCode>,
        fx: &mut Effects<'_>,
    ) {
        let Some(place) = self.other(asked) else { return };
        let Some(leg) = self.leg(place) else { return };
        let policy = leg.session.policy();
        let Some(sip) = leg.sip() else { return };
        if !matches!(sip.exchange, Exchange::Theirs { .. }) {
            return;
        }
        let theirs = std::mem::replace(&mut sip.exchange, Exchange::Idle);
        let Exchange::Theirs { server, request, before } = theirs else { return };
        let offer = request.sdp().and_then(|body| SessionDescription::parse(&body).ok());
        let remote = offer.as_ref().and_then(|offer| remote_audio(offer, policy).ok());
        let reply = match (failure, offer, remote) {
            (None, Some(offer), Some(remote)) => {
                let codecs = self.codecs_like(asked);
                self.answer_offer(place, &offer, &remote, codecs, fx)
            }
            (failure, ..) => {
                if let Some(leg) = self.leg(place) {
                    leg.wants = before;
                }
                Reply::Refuse(failure.unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE))
            }
        };
        self.reply_to_offer(place, server, &request, reply, fx);
    }

    fn answer_offer(
        &mut self,
        place: u16,
        offer: &SessionDescription,
        remote: &RemoteMedia,
        codecs: Vec<Codec>,
        fx: &mut Effects<'_>,
    ) -> Reply {
        let wanted = self.wanted_towards(place);
        let Some(leg) = self.leg(place) else { return Reply::Refuse(StatusCode::SERVER_INTERNAL_ERROR) };
        leg.session.renew(remote, fx);
        match leg.session.answer(offer, codecs, wanted, fx) {
            Ok(answer) => {
                leg.wants = wish(remote.direction, wanted);
                self.note_end(place, fx);
                self.bridge(fx);
                self.tell_other_direction(place, fx);
                Reply::Answer(Box::new(answer))
            }
            Err(cause) => Reply::Refuse(cause.status()),
        }
    }

    fn common_with_other(&self, place: u16, offered: &[Codec]) -> Vec<Codec> {
        let Some(other) = self.other(place) else { return Vec::new() };
        let codecs = self.codecs_like(other);
        codecs.into_iter().filter(|codec| offered.iter().any(|one| one.matches(codec))).collect()
    }

    /// Whether the party could take whatever audio the other one may send by now.
    fn covers_other(&self, place: u16, offered: &[Codec]) -> bool {
        let Some(other) = self.other(place) else { return false };
        let agreed = self.agreed_codecs(other);
        let mut audio = agreed.iter().filter(|codec| codec.encoding().is_audio());
        audio.all(|codec| offered.iter().any(|one| one.matches(codec)))
    }

    fn ask_other_first(&mut self, place: u16, remote: &RemoteMedia, fx: &mut Effects<'_>) -> Reply {
        let codecs = codecs_for_other_leg(&remote.codecs, &OfficeCodecs::default());
        let Some(other) = self.other(place) else { return Reply::Refuse(StatusCode::NOT_ACCEPTABLE_HERE) };
        if codecs.is_empty() {
            return Reply::Refuse(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        let wanted = self.wanted_towards(place);
        let Some(leg) = self.leg(place) else { return Reply::Refuse(StatusCode::SERVER_INTERNAL_ERROR) };
        let before = std::mem::replace(&mut leg.wants, wish(remote.direction, wanted));
        if self.offer_to(other, codecs, true, fx) {
            return Reply::Later(before);
        }
        if let Some(leg) = self.leg(place) {
            leg.wants = before;
        }
        Reply::Refuse(StatusCode::REQUEST_PENDING)
    }

    /// Offers to the party of `place`; false when it is not in a state for it: not up, or an exchange is under way.
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
        let Some(leg) = self.leg(place).filter(|leg| leg.state == LegState::Up) else { return false };
        let is_idle = leg.sip().is_none_or(|sip| matches!(sip.exchange, Exchange::Idle));
        if !is_idle || leg.session.is_offering() {
            return false;
        }
        let Ok(offer) = leg.session.offer(codecs, direction, fx) else { return false };
        let patience = match &mut leg.wire {
            Wire::Sip(sip) => {
                if let Some(client) = sip.reoffer(&offer, relayed, fx) {
                    fx.books.note_client(client, id, Asked::Reinvite);
                    PHONE_REPLY
                } else {
                    leg.session.withdraw();
                    return false;
                }
            }
            Wire::Web(web) => {
                web.signal(call, Signal::Offer { sdp: offer.to_string() }, fx);
                PAGE_REPLY
            }
        };
        fx.books.set(call, Purpose::Reply(place), fx.now.instant, patience);
        true
    }

    /// The final answer to our offer in the open call came: to a re-INVITE, or from a page.
    pub(super) fn own_exchange_over(&mut self, place: u16, outcome: Outcome<'_>, fx: &mut Effects<'_>) {
        fx.books.cancel(self.id, Purpose::Reply(place));
        let Some(leg) = self.leg(place) else { return };
        let mut relayed = true;
        if let Some(sip) = leg.sip() {
            relayed = matches!(sip.exchange, Exchange::Ours { relayed: true, .. });
            sip.exchange = Exchange::Idle;
        }
        let wanted = match outcome {
            Outcome::Answered(answer) => leg.session.read_answer(answer, fx).ok(),
            Outcome::Refused | Outcome::Again => None,
        };
        leg.session.withdraw();
        let changed = wanted.is_some_and(|wanted| std::mem::replace(&mut leg.wants, wanted) != wanted);
        if wanted.is_some() {
            self.bridge(fx);
        }
        if relayed {
            let failure = match outcome {
                Outcome::Again => Some(StatusCode::REQUEST_PENDING),
                _ if wanted.is_none() => Some(StatusCode::NOT_ACCEPTABLE_HERE),
                _ => None,
            };
            self.relayed_offer_settled(place, failure, fx);
        }
        if matches!(outcome, Outcome::Again) {
            return self.wait_and_try_again(place, fx);
        }
        if changed {
            self.tell_other_direction(place, fx);
        }
        self.resync(place, fx);
    }

    /// The party of `place` has left our offer unanswered for too long.
    pub(super) fn reply_overdue(&mut self, place: u16, fx: &mut Effects<'_>) {
        fx.refused("call", "offer-unanswered");
        if let Some(sip) = self.leg(place).and_then(|leg| leg.sip())
            && let Exchange::Ours { client, .. } = &sip.exchange
            && fx.layer.cancel(fx.now, *client, None).is_err()
        {
            fx.refused("call", "cancel-too-late");
        }
        self.own_exchange_over(place, Outcome::Refused, fx);
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

    /// Both sides offered at once. We own the Call-ID of called legs: they wait 2.1 to 4 s, leg A 0 to 2 s (§14.1).
    fn wait_and_try_again(&mut self, place: u16, fx: &mut Effects<'_>) {
        let chance = (fx.random_u64() % 190) * 10;
        let wait = if place == 0 { chance } else { 2_100 + chance };
        if let Some(leg) = self.leg(place) {
            leg.resync = true;
            if let Some(sip) = leg.sip() {
                sip.exchange = Exchange::Backoff;
            }
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
}

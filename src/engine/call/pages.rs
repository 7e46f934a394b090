//! What pages ask of a call in progress.

use super::cause::Cause;
use super::digits;
use super::effects::Effects;
use super::exchange::{Outcome, Reply};
use super::keying;
use super::leg::{LegState, Wire};
use super::model::Call;
use super::timer::Purpose;
use crate::engine::numbering::Extension;
use crate::engine::registrar::BindingKey;
use crate::engine::web::{Signal, WebEvent, WebRefusal, WebReply, WebSession};
use crate::sdp::SessionDescription;

impl Call {
    /// The place of a page's leg: the one of this extension that lives, or lived last.
    pub(super) fn page_place(&self, caller: &Extension, session: Option<WebSession>) -> Option<u16> {
        let own = |leg: &&super::leg::Leg| matches!(&leg.wire, Wire::Web(web) if web.extension == *caller);
        let same = |leg: &&super::leg::Leg| matches!(&leg.wire, Wire::Web(web) if session.is_some() && web.session == session);
        let live = |leg: &&super::leg::Leg| leg.state.is_live();
        let find = |test: &dyn Fn(&&super::leg::Leg) -> bool| {
            self.legs.iter().filter(own).find(|leg| test(leg)).map(|leg| leg.place)
        };
        find(&|leg| same(leg) && live(leg)).or_else(|| find(&live)).or_else(|| find(&|_| true))
    }

    /// The page accepts: its answer to our offer.
    pub(super) fn page_accepts(&mut self, place: u16, answer: &str, fx: &mut Effects<'_>) -> WebReply {
        let Some(leg) = self.leg(place).filter(|leg| leg.state == LegState::Ringing) else {
            return WebReply::Refused(WebRefusal::WrongState);
        };
        if place == 0 || !leg.session.is_offering() {
            return WebReply::Refused(WebRefusal::WrongState);
        }
        let Ok(answer) = SessionDescription::parse(answer.as_bytes()) else {
            return WebReply::Refused(WebRefusal::BadDescription);
        };
        self.callee_answers(place, Some(&answer), fx);
        let is_up = self.leg(place).is_some_and(|leg| leg.state == LegState::Up);
        if is_up { WebReply::Call(self.view(place)) } else { WebReply::Refused(WebRefusal::BadDescription) }
    }

    /// The page hangs up, cancels or rejects.
    pub(super) fn page_ends(&mut self, place: u16, busy: bool, fx: &mut Effects<'_>) -> WebReply {
        let Some(leg) = self.leg(place).filter(|leg| leg.state.is_live()) else {
            return WebReply::Call(self.view(place));
        };
        let is_up = leg.state == LegState::Up;
        if place == 0 {
            self.end(if is_up { Cause::HungUp } else { Cause::Cancelled }, None, fx);
        } else if is_up {
            self.end(Cause::HungUp, None, fx);
        } else {
            let cause = if busy { Cause::Busy } else { Cause::Declined };
            self.drop_leg(place, cause, fx);
            self.callee_failed(place, cause, fx);
        }
        WebReply::Call(self.view(place))
    }

    /// Signalling from the page.
    pub(super) fn page_signals(&mut self, place: u16, signal: Signal, fx: &mut Effects<'_>) -> WebReply {
        let Some(leg) = self.leg(place).filter(|leg| leg.state.is_live()) else {
            return WebReply::Refused(WebRefusal::WrongState);
        };
        let is_up = leg.state == LegState::Up;
        match signal {
            Signal::IceCandidate { candidate, .. } => self.page_candidate(place, &candidate, fx),
            Signal::Hangup => self.page_ends(place, false, fx),
            Signal::Mute | Signal::Unmute => {
                if let Some(web) = leg.web() {
                    web.muted = signal == Signal::Mute;
                }
                WebReply::Done
            }
            Signal::Offer { sdp } if is_up => self.page_offers(place, &sdp, fx),
            Signal::Answer { sdp } => self.page_answers(place, &sdp, fx),
            Signal::Hold | Signal::Resume if is_up => {
                self.hold(place, signal == Signal::Hold, fx);
                WebReply::Call(self.view(place))
            }
            Signal::Dtmf { digits } if is_up || self.early.is_some() => match digits::digits_of(&digits) {
                Some(keys) => {
                    self.digits_from(place, &keys, fx);
                    WebReply::Done
                }
                None => WebReply::Refused(WebRefusal::BadNumber),
            },
            Signal::Offer { .. } | Signal::Hold | Signal::Resume | Signal::Dtmf { .. } => {
                WebReply::Refused(WebRefusal::WrongState)
            }
        }
    }

    fn page_candidate(&mut self, place: u16, candidate: &str, fx: &mut Effects<'_>) -> WebReply {
        if let (Some(leg), Some(candidate)) = (self.leg(place), keying::candidate(candidate)) {
            leg.session.add_candidate(candidate, fx);
        }
        WebReply::Done
    }

    /// An answer to an offer of ours in mid-call.
    fn page_answers(&mut self, place: u16, sdp: &str, fx: &mut Effects<'_>) -> WebReply {
        let is_awaited =
            self.leg(place).is_some_and(|leg| leg.state == LegState::Up && leg.session.is_offering());
        if !is_awaited {
            return WebReply::Refused(WebRefusal::WrongState);
        }
        let Ok(answer) = SessionDescription::parse(sdp.as_bytes()) else {
            return WebReply::Refused(WebRefusal::BadDescription);
        };
        self.own_exchange_over(place, Outcome::Answered(&answer), fx);
        WebReply::Done
    }

    /// An offer in mid-call: ICE restarts, or the page was loaded anew and has new keys. It goes before an offer of ours
    /// that the page has not answered: that one may have been meant for the page before the reload.
    fn page_offers(&mut self, place: u16, sdp: &str, fx: &mut Effects<'_>) -> WebReply {
        let Ok(offer) = SessionDescription::parse(sdp.as_bytes()) else {
            return WebReply::Refused(WebRefusal::BadDescription);
        };
        if self.leg(place).is_some_and(|leg| leg.session.is_offering()) {
            self.own_exchange_over(place, Outcome::Refused, fx);
        }
        match self.offer_from(place, &offer, fx) {
            Reply::Answer(answer) => {
                self.answer_page(place, &answer, fx);
                WebReply::Call(self.view(place))
            }
            Reply::Later(_) | Reply::Refuse(_) => WebReply::Refused(WebRefusal::BadDescription),
        }
    }

    /// The browser is there again, after a reload or on a new connection: its events go there, and what rang there rings
    /// again.
    pub(super) fn page_returned(&mut self, device: &BindingKey, session: WebSession, fx: &mut Effects<'_>) {
        for place in 0..self.legs.len() as u16 {
            let id = self.id;
            let Some(leg) = self.leg(place).filter(|leg| leg.state.is_live()) else { continue };
            if leg.device.as_ref() != Some(device) {
                continue;
            }
            let rings = place != 0 && leg.state != LegState::Up;
            let Some(web) = leg.web() else { continue };
            web.session = Some(session);
            web.away = false;
            fx.books.cancel(id, Purpose::Away(place));
            if rings {
                self.ring_again(place, fx);
            } else {
                self.tell_page(place, fx);
            }
        }
    }

    fn ring_again(&mut self, place: u16, fx: &mut Effects<'_>) {
        let call = self.view(place);
        let Some(leg) = self.leg(place) else { return };
        let offer = leg.session.description().map(ToString::to_string);
        if let (Some(offer), Some(web)) = (offer, leg.web()) {
            web.tell(WebEvent::IncomingCall { call, offer }, fx);
        }
    }

    /// The page's connection is gone: it is waited for, longer in mid-call than while it rings.
    pub(super) fn page_left(&mut self, session: WebSession, fx: &mut Effects<'_>) {
        for place in 0..self.legs.len() as u16 {
            let id = self.id;
            let Some(leg) = self.leg(place).filter(|leg| leg.state.is_live()) else { continue };
            let is_up = leg.state == LegState::Up;
            let Some(web) = leg.web().filter(|web| web.session == Some(session)) else { continue };
            web.session = None;
            web.away = true;
            let settings = &fx.settings.calls;
            let grace = if is_up { settings.web_grace } else { settings.web_ring_grace };
            fx.books.set(id, Purpose::Away(place), fx.now.instant, grace);
        }
    }

    /// The call was answered while the page of `place` was away: it is waited for as in mid-call.
    pub(super) fn wait_longer(&mut self, place: u16, fx: &mut Effects<'_>) {
        let id = self.id;
        if self.leg(place).and_then(|leg| leg.web()).is_some_and(|web| web.away) {
            fx.books.set(id, Purpose::Away(place), fx.now.instant, fx.settings.calls.web_grace);
        }
    }

    /// The page did not come back in time.
    pub(super) fn page_gone(&mut self, place: u16, fx: &mut Effects<'_>) {
        let is_up = self.leg(place).is_some_and(|leg| leg.state == LegState::Up);
        if place == 0 || is_up {
            self.end(if is_up { Cause::ConnectionLost } else { Cause::Cancelled }, Some(place), fx);
        } else {
            self.drop_leg(place, Cause::NotRegistered, fx);
            self.callee_failed(place, Cause::NotRegistered, fx);
        }
    }

    /// Tells the page of this leg what is wrong with the media of `place`.
    pub(super) fn media_trouble(&mut self, place: u16, reason: &str, text: &str, fx: &mut Effects<'_>) {
        let call = self.id;
        if let Some(web) = self.leg(place).and_then(|leg| leg.web()) {
            web.tell(WebEvent::MediaTrouble { call, reason: reason.to_owned(), text: text.to_owned() }, fx);
        }
    }
}

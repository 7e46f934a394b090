//! What pages ask of a call in progress.

use super::cause::Cause;
use super::digits;
use super::effects::Effects;
use super::exchange::Reply;
use super::keying;
use super::leg::{LegState, Wire};
use super::model::Call;
use super::timer::Purpose;
use crate::engine::numbering::Extension;
use crate::engine::registrar::BindingKey;
use crate::engine::web::{Signal, WebEvent, WebRefusal, WebReply, WebSession};
use crate::sdp::{RemoteSecurity, SessionDescription, remote_audio};

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
            Signal::Hold | Signal::Resume if is_up => match self.hold(place, signal == Signal::Hold, fx) {
                Ok(()) => WebReply::Call(self.view(place)),
                Err(_) => WebReply::Refused(WebRefusal::WrongState),
            },
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
        if let Some(end) = self.leg(place).and_then(|leg| leg.session.end())
            && let Some(command) = keying::add_candidate(end, candidate)
        {
            fx.connectivity(command);
        }
        WebReply::Done
    }

    /// An answer to an offer of ours in mid-call.
    fn page_answers(&mut self, place: u16, sdp: &str, fx: &mut Effects<'_>) -> WebReply {
        let Some(leg) = self.leg(place).filter(|leg| leg.session.is_offering()) else {
            return WebReply::Refused(WebRefusal::WrongState);
        };
        if leg.state != LegState::Up {
            return WebReply::Refused(WebRefusal::WrongState);
        }
        let Ok(answer) = SessionDescription::parse(sdp.as_bytes()) else {
            return WebReply::Refused(WebRefusal::BadDescription);
        };
        let accepted = leg.session.read_answer(&answer, fx).is_ok();
        if accepted {
            self.bridge(fx);
        }
        self.relayed_offer_settled(place, accepted, fx);
        if accepted { WebReply::Done } else { WebReply::Refused(WebRefusal::BadDescription) }
    }

    /// An offer in mid-call: ICE restarts, or the page was loaded anew and has new keys.
    fn page_offers(&mut self, place: u16, sdp: &str, fx: &mut Effects<'_>) -> WebReply {
        let Ok(offer) = SessionDescription::parse(sdp.as_bytes()) else {
            return WebReply::Refused(WebRefusal::BadDescription);
        };
        let Some(leg) = self.leg(place) else { return WebReply::Refused(WebRefusal::WrongState) };
        let Ok(remote) = remote_audio(&offer, leg.session.policy()) else {
            return WebReply::Refused(WebRefusal::BadDescription);
        };
        let known = leg.session.agreed().and_then(|agreed| match &agreed.remote.security {
            RemoteSecurity::DtlsSrtp(dtls) => Some(&dtls.fingerprint),
            _ => None,
        });
        let is_new = match &remote.security {
            RemoteSecurity::DtlsSrtp(dtls) => known != Some(&dtls.fingerprint),
            _ => return WebReply::Refused(WebRefusal::BadDescription),
        };
        if is_new {
            leg.session.restart(fx);
        } else {
            leg.session.restart_ice(fx);
        }
        match self.offer_from(place, &offer, fx) {
            Reply::Answer(answer) => {
                self.answer_page(place, &answer, fx);
                WebReply::Call(self.view(place))
            }
            Reply::Later | Reply::Refuse(_) => WebReply::Refused(WebRefusal::BadDescription),
        }
    }

    /// The page came back: its events go to the new connection, and what rings there rings again.
    pub(super) fn page_returned(
        &mut self,
        extension: &Extension,
        device: Option<&BindingKey>,
        session: WebSession,
        fx: &mut Effects<'_>,
    ) {
        for place in 0..self.legs.len() as u16 {
            let id = self.id;
            let Some(leg) = self.leg(place).filter(|leg| leg.state.is_live()) else { continue };
            let rings = leg.state != LegState::Up && place != 0;
            // Two pages of one extension may both be away while both ring: each takes up its own.
            let is_own = !rings || leg.device.as_ref() == device;
            let Some(web) = leg.web().filter(|web| is_own && web.is_missed_by(extension)) else { continue };
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

    /// The page's connection is gone: it is waited for, the longer if it was talking.
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

    /// Tells the pages of this call what is wrong with the media of `place`.
    pub(super) fn media_trouble(&mut self, place: u16, reason: &str, text: &str, fx: &mut Effects<'_>) {
        let call = self.id;
        if let Some(web) = self.leg(place).and_then(|leg| leg.web()) {
            web.tell(WebEvent::MediaTrouble { call, reason: reason.to_owned(), text: text.to_owned() }, fx);
        }
    }
}

//! Session timers of a leg (RFC 4028): we refresh by UPDATE or re-INVITE, or notice that the peer does not.

use super::books::Asked;
use super::cause::Cause;
use super::effects::Effects;
use super::model::Call;
use super::timer::Purpose;
use crate::engine::dialog::session_timer::{self, Preference, SessionTimer, Verdict};
use crate::engine::transaction::RequestOptions;
use crate::sip::{Method, Request, Response};

/// What the office prefers.
pub(super) fn preference(fx: &Effects<'_>) -> Preference {
    let calls = &fx.settings.calls;
    Preference {
        interval: u32::try_from(calls.session_expires.as_secs()).unwrap_or(1800),
        min_se: u32::try_from(calls.min_se.as_secs()).unwrap_or(session_timer::SHORTEST),
    }
}

impl Call {
    /// Says in our 2xx to an INVITE or UPDATE who refreshes, and starts the timer.
    pub(super) fn say_session_timer(
        &mut self,
        place: u16,
        request: &Request,
        response: &mut Response,
        fx: &mut Effects<'_>,
    ) {
        if let Verdict::Timer(agreed) = session_timer::judge(request, preference(fx)) {
            agreed.put(response);
            self.run_session_timer(place, agreed.start(fx.now.instant), fx);
        }
    }

    /// The peer's 2xx says who refreshes.
    pub(super) fn note_peer_timer(&mut self, place: u16, response: &Response, fx: &mut Effects<'_>) {
        let timer = SessionTimer::of_response(fx.now.instant, response, preference(fx));
        self.run_session_timer(place, timer, fx);
    }

    /// A refreshing request of the peer came: whatever it becomes, the peer lives.
    pub(super) fn refreshed(&mut self, place: u16, request: &Request, fx: &mut Effects<'_>) {
        if let Verdict::Timer(agreed) = session_timer::judge(request, preference(fx)) {
            self.run_session_timer(place, agreed.start(fx.now.instant), fx);
        }
    }

    /// It is our turn to refresh: by UPDATE without a description if the peer takes it, else by re-INVITE.
    pub(super) fn refresh(&mut self, place: u16, fx: &mut Effects<'_>) {
        let id = self.leg_id(place);
        let codecs = self.agreed_codecs(place);
        let preference = preference(fx);
        let Some(sip) = self.leg(place).filter(|leg| leg.state.is_live()).and_then(|leg| leg.sip()) else {
            return;
        };
        if !sip.takes_update {
            self.offer_to(place, codecs, false, fx);
            return;
        }
        let Some(dialog) = &mut sip.dialog else { return };
        let mut update = dialog.request(Method::Update);
        session_timer::offer(&mut update, preference, Some(crate::sip::header::Refresher::Uac));
        match fx.layer.request(fx.now, dialog.flow(), update, RequestOptions::default()) {
            Ok(client) => fx.books.note_client(client, id, Asked::Refresh),
            Err(refusal) => fx.refused("call", super::request_refusal_label(refusal)),
        }
    }

    /// The session was not refreshed in time.
    pub(super) fn session_expired(&mut self, fx: &mut Effects<'_>) {
        self.end(Cause::SessionExpired, None, fx);
    }

    fn run_session_timer(&mut self, place: u16, timer: SessionTimer, fx: &mut Effects<'_>) {
        let now = fx.now.instant;
        match timer.refresh_at {
            Some(at) => {
                fx.books.set(self.id, Purpose::Refresh(place), now, at.saturating_duration_since(now));
            }
            None => fx.books.cancel(self.id, Purpose::Refresh(place)),
        }
        let expire = timer.expire_at.saturating_duration_since(now);
        fx.books.set(self.id, Purpose::Expire(place), now, expire);
    }
}

//! Session timers of a leg (RFC 4028): we refresh by UPDATE or re-INVITE, or notice that the peer does not.

use super::books::Asked;
use super::cause::Cause;
use super::effects::Effects;
use super::leg::LegState;
use super::model::Call;
use super::timer::Purpose;
use crate::engine::dialog::session_timer::{self, Preference, SessionTimer, Verdict};
use crate::sip::header::MinSe;
use crate::sip::{Method, Request, Response};
use std::time::Duration;

/// What the office prefers.
pub(super) fn preference(fx: &Effects<'_>) -> Preference {
    let calls = &fx.settings.calls;
    Preference {
        interval: u32::try_from(calls.session_expires.as_secs()).unwrap_or(1800),
        min_se: u32::try_from(calls.min_se.as_secs()).unwrap_or(session_timer::SHORTEST),
    }
}

/// When a refresh that could not be made, or was not answered, is tried again.
const REFRESH_AGAIN: Duration = Duration::from_secs(10);

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

    /// A refreshing request of the peer came: whatever it becomes, the peer lives. Unless it asks for too short an
    /// interval: then the least that it may ask for.
    pub(super) fn refreshed(&mut self, place: u16, request: &Request, fx: &mut Effects<'_>) -> Option<MinSe> {
        match session_timer::judge(request, preference(fx)) {
            Verdict::Timer(agreed) => {
                self.run_session_timer(place, agreed.start(fx.now.instant), fx);
                None
            }
            Verdict::TooSmall(least) => Some(least),
        }
    }

    /// It is our turn to refresh: by UPDATE without a description if the peer takes it, else by re-INVITE.
    pub(super) fn refresh(&mut self, place: u16, fx: &mut Effects<'_>) {
        let id = self.leg_id(place);
        let codecs = self.agreed_codecs(place);
        let Some(sip) = self.leg(place).filter(|leg| leg.state == LegState::Up).and_then(|leg| leg.sip())
        else {
            return;
        };
        if sip.takes_update {
            if let Some((client, _)) = sip.request(Method::Update, None, fx) {
                fx.books.note_client(client, id, Asked::Refresh);
            }
        } else {
            self.offer_to(place, codecs, false, fx);
        }
        // The answer sets it anew. Without one, time runs out in the end.
        fx.books.set(self.id, Purpose::Refresh(place), fx.now.instant, REFRESH_AGAIN);
    }

    /// The peer wants a longer interval (422).
    pub(super) fn refresh_longer(&mut self, place: u16, response: &Response, fx: &mut Effects<'_>) {
        let preference = preference(fx);
        let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) else { return };
        let raised = session_timer::raised(sip.preference.unwrap_or(preference), response);
        if raised.is_some() {
            sip.preference = raised;
            self.refresh(place, fx);
        }
    }

    /// The session was not refreshed in time.
    pub(super) fn session_expired(&mut self, fx: &mut Effects<'_>) {
        self.end(Cause::SessionExpired, None, fx);
    }

    fn run_session_timer(&mut self, place: u16, timer: SessionTimer, fx: &mut Effects<'_>) {
        let now = fx.now.instant;
        if let Some(sip) = self.leg(place).and_then(|leg| leg.sip()) {
            sip.we_refresh = timer.we_refresh();
        }
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

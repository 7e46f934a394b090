//! Ending a call: whoever ends it, all its legs, ports and transactions go.

use super::cause::Cause;
use super::effects::Effects;
use super::leg::{LegState, Wire};
use super::model::{Call, CallState};
use super::plan::{AsteriskState, Way};
use super::sip_leg::{Exchange, Stage};
use super::timer::Purpose;
use crate::sip::StatusCode;
use std::time::Duration;

/// How long a call that is over waits for the worker's figures and the last final responses.
const LINGER: Duration = Duration::from_secs(2);

impl Call {
    /// Ends the call. `by` is the leg whose party ended it: it is told nothing more.
    pub(super) fn end(&mut self, cause: Cause, by: Option<u16>, fx: &mut Effects<'_>) {
        if !self.is_active() {
            return;
        }
        self.state = CallState::Over(cause);
        self.ended = Some(fx.now.wall);
        self.voicemail_away = fx.asterisk == AsteriskState::Down && self.plan.way() != Way::Link;
        self.awaiting = None;
        self.end_attempt_with(cause, fx);
        fx.books.cancel_attempt(self.id);
        self.stop_meter(fx);
        for purpose in [Purpose::Longest, Purpose::Meter, Purpose::Idle, Purpose::Sample] {
            fx.books.cancel(self.id, purpose);
        }
        for place in 0..self.legs.len() as u16 {
            let told = if by == Some(place) { LegEnd::Itself } else { LegEnd::ByUs };
            self.end_leg(place, cause, told, fx);
        }
        fx.books.set(self.id, Purpose::Linger, fx.now.instant, LINGER);
        fx.active_calls = fx.active_calls.saturating_sub(1);
        self.observe("ended", Some(cause.as_str()), fx);
        self.tell_if_barred(cause, fx);
        self.write_record(false, fx);
    }

    /// What a party reads of the end.
    pub(super) const fn in_words(&self, cause: Cause) -> &'static str {
        if self.voicemail_away { cause.in_words_without_voicemail() } else { cause.in_words() }
    }

    /// Lets go of one leg; the call goes on.
    pub(super) fn drop_leg(&mut self, place: u16, cause: Cause, fx: &mut Effects<'_>) {
        self.end_leg(place, cause, LegEnd::ByUs, fx);
    }

    /// A leg is over by itself: refused, failed, or its party left; the call may go on.
    pub(super) fn leg_is_over(&mut self, place: u16, cause: Cause, fx: &mut Effects<'_>) {
        self.end_leg(place, cause, LegEnd::Itself, fx);
    }

    fn end_leg(&mut self, place: u16, cause: Cause, told: LegEnd, fx: &mut Effects<'_>) {
        let id = self.leg_id(place);
        let words = self.in_words(cause);
        let Some(leg) = self.leg(place).filter(|leg| leg.state.is_live()) else { return };
        leg.state = LegState::Ended(cause);
        leg.session.withdraw();
        leg.session.close(fx);
        if let Some(link) = &leg.link {
            fx.router.links.give(&link.id);
        }
        fx.books.cancel_leg(id.call, place);
        match &mut leg.wire {
            Wire::Sip(sip) => {
                if let Some(dialog) = &sip.dialog {
                    fx.books.dialogs.remove(dialog.id());
                }
                match &sip.exchange {
                    Exchange::Theirs { server, request, .. } => {
                        let response = sip.response(request, StatusCode::REQUEST_TERMINATED);
                        super::send_response(*server, response, fx);
                    }
                    // Otherwise one that has a provisional response would wait for ever.
                    Exchange::Ours { client, .. } => drop(fx.layer.cancel(fx.now, *client, None)),
                    Exchange::Idle | Exchange::AckAnswers | Exchange::Backoff => {}
                }
                sip.exchange = Exchange::Idle;
                if told == LegEnd::ByUs || matches!(sip.stage, Stage::Incoming { .. }) {
                    sip.end(cause, words, fx);
                } else {
                    sip.stage = Stage::Closed;
                }
            }
            Wire::Web(_) => self.tell_page(place, fx),
        }
    }

    /// Whether nothing more is expected of a call that is over.
    pub(super) fn is_settled(&self) -> bool {
        let waits = |stage: &Stage| matches!(stage, Stage::Cancelled { .. } | Stage::Parting { .. });
        let legs_settled = self.legs.iter().all(|leg| match &leg.wire {
            Wire::Sip(sip) => !waits(&sip.stage),
            Wire::Web(_) => true,
        });
        !self.is_active() && self.recorded && legs_settled
    }
}

/// Who ended a leg.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LegEnd {
    /// Its party; or it was refused before.
    Itself,
    /// The gateway.
    ByUs,
}

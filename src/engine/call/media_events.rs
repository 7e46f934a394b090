//! What the media worker and the owner of ICE tell a call.

use super::cause::Cause;
use super::effects::Effects;
use super::leg::{Leg, LegState};
use super::model::Call;
use super::timer::{CallTimer, Purpose};
use crate::media::end::SourceRule;
use crate::media::webrtc::EndEvent;
use crate::media::{ConnectivityEvent, MediaCommand, MediaEvent, Remote};

impl Call {
    /// News of the media end of `place`.
    pub(super) fn media_event(&mut self, place: u16, event: MediaEvent, fx: &mut Effects<'_>) {
        match event {
            MediaEvent::Dtmf { digit, needs_signalling, .. } => {
                self.heard_digit(place, digit, needs_signalling, fx);
            }
            MediaEvent::Silent { .. } => self.silent(place, fx),
            MediaEvent::Sample { report, .. } => self.sampled(place, &report, fx),
            MediaEvent::Closed { end, report } => {
                fx.books.forget_end(end);
                fx.stock.ends.release(end);
                if let Some(leg) = self.leg(place) {
                    leg.session.set_report(*report);
                }
                self.write_record(false, fx);
            }
            MediaEvent::Refused { reason, .. } => fx.refused("media", reason.as_str()),
            MediaEvent::FirstPacket { .. } | MediaEvent::Resumed { .. } => self.heard(place, fx),
        }
    }

    /// News of ICE and DTLS of the end of `place`.
    pub(super) fn connectivity_event(&mut self, place: u16, event: &ConnectivityEvent, fx: &mut Effects<'_>) {
        let (end, event) = match event {
            ConnectivityEvent::End { end, event } => (*end, event),
            ConnectivityEvent::Refused { why, .. } => return fx.refused("connectivity", why.as_str()),
        };
        match event {
            EndEvent::Connected { remote, keys } => {
                let remote = Remote::muxed(*remote);
                fx.media(MediaCommand::SetCrypto { end, keys: keys.clone() });
                fx.media(MediaCommand::SetRemote { end, remote, source: SourceRule::Exact });
            }
            EndEvent::PathValidated { remote } => {
                fx.media(MediaCommand::AllowSource { end, address: *remote });
            }
            EndEvent::PathChanged { remote } => {
                let remote = Remote::muxed(*remote);
                fx.media(MediaCommand::SetRemote { end, remote, source: SourceRule::Exact });
            }
            EndEvent::PeerClosed => {}
            EndEvent::Failed(failure) => {
                fx.refused("connectivity", failure.as_str());
                self.media_trouble(place, failure.as_str(), failure.in_words(), fx);
            }
        }
    }

    /// No RTP from a party: its device vanished. Unless none is expected: on hold, or while its page may come back.
    fn silent(&mut self, place: u16, fx: &mut Effects<'_>) {
        let id = self.id;
        if let Some(leg) = self.leg(place) {
            leg.silent = true;
        }
        self.watch_silence(place, fx);
        let Some(leg) = self.leg(place).filter(|leg| leg.state == LegState::Up) else { return };
        if leg.web().is_some_and(|web| web.session.is_some()) {
            let text =
                "No sound arrives from your device: is the microphone blocked, or a firewall in between?";
            return self.media_trouble(place, "no-packets", text, fx);
        }
        let is_expected = leg.session.agreed().is_some_and(|agreed| agreed.direction.receives());
        let may_come_back = fx.books.timers.is_set(&CallTimer { call: id, purpose: Purpose::Away(place) });
        if is_expected && !may_come_back {
            self.end(Cause::MediaTimeout, None, fx);
        }
    }

    /// Something is heard of a party.
    fn heard(&mut self, place: u16, fx: &mut Effects<'_>) {
        if let Some(leg) = self.leg(place) {
            leg.silent = false;
        }
        fx.books.cancel(self.id, Purpose::Idle);
    }

    /// Nothing is heard of either party: the call is ended if that lasts. A call on hold is left to its session timers.
    fn watch_silence(&mut self, place: u16, fx: &mut Effects<'_>) {
        let id = self.id;
        let idle = fx.settings.calls.idle;
        let Some((a, b)) = self.pair(place) else { return };
        let is_silent = |leg: &Leg| leg.silent && leg.state == LegState::Up;
        let is_held = |leg: &Leg| leg.session.agreed().is_none_or(|agreed| !agreed.direction.receives());
        if is_silent(a) && is_silent(b) && !(is_held(a) && is_held(b)) {
            fx.books.set(id, Purpose::Idle, fx.now.instant, idle);
        }
    }
}

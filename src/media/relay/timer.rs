//! What happens by itself: silence, reports, keys whose end was lost.
//!
//! A tick every quarter of a second looks at every open end; digits of ours keep their own time.

use std::time::{Duration, Instant};

use super::media_end::{Life, MediaEnd};
use super::{Relay, RelaySettings};
use crate::media::event::MediaEvent;
use crate::media::ports::LocalPort;

/// How often ends are looked at.
const TICK: Duration = Duration::from_millis(250);

impl Relay {
    /// When [`handle_timer`](Self::handle_timer) must be called; `None` while no end is open.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let table = &mut self.table;
        let digits = self
            .digits_due
            .iter()
            .filter_map(|&index| table.at(index).and_then(|end| end.dtmf_sent.poll_timeout(now)))
            .min();
        self.next_tick.into_iter().chain(digits).min()
    }

    /// Does what is due; then drain [`poll_transmit`](Self::poll_transmit) and
    /// [`poll_event`](Self::poll_event).
    pub fn handle_timer(&mut self, now: Instant) {
        if self.next_tick.is_none_or(|tick| now < tick) {
            return;
        }
        self.next_tick = (self.table.open() > 0).then_some(now + TICK);
        let positions = 0..self.table.capacity();
        for index in positions {
            let Some(end) = self.table.at(index) else { continue };
            let event = end.dtmf_received.handle_timer(now);
            let tone = end.tones.as_mut().and_then(|tones| tones.receiver.handle_timer(now));
            end.check_life(now, &self.settings).into_iter().for_each(|event| self.events.push(event));
            if now >= end.control.next_report {
                end.control.next_report = now + self.settings.report_interval;
                end.close_interval();
                self.reports_due.push_back(index);
            }
            if let Some(press) = event {
                self.event_ended(index, press);
            }
            if let Some(press) = tone {
                self.tone_ended(index, press);
            }
        }
    }

    /// Makes sure that a tick comes while ends are open.
    pub(super) fn arm_tick(&mut self, now: Instant) {
        self.next_tick.get_or_insert(now + TICK);
    }
}

impl MediaEnd {
    /// Audio may be missed from now on.
    pub(super) fn begin_life(&mut self, now: Instant) {
        self.life = Life { rtp: now, any: now, ..self.life };
    }

    /// Whether the end fell silent just now. Only bridged ends are missed: before that nobody talks.
    fn check_life(&mut self, now: Instant, settings: &RelaySettings) -> Option<MediaEvent> {
        let (since, limit) = if !self.flow.receive {
            (self.life.any, settings.silence_on_hold)
        } else if self.local == LocalPort::Trunk {
            (self.life.any, settings.silence)
        } else {
            (self.life.rtp, settings.silence)
        };
        let silent = now.saturating_duration_since(since) >= limit;
        if !silent || self.life.silent || self.bridge.is_none() {
            return None;
        }
        self.life.silent = true;
        Some(MediaEvent::Silent { end: self.id, since })
    }
}

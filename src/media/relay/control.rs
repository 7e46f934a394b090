//! RTCP of one end: what its peer told us, and when we report next.

use std::time::{Duration, Instant};

use super::media_end::MediaEnd;
use super::rating::Ratings;
use crate::media::event::{DropReason, Report, StreamReport};
use crate::media::mos::Conditions;
use crate::media::rtcp::{Compound, ReportBlock, RtcpPacket, SenderInfo};
use crate::time::Now;

/// The first report comes early, so that the round trip is known soon.
const FIRST_REPORT: Duration = Duration::from_secs(1);

/// An interval with fewer packets says nothing about quality.
const RATED_PACKETS: u64 = 10;

/// Seconds from NTP's epoch (1900) to Unix's (1970).
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// A wall clock for RTCP that never jumps: read once, then moved by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct NtpClock {
    start: Now,
}

impl NtpClock {
    pub(super) fn new(start: Now) -> Self {
        Self { start }
    }

    /// NTP time: seconds since 1900 in the upper half, fractions in the lower.
    pub(super) fn ntp(&self, now: Instant) -> u64 {
        let since =
            Duration::from_millis(self.start.wall.0) + now.saturating_duration_since(self.start.instant);
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        since.as_secs().wrapping_add(NTP_TO_UNIX) << 32 | fraction
    }

    /// The middle 32 bits of NTP time, as reports carry it.
    pub(super) fn middle(&self, now: Instant) -> u32 {
        (self.ntp(now) >> 16) as u32
    }
}

/// What reports told, and when ours are due.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// The peer's last sender report: the middle of its NTP time, and when it came.
    last_report: Option<(u32, Instant)>,
    pub(super) round_trip: Option<Duration>,
    /// What the peer says of our stream.
    sent_lost: u64,
    sent_jitter: Duration,
    sent_ratings: Ratings,
    pub(super) next_report: Instant,
    /// What the closed interval of the peer's stream showed, for our next report.
    fraction_lost: u8,
    /// Packets we had sent when we reported last.
    reported_packets: u64,
}

impl Control {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last_report: None,
            round_trip: None,
            sent_lost: 0,
            sent_jitter: Duration::ZERO,
            sent_ratings: Ratings::default(),
            next_report: now + FIRST_REPORT,
            fraction_lost: 0,
            reported_packets: 0,
        }
    }

    /// Another stream of the peer is heard: its sender reports begin anew.
    pub(super) fn stream_began(&mut self) {
        self.last_report = None;
    }
}

impl MediaEnd {
    /// Reads a compound packet of the peer.
    pub(super) fn read_reports(
        &mut self,
        now: Instant,
        clock: &NtpClock,
        compound: &[u8],
    ) -> Result<(), DropReason> {
        for packet in Compound::new(compound) {
            let RtcpPacket::Report { ssrc, sender, blocks } = packet.map_err(|_| DropReason::Malformed)?
            else {
                continue;
            };
            let heard = self.incoming.heard().is_none_or(|(heard, _)| heard == ssrc);
            if let Some(sender) = sender.filter(|_| heard) {
                self.control.last_report = Some(((sender.ntp >> 16) as u32, now));
            }
            let ours = self.outgoing.ssrc().0;
            blocks.filter(|block| block.ssrc == ours).for_each(|block| self.read_block(now, clock, &block));
        }
        Ok(())
    }

    /// Closes the interval of the peer's stream: its loss goes into our next report, and is rated when
    /// there were packets enough.
    pub(super) fn close_interval(&mut self) {
        let rated = self.incoming.expected_in_interval() >= RATED_PACKETS;
        let interval = self.incoming.close_interval();
        self.control.fraction_lost = interval.fraction_lost();
        if rated {
            let jitter = self.received_jitter();
            let conditions = self.conditions(interval.loss(), jitter);
            self.received_ratings.add(&conditions);
        }
    }

    /// Our own stream for a sender report, when we sent since the last one.
    pub(super) fn sender_info(&mut self, now: Instant, clock: &NtpClock) -> Option<SenderInfo> {
        let packets = self.outgoing.packets;
        if std::mem::replace(&mut self.control.reported_packets, packets) == packets {
            return None;
        }
        Some(SenderInfo {
            ntp: clock.ntp(now),
            timestamp: self.outgoing.timestamp_at(now, self.clock_rate()),
            packets: packets as u32,
            octets: self.outgoing.octets as u32,
        })
    }

    /// What we heard of the peer's stream, when one is heard.
    pub(super) fn report_block(&self, now: Instant) -> Option<ReportBlock> {
        let (ssrc, stream) = self.incoming.heard()?;
        let (last_report, delay) = match self.control.last_report {
            Some((middle, at)) => {
                let since = now.saturating_duration_since(at);
                (middle, u32::try_from(since.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX))
            }
            None => (0, 0),
        };
        Some(ReportBlock {
            ssrc: ssrc.0,
            fraction_lost: self.control.fraction_lost,
            lost: i32::try_from(stream.lost()).unwrap_or(i32::MAX),
            highest_sequence: stream.highest_sequence(),
            jitter: stream.jitter_units(self.clock_rate()),
            last_report,
            delay,
        })
    }

    /// All figures up to now.
    pub(super) fn report(&self) -> Report {
        let mut received = StreamReport {
            packets: self.incoming.packets,
            bytes: self.incoming.bytes,
            lost: self.incoming.lost(),
            jitter_ms: milliseconds(self.received_jitter()),
            ..StreamReport::default()
        };
        self.received_ratings.fill(&mut received);
        let mut sent = StreamReport {
            packets: self.outgoing.packets,
            bytes: self.outgoing.bytes,
            lost: self.control.sent_lost,
            jitter_ms: milliseconds(self.control.sent_jitter),
            ..StreamReport::default()
        };
        self.control.sent_ratings.fill(&mut sent);
        Report { received, sent, round_trip: self.control.round_trip, drops: self.drops.clone() }
    }

    /// What the peer says of our stream.
    fn read_block(&mut self, now: Instant, clock: &NtpClock, block: &ReportBlock) {
        if block.last_report != 0 {
            // RFC 3550 §6.4.1: A - LSR - DLSR; a clock that disagrees makes it negative.
            let units = clock.middle(now).wrapping_sub(block.last_report).wrapping_sub(block.delay);
            if units.cast_signed() >= 0 {
                let micros = u64::from(units) * 1_000_000 / 65_536;
                self.control.round_trip = Some(Duration::from_micros(micros));
            }
        }
        self.control.sent_lost = u64::try_from(block.lost).unwrap_or(0);
        let rate = self.clock_rate();
        self.control.sent_jitter = Duration::from_secs_f64(f64::from(block.jitter) / f64::from(rate));
        let conditions = self.conditions(f32::from(block.fraction_lost) / 256.0, self.control.sent_jitter);
        self.control.sent_ratings.add(&conditions);
    }

    fn received_jitter(&self) -> Duration {
        self.incoming.heard().map_or(Duration::ZERO, |(_, stream)| stream.jitter(self.clock_rate()))
    }

    fn conditions(&self, loss: f32, jitter: Duration) -> Conditions {
        Conditions { codec: self.codec.kind, loss, jitter, round_trip: self.control.round_trip }
    }
}

fn milliseconds(span: Duration) -> f32 {
    span.as_secs_f32() * 1000.0
}

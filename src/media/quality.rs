//! What one received stream looks like: sequence, loss and jitter (RFC 3550 appendix A).

use std::time::{Duration, Instant};

/// A jump ahead by more than this is a restart, not loss (RFC 3550 appendix A.1).
const MAX_DROPOUT: u16 = 3000;

/// A step back by more than this is a restart, not a late packet (RFC 3550 appendix A.1).
const MAX_MISORDER: u16 = 100;

/// What a packet's sequence number means for its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Next, after a gap, late or repeated: part of the stream.
    InStream,
    /// The second of two in order after a jump: the sender restarted its numbering.
    Restarted,
    /// Far from the stream; a restart if the next one follows it.
    Suspect,
}

/// What happened in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Packets the sender sent.
    pub expected: u64,
    /// Of those, how many did not come.
    pub lost: u64,
}

impl Interval {
    /// Share lost, 0 to 1.
    pub fn loss(self) -> f32 {
        let count = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        if self.expected == 0 { 0.0 } else { (count(self.lost) / count(self.expected)) as f32 }
    }

    /// Share lost, in 256ths (RFC 3550 §6.4.1).
    pub fn fraction_lost(self) -> u8 {
        let fraction = (self.lost * 256).checked_div(self.expected).unwrap_or(0);
        fraction.min(255) as u8
    }
}

/// The state of one received stream.
#[derive(Clone, Debug)]
pub struct ReceivedStream {
    /// First and highest sequence number, with roll-overs above 16 bits.
    base: u64,
    highest: u64,
    received: u64,
    /// After a jump: the sequence number that would confirm a restart.
    suspect: Option<u16>,
    expected_before: u64,
    received_before: u64,
    /// Lost before the sender restarted its numbering.
    lost_before: u64,
    jitter: Jitter,
}

impl ReceivedStream {
    /// A stream that begins with this packet (not yet counted: give it to [`arrive`](Self::arrive) too).
    pub fn new(sequence: u16, now: Instant) -> Self {
        Self {
            base: u64::from(sequence),
            highest: u64::from(sequence),
            received: 0,
            suspect: None,
            expected_before: 0,
            received_before: 0,
            lost_before: 0,
            jitter: Jitter::new(now),
        }
    }

    /// Counts a packet. `clock_rate` in Hz.
    pub fn arrive(&mut self, sequence: u16, timestamp: u32, now: Instant, clock_rate: u32) -> Arrival {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let verdict = if ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
            Arrival::InStream
        } else if ahead > u16::MAX - MAX_MISORDER {
            Arrival::InStream
        } else if self.suspect == Some(sequence) {
            self.restart(sequence, now);
            Arrival::Restarted
        } else {
            self.suspect = Some(sequence.wrapping_add(1));
            return Arrival::Suspect;
        };
        self.suspect = None;
        self.received += 1;
        self.jitter.arrive(timestamp, now, clock_rate);
        verdict
    }

    /// Closes an interval and opens the next.
    pub fn close_interval(&mut self) -> Interval {
        let expected = self.expected();
        let interval_expected = expected.saturating_sub(self.expected_before);
        let interval_received = self.received.saturating_sub(self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        Interval { expected: interval_expected, lost: interval_expected.saturating_sub(interval_received) }
    }

    /// Packets expected since the last interval was closed.
    pub fn expected_in_interval(&self) -> u64 {
        self.expected().saturating_sub(self.expected_before)
    }

    /// Packets lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.expected().saturating_sub(self.received)
    }

    /// Highest sequence number with its roll-overs, for a report block.
    pub fn highest_sequence(&self) -> u32 {
        self.highest as u32
    }

    /// Interarrival jitter, in units of the clock rate.
    pub fn jitter_units(&self, clock_rate: u32) -> u32 {
        let units = self.jitter(clock_rate).as_nanos() * u128::from(clock_rate) / 1_000_000_000;
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// Interarrival jitter.
    pub fn jitter(&self, clock_rate: u32) -> Duration {
        Duration::try_from_secs_f64(self.jitter.estimate / f64::from(clock_rate.max(1))).unwrap_or_default()
    }

    fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    fn restart(&mut self, sequence: u16, now: Instant) {
        let lost = self.lost();
        *self = Self { lost_before: lost, ..Self::new(sequence, now) };
    }
}

/// Interarrival jitter (RFC 3550 appendix A.8).
#[derive(Clone, Debug)]
struct Jitter {
    epoch: Instant,
    /// Timestamp and arrival of the packet before, both in clock units.
    last: Option<(u32, f64)>,
    estimate: f64,
}

impl Jitter {
    fn new(now: Instant) -> Self {
        Self { epoch: now, last: None, estimate: 0.0 }
    }

    /// Packets that share a timestamp (telephone events, video frames) say nothing about jitter: only the
    /// first of them counts.
    fn arrive(&mut self, timestamp: u32, now: Instant, clock_rate: u32) {
        let arrival = now.saturating_duration_since(self.epoch).as_secs_f64() * f64::from(clock_rate);
        if let Some((last_timestamp, last_arrival)) = self.last {
            let step = timestamp.wrapping_sub(last_timestamp).cast_signed();
            if step == 0 {
                return;
            }
            let difference = (arrival - last_arrival - f64::from(step)).abs();
            // A jump of over a second is a change of timestamps, not jitter.
            if difference < f64::from(clock_rate) {
                self.estimate += (difference - self.estimate) / 16.0;
            }
        }
        self.last = Some((timestamp, arrival));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8000;

    struct Feed {
        stream: ReceivedStream,
        start: Instant,
    }

    impl Feed {
        fn new(first: u16) -> Self {
            let start = Instant::now();
            Self { stream: ReceivedStream::new(first, start), start }
        }

        fn packet(&mut self, sequence: u16, at_ms: u64) -> Arrival {
            let now = self.start + Duration::from_millis(at_ms);
            self.stream.arrive(sequence, u32::from(sequence).wrapping_mul(160), now, RATE)
        }
    }

    #[test]
    fn loss_is_counted_per_interval_not_since_the_start() {
        let mut feed = Feed::new(0);
        (0..100).filter(|n| n % 10 != 5).for_each(|n| {
            feed.packet(n, u64::from(n) * 20);
        });
        let first = feed.stream.close_interval();
        assert_eq!(first, Interval { expected: 100, lost: 10 });
        assert_eq!(first.fraction_lost(), 25);
        (100..200).for_each(|n| {
            feed.packet(n, u64::from(n) * 20);
        });
        assert_eq!(feed.stream.close_interval(), Interval { expected: 100, lost: 0 });
        assert_eq!(feed.stream.lost(), 10);
        assert_eq!(feed.stream.close_interval(), Interval::default());
    }

    #[test]
    fn late_and_repeated_packets_never_make_loss_negative() {
        let mut feed = Feed::new(10);
        for sequence in [10, 12, 11, 12, 12] {
            assert_eq!(feed.packet(sequence, 0), Arrival::InStream);
        }
        assert_eq!(feed.stream.lost(), 0);
        assert_eq!(feed.stream.close_interval(), Interval { expected: 3, lost: 0 });
    }

    #[test]
    fn sequence_numbers_roll_over() {
        let mut feed = Feed::new(65_534);
        for (n, sequence) in [65_534, 65_535, 0, 1].into_iter().enumerate() {
            feed.packet(sequence, n as u64 * 20);
        }
        assert_eq!(feed.stream.highest_sequence(), 0x1_0001);
        assert_eq!(feed.stream.lost(), 0);
    }

    #[test]
    fn a_jump_is_a_restart_only_when_the_next_packet_follows_it() {
        let mut feed = Feed::new(1000);
        feed.packet(1000, 0);
        assert_eq!(feed.packet(40_000, 20), Arrival::Suspect);
        assert_eq!(feed.packet(1001, 40), Arrival::InStream);
        assert_eq!(feed.packet(40_001, 60), Arrival::Suspect, "the first was forgotten");
        assert_eq!(feed.packet(40_002, 80), Arrival::Restarted);
        assert_eq!(feed.packet(40_003, 100), Arrival::InStream);
        assert_eq!(feed.stream.lost(), 0);
    }

    #[test]
    fn an_even_stream_has_no_jitter_and_an_uneven_one_its_own() {
        let mut even = Feed::new(0);
        let mut uneven = Feed::new(0);
        for n in 0..500_u16 {
            even.packet(n, u64::from(n) * 20);
            uneven.packet(n, u64::from(n) * 20 + if n % 2 == 0 { 0 } else { 10 });
        }
        assert!(even.stream.jitter(RATE) < Duration::from_micros(100));
        let jitter = uneven.stream.jitter(RATE);
        assert!(jitter.abs_diff(Duration::from_millis(10)) < Duration::from_micros(100), "{jitter:?}");
    }

    #[test]
    fn packets_that_share_a_timestamp_add_no_jitter() {
        let start = Instant::now();
        let mut stream = ReceivedStream::new(0, start);
        for n in 0..50_u16 {
            stream.arrive(n, 8000, start + Duration::from_millis(u64::from(n) * 20), RATE);
        }
        assert_eq!(stream.jitter_units(RATE), 0);
    }
}

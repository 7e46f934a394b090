//! Which of the streams that arrive at an end is heard.
//!
//! | packet | while the heard stream lives | once it has been silent for 100 ms |
//! | --- | --- | --- |
//! | of the heard stream | taken | taken |
//! | of a new stream, authenticated | takes over | takes over |
//! | of a new stream, plain | takes over when a second one follows in order | takes over |
//! | of a stream heard before | stale | takes over |

use std::time::{Duration, Instant};

use super::event::DropReason;
use super::quality::{Arrival, Interval, ReceivedStream};
use super::rtp::{RtpHeader, Ssrc};

/// How many earlier streams are remembered; the oldest is forgotten.
const MAX_EARLIER: usize = 4;

/// A heard stream this long silent no longer defends its place.
const QUIET: Duration = Duration::from_millis(100);

/// What taking a packet means for those who listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The stream goes on.
    Continues,
    /// The first packet of a stream, or of one that restarted its numbering.
    Begins,
}

/// The streams of one end.
#[derive(Clone, Debug, Default)]
pub struct IncomingStreams {
    heard: Option<Heard>,
    earlier: heapless::Deque<Ssrc, MAX_EARLIER>,
    /// The next packet that would prove a new plain stream.
    proof: Option<(Ssrc, u16)>,
    /// Lost in streams heard before.
    lost_before: u64,
    /// Expected and lost in the current interval, in streams that were heard in it before.
    interval_before: Interval,
    /// Packets taken.
    pub packets: u64,
    /// Bytes of those, as on the wire.
    pub bytes: u64,
}

#[derive(Clone, Debug)]
struct Heard {
    ssrc: Ssrc,
    stream: ReceivedStream,
    last: Instant,
}

impl IncomingStreams {
    /// Decides on a packet, and counts it when it is taken. `wire_length` is its length as received.
    pub fn take(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        authenticated: bool,
        clock_rate: u32,
        wire_length: usize,
    ) -> Result<Taken, DropReason> {
        let mut taken = Taken::Continues;
        if self.heard.as_ref().is_none_or(|heard| heard.ssrc != header.ssrc) {
            self.change(now, header, authenticated)?;
            taken = Taken::Begins;
        }
        let heard = self.heard.as_mut().ok_or(DropReason::StaleStream)?;
        match heard.stream.arrive(header.sequence, header.timestamp, now, clock_rate) {
            Arrival::InStream => {}
            Arrival::Restarted => taken = Taken::Begins,
            Arrival::Suspect => return Err(DropReason::Probation),
        }
        heard.last = now;
        self.packets += 1;
        self.bytes += wire_length as u64;
        Ok(taken)
    }

    /// The stream that is heard, and its figures.
    pub fn heard(&self) -> Option<(Ssrc, &ReceivedStream)> {
        self.heard.as_ref().map(|heard| (heard.ssrc, &heard.stream))
    }

    /// Packets lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.heard.as_ref().map_or(0, |heard| heard.stream.lost())
    }

    /// Packets expected since the last interval was closed.
    pub fn expected_in_interval(&self) -> u64 {
        let now = self.heard.as_ref().map_or(0, |heard| heard.stream.expected_in_interval());
        self.interval_before.expected + now
    }

    /// Closes an interval and opens the next.
    pub fn close_interval(&mut self) -> Interval {
        let before = std::mem::take(&mut self.interval_before);
        let now = self.heard.as_mut().map(|heard| heard.stream.close_interval()).unwrap_or_default();
        Interval { expected: before.expected + now.expected, lost: before.lost + now.lost }
    }

    /// Another stream than the one heard wants to be heard.
    fn change(&mut self, now: Instant, header: &RtpHeader, authenticated: bool) -> Result<(), DropReason> {
        let alive =
            self.heard.as_ref().is_some_and(|heard| now.saturating_duration_since(heard.last) < QUIET);
        if alive {
            if self.earlier.iter().any(|one| *one == header.ssrc) {
                return Err(DropReason::StaleStream);
            }
            if !authenticated && self.proof != Some((header.ssrc, header.sequence)) {
                self.proof = Some((header.ssrc, header.sequence.wrapping_add(1)));
                return Err(DropReason::Probation);
            }
        }
        self.proof = None;
        if let Some(mut old) = self.heard.take() {
            self.lost_before += old.stream.lost();
            let interval = old.stream.close_interval();
            self.interval_before.expected += interval.expected;
            self.interval_before.lost += interval.lost;
            if self.earlier.is_full() {
                self.earlier.pop_front();
            }
            self.earlier.push_back(old.ssrc).ok();
        }
        let stream = ReceivedStream::new(header.sequence, now);
        self.heard = Some(Heard { ssrc: header.ssrc, stream, last: now });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::end::PayloadType;

    struct Feed {
        streams: IncomingStreams,
        now: Instant,
    }

    impl Feed {
        fn new() -> Self {
            Self { streams: IncomingStreams::default(), now: Instant::now() }
        }

        fn packet(&mut self, ssrc: u32, sequence: u16, authenticated: bool) -> Result<Taken, DropReason> {
            let header = RtpHeader {
                padding: false,
                marker: false,
                payload_type: PayloadType::new(8).unwrap(),
                sequence,
                timestamp: u32::from(sequence) * 160,
                ssrc: Ssrc(ssrc),
                payload_offset: 12,
            };
            self.streams.take(self.now, &header, authenticated, 8000, 172)
        }

        fn wait(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }
    }

    #[test]
    fn the_first_stream_is_heard_at_once() {
        let mut feed = Feed::new();
        assert_eq!(feed.packet(1, 10, false), Ok(Taken::Begins));
        assert_eq!(feed.packet(1, 11, false), Ok(Taken::Continues));
        assert_eq!((feed.streams.packets, feed.streams.bytes), (2, 344));
    }

    #[test]
    fn a_plain_stream_must_show_two_packets_in_order_while_another_lives() {
        let mut feed = Feed::new();
        feed.packet(1, 10, false).unwrap();
        assert_eq!(feed.packet(2, 50, false), Err(DropReason::Probation));
        assert_eq!(feed.packet(3, 51, false), Err(DropReason::Probation));
        assert_eq!(feed.packet(2, 51, false), Err(DropReason::Probation), "a flood in between");
        assert_eq!(feed.packet(2, 52, false), Ok(Taken::Begins));
    }

    #[test]
    fn an_authenticated_stream_takes_over_and_the_old_one_is_stale() {
        let mut feed = Feed::new();
        feed.packet(1, 10, true).unwrap();
        assert_eq!(feed.packet(2, 50, true), Ok(Taken::Begins));
        assert_eq!(feed.packet(1, 11, true), Err(DropReason::StaleStream));
        feed.wait(100);
        assert_eq!(feed.packet(1, 12, true), Ok(Taken::Begins), "the new one fell silent");
    }

    #[test]
    fn a_plain_stream_follows_a_silent_one_at_once() {
        let mut feed = Feed::new();
        feed.packet(1, 10, false).unwrap();
        feed.wait(100);
        assert_eq!(feed.packet(2, 50, false), Ok(Taken::Begins));
    }

    #[test]
    fn loss_is_kept_when_the_stream_changes() {
        let mut feed = Feed::new();
        feed.packet(1, 10, true).unwrap();
        feed.packet(1, 13, true).unwrap();
        feed.packet(2, 50, true).unwrap();
        feed.packet(2, 52, true).unwrap();
        assert_eq!(feed.streams.lost(), 3);
        assert_eq!(feed.streams.expected_in_interval(), 7);
        assert_eq!(feed.streams.close_interval(), Interval { expected: 7, lost: 3 });
        assert_eq!(feed.streams.close_interval(), Interval::default());
    }

    #[test]
    fn a_flood_of_streams_stays_bounded() {
        let mut feed = Feed::new();
        for ssrc in 0..1000 {
            feed.packet(ssrc, 1, true).unwrap();
        }
        assert_eq!(feed.streams.earlier.len(), MAX_EARLIER);
    }
}

//! The one RTP stream an end sends to its peer, whoever is heard in it.
//!
//! The peer sees one SSRC whose sequence numbers and timestamps go on through every change of source: a
//! transfer, music on hold, a fork, digits of ours. So its jitter buffer and its SRTP index never break.

use std::time::{Duration, Instant};

use super::end::{EndId, PayloadType};
use super::rtp::{FIXED_HEADER, RtpHeader, Ssrc};

/// The least step of time at a change of source: one usual packet.
const LEAST_STEP: Duration = Duration::from_millis(20);

/// Whose packets are being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The end they come from.
    pub end: EndId,
    /// Their stream there.
    pub ssrc: Ssrc,
}

/// Where a stream begins; from randomness (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStart {
    /// Our SSRC.
    pub ssrc: Ssrc,
    /// First sequence number; taken below 32,768 so that a peer that misses the first packets cannot be
    /// wrong about the roll-over counter.
    pub sequence: u16,
    /// First timestamp.
    pub timestamp: u32,
}

/// The stream's state.
#[derive(Clone, Debug)]
pub struct OutgoingStream {
    ssrc: Ssrc,
    next_sequence: u16,
    /// Timestamp of the newest packet and when it was sent.
    timestamp: u32,
    sent_at: Option<Instant>,
    mapping: Option<Mapping>,
    /// The timestamp of the event being sent.
    event_timestamp: u32,
    /// Packets sent.
    pub packets: u64,
    /// RTP bytes sent, protection not counted.
    pub bytes: u64,
    /// Payload bytes sent, for sender reports.
    pub octets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    source: Source,
    sequence_offset: u16,
    timestamp_offset: u32,
}

impl OutgoingStream {
    /// A stream in which nothing was sent yet.
    pub fn new(start: StreamStart) -> Self {
        Self {
            ssrc: start.ssrc,
            next_sequence: start.sequence & 0x7FFF,
            timestamp: start.timestamp,
            sent_at: None,
            mapping: None,
            event_timestamp: 0,
            packets: 0,
            bytes: 0,
            octets: 0,
        }
    }

    /// Begins a new stream, for new keys; the counts go on.
    pub fn restart(&mut self, start: StreamStart) {
        let counted = Self::new(start);
        *self = Self { packets: self.packets, bytes: self.bytes, octets: self.octets, ..counted };
    }

    /// Our SSRC.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The source's next packet continues the stream anew, as after a change of source.
    pub fn forget_source(&mut self) {
        self.mapping = None;
    }

    /// Turns a source's header into this stream's: SSRC, sequence number, timestamp; the marker is set where
    /// the source changes. Packets of one source keep their distances, so the peer sees what was lost before us.
    pub fn translate(&mut self, now: Instant, source: Source, header: &mut RtpHeader, clock_rate: u32) {
        let mapping = match self.mapping {
            Some(mapping) if mapping.source == source => mapping,
            _ => {
                header.marker = true;
                let timestamp = self.timestamp_at(now, clock_rate);
                Mapping {
                    source,
                    sequence_offset: self.next_sequence.wrapping_sub(header.sequence),
                    timestamp_offset: timestamp.wrapping_sub(header.timestamp),
                }
            }
        };
        self.mapping = Some(mapping);
        header.ssrc = self.ssrc;
        header.sequence = header.sequence.wrapping_add(mapping.sequence_offset);
        header.timestamp = header.timestamp.wrapping_add(mapping.timestamp_offset);
        if header.sequence.wrapping_sub(self.next_sequence) < 0x8000 {
            self.next_sequence = header.sequence.wrapping_add(1);
            self.timestamp = header.timestamp;
            self.sent_at = Some(now);
        }
    }

    /// The header of a packet of our own, an event's: the first takes a new timestamp, the others keep it
    /// (RFC 4733 §2.5.1.2). The source's next packet then continues anew.
    pub fn own(
        &mut self,
        now: Instant,
        payload_type: PayloadType,
        first: bool,
        clock_rate: u32,
    ) -> RtpHeader {
        if first {
            self.event_timestamp = self.timestamp_at(now, clock_rate);
            self.timestamp = self.event_timestamp;
            self.sent_at = Some(now);
        }
        self.own_header(payload_type, self.event_timestamp, first)
    }

    /// The header of a packet of our own with `length` of sound in it: the first takes a new timestamp, the others
    /// follow without a gap. The source's next packet then continues anew.
    pub fn own_sound(
        &mut self,
        now: Instant,
        payload_type: PayloadType,
        first: bool,
        length: Duration,
        clock_rate: u32,
    ) -> RtpHeader {
        self.timestamp = if first {
            self.timestamp_at(now, clock_rate)
        } else {
            self.timestamp.wrapping_add(clock_units(length, clock_rate))
        };
        self.sent_at = Some(now);
        self.own_header(payload_type, self.timestamp, first)
    }

    /// Counts a packet of `length` bytes, protection not counted.
    pub fn count(&mut self, length: usize) {
        self.packets += 1;
        self.bytes += length as u64;
        self.octets += length.saturating_sub(FIXED_HEADER) as u64;
    }

    /// The timestamp that a sender whose clock went on would use now.
    pub fn timestamp_at(&self, now: Instant, clock_rate: u32) -> u32 {
        let Some(sent_at) = self.sent_at else { return self.timestamp };
        let step = now.saturating_duration_since(sent_at).max(LEAST_STEP);
        self.timestamp.wrapping_add(clock_units(step, clock_rate))
    }

    fn own_header(&mut self, payload_type: PayloadType, timestamp: u32, marker: bool) -> RtpHeader {
        self.forget_source();
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        RtpHeader {
            padding: false,
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc: self.ssrc,
            payload_offset: FIXED_HEADER,
        }
    }
}

/// A span in units of a clock; wraps as timestamps do.
fn clock_units(span: Duration, clock_rate: u32) -> u32 {
    (span.as_micros().saturating_mul(u128::from(clock_rate)) / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8000;

    fn start() -> StreamStart {
        StreamStart { ssrc: Ssrc(99), sequence: 500, timestamp: 10_000 }
    }

    fn source(end: u32, ssrc: u32) -> Source {
        Source { end: EndId::new(end, 0), ssrc: Ssrc(ssrc) }
    }

    fn header(sequence: u16, timestamp: u32) -> RtpHeader {
        let payload_type = PayloadType::new(8).unwrap();
        RtpHeader {
            padding: false,
            marker: false,
            payload_type,
            sequence,
            timestamp,
            ssrc: Ssrc(1),
            payload_offset: 12,
        }
    }

    fn send(
        stream: &mut OutgoingStream,
        now: Instant,
        from: Source,
        sequence: u16,
        timestamp: u32,
    ) -> (u16, u32, bool) {
        let mut header = header(sequence, timestamp);
        stream.translate(now, from, &mut header, RATE);
        assert_eq!(header.ssrc, Ssrc(99));
        (header.sequence, header.timestamp, header.marker)
    }

    #[test]
    fn one_source_keeps_its_gaps_and_its_order() {
        let now = Instant::now();
        let mut stream = OutgoingStream::new(start());
        let from = source(1, 1);
        assert_eq!(send(&mut stream, now, from, 65_535, 160), (500, 10_000, true));
        assert_eq!(send(&mut stream, now, from, 2, 640), (503, 10_480, false), "two were lost before us");
        assert_eq!(send(&mut stream, now, from, 1, 480), (502, 10_320, false), "late");
        assert_eq!(send(&mut stream, now, from, 3, 800), (504, 10_640, false));
    }

    #[test]
    fn a_new_source_goes_on_where_the_old_one_stopped() {
        let now = Instant::now();
        let mut stream = OutgoingStream::new(start());
        send(&mut stream, now, source(1, 1), 7, 160);
        let later = now + Duration::from_millis(100);
        assert_eq!(send(&mut stream, later, source(2, 1), 40_000, 999), (501, 10_800, true));
        assert_eq!(send(&mut stream, later, source(2, 1), 40_001, 1_159), (502, 10_960, false));
        let at_once = send(&mut stream, later, source(2, 9), 1, 0);
        assert_eq!(at_once, (503, 11_120, true), "another stream of the same end, a packet's time later");
    }

    #[test]
    fn own_packets_take_their_place_in_the_stream() {
        let now = Instant::now();
        let mut stream = OutgoingStream::new(start());
        send(&mut stream, now, source(1, 1), 7, 160);
        let event = PayloadType::new(101).unwrap();
        let tone = now + Duration::from_millis(20);
        let first = stream.own(tone, event, true, RATE);
        let second = stream.own(tone + Duration::from_millis(20), event, false, RATE);
        assert_eq!((first.sequence, first.timestamp, first.marker), (501, 10_160, true));
        assert_eq!((second.sequence, second.timestamp, second.marker), (502, 10_160, false));
        let resumed = send(&mut stream, now + Duration::from_millis(60), source(1, 1), 10, 640);
        assert_eq!(resumed, (503, 10_480, true), "audio goes on in the time that passed");
    }

    #[test]
    fn sound_of_our_own_has_no_gaps() {
        let now = Instant::now();
        let mut stream = OutgoingStream::new(start());
        send(&mut stream, now, source(1, 1), 7, 160);
        let pcmu = PayloadType::new(0).unwrap();
        let length = Duration::from_millis(20);
        let mut sound = |ms, first| {
            let header = stream.own_sound(now + Duration::from_millis(ms), pcmu, first, length, RATE);
            (header.sequence, header.timestamp, header.marker)
        };
        assert_eq!(sound(30, true), (501, 10_240, true));
        assert_eq!(sound(51, false), (502, 10_400, false), "a late timer leaves no gap");
        let resumed = send(&mut stream, now + Duration::from_millis(71), source(1, 1), 12, 960);
        assert_eq!(resumed, (503, 10_560, true));
    }

    #[test]
    fn a_restart_keeps_the_counts_and_begins_low() {
        let mut stream = OutgoingStream::new(start());
        stream.count(172);
        stream.restart(StreamStart { ssrc: Ssrc(1), sequence: 0xFFFF, timestamp: 0 });
        assert_eq!((stream.packets, stream.bytes, stream.octets), (1, 172, 160));
        let mut header = header(9, 9);
        stream.translate(Instant::now(), source(1, 1), &mut header, RATE);
        assert_eq!(header.sequence, 0x7FFF);
    }
}

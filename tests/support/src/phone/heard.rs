//! What a phone heard: RTP packets laid out on a time line, and the tone measured in them.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::tone::{self, Measured};
use crate::{Failure, Outcome};

const RATE: u32 = 8_000;
/// A timestamp that disagrees with the arrival by more than this starts a new line of time.
const DISAGREEMENT: i64 = RATE as i64;
/// Silence at the end longer than this is a gap, not the spacing of packets.
const END: Duration = Duration::from_millis(200);

/// One RTP packet as it came in.
#[derive(Debug, Clone)]
pub(super) struct Packet {
    pub(super) at: Instant,
    pub(super) from: SocketAddr,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) payload_type: u8,
    pub(super) samples: Vec<i16>,
}

impl Packet {
    /// The header (RFC 3550 §5.1) and the payload without padding.
    pub(super) fn parse(bytes: &[u8], from: SocketAddr, at: Instant) -> Option<(Self, &[u8])> {
        let fixed = bytes.get(..12)?;
        let is_rtcp = (192..=223).contains(&fixed[1]);
        if fixed[0] >> 6 != 2 || is_rtcp {
            return None;
        }
        let mut start = 12 + usize::from(fixed[0] & 0x0F) * 4;
        if fixed[0] & 0x10 != 0 {
            let words = bytes.get(start + 2..start + 4)?;
            start += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
        }
        let padding = if fixed[0] & 0x20 == 0 { 0 } else { usize::from(*bytes.last()?) };
        let payload = bytes.get(start..bytes.len().checked_sub(padding)?)?;
        let packet = Self {
            at,
            from,
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            payload_type: fixed[1] & 0x7F,
            samples: Vec::new(),
        };
        Some((packet, payload))
    }
}

/// What came in within a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// RTP packets with sound.
    pub packets: usize,
    /// Packets missing by their sequence numbers.
    pub lost: usize,
    /// The payload type of the last packet.
    pub payload_type: Option<u8>,
    /// Where the last packet came from.
    pub from: Option<SocketAddr>,
    /// How many different SSRCs there were.
    pub streams: usize,
    /// The strongest tone, and the longest stretch of the played-out sound without it.
    pub tone: Measured,
    /// The longest time between two arrivals.
    pub longest_packet_gap: Duration,
    /// How long was listened.
    pub time: Duration,
}

impl Heard {
    pub(super) fn of(packets: &[Packet], start: Instant, end: Instant) -> Self {
        let mut sources: Vec<u32> = packets.iter().map(|p| p.ssrc).collect();
        sources.sort_unstable();
        sources.dedup();
        let arrivals = packets.windows(2).map(|pair| pair[1].at - pair[0].at).max();
        Self {
            packets: packets.len(),
            lost: sources.iter().map(|ssrc| lost(packets, *ssrc)).sum(),
            payload_type: packets.last().map(|p| p.payload_type),
            from: packets.last().map(|p| p.from),
            streams: sources.len(),
            tone: tone::measure(&laid_out(packets, start, end), RATE),
            longest_packet_gap: arrivals.unwrap_or(end - start),
            time: end - start,
        }
    }

    /// Demands this tone, clearly, without a gap longer than `gap` in the sound as a jitter buffer plays it.
    pub fn expect_tone(&self, hz: f64, gap: Duration) -> Outcome {
        if !tone::is_tone(&self.tone, hz) {
            return Err(Failure::new(format!("expected a tone of {hz} Hz, heard {self}")));
        }
        if self.tone.longest_gap > gap {
            return Err(Failure::new(format!("the {hz} Hz tone had a gap longer than {gap:?}: {self}")));
        }
        Ok(())
    }

    /// Demands that there was no tone of this frequency.
    pub fn expect_no_tone(&self, hz: f64) -> Outcome {
        if tone::is_tone(&self.tone, hz) {
            return Err(Failure::new(format!("expected no tone of {hz} Hz, heard {self}")));
        }
        Ok(())
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets ({} lost, payload type {:?}) in {:.1} s, {:.1} Hz at {:.1} dBFS, purity {:.2}, \
             longest gap {} ms in sound, {} ms between packets",
            self.packets,
            self.lost,
            self.payload_type,
            self.time.as_secs_f64(),
            self.tone.hz,
            self.tone.dbfs,
            self.tone.purity,
            self.tone.longest_gap.as_millis(),
            self.longest_packet_gap.as_millis()
        )
    }
}

fn lost(packets: &[Packet], ssrc: u32) -> usize {
    let mut numbers = packets.iter().filter(|p| p.ssrc == ssrc).map(|p| p.sequence);
    let Some(first) = numbers.next() else { return 0 };
    let (mut highest, mut received) = (0i64, 1usize);
    let mut previous = first;
    let mut position = 0i64;
    for number in numbers {
        position += i64::from(number.wrapping_sub(previous) as i16);
        previous = number;
        highest = highest.max(position);
        received += 1;
    }
    (highest as usize + 1).saturating_sub(received)
}

/// The sound as it would be played: by timestamp within a stream, by arrival where a stream begins.
fn laid_out(packets: &[Packet], start: Instant, end: Instant) -> Vec<i16> {
    let offset = |at: Instant| ((at - start).as_micros() * u128::from(RATE) / 1_000_000) as i64;
    let mut sound: Vec<i16> = Vec::new();
    let mut anchor: Option<(u32, u32, i64)> = None;
    for packet in packets {
        let arrived = offset(packet.at);
        let by_timestamp = anchor
            .filter(|(ssrc, ..)| *ssrc == packet.ssrc)
            .map(|(_, timestamp, at)| at + i64::from(packet.timestamp.wrapping_sub(timestamp) as i32))
            .filter(|position| (position - arrived).abs() < DISAGREEMENT);
        let position = by_timestamp.unwrap_or(arrived).max(0) as usize;
        if by_timestamp.is_none() {
            anchor = Some((packet.ssrc, packet.timestamp, arrived));
        }
        if sound.len() < position + packet.samples.len() {
            sound.resize(position + packet.samples.len(), 0);
        }
        sound[position..position + packet.samples.len()].copy_from_slice(&packet.samples);
    }
    let last = packets.last().map_or(start, |p| p.at);
    if end - last > END {
        sound.resize(sound.len().max(offset(end) as usize), 0);
    }
    sound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Oscillator;

    /// Packets of one stream, 20 ms apart, those of `missing` left out.
    fn stream(count: u32, missing: std::ops::Range<u32>) -> (Instant, Vec<Packet>) {
        let start = Instant::now();
        let mut tone = Oscillator::new(500.0, -10.0, RATE);
        let packets = (0..count).map(|n| Packet {
            at: start + Duration::from_millis(20) * n,
            from: ([127, 0, 0, 1], 9).into(),
            ssrc: 7,
            sequence: 65_530u16.wrapping_add(n as u16),
            timestamp: (u32::MAX - 800).wrapping_add(n * 160),
            payload_type: 0,
            samples: tone.block(160),
        });
        (start, packets.filter(|p| !missing.contains(&u32::from(p.sequence.wrapping_sub(65_530)))).collect())
    }

    #[test]
    fn a_whole_stream_has_no_gap_across_the_wrap_of_its_counters() {
        let (start, packets) = stream(100, 0..0);
        let heard = Heard::of(&packets, start, start + Duration::from_secs(2));
        heard.expect_tone(500.0, Duration::ZERO).unwrap();
        assert_eq!((heard.lost, heard.streams, heard.packets), (0, 1, 100));
    }

    #[test]
    fn missing_packets_are_counted_and_heard_as_a_gap() {
        let (start, packets) = stream(100, 50..55);
        let heard = Heard::of(&packets, start, start + Duration::from_secs(2));
        assert_eq!(heard.lost, 5);
        let gap = heard.tone.longest_gap.as_millis();
        assert!((90..=110).contains(&gap), "{heard}");
        assert!(heard.expect_tone(500.0, Duration::from_millis(60)).is_err());
    }

    #[test]
    fn silence_after_the_last_packet_is_a_gap() {
        let (start, packets) = stream(50, 0..0);
        let heard = Heard::of(&packets, start, start + Duration::from_secs(2));
        assert!(heard.tone.longest_gap >= Duration::from_millis(950), "{heard}");
    }
}

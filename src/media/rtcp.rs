//! RTCP (RFC 3550 §6): the reports we read and those we write.
//!
//! RTCP ends at each end: nothing is forwarded, so what a peer learns is about the stream it has with us.

use super::packet::Packet;
use super::rtp::Ssrc;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// The SDES item that names a participant (RFC 3550 §6.5.1).
const CNAME: u8 = 1;

/// How a stream arrived, as its receiver tells its sender (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose stream.
    pub ssrc: u32,
    /// Share lost since the previous report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the start; 24 bits, negative when more came than were sent.
    pub lost: i32,
    /// Highest sequence number received, with the number of its roll-overs above.
    pub highest_sequence: u32,
    /// Interarrival jitter, in units of the clock rate.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time in the last sender report received; 0 when none came.
    pub last_report: u32,
    /// How long ago that came, in 65,536ths of a second.
    pub delay: u32,
}

/// What a sender says of its own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Its clock, as NTP time: seconds since 1900 in the upper half.
    pub ntp: u64,
    /// The same moment in the stream's timestamps.
    pub timestamp: u32,
    /// Packets sent since the start.
    pub packets: u32,
    /// Payload bytes sent since the start.
    pub octets: u32,
}

/// One packet of a compound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RtcpPacket<'a> {
    /// SR or RR.
    Report {
        /// Who reports.
        ssrc: Ssrc,
        /// Of its own stream, in a sender report.
        sender: Option<SenderInfo>,
        /// Of the streams it hears.
        blocks: Blocks<'a>,
    },
    /// BYE: the first source that leaves.
    Goodbye(Ssrc),
    /// A type we have no use for.
    Other(u8),
}

/// Report blocks still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [u8]);

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let ([ssrc, losses, highest_sequence, jitter, last_report, delay], rest) = words::<6>(self.0)?;
        self.0 = rest;
        let lost = (losses << 8).cast_signed() >> 8;
        let fraction_lost = (losses >> 24) as u8;
        Some(ReportBlock { ssrc, fraction_lost, lost, highest_sequence, jitter, last_report, delay })
    }
}

/// A compound packet, read one packet at a time.
#[derive(Clone, Debug)]
pub struct Compound<'a>(&'a [u8]);

impl<'a> Compound<'a> {
    /// Over the packets in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

/// A compound packet's lengths do not add up; what was read before stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedRtcp;

impl<'a> Iterator for Compound<'a> {
    type Item = Result<RtcpPacket<'a>, MalformedRtcp>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let one = take_one(&mut self.0);
        if one.is_none() {
            self.0 = &[];
        }
        Some(one.ok_or(MalformedRtcp))
    }
}

/// What we report to a peer.
#[derive(Clone, Copy, Debug)]
pub struct OwnReport<'a> {
    /// Our stream towards the peer.
    pub ssrc: Ssrc,
    /// Of our stream, when we sent since the last report.
    pub sender: Option<SenderInfo>,
    /// Of the peer's stream, when one is heard.
    pub block: Option<ReportBlock>,
    /// Our canonical name; cut at 255 bytes.
    pub cname: &'a str,
    /// Say goodbye.
    pub goodbye: bool,
}

/// Writes a compound packet (SR or RR, SDES, BYE) in place of the packet's content; false when it does not
/// fit.
pub fn write_report(packet: &mut Packet, report: &OwnReport<'_>) -> bool {
    let count = u8::from(report.block.is_some());
    let ssrc = report.ssrc.0.to_be_bytes();
    let block_words = 6 * u16::from(count);
    let mut fits = packet.fill(&[]);
    if let Some(sender) = report.sender {
        fits &= packet.extend(&header(count, SENDER_REPORT, 6 + block_words));
        fits &= packet.extend(&ssrc) && packet.extend(&sender.ntp.to_be_bytes());
        let counts = [sender.timestamp, sender.packets, sender.octets];
        fits &= counts.into_iter().all(|word| packet.extend(&word.to_be_bytes()));
    } else {
        fits &= packet.extend(&header(count, RECEIVER_REPORT, 1 + block_words));
        fits &= packet.extend(&ssrc);
    }
    if let Some(block) = report.block {
        fits &= write_block(packet, &block);
    }
    fits &= write_cname(packet, report.ssrc, report.cname);
    if report.goodbye {
        fits &= packet.extend(&header(1, GOODBYE, 1)) && packet.extend(&ssrc);
    }
    fits
}

fn write_block(packet: &mut Packet, block: &ReportBlock) -> bool {
    let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF).cast_unsigned() & 0xFF_FFFF;
    let losses = u32::from(block.fraction_lost) << 24 | lost;
    [block.ssrc, losses, block.highest_sequence, block.jitter, block.last_report, block.delay]
        .into_iter()
        .all(|word| packet.extend(&word.to_be_bytes()))
}

fn write_cname(packet: &mut Packet, ssrc: Ssrc, cname: &str) -> bool {
    let name = cname.as_bytes();
    let name = name.get(..usize::from(u8::MAX)).unwrap_or(name);
    // The item, then at least one zero byte, up to a whole word.
    let padding = 4 - (2 + name.len()) % 4;
    let words = 1 + (2 + name.len() + padding) / 4;
    packet.extend(&header(1, SOURCE_DESCRIPTION, words as u16))
        && packet.extend(&ssrc.0.to_be_bytes())
        && packet.extend(&[CNAME, name.len() as u8])
        && packet.extend(name)
        && packet.extend([0; 4].get(..padding).unwrap_or_default())
}

/// Version 2, no padding; the length in words without the header's own.
fn header(count: u8, packet_type: u8, words: u16) -> [u8; 4] {
    let [high, low] = words.to_be_bytes();
    [0x80 | count, packet_type, high, low]
}

/// Takes the first packet off a compound.
fn take_one<'a>(bytes: &mut &'a [u8]) -> Option<RtcpPacket<'a>> {
    let ([first, packet_type, high, low], rest) = bytes.split_first_chunk::<4>()?;
    if first >> 6 != 2 {
        return None;
    }
    let length = 4 * usize::from(u16::from_be_bytes([*high, *low]));
    let (body, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    let count = usize::from(first & 0x1F);
    match *packet_type {
        SENDER_REPORT => {
            let ([ssrc, seconds, fraction, timestamp, packets, octets], body) = words::<6>(body)?;
            let ntp = u64::from(seconds) << 32 | u64::from(fraction);
            let sender = Some(SenderInfo { ntp, timestamp, packets, octets });
            Some(RtcpPacket::Report { ssrc: Ssrc(ssrc), sender, blocks: blocks(body, count)? })
        }
        RECEIVER_REPORT => {
            let ([ssrc], body) = words::<1>(body)?;
            Some(RtcpPacket::Report { ssrc: Ssrc(ssrc), sender: None, blocks: blocks(body, count)? })
        }
        GOODBYE if count > 0 => Some(RtcpPacket::Goodbye(Ssrc(words::<1>(body)?.0[0]))),
        other => Some(RtcpPacket::Other(other)),
    }
}

fn blocks(body: &[u8], count: usize) -> Option<Blocks<'_>> {
    Some(Blocks(body.get(..24 * count)?))
}

/// The first `N` words and what follows.
fn words<const N: usize>(bytes: &[u8]) -> Option<([u32; N], &[u8])> {
    let mut rest = bytes;
    let mut out = [0; N];
    for word in &mut out {
        let (first, after) = rest.split_first_chunk::<4>()?;
        *word = u32::from_be_bytes(*first);
        rest = after;
    }
    Some((out, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 7,
        fraction_lost: 25,
        lost: -3,
        highest_sequence: 0x1_0005,
        jitter: 80,
        last_report: 0xAABB_CCDD,
        delay: 65_536,
    };
    const SENDER: SenderInfo =
        SenderInfo { ntp: 0x1234_5678_9ABC_DEF0, timestamp: 9, packets: 10, octets: 1600 };

    fn written(report: &OwnReport<'_>) -> Packet {
        let mut packet = Packet::new();
        assert!(write_report(&mut packet, report));
        assert_eq!(packet.len() % 4, 0);
        packet
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        for cname in ["", "a", "ab", "abc", "abcd"] {
            let report =
                OwnReport { ssrc: Ssrc(42), sender: Some(SENDER), block: Some(BLOCK), cname, goodbye: true };
            let packet = written(&report);
            let mut read = Compound::new(packet.as_slice()).map(Result::unwrap);
            let Some(RtcpPacket::Report { ssrc, sender, mut blocks }) = read.next() else { panic!() };
            assert_eq!((ssrc, sender), (Ssrc(42), Some(SENDER)));
            assert_eq!(blocks.next(), Some(BLOCK));
            assert_eq!(blocks.next(), None);
            assert_eq!(read.next(), Some(RtcpPacket::Other(202)));
            assert_eq!(read.next(), Some(RtcpPacket::Goodbye(Ssrc(42))));
            assert_eq!(read.next(), None);
        }
    }

    #[test]
    fn without_a_stream_of_ours_it_is_a_receiver_report() {
        let report =
            OwnReport { ssrc: Ssrc(42), sender: None, block: None, cname: "branchline", goodbye: false };
        let packet = written(&report);
        assert_eq!(packet.as_slice()[..8], [0x80, 201, 0, 1, 0, 0, 0, 42]);
        assert_eq!(Compound::new(packet.as_slice()).count(), 2);
    }

    #[test]
    fn lengths_that_do_not_add_up_end_the_reading() {
        let report =
            OwnReport { ssrc: Ssrc(42), sender: Some(SENDER), block: Some(BLOCK), cname: "x", goodbye: true };
        let whole = written(&report);
        for length in 1..whole.len() {
            let mut cut = whole.clone();
            cut.truncate(length);
            let results: Vec<_> = Compound::new(cut.as_slice()).collect();
            let whole_packets = [52, 64, 72].contains(&length);
            assert_eq!(results.last().unwrap().is_ok(), whole_packets, "{length}");
        }
        let too_many_blocks = [0x9F, 201, 0, 1, 0, 0, 0, 1];
        assert_eq!(Compound::new(&too_many_blocks).next(), Some(Err(MalformedRtcp)));
        assert_eq!(Compound::new(&[0x40, 200, 0, 0]).next(), Some(Err(MalformedRtcp)));
        assert_eq!(Compound::new(&[0x81, 203, 0, 0]).next(), Some(Err(MalformedRtcp)));
        assert_eq!(Compound::new(&[0x80, 203, 0, 0]).next(), Some(Ok(RtcpPacket::Other(203))));
    }

    #[test]
    fn losses_beyond_24_bits_are_clamped() {
        let block = ReportBlock { lost: i32::MAX, ..BLOCK };
        let report =
            OwnReport { ssrc: Ssrc(1), sender: None, block: Some(block), cname: "x", goodbye: false };
        let packet = written(&report);
        let Some(Ok(RtcpPacket::Report { mut blocks, .. })) = Compound::new(packet.as_slice()).next() else {
            panic!()
        };
        assert_eq!(blocks.next().unwrap().lost, 0x7F_FFFF);
    }
}

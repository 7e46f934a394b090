//! RTP packets (RFC 3550 §5): a view of the header, and the header we write.

use super::end::PayloadType;
use super::packet::Packet;

/// Names one RTP stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ssrc(pub u32);

/// Length of a header without contributing sources and extension.
pub const FIXED_HEADER: usize = 12;

/// The parts of an RTP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Padding at the packet's end.
    pub padding: bool,
    /// The marker: for audio, the first packet after silence.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in units of the clock rate.
    pub timestamp: u32,
    /// Whose stream.
    pub ssrc: Ssrc,
    /// Where the payload begins: after contributing sources and extension.
    pub payload_offset: usize,
}

impl RtpHeader {
    /// Reads a header; `None` when the version is not 2 or the packet is shorter than its header says.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<FIXED_HEADER>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let sources = usize::from(first & 0x0F) * 4;
        let mut payload_offset = FIXED_HEADER + sources;
        if first & 0x10 != 0 {
            let words = rest.get(sources + 2..sources + 4)?;
            payload_offset += 4 + 4 * usize::from(u16::from_be_bytes(words.try_into().ok()?));
        }
        if payload_offset > packet.len() {
            return None;
        }
        Some(Self {
            padding: first & 0x20 != 0,
            marker: second & 0x80 != 0,
            payload_type: PayloadType::new(second & 0x7F)?,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([r0, r1, r2, r3])),
            payload_offset,
        })
    }

    /// The payload without padding; `None` when the padding is longer than what is there. Only for packets
    /// in clear.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let payload = packet.get(self.payload_offset..)?;
        if !self.padding {
            return Some(payload);
        }
        let pad = usize::from(*payload.last()?);
        if pad == 0 { None } else { payload.get(..payload.len().checked_sub(pad)?) }
    }

    /// The same, to be changed.
    pub fn payload_mut<'a>(&self, packet: &'a mut Packet) -> Option<&'a mut [u8]> {
        let end = self.payload_offset + self.payload(packet.as_slice())?.len();
        packet.as_mut_slice().get_mut(self.payload_offset..end)
    }

    /// Writes this header in front of the packet's payload, without contributing sources and extension:
    /// those were agreed with the sender, not with whoever gets the packet. `payload_offset` must be the
    /// packet's own, from [`parse`](Self::parse).
    pub fn rewrite(&self, packet: &mut Packet) {
        packet.cut_front(self.payload_offset.saturating_sub(FIXED_HEADER));
        if let Some(fixed) = packet.as_mut_slice().first_chunk_mut::<FIXED_HEADER>() {
            *fixed = self.to_bytes();
        }
    }

    /// The fixed header, as on the wire.
    pub fn to_bytes(&self) -> [u8; FIXED_HEADER] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [r0, r1, r2, r3] = self.ssrc.0.to_be_bytes();
        let first = 0x80 | u8::from(self.padding) << 5;
        let second = u8::from(self.marker) << 7 | self.payload_type.get();
        [first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 14] = [0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xDE, 0xAD, 0xBE, 0xEF, 7, 8];

    #[test]
    fn a_plain_header_is_read_and_written_alike() {
        let header = RtpHeader::parse(&PLAIN).unwrap();
        assert!(header.marker);
        assert_eq!(header.payload_type.get(), 8);
        assert_eq!((header.sequence, header.timestamp), (0x1234, 160));
        assert_eq!(header.ssrc, Ssrc(0xDEAD_BEEF));
        assert_eq!(header.payload(&PLAIN), Some(&[7, 8][..]));
        assert_eq!(header.to_bytes(), PLAIN[..12]);
    }

    #[test]
    fn sources_and_extension_are_skipped_and_cut_when_rewritten() {
        let mut wire = vec![0x91, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        wire.extend([0, 0, 0, 9]);
        wire.extend([0xBE, 0xDE, 0, 1, 0x10, 0xFF, 0, 0]);
        wire.extend([42, 43]);
        let mut header = RtpHeader::parse(&wire).unwrap();
        assert_eq!(header.payload(&wire), Some(&[42, 43][..]));
        let mut packet = Packet::new();
        packet.fill(&wire);
        header.sequence = 500;
        header.rewrite(&mut packet);
        assert_eq!(packet.as_slice(), [0x80, 0, 1, 244, 0, 0, 0, 2, 0, 0, 0, 3, 42, 43]);
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for length in 0..FIXED_HEADER {
            assert_eq!(RtpHeader::parse(&PLAIN[..length]), None);
        }
        let mut other_version = PLAIN;
        other_version[0] = 0x40;
        assert_eq!(RtpHeader::parse(&other_version), None);
        let mut sources = PLAIN;
        sources[0] = 0x81;
        assert_eq!(RtpHeader::parse(&sources), None);
        let mut extension = PLAIN;
        extension[0] = 0x90;
        assert_eq!(RtpHeader::parse(&extension), None);
        let mut long_extension = [0; 20];
        long_extension[0] = 0x90;
        long_extension[15] = 9;
        assert_eq!(RtpHeader::parse(&long_extension), None);
    }

    #[test]
    fn padding_is_cut_off_or_refused() {
        let mut padded = PLAIN;
        padded[0] |= 0x20;
        let with = |last| {
            let mut packet = padded;
            packet[13] = last;
            RtpHeader::parse(&packet).unwrap().payload(&packet).map(<[u8]>::len)
        };
        assert_eq!(with(1), Some(1));
        assert_eq!(with(2), Some(0));
        assert_eq!(with(3), None);
        assert_eq!(with(0), None);
    }
}

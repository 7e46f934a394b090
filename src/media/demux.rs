//! What a packet on a shared port is, by its first bytes (RFC 7983, RFC 5761).

/// The protocols that may share one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// STUN (RFC 8489).
    Stun,
    /// DTLS (RFC 6347).
    Dtls,
    /// RTP (RFC 3550).
    Rtp,
    /// RTCP (RFC 3550).
    Rtcp,
    /// None of those: TURN channels, ZRTP, an empty datagram, noise.
    Other,
}

/// Tells them apart by the first byte (RFC 7983 §7), and RTCP from RTP by the second (RFC 5761 §4).
pub fn classify(packet: &[u8]) -> PacketKind {
    match packet {
        [0..=3, ..] => PacketKind::Stun,
        [20..=63, ..] => PacketKind::Dtls,
        [128..=191, second, ..] if (192..=223).contains(second) => PacketKind::Rtcp,
        [128..=191, ..] => PacketKind::Rtp,
        _ => PacketKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_decides_at_every_border() {
        let kind = |first: u8| classify(&[first, 0]);
        for (first, want) in [
            (0, PacketKind::Stun),
            (3, PacketKind::Stun),
            (4, PacketKind::Other),
            (19, PacketKind::Other),
            (20, PacketKind::Dtls),
            (63, PacketKind::Dtls),
            (64, PacketKind::Other),
            (127, PacketKind::Other),
            (128, PacketKind::Rtp),
            (191, PacketKind::Rtp),
            (192, PacketKind::Other),
        ] {
            assert_eq!(kind(first), want, "{first}");
        }
        assert_eq!(classify(&[]), PacketKind::Other);
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_its_packet_type() {
        assert_eq!(classify(&[0x80, 191]), PacketKind::Rtp);
        assert_eq!(classify(&[0x80, 200]), PacketKind::Rtcp);
        assert_eq!(classify(&[0x80, 223]), PacketKind::Rtcp);
        assert_eq!(classify(&[0x80, 224]), PacketKind::Rtp, "payload type 96 with the marker");
        assert_eq!(classify(&[0x80]), PacketKind::Rtp, "left to the RTP parser to refuse");
    }
}

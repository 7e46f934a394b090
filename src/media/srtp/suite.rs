//! The cipher of one direction: RTP and RTCP, either mode, in place.
//!
//! Only the cryptography; which index a packet has and whether it may be used is
//! [`context`](super::context)'s affair.

use super::cm::AesCm;
use super::derive::Label;
use super::gcm::{AesGcm, TAG};
use super::key::{SrtpKey, SrtpProfile};
use crate::media::DropReason;
use crate::media::packet::Packet;
use crate::media::rtp::Ssrc;

/// Bytes of an RTCP packet that stay in clear: its first header and SSRC.
pub(super) const RTCP_CLEAR: usize = 8;

/// Length of the word that carries an SRTCP index.
const INDEX_WORD: usize = 4;

/// The bit of that word that says the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

pub(super) enum Suite {
    Cm { rtp: Box<AesCm>, rtcp: Box<AesCm> },
    Gcm { rtp: Box<AesGcm>, rtcp: Box<AesGcm> },
}

impl Suite {
    pub(super) fn new(master: &SrtpKey) -> Self {
        let rtp_tag = match master.profile() {
            SrtpProfile::AesCm128HmacSha1_80 => 10,
            SrtpProfile::AesCm128HmacSha1_32 => 4,
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                return Self::Gcm {
                    rtp: Box::new(AesGcm::new(master, [Label::RtpEncryption, Label::RtpSalt])),
                    rtcp: Box::new(AesGcm::new(master, [Label::RtcpEncryption, Label::RtcpSalt])),
                };
            }
        };
        let data = [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt];
        let control = [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt];
        Self::Cm {
            rtp: Box::new(AesCm::new(master, data, rtp_tag)),
            rtcp: Box::new(AesCm::new(master, control, 10)),
        }
    }

    /// Protects an RTP packet whose payload begins at `offset`.
    pub(super) fn seal_rtp(
        &self,
        packet: &mut Packet,
        offset: usize,
        ssrc: Ssrc,
        index: u64,
    ) -> Result<(), DropReason> {
        let (header, payload) =
            packet.as_mut_slice().split_at_mut_checked(offset).ok_or(DropReason::Malformed)?;
        match self {
            Self::Cm { rtp, .. } => {
                rtp.apply(payload, ssrc, index);
                let tag = rtp.tag([packet.as_slice(), &roll_over_counter(index)]);
                append(packet, tag.get(..rtp.tag_length()).unwrap_or_default())
            }
            Self::Gcm { rtp, .. } => {
                let tag = rtp.seal(header, payload, ssrc, index)?;
                append(packet, tag.as_ref())
            }
        }
    }

    /// Opens an RTP packet; nothing is decrypted unless it authenticates.
    pub(super) fn open_rtp(
        &self,
        packet: &mut Packet,
        offset: usize,
        ssrc: Ssrc,
        index: u64,
    ) -> Result<(), DropReason> {
        let tag_length = match self {
            Self::Cm { rtp, .. } => rtp.tag_length(),
            Self::Gcm { .. } => TAG,
        };
        let length = packet.len().checked_sub(tag_length).filter(|length| *length >= offset);
        let length = length.ok_or(DropReason::Malformed)?;
        match self {
            Self::Cm { rtp, .. } => {
                let (signed, tag) = packet.as_slice().split_at(length);
                if !rtp.verify([signed, &roll_over_counter(index)], tag) {
                    return Err(DropReason::AuthFailed);
                }
                packet.truncate(length);
                let payload = packet.as_mut_slice().get_mut(offset..).unwrap_or_default();
                rtp.apply(payload, ssrc, index);
            }
            Self::Gcm { rtp, .. } => {
                let (header, text) = packet.as_mut_slice().split_at_mut(offset);
                rtp.open(header, text, ssrc, index)?;
                packet.truncate(length);
            }
        }
        Ok(())
    }

    /// Protects a compound RTCP packet; `index` has 31 bits.
    pub(super) fn seal_rtcp(&self, packet: &mut Packet, ssrc: Ssrc, index: u32) -> Result<(), DropReason> {
        let word = (index | ENCRYPTED).to_be_bytes();
        let (header, text) =
            packet.as_mut_slice().split_at_mut_checked(RTCP_CLEAR).ok_or(DropReason::Malformed)?;
        match self {
            Self::Cm { rtcp, .. } => {
                rtcp.apply(text, ssrc, u64::from(index));
                append(packet, &word)?;
                let tag = rtcp.tag([packet.as_slice(), &[]]);
                append(packet, tag.get(..rtcp.tag_length()).unwrap_or_default())
            }
            Self::Gcm { rtcp, .. } => {
                let tag = rtcp.seal(&rtcp_aad(header, word), text, ssrc, u64::from(index))?;
                append(packet, tag.as_ref())?;
                append(packet, &word)
            }
        }
    }

    /// The index of a protected RTCP packet, as its sender says: not yet authenticated. `None` when the
    /// packet is too short, or authenticated but not encrypted (E bit clear), which no profile we agree allows.
    pub(super) fn rtcp_index(&self, packet: &Packet) -> Option<u32> {
        let bytes = packet.as_slice();
        let behind = match self {
            Self::Cm { rtcp, .. } => rtcp.tag_length(),
            Self::Gcm { .. } => 0,
        };
        let at = bytes.len().checked_sub(behind + INDEX_WORD)?;
        let word = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
        (word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)
    }

    /// Opens a compound RTCP packet with that index.
    pub(super) fn open_rtcp(&self, packet: &mut Packet, ssrc: Ssrc, index: u32) -> Result<(), DropReason> {
        let word = (index | ENCRYPTED).to_be_bytes();
        let behind = match self {
            Self::Cm { rtcp, .. } => rtcp.tag_length() + INDEX_WORD,
            Self::Gcm { .. } => TAG + INDEX_WORD,
        };
        let length = packet.len().checked_sub(behind).filter(|length| *length >= RTCP_CLEAR);
        let length = length.ok_or(DropReason::Malformed)?;
        match self {
            Self::Cm { rtcp, .. } => {
                let (text, rest) = packet.as_slice().split_at(length);
                let tag = rest.get(INDEX_WORD..).unwrap_or_default();
                if !rtcp.verify([text, &word], tag) {
                    return Err(DropReason::AuthFailed);
                }
                packet.truncate(length);
                let text = packet.as_mut_slice().get_mut(RTCP_CLEAR..).unwrap_or_default();
                rtcp.apply(text, ssrc, u64::from(index));
            }
            Self::Gcm { rtcp, .. } => {
                packet.truncate(length + TAG);
                let (header, text) = packet.as_mut_slice().split_at_mut(RTCP_CLEAR);
                rtcp.open(&rtcp_aad(header, word), text, ssrc, u64::from(index))?;
                packet.truncate(length);
            }
        }
        Ok(())
    }
}

/// What follows the packet in RTP's HMAC: the roll-over counter.
fn roll_over_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// What an encrypted SRTCP packet authenticates besides its text (RFC 7714 §9.2).
fn rtcp_aad(header: &[u8], word: [u8; INDEX_WORD]) -> [u8; RTCP_CLEAR + INDEX_WORD] {
    let mut aad = [0; RTCP_CLEAR + INDEX_WORD];
    aad.iter_mut().zip(header.iter().chain(&word)).for_each(|(to, from)| *to = *from);
    aad
}

fn append(packet: &mut Packet, tail: &[u8]) -> Result<(), DropReason> {
    if packet.extend(tail) { Ok(()) } else { Err(DropReason::TooLong) }
}

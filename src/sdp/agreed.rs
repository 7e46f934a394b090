//! What offer and answer came to: the session of one leg.

use super::codec::{Codec, PayloadType};
use super::crypto::CryptoAttribute;
use super::direction::Direction;
use super::fingerprint::Fingerprint;
use super::remote::{RemoteIce, RemoteMedia};
use super::session_description::SessionDescription;
use super::setup::DtlsRole;

/// The protection both ends agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgreedSecurity {
    /// None.
    Plain,
    /// Keys in SDP, of one suite and tag.
    Sdes {
        /// Our line: its key protects what we send.
        local: CryptoAttribute,
        /// The peer's line: its key unprotects what we receive.
        remote: CryptoAttribute,
    },
    /// Keys from a DTLS handshake over ICE.
    DtlsSrtp {
        /// Our end of the handshake.
        role: DtlsRole,
        /// The peer's certificate must have this fingerprint.
        fingerprint: Fingerprint,
        /// The peer's side of ICE.
        ice: RemoteIce,
    },
}

/// One codec both ends agreed on. The two payload types are the same unless the answerer chose its own number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedCodec {
    /// The codec as the peer described it: its number is in the packets we send.
    pub codec: Codec,
    /// The number we announced for it: it is in the packets we receive.
    pub receive_type: PayloadType,
}

/// The audio session of one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedMedia {
    /// The peer's side, as it stood.
    pub remote: RemoteMedia,
    /// The codecs in common, best first, telephone events among them.
    pub codecs: Vec<AgreedCodec>,
    /// What we do now.
    pub direction: Direction,
    /// Whether RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// The protection.
    pub security: AgreedSecurity,
}

impl AgreedMedia {
    /// The codec to send with: the first that is sound. There always is one.
    pub fn audio(&self) -> Option<&AgreedCodec> {
        self.codecs.iter().find(|agreed| agreed.codec.encoding().is_audio())
    }

    /// The telephone event that goes with a codec: the one of its clock rate.
    pub fn telephone_event(&self, clock_rate: u32) -> Option<&AgreedCodec> {
        self.codecs
            .iter()
            .find(|agreed| agreed.codec.is_telephone_event() && agreed.codec.clock_rate == clock_rate)
    }
}

/// An answer to send, and what it makes of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The description to send.
    pub description: SessionDescription,
    /// The session it agrees to.
    pub agreed: AgreedMedia,
}

//! How the media of a leg are carried.

use crate::engine::flow::{Flow, Side};
use crate::sdp::MediaPolicy;
use crate::sip::Transport;

/// How the media of a leg are carried; follows from the transport of its signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// Plain RTP to Asterisk over loopback.
    Trunk,
    /// A phone on an unprotected transport: plain RTP, or SDES if it offers that.
    PlainPhone,
    /// A phone on TLS: SDES-SRTP; plain RTP only if the phone offers nothing else.
    SecurePhone,
    /// Another office or a gateway on TLS: SDES-SRTP and nothing else.
    SecureLink,
    /// A browser: DTLS-SRTP over ICE.
    Browser,
}

impl Carriage {
    /// Which kinds of protection it takes part in.
    pub const fn policy(self) -> MediaPolicy {
        match self {
            Self::Trunk => MediaPolicy { plain: true, sdes: false, dtls: false },
            Self::PlainPhone | Self::SecurePhone => MediaPolicy { plain: true, sdes: true, dtls: false },
            Self::SecureLink => MediaPolicy { plain: false, sdes: true, dtls: false },
            Self::Browser => MediaPolicy { plain: false, sdes: false, dtls: true },
        }
    }

    /// Follows from the transport of the signalling.
    pub const fn of_flow(flow: &Flow) -> Self {
        match (flow.side, flow.transport) {
            (Side::Asterisk, _) => Self::Trunk,
            (Side::Office(_), _) | (Side::Gateway, Transport::Tls | Transport::Ws | Transport::Wss) => {
                Self::SecureLink
            }
            (Side::Site, Transport::Ws | Transport::Wss) => Self::Browser,
            (Side::Site, Transport::Tls) => Self::SecurePhone,
            (Side::Site | Side::Gateway, Transport::Udp | Transport::Tcp) => Self::PlainPhone,
        }
    }
}

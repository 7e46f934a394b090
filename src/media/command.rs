//! What the engine asks of the media worker.

use std::net::SocketAddr;

use super::dtmf::Digits;
use super::end::{EndCodec, EndId, Flow, PayloadMap, Remote, Security, SourceRule, SrtpKeys};
use super::ports::LocalPort;

/// One order to the media worker; carried out in the order sent.
///
/// A command that cannot be carried out changes nothing and is answered by
/// [`MediaEvent::Refused`](super::MediaEvent::Refused). All but `Open` may be sent any number of times.
#[derive(Clone, Debug)]
pub enum MediaCommand {
    /// Makes an end on a socket of ours. It sends and receives nothing before `SetRemote` (and
    /// `SetCrypto` if `security` is SRTP). A phone's port pair carries one end at a time.
    Open {
        /// The id, from [`EndIds`](super::EndIds).
        end: EndId,
        /// The socket it uses.
        local: LocalPort,
        /// Plain RTP or SRTP.
        security: Security,
    },
    /// Names the peer. A latched source (see [`SourceRule`]) is forgotten when `remote` changes. On a shared socket an
    /// address belongs to the end that named it last.
    SetRemote {
        /// Which end.
        end: EndId,
        /// The peer's addresses, from SDP or from ICE's selected pair.
        remote: Remote,
        /// From whom it takes packets.
        source: SourceRule,
    },
    /// Takes media of a browser from this address too, which ICE has validated. At most
    /// [`MAX_SOURCES`](super::end::MAX_SOURCES) for each end; one more is refused.
    AllowSource {
        /// Which end.
        end: EndId,
        /// The address.
        address: SocketAddr,
    },
    /// Gives the SRTP keys; turns a plain end into an SRTP end. Keys equal to those in force keep their
    /// indices (nothing is reset, no index is used twice); a new send key begins a new SSRC.
    SetCrypto {
        /// Which end.
        end: EndId,
        /// Both directions.
        keys: Box<SrtpKeys>,
    },
    /// Says what the session agreed: clock rate, DTMF and G.711 types, codec for the E-model.
    SetCodec {
        /// Which end.
        end: EndId,
        /// The agreement.
        codec: EndCodec,
    },
    /// Joins two ends both ways; whatever either was bridged to before is left alone (transfer, fork).
    Bridge {
        /// One end.
        a: EndId,
        /// The other; not `a`.
        b: EndId,
        /// How payload types of `a` become those of `b`.
        a_to_b: PayloadMap,
        /// How payload types of `b` become those of `a`.
        b_to_a: PayloadMap,
    },
    /// Parts `end` from whatever it is bridged to; both stay open.
    Unbridge {
        /// Which end.
        end: EndId,
    },
    /// Hold and resume.
    SetFlow {
        /// Which end.
        end: EndId,
        /// What flows from now on.
        flow: Flow,
    },
    /// Sends digits to the peer as telephone events (RFC 4733), or as tones where its session has none but G.711;
    /// after those still being sent. Audio pauses meanwhile.
    SendDtmf {
        /// Which end.
        end: EndId,
        /// What to send.
        digits: Digits,
    },
    /// Asks for a [`MediaEvent::Sample`](super::MediaEvent::Sample).
    Sample {
        /// Which end.
        end: EndId,
    },
    /// Ends the end: unbridges it, says goodbye by RTCP BYE, answers
    /// [`MediaEvent::Closed`](super::MediaEvent::Closed). Its port pair should rest
    /// ([`PortPool::release`](super::PortPool::release)).
    Close {
        /// Which end.
        end: EndId,
    },
}

impl MediaCommand {
    /// The end that a refusal of this command names (`a` of a bridge).
    pub fn end(&self) -> EndId {
        match self {
            Self::Open { end, .. }
            | Self::SetRemote { end, .. }
            | Self::AllowSource { end, .. }
            | Self::SetCrypto { end, .. }
            | Self::SetCodec { end, .. }
            | Self::Unbridge { end }
            | Self::SetFlow { end, .. }
            | Self::SendDtmf { end, .. }
            | Self::Sample { end }
            | Self::Close { end } => *end,
            Self::Bridge { a, .. } => *a,
        }
    }
}

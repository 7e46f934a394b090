//! Why a connection ended.

use std::io;

use crate::engine::flow::FlowFailure;
use crate::sip::framing::FramingError;

/// Why a connection ended. The engine learns the [`FlowFailure`], the counters the whole truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer closed.
    Peer,
    /// The peer reset it, or the network did.
    Reset,
    /// TLS or the WebSocket protocol was broken by the peer.
    Protocol,
    /// Its send queue was full.
    SendQueue,
    /// It took nothing of what we sent for the message time.
    SendStalled,
    /// A message was not complete in its time.
    MessageTime,
    /// Nothing came for the idle time.
    Idle,
    /// Its client certificate expired.
    CertificateExpired,
    /// Its client certificate was revoked.
    CertificateRevoked,
    /// The stream is not SIP, or a message too long.
    Framing(FramingError),
    /// A message is longer than the configuration allows.
    MessageSize,
    /// The engine asked for it.
    Engine(FlowFailure),
    /// The daemon stops.
    Stop,
}

impl CloseReason {
    /// What the engine is told.
    pub const fn failure(self) -> FlowFailure {
        match self {
            Self::Peer | Self::Stop => FlowFailure::Closed,
            Self::Reset | Self::Protocol => FlowFailure::Refused,
            Self::SendQueue | Self::SendStalled | Self::MessageTime => FlowFailure::Slow,
            Self::Idle => FlowFailure::Idle,
            Self::CertificateExpired | Self::CertificateRevoked => FlowFailure::Certificate,
            Self::Framing(_) | Self::MessageSize => FlowFailure::Garbage,
            Self::Engine(reason) => reason,
        }
    }

    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "closed-by-peer",
            Self::Reset => "reset",
            Self::Protocol => "protocol-broken",
            Self::SendQueue => "send-queue-full",
            Self::SendStalled => "send-stalled",
            Self::MessageTime => "message-time",
            Self::Idle => "idle",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateRevoked => "certificate-revoked",
            Self::Framing(error) => error.as_str(),
            Self::MessageSize => "message-size",
            Self::Engine(reason) => reason.as_str(),
            Self::Stop => "stopping",
        }
    }

    /// What an error of the socket says.
    pub(super) fn of_error(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Protocol,
            // TLS without close_notify: the peer is gone all the same.
            io::ErrorKind::UnexpectedEof => Self::Peer,
            _ => Self::Reset,
        }
    }
}

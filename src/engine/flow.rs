//! Flows: on which connection or 5-tuple a peer is reached (RFC 5626 §2).

use std::net::SocketAddr;

use crate::engine::numbering::OfficeId;
use crate::sip::Transport;

/// A TCP, TLS or WebSocket connection of this process. Never reused while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Which side of the gateway a flow is on. Decided by the listener, never by what a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Phones and browsers of the site: everything is authenticated.
    Site,
    /// The site's own Asterisk, on loopback: trusted for caller identity.
    Asterisk,
    /// Another office's Branchline, which proved by its certificate to be that office: trusted for its own callers.
    Office(OfficeId),
    /// A gateway, to which a federation link of ours leads: a carrier, or the federation's own. Trusted for no identity of
    /// our users; the federation's own says for which office it passes a request on.
    Gateway,
}

impl Side {
    /// The office that it is.
    pub const fn office(self) -> Option<OfficeId> {
        match self {
            Self::Office(office) => Some(office),
            Self::Site | Self::Asterisk | Self::Gateway => None,
        }
    }
}

/// The way back to a peer: a connection, or for UDP the pair of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Transport of the listener.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end, as the socket saw it.
    pub remote: SocketAddr,
    /// The connection; `None` for UDP.
    pub connection: Option<ConnectionId>,
    /// Which side of the gateway.
    pub side: Side,
}

/// Who the peer's verified client certificate says it is (RFC 5922).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Subject common name.
    pub common_name: String,
    /// Subject alternative names: SIP URIs and DNS names.
    pub alternative_names: Vec<String>,
    /// Expiry, seconds since 1970.
    pub not_after: u64,
}

/// Why a flow was closed or a message could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowFailure {
    /// The peer closed.
    Closed,
    /// The peer reset the connection, or ICMP said that nobody is there.
    Refused,
    /// The peer does not read: its send queue is full.
    Slow,
    /// Nothing was received for the idle time, keep-alives included.
    Idle,
    /// A call over it heard nothing in its time: it is reset, so that nothing of what waits on it arrives late.
    Silent,
    /// The peer's certificate expired or was revoked while connected.
    Certificate,
    /// The peer's token expired or was revoked while connected.
    Token,
    /// The stream is not SIP.
    Garbage,
    /// The connection is not (or no longer) known, as after a restart.
    Unknown,
}

impl FlowFailure {
    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Slow => "slow-peer",
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::Garbage => "garbage",
            Self::Unknown => "unknown-connection",
        }
    }
}

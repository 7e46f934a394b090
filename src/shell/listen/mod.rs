//! SIP's listeners: sockets in, values out.
//!
//! | file | what is there |
//! | --- | --- |
//! | `udp` | datagrams, and answers from the address that was asked |
//! | `stun` | the keep-alive of devices on UDP (RFC 5626 §3.5.2) |
//! | `accept` | the accept loop of TCP and TLS, with its limits |
//! | `stream` | a connection over TCP or TLS: frames in, bytes out, deadlines |
//! | `websocket` | a connection that `/sip` upgraded (RFC 7118) |
//! | `identity` | who a client certificate names; what was revoked |
//! | `places` | how many connections, in all and per source |
//! | `close` | why a connection ended, by name |
//!
//! Each connection is one task: it reads, cuts, parses, and writes. So parsing runs beside the engine's task and a
//! message crosses two tasks only. What a stranger can hold on to is bounded: connections in all and per source, the
//! time of the handshake, the time of a message, silence, the size of a message, bytes that wait to be sent.
//!
//! Everything a listener says to the engine goes through one bounded channel ([`Inlet`]). When that is full,
//! connections stop reading until it has room; datagrams are dropped and counted.

mod accept;
mod close;
mod identity;
mod places;
mod stream;
mod stun;
mod udp;
mod websocket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::config::SipLimits;
use crate::engine::flow::{ClientIdentity, ConnectionId, Flow, FlowFailure};
use crate::engine::routing::{DialResult, DialTicket};
use crate::observe::Metrics;
use crate::sip::Message;
use crate::sip::parse::ParseError;

pub use accept::{Acceptor, Peers, Security, serve};
pub(crate) use accept::{Connection, canonical};
pub(super) use accept::{Shown, handshake_failure, handshake_kind, tune};
pub use close::CloseReason;
pub use identity::{CertificateKey, Revocations, client_identity, office_of, revocations};
pub use places::{Place, Places};
pub(super) use stream::Socket;
pub use udp::{UdpListener, UdpSender};
pub(super) use websocket::SipFrames;
pub use websocket::serve as serve_websockets;
pub(crate) use websocket::talk as talk_by_websocket;

/// What a listener tells the engine's task.
#[derive(Debug)]
pub enum Arrival {
    /// A connection is ready. Comes before anything else of it.
    Opened {
        /// The connection.
        flow: Flow,
        /// Who its verified client certificate says it is.
        identity: Option<ClientIdentity>,
        /// How it is written to and closed.
        line: Line,
    },
    /// A message, or what is wrong with it.
    Sip {
        /// Where it came from.
        flow: Flow,
        /// The message.
        message: Result<Message, ParseError>,
    },
    /// What became of a dial; comes after the connection's `Opened`.
    Dialled {
        /// Which.
        ticket: DialTicket,
        /// What became of it.
        result: DialResult,
    },
    /// A connection is over. Comes last of it, once.
    Closed {
        /// The connection.
        flow: Flow,
        /// Why.
        reason: FlowFailure,
    },
}

/// The way to a connection's task.
#[derive(Debug)]
pub struct Line {
    /// Messages to send, in order; bounded.
    pub outgoing: mpsc::Sender<Bytes>,
    /// Asks it to close, once what is queued has been sent.
    pub close: oneshot::Sender<FlowFailure>,
}

/// The listeners' end of the channel to the engine's task.
pub type Inlet = mpsc::Sender<Arrival>;

/// What strangers may hold on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one source: an IPv4 address, an IPv6 /64.
    pub connections_per_source: usize,
    /// A TLS handshake takes at most this long.
    pub handshake_time: Duration,
    /// A message must be complete this long after its first byte, and a peer must take at least something of
    /// what we send in this time.
    pub message_time: Duration,
    /// A connection without a byte from its peer is closed after this long.
    pub idle_time: Duration,
    /// Longest message, in bytes.
    pub message_size: usize,
    /// Messages that wait to be sent on one connection.
    pub send_queue: usize,
}

impl From<&SipLimits> for Limits {
    fn from(config: &SipLimits) -> Self {
        Self {
            connections: config.connections,
            connections_per_source: config.connections_per_source,
            handshake_time: config.handshake_time,
            message_time: config.message_time,
            idle_time: config.idle_time,
            message_size: config.message_size.min(crate::sip::limits::MESSAGE),
            send_queue: 64,
        }
    }
}

/// What all listeners share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where arrivals go.
    pub inlet: Inlet,
    /// The limits in force; read at each accept.
    pub limits: tokio::sync::watch::Receiver<Limits>,
    /// Places for connections.
    pub places: Arc<Places>,
    /// Names connections; shared by all listeners.
    pub names: Arc<ConnectionNames>,
    /// Counters.
    pub metrics: Metrics,
    /// Turns `true` when the listeners shall end.
    pub stop: tokio::sync::watch::Receiver<bool>,
}

/// Gives each connection of the process a name of its own.
#[derive(Debug, Default)]
pub struct ConnectionNames(AtomicU64);

impl ConnectionNames {
    /// The next one.
    pub fn next(&self) -> ConnectionId {
        ConnectionId(self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }
}

/// Ends when the daemon stops, or its end of the channel is gone.
pub(crate) async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

#[cfg(test)]
mod tests;

//! The accept loop of TCP and TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::{AlertDescription, CertificateError, ServerConfig};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::identity::{CertificateKey, Standing, client_identity, office_of};
use super::places::Place;
use super::{Arrival, CloseReason, Limits, Line, Revocations, Shared, stopped, stream};
use crate::config::Network;
use crate::engine::flow::{ClientIdentity, Flow, FlowFailure, Side};
use crate::engine::routing::{DialResult, DialTicket};
use crate::sip::Transport;

/// Time to wait after the system refused to accept, as when it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that the peer's system does not acknowledge for this long break the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// How long connections may take to end when the daemon stops.
const DRAIN: Duration = Duration::from_secs(3);

/// What is spoken on a listener.
#[derive(Clone, Debug)]
pub enum Security {
    /// SIP in clear.
    Clear,
    /// SIP in TLS.
    Tls {
        /// The newest configuration counts for each handshake; open connections stay.
        config: watch::Receiver<Arc<ServerConfig>>,
        /// Whoever stands in the newest lists is closed.
        revocations: watch::Receiver<Revocations>,
    },
}

/// Who may be at the other end of a listener's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Anyone on this side of the gateway.
    On(Side),
    /// Other offices, each by its certificate; whoever shows none that names an office is closed.
    Offices,
}

/// A connection's verified certificate: what it says, which one it is, and what is revoked.
pub(crate) type Shown = (ClientIdentity, CertificateKey, watch::Receiver<Revocations>);

/// A bound TCP or TLS listener.
#[derive(Debug)]
pub struct Acceptor {
    /// The bound socket.
    pub listener: TcpListener,
    /// Who its peers are.
    pub peers: Peers,
    /// Who may connect; empty means everyone.
    pub networks: Vec<Network>,
    /// TLS or not.
    pub security: Security,
    /// What all listeners share.
    pub shared: Shared,
}

/// Serves until the daemon stops, then lets connections end.
pub async fn serve(acceptor: Acceptor) {
    let mut stop = acceptor.shared.stop.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = acceptor.listener.accept() => match accepted {
                Ok((stream, remote)) => acceptor.admit(&mut connections, stream, remote),
                Err(error) => {
                    acceptor.dropped("accept-failed");
                    warn!(reason = "accept-failed", "a SIP listener cannot accept: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    let Acceptor { listener, .. } = acceptor;
    drop(listener);
    drop(timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await);
    connections.shutdown().await;
}

impl Acceptor {
    fn admit(&self, connections: &mut JoinSet<()>, stream: TcpStream, remote: SocketAddr) {
        let remote = canonical(remote);
        if !is_allowed(&self.networks, remote) {
            return self.dropped("network-not-allowed");
        }
        let limits = *self.shared.limits.borrow();
        let taken = self.shared.places.take(remote.ip(), limits.connections, limits.connections_per_source);
        let place = match taken {
            Ok(place) => place,
            Err(no_place) => return self.dropped(no_place.as_str()),
        };
        let Ok(local) = stream.local_addr().map(canonical) else { return self.dropped("reset") };
        tune(&stream);
        let transport = match self.security {
            Security::Clear => Transport::Tcp,
            Security::Tls { .. } => Transport::Tls,
        };
        let connection = Some(self.shared.names.next());
        // An office's side is known after the handshake; until then nothing of it is heard.
        let side = if let Peers::On(side) = self.peers { side } else { Side::Gateway };
        let flow = Flow { transport, local, remote, connection, side };
        let connection = Connection { flow, limits, place, shared: self.shared.clone() };
        match &self.security {
            Security::Clear => drop(connections.spawn(connection.talk(stream, None, None))),
            Security::Tls { config, revocations } => {
                let acceptor = TlsAcceptor::from(Arc::clone(&config.borrow()));
                drop(connections.spawn(connection.shake_hands(
                    acceptor,
                    stream,
                    self.peers,
                    revocations.clone(),
                )));
            }
        }
    }

    fn dropped(&self, reason: &'static str) {
        self.shared.metrics.dropped("listen", reason);
    }
}

/// A connection on its way to being one.
pub(crate) struct Connection {
    pub(crate) flow: Flow,
    pub(crate) limits: Limits,
    pub(crate) place: Place,
    pub(crate) shared: Shared,
}

/// A connection that is the engine's now.
pub(super) struct Opened {
    pub(super) to_send: mpsc::Receiver<Bytes>,
    pub(super) closing: oneshot::Receiver<FlowFailure>,
    pub(super) standing: Option<Standing>,
}

impl Connection {
    async fn shake_hands(
        mut self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        peers: Peers,
        revocations: watch::Receiver<Revocations>,
    ) {
        let mut stop = self.shared.stop.clone();
        let accepted = tokio::select! {
            accepted = timeout(self.limits.handshake_time, acceptor.accept(stream)) => accepted,
            () = stopped(&mut stop) => return,
        };
        let metrics = &self.shared.metrics;
        let stream = match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return metrics.handshake("sip", handshake_failure(&error)),
            Err(_) => return metrics.handshake("sip", "timeout"),
        };
        metrics.handshake("sip", handshake_kind(stream.get_ref().1));
        let chain = stream.get_ref().1.peer_certificates();
        let shown = chain.and_then(|chain| chain.first()).and_then(|leaf| client_identity(leaf));
        if peers == Peers::Offices {
            let Some(office) = shown.as_ref().and_then(|(identity, _)| office_of(identity)) else {
                return metrics.dropped("listen", "no-office-in-certificate");
            };
            self.flow.side = Side::Office(office);
        }
        let shown = shown.map(|(identity, key)| (identity, key, revocations));
        self.talk(stream, shown, None).await;
    }

    /// Makes it the engine's, and answers the dial that it came from. `None` when the engine's task is gone.
    pub(super) async fn open(&self, shown: Option<Shown>, dialled: Option<DialTicket>) -> Option<Opened> {
        let flow = self.flow;
        let (outgoing, to_send) = mpsc::channel(self.limits.send_queue.max(1));
        let (close, closing) = oneshot::channel();
        let (identity, standing) = match shown {
            Some((identity, key, revocations)) => {
                let standing = Standing { key, not_after: identity.not_after, revocations };
                (Some(identity), Some(standing))
            }
            None => (None, None),
        };
        let opened = Arrival::Opened { flow, identity, line: Line { outgoing, close } };
        self.shared.inlet.send(opened).await.ok()?;
        if let Some(ticket) = dialled {
            let result = DialResult::Open { flow, others: Vec::new() };
            self.shared.inlet.send(Arrival::Dialled { ticket, result }).await.ok()?;
        }
        Some(Opened { to_send, closing, standing })
    }

    /// Makes it the engine's, and serves it until it ends. `dialled`: whose dial it answers; we connected.
    pub(in crate::shell) async fn talk<S: stream::Socket>(
        self,
        stream: S,
        shown: Option<Shown>,
        dialled: Option<DialTicket>,
    ) {
        let Some(Opened { to_send, closing, standing }) = self.open(shown, dialled).await else { return };
        let Self { flow, limits, place, shared } = self;
        let gauge = shared.metrics.connections(flow.transport.via_token());
        gauge.inc();
        let setup = stream::Setup {
            flow,
            inlet: shared.inlet.clone(),
            limits,
            outgoing: to_send,
            close: closing,
            standing,
            stop: shared.stop.clone(),
            dialled: dialled.is_some(),
        };
        let reason = stream::run(stream, setup).await;
        gauge.dec();
        closed(&shared, flow, reason).await;
        drop(place);
    }
}

/// Counts the end of a connection and tells the engine's task.
pub(super) async fn closed(shared: &Shared, flow: Flow, reason: CloseReason) {
    shared.metrics.dropped("connection", reason.as_str());
    debug!(reason = reason.as_str(), transport = %flow.transport, remote = %flow.remote, "connection closed");
    // When the engine's task has ended, so has its knowledge of connections.
    let _ = shared.inlet.send(Arrival::Closed { flow, reason: reason.failure() }).await;
}

/// An IPv4 peer of an IPv6 socket, as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether a listener takes something from `remote`.
pub(super) fn is_allowed(networks: &[Network], remote: SocketAddr) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.contains(remote.ip()))
}

pub(in crate::shell) fn tune(stream: &TcpStream) {
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED)));
    if let Err(error) = tuned {
        tracing::trace!(%error, "a TCP option was refused");
    }
}

/// The label of a handshake that succeeded.
pub(in crate::shell) fn handshake_kind(connection: &rustls::ServerConnection) -> &'static str {
    match connection.handshake_kind() {
        Some(rustls::HandshakeKind::Resumed) => "resumed",
        _ => "full",
    }
}

/// The label of a handshake that failed.
pub(in crate::shell) fn handshake_failure(error: &std::io::Error) -> &'static str {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return "closed";
    };
    match error {
        rustls::Error::NoCertificatesPresented => "no-client-certificate",
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "client-certificate-expired"
            }
            CertificateError::Revoked => "client-certificate-revoked",
            CertificateError::UnknownIssuer => "client-certificate-unknown-issuer",
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => "revocation-list-expired",
            _ => "client-certificate-invalid",
        },
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown,
        ) => "our-certificate-refused",
        rustls::Error::AlertReceived(_) => "alert",
        rustls::Error::PeerIncompatible(_) => "incompatible",
        rustls::Error::InvalidMessage(_) => "not-tls",
        _ => "protocol-broken",
    }
}

//! SIP over WebSocket (RFC 7118): connections that `/sip` upgraded.
//!
//! One frame is one message. Pings keep the living open; a frame of line ends is a keep-alive and is answered.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::accept::{Connection, Opened, Shown, canonical, closed};
use super::identity::{Standing, client_identity};
use super::{Arrival, CloseReason, Limits, Revocations, Shared, stopped};
use crate::api::{SipFrame, SipSocket, SipSocketError};
use crate::engine::flow::{Flow, FlowFailure, Side};
use crate::engine::routing::DialTicket;
use crate::shell::clock;
use crate::sip::Transport;
use crate::sip::parse::{ParseError, parse};

/// Between two pings.
const PING: Duration = Duration::from_secs(25);
/// How often certificates and silence are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long connections may take to end when the daemon stops.
const DRAIN: Duration = Duration::from_secs(3);
/// "Going away" and "try again later" (RFC 6455 §7.4.1, its registry).
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;
const TRY_AGAIN: u16 = 1013;
const DOUBLE_CRLF: &[u8] = b"\r\n\r\n";

/// Takes upgraded connections until the daemon stops.
pub async fn serve(
    mut upgraded: mpsc::Receiver<SipSocket>,
    revocations: tokio::sync::watch::Receiver<Revocations>,
    shared: Shared,
) {
    let mut stop = shared.stop.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            socket = upgraded.recv() => match socket {
                Some(socket) => drop(connections.spawn(admit(socket, revocations.clone(), shared.clone()))),
                None => break,
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await);
    connections.shutdown().await;
}

async fn admit(socket: SipSocket, revocations: tokio::sync::watch::Receiver<Revocations>, shared: Shared) {
    let limits = *shared.limits.borrow();
    let (local, remote) = (canonical(socket.peer.local), canonical(socket.peer.remote));
    let taken = shared.places.take(remote.ip(), limits.connections, limits.connections_per_source);
    let place = match taken {
        Ok(place) => place,
        Err(no_place) => {
            shared.metrics.dropped("listen", no_place.as_str());
            return socket.close(TRY_AGAIN, no_place.as_str()).await;
        }
    };
    let transport = if socket.peer.secure { Transport::Wss } else { Transport::Ws };
    let connection = Some(shared.names.next());
    let flow = Flow { transport, local, remote, connection, side: Side::Site };
    let shown = socket.peer.certificate.as_ref().and_then(|der| client_identity(der));
    let connection = Connection { flow, limits, place, shared };
    talk(connection, socket, shown.map(|(identity, key)| (identity, key, revocations)), None).await;
}

/// A WebSocket that carries SIP, whoever opened it.
pub(crate) trait SipFrames: Send {
    /// The next frame. Cancel-safe.
    fn recv(&mut self) -> impl Future<Output = Result<SipFrame, SipSocketError>> + Send;
    /// Sends one SIP message.
    fn send(&mut self, message: Bytes) -> impl Future<Output = Result<(), SipSocketError>> + Send;
    /// Asks for a sign of life.
    fn ping(&mut self) -> impl Future<Output = Result<(), SipSocketError>> + Send;
    /// Ends it with a reset: nothing that waits is sent.
    fn reset(self);
    /// Says why (RFC 6455 §7.4) and closes.
    fn close(self, code: u16, reason: &'static str) -> impl Future<Output = ()> + Send;
}

impl SipFrames for SipSocket {
    async fn recv(&mut self) -> Result<SipFrame, SipSocketError> {
        Self::recv(self).await
    }

    async fn send(&mut self, message: Bytes) -> Result<(), SipSocketError> {
        Self::send(self, message).await
    }

    async fn ping(&mut self) -> Result<(), SipSocketError> {
        Self::ping(self).await
    }

    fn reset(self) {
        drop(self);
    }

    async fn close(self, code: u16, reason: &'static str) {
        Self::close(self, code, reason).await;
    }
}

/// Makes it the engine's, and serves it until it ends. `dialled`: whose dial it answers; we connected.
pub(crate) async fn talk<S: SipFrames>(
    connection: Connection,
    socket: S,
    shown: Option<Shown>,
    dialled: Option<DialTicket>,
) {
    let Some(Opened { to_send, closing, standing }) = connection.open(shown, dialled).await else {
        return socket.close(GOING_AWAY, "stopping").await;
    };
    let Connection { flow, limits, place, shared } = connection;
    let gauge = shared.metrics.connections(flow.transport.via_token());
    gauge.inc();
    let mut conversation = Conversation { flow, limits, socket, shared, heard: Instant::now() };
    let reason = conversation.run(to_send, closing, standing).await;
    gauge.dec();
    let Conversation { socket, shared, .. } = conversation;
    closed(&shared, flow, reason).await;
    if reason == CloseReason::Engine(FlowFailure::Silent) {
        return socket.reset();
    }
    let code = if reason == CloseReason::Stop { GOING_AWAY } else { POLICY };
    drop(timeout(limits.message_time, socket.close(code, reason.as_str())).await);
    drop(place);
}

struct Conversation<S> {
    flow: Flow,
    limits: Limits,
    socket: S,
    shared: Shared,
    heard: Instant,
}

impl<S: SipFrames> Conversation<S> {
    async fn run(
        &mut self,
        mut to_send: mpsc::Receiver<Bytes>,
        mut closing: oneshot::Receiver<FlowFailure>,
        mut standing: Option<Standing>,
    ) -> CloseReason {
        let mut stop = self.shared.stop.clone();
        let mut look = tokio::time::interval(LOOK.min(self.limits.idle_time));
        let mut pinged = Instant::now();
        loop {
            let done = tokio::select! {
                biased;
                message = to_send.recv() => match message {
                    Some(message) => self.send(message).await,
                    None => Err(closing.try_recv().map_or(CloseReason::Stop, CloseReason::Engine)),
                },
                asked = &mut closing => Err(asked.map_or(CloseReason::Stop, CloseReason::Engine)),
                () = stopped(&mut stop) => Err(CloseReason::Stop),
                frame = self.socket.recv() => self.received(frame).await,
                () = revoked(&mut standing) => Err(CloseReason::CertificateRevoked),
                _ = look.tick() => {
                    let expired = standing.as_ref().is_some_and(|one| one.not_after <= clock::wall().seconds());
                    if expired {
                        Err(CloseReason::CertificateExpired)
                    } else if self.heard.elapsed() >= self.limits.idle_time {
                        Err(CloseReason::Idle)
                    } else if pinged.elapsed() >= PING.min(self.limits.idle_time / 3) {
                        pinged = Instant::now();
                        self.ping().await
                    } else {
                        Ok(())
                    }
                }
            };
            if let Err(reason) = done {
                return reason;
            }
        }
    }

    async fn received(&mut self, frame: Result<SipFrame, SipSocketError>) -> Result<(), CloseReason> {
        let frame = frame.map_err(|error| match error {
            SipSocketError::Closed => CloseReason::Peer,
            SipSocketError::Broken => CloseReason::Protocol,
        })?;
        self.heard = Instant::now();
        let SipFrame::Message(bytes) = frame else { return Ok(()) };
        if bytes.len() > self.limits.message_size {
            return Err(CloseReason::MessageSize);
        }
        let is_ping = bytes == DOUBLE_CRLF;
        let message = match parse(bytes) {
            Err(ParseError::KeepAlive) if is_ping => return self.send(Bytes::from_static(b"\r\n")).await,
            Err(ParseError::KeepAlive) => return Ok(()),
            parsed => parsed,
        };
        let arrival = Arrival::Sip { flow: self.flow, message };
        self.shared.inlet.send(arrival).await.map_err(|_| CloseReason::Stop)
    }

    async fn send(&mut self, message: Bytes) -> Result<(), CloseReason> {
        let sent = timeout(self.limits.message_time, self.socket.send(message)).await;
        sent.map_err(|_| CloseReason::SendStalled)?.map_err(|_| CloseReason::Reset)
    }

    async fn ping(&mut self) -> Result<(), CloseReason> {
        let sent = timeout(self.limits.message_time, self.socket.ping()).await;
        sent.map_err(|_| CloseReason::SendStalled)?.map_err(|_| CloseReason::Reset)
    }
}

async fn revoked(standing: &mut Option<Standing>) {
    match standing {
        Some(standing) => standing.revoked().await,
        None => std::future::pending().await,
    }
}

//! Links: the way out to other offices and gateways (see [`Dial`]).
//!
//! | file | what is there |
//! | --- | --- |
//! | this one | [`serve`]: a task for each dial, each of which becomes the connection's own |
//! | `resolve` | a name's addresses, both families in turn |
//! | `race` | several addresses, 250 ms apart, the first that is ready wins (RFC 8305 §5) |
//! | `secure` | TLS with this office's certificate; who the peer's certificate says it is |
//! | `websocket` | the federation's gateway: SIP over secure WebSocket (RFC 7118) |
//! | `datagrams` | carriers by UDP: nothing to connect, but somebody to know |
//!
//! A dial ends with exactly one [`Arrival::Dialled`], after the connection's `Opened`. All of it is bounded: dials by the
//! table of links, each by its budget, connections by [`MOST`].

mod datagrams;
mod race;
mod resolve;
mod secure;
mod websocket;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tracing::debug;

use super::listen::{
    Arrival, Connection, Places, Revocations, Shared, canonical, stopped, talk_by_websocket, tune,
};
use crate::engine::flow::{Flow, Side};
use crate::engine::numbering::OfficeId;
use crate::engine::routing::{Dial, DialFailure, DialResult, LinkKind, MOST_LINKS};
use crate::sip::Transport;

pub use datagrams::{Carriers, Known};
pub use secure::Credentials;

/// Dials that may wait.
pub const WAITING: usize = MOST_LINKS;
/// Connections at most: one for each link, and those on their way out.
const MOST: usize = MOST_LINKS + MOST_LINKS / 4;
/// How long connections may take to end when the daemon stops.
const DRAIN: Duration = Duration::from_secs(3);

/// What dialling needs.
#[derive(Clone)]
pub struct Dialler {
    /// What it shares with the listeners.
    pub shared: Shared,
    /// This office, as it names itself to the federation's gateway.
    pub office: OfficeId,
    /// This office's certificate and whom it trusts; without it nothing goes out by TLS.
    pub credentials: Option<Credentials>,
    /// Whoever stands in the newest lists is closed.
    pub revocations: watch::Receiver<Revocations>,
    /// The socket for carriers by UDP.
    pub carriers: Option<Carriers>,
}

/// Carries out dials until the daemon stops, then lets connections end.
pub async fn serve(dialler: Dialler, mut dials: mpsc::Receiver<Box<Dial>>) {
    let mut stop = dialler.shared.stop.clone();
    let places = Arc::new(Places::default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            dial = dials.recv() => match dial {
                Some(dial) => drop(connections.spawn(dialler.clone().carry_out(*dial, Arc::clone(&places)))),
                None => break,
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await);
    connections.shutdown().await;
}

/// A connection that is ready.
enum Ready {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    WebSocket(Box<websocket::ClientSocket>),
}

impl Dialler {
    async fn carry_out(self, dial: Dial, places: Arc<Places>) {
        let mut stop = self.shared.stop.clone();
        let found = tokio::select! {
            found = timeout(dial.budget, self.find(&dial)) => found.unwrap_or(Err(DialFailure::TimedOut)),
            () = stopped(&mut stop) => return,
        };
        match found {
            Ok(Found::Connection(ready, address)) => self.hand_over(&dial, ready, address, &places).await,
            Ok(Found::Flows(flow, others)) => self.answer(&dial, DialResult::Open { flow, others }).await,
            Err(failure) => self.answer(&dial, DialResult::Failed(failure)).await,
        }
    }

    async fn find(&self, dial: &Dial) -> Result<Found, DialFailure> {
        let addresses = resolve::addresses(&dial.address).await?;
        if dial.address.transport == Transport::Udp {
            let carriers = self.carriers.as_ref().ok_or(DialFailure::NotEquipped)?;
            let (flow, others) = carriers.flows(&dial.link, &addresses)?;
            return Ok(Found::Flows(flow, others));
        }
        let tls = match dial.address.transport {
            Transport::Tls | Transport::Wss => {
                let credentials = self.credentials.as_ref().ok_or(DialFailure::NotEquipped)?;
                Some(credentials.connector(&dial.address).await?)
            }
            Transport::Tcp => None,
            Transport::Udp | Transport::Ws => return Err(DialFailure::NotEquipped),
        };
        let asked = (dial.address.transport == Transport::Wss).then(|| websocket::Asked {
            address: Arc::clone(&dial.address),
            office: self.office,
            token: dial.token.clone(),
        });
        let attempt = |address| connect(address, tls.clone(), asked.clone());
        let (ready, address) = race::first_ready(addresses, attempt).await?;
        Ok(Found::Connection(ready, address))
    }

    /// Makes the connection the engine's, and serves it until it ends.
    async fn hand_over(&self, dial: &Dial, ready: Ready, remote: SocketAddr, places: &Arc<Places>) {
        let limits = *self.shared.limits.borrow();
        let Ok(place) = places.take(remote.ip(), MOST, MOST) else {
            return self.answer(dial, DialResult::Failed(DialFailure::NotEquipped)).await;
        };
        // A gateway is nobody's office, also when all that lies behind it is one.
        let office = dial.office.filter(|_| dial.kind == LinkKind::SipTrunk);
        let side = office.map_or(Side::Gateway, Side::Office);
        let flow = |local: SocketAddr| Flow {
            transport: dial.address.transport,
            local: canonical(local),
            remote: canonical(remote),
            connection: Some(self.shared.names.next()),
            side,
        };
        let shared = self.shared.clone();
        match ready {
            Ready::Clear(stream) => {
                let Ok(local) = stream.local_addr() else { return self.lost(dial).await };
                let connection = Connection { flow: flow(local), limits, place, shared };
                connection.talk(stream, None, Some(dial.ticket)).await;
            }
            Ready::Tls(stream) => {
                let Ok(local) = stream.get_ref().0.local_addr() else { return self.lost(dial).await };
                let shown = match secure::shown(&stream, office, &self.revocations) {
                    Ok(shown) => shown,
                    Err(failure) => return self.answer(dial, DialResult::Failed(failure)).await,
                };
                let connection = Connection { flow: flow(local), limits, place, shared };
                connection.talk(*stream, Some(shown), Some(dial.ticket)).await;
            }
            Ready::WebSocket(socket) => {
                let Ok(local) = socket.tls().get_ref().0.local_addr() else { return self.lost(dial).await };
                let shown = match secure::shown(socket.tls(), office, &self.revocations) {
                    Ok(shown) => shown,
                    Err(failure) => return self.answer(dial, DialResult::Failed(failure)).await,
                };
                let connection = Connection { flow: flow(local), limits, place, shared };
                talk_by_websocket(connection, *socket, Some(shown), Some(dial.ticket)).await;
            }
        }
    }

    async fn lost(&self, dial: &Dial) {
        self.answer(dial, DialResult::Failed(DialFailure::Refused)).await;
    }

    async fn answer(&self, dial: &Dial, result: DialResult) {
        if let DialResult::Failed(failure) = &result {
            self.shared.metrics.dropped("link", failure.as_str());
            debug!(link = dial.link.as_str(), reason = failure.as_str(), "a link could not be reached");
        }
        // When the engine's task has ended, nobody waits for it.
        let _ = self.shared.inlet.send(Arrival::Dialled { ticket: dial.ticket, result }).await;
    }
}

enum Found {
    Connection(Ready, SocketAddr),
    Flows(Flow, Vec<Flow>),
}

async fn connect(
    address: SocketAddr,
    tls: Option<secure::Connector>,
    asked: Option<websocket::Asked>,
) -> Result<Ready, DialFailure> {
    let stream = TcpStream::connect(address).await.map_err(|error| failure_of(&error))?;
    tune(&stream);
    let Some(connector) = tls else { return Ok(Ready::Clear(stream)) };
    let stream = connector.shake_hands(stream).await?;
    match asked {
        Some(asked) => {
            let socket = websocket::upgrade(stream, &asked).await?;
            Ok(Ready::WebSocket(Box::new(socket)))
        }
        None => Ok(Ready::Tls(Box::new(stream))),
    }
}

fn failure_of(error: &std::io::Error) -> DialFailure {
    match error.kind() {
        std::io::ErrorKind::TimedOut => DialFailure::TimedOut,
        _ => DialFailure::Refused,
    }
}

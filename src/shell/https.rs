//! The HTTPS listener: accepts, speaks TLS, serves the router of the room `api`.
//!
//! One task per connection. What a stranger can hold on to is bounded: connections in all and per client, the time
//! of the TLS handshake, the time of a request's head, and the time without a byte in either direction
//! (WebSockets too: their pings keep the living ones open). When the limit is reached, new connections are closed
//! at once and counted; those that are open stay.
//!
//! The certificate may be swapped at any time: each handshake takes the newest configuration.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::idle::Idle;
use super::listen::{handshake_failure, handshake_kind};
use crate::api::{ApiMetrics, Peer, Source};

/// Time to wait after the system refused to accept, as when it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most bytes of a request's head, and room for one read.
const HEAD_LIMIT: usize = 16 * 1024;

/// What strangers may hold on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpsLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one client.
    pub connections_per_source: usize,
    /// A TLS handshake takes at most this long.
    pub handshake_time: Duration,
    /// A request's head must be complete this long after the one before was answered.
    pub header_time: Duration,
    /// A connection without a byte in either direction is closed after this long; more than the interval of pings
    /// on WebSockets.
    pub idle_time: Duration,
    /// How long requests that are being answered may take when the daemon stops.
    pub drain_time: Duration,
}

impl Default for HttpsLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_source: 128,
            handshake_time: Duration::from_secs(5),
            header_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(75),
            drain_time: Duration::from_secs(3),
        }
    }
}

/// What is spoken on a listener.
#[derive(Clone, Debug)]
pub enum Security {
    /// TLS; the newest configuration counts.
    Tls(watch::Receiver<Arc<ServerConfig>>),
    /// Plain HTTP: for loopback and for the metrics listener.
    Clear,
}

/// Serves until `shutdown` turns `true`, then lets what is being answered end, at most for
/// [`HttpsLimits::drain_time`].
pub async fn serve(
    listener: TcpListener,
    security: Security,
    router: Router,
    limits: HttpsLimits,
    metrics: ApiMetrics,
    mut shutdown: watch::Receiver<bool>,
) {
    let listening = Listening {
        security,
        router,
        limits,
        metrics,
        slots: Arc::new(Semaphore::new(limits.connections)),
        sources: Arc::default(),
        shutdown: shutdown.clone(),
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) => listening.admit(stream, remote),
                Err(error) => {
                    listening.metrics.connection_refused("accept-failed");
                    tracing::debug!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = stopped(&mut shutdown) => break,
        }
    }
    drop(listener);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    if timeout(limits.drain_time, listening.slots.acquire_many(all)).await.is_err() {
        tracing::info!("HTTPS connections were still open at the end of the drain");
    }
}

/// A listener's shared parts.
struct Listening {
    security: Security,
    router: Router,
    limits: HttpsLimits,
    metrics: ApiMetrics,
    slots: Arc<Semaphore>,
    sources: Arc<Sources>,
    shutdown: watch::Receiver<bool>,
}

impl Listening {
    fn admit(&self, stream: TcpStream, remote: SocketAddr) {
        let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.metrics.connection_refused("connections-full");
            return;
        };
        let Some(place) = self.sources.take(Source::of(remote.ip()), self.limits.connections_per_source)
        else {
            self.metrics.connection_refused("connections-of-source");
            return;
        };
        let Ok(local) = stream.local_addr() else { return };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::trace!(%error, "no TCP_NODELAY");
        }
        self.metrics.connection_opened();
        let slot: Arc<dyn Send + Sync> =
            Arc::new(Slot { _permit: permit, _place: place, metrics: self.metrics.clone() });
        let secure = matches!(self.security, Security::Tls(_));
        let peer = Peer { remote, local, secure, certificate: None, slot: Some(slot) };
        let connection = Connection {
            router: self.router.clone(),
            limits: self.limits,
            metrics: self.metrics.clone(),
            shutdown: self.shutdown.clone(),
            peer,
        };
        match &self.security {
            Security::Clear => drop(tokio::spawn(connection.http(stream))),
            Security::Tls(config) => {
                let acceptor = TlsAcceptor::from(Arc::clone(&config.borrow()));
                drop(tokio::spawn(connection.tls(acceptor, stream)));
            }
        }
    }
}

/// One connection on its way.
struct Connection {
    router: Router,
    limits: HttpsLimits,
    metrics: ApiMetrics,
    shutdown: watch::Receiver<bool>,
    peer: Peer,
}

impl Connection {
    async fn tls(mut self, acceptor: TlsAcceptor, stream: TcpStream) {
        match timeout(self.limits.handshake_time, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.metrics.handshake(handshake_kind(stream.get_ref().1));
                let certificates = stream.get_ref().1.peer_certificates();
                self.peer.certificate =
                    certificates.and_then(|chain| chain.first()).map(|leaf| leaf.as_ref().into());
                self.http(stream).await;
            }
            Ok(Err(error)) => {
                self.metrics.handshake(handshake_failure(&error));
                self.metrics.connection_refused("tls-failed");
                tracing::debug!(%error, "TLS handshake failed");
            }
            Err(_) => {
                self.metrics.handshake("timeout");
                self.metrics.connection_refused("tls-timeout");
            }
        }
    }

    async fn http<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self, stream: S) {
        let Self { router, limits, metrics, mut shutdown, peer } = self;
        let service = WithPeer { router: TowerToHyperService::new(router), peer };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(HEAD_LIMIT)
            .serve_connection(TokioIo::new(Idle::new(stream, limits.idle_time)), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => Some(served),
            () = stopped(&mut shutdown) => None,
        };
        let served = if let Some(served) = served {
            served
        } else {
            connection.as_mut().graceful_shutdown();
            connection.await
        };
        if let Err(error) = served {
            metrics.connection_refused(reason_of(&error));
        }
    }
}

/// The router, with the connection's peer in each request.
struct WithPeer {
    router: TowerToHyperService<Router>,
    peer: Peer,
}

impl Service<Request<Incoming>> for WithPeer {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.router.call(request)
    }
}

/// Counts while somebody uses the connection.
struct Slot {
    _permit: OwnedSemaphorePermit,
    _place: Place,
    metrics: ApiMetrics,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.connection_closed();
    }
}

/// Connections per client; bounded by the connections in all.
#[derive(Default)]
struct Sources(Mutex<HashMap<Source, usize>>);

struct Place {
    sources: Arc<Sources>,
    source: Source,
}

impl Sources {
    fn take(self: &Arc<Self>, source: Source, limit: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_insert(0);
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Place { sources: Arc::clone(self), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

/// Ends when the daemon stops, or its end of the channel is gone.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}

fn reason_of(error: &hyper::Error) -> &'static str {
    let idle = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|source| source.kind() == io::ErrorKind::TimedOut);
    if idle {
        "idle"
    } else if error.is_timeout() {
        "header-timeout"
    } else if error.is_parse() {
        "not-http"
    } else {
        "broken"
    }
}

#[cfg(test)]
mod tests;

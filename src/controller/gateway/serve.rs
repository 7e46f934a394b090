//! Connections and messages of the gateway: sockets to values and back.
//!
//! One task has the proxy and the way to each connection. It waits on messages, on connections that the door let in, on the
//! database (which offices there are, whether tokens still hold; every [`LOOK`]), and never on any of the connections: a
//! message for one whose queue is full is refused with 503, or dropped and counted if it is a response. While the database
//! does not answer, what it said last counts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{info, warn};

use super::directory::Directory;
use super::door::{self, Door, Entered, Parties, TokenHash};
use super::figures::Figures;
use super::flows::Peer;
use super::marks::Marks;
use super::proxy::{Proxy, Verdict};
use super::reason::{NoEntry, Reason};
use crate::api::ApiMetrics;
use crate::controller::run::Failed;
use crate::controller::settings::GatewaySettings;
use crate::controller::store::{Store, StoreError, keys, now};
use crate::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use crate::observe::Metrics;
use crate::shell::https::{self, HttpsLimits};
use crate::shell::listen::{
    Arrival, Connection, Limits, Line, Revocations, Shared, canonical, revocations, stopped,
    talk_by_websocket,
};
use crate::shell::pki::{PkiError, TlsEndpoint};
use crate::sip::parse::ParseError;
use crate::sip::{Host, Message, Transport, limits};
use crate::uplink::OfficeId;

/// How often tokens, offices and permissions are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Connections at most.
const MOST: usize = 4096;
/// Connections of one source at most: several offices may stand behind one address.
const MOST_OF_SOURCE: usize = 256;
/// Messages of all connections that may wait for the proxy; then connections stop reading.
const INLET: usize = 1024;
/// Connections that the door let in and nobody took yet.
const ENTERING: usize = 64;
/// Messages that may wait for one connection.
const QUEUE: usize = 256;
/// How long connections may take to end.
const DRAIN: Duration = Duration::from_secs(2);
const TRY_AGAIN: u16 = 1013;

/// A gateway that serves.
pub(in crate::controller) struct Gateway {
    endpoint: TlsEndpoint,
    lists: watch::Sender<Revocations>,
    _limits: watch::Sender<Limits>,
    tasks: [JoinHandle<()>; 2],
}

impl Gateway {
    /// Binds, reads what the database says, and serves until `stop` turns `true`.
    pub(in crate::controller) async fn open(
        settings: GatewaySettings,
        store: Arc<Store>,
        figures: Figures,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Failed> {
        let lists = settings.tls.crl.as_deref().map(revocations).transpose().map_err(PkiError::from)?;
        let lists = watch::Sender::new(lists.unwrap_or_default());
        let endpoint = TlsEndpoint::open(settings.tls)?;
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let (limits, in_force) = watch::channel(limits_of_connections());
        let (inlet, arrivals) = mpsc::channel(INLET);
        let (entered, entering) = mpsc::channel(ENTERING);
        let revocations = lists.subscribe();
        let parties = Parties { store: Arc::clone(&store), figures: figures.clone(), revocations, entered };
        let shared = Shared {
            inlet,
            limits: in_force,
            places: Arc::default(),
            names: Arc::default(),
            metrics: Metrics::new("gateway"),
            stop: stop.clone(),
        };
        let proxy = proxy(settings.host, &store).await?;
        let security = https::Security::Tls(endpoint.subscribe());
        let router = door::router(Door(Arc::new(parties)));
        let web = https::serve(listener, security, router, limits_of_http(), ApiMetrics::default(), stop);
        figures.listens(address);
        let serving =
            Serving { store, proxy, figures, shared, lines: HashMap::new(), tokens: HashMap::new() };
        let tasks = [tokio::spawn(web), tokio::spawn(serving.run(arrivals, entering))];
        info!(%address, "the gateway is open");
        Ok(Self { endpoint, lists, _limits: limits, tasks })
    }

    /// Reads certificates and revocation list again. On an error the former stay.
    pub(in crate::controller) fn reload(&mut self) {
        let files = self.endpoint.files().clone();
        let lists = files.crl.as_deref().map(revocations).transpose();
        match (self.endpoint.reload(files), lists) {
            (Ok(_), Ok(lists)) => {
                self.lists.send_replace(lists.unwrap_or_default());
                info!("the gateway's certificates read again");
            }
            (Err(error), _) => warn!(reason = "certificate-refused", "{error}; the former stays"),
            (_, Err(error)) => warn!(reason = "revocation-list-refused", "{error}; the former stays"),
        }
    }

    /// Waits for its tasks, which were told to stop.
    pub(in crate::controller) async fn ended(self) {
        for task in self.tasks {
            if timeout(DRAIN * 2, task).await.is_err() {
                warn!("a task of the gateway did not end in time");
            }
        }
    }
}

struct Serving {
    store: Arc<Store>,
    proxy: Proxy,
    figures: Figures,
    shared: Shared,
    lines: HashMap<ConnectionId, Line>,
    /// With what each connection's office proved itself.
    tokens: HashMap<ConnectionId, (OfficeId, TokenHash)>,
}

/// What the database says.
struct Seen {
    directory: Directory,
    /// Connections whose token holds no more.
    over: Vec<(ConnectionId, NoEntry)>,
}

impl Serving {
    async fn run(mut self, mut arrivals: mpsc::Receiver<Arrival>, mut entering: mpsc::Receiver<Entered>) {
        let mut stop = self.shared.stop.clone();
        let (mut connections, mut looks) = (JoinSet::new(), JoinSet::new());
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                Some(arrival) = arrivals.recv() => self.arrived(arrival),
                Some(entered) = entering.recv() => self.enters(entered, &mut connections),
                Some(_) = connections.join_next() => {}
                Some(seen) = looks.join_next() => self.saw(seen.unwrap_or_else(|error| {
                    Err(StoreError::Failed(error.to_string()))
                })),
                _ = look.tick(), if looks.is_empty() => drop(looks.spawn(self.look())),
                () = stopped(&mut stop) => break,
            }
        }
        drop(arrivals);
        drop(timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await);
        connections.shutdown().await;
    }

    fn enters(&mut self, entered: Entered, connections: &mut JoinSet<()>) {
        let Entered { socket, office, shown, token } = entered;
        let limits = *self.shared.limits.borrow();
        let remote = canonical(socket.peer.remote);
        let place = match self.shared.places.take(remote.ip(), MOST, MOST_OF_SOURCE) {
            Ok(place) => place,
            Err(no_place) => {
                self.figures.count("refused-connections", no_place.as_str());
                return drop(connections.spawn(socket.close(TRY_AGAIN, no_place.as_str())));
            }
        };
        let connection = self.shared.names.next();
        let flow = Flow {
            transport: Transport::Wss,
            local: canonical(socket.peer.local),
            remote,
            connection: Some(connection),
            side: Side::Office(office),
        };
        self.tokens.insert(connection, (office, token));
        let shared = self.shared.clone();
        let connection = Connection { flow, limits, place, shared };
        connections.spawn(talk_by_websocket(connection, socket, Some(shown), None));
    }

    fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Opened { flow, line, .. } => {
                let (Side::Office(office), Some(connection)) = (flow.side, flow.connection) else { return };
                info!(office = office.as_str(), remote = %flow.remote, "an office is connected to the gateway");
                self.lines.insert(connection, line);
                let superseded = self.proxy.flows.opened(Peer { office, connection, remote: flow.remote });
                if let Some(oldest) = superseded {
                    self.close(oldest, "superseded", FlowFailure::Closed);
                }
                self.figures.connected(self.proxy.flows.count());
            }
            Arrival::Sip { flow, message } => {
                if let Some(connection) = flow.connection {
                    self.message(connection, message);
                }
            }
            Arrival::Closed { flow, reason } => {
                let Some(connection) = flow.connection else { return };
                if self.lines.remove(&connection).is_some() {
                    self.figures.count("ended-connections", reason.as_str());
                }
                self.tokens.remove(&connection);
                self.proxy.flows.closed(connection);
                self.figures.connected(self.proxy.flows.count());
            }
            Arrival::Dialled { .. } => {}
        }
    }

    fn message(&mut self, on: ConnectionId, message: Result<Message, ParseError>) {
        let message = match message {
            Ok(message) => message,
            Err(ParseError::KeepAlive) => return,
            Err(ParseError::Malformed(malformed)) => {
                let response = malformed.answer(&self.proxy.tag(""));
                self.refuse(on, Reason::Unreadable, response.map(Message::from));
                return;
            }
        };
        match self.proxy.receive(on, &message) {
            Verdict::Pass { to, message: passed } => match (self.send(to, passed.to_bytes()), &message) {
                (Ok(()), _) => self.figures.count("passed", kind(&message)),
                (Err(reason), Message::Request(request)) => {
                    let response = self.proxy.refusal(request, reason);
                    self.refuse(on, reason, response.map(Message::from));
                }
                (Err(reason), Message::Response(_)) => self.refuse(on, reason, None),
            },
            Verdict::Answer(response) => {
                self.figures.count("passed", "options");
                // Whoever does not read gets no answers either.
                let _ = self.send(on, response.to_bytes());
            }
            Verdict::Refuse(reason, response) => self.refuse(on, reason, response.map(Message::from)),
        }
    }

    fn refuse(&mut self, on: ConnectionId, reason: Reason, response: Option<Message>) {
        let what = if response.is_some() { "refused" } else { "dropped" };
        self.figures.count(what, reason.as_str());
        if let Some(response) = response
            && self.send(on, response.to_bytes()).is_err()
        {
            self.figures.count("dropped", Reason::QueueFull.as_str());
        }
    }

    fn send(&mut self, to: ConnectionId, bytes: Bytes) -> Result<(), Reason> {
        let line = self.lines.get(&to).ok_or(Reason::NotConnected)?;
        line.outgoing.try_send(bytes).map_err(|error| match error {
            TrySendError::Full(_) => Reason::QueueFull,
            TrySendError::Closed(_) => Reason::NotConnected,
        })
    }

    /// Asks the database, in a task of its own.
    fn look(&self) -> impl Future<Output = Result<Seen, StoreError>> + Send + use<> {
        let store = Arc::clone(&self.store);
        let tokens = self.tokens.clone();
        async move {
            store
                .run(move |rows| {
                    let (directory, now) = (Directory::read(rows)?, now());
                    let mut over = Vec::new();
                    for (connection, (office, hash)) in tokens {
                        if let Err(why) = door::holds(keys::token_of(rows, &hash)?.as_ref(), office, now) {
                            over.push((connection, why));
                        }
                    }
                    Ok(Seen { directory, over })
                })
                .await
        }
    }

    fn saw(&mut self, seen: Result<Seen, StoreError>) {
        match seen {
            Ok(Seen { directory, over }) => {
                self.proxy.directory = directory;
                for (connection, why) in over {
                    self.close(connection, why.as_str(), FlowFailure::Token);
                }
            }
            Err(error) => {
                self.figures.count("looks-failed", "store-failed");
                tracing::debug!(%error, "the gateway could not ask the database");
            }
        }
    }

    /// Has a connection closed; from now on nothing goes there.
    fn close(&mut self, connection: ConnectionId, why: &'static str, failure: FlowFailure) {
        let office = self.tokens.remove(&connection).map(|(office, _)| office.to_string());
        warn!(reason = why, office, "the gateway closes an office's connection");
        self.figures.count("ended-connections", why);
        self.proxy.flows.closed(connection);
        if let Some(line) = self.lines.remove(&connection) {
            // A task that is gone already needs no telling.
            let _ = line.close.send(failure);
        }
        self.figures.connected(self.proxy.flows.count());
    }
}

/// A proxy that knows what the database says.
async fn proxy(host: Host, store: &Arc<Store>) -> Result<Proxy, Failed> {
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| std::io::Error::other("no random numbers"))?;
    let mut proxy = Proxy::new(Marks::new(host, &key));
    match store.run(Directory::read).await {
        Ok(directory) => proxy.directory = directory,
        Err(error) => warn!(reason = "store-failed", "the gateway knows no office yet: {error}"),
    }
    Ok(proxy)
}

const fn kind(message: &Message) -> &'static str {
    match message {
        Message::Request(_) => "requests",
        Message::Response(_) => "responses",
    }
}

fn limits_of_http() -> HttpsLimits {
    HttpsLimits { connections: MOST, connections_per_source: MOST_OF_SOURCE, ..HttpsLimits::default() }
}

fn limits_of_connections() -> Limits {
    Limits {
        connections: MOST,
        connections_per_source: MOST_OF_SOURCE,
        handshake_time: Duration::from_secs(5),
        message_time: Duration::from_secs(10),
        idle_time: Duration::from_secs(75),
        message_size: limits::MESSAGE,
        send_queue: QUEUE,
    }
}

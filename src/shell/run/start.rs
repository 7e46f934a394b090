//! From a configuration to a daemon that serves: sockets, then workers, then the engine, then listeners.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tracing::info;

use super::failure::Failure;
use super::sockets::{SipSocket, Sockets};
use super::tasks::Tasks;
use super::vitals::Board;
use super::loading::{Loaded, RevocationLists};
use super::{mirror_files, pulse, random, session_key};
use crate::api::{self, Api, ApiMetrics, LineCapacity, Parts};
use crate::config::{Config, Network, Transport};
use crate::engine::flow::Side;
use crate::engine::{Engine, EngineSetup};
use crate::media::webrtc::DtlsIdentity;
use crate::observe::Condition;
use crate::shell::clock;
use crate::shell::connectivity::{Connectivity, ConnectivitySetup};
use crate::shell::daemon::Daemon;
use crate::shell::engine_task::{self, Glance, Inlets, Order, Outlets, Overview, Question};
use crate::shell::flows::Flows;
use crate::shell::https::{self, HttpsLimits};
use crate::shell::listen::{self, Acceptor, Limits, Shared, UdpListener};
use crate::shell::media::MediaWorker;
use crate::shell::pki;
use crate::shell::settings::{self, AccountBook, Bound};
use crate::shell::systemd::{Heartbeat, Watchdog};

/// Messages of listeners that may wait for the engine.
const ARRIVALS: usize = 4096;
/// Events of workers that may wait for the engine.
const EVENTS: usize = 4096;
/// Questions and orders that may wait for the engine.
const QUESTIONS: usize = 64;
/// Upgraded WebSockets that may wait for a task.
const UPGRADED: usize = 64;

/// A daemon that serves.
pub(super) struct Serving {
    pub(super) tasks: Tasks,
    pub(super) engine: EngineEnd,
    pub(super) accounts: Arc<AccountBook>,
    pub(super) board: Arc<Board>,
    pub(super) revocations: RevocationLists,
    /// Ends the listeners.
    pub(super) stop: watch::Sender<bool>,
    pub(super) workers: Workers,
    /// Beats while the daemon's own loop turns.
    pub(super) heartbeat: Heartbeat,
    pub(super) _watchdog: Watchdog,
}

/// The engine's task, which outlives the listeners, and how it is spoken to.
pub(super) struct EngineEnd {
    pub(super) tasks: Tasks,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) overview: watch::Receiver<Overview>,
    pub(super) calls: watch::Receiver<usize>,
    heartbeat: Heartbeat,
}

/// The workers that have threads of their own.
pub(super) struct Workers {
    pub(super) media: MediaWorker,
    pub(super) connectivity: Arc<Connectivity>,
}

/// Starts everything. Must be called within the runtime.
pub(super) async fn start(daemon: &Daemon) -> Result<Serving, Failure> {
    let config = &daemon.config;
    let sockets = Sockets::open(config, &daemon.health)?;
    let identity = dtls_identity(config)?;
    let bound = bound(&sockets, &identity);
    let names = sockets.listeners();
    let Sockets { sip, asterisk, https, metrics, media } = sockets;
    let loaded = Loaded::read(daemon).await?;
    mirror_files::write(config, &loaded.accounts, &daemon.health).await;
    let accounts = Arc::new(AccountBook::default());
    accounts.replace(loaded.accounts.clone());
    let (workers, events) = start_workers(config, media, &bound, identity)?;
    let (line, port) = api::line::line(LineCapacity::default());

    let (stop, stopping) = watch::channel(false);
    let (inlet, arrivals) = mpsc::channel(ARRIVALS);
    let revocations = RevocationLists::read(daemon);
    let mut listeners = Listeners::new(daemon, inlet, stopping.clone());
    listeners.open_sip(daemon, sip, &revocations)?;
    listeners.open_asterisk(config, asterisk)?;
    let wires = Wires { senders: listeners.senders.clone(), arrivals, events, port };
    let engine = start_engine(daemon, &bound, loaded, &workers, wires)?;
    let board = Arc::new(Board {
        health: daemon.health.clone(),
        metrics: daemon.metrics.clone(),
        overview: engine.overview.clone(),
        accounts: Arc::clone(&accounts),
        listeners: names,
        ground: Mutex::new(daemon.status()),
    });
    let web = Web { line, book: Arc::clone(&accounts), board: Arc::clone(&board), https, metrics };
    listeners.open_web(daemon, web, &revocations)?;
    let mut tasks = listeners.tasks;
    let heartbeat = Heartbeat::default();
    let watchdog = start_watching(daemon, &engine, &workers, heartbeat.clone(), &mut tasks, stopping);
    let serving = Serving {
        tasks,
        engine,
        accounts,
        board,
        revocations,
        stop,
        workers,
        heartbeat,
        _watchdog: watchdog,
    };
    Ok(serving)
}

fn dtls_identity(config: &Config) -> Result<Arc<DtlsIdentity>, Failure> {
    let keys = pki::load_or_make_dtls_keys(&config.paths.pki(), clock::wall())?;
    let identity = DtlsIdentity::new(keys.certificate, &keys.key);
    identity
        .map(Arc::new)
        .map_err(|error| Failure::configuration(format!("{}: {error}", config.paths.pki().display())))
}

fn bound(sockets: &Sockets, identity: &DtlsIdentity) -> Bound {
    let local = |socket: &std::net::UdpSocket| socket.local_addr().ok();
    let nowhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    Bound {
        webrtc: local(&sockets.media.webrtc).unwrap_or(nowhere),
        trunk: local(&sockets.media.trunk).unwrap_or(nowhere),
        phone_ports: sockets.media.pairs(),
        asterisk: sockets.asterisk.as_ref().and_then(local),
        fingerprint: identity.fingerprint().clone(),
    }
}

struct WorkerEvents {
    media: mpsc::Receiver<crate::media::MediaEvent>,
    connectivity: mpsc::Receiver<crate::media::ConnectivityEvent>,
}

fn start_workers(
    config: &Config,
    sockets: crate::shell::media::MediaSockets,
    bound: &Bound,
    identity: Arc<DtlsIdentity>,
) -> Result<(Workers, WorkerEvents), Failure> {
    let (media_sender, media_events) = mpsc::channel(EVENTS);
    let (ice_sender, ice_events) = mpsc::channel(EVENTS);
    let socket = sockets.webrtc.try_clone().map_err(Failure::system)?;
    let connectivity = Connectivity::start(ConnectivitySetup {
        socket,
        identity,
        addresses: settings::announced(config, bound),
        full_ice: config.media.ice == crate::config::Ice::Full,
        max_ends: settings::max_ends(config),
        sink: Box::new(move |event| {
            ice_sender.try_send(event).map_err(mpsc::error::TrySendError::into_inner)
        }),
    });
    let connectivity = Arc::new(connectivity.map_err(Failure::system)?);
    let inlet = connectivity.inlet();
    let media = MediaWorker::start(
        sockets,
        settings::relay_settings(config),
        random()?,
        Box::new(move |event| media_sender.try_send(event).map_err(mpsc::error::TrySendError::into_inner)),
        Box::new(move |from, packet| inlet.offer(from, packet)),
    );
    let media = media.map_err(Failure::system)?;
    Ok((Workers { media, connectivity }, WorkerEvents { media: media_events, connectivity: ice_events }))
}

/// What leads to the engine's task and away from it.
struct Wires {
    senders: Vec<listen::UdpSender>,
    arrivals: mpsc::Receiver<listen::Arrival>,
    events: WorkerEvents,
    port: api::EnginePort,
}

fn start_engine(
    daemon: &Daemon,
    bound: &Bound,
    loaded: Loaded,
    workers: &Workers,
    wires: Wires,
) -> Result<EngineEnd, Failure> {
    let Wires { senders, arrivals, events, port } = wires;
    let (orders, ordered) = mpsc::channel(QUESTIONS);
    let (questions, questioned) = mpsc::channel(QUESTIONS);
    let (commands, ice) = (workers.media.commands(), Arc::clone(&workers.connectivity));
    let outlets = Outlets {
        flows: Flows::new(senders, daemon.metrics.clone()),
        media: Box::new(move |command| commands.send(command.clone()).map_err(|_| Box::new(command))),
        connectivity: Box::new(move |command| ice.command(command)),
        store: daemon.store.clone(),
        switchboard: port.switchboard,
        metrics: daemon.metrics.clone(),
        health: daemon.health.clone(),
    };
    let inlets = Inlets {
        orders: ordered,
        media: events.media,
        connectivity: events.connectivity,
        pages: port.inputs,
        arrivals,
        questions: questioned,
    };
    let engine = Engine::new(EngineSetup {
        settings: settings::engine_settings(&daemon.config, bound),
        accounts: loaded.accounts,
        bindings: loaded.bindings,
        seed: random()?,
        now: clock::now(),
    });
    let heartbeat = Heartbeat::default();
    let (glance, overview, calls) = Glance::new();
    let mut tasks = Tasks::default();
    tasks.start("engine", engine_task::run(engine, inlets, outlets, heartbeat.clone(), glance));
    Ok(EngineEnd { tasks, orders, questions, overview, calls, heartbeat })
}

/// Watches every part that must turn.
fn start_watching(
    daemon: &Daemon,
    engine: &EngineEnd,
    workers: &Workers,
    shell: Heartbeat,
    tasks: &mut Tasks,
    stop: watch::Receiver<bool>,
) -> Watchdog {
    let media = Heartbeat::default();
    let watched = pulse::Watched {
        media: workers.media.pulse(),
        connectivity: workers.connectivity.status(),
        overview: engine.overview.clone(),
        most_calls: daemon.config.calls.max,
        heartbeat: media.clone(),
        metrics: daemon.metrics.clone(),
        health: daemon.health.clone(),
    };
    tasks.start("pulse", pulse::run(watched, stop));
    let parts = vec![
        (Condition::EngineStalled, engine.heartbeat.clone()),
        (Condition::MediaStalled, media),
        (Condition::ShellStalled, shell),
    ];
    Watchdog::start(parts, daemon.health.clone())
}

/// What the HTTP listeners need.
struct Web {
    line: api::EngineLine,
    book: Arc<AccountBook>,
    board: Arc<Board>,
    https: Option<std::net::TcpListener>,
    metrics: Option<std::net::TcpListener>,
}

/// Listeners being opened.
struct Listeners {
    tasks: Tasks,
    shared: Shared,
    senders: Vec<listen::UdpSender>,
}

impl Listeners {
    fn new(daemon: &Daemon, inlet: listen::Inlet, stop: watch::Receiver<bool>) -> Self {
        let limits = watch::channel(Limits::from(&daemon.config.sip.limits)).1;
        let metrics = daemon.metrics.clone();
        let shared = Shared { inlet, limits, places: Arc::default(), names: Arc::default(), metrics, stop };
        Self { tasks: Tasks::default(), shared, senders: Vec::new() }
    }

    fn open_sip(
        &mut self,
        daemon: &Daemon,
        sockets: Vec<(crate::config::Listen, SipSocket)>,
        revocations: &RevocationLists,
    ) -> Result<(), Failure> {
        for (listen, socket) in sockets {
            info!(name = listen.name, transport = listen.transport.as_str(), address = %listen.address, "listening");
            match socket {
                SipSocket::Udp(socket) => self.open_udp("sip-udp", socket, Side::Site, listen.networks)?,
                SipSocket::Tcp(socket) => {
                    let security = match (&daemon.sip_tls, listen.transport) {
                        (Some(endpoint), Transport::Tls) => listen::Security::Tls {
                            config: endpoint.subscribe(),
                            revocations: revocations.sip.subscribe(),
                        },
                        _ => listen::Security::Clear,
                    };
                    let acceptor = Acceptor {
                        listener: into_tokio(socket)?,
                        side: Side::Site,
                        networks: listen.networks,
                        security,
                        shared: self.shared.clone(),
                    };
                    self.tasks.start("sip-tcp", listen::serve(acceptor));
                }
            }
        }
        Ok(())
    }

    fn open_asterisk(&mut self, config: &Config, socket: Option<std::net::UdpSocket>) -> Result<(), Failure> {
        let (Some(socket), Some(asterisk)) = (socket, &config.asterisk) else { return Ok(()) };
        let only: Network = asterisk.address.ip().to_string().parse().map_err(Failure::configuration)?;
        self.open_udp("sip-asterisk", socket, Side::Asterisk, vec![only])
    }

    fn open_udp(
        &mut self,
        name: &'static str,
        socket: std::net::UdpSocket,
        side: Side,
        networks: Vec<Network>,
    ) -> Result<(), Failure> {
        let listener = UdpListener::new(socket, side, networks).map_err(Failure::system)?;
        self.senders.push(listener.sender());
        self.tasks.start(name, listener.serve(self.shared.clone()));
        Ok(())
    }

    fn open_web(&mut self, daemon: &Daemon, web: Web, revocations: &RevocationLists) -> Result<(), Failure> {
        let config = &daemon.config;
        let key = session_key::load_or_make(Path::new(&config.paths.state))?;
        let metrics = ApiMetrics::with_handshakes(daemon.metrics.handshakes());
        daemon.metrics.register(|registry| metrics.register(registry));
        let (upgraded, websockets) = mpsc::channel(UPGRADED);
        let api = Api::new(Parts {
            settings: settings::api_settings(config, key),
            directory: Arc::<AccountBook>::clone(&web.book),
            accounts: web.book,
            records: Arc::new(daemon.store.clone()),
            vitals: web.board,
            line: web.line,
            sip: Some(upgraded),
            metrics: metrics.clone(),
            shutdown: self.shared.stop.clone(),
        });
        let limits = HttpsLimits {
            connections: config.sip.limits.connections,
            connections_per_source: config.sip.limits.connections_per_source,
            ..HttpsLimits::default()
        };
        let stop = self.shared.stop.clone();
        if let (Some(socket), Some(endpoint)) = (web.https, &daemon.https_tls) {
            let security = https::Security::Tls(endpoint.subscribe());
            let router = api::router(api.clone());
            let serving =
                https::serve(into_tokio(socket)?, security, router, limits, metrics.clone(), stop.clone());
            self.tasks.start("https", serving);
        }
        if let Some(socket) = web.metrics {
            let router = api::metrics_router(api.clone());
            let serving =
                https::serve(into_tokio(socket)?, https::Security::Clear, router, limits, metrics, stop);
            self.tasks.start("metrics", serving);
        }
        let serving =
            listen::serve_websockets(websockets, revocations.https.subscribe(), self.shared.clone());
        self.tasks.start("sip-websocket", async move {
            serving.await;
            // Without HTTPS nobody else holds the sender, and the task would end before the daemon does.
            drop(api);
        });
        Ok(())
    }
}

fn into_tokio(socket: std::net::TcpListener) -> Result<tokio::net::TcpListener, Failure> {
    socket.set_nonblocking(true).map_err(Failure::system)?;
    tokio::net::TcpListener::from_std(socket).map_err(Failure::system)
}

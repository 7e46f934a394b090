//! From a configuration to a daemon that serves: sockets, then workers, then the engine, then listeners.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use super::failure::Failure;
use super::listeners::{Listeners, Web};
use super::loading::{Loaded, RevocationLists};
use super::roaming::RoamingCache;
use super::sockets::Sockets;
use super::tasks::Tasks;
use super::uplink::UplinkEnd;
use super::vitals::Board;
use super::{mirror_files, pulse, random};
use crate::api::{self, LineCapacity};
use crate::config::Config;
use crate::engine::routing::Dial;
use crate::engine::{Engine, EngineSetup, Input};
use crate::media::webrtc::DtlsIdentity;
use crate::observe::Condition;
use crate::shell::clock;
use crate::shell::connectivity::{Connectivity, ConnectivitySetup};
use crate::shell::control::ControlQuery;
use crate::shell::daemon::Daemon;
use crate::shell::engine_task::{self, Glance, Inlets, Order, Outlets, Overview, Question, RoamingOutlet};
use crate::shell::flows::Flows;
use crate::shell::listen::{self, Limits};
use crate::shell::media::MediaWorker;
use crate::shell::pki;
use crate::shell::settings::{self, AccountBook, Bound};
use crate::shell::systemd::{Heartbeat, Watchdog};
use crate::shell::uplink::Uplink;

/// Messages of listeners that may wait for the engine.
const ARRIVALS: usize = 4096;
/// Events of workers that may wait for the engine.
const EVENTS: usize = 4096;
/// Questions and orders that may wait for the engine.
const QUESTIONS: usize = 64;

/// A daemon that serves.
pub(super) struct Serving {
    pub(super) tasks: Tasks,
    pub(super) engine: EngineEnd,
    pub(super) uplink: UplinkEnd,
    pub(super) accounts: Arc<AccountBook>,
    pub(super) board: Arc<Board>,
    pub(super) revocations: RevocationLists,
    /// What new connections and datagrams are held to.
    pub(super) limits: watch::Sender<Limits>,
    /// What became of the sockets.
    pub(super) bound: Bound,
    /// Ends the listeners.
    pub(super) stop: watch::Sender<bool>,
    pub(super) workers: Workers,
    /// Beats while the daemon's own loop turns.
    pub(super) heartbeat: Heartbeat,
    pub(super) watchdog: Watchdog,
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
pub(super) async fn start(daemon: &Daemon, queries: &mpsc::Sender<ControlQuery>) -> Result<Serving, Failure> {
    let config = &daemon.config;
    let sockets = Sockets::open(config, &daemon.health)?;
    let identity = dtls_identity(config)?;
    let (bound, names) = (bound(&sockets, &identity), sockets.listeners());
    let Sockets { sip, asterisk, offices, carriers, https, metrics, media } = sockets;
    let loaded = Loaded::read(daemon).await?;
    mirror_files::write(config, &loaded.accounts, &daemon.health).await;
    let (accounts, revocations) = (loaded.book(), RevocationLists::read(daemon));
    let (workers, events) = start_workers(config, media, &bound, identity)?;
    let (line, port) = api::line::line(LineCapacity::default());
    let ((stop, stopping), (inlet, arrivals)) = (watch::channel(false), mpsc::channel(ARRIVALS));
    let mut listeners = Listeners::new(daemon, inlet, stopping.clone());
    listeners.open_sip(daemon, sip, &revocations)?;
    listeners.open_asterisk(config, asterisk)?;
    let dials = listeners.open_links(daemon, offices, carriers, &revocations)?;
    let wires = Wires { dials, senders: listeners.senders.clone(), arrivals, events, port };
    let uplink = Uplink::open(daemon);
    let cache = RoamingCache::open(daemon);
    let roaming = cache.as_ref().and_then(|cache| cache.store.clone());
    let engine = start_engine(daemon, &bound, loaded, &workers, (uplink.as_ref(), cache), wires)?;
    let uplink = UplinkEnd::start((uplink, roaming), &daemon.metrics, &engine, queries);
    let board = Arc::new(board(daemon, &engine, &uplink, &accounts, names));
    let web = Web { line, book: Arc::clone(&accounts), board: Arc::clone(&board), https, metrics };
    listeners.open_web(daemon, web, &revocations)?;
    let Listeners { mut tasks, limits, .. } = listeners;
    let heartbeat = Heartbeat::default();
    let watchdog = start_watching(daemon, &engine, &workers, heartbeat.clone(), &mut tasks, stopping);
    Ok(Serving {
        tasks,
        engine,
        uplink,
        accounts,
        board,
        revocations,
        limits,
        bound,
        stop,
        workers,
        heartbeat,
        watchdog,
    })
}

fn board(
    daemon: &Daemon,
    engine: &EngineEnd,
    uplink: &UplinkEnd,
    accounts: &Arc<AccountBook>,
    listeners: Vec<String>,
) -> Board {
    Board {
        health: daemon.health.clone(),
        metrics: daemon.metrics.clone(),
        overview: engine.overview.clone(),
        accounts: Arc::clone(accounts),
        uplink: uplink.eye.clone(),
        listeners,
        ground: Mutex::new(daemon.status()),
    }
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
    dials: mpsc::Sender<Box<Dial>>,
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
    (uplink, mut cache): (Option<&Uplink>, Option<RoamingCache>),
    wires: Wires,
) -> Result<EngineEnd, Failure> {
    let Wires { dials, senders, arrivals, events, port } = wires;
    let (orders, ordered) = mpsc::channel(QUESTIONS);
    let (questions, questioned) = mpsc::channel(QUESTIONS);
    let (commands, ice) = (workers.media.commands(), Arc::clone(&workers.connectivity));
    let outlets = Outlets {
        flows: Flows::new(senders, daemon.metrics.clone()),
        media: Box::new(move |command| commands.send(command.clone()).map_err(|_| Box::new(command))),
        connectivity: Box::new(move |command| ice.command(command)),
        links: dials,
        store: daemon.store.clone(),
        switchboard: port.switchboard,
        metrics: daemon.metrics.clone(),
        health: daemon.health.clone(),
        events: uplink.map(Uplink::desk),
        roaming: uplink
            .zip(cache.as_ref())
            .map(|(uplink, cache)| RoamingOutlet { store: cache.store.clone(), publish: uplink.publisher() }),
    };
    let WorkerEvents { media, connectivity } = events;
    let (orders_in, questions_in, pages) = (ordered, questioned, port.inputs);
    let inlets = Inlets { orders: orders_in, media, connectivity, pages, arrivals, questions: questions_in };
    let routes = uplink.and_then(Uplink::table).map(Input::Routes);
    let roaming = cache.iter_mut().flat_map(RoamingCache::inputs).map(Input::Roaming);
    let engine = make_engine(daemon, bound, loaded, routes.into_iter().chain(roaming))?;
    let heartbeat = Heartbeat::default();
    let (glance, overview, calls) = Glance::new();
    let mut tasks = Tasks::default();
    tasks.start("engine", engine_task::run(engine, inlets, outlets, heartbeat.clone(), glance));
    Ok(EngineEnd { tasks, orders, questions, overview, calls, heartbeat })
}

/// The engine with what survived; the last good routes and what was known of roaming are in force at once.
fn make_engine(
    daemon: &Daemon,
    bound: &Bound,
    loaded: Loaded,
    known: impl Iterator<Item = Input>,
) -> Result<Engine, Failure> {
    let mut engine = Engine::new(EngineSetup {
        settings: settings::engine_settings(&daemon.config, bound),
        accounts: loaded.accounts,
        bindings: loaded.bindings,
        seed: random()?,
        now: clock::now(),
    });
    engine.handle_input(clock::now(), Input::Tally(loaded.tally));
    engine.handle_input(clock::now(), Input::Availability(loaded.availability));
    known.for_each(|input| engine.handle_input(clock::now(), input));
    Ok(engine)
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

//! The uplink: the MQTT session to the federation's controller, and what goes over it.
//!
//! ```text
//!  engine ──observations, records──► events ──► outbox (thread, flash) ──┐
//!  health, status, reported, commands ──► retained (newest of each) ─────┤ session ⇄ broker
//!  engine ◄──orders── steward ◄── routes/desired, cmd/… ─────────────────┘
//! ```
//!
//! | task | waits on | never does | when its queue is full |
//! | --- | --- | --- | --- |
//! | uplink | the session; between sessions the back-off | hold up the engine | – |
//! | the library's event loop, one a session | the socket, what is to be sent | – | the session ends |
//! | steward | route sets, commands, the probation's clock | check a set on the runtime's thread | the broker sends no more than fits |
//! | pulse | a second | – | – |
//! | outbox (thread) | events, acknowledgements | – | events are lost by worth and counted |
//!
//! | file | what is there |
//! | --- | --- |
//! | `ground` | what all of it stands on |
//! | `connect`, `session` | one session with one broker |
//! | `reason` | why sessions end |
//! | `window` | what is in flight |
//! | `outbox` | events on flash |
//! | `retained` | documents of which only the newest counts |
//! | `documents`, `events` | made of what the shell knows |
//! | `routes`, `last_good`, `probation` | route sets: pushed, kept on flash, watched |
//! | `commands` | requests of ops |
//! | `links` | the federation links |
//! | `roaming` | where extensions are |
//! | `pulse` | health |

mod commands;
mod connect;
mod documents;
mod events;
mod ground;
mod last_good;
mod links;
pub mod outbox;
mod pulse;
mod reason;
mod retained;
mod roaming;
mod routes;
mod session;
mod steward;
mod update;
mod window;

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

pub use events::EventDesk;
pub use reason::EndReason;

use super::control::ControlQuery;
use super::daemon::Daemon;
use super::engine_task::{Order, Overview, PublishOutlet, Question};
use super::hex;
use crate::config::{self, OfficeId, RouteKey};
use crate::engine::routing::RouteTable;
use crate::uplink::backoff::Failover;
use crate::uplink::{EventKind, OutboxLimits, Topic, TrustedKeys, VerifyingKey};
use commands::Commands;
use ground::{Figures, Ground, SharedGround};
use last_good::LastGood;
use links::LinkBoard;
use outbox::{LossReport, Outbox, OutboxOptions};
use retained::Retained;
use roaming::RoamingInlet;
use routes::{Found, Routes};
use session::Arrived;
use steward::Steward;

/// The mean length of an event, from which the most events are reckoned.
const MEAN_EVENT: u64 = 400;

/// The uplink with its outbox open, before it connects.
#[derive(Debug)]
pub struct Uplink {
    ground: SharedGround,
    desk: EventDesk,
    arrivals: mpsc::Receiver<Arrived>,
    found: Found,
}

/// Sees how the uplink is, for the status.
#[derive(Clone, Debug)]
pub struct UplinkEye(SharedGround);

impl UplinkEye {
    /// `down`, or the broker in use.
    pub fn word(&self) -> String {
        self.0.broker_in_use().unwrap_or_else(|| "down".to_owned())
    }
}

/// How the uplink reaches the rest of the daemon.
#[derive(Debug)]
pub struct Wires {
    /// To the engine.
    pub orders: mpsc::Sender<Order>,
    /// Asks the engine.
    pub questions: mpsc::Sender<Question>,
    /// The engine at a glance.
    pub overview: watch::Receiver<Overview>,
    /// To the daemon's own loop.
    pub queries: mpsc::Sender<ControlQuery>,
    /// Ends the uplink's tasks.
    pub stop: watch::Receiver<bool>,
}

/// A task by its name.
pub type NamedTask = (&'static str, std::pin::Pin<Box<dyn Future<Output = ()> + Send>>);

impl Uplink {
    /// Opens the outbox and reads the last good route set. `None` without `[uplink]`. Blocks while it opens.
    pub fn open(daemon: &Daemon) -> Option<Self> {
        let config = daemon.config.uplink.clone()?;
        let office = daemon.config.office.id;
        let boot = hex::hex(&random::<8>());
        let file = LastGood::in_directory(&daemon.config.paths.state);
        let found = Found::read(file, trusted(&config), office);
        let outbox = Outbox::open(OutboxOptions {
            directory: daemon.config.paths.state.clone(),
            limits: limits(config.outbox_size),
            health: daemon.health.clone(),
            loss_report: loss_report(office, boot.clone()),
        });
        let (sender, arrivals) = mpsc::channel(usize::from(connect::INCOMING) * 2);
        let desk = EventDesk::new(office, boot.clone(), outbox.clone());
        let ground = Arc::new(Ground {
            figures: Figures::new(&daemon.metrics),
            config,
            office,
            boot,
            outbox,
            retained: Retained::default(),
            health: daemon.health.clone(),
            metrics: daemon.metrics.clone(),
            arrivals: sender,
            links: LinkBoard::new(desk.over_links()),
            broker: std::sync::Mutex::default(),
        });
        let status = documents::online(&ground);
        ground.retained.set(Topic::Status(ground.office), status);
        desk.audit("start", "successful", json!({ "version": env!("CARGO_PKG_VERSION") }));
        Some(Self { ground, desk, arrivals, found })
    }

    /// Where events are told.
    pub fn desk(&self) -> EventDesk {
        self.desk.clone()
    }

    /// Where the engine says what all offices shall hear.
    pub fn publisher(&self) -> PublishOutlet {
        let ground = Arc::clone(&self.ground);
        Box::new(move |publication| roaming::publish(&ground, &publication))
    }

    /// The route table that was in force last, to be in force before the daemon is ready.
    pub fn table(&self) -> Option<Arc<RouteTable>> {
        self.found.table.clone()
    }

    /// Sees how the uplink is.
    pub fn eye(&self) -> UplinkEye {
        UplinkEye(Arc::clone(&self.ground))
    }

    /// The outbox, to be closed last.
    pub fn outbox(&self) -> Outbox {
        self.ground.outbox.clone()
    }

    /// The tasks, to be started by whoever owns them.
    pub fn tasks(self, wires: Wires) -> Vec<NamedTask> {
        let Self { ground, desk, arrivals, found } = self;
        let Wires { orders, questions, overview, queries, stop } = wires;
        let roaming = RoamingInlet::new(Arc::clone(&ground), orders.clone());
        let routes = Routes::new(Arc::clone(&ground), desk.clone(), orders, found);
        let commands = Commands::new(Arc::clone(&ground), queries, desk);
        let steward = Steward { commands, routes, roaming };
        vec![
            ("uplink-steward", Box::pin(steward.run(arrivals, stop.clone()))),
            ("uplink-pulse", Box::pin(pulse::run(Arc::clone(&ground), overview, questions, stop.clone()))),
            ("uplink", Box::pin(keep_connected(ground, stop))),
        ]
    }
}

/// Brokers in turn, with waits between, until told to stop.
async fn keep_connected(ground: SharedGround, mut stop: watch::Receiver<bool>) {
    let config = &ground.config;
    let mut failover = Failover::new(config.brokers.len(), config.retry_min, config.retry_max);
    while let Some(broker) = config.brokers.get(failover.broker()) {
        let ended = session::run(&ground, broker, &mut stop).await;
        ground.disconnected(broker, &ended);
        if *stop.borrow() {
            return;
        }
        let wait = failover.ended(ended.lived, u64::from_le_bytes(random()));
        tokio::select! {
            () = sleep(wait) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// The keys whose route sets are taken.
fn trusted(config: &config::Uplink) -> TrustedKeys {
    let mut trusted = TrustedKeys::new();
    for RouteKey { kid, key } in &config.route_keys {
        // Names and number were checked with the configuration.
        if let Ok(id) = kid.parse() {
            let _ = trusted.trust(id, VerifyingKey::from_bytes(*key));
        }
    }
    trusted
}

/// Resolves when the uplink shall stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn loss_report(office: OfficeId, boot: String) -> LossReport {
    Box::new(move |losses| {
        let body = serde_json::to_value(losses).unwrap_or_default();
        documents::new_event(office, &boot, EventKind::Loss, body)
    })
}

fn limits(bytes: u64) -> OutboxLimits {
    let events = usize::try_from(bytes / MEAN_EVENT).unwrap_or(usize::MAX);
    OutboxLimits { events, bytes, in_flight: usize::from(window::MOST) }
}

/// Chance for back-offs and names; zeros where the system has none, which does no harm there.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes
}

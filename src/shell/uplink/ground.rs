//! What every part of the uplink stands on.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::links::LinkBoard;
use super::outbox::{Accounts, Outbox};
use super::reason::EndReason;
use super::retained::Retained;
use super::session::{Arrived, Ended};
use crate::config::{self, Broker, OfficeId};
use crate::observe::{Condition, Health, Metrics};
use crate::uplink::{Filter, Topic, Whose};

/// Shared by the uplink's tasks.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) config: config::Uplink,
    pub(super) office: OfficeId,
    /// Names this run of the daemon.
    pub(super) boot: String,
    pub(super) outbox: Outbox,
    pub(super) retained: Retained,
    pub(super) health: Health,
    pub(super) metrics: Metrics,
    /// To whoever takes care of route sets and commands.
    pub(super) arrivals: mpsc::Sender<Arrived>,
    pub(super) figures: Figures,
    /// The federation links.
    pub(super) links: LinkBoard,
    /// The broker in use.
    pub(super) broker: Mutex<Option<Broker>>,
}

impl Ground {
    /// What we subscribe to.
    pub(super) fn filters(&self) -> Vec<String> {
        let own = Whose::Office(self.office);
        let filters = [
            Filter::RoutesDesired(own),
            Filter::Commands(own),
            Filter::Status(own),
            Filter::Roaming,
            Filter::Visitors,
        ];
        filters.iter().map(ToString::to_string).collect()
    }

    /// A session is up.
    pub(super) fn connected(&self, broker: &Broker) {
        *self.broker.lock().unwrap_or_else(PoisonError::into_inner) = Some(broker.clone());
        self.figures.connected.set(1);
        self.figures.sessions.inc();
        self.health.clear(Condition::UplinkDown);
    }

    /// An attempt or a session ended.
    pub(super) fn disconnected(&self, broker: &Broker, ended: &Ended) {
        let was = self.broker.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.figures.connected.set(0);
        self.figures.ended(ended.reason);
        let (reason, advice) = (ended.reason.as_str(), ended.reason.advice());
        if ended.reason == EndReason::Stopped {
            info!(%broker, "the uplink has said farewell");
            return;
        }
        let words = format!("{broker}: {reason}: {}; {advice}", ended.words);
        let is_news = self.health.raise(Condition::UplinkDown, &words);
        if is_news || was.is_some() {
            warn!(reason, %broker, "the uplink is down: {}; {advice}", ended.words);
        } else {
            debug!(reason, %broker, "the uplink stays down: {}", ended.words);
        }
    }

    /// A document will not be published, because a broker would never take it.
    pub(super) fn refused_document(&self) {
        self.metrics.dropped("uplink", EndReason::PublishRefused.as_str());
    }

    /// Hands on what came to whoever takes care of it. Brokers send no more than fits here before they are answered.
    pub(super) fn hand_on(&self, arrived: Arrived) {
        match &arrived.topic {
            Topic::RoutesDesired(_) | Topic::Command { .. } | Topic::Roaming(_) | Topic::Visitor(_) => {
                if self.arrivals.try_send(arrived).is_err() {
                    error!(
                        reason = "arrivals-full",
                        "a document of the broker is dropped until the next session"
                    );
                    self.metrics.dropped("uplink", "arrivals-full");
                }
            }
            _ => arrived.done(),
        }
    }

    /// The broker in use, as in the configuration.
    pub(super) fn broker_in_use(&self) -> Option<String> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ToString::to_string)
    }
}

/// What the uplink counts for Prometheus.
#[derive(Debug, Default)]
pub(super) struct Figures {
    connected: Gauge,
    sessions: Counter,
    ends: Family<[(&'static str, &'static str); 1], Counter>,
    outbox: Family<[(&'static str, &'static str); 1], Gauge>,
}

impl Figures {
    /// Registered with the others.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let figures = Self::default();
        metrics.register(|registry| {
            let Self { connected, sessions, ends, outbox } = &figures;
            registry.register("uplink_connected", "Whether a broker is reached", connected.clone());
            registry.register("uplink_sessions", "Sessions with brokers that came up", sessions.clone());
            registry.register("uplink_ends", "Attempts and sessions that ended, by reason", ends.clone());
            registry.register("uplink_outbox", "Events since the stream began, by fate", outbox.clone());
        });
        figures
    }

    /// Sessions that came up.
    pub(super) fn sessions(&self) -> u64 {
        self.sessions.get()
    }

    fn ended(&self, reason: EndReason) {
        self.ends.get_or_create(&[("reason", reason.as_str())]).inc();
    }

    /// Shows the outbox's accounts.
    pub(super) fn show(&self, accounts: &Accounts) {
        for (fate, events) in [
            ("put", accounts.put),
            ("sent", accounts.sent),
            ("acknowledged", accounts.acknowledged),
            ("lost", accounts.lost_in_all()),
            ("waiting", accounts.waiting),
        ] {
            let gauge = self.outbox.get_or_create_owned(&[("fate", fate)]);
            gauge.set(i64::try_from(events).unwrap_or(i64::MAX));
        }
    }
}

/// A shared ground.
pub(super) type SharedGround = Arc<Ground>;

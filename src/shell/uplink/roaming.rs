//! Where extensions are: to the broker, and from it to the engine.
//!
//! Nothing of it waits in the outbox. The broker keeps the newest document of each extension, the cache on flash what this
//! office said; a new session says that again.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::debug;

use super::ground::{Ground, SharedGround};
use super::session::Arrived;
use crate::engine::{Publication, RoamingInput};
use crate::shell::engine_task::Order;
use crate::uplink::{Document, Refusal, RoamingDocument, Topic, VisitorDocument};

/// How often the engine hears that the session is alive.
const CONFIRM: Duration = Duration::from_secs(10);

/// Queues a document for the broker; what there is no room for is counted, and said again with the next session.
pub(super) fn publish(ground: &Ground, publication: &Publication) {
    let (topic, payload) = match publication {
        Publication::Entry(entry) => {
            (Topic::Roaming(entry.aor.extension.clone()), RoamingDocument::from(entry).write())
        }
        Publication::Verifier(record) => {
            (Topic::Visitor(record.aor.extension.clone()), VisitorDocument::from(&**record).write())
        }
    };
    if !ground.retained.set_once(topic, payload) {
        ground.metrics.dropped("uplink", "roaming-queue-full");
    }
}

/// Takes what the other offices say to the engine.
pub(super) struct RoamingInlet {
    ground: SharedGround,
    orders: mpsc::Sender<Order>,
    /// Sessions that the engine has heard of.
    sessions: u64,
    confirmed: Option<Instant>,
}

impl RoamingInlet {
    pub(super) const fn new(ground: SharedGround, orders: mpsc::Sender<Order>) -> Self {
        Self { ground, orders, sessions: 0, confirmed: None }
    }

    /// A document came.
    pub(super) async fn arrived(&self, arrived: &Arrived) {
        match read(arrived) {
            Ok(Some(input)) => self.tell(input).await,
            Ok(None) => {}
            Err(refusal) => {
                self.ground.metrics.dropped("uplink", "roaming-document");
                debug!(topic = %arrived.topic, "a roaming document is left out: {refusal}");
            }
        }
    }

    /// Tells the engine of new sessions, and that the session lives.
    pub(super) async fn look(&mut self) {
        if self.ground.broker_in_use().is_none() {
            return;
        }
        let sessions = self.ground.figures.sessions();
        if sessions != self.sessions {
            self.sessions = sessions;
            self.tell(RoamingInput::Connected).await;
        } else if self.confirmed.is_none_or(|at| at.elapsed() >= CONFIRM) {
            self.tell(RoamingInput::Confirmed).await;
        } else {
            return;
        }
        self.confirmed = Some(Instant::now());
    }

    async fn tell(&self, input: RoamingInput) {
        // The engine ends after the uplink.
        let _ = self.orders.send(Order::Roaming(Box::new(input))).await;
    }
}

fn read(arrived: &Arrived) -> Result<Option<RoamingInput>, Refusal> {
    if arrived.payload.is_empty() {
        // Taken away by hand; what is known stays until it expires.
        return Ok(None);
    }
    match &arrived.topic {
        Topic::Roaming(extension) => {
            let entry = RoamingDocument::read(&arrived.payload)?.entry(extension)?;
            Ok(Some(RoamingInput::Entry(entry)))
        }
        Topic::Visitor(extension) => {
            let record = VisitorDocument::read(&arrived.payload)?.record(extension)?;
            Ok(Some(RoamingInput::Verifier(record)))
        }
        _ => Ok(None),
    }
}

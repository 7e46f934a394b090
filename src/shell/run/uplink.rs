//! The uplink's place in the daemon's life: opened before the engine, ended after it.

use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::roaming_figures;
use super::start::EngineEnd;
use super::tasks::Tasks;
use crate::observe::Metrics;
use crate::shell::control::ControlQuery;
use crate::shell::flash::RoamingStore;
use crate::shell::uplink::outbox::Outbox;
use crate::shell::uplink::{EventDesk, Uplink, UplinkEye, Wires};

/// The running uplink; without `[uplink]` it has no tasks.
pub(super) struct UplinkEnd {
    pub(super) tasks: Tasks,
    pub(super) eye: Option<UplinkEye>,
    desk: Option<EventDesk>,
    outbox: Option<Outbox>,
    roaming: Option<RoamingStore>,
    stop: watch::Sender<bool>,
}

impl UplinkEnd {
    /// Starts its tasks.
    pub(super) fn start(
        (uplink, roaming): (Option<Uplink>, Option<RoamingStore>),
        metrics: &Metrics,
        engine: &EngineEnd,
        queries: &mpsc::Sender<ControlQuery>,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = Tasks::default();
        let Some(uplink) = uplink else {
            return Self { tasks, eye: None, desk: None, outbox: None, roaming, stop };
        };
        let (eye, desk, outbox) = (Some(uplink.eye()), Some(uplink.desk()), Some(uplink.outbox()));
        let watched = roaming_figures::Watched {
            metrics: metrics.clone(),
            overview: engine.overview.clone(),
            flash: roaming.as_ref().map(|roaming| roaming.counters().clone()),
        };
        tasks.start("roaming-figures", roaming_figures::run(watched, stopping.clone()));
        let wires = Wires {
            orders: engine.orders.clone(),
            questions: engine.questions.clone(),
            overview: engine.overview.clone(),
            queries: queries.clone(),
            stop: stopping,
        };
        for (name, task) in uplink.tasks(wires) {
            tasks.start(name, task);
        }
        Self { tasks, eye, desk, outbox, roaming, stop }
    }

    /// Tells ops that something changed what the box does.
    pub(super) fn audit(&self, action: &str, outcome: &str, words: &str) {
        if let Some(desk) = &self.desk {
            desk.audit(action, outcome, json!({ "words": words }));
        }
    }

    /// Says farewell to the broker, and closes the outbox and the roaming cache.
    pub(super) async fn finish(self, patience: Duration) {
        self.audit("stop", "successful", "");
        // The tasks hold the other ends.
        let _ = self.stop.send(true);
        self.tasks.finish(patience).await;
        if let Some(outbox) = self.outbox {
            drop(tokio::task::spawn_blocking(move || outbox.close()).await);
        }
        if let Some(roaming) = self.roaming {
            drop(tokio::task::spawn_blocking(move || roaming.close()).await);
        }
    }
}

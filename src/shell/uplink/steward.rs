//! The one who takes care of what ops send: route sets and commands, one after another.

use tokio::sync::{mpsc, watch};

use super::commands::Commands;
use super::session::Arrived;
use super::stopped;
use crate::uplink::Topic;

/// Takes care of what arrives.
pub(super) struct Steward {
    pub(super) commands: Commands,
}

impl Steward {
    /// Works until the uplink stops.
    pub(super) async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrived>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            tokio::select! {
                Some(arrived) = arrivals.recv() => self.take_care(arrived).await,
                () = stopped(&mut stop) => return,
            }
        }
    }

    async fn take_care(&mut self, arrived: Arrived) {
        if let Topic::Command { kind, id, .. } = &arrived.topic {
            self.commands.arrived(kind, id, &arrived.payload).await;
        }
        arrived.done();
    }
}

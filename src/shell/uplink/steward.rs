//! The one who takes care of what ops send: route sets and commands, one after another.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::commands::Commands;
use super::roaming::RoamingInlet;
use super::routes::Routes;
use super::session::Arrived;
use super::stopped;
use crate::uplink::Topic;

/// How often a set on probation is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Takes care of what arrives.
pub(super) struct Steward {
    pub(super) commands: Commands,
    pub(super) routes: Routes,
    pub(super) roaming: RoamingInlet,
}

impl Steward {
    /// Works until the uplink stops.
    pub(super) async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrived>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(arrived) = arrivals.recv() => self.take_care(arrived).await,
                _ = look.tick() => {
                    self.routes.look().await;
                    self.roaming.look().await;
                }
                () = stopped(&mut stop) => return,
            }
        }
    }

    async fn take_care(&mut self, arrived: Arrived) {
        match &arrived.topic {
            Topic::RoutesDesired(_) => self.routes.pushed(arrived.payload.clone()).await,
            Topic::Command { kind, id, .. } => self.commands.arrived(kind, id, &arrived.payload).await,
            Topic::Roaming(_) | Topic::Visitor(_) => self.roaming.arrived(&arrived).await,
            _ => {}
        }
        arrived.done();
    }
}

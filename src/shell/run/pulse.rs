//! The pulse of the workers that have threads of their own: heartbeats for the watchdog, figures for the metrics,
//! conditions that follow from figures. Twice a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::figures::Figures;
use crate::observe::{Condition, Health, Metrics};
use crate::shell::connectivity::ConnectivityStatus;
use crate::shell::engine_task::Overview;
use crate::shell::media::Pulse;
use crate::shell::systemd::Heartbeat;

const PERIOD: Duration = Duration::from_millis(500);

/// What is looked at.
pub(super) struct Watched {
    pub(super) media: Arc<Pulse>,
    pub(super) connectivity: Arc<ConnectivityStatus>,
    pub(super) overview: watch::Receiver<Overview>,
    pub(super) most_calls: usize,
    /// Beats while both workers turn.
    pub(super) heartbeat: Heartbeat,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
}

/// Looks until the daemon stops.
pub(super) async fn run(watched: Watched, mut stop: watch::Receiver<bool>) {
    let mut beat = interval(PERIOD);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turned = (0, 0);
    let figures = Figures::new(&watched.metrics);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let turns = (watched.media.turns(), watched.connectivity.turns());
        // Workers turn at least once a second when they have nothing to do.
        if turns.0 != turned.0 && turns.1 != turned.1 {
            watched.heartbeat.beat();
            turned = turns;
        }
        look_at_limits(&watched);
        figures.show(&watched);
    }
}

fn look_at_limits(watched: &Watched) {
    let overview = *watched.overview.borrow();
    watched.metrics.set_registrations(overview.registrations);
    watched.metrics.set_calls_active(overview.calls);
    watched.metrics.set_ports_in_use(overview.ports.0);
    let set = |condition, raised: bool, words: &str| {
        if raised && !watched.health.is_raised(condition) {
            watched.health.raise(condition, words);
        } else if !raised {
            watched.health.clear(condition);
        }
    };
    let (in_use, all) = overview.ports;
    set(Condition::PortsExhausted, all > 0 && in_use >= all, "every port pair carries a call");
    set(Condition::CallsAtLimit, overview.calls >= watched.most_calls, "as many calls as [calls] max");
}

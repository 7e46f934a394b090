//! Health, published when it changes and now and then.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::ground::SharedGround;
use super::{documents, stopped};
use crate::shell::engine_task::{Overview, Question};
use crate::uplink::{Document, HealthReport, Topic};

/// How often it is looked at: a condition that flaps is published no more often.
const LOOK: Duration = Duration::from_secs(1);

/// Looks until the uplink stops.
pub(super) async fn run(
    ground: SharedGround,
    overview: watch::Receiver<Overview>,
    questions: mpsc::Sender<Question>,
    mut stop: watch::Receiver<bool>,
) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut published: Option<(HealthReport, Instant)> = None;
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stopped(&mut stop) => return,
        }
        ground.links.refresh(&questions).await;
        ground.figures.show(&ground.outbox.accounts());
        let report = documents::health(&ground, &overview.borrow());
        let is_due = published.as_ref().is_none_or(|(last, at)| {
            documents::is_news(&report, last) || at.elapsed() >= ground.config.health_interval
        });
        if is_due {
            ground.retained.set(Topic::Health(ground.office), report.write());
            published = Some((report, Instant::now()));
        }
    }
}

//! What the roaming cache holds and did, and what it wrote to flash, as metrics: totals are copied, once a second.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::observe::Metrics;
use crate::shell::clock;
use crate::shell::engine_task::Overview;
use crate::shell::flash::FlashCounters;

const PERIOD: Duration = Duration::from_secs(1);

/// What is looked at.
pub(super) struct Watched {
    pub(super) metrics: Metrics,
    pub(super) overview: watch::Receiver<Overview>,
    pub(super) flash: Option<FlashCounters>,
}

#[derive(Default)]
struct Figures {
    entries: Gauge,
    offices: Gauge,
    memory: Gauge,
    age: Gauge,
    forgotten: Family<[(&'static str, &'static str); 1], Counter>,
    reclaimed: Counter,
    flash: Family<[(&'static str, &'static str); 1], Counter>,
    flash_sizes: Family<[(&'static str, &'static str); 1], Gauge>,
}

/// Looks until told to stop.
pub(super) async fn run(watched: Watched, mut stop: watch::Receiver<bool>) {
    let figures = Figures::default();
    watched.metrics.register(|registry| figures.register(registry));
    let mut look = interval(PERIOD);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => figures.show(&watched),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

impl Figures {
    fn register(&self, registry: &mut Registry) {
        registry.register("roaming_entries", "Extensions in the roaming cache", self.entries.clone());
        registry.register("roaming_offices", "Offices that they name", self.offices.clone());
        registry.register("roaming_memory_bytes", "Memory of the roaming cache's index", self.memory.clone());
        registry.register(
            "roaming_age_seconds",
            "How long ago the other offices were last heard; -1 if never since the start",
            self.age.clone(),
        );
        registry.register(
            "roaming_forgotten",
            "Entries that left the roaming cache, by reason",
            self.forgotten.clone(),
        );
        registry.register(
            "roaming_reclaimed",
            "Users here who were claimed back from an office that knew too little or let go",
            self.reclaimed.clone(),
        );
        registry.register(
            "roaming_flash",
            "What the roaming cache cost the flash: writes, bytes, syncs, renewals of the file, and damaged bytes",
            self.flash.clone(),
        );
        registry.register(
            "roaming_flash_bytes_held",
            "The roaming cache's file, and what of it counts",
            self.flash_sizes.clone(),
        );
    }

    fn show(&self, watched: &Watched) {
        let overview = *watched.overview.borrow();
        let roaming = overview.roaming;
        set(&self.entries, roaming.entries as u64);
        set(&self.offices, roaming.offices as u64);
        set(&self.memory, roaming.memory as u64);
        let now = clock::wall().seconds();
        match overview.roaming_confirmed {
            Some(second) => set(&self.age, now.saturating_sub(u64::from(second))),
            None => {
                self.age.set(-1);
            }
        }
        for (reason, count) in [
            ("evicted-expired", roaming.evicted_expired),
            ("evicted-foreign", roaming.evicted_foreign),
            ("purged", roaming.purged),
        ] {
            self.forgotten.get_or_create(&[("reason", reason)]).inner().store(count, Ordering::Relaxed);
        }
        self.reclaimed.inner().store(roaming.reclaimed, Ordering::Relaxed);
        if let Some(flash) = &watched.flash {
            self.show_flash(flash);
        }
    }

    fn show_flash(&self, flash: &FlashCounters) {
        let figures = flash.figures();
        for (what, count) in [
            ("writes", figures.writes),
            ("bytes", figures.bytes),
            ("syncs", figures.syncs),
            ("renewals", figures.renewals),
            ("failed-renewals", figures.failed_renewals),
            ("damaged-bytes", figures.damaged),
        ] {
            self.flash.get_or_create(&[("what", what)]).inner().store(count, Ordering::Relaxed);
        }
        for (what, bytes) in [("file", figures.size), ("live", figures.live)] {
            set(&self.flash_sizes.get_or_create(&[("what", what)]), bytes);
        }
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

//! What the engine and the workers have counted, as metrics: totals are copied, so nothing is counted twice.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::pulse::Watched;
use crate::engine::transaction::DropReason as TransactionDrop;
use crate::media::event::DropReason as MediaDrop;
use crate::media::relay::RelayCounts;
use crate::media::webrtc::{CandidateVerdict, PacketDrop};
use crate::observe::{Metrics, PacketDirection};

type Label = [(&'static str, &'static str); 1];
type Gauges = Family<Label, Gauge>;
type Counters = Family<Label, Counter>;

/// The families.
#[derive(Default)]
pub(super) struct Figures {
    transactions: Gauges,
    transaction_drops: Counters,
    ports: Gauges,
    media_ends: Gauge,
    media_events_lost: Counter,
    connectivity_ends: Gauge,
    connectivity_drops: Counters,
    connectivity_unsent: Counter,
    candidates: Counters,
    conditions: Gauges,
}

impl Figures {
    /// All zero, among the daemon's metrics.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let figures = Self::default();
        metrics.register(|registry| figures.register(registry));
        figures
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "sip_transactions",
            "SIP transactions under way, by role",
            self.transactions.clone(),
        );
        registry.register(
            "sip_transaction_drops",
            "Messages that the transaction layer absorbed or refused, by reason",
            self.transaction_drops.clone(),
        );
        registry.register("media_port_pairs", "Port pairs for phones, by state", self.ports.clone());
        registry.register("media_ends", "Media ends that are open", self.media_ends.clone());
        registry.register(
            "media_events_lost",
            "News of the media worker that found the engine's queue full",
            self.media_events_lost.clone(),
        );
        registry.register("webrtc_ends", "Browsers' ends with ICE and DTLS", self.connectivity_ends.clone());
        registry.register(
            "webrtc_drops",
            "STUN and DTLS packets dropped, by reason",
            self.connectivity_drops.clone(),
        );
        registry.register(
            "webrtc_unsent",
            "STUN and DTLS packets that the socket did not take",
            self.connectivity_unsent.clone(),
        );
        registry.register("webrtc_candidates", "Browsers' candidates, by verdict", self.candidates.clone());
        registry.register(
            "health_condition",
            "Whether this is wrong now: 1 or 0, once it was",
            self.conditions.clone(),
        );
    }

    /// Copies what is counted elsewhere.
    pub(super) fn show(&self, watched: &Watched) {
        let overview = *watched.overview.borrow();
        let (servers, clients) = overview.transactions;
        set(&self.transactions, "role", "server", servers);
        set(&self.transactions, "role", "client", clients);
        for reason in TransactionDrop::ALL {
            let count = overview.transaction_drops.get(reason as usize).copied().unwrap_or(0);
            total(&self.transaction_drops, "reason", reason.as_str(), count);
        }
        let (in_use, all) = overview.ports;
        set(&self.ports, "state", "in-use", in_use);
        set(&self.ports, "state", "free", all.saturating_sub(in_use));
        self.media_ends.set(i64::try_from(watched.media.open_ends()).unwrap_or(i64::MAX));
        self.show_media(&watched.metrics, &watched.media.counts());
        self.show_connectivity(watched);
        for report in watched.health.snapshot() {
            set(&self.conditions, "condition", report.name, usize::from(report.raised));
        }
    }

    fn show_media(&self, metrics: &Metrics, counts: &RelayCounts) {
        let copy = |counter: &Counter, count| counter.inner().store(count, Ordering::Relaxed);
        copy(&metrics.media_packets(PacketDirection::In), counts.received);
        copy(&metrics.media_packets(PacketDirection::Out), counts.sent);
        for reason in MediaDrop::ALL {
            copy(&metrics.media_drops(reason.as_str()), counts.drops.get(*reason));
        }
        copy(&self.media_events_lost, counts.events_lost);
    }

    fn show_connectivity(&self, watched: &Watched) {
        let status = &watched.connectivity;
        self.connectivity_ends.set(i64::try_from(status.ends()).unwrap_or(i64::MAX));
        self.connectivity_unsent.inner().store(status.unsent(), Ordering::Relaxed);
        for reason in PacketDrop::ALL {
            total(&self.connectivity_drops, "reason", reason.as_str(), status.drops(*reason));
        }
        for verdict in CandidateVerdict::ALL {
            total(&self.candidates, "verdict", verdict.as_str(), status.candidates(verdict));
        }
    }
}

fn set(gauges: &Gauges, label: &'static str, value: &'static str, count: usize) {
    gauges.get_or_create(&[(label, value)]).set(i64::try_from(count).unwrap_or(i64::MAX));
}

fn total(counters: &Counters, label: &'static str, value: &'static str, count: u64) {
    counters.get_or_create(&[(label, value)]).inner().store(count, Ordering::Relaxed);
}

//! The Prometheus metrics, by name.
//!
//! Labels are short static words (`as_str()` of a reason), never anything from the network, so the
//! number of series is bounded by the code. Hot paths take a [`Counter`] once and increment an atomic.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

type Label = (&'static str, &'static str);
/// Counters with so many labels.
pub type Counters<const LABELS: usize> = Family<[Label; LABELS], Counter>;

/// Upper bounds of the MOS buckets (ITU-T G.107, 1 to 4.5).
const MOS_BUCKETS: [f64; 7] = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.3];
/// Upper bounds of the store's latency buckets, in seconds.
const STORE_BUCKETS: [f64; 7] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.25, 1.0];

/// Which way a media packet went, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketDirection {
    /// Towards us.
    In,
    /// From us.
    Out,
}

impl PacketDirection {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// All metrics of the daemon; cloning gives another handle on the same ones.
#[derive(Clone)]
pub struct Metrics {
    families: Arc<Families>,
}

struct Families {
    registry: Mutex<Registry>,
    started: Instant,
    uptime: Gauge,
    requests: Counters<2>,
    responses: Counters<1>,
    drops: Counters<2>,
    registrations: Gauge,
    calls_active: Gauge,
    ports_in_use: Gauge,
    calls: Counters<1>,
    attempts: Counters<2>,
    link_changes: Counters<1>,
    media_packets: Counters<1>,
    media_drops: Counters<1>,
    mos: Histogram,
    handshakes: Counters<2>,
    connections: Family<[Label; 1], Gauge>,
    store_commit: Histogram,
    store_writes: Counters<1>,
    journal_dropped: Counters<1>,
}

impl Metrics {
    /// Fresh metrics, all zero; uptime counts from here. `office` labels every series.
    pub fn new(office: &str) -> Self {
        let mut registry = Registry::with_prefix_and_labels(
            "branchline",
            std::iter::once(("office".into(), office.to_owned().into())),
        );
        let families = Families::register(&mut registry);
        Self { families: Arc::new(Families { registry: Mutex::new(registry), ..families }) }
    }

    /// Counts a request and how it was answered (`"200"`, `"4xx"`…).
    pub fn request(&self, method: &'static str, result: &'static str) {
        let labels = [("method", method), ("result", result)];
        self.families.requests.get_or_create(&labels).inc();
    }

    /// Counts a response that came in, by class (`"1xx"` to `"6xx"`).
    pub fn response(&self, class: &'static str) {
        self.families.responses.get_or_create(&[("class", class)]).inc();
    }

    /// Counts something signalled that `room` dropped for `reason`.
    pub fn dropped(&self, room: &'static str, reason: &'static str) {
        self.families.drops.get_or_create(&[("room", room), ("reason", reason)]).inc();
    }

    /// Sets the number of bindings.
    pub fn set_registrations(&self, bindings: usize) {
        self.families.registrations.set(i64::try_from(bindings).unwrap_or(i64::MAX));
    }

    /// Sets the number of calls that are up or being set up.
    pub fn set_calls_active(&self, calls: usize) {
        self.families.calls_active.set(i64::try_from(calls).unwrap_or(i64::MAX));
    }

    /// Sets the number of phones' port pairs that carry a call.
    pub fn set_ports_in_use(&self, pairs: usize) {
        self.families.ports_in_use.set(i64::try_from(pairs).unwrap_or(i64::MAX));
    }

    /// Counts a call that ended with `outcome` (`"answered"`, `"busy"`, `"no-answer"`…).
    pub fn call_ended(&self, outcome: &'static str) {
        self.families.calls.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Counts an attempt to reach a party by `way` (a link's kind, `"asterisk"`, `"devices"`) and what became of it.
    pub fn attempt(&self, way: &'static str, outcome: &'static str) {
        self.families.attempts.get_or_create(&[("way", way), ("outcome", outcome)]).inc();
    }

    /// Counts a link that became `state`.
    pub fn link_change(&self, state: &'static str) {
        self.families.link_changes.get_or_create(&[("state", state)]).inc();
    }

    /// The counter of media packets that went `direction`; take it once, then increment.
    pub fn media_packets(&self, direction: PacketDirection) -> Counter {
        self.families.media_packets.get_or_create_owned(&[("direction", direction.as_str())])
    }

    /// The counter of media packets dropped for `reason`; take it once, then increment.
    pub fn media_drops(&self, reason: &'static str) -> Counter {
        self.families.media_drops.get_or_create_owned(&[("reason", reason)])
    }

    /// Records the mean opinion score of one direction of an ended call.
    pub fn mos(&self, score: f64) {
        self.families.mos.observe(score);
    }

    /// Counts a TLS handshake at `listener` (`"sip"`, `"https"`) and its result (`"full"`, `"resumed"`, a
    /// reason of failure).
    pub fn handshake(&self, listener: &'static str, result: &'static str) {
        self.families.handshakes.get_or_create(&[("listener", listener), ("result", result)]).inc();
    }

    /// The counters behind [`Metrics::handshake`], for a room that counts by itself: labels `listener`, `result`.
    pub fn handshakes(&self) -> Counters<2> {
        self.families.handshakes.clone()
    }

    /// The gauge of open connections of `transport`; take it once.
    pub fn connections(&self, transport: &'static str) -> Gauge {
        self.families.connections.get_or_create_owned(&[("transport", transport)])
    }

    /// Records how long a commit to flash took.
    pub fn store_commit(&self, took: Duration) {
        self.families.store_commit.observe(took.as_secs_f64());
    }

    /// Counts `writes` to the store by result (`"durable"`, or the error's name).
    pub fn store_writes(&self, result: &'static str, writes: u64) {
        self.families.store_writes.get_or_create(&[("result", result)]).inc_by(writes);
    }

    /// The counter of journal lines dropped for `reason`; take it once, then increment.
    pub fn journal_dropped(&self, reason: &'static str) -> Counter {
        self.families.journal_dropped.get_or_create_owned(&[("reason", reason)])
    }

    /// Lets a room add families of its own to these.
    pub fn register(&self, families: impl FnOnce(&mut Registry)) {
        families(&mut self.registry());
    }

    /// How long these metrics have been counting.
    pub fn uptime(&self) -> Duration {
        self.families.started.elapsed()
    }

    /// All metrics as text (OpenMetrics 1.0, `application/openmetrics-text; version=1.0.0; charset=utf-8`).
    pub fn encode(&self) -> Result<String, fmt::Error> {
        self.families.uptime.set(i64::try_from(self.uptime().as_secs()).unwrap_or(i64::MAX));
        let mut text = String::with_capacity(8192);
        encode(&mut text, &self.registry())?;
        Ok(text)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.families.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("uptime", &self.uptime()).finish_non_exhaustive()
    }
}

impl Families {
    /// Registers every family. The registry inside the result is an empty one; the caller's holds them.
    fn register(registry: &mut Registry) -> Self {
        let families = Self::unregistered();
        registry.register(
            "build",
            "The running software",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register_with_unit("uptime", "Time since start", Unit::Seconds, families.uptime.clone());
        families.register_signalling(registry);
        families.register_media(registry);
        families.register_box(registry);
        families
    }

    fn unregistered() -> Self {
        Self {
            registry: Mutex::default(),
            started: Instant::now(),
            uptime: Gauge::default(),
            requests: Family::default(),
            responses: Family::default(),
            drops: Family::default(),
            registrations: Gauge::default(),
            calls_active: Gauge::default(),
            ports_in_use: Gauge::default(),
            calls: Family::default(),
            attempts: Family::default(),
            link_changes: Family::default(),
            media_packets: Family::default(),
            media_drops: Family::default(),
            mos: Histogram::new(MOS_BUCKETS),
            handshakes: Family::default(),
            connections: Family::default(),
            store_commit: Histogram::new(STORE_BUCKETS),
            store_writes: Family::default(),
            journal_dropped: Family::default(),
        }
    }

    fn register_signalling(&self, registry: &mut Registry) {
        registry.register("sip_requests", "SIP requests received, by answer", self.requests.clone());
        registry.register("sip_responses", "SIP responses received, by class", self.responses.clone());
        registry.register("sip_drops", "Signalling dropped, by room and reason", self.drops.clone());
        registry.register("registrations", "Bindings that devices hold", self.registrations.clone());
        registry.register("calls_active", "Calls up or being set up", self.calls_active.clone());
        registry.register("calls", "Calls ended, by outcome", self.calls.clone());
        registry.register("attempts", "Attempts to reach a party, by way and outcome", self.attempts.clone());
        registry.register("link_changes", "Links that changed their state, by it", self.link_changes.clone());
    }

    fn register_media(&self, registry: &mut Registry) {
        registry.register("media_ports", "Port pairs of phones that carry a call", self.ports_in_use.clone());
        registry.register("media_packets", "Media packets received and sent", self.media_packets.clone());
        registry.register("media_drops", "Media packets dropped, by reason", self.media_drops.clone());
        registry.register("call_mos", "Mean opinion score, per ended call and direction", self.mos.clone());
    }

    fn register_box(&self, registry: &mut Registry) {
        registry.register("tls_handshakes", "TLS handshakes, by result", self.handshakes.clone());
        registry.register("connections", "Open connections, by transport", self.connections.clone());
        let commit = "Time of a commit to flash";
        registry.register_with_unit("store_commit", commit, Unit::Seconds, self.store_commit.clone());
        registry.register("store_writes", "Rows written to flash, by result", self.store_writes.clone());
        registry.register(
            "journal_dropped",
            "Journal lines dropped, by reason",
            self.journal_dropped.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_things_appear_in_the_text_with_their_labels() {
        let metrics = Metrics::new("BRU");
        metrics.request("INVITE", "200");
        metrics.dropped("sip", "oversized");
        metrics.attempt("SipTrunk", "answered");
        metrics.link_change("down");
        metrics.set_registrations(3);
        metrics.media_packets(PacketDirection::In).inc_by(7);
        metrics.media_drops("not-from-peer").inc();
        metrics.mos(4.2);
        metrics.handshake("sip", "full");
        metrics.store_writes("durable", 2);
        let text = metrics.encode().unwrap();
        for line in [
            "branchline_sip_requests_total{office=\"BRU\",method=\"INVITE\",result=\"200\"} 1",
            "branchline_sip_drops_total{office=\"BRU\",room=\"sip\",reason=\"oversized\"} 1",
            "branchline_attempts_total{office=\"BRU\",way=\"SipTrunk\",outcome=\"answered\"} 1",
            "branchline_link_changes_total{office=\"BRU\",state=\"down\"} 1",
            "branchline_registrations{office=\"BRU\"} 3",
            "branchline_media_packets_total{office=\"BRU\",direction=\"in\"} 7",
            "branchline_media_drops_total{office=\"BRU\",reason=\"not-from-peer\"} 1",
            "branchline_call_mos_count{office=\"BRU\"} 1",
            "branchline_store_writes_total{office=\"BRU\",result=\"durable\"} 2",
            "branchline_build_info{office=\"BRU\",version=",
            "branchline_uptime_seconds{office=\"BRU\"} 0",
        ] {
            assert!(text.contains(line), "no {line} in:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn handles_share_their_counters() {
        let metrics = Metrics::new("BRU");
        let taken = metrics.media_drops("rested-port");
        metrics.clone().media_drops("rested-port").inc();
        assert_eq!(taken.get(), 1);
    }
}

//! Counters of this room, and `GET /api/v1/metrics/prometheus`.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::auth::Caller;
use super::peer::Peer;
use super::problem::Problem;
use super::state::Api;
use crate::observe::{Counters, older_format};

/// A label that names a reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    reason: &'static str,
}

/// How a request was made, and the class of its answer's status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabel {
    method: &'static str,
    class: &'static str,
}

/// Counters of this room and of the shell's HTTPS listener. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct ApiMetrics {
    requests: Family<RequestLabel, Counter>,
    refusals: Family<ReasonLabel, Counter>,
    sessions: Gauge,
    sessions_closed: Family<ReasonLabel, Counter>,
    connections: Gauge,
    connections_refused: Family<ReasonLabel, Counter>,
    handshakes: Counters<2>,
}

impl ApiMetrics {
    /// Counters that count TLS handshakes together with others.
    pub fn with_handshakes(handshakes: Counters<2>) -> Self {
        Self { handshakes, ..Self::default() }
    }

    /// Puts the counters into a registry, but for those of handshakes.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "HTTP requests, by method and class of status",
            self.requests.clone(),
        );
        registry.register("http_refusals", "HTTP requests refused, by reason", self.refusals.clone());
        registry.register("web_sessions", "Phone pages connected", self.sessions.clone());
        let help = "Phone pages closed, by reason";
        registry.register("web_sessions_closed", help, self.sessions_closed.clone());
        registry.register("https_connections", "HTTPS connections open", self.connections.clone());
        let help = "HTTPS connections refused or failed, by reason";
        registry.register("https_connections_refused", help, self.connections_refused.clone());
    }

    pub(crate) fn request(&self, method: &Method, status: u16) {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::DELETE => "DELETE",
            Method::HEAD => "HEAD",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        let class = match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&RequestLabel { method, class }).inc();
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn session_opened(&self) {
        self.sessions.inc();
    }

    pub(crate) fn session_closed(&self, reason: &'static str) {
        self.sessions.dec();
        self.sessions_closed.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A connection of the HTTPS listener was taken.
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// A TLS handshake of the HTTPS listener ended so.
    pub fn handshake(&self, result: &'static str) {
        self.handshakes.get_or_create(&[("listener", "https"), ("result", result)]).inc();
    }

    /// A connection of the HTTPS listener ended.
    pub fn connection_closed(&self) {
        self.connections.dec();
    }

    /// A connection of the HTTPS listener was refused or failed before its first request.
    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused.get_or_create(&ReasonLabel { reason }).inc();
    }
}

/// `GET …/metrics/prometheus`: for this box itself, and for who is signed in.
pub(crate) async fn prometheus(State(api): State<Api>, _reader: Reader, headers: HeaderMap) -> Response {
    exposition(&api, &headers)
}

/// `GET /metrics` on the shell's own listener for Prometheus, which decides who reaches it.
pub(crate) async fn open_prometheus(State(api): State<Api>, headers: HeaderMap) -> Response {
    exposition(&api, &headers)
}

/// Who may read the metrics.
pub(crate) struct Reader;

impl FromRequestParts<Api> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        if parts.extensions.get::<Peer>().is_some_and(|peer| peer.remote.ip().to_canonical().is_loopback()) {
            return Ok(Self);
        }
        Caller::from_request_parts(parts, api).await.map(|_| Self)
    }
}

/// OpenMetrics for who asks for it, as Prometheus does; else the older text format.
fn exposition(api: &Api, headers: &HeaderMap) -> Response {
    const OPEN: &str = "application/openmetrics-text";
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let text = api.vitals().metrics();
    let (kind, text) = if accepted.into_iter().any(|accept| accept.contains(OPEN)) {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", older_format(&text))
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store"), (header::VARY, "accept")], text)
        .into_response()
}

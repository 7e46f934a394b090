//! `GET health`, `GET status`, `GET webrtc-config`.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::auth::Caller;
use super::state::{Api, IceMode, IceServer};

/// The daemon's view of itself, given by the shell. Every answer comes from memory.
pub trait Vitals: Send + Sync {
    /// Whether we can serve, and what is wrong.
    fn health(&self) -> HealthView;

    /// Counts and states, for people and tools that signed in. Holds no secret.
    fn status(&self) -> serde_json::Value;

    /// All metrics in the OpenMetrics text format, with its `# EOF`.
    fn metrics(&self) -> String;
}

/// `GET health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthView {
    /// `ok`, `degraded` (calls are served) or `failing` (503).
    pub status: &'static str,
    /// The software's version.
    pub version: String,
    /// What is wrong.
    pub conditions: Vec<Condition>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// A stable word: `asterisk-unreachable`, `certificate-expires`, …
    pub name: String,
    /// Milliseconds since 1970, when it began.
    pub since: u64,
    /// A sentence for a person.
    pub text: String,
}

/// For load balancers and monitors, so without sign-in.
pub(crate) async fn health(State(api): State<Api>) -> Response {
    let view = api.vitals().health();
    let status = if view.status == "failing" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response()
}

pub(crate) async fn status(State(api): State<Api>, _caller: Caller) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(api.vitals().status())).into_response()
}

#[derive(Serialize)]
struct WebRtcConfig<'a> {
    ice_servers: &'a [IceServer],
    ice: IceMode,
    codecs: &'a [String],
}

pub(crate) async fn webrtc_config(State(api): State<Api>, _caller: Caller) -> Response {
    let settings = api.settings();
    let view =
        WebRtcConfig { ice_servers: &settings.ice_servers, ice: settings.ice, codecs: &settings.codecs };
    ([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response()
}

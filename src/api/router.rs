//! Every path, and what surrounds each answer.

use std::time::Instant;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::auth::source_of;
use super::peer::Peer;
use super::problem::{Problem, Reason};
use super::state::Api;
use super::{calls, extensions, metrics, pages, reach, session, signaling, sip_socket, status, ws};

/// No script, style, frame or connection but our own.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const PERMISSIONS_POLICY: &str = "microphone=(self), speaker-selection=(self), autoplay=(self), camera=(), \
    geolocation=(), display-capture=()";

/// Everything this room serves.
pub fn router(api: Api) -> Router {
    let voip = Router::new()
        .route("/session", post(session::sign_in).get(session::who).delete(session::sign_out))
        .route("/webrtc-config", get(status::webrtc_config))
        .route("/calls", post(calls::dial).get(calls::list))
        .route("/calls/{id}", get(calls::show))
        .route("/calls/{id}/accept", post(calls::accept))
        .route("/calls/{id}/end", post(calls::end))
        .route("/calls/{id}/signaling", post(signaling::send).get(signaling::missed))
        .route("/extensions", get(extensions::list))
        .route("/extensions/parse", post(extensions::parse).get(extensions::parse_query))
        .route("/extensions/countries", get(extensions::countries))
        .route("/extensions/by-country/{code}", get(extensions::by_country))
        .route("/extensions/{number}", get(extensions::show))
        .route("/extensions/{number}/resolve", get(reach::resolve))
        .route("/presence", get(reach::presence).put(reach::say_presence))
        .route("/health", get(status::health))
        .route("/status", get(status::status))
        .route("/metrics/prometheus", get(metrics::prometheus))
        .route("/ws/auth", get(ws::upgrade));
    let router = Router::new()
        .nest("/api/v1/voip", voip)
        .route("/api/v1/metrics/prometheus", get(metrics::prometheus))
        .route("/ws/auth", get(ws::upgrade))
        .route("/sip", get(sip_socket::upgrade))
        .merge(pages::router());
    surround(router, api)
}

/// `GET /metrics` and `GET /health` alone, for the plain listener of Prometheus.
pub fn metrics_router(api: Api) -> Router {
    let router =
        Router::new().route("/metrics", get(metrics::open_prometheus)).route("/health", get(status::health));
    surround(router, api)
}

fn surround(router: Router<Api>, api: Api) -> Router {
    router
        .fallback(async || Problem::from(Reason::NotFound))
        .method_not_allowed_fallback(async || Problem::from(Reason::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(api.clone(), around))
        .with_state(api)
}

/// A JSON body and the SHA-256 of its bytes: bounded in size and in time.
pub(crate) struct Body<T>(pub(crate) T, pub(crate) [u8; 32]);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::from(Reason::BadBody).detail("Content-Type: application/json is expected"));
        }
        let limits = api.limits();
        if declared_length(request.headers()).is_some_and(|length| length > limits.body as u64) {
            return Err(Reason::BodyTooLarge.into());
        }
        let body = tokio::time::timeout(limits.body_time, to_bytes(request.into_body(), limits.body)).await;
        let bytes = body.map_err(|_| Reason::BodyTimeout)?.map_err(|_| Reason::BodyTooLarge)?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::from(Reason::BadBody).detail(describe(&error)))?;
        Ok(Self(value, Sha256::digest(&bytes).into()))
    }
}

impl<T: DeserializeOwned> OptionalFromRequest<Api> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Option<Self>, Problem> {
        let empty = !request.headers().contains_key(header::TRANSFER_ENCODING)
            && declared_length(request.headers()).is_none_or(|length| length == 0);
        if empty {
            return Ok(None);
        }
        <Self as FromRequest<Api>>::from_request(request, api).await.map(Some)
    }
}

/// Limits before, counters and security headers after.
async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
    let secure = request.extensions().get::<Peer>().is_some_and(|peer| peer.secure);
    let method = request.method().clone();
    let taken = api.rates().take(Instant::now(), source_of(request.extensions()));
    let mut response = match taken {
        Ok(()) => next.run(request).await,
        Err(wait) => Problem::from(Reason::RateLimited).retry_after(wait).into_response(),
    };
    if let Some(reason) = response.extensions().get::<Reason>() {
        api.metrics().refused(reason.as_str());
    }
    api.metrics().request(&method, response.status().as_u16());
    protect(response.headers_mut(), secure);
    response
}

pub(crate) fn protect(headers: &mut HeaderMap, secure: bool) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Where the JSON is wrong, without repeating what stands there: it may be a password.
fn describe(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a field is missing or of the wrong type",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Io | serde_json::error::Category::Eof => "the JSON ends too early",
    };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}

//! Every path of REST, and what surrounds each answer.
//!
//! | path below `/api/v1/voip/federation` | methods | who |
//! | --- | --- | --- |
//! | `/offices` | GET, POST | API key |
//! | `/offices/{office}` | GET; PUT, DELETE | token `read`; API key |
//! | `/offices/{office}/permissions` | GET; PUT | token `read`; API key |
//! | `/offices/{office}/desired` | GET, POST (publish) | token `read`, `publish` |
//! | `/offices/{office}/reported` | GET | token `read` |
//! | `/links?at=OFFICE` | GET, POST | token `read`; API key |
//! | `/links/{office}/{id}` | GET; PUT, DELETE | token `read`; API key |
//! | `/routes?at=OFFICE` | GET, POST | token `read`; API key |
//! | `/routes/{id}` | GET; PUT, DELETE | token `read`; API key |
//! | `/tokens` | GET, POST | API key |
//! | `/tokens/{id}` | GET, DELETE (revoke) | API key |
//! | `/offices/{office}/tokens` | GET, DELETE (revoke all) | API key |
//! | `/overview` | GET | API key |
//! | `/gateway` | GET | API key |
//!
//! And `/api/v1/voip/health` for monitors, without a key. Lists come in pages, as in `api::paging`.

mod body;
mod desired;
mod offices;
mod overview;
mod parts;
mod permissions;
mod tokens;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::gateway::Figures;
use super::pages;
use super::problem::{Problem, Reason};
use super::store::Store;
use super::uplink::LinkState;
use crate::api::{ApiMetrics, Peer, RateRule, Rates, protect, source_of};
use crate::uplink::{Moment, OfficeId, SigningKey};

/// Requests of one client.
const RATE: RateRule = RateRule { per_second: 100.0, burst: 500.0, capacity: 4096 };

/// What all paths share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Desk(Arc<Shared>);

/// What a desk is made of.
pub(super) struct DeskParts {
    pub(super) store: Arc<Store>,
    pub(super) key: Arc<SigningKey>,
    pub(super) link: watch::Receiver<LinkState>,
    /// Tells the uplink that something is to be published.
    pub(super) wake: Arc<Notify>,
    pub(super) metrics: ApiMetrics,
    pub(super) gateway: Figures,
}

struct Shared {
    parts: DeskParts,
    rates: Mutex<Rates>,
}

impl Desk {
    pub(super) fn new(parts: DeskParts) -> Self {
        Self(Arc::new(Shared { parts, rates: Mutex::new(Rates::new(RATE)) }))
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.0.parts.store
    }

    fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.0.parts.key)
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.0.parts.link.clone()
    }

    fn gateway(&self) -> &Figures {
        &self.0.parts.gateway
    }

    fn wake(&self) {
        self.0.parts.wake.notify_one();
    }

    fn take(&self, request: &Request) -> Result<(), Duration> {
        let mut rates = self.0.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.take(Instant::now(), source_of(request.extensions()))
    }
}

/// Everything that the controller serves.
pub(super) fn router(desk: Desk) -> Router {
    let federation = Router::new()
        .route("/offices", get(offices::list).post(offices::create))
        .route("/offices/{office}", get(offices::show).put(offices::change).delete(offices::remove))
        .route("/offices/{office}/permissions", get(permissions::show).put(permissions::change))
        .route("/offices/{office}/desired", get(desired::show).post(desired::publish))
        .route("/offices/{office}/reported", get(desired::reported))
        .route("/links", get(parts::links).post(parts::create_link))
        .route(
            "/links/{office}/{id}",
            get(parts::show_link).put(parts::change_link).delete(parts::remove_link),
        )
        .route("/routes", get(parts::routes).post(parts::create_route))
        .route("/routes/{id}", get(parts::show_route).put(parts::change_route).delete(parts::remove_route))
        .route("/tokens", get(tokens::list).post(tokens::issue))
        .route("/tokens/{id}", get(tokens::show).delete(tokens::revoke))
        .route("/offices/{office}/tokens", get(tokens::of_office).delete(tokens::revoke_all))
        .route("/overview", get(overview::overview))
        .route("/gateway", get(overview::gateway));
    Router::new()
        .nest("/api/v1/voip/federation", federation)
        .route("/api/v1/voip/health", get(health))
        .merge(pages::router())
        .fallback(async || Problem::from(Reason::NotFound))
        .method_not_allowed_fallback(async || Problem::from(Reason::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(desk.clone(), around))
        .with_state(desk)
}

/// For monitors: whether the database answers and a broker is there.
async fn health(State(desk): State<Desk>) -> Result<Response, Problem> {
    desk.store().run(|rows| super::store::offices::count(rows).map_err(Problem::from)).await?;
    let link = desk.link().borrow().clone();
    let status = if link.is_up { "ok" } else { "degraded" };
    let version = env!("CARGO_PKG_VERSION");
    let view = json!({ "status": status, "version": version, "broker-since": Moment(link.since) });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Limits before, counters and security headers after.
async fn around(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let secure = request.extensions().get::<Peer>().is_some_and(|peer| peer.secure);
    let method = request.method().clone();
    let is_rest = request.uri().path().starts_with("/api/");
    let mut response = match desk.take(&request) {
        Ok(()) => next.run(request).await,
        Err(wait) => Problem::from(Reason::RateLimited).retry_after(wait).into_response(),
    };
    desk.0.parts.metrics.request(&method, response.status().as_u16());
    protect(response.headers_mut(), secure);
    if is_rest {
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    }
    response
}

/// An office in a path.
fn office(Path(text): &Path<String>) -> Result<OfficeId, Problem> {
    text.parse().map_err(|_| Reason::NoSuchOffice.into())
}

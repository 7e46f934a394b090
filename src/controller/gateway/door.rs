//! Who gets in. The certificate, the header `X-Federation-Office` and the token must say the same office.
//!
//! The certificate was verified by TLS before anything was read; nobody without one gets as far as here. What is refused is
//! answered with its name and a status, counted, and logged once until the office is connected again.

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::OFFICE_HEADER;
use super::figures::Figures;
use super::reason::NoEntry;
use crate::api::{Peer, SipSocket, bearer, limited, offers_sip};
use crate::controller::access::Permission;
use crate::controller::secret;
use crate::controller::store::keys::{self, TokenRow};
use crate::controller::store::{Store, StoreError, now};
use crate::engine::flow::ClientIdentity;
use crate::shell::listen::{CertificateKey, Revocations, client_identity, office_of};
use crate::sip::limits;
use crate::time::WallTime;
use crate::uplink::OfficeId;

/// What the door needs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Door(pub(super) Arc<Parties>);

/// Whom the door asks and tells.
pub(super) struct Parties {
    pub(super) store: Arc<Store>,
    pub(super) figures: Figures,
    pub(super) revocations: watch::Receiver<Revocations>,
    /// Where connections go that were let in.
    pub(super) entered: mpsc::Sender<Entered>,
}

/// A connection that was let in.
pub(super) struct Entered {
    pub(super) socket: SipSocket,
    pub(super) office: OfficeId,
    pub(super) shown: (ClientIdentity, CertificateKey, watch::Receiver<Revocations>),
    pub(super) token: TokenHash,
}

/// The hash of a token that was shown.
pub(super) type TokenHash = [u8; 32];

/// Every path leads to it: what an address's path means is for proxies in front.
pub(super) fn router(door: Door) -> Router {
    Router::new().fallback(any(enter)).with_state(door)
}

/// Whether a token is one of this office, good for connecting, at this time.
pub(super) fn holds(token: Option<&TokenRow>, office: OfficeId, now: WallTime) -> Result<(), NoEntry> {
    let token = token.ok_or(NoEntry::UnknownToken)?;
    let is_for_connecting = token.permissions.split(' ').any(|word| word.parse() == Ok(Permission::Connect));
    if token.revoked.is_some() {
        Err(NoEntry::TokenRevoked)
    } else if token.expires <= now {
        Err(NoEntry::TokenExpired)
    } else if token.office != office {
        Err(NoEntry::TokenOfOtherOffice)
    } else if is_for_connecting {
        Ok(())
    } else {
        Err(NoEntry::TokenNotForConnecting)
    }
}

async fn enter(
    State(door): State<Door>,
    Extension(peer): Extension<Peer>,
    parts: Parts,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let shown = peer.certificate.as_ref().and_then(|der| client_identity(der));
    let named = shown.as_ref().and_then(|(identity, _)| office_of(identity));
    match door.judge(named, &parts).await {
        Ok((office, token)) => {
            let Some(shown) = shown else { return door.refuse(named, NoEntry::NoOfficeInCertificate) };
            match door.let_in(peer, office, shown, token, &parts.headers, upgrade) {
                Ok(response) => response,
                Err(why) => door.refuse(named, why),
            }
        }
        Err(why) => door.refuse(named, why),
    }
}

impl Door {
    async fn judge(
        &self,
        certified: Option<OfficeId>,
        parts: &Parts,
    ) -> Result<(OfficeId, TokenHash), NoEntry> {
        let office = certified.ok_or(NoEntry::NoOfficeInCertificate)?;
        let said = named(&parts.headers).ok_or(NoEntry::NoOfficeNamed)?;
        if said != office {
            return Err(NoEntry::OfficeOfOtherName);
        }
        let shown = bearer(parts).ok_or(NoEntry::NoToken)?;
        let hash = secret::hash_of(shown).ok_or(NoEntry::UnknownToken)?;
        let found = self.0.store.run(move |rows| keys::token_of(rows, &hash)).await;
        let found = found.map_err(|error: StoreError| {
            tracing::error!(reason = "store-failed", "{error}");
            NoEntry::Store
        })?;
        holds(found.as_ref(), office, now())?;
        Ok((office, hash))
    }

    fn let_in(
        &self,
        peer: Peer,
        office: OfficeId,
        (identity, key): (ClientIdentity, CertificateKey),
        token: TokenHash,
        headers: &HeaderMap,
        upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    ) -> Result<Response, NoEntry> {
        let upgrade = upgrade.map_err(|_| NoEntry::NotWebSocket)?;
        if !offers_sip(headers) {
            return Err(NoEntry::NotSip);
        }
        let permit = self.0.entered.clone().try_reserve_owned().map_err(|_| NoEntry::Full)?;
        let shown = (identity, key, self.0.revocations.clone());
        let upgrade = limited(upgrade, limits::MESSAGE).protocols(["sip"]);
        Ok(upgrade.on_upgrade(async move |socket| {
            let socket = SipSocket::new(peer, socket);
            permit.send(Entered { socket, office, shown, token });
        }))
    }

    fn refuse(&self, office: Option<OfficeId>, why: NoEntry) -> Response {
        if self.0.figures.refused(office, why) {
            let office = office.map(|office| office.to_string()).unwrap_or_default();
            warn!(reason = why.as_str(), office, "the gateway does not take a connection");
        }
        let status = why.status();
        let problem = json!({
            "type": format!("urn:branchline:problem:{}", why.as_str()), "status": status.as_u16(),
            "reason": why.as_str(),
        });
        let mut response = (status, Json(problem)).into_response();
        if status == axum::http::StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The office that the header names, if it is there once.
fn named(headers: &HeaderMap) -> Option<OfficeId> {
    let mut values = headers.get_all(OFFICE_HEADER).iter();
    let office = values.next()?.to_str().ok()?.parse().ok()?;
    values.next().is_none().then_some(office)
}

//! Who is asking.
//!
//! | shown | may |
//! | --- | --- |
//! | an API key (`blk_…`, of `branchline controller key add`) | everything |
//! | a federation token (`blf_…`), and its office in `X-Federation-Office` | what it was issued for, in its office only |
//!
//! Certificates come before both: with `client-ca` in the configuration, nobody without one gets as far as here.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::{Problem, Reason};
use super::rest::Desk;
use super::secret;
use super::store::keys::TokenRow;
use super::store::{Store, keys, now};
use crate::api::bearer;
use crate::uplink::OfficeId;

const OFFICE_HEADER: &str = "x-federation-office";

/// What a token may be issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Permission {
    /// To see the office, its links and routes, what is desired and what is reported.
    Read,
    /// To publish the office's links and routes as they are.
    Publish,
    /// To connect to the gateway.
    Connect,
}

impl Permission {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Connect => "connect",
        }
    }
}

impl FromStr for Permission {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "read" => Ok(Self::Read),
            "publish" => Ok(Self::Publish),
            "connect" => Ok(Self::Connect),
            _ => Err("expected read, publish or connect"),
        }
    }
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody with an API key.
    Ops,
    /// Somebody with a token of an office.
    Office { office: OfficeId, permissions: Vec<Permission> },
}

impl Caller {
    /// Whose key or token `shown` is. `named` is the office that a token's bearer claims to be of. May be called from any
    /// asynchronous code.
    pub(super) async fn identify(
        store: &Arc<Store>,
        shown: Option<&str>,
        named: Option<&str>,
    ) -> Result<Self, Problem> {
        let hash = shown.and_then(secret::hash_of).ok_or(Reason::Unauthorized)?;
        let named = named.map(str::to_owned);
        let found = store.run(move |rows| {
            if keys::key_of(rows, &hash)?.is_some() {
                return Ok(Ok(Self::Ops));
            }
            Ok::<_, Problem>(match keys::token_of(rows, &hash)? {
                Some(token) => Self::of_token(&token, named.as_deref()),
                None => Err(Reason::Unauthorized.into()),
            })
        });
        found.await?
    }

    /// Only with an API key.
    pub(super) fn ops(&self) -> Result<(), Problem> {
        match self {
            Self::Ops => Ok(()),
            Self::Office { .. } => Err(Problem::from(Reason::Forbidden).detail("this needs an API key")),
        }
    }

    /// With an API key, or a token of this office that allows it.
    pub(super) fn may(&self, permission: Permission, in_office: OfficeId) -> Result<(), Problem> {
        match self {
            Self::Ops => Ok(()),
            Self::Office { office, .. } if *office != in_office => Err(Reason::FederationOffice.into()),
            Self::Office { permissions, .. } if permissions.contains(&permission) => Ok(()),
            Self::Office { .. } => {
                let detail = format!("it was not issued for {}", permission.as_str());
                Err(Problem::from(Reason::Forbidden).detail(detail))
            }
        }
    }

    /// What is in this office, or perhaps nowhere.
    pub(super) fn may_see(&self, in_office: Option<OfficeId>) -> Result<(), Problem> {
        match (self, in_office) {
            (Self::Ops, _) => Ok(()),
            (Self::Office { office, .. }, in_office) => {
                self.may(Permission::Read, in_office.unwrap_or(*office))
            }
        }
    }

    fn of_token(token: &TokenRow, named: Option<&str>) -> Result<Self, Problem> {
        if token.revoked.is_some() {
            return Err(Reason::TokenRevoked.into());
        }
        if token.expires <= now() {
            return Err(Reason::TokenExpired.into());
        }
        if named != Some(token.office.as_str()) {
            return Err(Reason::FederationOffice.into());
        }
        let permissions = token.permissions.split(' ').filter_map(|word| word.parse().ok()).collect();
        Ok(Self::Office { office: token.office, permissions })
    }
}

impl FromRequestParts<Desk> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Problem> {
        let named = parts.headers.get(OFFICE_HEADER).and_then(|value| value.to_str().ok());
        Self::identify(desk.store(), bearer(parts), named).await
    }
}

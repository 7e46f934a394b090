//! `POST session`, `DELETE session`: signing in and out.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::auth::{self, Caller};
use super::peer::Peer;
use super::problem::{Problem, Reason};
use super::router::Body;
use super::state::Api;
use super::token;

/// Longest extension that is looked at, in bytes.
const EXTENSION_LIMIT: usize = 64;

#[derive(Deserialize)]
pub(crate) struct SignIn {
    extension: String,
    password: String,
    /// Stay signed in on this device.
    #[serde(default)]
    remember: bool,
}

#[derive(Serialize)]
struct SessionView {
    token: String,
    extension: String,
    name: String,
    /// Seconds since 1970.
    expires: u64,
}

/// Exchanges extension and password for a session token.
pub(crate) async fn sign_in(
    State(api): State<Api>,
    peer: Peer,
    Body(body, _): Body<SignIn>,
) -> Result<Response, Problem> {
    if body.extension.len() > EXTENSION_LIMIT {
        return Err(Reason::WrongCredentials.into());
    }
    let account = auth::by_password(&api, &peer, body.extension.trim(), &body.password).await?;
    let limits = api.limits();
    let life = if body.remember { limits.remembered_life } else { limits.session_life };
    let (token, expires) = token::issue(&api, &account, life).ok_or(Reason::Overloaded)?;
    let view = SessionView { token, extension: account.extension.to_string(), name: account.name, expires };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Who is signed in: lets a page that came with a token greet its owner.
pub(crate) async fn who(caller: Caller) -> Response {
    #[derive(Serialize)]
    struct View {
        extension: String,
        name: String,
    }
    let view = View { extension: caller.account.extension.to_string(), name: caller.account.name };
    ([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response()
}

/// Ends a session; an account's own long-lived token stays in force.
pub(crate) async fn sign_out(State(api): State<Api>, SessionToken(token): SessionToken) -> StatusCode {
    token::revoke(&api, &token);
    StatusCode::NO_CONTENT
}

/// A token that was verified.
pub(crate) struct SessionToken(String);

impl FromRequestParts<Api> for SessionToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let token = auth::bearer(parts).unwrap_or_default();
        auth::by_bearer(api, token).await?;
        Ok(Self(token.to_owned()))
    }
}

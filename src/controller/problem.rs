//! Refusals as problem documents (RFC 9457), each with a stable reason; in the manner of `api::problem`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::compose::Objection;
use super::store::StoreError;
use crate::uplink::Refusal;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// No key or token, or one that was never given out.
    Unauthorized,
    /// The token is past its date.
    TokenExpired,
    /// The token was revoked.
    TokenRevoked,
    /// A token came without `X-Federation-Office`, or with another office than its own.
    FederationOffice,
    /// The token does not allow this.
    Forbidden,
    /// Too many requests from this client.
    RateLimited,
    /// No such path.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// The body is not the JSON that was expected.
    BadBody,
    /// The body is too large.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// A query or path parameter is not valid.
    BadParameter,
    /// No such office.
    NoSuchOffice,
    /// The office has no such link.
    NoSuchLink,
    /// No such route.
    NoSuchRoute,
    /// No such token.
    NoSuchToken,
    /// There is one of this id.
    Exists,
    /// With this change the office's route set would be refused by its box.
    BadPart,
    /// As many as there may be.
    Full,
    /// The database does not work.
    Store,
}

impl Reason {
    /// The stable word in documents, metrics and logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::TokenExpired => "token-expired",
            Self::TokenRevoked => "token-revoked",
            Self::FederationOffice => "federation-office",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate-limited",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::BadBody => "bad-body",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTimeout => "body-timeout",
            Self::BadParameter => "bad-parameter",
            Self::NoSuchOffice => "no-such-office",
            Self::NoSuchLink => "no-such-link",
            Self::NoSuchRoute => "no-such-route",
            Self::NoSuchToken => "no-such-token",
            Self::Exists => "exists",
            Self::BadPart => "bad-part",
            Self::Full => "full",
            Self::Store => "store-failed",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized | Self::TokenExpired | Self::TokenRevoked => StatusCode::UNAUTHORIZED,
            Self::FederationOffice | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound
            | Self::NoSuchOffice
            | Self::NoSuchLink
            | Self::NoSuchRoute
            | Self::NoSuchToken => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadBody | Self::BadParameter => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Exists | Self::Full => StatusCode::CONFLICT,
            Self::BadPart => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Store => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Unauthorized => "A key or token is needed: Authorization: Bearer …",
            Self::TokenExpired => "The token is past its date.",
            Self::TokenRevoked => "The token was revoked.",
            Self::FederationOffice => "A token needs X-Federation-Office with its own office.",
            Self::Forbidden => "The token does not allow this.",
            Self::RateLimited => "Too many requests. Wait a moment.",
            Self::NotFound => "There is nothing here.",
            Self::MethodNotAllowed => "This address does not work with that method.",
            Self::BadBody => "The request could not be understood.",
            Self::BodyTooLarge => "The request is too large.",
            Self::BodyTimeout => "The request did not arrive in time.",
            Self::BadParameter => "A parameter is not valid.",
            Self::NoSuchOffice => "There is no such office.",
            Self::NoSuchLink => "The office has no such link.",
            Self::NoSuchRoute => "There is no such route.",
            Self::NoSuchToken => "There is no such token.",
            Self::Exists => "There is one of this name already.",
            Self::BadPart => "The office's box would refuse that.",
            Self::Full => "There are as many as there may be.",
            Self::Store => "The database does not work.",
        }
    }
}

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) reason: Reason,
    /// What exactly; never a secret.
    detail: Option<String>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<Reason> for Problem {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None, retry_after: None }
    }
}

impl From<crate::api::Problem> for Problem {
    /// Only of what the two have in common: the paging of lists.
    fn from(problem: crate::api::Problem) -> Self {
        Self { reason: Reason::BadParameter, detail: problem.detail, retry_after: None }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(reason = "store-failed", "{error}");
        Reason::Store.into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::from(Reason::BadPart).detail(refusal.to_string())
    }
}

impl From<Objection> for Problem {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::NoOffice => Reason::NoSuchOffice.into(),
            Objection::Part(refusal) => refusal.into(),
            Objection::RevisionsExhausted => {
                Self::from(Reason::Full).detail("the office's last revision was issued")
            }
            Objection::Store(error) => error.into(),
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.reason.status();
        let document = Document {
            r#type: format!("urn:branchline:problem:{}", self.reason.as_str()),
            title: self.reason.title(),
            status: status.as_u16(),
            reason: self.reason.as_str(),
            detail: self.detail.as_deref(),
        };
        let mut response = (status, serde_json::to_vec(&document).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

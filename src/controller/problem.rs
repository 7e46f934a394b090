//! Why the controller refuses what is asked over REST.

use std::time::Duration;

use axum::http::StatusCode;

use super::compose::Objection;
use super::store::StoreError;
use crate::api::{ProblemOf, Why};
use crate::uplink::Refusal;

/// When a database that is away may be back.
const BACK_SOON: Duration = Duration::from_secs(2);

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
    /// The database is away or busy: nothing was done.
    StoreAway,
    /// The database went away in the middle: perhaps it was done.
    StoreUncertain,
    /// The database does not work.
    Store,
}

impl Why for Reason {
    fn as_str(&self) -> &'static str {
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
            Self::StoreAway => "store-away",
            Self::StoreUncertain => "store-uncertain",
            Self::Store => "store-failed",
        }
    }

    fn status(&self) -> StatusCode {
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
            Self::StoreAway | Self::StoreUncertain => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(&self) -> &'static str {
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
            Self::StoreAway => "The database is away or busy: nothing was done. Try again.",
            Self::StoreUncertain => "The database went away: look whether it was done, then try again.",
            Self::Store => "The database does not work.",
        }
    }
}

/// A refusal of the controller, on its way to the client.
pub(super) type Problem = ProblemOf<Reason>;

impl From<crate::api::Problem> for Problem {
    /// Only of what the two have in common: the paging of lists.
    fn from(problem: crate::api::Problem) -> Self {
        Self { reason: Reason::BadParameter, detail: problem.detail, retry_after: None }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let reason = match error {
            StoreError::Away(_) | StoreError::Busy(_) => Reason::StoreAway,
            StoreError::Uncertain(_) => Reason::StoreUncertain,
            StoreError::Newer { .. } | StoreError::Failed(_) => Reason::Store,
        };
        tracing::error!(reason = reason.as_str(), "{error}");
        let problem = Self::from(reason);
        if reason == Reason::Store { problem } else { problem.retry_after(BACK_SOON) }
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

//! Why a box refuses what is asked over REST.

use axum::http::StatusCode;

use super::refusal::{ProblemOf, Why};
use crate::engine::web::WebRefusal;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No token, or one that is not valid.
    Unauthorized,
    /// Wrong extension or password: which of the two is not said.
    WrongCredentials,
    /// Too many failed sign-ins.
    LockedOut,
    /// Too many requests from this client.
    RateLimited,
    /// The page that opened the WebSocket is of another origin.
    ForeignOrigin,
    /// Too many phone sessions, of the extension or in all.
    TooManySessions,
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
    /// The WebSocket subprotocol `sip` was not offered (RFC 7118 §3).
    SubprotocolRequired,
    /// The request is no WebSocket handshake.
    NotWebSocket,
    /// SIP over WebSocket is switched off.
    SipDisabled,
    /// The SIP transport takes no more connections at present.
    SipBusy,
    /// A request with this idempotency key is still being carried out.
    IdempotencyInFlight,
    /// The idempotency key was used with another body.
    IdempotencyMismatch,
    /// Video and screen sharing are not offered here.
    VideoNotOffered,
    /// There is no such type of call.
    CallType,
    /// Nobody has this extension.
    NoSuchExtension,
    /// That is no country calling code.
    UnknownCountry,
    /// The engine's queue is full.
    Overloaded,
    /// The engine did not answer in time.
    EngineTimeout,
    /// The engine refused.
    Engine(WebRefusal),
}

impl Reason {
    /// The stable word in documents, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::WrongCredentials => "wrong-credentials",
            Self::LockedOut => "locked-out",
            Self::RateLimited => "rate-limited",
            Self::ForeignOrigin => "foreign-origin",
            Self::TooManySessions => "too-many-sessions",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::BadBody => "bad-body",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTimeout => "body-timeout",
            Self::BadParameter => "bad-parameter",
            Self::SubprotocolRequired => "subprotocol-required",
            Self::NotWebSocket => "not-websocket",
            Self::SipDisabled => "sip-disabled",
            Self::SipBusy => "sip-busy",
            Self::IdempotencyInFlight => "idempotency-in-flight",
            Self::IdempotencyMismatch => "idempotency-mismatch",
            Self::VideoNotOffered => "video-not-offered",
            Self::CallType => "call-type",
            Self::NoSuchExtension => "no-such-extension",
            Self::UnknownCountry => "unknown-country",
            Self::Overloaded => "overloaded",
            Self::EngineTimeout => "engine-timeout",
            Self::Engine(refusal) => refusal.as_str(),
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized | Self::WrongCredentials => StatusCode::UNAUTHORIZED,
            Self::LockedOut | Self::RateLimited | Self::TooManySessions => StatusCode::TOO_MANY_REQUESTS,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::NotFound
            | Self::NoSuchExtension
            | Self::UnknownCountry
            | Self::Engine(WebRefusal::NoSuchCall) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadBody | Self::BadParameter | Self::SubprotocolRequired => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::NotWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::IdempotencyInFlight | Self::Engine(WebRefusal::WrongState) => StatusCode::CONFLICT,
            Self::IdempotencyMismatch
            | Self::VideoNotOffered
            | Self::CallType
            | Self::Engine(WebRefusal::BadDescription | WebRefusal::BadNumber) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::EngineTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::SipDisabled
            | Self::SipBusy
            | Self::Overloaded
            | Self::Engine(WebRefusal::Limit | WebRefusal::NoMediaPort | WebRefusal::Draining) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// A sentence for a person.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unauthorized => "Sign in first.",
            Self::WrongCredentials => "The extension or the password is wrong.",
            Self::LockedOut => "Too many failed attempts. Wait, then try again.",
            Self::RateLimited => "Too many requests. Wait a moment.",
            Self::ForeignOrigin => "This page may not connect here.",
            Self::TooManySessions => "Too many phone pages are open.",
            Self::NotFound => "There is nothing here.",
            Self::MethodNotAllowed => "This address does not work with that method.",
            Self::BadBody => "The request could not be understood.",
            Self::BodyTooLarge => "The request is too large.",
            Self::BodyTimeout => "The request did not arrive in time.",
            Self::BadParameter => "A parameter is not valid.",
            Self::SubprotocolRequired => "The WebSocket must offer the subprotocol sip.",
            Self::NotWebSocket => "This address expects a WebSocket.",
            Self::SipDisabled => "SIP over WebSocket is switched off.",
            Self::SipBusy => "No more SIP connections are taken at present.",
            Self::IdempotencyInFlight => "The same request is still being carried out.",
            Self::IdempotencyMismatch => "This idempotency key belongs to another request.",
            Self::VideoNotOffered => "Only audio calls are offered here.",
            Self::CallType => "There is no such type of call.",
            Self::NoSuchExtension => "Nobody has this extension.",
            Self::UnknownCountry => "There is no such country calling code.",
            Self::Overloaded => "The gateway is busy. Try again.",
            Self::EngineTimeout => "The gateway did not answer in time.",
            Self::Engine(WebRefusal::NoSuchCall) => "There is no such call.",
            Self::Engine(WebRefusal::WrongState) => "The call is not in a state for that.",
            Self::Engine(WebRefusal::BadDescription) => "The media description could not be used.",
            Self::Engine(WebRefusal::BadNumber) => "That is no number.",
            Self::Engine(WebRefusal::Limit) => "The limit of calls is reached.",
            Self::Engine(WebRefusal::NoMediaPort) => "No media port is free.",
            Self::Engine(WebRefusal::Draining) => "The gateway is about to restart.",
        }
    }
}

impl Why for Reason {
    fn as_str(&self) -> &'static str {
        Self::as_str(*self)
    }

    fn status(&self) -> StatusCode {
        Self::status(*self)
    }

    fn title(&self) -> &'static str {
        Self::title(*self)
    }
}

/// A refusal of the box, on its way to the client.
pub type Problem = ProblemOf<Reason>;

impl From<WebRefusal> for Problem {
    fn from(refusal: WebRefusal) -> Self {
        Reason::Engine(refusal).into()
    }
}

//! Every refusal and drop of the gateway.

use crate::sip::StatusCode;

/// Why a message is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reason {
    /// It is not SIP, or lacks what every message has.
    Unreadable,
    /// Its Via has no branch by which a transaction is known (RFC 3261 §8.1.1.7).
    NoBranch,
    /// It has no hops left.
    TooManyHops,
    /// It requires of a proxy what this one cannot do.
    Extension,
    /// It is to go through a proxy that we are not, or in a dialog of other offices.
    ForeignRoute,
    /// Nobody made the office that it names here, or it names none.
    NoSuchOffice,
    /// It would go back to where it came from.
    Loop,
    /// The office may not call that one.
    NotPermitted,
    /// The office has no connection here.
    NotConnected,
    /// So much waits for the office already that there is no room.
    QueueFull,
    /// A response to a request that we did not pass on, or from another office than was asked.
    NotAsked,
    /// A response for an office that has no connection here any more.
    AskerGone,
}

impl Reason {
    /// The word in counters and logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoBranch => "no-branch",
            Self::TooManyHops => "too-many-hops",
            Self::Extension => "extension",
            Self::ForeignRoute => "foreign-route",
            Self::NoSuchOffice => "no-such-office",
            Self::Loop => "loop",
            Self::NotPermitted => "not-permitted",
            Self::NotConnected => "not-connected",
            Self::QueueFull => "queue-full",
            Self::NotAsked => "not-asked",
            Self::AskerGone => "asker-gone",
        }
    }

    /// How a request is refused for it. 430 (RFC 5626 §11.6) and not 503: this connection is well, only the one behind it
    /// is not there, so the caller tries its next link and goes on using this one for other offices.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Unreadable | Self::NoBranch | Self::NotAsked => StatusCode::BAD_REQUEST,
            Self::TooManyHops => StatusCode::TOO_MANY_HOPS,
            Self::Extension => StatusCode::BAD_EXTENSION,
            Self::ForeignRoute | Self::NotPermitted => StatusCode::FORBIDDEN,
            Self::NoSuchOffice => StatusCode::NOT_FOUND,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::NotConnected | Self::AskerGone => StatusCode::FLOW_FAILED,
            Self::QueueFull => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why an office's connection is not taken. The first that applies is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum NoEntry {
    /// Its certificate names no office.
    NoOfficeInCertificate,
    /// It does not say which office it is, or not once.
    NoOfficeNamed,
    /// It says that it is another office than its certificate says.
    OfficeOfOtherName,
    /// It shows no token.
    NoToken,
    /// Nobody was ever given this token.
    UnknownToken,
    /// The token was revoked.
    TokenRevoked,
    /// The token is past its date.
    TokenExpired,
    /// The token was issued to another office.
    TokenOfOtherOffice,
    /// The token was not issued for this.
    TokenNotForConnecting,
    /// It asks for no WebSocket.
    NotWebSocket,
    /// It asks for a WebSocket of another protocol than `sip`.
    NotSip,
    /// As many connections as there may be.
    Full,
    /// The database does not work.
    Store,
}

impl NoEntry {
    /// The word in answers, counters and logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NoOfficeInCertificate => "no-office-in-certificate",
            Self::NoOfficeNamed => "no-office-named",
            Self::OfficeOfOtherName => "office-of-other-name",
            Self::NoToken => "no-token",
            Self::UnknownToken => "unknown-token",
            Self::TokenRevoked => "token-revoked",
            Self::TokenExpired => "token-expired",
            Self::TokenOfOtherOffice => "token-of-other-office",
            Self::TokenNotForConnecting => "token-not-for-connecting",
            Self::NotWebSocket => "not-websocket",
            Self::NotSip => "not-sip",
            Self::Full => "full",
            Self::Store => "store-failed",
        }
    }

    /// The status of the upgrade's answer: 401 where another token would help, 403 where none would.
    pub(super) const fn status(self) -> axum::http::StatusCode {
        use axum::http::StatusCode;
        match self {
            Self::NoToken | Self::UnknownToken | Self::TokenRevoked | Self::TokenExpired => {
                StatusCode::UNAUTHORIZED
            }
            Self::NoOfficeInCertificate
            | Self::NoOfficeNamed
            | Self::OfficeOfOtherName
            | Self::TokenOfOtherOffice
            | Self::TokenNotForConnecting => StatusCode::FORBIDDEN,
            Self::NotWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::NotSip => StatusCode::BAD_REQUEST,
            Self::Full | Self::Store => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

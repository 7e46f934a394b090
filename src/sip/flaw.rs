//! The named reasons why a piece of text is not SIP.

use std::fmt;

/// What is wrong with one element of a message. Small and closed, so that it can label a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flaw {
    /// Nothing stands where something must.
    Empty,
    /// A token has a byte that tokens may not have.
    Token,
    /// A quoted string is not closed.
    Quote,
    /// An angle bracket is missing or out of place.
    Bracket,
    /// A parameter has no name, or its value holds a byte it may not.
    Param,
    /// Not a number, or one out of the range its header allows.
    Number,
    /// Not a URI, or one with a byte URIs may not have.
    Uri,
    /// A bare address carries `?`, which is allowed inside `<>` only (RFC 3261 §20.10).
    BareHeaders,
    /// Not a host name or address.
    Host,
    /// Not a port.
    Port,
    /// Not a method name, or not the method expected.
    Method,
    /// Not `SIP/2.0`.
    Version,
    /// A display name that is neither tokens nor a quoted string.
    DisplayName,
    /// `*` beside other contacts.
    Star,
    /// More list elements than [`super::limits`] allows.
    TooMany,
    /// Longer than [`super::limits`] allows.
    TooLong,
    /// A mandatory part (a tag, a realm, a nonce) is absent.
    Missing,
    /// An authentication scheme other than Digest.
    Scheme,
}

impl Flaw {
    /// A short name, stable, for counters and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Token => "token",
            Self::Quote => "quote",
            Self::Bracket => "bracket",
            Self::Param => "param",
            Self::Number => "number",
            Self::Uri => "uri",
            Self::BareHeaders => "bare-headers",
            Self::Host => "host",
            Self::Port => "port",
            Self::Method => "method",
            Self::Version => "version",
            Self::DisplayName => "display-name",
            Self::Star => "star",
            Self::TooMany => "too-many",
            Self::TooLong => "too-long",
            Self::Missing => "missing",
            Self::Scheme => "scheme",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Flaw {}

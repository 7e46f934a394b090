//! Why bytes are not a message, and what can be answered all the same (RFC 3261 §8.2, §16.3; RFC 4475).

use super::{Flaw, HeaderName, Headers, Method, Response, StatusCode};

/// Why bytes did not become a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Nothing but line ends, spaces or NULs: phones keep their NAT binding open so. Not an error to count.
    KeepAlive,
    /// Not a proper message.
    Malformed(Box<Malformed>),
}

/// A message that is not proper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong; the first flaw that was found.
    pub reason: Malformation,
    /// What an answer needs, if the message is a request that may be answered at all (not ACK) and says
    /// where it came through. `None`: drop it.
    pub salvage: Option<Salvage>,
}

/// What could be read of a malformed request. The answer goes, without state, to where the packet came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// The request's method.
    pub method: Method,
    /// The header lines that could be told apart. None of their values is known to be readable.
    pub headers: Headers,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformation {
    /// Longer than [`limits::MESSAGE`].
    TooLarge,
    /// The start line is neither a request's nor a response's.
    NotSip,
    /// The start line is longer than [`limits::START_LINE`].
    StartLineTooLong,
    /// The method is not a token, or too long.
    Method(Flaw),
    /// The Request-URI cannot be read.
    RequestUri(Flaw),
    /// Another version than SIP/2.0.
    Version,
    /// The status code is not 100 to 699.
    StatusCode,
    /// A header line has no colon, no name, or begins with a fold.
    HeaderLine,
    /// A header is longer than [`limits::HEADER`].
    HeaderTooLong,
    /// More header lines than [`limits::HEADERS`].
    TooManyHeaders,
    /// A CR that ends no line: two parsers could see two different messages.
    LoneCr,
    /// No empty line after the headers.
    Unfinished,
    /// A mandatory header is absent.
    Missing(HeaderName),
    /// A header that may stand once stands twice.
    Repeated(HeaderName),
    /// A header cannot be read.
    Header(HeaderName, Flaw),
    /// CSeq names another method than the request.
    MethodMismatch,
    /// The body is shorter than Content-Length says.
    BodyTooShort,
}

impl Malformed {
    /// The answer to send, if the message may be answered.
    pub fn answer(&self, to_tag: &str) -> Option<Response> {
        let salvage = self.salvage.as_ref()?;
        let answer = Response::to_headers(&salvage.headers, self.reason.status(), Some(to_tag));
        Some(answer.with_reason(&self.reason.phrase()))
    }
}

impl Malformation {
    /// The status to refuse a request by.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::MESSAGE_TOO_LARGE,
            Self::StartLineTooLong | Self::RequestUri(Flaw::TooLong) => StatusCode::REQUEST_URI_TOO_LONG,
            Self::Version => StatusCode::VERSION_NOT_SUPPORTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// A short name, stable, for counters and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::NotSip => "not-sip",
            Self::StartLineTooLong => "start-line-too-long",
            Self::Method(_) => "bad-method",
            Self::RequestUri(_) => "bad-request-uri",
            Self::Version => "bad-version",
            Self::StatusCode => "bad-status-code",
            Self::HeaderLine => "bad-header-line",
            Self::HeaderTooLong => "header-too-long",
            Self::TooManyHeaders => "too-many-headers",
            Self::LoneCr => "lone-cr",
            Self::Unfinished => "unfinished",
            Self::Missing(_) => "missing-header",
            Self::Repeated(_) => "repeated-header",
            Self::Header(..) => "bad-header",
            Self::MethodMismatch => "method-mismatch",
            Self::BodyTooShort => "body-too-short",
        }
    }

    /// A reason phrase that tells the sender what to mend.
    fn phrase(&self) -> String {
        let usual = self.status().reason_phrase();
        match self {
            Self::Missing(name) => format!("Missing {name}"),
            Self::Repeated(name) => format!("Repeated {name}"),
            Self::Header(name, flaw) => format!("Bad {name} ({flaw})"),
            Self::RequestUri(flaw) if *flaw != Flaw::TooLong => format!("Bad Request-URI ({flaw})"),
            Self::MethodMismatch => "CSeq Method Mismatch".to_owned(),
            Self::BodyTooShort => "Body Shorter Than Content-Length".to_owned(),
            _ => usual.to_owned(),
        }
    }
}

impl ParseError {
    pub(super) fn malformed(reason: Malformation, salvage: Option<Salvage>) -> Self {
        Self::Malformed(Box::new(Malformed { reason, salvage }))
    }
}

//! What a well-formed message may still get wrong before anybody looks at what it wants (RFC 3261 §8.2 in
//! its order, §8.1.3.3, §16.3). Which user, which call: that is the engine's.

use super::header::{ContentType, Tags};
use super::{HeaderName, Method, Request, Response, StatusCode, Uri};

/// Why a well-formed request is refused, or a response dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The Request-URI has a scheme that we cannot serve (416).
    Scheme,
    /// The Request-URI carries headers, which only a Contact or a web page's link may (400).
    UriHeaders,
    /// A REGISTER for something that is not a SIP or SIPS address (400).
    AddressOfRecord,
    /// Extensions are required that we lack (420); these go into Unsupported.
    Extension(Tags),
    /// A body we cannot read: neither SDP nor in clear coding, and not optional (415).
    Body,
    /// The answer must not hold SDP, by the request's Accept (406).
    Accept,
    /// A response with more than one Via was not meant for us, who are no proxy. Dropped.
    ManyVias,
}

impl Refusal {
    /// The status to refuse by; `None` for a response, which is dropped.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Scheme => Some(StatusCode::UNSUPPORTED_URI_SCHEME),
            Self::UriHeaders | Self::AddressOfRecord => Some(StatusCode::BAD_REQUEST),
            Self::Extension(_) => Some(StatusCode::BAD_EXTENSION),
            Self::Body => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::Accept => Some(StatusCode::NOT_ACCEPTABLE),
            Self::ManyVias => None,
        }
    }

    /// A short name, stable, for counters and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Scheme => "uri-scheme",
            Self::UriHeaders => "uri-headers",
            Self::AddressOfRecord => "address-of-record",
            Self::Extension(_) => "extension",
            Self::Body => "body",
            Self::Accept => "accept",
            Self::ManyVias => "many-vias",
        }
    }

    /// The answer to `request`, with the header that the status calls for (Unsupported; Accept).
    pub fn answer(&self, request: &Request, to_tag: &str) -> Option<Response> {
        let answer = Response::to_request(request, self.status()?, Some(to_tag));
        Some(match self {
            Self::Extension(tags) => answer.with(HeaderName::Unsupported, tags),
            Self::Body => answer.with(HeaderName::Accept, "application/sdp"),
            _ => answer,
        })
    }
}

/// Checks a request before its method is looked at. `extensions` are the option tags we support. ACK and
/// CANCEL are never asked for extensions (RFC 3261 §8.2.2.3).
pub fn request(request: &Request, extensions: &[&str]) -> Result<(), Refusal> {
    match &request.uri {
        Uri::Sip(uri) if !uri.headers.is_empty() => return Err(Refusal::UriHeaders),
        Uri::Sip(_) | Uri::Tel(_) => {}
        Uri::Other(_) if request.uri.is_emergency_service() => {}
        Uri::Other(_) => return Err(Refusal::Scheme),
    }
    if request.method == Method::Register && !request.to().is_some_and(|to| matches!(to.uri, Uri::Sip(_))) {
        return Err(Refusal::AddressOfRecord);
    }
    if !matches!(request.method, Method::Ack | Method::Cancel) {
        for name in [HeaderName::Require, HeaderName::ProxyRequire] {
            let required = request.option_tags(&name).unwrap_or_default();
            let missing = required.without(extensions);
            if !missing.is_empty() {
                return Err(Refusal::Extension(missing));
            }
        }
    }
    Ok(())
}

/// Checks, for a request that opens or changes a session, that its body can be read (none, SDP, or multipart,
/// which [`body_kind`] tells; in clear coding) and that SDP may be answered.
pub fn session(request: &Request) -> Result<(), Refusal> {
    let kind = body_kind(request);
    let mut codings = request.headers.values(&HeaderName::ContentEncoding);
    let coded = kind != BodyKind::None && codings.any(|coding| !coding.eq_ignore_ascii_case("identity"));
    if (kind == BodyKind::Other || coded) && !is_optional(request) {
        return Err(Refusal::Body);
    }
    if accepts_sdp(request) { Ok(()) } else { Err(Refusal::Accept) }
}

/// Whether the answer may hold SDP: yes unless there is an Accept that does not name it (RFC 3261 §20.1).
fn accepts_sdp(request: &Request) -> bool {
    let mut none = true;
    request.headers.values(&HeaderName::Accept).any(|range| {
        none = false;
        let range = range.split(';').next().unwrap_or_default().trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|known| known.eq_ignore_ascii_case(range))
    }) || none
}

/// What kind of body a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// No body.
    None,
    /// `application/sdp`.
    Sdp,
    /// `multipart/…`.
    Multipart,
    /// Anything else, or of no stated kind.
    Other,
}

/// See [`BodyKind`].
pub fn body_kind(request: &Request) -> BodyKind {
    if request.body.is_empty() {
        return BodyKind::None;
    }
    match request.headers.read::<ContentType>() {
        Ok(Some(kind)) if kind.is_sdp() => BodyKind::Sdp,
        Ok(Some(kind)) if kind.kind.eq_ignore_ascii_case("multipart") => BodyKind::Multipart,
        _ => BodyKind::Other,
    }
}

/// Checks a response: it must have come back to us and nobody else.
pub fn response(response: &Response) -> Result<(), Refusal> {
    if response.headers.values(&HeaderName::Via).nth(1).is_some() { Err(Refusal::ManyVias) } else { Ok(()) }
}

/// `Content-Disposition: …;handling=optional`: may be ignored (RFC 3261 §20.11).
fn is_optional(request: &Request) -> bool {
    let Some(value) = request.headers.get(&HeaderName::ContentDisposition) else { return false };
    let at = value.find(';').unwrap_or(value.len());
    let params = value.get(at..).map(|params| super::Params::parse(&value.slice_of(params)));
    matches!(params, Some(Ok(params)) if params.get("handling").is_some_and(|h| h.eq_ignore_ascii_case("optional")))
}

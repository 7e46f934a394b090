//! What a well-formed message may still get wrong before anybody looks at what it wants (RFC 3261 §8.2 in
//! its order, §8.1.3.3, §16.3). Which user, which call: that is the engine's.

use super::body::{self, BodyKind};
use super::header::Tags;
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
/// which [`body::session_description`] opens; in clear coding) and that SDP may be answered.
pub fn session(request: &Request) -> Result<(), Refusal> {
    let kind = body::kind(&request.headers, &request.body);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::header::ContentType;

    fn invite(uri: &str) -> Request {
        let mut request = Request::new(Method::Invite, uri.parse::<Uri>().unwrap());
        request.headers.push(HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1");
        request.headers.push(HeaderName::To, "<sip:b@c>");
        request
    }

    #[test]
    fn what_we_can_serve() {
        for uri in ["sip:a@b", "sips:b", "tel:+15550100", "urn:service:sos.fire"] {
            assert_eq!(request(&invite(uri), &[]), Ok(()), "{uri}");
        }
        assert_eq!(request(&invite("urn:isbn:1"), &[]), Err(Refusal::Scheme));
        assert_eq!(request(&invite("sip:a@b?x=y"), &[]), Err(Refusal::UriHeaders));
    }

    #[test]
    fn only_those_who_may_be_refused_are_asked_for_extensions() {
        let mut asked = invite("sip:a@b");
        asked.headers.push(HeaderName::Require, "100rel, odd");
        let Err(refusal) = request(&asked, &["100rel"]) else { panic!() };
        let answer = refusal.answer(&asked, "t").unwrap();
        assert_eq!(answer.status, StatusCode::BAD_EXTENSION);
        assert_eq!(answer.headers.get(&HeaderName::Unsupported).unwrap(), "odd");
        for method in [Method::Ack, Method::Cancel] {
            asked.method = method;
            assert_eq!(request(&asked, &[]), Ok(()));
        }
    }

    #[test]
    fn bodies_of_sessions() {
        let mut asked = invite("sip:a@b");
        assert_eq!(session(&asked), Ok(()));
        asked.set_body(&ContentType::sdp(), "v=0\r\n");
        assert_eq!(session(&asked), Ok(()));
        asked.headers.push(HeaderName::Accept, "text/plain, Application/SDP;level=1");
        assert_eq!(session(&asked), Ok(()));
        asked.headers.push(HeaderName::ContentEncoding, "gzip");
        assert_eq!(session(&asked), Err(Refusal::Body));
        asked.headers.remove(&HeaderName::ContentEncoding);
        asked.headers.replace(HeaderName::ContentType, "text/plain");
        let answer = session(&asked).unwrap_err().answer(&asked, "t").unwrap();
        assert_eq!(answer.headers.get(&HeaderName::Accept).unwrap(), "application/sdp");
        asked.headers.push(HeaderName::ContentDisposition, "render;handling=optional");
        assert_eq!(session(&asked), Ok(()));
        asked.headers.replace(HeaderName::Accept, "text/plain");
        assert_eq!(session(&asked), Err(Refusal::Accept));
    }

    #[test]
    fn a_response_for_somebody_else_is_dropped() {
        let answer = Response::to_request(&invite("sip:a@b"), StatusCode::OK, Some("t"));
        assert_eq!(response(&answer), Ok(()));
        let answer = answer.with(HeaderName::Via, "SIP/2.0/UDP b");
        let refusal = response(&answer).unwrap_err();
        assert_eq!((refusal.status(), refusal.as_str()), (None, "many-vias"));
    }
}

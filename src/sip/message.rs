//! Requests and responses: what they carry, how one is made from another, how they are written.

use bytes::{BufMut, Bytes, BytesMut};

use super::header::{CSeq, Contacts, MaxForwards, NameAddr, Tags, Via};
use super::{Flaw, HeaderName, Headers, Method, StatusCode, Text, Uri};

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of whom: the Request-URI.
    pub uri: Uri,
    /// The headers.
    pub headers: Headers,
    /// The body; its length is what Content-Length says when written.
    pub body: Bytes,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it went.
    pub status: StatusCode,
    /// The phrase that goes with it; may be empty.
    pub reason: Text,
    /// The headers.
    pub headers: Headers,
    /// The body; its length is what Content-Length says when written.
    pub body: Bytes,
}

macro_rules! views {
    ($($type:ty),*) => {
        $(impl $type {
            /// See [`Headers::top_via`].
            pub fn top_via(&self) -> Option<Via> {
                self.headers.top_via()
            }

            /// See [`Headers::from`].
            pub fn from(&self) -> Option<NameAddr> {
                self.headers.from()
            }

            /// See [`Headers::to`].
            pub fn to(&self) -> Option<NameAddr> {
                self.headers.to()
            }

            /// The tag of From.
            pub fn from_tag(&self) -> Option<Text> {
                self.headers.from()?.tag()
            }

            /// The tag of To.
            pub fn to_tag(&self) -> Option<Text> {
                self.headers.to()?.tag()
            }

            /// See [`Headers::call_id`].
            pub fn call_id(&self) -> Option<&Text> {
                self.headers.call_id()
            }

            /// See [`Headers::cseq`].
            pub fn cseq(&self) -> Option<CSeq> {
                self.headers.cseq()
            }

            /// See [`Headers::max_forwards`].
            pub fn max_forwards(&self) -> Option<u8> {
                self.headers.max_forwards()
            }

            /// See [`Headers::contacts`].
            pub fn contacts(&self) -> Result<Contacts, Flaw> {
                self.headers.contacts()
            }

            /// See [`Headers::option_tags`].
            pub fn option_tags(&self, name: &HeaderName) -> Result<Tags, Flaw> {
                self.headers.option_tags(name)
            }

            /// The session description in the body: see [`super::body::session_description`].
            pub fn sdp(&self) -> Option<Bytes> {
                super::body::session_description(&self.headers, &self.body)
            }

            /// Whether there is one.
            pub fn has_sdp(&self) -> bool {
                self.sdp().is_some()
            }

            /// Makes `body` of `kind` the body.
            pub fn set_body(&mut self, kind: &super::header::ContentType, body: impl Into<Bytes>) {
                self.headers.set(kind);
                self.body = body.into();
            }

            /// The message as bytes.
            pub fn to_bytes(&self) -> Bytes {
                let mut out = BytesMut::with_capacity(512 + self.body.len());
                self.write_into(&mut out);
                out.freeze()
            }
        })*
    };
}

views!(Request, Response);

impl Message {
    /// The headers of either.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The body of either.
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// The message as bytes.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// Appends the message as bytes.
    pub fn write_into(&self, out: &mut BytesMut) {
        match self {
            Self::Request(request) => request.write_into(out),
            Self::Response(response) => response.write_into(out),
        }
    }
}

impl Request {
    /// A request with no header yet.
    pub fn new(method: Method, uri: impl Into<Uri>) -> Self {
        Self { method, uri: uri.into(), headers: Headers::new(), body: Bytes::new() }
    }

    /// The Route headers: where the request is still to go through.
    pub fn route_set(&self) -> Result<Vec<NameAddr>, Flaw> {
        self.headers.addresses(&HeaderName::Route)
    }

    /// The CANCEL of a request we sent (RFC 3261 §9.1): same Request-URI, top Via, From, To, Call-ID, CSeq
    /// number and Route. `None` if the request lacks one of them.
    pub fn cancel_of(invite: &Self) -> Option<Self> {
        let to = invite.headers.get(&HeaderName::To)?;
        invite.companion(Method::Cancel, to)
    }

    /// The ACK for a final answer that is not 2xx (RFC 3261 §17.1.1.3): as CANCEL, but To is the answer's.
    pub fn ack_of(invite: &Self, response: &Response) -> Option<Self> {
        let to = response.headers.get(&HeaderName::To)?;
        invite.companion(Method::Ack, to)
    }

    /// A request that belongs to the same transaction as this one.
    fn companion(&self, method: Method, to: &Text) -> Option<Self> {
        let mut made = Self::new(method.clone(), self.uri.clone());
        made.headers.push(HeaderName::Via, self.headers.values(&HeaderName::Via).next()?);
        made.headers.set(&MaxForwards(70));
        made.headers.copy(&HeaderName::Route, &self.headers);
        made.headers.push(HeaderName::From, self.headers.get(&HeaderName::From)?);
        made.headers.push(HeaderName::To, to);
        made.headers.push(HeaderName::CallId, self.headers.get(&HeaderName::CallId)?);
        made.headers.set(&CSeq { number: self.cseq()?.number, method });
        Some(made)
    }

    /// Appends the request as bytes.
    pub fn write_into(&self, out: &mut BytesMut) {
        put_clean(out, self.method.as_str());
        out.put_u8(b' ');
        put_clean(out, &self.uri.to_string());
        out.put_slice(b" SIP/2.0\r\n");
        put_rest(out, &self.headers, &self.body);
    }
}

impl Response {
    /// A response with no header yet and the usual phrase.
    pub fn new(status: StatusCode) -> Self {
        let reason = Text::from_static(status.reason_phrase());
        Self { status, reason, headers: Headers::new(), body: Bytes::new() }
    }

    /// The answer to a request (RFC 3261 §8.2.6): every Via, From, To, Call-ID, CSeq, and Timestamp in a
    /// 100, are copied. `to_tag` is added to To unless it has a tag; a 100 needs none.
    ///
    /// What the request lacks, the answer lacks too: so malformed requests can be answered.
    pub fn to_request(request: &Request, status: StatusCode, to_tag: Option<&str>) -> Self {
        Self::to_headers(&request.headers, status, to_tag)
    }

    /// The answer to a request of which only headers are known.
    pub(super) fn to_headers(headers: &Headers, status: StatusCode, to_tag: Option<&str>) -> Self {
        let mut made = Self::new(status);
        for header in headers {
            match header.name {
                HeaderName::Via => made.headers.push(HeaderName::Via, &header.value),
                HeaderName::From | HeaderName::CallId | HeaderName::CSeq
                    if !made.headers.has(&header.name) =>
                {
                    made.headers.push(header.name.clone(), &header.value);
                }
                HeaderName::Timestamp if status == StatusCode::TRYING => {
                    made.headers.push(header.name.clone(), &header.value);
                }
                HeaderName::To if !made.headers.has(&HeaderName::To) => {
                    made.headers.push(HeaderName::To, with_tag(&header.value, to_tag));
                }
                _ => {}
            }
        }
        made
    }

    /// The same with the request's Record-Route headers: for answers that create a dialog (RFC 3261
    /// §12.1.1).
    pub fn with_record_route_of(mut self, request: &Request) -> Self {
        self.headers.copy(&HeaderName::RecordRoute, &request.headers);
        self
    }

    /// The same with a header added.
    pub fn with(mut self, name: HeaderName, value: impl Into<Text>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The same with another phrase.
    pub fn with_reason(mut self, reason: &str) -> Self {
        self.reason = Text::from(reason);
        self
    }

    /// Appends the response as bytes.
    pub fn write_into(&self, out: &mut BytesMut) {
        out.put_slice(b"SIP/2.0 ");
        put_number(out, usize::from(self.status.code()));
        out.put_u8(b' ');
        put_clean(out, &self.reason);
        out.put_slice(b"\r\n");
        put_rest(out, &self.headers, &self.body);
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// To with a tag, unless it has one or cannot be read.
fn with_tag(to: &Text, tag: Option<&str>) -> Text {
    match (tag, NameAddr::parse(to)) {
        (Some(tag), Ok(address)) if address.tag().is_none() => {
            // The bare form ends in header parameters, so both forms take another at the end.
            Text::from(format!("{to};tag={tag}"))
        }
        _ => to.clone(),
    }
}

fn put_rest(out: &mut BytesMut, headers: &Headers, body: &[u8]) {
    for header in headers {
        if header.name == HeaderName::ContentLength {
            continue;
        }
        out.put_slice(header.name.as_str().as_bytes());
        out.put_slice(b": ");
        put_clean(out, &header.value);
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"Content-Length: ");
    put_number(out, body.len());
    out.put_slice(b"\r\n\r\n");
    out.put_slice(body);
}

/// Text on one line: a value that came from elsewhere (a display name, a reason) can never start another
/// header.
fn put_clean(out: &mut BytesMut, text: &str) {
    let bytes = text.as_bytes();
    if memchr::memchr2(b'\r', b'\n', bytes).is_none() {
        return out.put_slice(bytes);
    }
    for &byte in bytes {
        out.put_u8(if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
    }
}

fn put_number(out: &mut BytesMut, number: usize) {
    let mut digits = [0; 20];
    let mut rest = number;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;

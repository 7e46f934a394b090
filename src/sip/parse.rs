//! One datagram, WebSocket frame or framed piece of a stream → one [`Message`].
//!
//! What is checked here, so that the rest need not: sizes ([`limits`]), the start line, every header line's
//! shape, the headers that each message must have (exactly once: From, To, Call-ID, CSeq; at least once:
//! Via), that these and Max-Forwards, Contact, Route, Record-Route and Path can be read, that CSeq names the
//! request's method, and that the body is as long as Content-Length says.
//!
//! Lenient where real devices need it and nothing is ambiguous: bare LF, line ends before the message,
//! missing Max-Forwards (RFC 2543), bytes after the body of a datagram, Latin-1 text.
//! Strict where leniency would let two parsers disagree: spaces in the start line, repeated headers, lone CR.

use bytes::{Buf, Bytes};

use super::header::{CSeq, MaxForwards, NameAddr, Typed, Via};
pub use super::malformed::{Malformation, Malformed, ParseError, Salvage};
use super::{
    Flaw, HeaderName, Headers, Message, Method, Request, Response, StatusCode, Text, Uri, limits, scan,
};

/// Reads a message. `bytes` is all that arrived together; bytes beyond Content-Length are dropped (RFC 3261
/// §18.3). The message shares the buffer of `bytes`.
pub fn parse(mut bytes: Bytes) -> Result<Message, ParseError> {
    if bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | b' ' | 0)) {
        return Err(ParseError::KeepAlive);
    }
    if bytes.len() > limits::MESSAGE {
        return Err(ParseError::malformed(Malformation::TooLarge, None));
    }
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(0);
    bytes.advance(start);
    let (head, body) = match end_of_head(&bytes, 0) {
        Ok(end) => {
            let body = bytes.split_off(end.body);
            bytes.truncate(end.head);
            (bytes, Some(body))
        }
        Err(_) => (bytes, None),
    };
    let head = Text::from_wire(head);
    let (line, lines) = head.split_once('\n').unwrap_or((head.as_str(), ""));
    let line = line.strip_suffix('\r').unwrap_or(line);
    let start = StartLine::read(&head, line);
    let mut headers = Headers::new();
    let mut flaw = if line.contains('\r') { Some(Malformation::LoneCr) } else { start.flaw() };
    flaw = flaw.or(read_headers(&head, lines, &mut headers).err());
    let body = match flaw {
        Some(flaw) => Err(flaw),
        None => check_whole(&headers, start.method(), body),
    };
    assemble(start, headers, body)
}

/// Checks the headers and cuts the body; without a body the head is not whole.
fn check_whole(
    headers: &Headers,
    method: Option<&Method>,
    body: Option<Bytes>,
) -> Result<Bytes, Malformation> {
    let body = body.ok_or(Malformation::Unfinished)?;
    check_headers(headers, method)?;
    cut_body(headers, body)
}

fn assemble(
    start: StartLine,
    headers: Headers,
    body: Result<Bytes, Malformation>,
) -> Result<Message, ParseError> {
    match (body, start) {
        (Ok(body), StartLine::Request { method, uri: Ok(uri), .. }) => {
            Ok(Message::Request(Request { method, uri, headers, body }))
        }
        (Ok(body), StartLine::Response { status: Some(status), reason, .. }) => {
            Ok(Message::Response(Response { status, reason, headers, body }))
        }
        (Err(reason), StartLine::Request { method, .. }) => {
            let answerable = method != Method::Ack && headers.has(&HeaderName::Via);
            let salvage = answerable.then_some(Salvage { method, headers });
            Err(ParseError::malformed(reason, salvage))
        }
        (body, _) => Err(ParseError::malformed(body.err().unwrap_or(Malformation::NotSip), None)),
    }
}

/// Where the head ends and where the body begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadEnd {
    /// Bytes of start line and headers, with the line end of the last.
    pub(super) head: usize,
    /// Where the body begins.
    pub(super) body: usize,
}

/// Finds the empty line, looking from `from` on. `Err` tells from where to look when more has come.
pub(super) fn end_of_head(bytes: &[u8], from: usize) -> Result<HeadEnd, usize> {
    let tail = bytes.get(from..).unwrap_or_default();
    for at in memchr::memchr_iter(b'\n', tail) {
        let head = from + at + 1;
        match (bytes.get(head), bytes.get(head + 1)) {
            (Some(b'\n'), _) => return Ok(HeadEnd { head, body: head + 1 }),
            (Some(b'\r'), Some(b'\n')) => return Ok(HeadEnd { head, body: head + 2 }),
            (None, _) | (Some(b'\r'), None) => return Err(head - 1),
            _ => {}
        }
    }
    Err(bytes.len())
}

/// What a start line says, as far as it can be read.
enum StartLine {
    Request { method: Method, uri: Result<Uri, Flaw>, version: bool, long: bool },
    Response { status: Option<StatusCode>, reason: Text, version: bool },
    Unknown(Malformation),
}

impl StartLine {
    fn read(head: &Text, line: &str) -> Self {
        if line.get(..4).is_some_and(|four| four.eq_ignore_ascii_case("SIP/")) {
            return Self::read_status(head, line);
        }
        // A line with the wrong number of spaces still shows what it was to be, and can be answered.
        let trimmed = scan::trim(line);
        let (Some((method, _)), Some((rest, version))) = (trimmed.split_once(' '), trimmed.rsplit_once(' '))
        else {
            return Self::Unknown(Malformation::NotSip);
        };
        if !version.get(..4).is_some_and(|four| four.eq_ignore_ascii_case("SIP/")) {
            return Self::Unknown(Malformation::NotSip);
        }
        let method = match Method::parse(method) {
            Ok(method) => method,
            Err(flaw) => return Self::Unknown(Malformation::Method(flaw)),
        };
        let uri = rest.get(method.as_str().len() + 1..).unwrap_or_default();
        let uri = if trimmed.len() == line.len() { Uri::parse_slice(head, uri) } else { Err(Flaw::Uri) };
        let version = version.eq_ignore_ascii_case("SIP/2.0");
        Self::Request { method, uri, version, long: line.len() > limits::START_LINE }
    }

    fn read_status(head: &Text, line: &str) -> Self {
        let (version, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status = scan::number(code, 699).filter(|_| code.len() == 3);
        let status = status.and_then(|code| StatusCode::new(u16::try_from(code).ok()?));
        let version = version.eq_ignore_ascii_case("SIP/2.0");
        Self::Response { status, reason: head.slice_of(reason), version }
    }

    fn flaw(&self) -> Option<Malformation> {
        match self {
            Self::Request { version: false, .. } | Self::Response { version: false, .. } => {
                Some(Malformation::Version)
            }
            Self::Request { long: true, .. } => Some(Malformation::StartLineTooLong),
            Self::Request { uri: Err(flaw), .. } => Some(Malformation::RequestUri(*flaw)),
            Self::Response { status: None, .. } => Some(Malformation::StatusCode),
            Self::Unknown(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    fn method(&self) -> Option<&Method> {
        match self {
            Self::Request { method, .. } => Some(method),
            _ => None,
        }
    }
}

/// Reads header lines into `headers`. A line that cannot be read is left out and the first such flaw
/// returned, so that the others can still serve an answer.
fn read_headers(head: &Text, mut rest: &str, headers: &mut Headers) -> Result<(), Malformation> {
    let mut outcome = Ok(());
    while !rest.is_empty() {
        let (line, folded, tail) = next_header(rest);
        rest = tail;
        if headers.len() == limits::HEADERS {
            return outcome.and(Err(Malformation::TooManyHeaders));
        }
        match read_header(head, line, folded) {
            Ok((name, value)) => headers.push(name, value),
            Err(flaw) => outcome = outcome.and(Err(flaw)),
        }
    }
    outcome
}

/// The next header with its folds, whether it has any, and what follows.
fn next_header(text: &str) -> (&str, bool, &str) {
    let bytes = text.as_bytes();
    let mut end = 0;
    let mut folded = false;
    loop {
        let Some(at) = memchr::memchr(b'\n', bytes.get(end..).unwrap_or_default()) else {
            return (text, folded, "");
        };
        end += at + 1;
        if !matches!(bytes.get(end), Some(b' ' | b'\t')) {
            let (line, tail) = text.split_at_checked(end).unwrap_or((text, ""));
            return (line, folded, tail);
        }
        folded = true;
    }
}

fn read_header(head: &Text, line: &str, folded: bool) -> Result<(HeaderName, Text), Malformation> {
    if line.len() > limits::HEADER {
        return Err(Malformation::HeaderTooLong);
    }
    let line = line.strip_suffix('\n').unwrap_or(line);
    let (name, value) = line.split_once(':').ok_or(Malformation::HeaderLine)?;
    let name = name.trim_end_matches([' ', '\t']);
    let name = HeaderName::parse_slice(head, name).map_err(|_| Malformation::HeaderLine)?;
    let value = if folded { Text::from(unfold(value)) } else { head.slice_of(one_line(value)) };
    if memchr::memchr(b'\r', value.as_bytes()).is_some() {
        return Err(Malformation::LoneCr);
    }
    Ok((name, value))
}

/// Without its line end and the white space around it.
fn one_line(text: &str) -> &str {
    text.strip_suffix('\r').unwrap_or(text).trim_matches([' ', '\t'])
}

/// The lines of a folded value, joined by single spaces.
fn unfold(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for part in value.split('\n').map(one_line).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(part);
    }
    out
}

/// Checks what every message must have, and that what decides its way can be read.
fn check_headers(headers: &Headers, method: Option<&Method>) -> Result<(), Malformation> {
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        if !headers.has(&name) {
            return Err(Malformation::Missing(name));
        }
    }
    let bad = |name: &HeaderName, flaw| Malformation::Header(name.clone(), flaw);
    for name in [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::MaxForwards,
        HeaderName::ContentLength,
    ] {
        if headers.get_all(&name).nth(1).is_some() {
            return Err(Malformation::Repeated(name));
        }
    }
    headers.vias().map_err(|flaw| bad(&HeaderName::Via, flaw))?;
    for name in [HeaderName::From, HeaderName::To] {
        check_end(headers, &name).map_err(|flaw| bad(&name, flaw))?;
    }
    check_call_id(headers).map_err(|flaw| bad(&HeaderName::CallId, flaw))?;
    let cseq = headers.read::<CSeq>().map_err(|flaw| bad(&HeaderName::CSeq, flaw))?;
    if method.is_some_and(|method| cseq.is_none_or(|cseq| cseq.method != *method)) {
        return Err(Malformation::MethodMismatch);
    }
    headers.read::<MaxForwards>().map_err(|flaw| bad(&HeaderName::MaxForwards, flaw))?;
    headers.contacts().map_err(|flaw| bad(&HeaderName::Contact, flaw))?;
    for name in [HeaderName::Route, HeaderName::RecordRoute, HeaderName::Path] {
        headers.addresses(&name).map_err(|flaw| bad(&name, flaw))?;
    }
    Ok(())
}

fn check_end(headers: &Headers, name: &HeaderName) -> Result<(), Flaw> {
    let address = headers.get(name).map(NameAddr::parse).transpose()?;
    match address.and_then(|address| address.params.find("tag")) {
        Some(None) => Err(Flaw::Missing),
        Some(Some(tag)) if tag.len() > limits::TAG => Err(Flaw::TooLong),
        // Some devices send base64 with `=` and `/`, which is no token but does no harm.
        Some(Some(tag)) if tag.starts_with(['"', '<']) => Err(Flaw::Token),
        _ => Ok(()),
    }
}

fn check_call_id(headers: &Headers) -> Result<(), Flaw> {
    let id = headers.call_id().map_or("", Text::as_str);
    if id.is_empty() {
        return Err(Flaw::Empty);
    }
    if id.len() > limits::CALL_ID {
        return Err(Flaw::TooLong);
    }
    if id.bytes().any(|b| b <= b' ' || b == 0x7f) { Err(Flaw::Token) } else { Ok(()) }
}

/// The body that Content-Length names; all that is there when it names none.
fn cut_body(headers: &Headers, body: Bytes) -> Result<Bytes, Malformation> {
    let Some(length) = headers.get(&HeaderName::ContentLength) else { return Ok(body) };
    let length = content_length(length).map_err(|f| Malformation::Header(HeaderName::ContentLength, f))?;
    if length > body.len() {
        return Err(Malformation::BodyTooShort);
    }
    Ok(body.slice(..length))
}

/// Reads the value of Content-Length. Longer than [`limits::MESSAGE`] is [`Flaw::TooLong`].
pub(super) fn content_length(value: &str) -> Result<usize, Flaw> {
    let value = scan::trim(value);
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Flaw::Number);
    }
    let length = scan::number(value, limits::MESSAGE as u64).ok_or(Flaw::TooLong)?;
    usize::try_from(length).map_err(|_| Flaw::TooLong)
}

/// For fuzzing and tests: reads every typed view of a message, and drops what it finds.
pub fn read_every_view(message: &Message) {
    let headers = message.headers();
    for header in headers {
        let _ = Via::parse(&header.value);
        let _ = NameAddr::parse(&header.value).map(|a| (a.instance(), a.q(), a.expires(), a.reg_id()));
        let _ = super::header::Challenge::parse(&header.value);
        let _ = super::header::Credentials::parse(&header.value);
        let _ = super::header::AuthenticationInfo::parse(&header.value);
        let _ = super::header::RAck::parse(&header.value);
        let _ = super::header::RSeq::parse(&header.value);
        let _ = super::header::SessionExpires::parse(&header.value);
        let _ = super::header::MinSe::parse(&header.value);
        let _ = super::header::Reason::parse(&header.value);
        let _ = super::header::Replaces::parse(&header.value);
        let _ = super::header::Event::parse(&header.value);
        let _ = super::header::SubscriptionState::parse(&header.value);
        let _ = super::header::ContentType::parse(&header.value);
        let _ = super::header::RetryAfter::parse(&header.value);
        let _ = headers.option_tags(&header.name);
        let _ = headers.addresses(&header.name);
        let _ = headers.values(&header.name).count();
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;

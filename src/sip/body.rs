//! What a body is, and the session description in it: alone, or as a part of a multipart body (RFC 5621).

use bytes::Bytes;

use super::header::{ContentType, Typed};
use super::{HeaderName, Headers, Text, scan};

/// Parts that are looked at before a multipart body is given up.
const PARTS: usize = 16;

/// What kind of body a message has.
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
pub fn kind(headers: &Headers, body: &Bytes) -> BodyKind {
    if body.is_empty() {
        return BodyKind::None;
    }
    match headers.read::<ContentType>() {
        Ok(Some(kind)) if kind.is_sdp() => BodyKind::Sdp,
        Ok(Some(kind)) if kind.kind.eq_ignore_ascii_case("multipart") => BodyKind::Multipart,
        _ => BodyKind::Other,
    }
}

/// The session description: the body, or the first part of it, that is SDP. Shares the body's buffer.
pub fn session_description(headers: &Headers, body: &Bytes) -> Option<Bytes> {
    match kind(headers, body) {
        BodyKind::Sdp => Some(body.clone()),
        BodyKind::Multipart => {
            let boundary = headers.read::<ContentType>().ok()??.params.unquoted("boundary")?.into_owned();
            parts(body, &boundary).take(PARTS).find_map(|part| sdp_of_part(&part))
        }
        _ => None,
    }
}

/// The parts between lines `--boundary`, without the line end before each (RFC 2046 §5.1.1).
fn parts<'a>(body: &'a Bytes, boundary: &str) -> impl Iterator<Item = Bytes> + 'a {
    let mark = format!("--{boundary}").into_bytes();
    let first = if boundary.is_empty() { None } else { find_line(body, &mark) };
    let mut rest = first.map(|at| body.slice(at + mark.len()..));
    std::iter::from_fn(move || {
        // After the last part stands `--boundary--`.
        let text = rest.take().filter(|text| !text.starts_with(b"--"))?;
        let end = find_line(&text, &mark)?;
        rest = Some(text.slice(end + mark.len()..));
        let part = text.slice(..end);
        let line_end = if part.ends_with(b"\r\n") { 2 } else { usize::from(part.ends_with(b"\n")) };
        Some(part.slice(..end - line_end))
    })
}

/// Where a line begins with `mark`.
fn find_line(text: &[u8], mark: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(text, mark).find(|&at| at == 0 || text.get(at - 1) == Some(&b'\n'))
}

/// The content of a part whose Content-Type says SDP. The part begins with the rest of its boundary line.
fn sdp_of_part(part: &Bytes) -> Option<Bytes> {
    let end = super::parse::end_of_head(part, 0).ok()?;
    let head = Text::from_wire(part.slice(..end.head));
    let is_sdp = head.lines().skip(1).any(|line| {
        let Some((name, value)) = line.split_once(':') else { return false };
        let name = HeaderName::parse(&Text::from(scan::trim(name)));
        name == Ok(HeaderName::ContentType)
            && ContentType::parse(&Text::from(scan::trim(value))).is_ok_and(|kind| kind.is_sdp())
    });
    is_sdp.then(|| part.slice(end.body..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(kind: &str, body: &'static str) -> Option<Bytes> {
        let mut headers = Headers::new();
        headers.push(HeaderName::ContentType, kind);
        session_description(&headers, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn alone() {
        assert_eq!(sdp("application/sdp;charset=x", "v=0\r\n").unwrap(), "v=0\r\n");
        assert_eq!(sdp("text/plain", "v=0\r\n"), None);
        assert_eq!(sdp("application/sdp", ""), None);
        assert_eq!(kind(&Headers::new(), &Bytes::from_static(b"x")), BodyKind::Other);
    }

    #[test]
    fn among_others() {
        let body = "preamble\r\n--b1\r\nContent-Type: application/isup\r\n\r\n\0\x01--b1 no\r\n--b1\r\n\
                    Content-Disposition: session\r\nc : Application/SDP\r\n\r\nv=0\r\ns=-\r\n\r\n--b1--\r\n";
        assert_eq!(sdp("multipart/mixed; boundary=\"b1\"", body).unwrap(), "v=0\r\ns=-\r\n");
        let bare = "--b\nContent-Type: application/sdp\n\nv=0\n--b--";
        assert_eq!(sdp("multipart/mixed;boundary=b", bare).unwrap(), "v=0");
    }

    #[test]
    fn broken_ones_hold_none() {
        for body in [
            "",
            "--b",
            "--b--",
            "--b\r\n--b\r\n--b--",
            "--b\r\nContent-Type: application/sdp\r\n\r\nv=0",
            "x",
        ] {
            assert_eq!(sdp("multipart/mixed;boundary=b", body), None, "{body}");
        }
        assert_eq!(sdp("multipart/mixed", "--b\r\n"), None);
        assert_eq!(sdp("multipart/mixed;boundary=\"\"", "--\r\n\r\n--\r\n"), None);
    }
}

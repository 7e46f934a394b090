//! SIP messages as text: just enough for a phone that a script drives.

use std::fmt::Write as _;

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The request line or status line.
    pub start: String,
    /// Header fields in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

const COMPACT: [(&str, &str); 12] = [
    ("v", "via"),
    ("f", "from"),
    ("t", "to"),
    ("i", "call-id"),
    ("m", "contact"),
    ("l", "content-length"),
    ("c", "content-type"),
    ("k", "supported"),
    ("s", "subject"),
    ("o", "event"),
    ("r", "refer-to"),
    ("x", "session-expires"),
];

fn canonical(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    COMPACT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| (*long).to_owned())
}

impl Message {
    /// A request without headers.
    pub fn request(method: &str, uri: &str) -> Self {
        Self { start: format!("{method} {uri} SIP/2.0"), headers: Vec::new(), body: String::new() }
    }

    /// The response to a request, with the headers that RFC 3261 §8.2.6.2 copies.
    pub fn response(&self, code: u16, reason: &str) -> Self {
        let copied = |name: &str| {
            matches!(canonical(name).as_str(), "via" | "from" | "to" | "call-id" | "cseq" | "record-route")
        };
        let headers = self.headers.iter().filter(|(name, _)| copied(name)).cloned().collect();
        Self { start: format!("SIP/2.0 {code} {reason}"), headers, body: String::new() }
    }

    /// The same message with one more header at its end.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same message with an SDP body.
    pub fn with_sdp(mut self, sdp: String) -> Self {
        self.body = sdp;
        self.with("Content-Type", "application/sdp")
    }

    /// Replaces every header of this name by one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(n, _)| canonical(n) != canonical(name));
        self.headers.push((name.to_owned(), value.into()));
    }

    /// The first header of this name (long form; compact ones are found too).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every header of this name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let wanted = canonical(name);
        self.headers.iter().filter(move |(n, _)| canonical(n) == wanted).map(|(_, value)| value.as_str())
    }

    /// The method of a request, or the one a response's CSeq names.
    pub fn method(&self) -> &str {
        if self.is_response() {
            self.get("CSeq").and_then(|v| v.split_whitespace().nth(1)).unwrap_or_default()
        } else {
            self.start.split(' ').next().unwrap_or_default()
        }
    }

    /// The Request-URI of a request.
    pub fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// Whether this is a response.
    pub fn is_response(&self) -> bool {
        self.start.starts_with("SIP/2.0 ")
    }

    /// The status code of a response, 0 for a request.
    pub fn code(&self) -> u16 {
        if self.is_response() { self.uri().parse().unwrap_or(0) } else { 0 }
    }

    /// The sequence number in CSeq.
    pub fn cseq(&self) -> u32 {
        self.get("CSeq").and_then(|v| v.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> &str {
        self.get("Via").and_then(|via| parameter(via, "branch")).unwrap_or_default()
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        self.get("Call-ID").unwrap_or_default()
    }

    /// The body if it is SDP.
    pub fn sdp(&self) -> Option<&str> {
        (!self.body.is_empty() && self.get("Content-Type").is_some_and(|t| t.starts_with("application/sdp")))
            .then_some(self.body.as_str())
    }

    /// The bytes for the wire, Content-Length included.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            if canonical(name) != "content-length" {
                let _ = write!(text, "{name}: {value}\r\n");
            }
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{}", self.body.len(), self.body);
        text
    }

    /// Reads one whole message; headers that go on in the next line are joined.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                let last = headers.last_mut()?;
                last.1 = format!("{} {}", last.1, line.trim());
            } else {
                let (name, value) = line.split_once(':')?;
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Some(Self { start, headers, body: body.to_owned() })
    }

    /// Takes one message from the front of a stream's bytes; `None` until it is whole.
    pub fn take_from(stream: &mut Vec<u8>) -> Option<Self> {
        let head = stream.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&stream[..head]).into_owned();
        let mut message = Self::parse(&text)?;
        let length: usize = message.get("Content-Length").and_then(|v| v.parse().ok()).unwrap_or(0);
        if stream.len() < head + length {
            return None;
        }
        message.body = String::from_utf8_lossy(&stream[head..head + length]).into_owned();
        stream.drain(..head + length);
        Some(message)
    }
}

/// The value of `;name=value` in a header, quotes removed. Parameters inside `<…>` are the URI's and do not count.
pub fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let outside = header.rfind('>').map_or(header, |at| &header[at..]);
    outside.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The URI of a From, To, Contact or Route header.
pub fn uri_of(header: &str) -> &str {
    match header.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => header.split(';').next().unwrap_or_default().trim(),
    }
}

/// The user part of a URI or of a header that holds one.
pub fn user_of(header: &str) -> &str {
    let uri = uri_of(header);
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:600@pbx SIP/2.0\r\nv: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bKx\r\n\
        f: \"A, B\" <sip:1001@pbx;x=y>;tag=t1\r\nSubject: long\r\n line\r\nCSeq: 7 INVITE\r\nl: 3\r\n\r\nv=0";

    #[test]
    fn headers_are_found_by_either_name_and_unfolded() {
        let message = Message::parse(INVITE).unwrap();
        assert_eq!(message.branch(), "z9hG4bKx");
        assert_eq!(message.get("Subject"), Some("long line"));
        assert_eq!(parameter(message.get("From").unwrap(), "tag"), Some("t1"));
        assert_eq!(user_of(message.get("From").unwrap()), "1001");
        assert_eq!((message.method(), message.cseq(), message.code()), ("INVITE", 7, 0));
    }

    #[test]
    fn a_stream_gives_its_messages_one_by_one_wherever_it_is_split() {
        let bytes = [INVITE.as_bytes(), INVITE.as_bytes()].concat();
        for split in 0..bytes.len() {
            let mut stream = bytes[..split].to_vec();
            let mut found = 0;
            while Message::take_from(&mut stream).is_some() {
                found += 1;
            }
            stream.extend_from_slice(&bytes[split..]);
            while Message::take_from(&mut stream).is_some() {
                found += 1;
            }
            assert_eq!((found, stream.len()), (2, 0), "split at {split}");
        }
    }
}

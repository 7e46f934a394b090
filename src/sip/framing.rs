//! Cutting a byte stream into messages (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1).
//!
//! A stream carries messages one after the other, each as long as its Content-Length says. Between them may
//! stand line ends: from the side that opened the connection a double one is a ping, and a single one coming
//! back is the pong.
//!
//! A WebSocket frame is one message (RFC 7118 §5) and needs no [`Framer`]: give it to
//! [`super::parse::parse`], which takes a frame of line ends for a keep-alive.

use bytes::{Buf, Bytes, BytesMut};

use super::parse::{self, HeadEnd};
use super::{Flaw, limits, scan};

/// What a stream held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One message, for [`super::parse::parse`].
    Message(Bytes),
    /// The peer asks whether we are there: answer with one CRLF.
    Ping,
    /// The peer answers our ping.
    Pong,
}

/// Which side opened the connection: only that side pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The peer connected to us; its double CRLF is a ping.
    Accepted,
    /// We connected to the peer; its CRLF is a pong.
    Dialled,
}

/// Why a stream cannot be cut any further. The connection must be closed: nobody can tell where the next
/// message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FramingError {
    /// Start line and headers are longer than [`limits::HEAD`].
    HeadTooLong,
    /// Head and body together are longer than [`limits::MESSAGE`].
    MessageTooLong,
    /// What stands where a message should begin is not text: a TLS hello, a binary protocol.
    NotText,
    /// The first line is finished and is no SIP start line: HTTP, a port scan.
    NotSip,
    /// Content-Length is not a number, or there are two that differ.
    ContentLength,
    /// More than [`limits::BLANK_LINES`] line ends in a row within what was received at once.
    BlankLines,
}

/// Cuts one direction of one stream. Holds at most [`limits::MESSAGE`] bytes beyond what is taken out.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    side: Side,
    /// Up to where the buffer was searched for the end of the head.
    searched: usize,
    /// Length of the message at the front of the buffer, once its head is whole.
    whole: Option<usize>,
    /// Line ends seen in a row before a message.
    blank: usize,
    failed: Option<FramingError>,
}

impl FramingError {
    /// A short name, stable, for counters and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeadTooLong => "head-too-long",
            Self::MessageTooLong => "message-too-long",
            Self::NotText => "not-text",
            Self::NotSip => "not-sip",
            Self::ContentLength => "content-length",
            Self::BlankLines => "blank-lines",
        }
    }
}

impl std::fmt::Display for FramingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for FramingError {}

impl Framer {
    /// For a new stream.
    pub fn new(side: Side) -> Self {
        Self { buffer: BytesMut::new(), side, searched: 0, whole: None, blank: 0, failed: None }
    }

    /// Takes in what was received. Call [`Framer::poll`] until it has no more before the next.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame; `None` when more must come first. After an error it answers the same error always.
    pub fn poll(&mut self) -> Result<Option<Frame>, FramingError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let polled = self.cut();
        if let Err(error) = polled {
            self.failed = Some(error);
            self.buffer = BytesMut::new();
        }
        polled
    }

    /// Whether part of a message is waiting for its rest: a peer that stays so too long is slow or hostile.
    pub fn mid_message(&self) -> bool {
        self.whole.is_some() || self.buffer.iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }

    fn cut(&mut self) -> Result<Option<Frame>, FramingError> {
        if self.whole.is_none() {
            if let Some(frame) = self.line_ends()? {
                return Ok(Some(frame));
            }
            if self.buffer.is_empty()
                || matches!(*self.buffer, [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'])
            {
                return Ok(None);
            }
            let Some(end) = self.head()? else { return Ok(None) };
            let length = declared_length(self.buffer.get(..end.head).unwrap_or_default())?;
            let whole = end.body.saturating_add(length);
            if whole > limits::MESSAGE {
                return Err(FramingError::MessageTooLong);
            }
            self.whole = Some(whole);
        }
        match self.whole {
            Some(whole) if self.buffer.len() >= whole => {
                self.whole = None;
                self.searched = 0;
                self.blank = 0;
                let message = self.buffer.split_to(whole).freeze();
                if self.buffer.is_empty() {
                    // The message holds the old buffer alive; an idle connection shall hold none.
                    self.buffer = BytesMut::new();
                }
                Ok(Some(Frame::Message(message)))
            }
            _ => Ok(None),
        }
    }

    /// Takes line ends from the front, as far as they are whole.
    fn line_ends(&mut self) -> Result<Option<Frame>, FramingError> {
        loop {
            let (taken, frame) = match (self.side, &*self.buffer) {
                (Side::Accepted, [b'\r', b'\n', b'\r', b'\n', ..]) => (4, Some(Frame::Ping)),
                (Side::Dialled, [b'\r', b'\n', ..]) => (2, Some(Frame::Pong)),
                // One line end and then something else: noise after a body.
                (_, [b'\r', b'\n', next, ..]) if *next != b'\r' => (2, None),
                (_, [b'\r', b'\n', b'\r', next, ..]) if *next != b'\n' => return Err(FramingError::NotText),
                (_, [b'\n', ..]) => (1, None),
                (_, [b'\r', next, ..]) if *next != b'\n' => return Err(FramingError::NotText),
                _ => return Ok(None),
            };
            self.buffer.advance(taken);
            self.blank += 1;
            if self.buffer.is_empty() {
                self.blank = 0;
                self.buffer = BytesMut::new();
            }
            if self.blank > limits::BLANK_LINES {
                return Err(FramingError::BlankLines);
            }
            if frame.is_some() {
                return Ok(frame);
            }
        }
    }

    /// Finds the end of the head, checking early that it is going to be one.
    fn head(&mut self) -> Result<Option<HeadEnd>, FramingError> {
        if self.searched == 0 {
            check_first_line(&self.buffer)?;
        }
        match parse::end_of_head(&self.buffer, self.searched) {
            Ok(end) if end.head > limits::HEAD => Err(FramingError::HeadTooLong),
            Ok(end) => Ok(Some(end)),
            Err(_) if self.buffer.len() > limits::HEAD => Err(FramingError::HeadTooLong),
            Err(searched) => {
                // Until the first line is whole it is looked at anew.
                self.searched = if self.buffer.contains(&b'\n') { searched } else { 0 };
                Ok(None)
            }
        }
    }
}

/// The first byte must begin a token; a finished first line must name SIP at one end.
fn check_first_line(bytes: &[u8]) -> Result<(), FramingError> {
    if !bytes.first().is_some_and(|&b| scan::is_token_byte(b)) {
        return Err(FramingError::NotText);
    }
    let (line, finished) = match memchr::memchr(b'\n', bytes) {
        Some(end) => (bytes.get(..end).unwrap_or_default(), true),
        None => (bytes, false),
    };
    if !finished {
        return if line.len() > limits::START_LINE { Err(FramingError::HeadTooLong) } else { Ok(()) };
    }
    let line = line.trim_ascii_end();
    let names_sip = |part: &[u8]| part.get(..4).is_some_and(|four| four.eq_ignore_ascii_case(b"SIP/"));
    let last = line.rsplit(|&b| b == b' ').next().unwrap_or_default();
    if names_sip(line) || names_sip(last) { Ok(()) } else { Err(FramingError::NotSip) }
}

/// What Content-Length says in `head`; 0 when it is absent. Folded values are read to the end of their line
/// only, as no number is longer.
fn declared_length(head: &[u8]) -> Result<usize, FramingError> {
    let mut found = None;
    for line in head.split(|&b| b == b'\n').skip(1) {
        let Some(value) = length_value(line) else { continue };
        let value = std::str::from_utf8(value).map_err(|_| FramingError::ContentLength)?;
        let length = parse::content_length(value).map_err(|flaw| match flaw {
            Flaw::TooLong => FramingError::MessageTooLong,
            _ => FramingError::ContentLength,
        })?;
        if found.replace(length).is_some_and(|before| before != length) {
            return Err(FramingError::ContentLength);
        }
    }
    Ok(found.unwrap_or(0))
}

fn length_value(line: &[u8]) -> Option<&[u8]> {
    if !matches!(line.first(), Some(b'C' | b'c' | b'L' | b'l')) {
        return None;
    }
    let colon = memchr::memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    let is_length = name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l");
    is_length.then(|| line.get(colon + 1..)).flatten()
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;

//! Text that shares the buffer it was received in.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// A piece of UTF-8 text, cheap to clone and to cut: usually a slice of a received datagram.
///
/// It keeps the whole buffer it was cut from alive; see [`Text::detached`].
#[derive(Clone, Default)]
pub struct Text(Bytes);

impl Text {
    /// Text that is in the program itself.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Takes bytes as text. Bytes that are not UTF-8 (old phones send Latin-1 names) are read as
    /// ISO 8859-1, so nothing is lost and what is written onwards is UTF-8, as RFC 3261 §7 asks.
    pub fn from_wire(bytes: Bytes) -> Self {
        if std::str::from_utf8(&bytes).is_ok() {
            return Self(bytes);
        }
        Self::from(bytes.iter().map(|&b| char::from(b)).collect::<String>())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes, sharing the buffer.
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// `part` as a text of its own. It shares this text's buffer when `part` was cut from it, and is a
    /// copy otherwise.
    pub fn slice_of(&self, part: &str) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(self.0.as_ptr() as usize);
        match start.checked_add(part.len()) {
            Some(end) if !part.is_empty() && end <= self.0.len() => Self(self.0.slice(start..end)),
            _ => Self::from(part),
        }
    }

    /// A copy in a buffer of its own: for what is kept longer than the message it came in.
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from(text),
            Cow::Owned(text) => Self::from(text),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_shares_the_buffer_and_a_stranger_is_copied() {
        let text = Text::from("alice@example.com");
        let part = text.slice_of(text.get(6..).unwrap());
        assert_eq!(part, "example.com");
        assert_eq!(part.bytes().as_ptr(), text.bytes()[6..].as_ptr());
        assert_eq!(text.slice_of("elsewhere"), "elsewhere");
        assert_eq!(text.slice_of(""), "");
    }

    #[test]
    fn latin_1_becomes_utf_8() {
        assert_eq!(Text::from_wire(Bytes::from_static(b"J\xF6rg")), "Jörg");
        assert_eq!(Text::from_wire(Bytes::from_static("Jörg".as_bytes())), "Jörg");
    }
}

//! `%`-escapes in URIs (RFC 3261 §19.1.2).

use std::borrow::Cow;
use std::fmt::Write;

use crate::sip::scan;

/// Undoes escapes. A stray `%` stays; bytes that are not UTF-8 afterwards are read as ISO 8859-1.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes: Vec<u8> = decoded_bytes(text).map(|(byte, _)| byte).collect();
    Cow::Owned(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(broken) => broken.into_bytes().into_iter().map(char::from).collect(),
    })
}

/// Escapes what may not stand in the user part.
pub fn user(text: &str) -> Cow<'_, str> {
    let allowed = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
            || matches!(b, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
    };
    if text.bytes().all(allowed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if allowed(byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Cow::Owned(out)
}

/// Whether every `%` is followed by two hexadecimal digits.
pub(super) fn is_well_formed(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'%', bytes)
        .all(|at| bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)))
}

/// The bytes meant by `text`, each with whether it was escaped.
pub(super) fn decoded_bytes(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if byte == b'%' {
            let digit = |n: usize| bytes.get(at + n).copied().and_then(scan::hex_digit);
            if let (Some(high), Some(low)) = (digit(1), digit(2)) {
                at += 3;
                return Some((high << 4 | low, true));
            }
        }
        at += 1;
        Some((byte, false))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_go_both_ways() {
        assert_eq!(decode("sips%3Auser%40example.com"), "sips:user@example.com");
        assert_eq!(user("sips:user@example.com"), "sips%3Auser%40example.com");
        assert_eq!(user("+32-1001"), "+32-1001");
        assert_eq!(decode(&user("Jörg #1%")), "Jörg #1%");
        assert_eq!(decode("%Z%4"), "%Z%4");
        assert_eq!(decode("%F6"), "ö");
        assert!(!is_well_formed("a%4") && !is_well_formed("%Zz") && is_well_formed("%00a"));
    }
}

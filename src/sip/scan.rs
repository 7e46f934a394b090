//! The smallest steps of reading: tokens, quoted strings, lists, numbers. Nothing here allocates unless an
//! escape must be undone.

use std::borrow::Cow;

use super::Flaw;

/// Whether `byte` may stand in a token (RFC 3261 §25.1).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Whether `text` is a token: not empty, token bytes only.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Without the white space around it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// Digits as a number, in any length; `None` if there is another byte or the number is above `max`.
pub(super) fn number(text: &str, max: u64) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit).filter(|&n| n <= max)
    })
}

/// Digits as a `u32` no larger than `max`.
pub(super) fn number_u32(text: &str, max: u32) -> Result<u32, Flaw> {
    number(text, u64::from(max)).and_then(|n| u32::try_from(n).ok()).ok_or(Flaw::Number)
}

/// The position of the first `wanted` byte that is outside of quotes and angle brackets.
pub(super) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b if b == wanted => return Some(at),
            b'"' => at = end_of_quote(bytes, at)?,
            b'<' if wanted != b'<' => {
                at += memchr::memchr(b'>', bytes.get(at..).unwrap_or_default())?;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The position of the quote that closes the one at `open`.
pub(super) fn end_of_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The elements of a comma list, trimmed, quotes and angle brackets respected.
pub(super) struct List<'a> {
    rest: Option<&'a str>,
}

pub(super) fn list(text: &str) -> List<'_> {
    List { rest: Some(text) }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let (item, rest) = cut(text, b',');
        self.rest = rest;
        Some(trim(item))
    }
}

/// `text` before the first outside `mark`, and what follows it if there is one.
pub(super) fn cut(text: &str, mark: u8) -> (&str, Option<&str>) {
    match find_outside(text, mark) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// What a quoted string says, without its quotes and escapes; any other text as it is.
pub(super) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// `text` as a quoted string. Line ends cannot be quoted and become spaces.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\r' | '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether `text` is one whole quoted string.
pub(super) fn is_quoted(text: &str) -> bool {
    text.starts_with('"') && end_of_quote(text.as_bytes(), 0) == Some(text.len() - 1)
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out
}

/// The value of one hexadecimal digit.
pub(super) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Exactly `N` bytes from `2N` hexadecimal digits.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = hex_digit(*pair.first()?)? << 4 | hex_digit(*pair.get(1)?)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_respect_quotes_and_brackets() {
        let got: Vec<_> = list(r#""a, \"b" <sip:x,y@z>;p=1 , <sip:q>,c"#).collect();
        assert_eq!(got, [r#""a, \"b" <sip:x,y@z>;p=1"#, "<sip:q>", "c"]);
        assert_eq!(list(r#""open, x"#).count(), 1);
        assert_eq!(list("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn numbers_do_not_wrap() {
        assert_eq!(number("0068", 255), Some(68));
        assert_eq!(number("36893488147419103232", u64::MAX), None);
        assert_eq!(number("300", 255), None);
        assert_eq!(number("-1", 255), None);
        assert_eq!(number("", 255), None);
    }

    #[test]
    fn quoting_is_undone() {
        for text in ["plain", "with \"quotes\"", r"back\slash", ""] {
            let quoted = quote(text);
            assert!(is_quoted(&quoted));
            assert_eq!(unquote(&quoted), text);
        }
        assert_eq!(quote("a\r\nb"), "\"a  b\"");
        assert!(!is_quoted("\""));
        assert!(!is_quoted(r#""a\""#));
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(unhex::<3>(&hex(&[0, 0xab, 0xff])), Some([0, 0xab, 0xff]));
        assert_eq!(unhex::<1>("0g"), None);
        assert_eq!(unhex::<1>("é"), None);
        assert_eq!(unhex::<1>("123"), None);
    }
}

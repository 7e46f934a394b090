//! Parameters: `;name=value;flag`.

use std::borrow::Cow;
use std::fmt;

use crate::sip::{Flaw, Text, scan};

/// The parameters of a URI or a header, in order, as written. Names compare without regard to case.
///
/// Kept as one text (`;a=b;c`) and read on demand: messages carry many parameters and few are looked at.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Params(Text);

impl Params {
    /// Reads a list that begins with `;`, or is empty.
    pub fn parse(text: &Text) -> Result<Self, Flaw> {
        Self::parse_slice(text, text.as_str())
    }

    /// Reads `part`, a piece of `whole`. Checks that every parameter has a name and a value that can be
    /// written back safely.
    pub(crate) fn parse_slice(whole: &Text, part: &str) -> Result<Self, Flaw> {
        let part = scan::trim(part);
        if part.is_empty() {
            return Ok(Self::default());
        }
        let list = part.strip_prefix(';').filter(|list| !list.is_empty()).ok_or(Flaw::Param)?;
        for (name, value) in pieces(list) {
            let bad_name = |b: u8| b <= b' ' || matches!(b, b'"' | b'<' | b'>' | b',' | 0x7f);
            if name.is_empty() || name.bytes().any(bad_name) {
                return Err(Flaw::Param);
            }
            if let Some(value) = value {
                let plain = !value.is_empty() && !value.bytes().any(bad_name);
                if !plain && !scan::is_quoted(value) && !is_bracketed(value) {
                    return Err(Flaw::Param);
                }
            }
        }
        Ok(Self(whole.slice_of(part)))
    }

    /// A copy that keeps no datagram alive.
    pub fn detached(&self) -> Self {
        Self(self.0.detached())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and value of each, as written (values with their quotes).
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pieces(self.0.as_str().strip_prefix(';').unwrap_or_default())
    }

    /// Whether `name` is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The value of `name` as written; `None` if it is absent or has no value.
    pub fn get(&self, name: &str) -> Option<Text> {
        self.find(name).flatten()
    }

    /// `name`'s value if it has one, `Some(None)` if it stands without, `None` if it is absent.
    pub fn find(&self, name: &str) -> Option<Option<Text>> {
        let (_, value) = self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value.map(|value| self.0.slice_of(value)))
    }

    /// The value of `name` without quotes and their escapes.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        value.map(scan::unquote)
    }

    /// Sets `name`, in its place if it is there, at the end if not. A value that is not safe as it stands
    /// is written as a quoted string.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let mut out = String::with_capacity(self.0.len() + name.len() + 16);
        let mut done = false;
        for (n, v) in self.iter() {
            if !n.eq_ignore_ascii_case(name) {
                push(&mut out, n, v);
            } else if !done {
                push_safely(&mut out, name, value);
                done = true;
            }
        }
        if !done {
            push_safely(&mut out, name, value);
        }
        self.0 = Text::from(out);
    }

    /// Removes `name`; tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        if !self.has(name) {
            return false;
        }
        let mut out = String::with_capacity(self.0.len());
        for (n, v) in self.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name)) {
            push(&mut out, n, v);
        }
        self.0 = Text::from(out);
        true
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn push(out: &mut String, name: &str, value: Option<&str>) {
    out.push(';');
    out.push_str(name);
    if let Some(value) = value {
        out.push('=');
        out.push_str(value);
    }
}

fn push_safely(out: &mut String, name: &str, value: Option<&str>) {
    let safe = |b: u8| b > b' ' && !matches!(b, b'"' | b'<' | b'>' | b',' | b';' | 0x7f);
    match value {
        Some(v) if scan::is_quoted(v) => push(out, name, Some(&scan::quote(&scan::unquote(v)))),
        Some(v) if v.is_empty() || !v.bytes().all(safe) => push(out, name, Some(&scan::quote(v))),
        value => push(out, name, value),
    }
}

/// Whether `value` is a URI in angle brackets, which some phones send unquoted in `+sip.instance`.
fn is_bracketed(value: &str) -> bool {
    value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).is_some_and(|inner| {
        !inner.is_empty() && inner.bytes().all(|b| b > b' ' && !matches!(b, b'<' | b'>' | b'"' | 0x7f))
    })
}

/// The pieces between `;`, trimmed, each as name and value.
fn pieces(list: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = (!list.is_empty()).then_some(list);
    std::iter::from_fn(move || {
        let (piece, tail) = scan::cut(rest?, b';');
        rest = tail;
        Some(match piece.split_once('=') {
            Some((name, value)) => (scan::trim(name), Some(scan::trim(value))),
            None => (scan::trim(piece), None),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Params, Flaw> {
        Params::parse(&Text::from(text))
    }

    #[test]
    fn values_are_found_in_any_case_with_spaces_around() {
        let params = read(r#" ; Tag = 98a ; flag;+sip.instance="<urn:uuid:1;2>";q=0.5 "#).unwrap();
        assert_eq!(params.get("tag").unwrap(), "98a");
        assert_eq!(params.find("FLAG"), Some(None));
        assert_eq!(params.unquoted("+sip.instance").unwrap(), "<urn:uuid:1;2>");
        assert_eq!(params.get("q").unwrap(), "0.5");
        assert_eq!(params.get("flag"), None);
        assert!(!params.has("x"));
    }

    #[test]
    fn empty_and_broken_ones_are_refused() {
        for text in [";", ";;a", ";a=", ";=b", ";a b", "a", ";a=\"b", ";a=b c", ";a=<b"] {
            assert_eq!(read(text), Err(Flaw::Param), "{text}");
        }
    }

    #[test]
    fn setting_keeps_order_and_quotes_when_needed() {
        let mut params = read(";a=1;b;c=3").unwrap();
        params.set("B", Some("x y"));
        params.set("d", None);
        assert!(params.remove("A"));
        assert!(!params.remove("z"));
        assert_eq!(params.to_string(), ";B=\"x y\";c=3;d");
        params.set("c", Some("\"kept;\""));
        assert_eq!(params.to_string(), ";B=\"x y\";c=\"kept;\";d");
    }
}

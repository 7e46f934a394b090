//! Addresses: From, To, Contact, Route, Record-Route, Path, P-Asserted-Identity, Refer-To, …
//! (RFC 3261 §20.10, §25.1 name-addr).

use std::borrow::Cow;
use std::fmt;

use crate::sip::{Flaw, Params, Text, Uri, limits, scan, uri};

/// A URI with perhaps a display name before and parameters after it.
#[derive(Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name as written: tokens, or a quoted string with its quotes.
    display: Option<Text>,
    /// The URI.
    pub uri: Uri,
    /// The header's own parameters (`tag`, `expires`, `+sip.instance`, …).
    pub params: Params,
}

/// The Contact headers of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: every binding (RFC 3261 §10.2.2).
    Star,
    /// The addresses; empty when there is no Contact.
    List(Vec<NameAddr>),
}

impl NameAddr {
    /// An address without name and parameters.
    pub fn new(uri: impl Into<Uri>) -> Self {
        Self { display: None, uri: uri.into(), params: Params::default() }
    }

    /// The same with a display name; an empty one is none.
    pub fn with_display(mut self, name: &str) -> Self {
        self.display = (!name.is_empty()).then(|| Text::from(scan::quote(name)));
        self
    }

    /// The same with a parameter.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// The same with a tag.
    pub fn with_tag(self, tag: &str) -> Self {
        self.with_param("tag", Some(tag))
    }

    /// Reads one value (not a list). In the form without `<>` all parameters are the header's, and the
    /// URI can have no headers.
    pub fn parse(value: &Text) -> Result<Self, Flaw> {
        let text = scan::trim(value.as_str());
        if text.is_empty() {
            return Err(Flaw::Empty);
        }
        let Some(open) = scan::find_outside(text, b'<') else {
            return Self::parse_bare(value, text);
        };
        let (display, rest) = text.split_at_checked(open).ok_or(Flaw::Bracket)?;
        let (inner, params) = rest.get(1..).and_then(|rest| rest.split_once('>')).ok_or(Flaw::Bracket)?;
        let display = scan::trim(display);
        if !is_display_name(display) {
            return Err(Flaw::DisplayName);
        }
        Ok(Self {
            display: (!display.is_empty()).then(|| value.slice_of(display)),
            // RFC 4475 §3.1.2.14: white space around the URI is wrong, but what is meant is clear.
            uri: uri::parse_trimmed(value, inner)?,
            params: Params::parse_slice(value, params)?,
        })
    }

    fn parse_bare(value: &Text, text: &str) -> Result<Self, Flaw> {
        let at = text.find(';').unwrap_or(text.len());
        let (address, params) = text.split_at_checked(at).ok_or(Flaw::Param)?;
        if address.contains('"') {
            return Err(Flaw::Quote);
        }
        if address.contains(',') {
            return Err(Flaw::Uri);
        }
        if address.contains('?') {
            return Err(Flaw::BareHeaders);
        }
        Ok(Self {
            display: None,
            uri: uri::parse_trimmed(value, address)?,
            params: Params::parse_slice(value, params)?,
        })
    }

    /// The display name, quotes and escapes undone.
    pub fn display_name(&self) -> Option<Cow<'_, str>> {
        self.display.as_ref().map(|name| scan::unquote(name))
    }

    /// `tag=`.
    pub fn tag(&self) -> Option<Text> {
        self.params.get("tag")
    }

    /// `expires=` in seconds; a number too large is the largest there is, anything else malformed counts
    /// as absent.
    pub fn expires(&self) -> Option<u32> {
        let value = self.params.get("expires")?;
        super::number::delta_seconds(&value).ok()
    }

    /// `q=` in thousandths: 0 to 1000. Absent or malformed is `None`.
    pub fn q(&self) -> Option<u16> {
        parse_q(&self.params.get("q")?)
    }

    /// `+sip.instance=` without quotes and angle brackets (RFC 5626): usually `urn:uuid:…`.
    pub fn instance(&self) -> Option<Text> {
        let value = self.params.unquoted("+sip.instance")?;
        let inner = value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or(&value);
        (!inner.is_empty()).then(|| Text::from(inner))
    }

    /// `reg-id=` (RFC 5626): 1 to 2^31 - 1.
    pub fn reg_id(&self) -> Option<u32> {
        scan::number_u32(&self.params.get("reg-id")?, limits::CSEQ).ok().filter(|&id| id > 0)
    }

    /// A copy that keeps no datagram alive.
    pub fn detached(&self) -> Self {
        Self {
            display: self.display.as_ref().map(Text::detached),
            uri: self.uri.detached(),
            params: self.params.detached(),
        }
    }
}

impl Contacts {
    /// The addresses; none for `*`.
    pub fn list(&self) -> &[NameAddr] {
        match self {
            Self::Star => &[],
            Self::List(list) => list,
        }
    }

    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        self.list().first()
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{display} ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{display} ")?;
        }
        write!(f, "<{:?}>{}", self.uri, self.params)
    }
}

/// A quoted string, or tokens between white space (other than RFC 3261 also tokens of UTF-8).
fn is_display_name(text: &str) -> bool {
    let word = |b: u8| scan::is_token_byte(b) || matches!(b, b' ' | b'\t') || !b.is_ascii();
    text.is_empty() || scan::is_quoted(text) || text.bytes().all(word)
}

/// `0.5` → 500.
fn parse_q(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = match whole {
        "0" | "" => 0,
        "1" => 1000,
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = fraction
        .bytes()
        .zip([100u16, 10, 1])
        .fold(whole, |sum, (digit, weight)| sum + u16::from(digit - b'0') * weight);
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NameAddr, Flaw> {
        NameAddr::parse(&Text::from(text))
    }

    #[test]
    fn all_forms_are_read() {
        let got = read(r#""J Rosenberg \\\"" <sip:j@example.com;x> ; tag = 98asjd8"#).unwrap();
        assert_eq!(got.display_name().unwrap(), r#"J Rosenberg \""#);
        assert_eq!(got.tag().unwrap(), "98asjd8");
        assert!(got.uri.as_sip().unwrap().params.has("x"));
        let got = read("caller<sip:caller@example.com>;tag=323").unwrap();
        assert_eq!(got.display_name().unwrap(), "caller");
        let got = read("sip:vivekg@example.com ;   tag    = 1918181833n").unwrap();
        assert_eq!(
            (got.tag().unwrap().as_str(), got.uri.to_string().as_str()),
            ("1918181833n", "sip:vivekg@example.com")
        );
        assert!(got.uri.as_sip().unwrap().params.is_empty());
        assert_eq!(read("Jörg <sip:j@x>").unwrap().display_name().unwrap(), "Jörg");
    }

    #[test]
    fn what_phones_send() {
        let got = read(concat!(
            r#""1001" <sip:u7k2@df7jal23ls0d.invalid;transport=ws>;reg-id=1;"#,
            r#"+sip.instance="<urn:uuid:0e0bd6cf-0ba1-4e0c-b9a8-2f5b5f2a1c11>";expires=600;q=0.75"#
        ))
        .unwrap();
        assert_eq!(got.instance().unwrap(), "urn:uuid:0e0bd6cf-0ba1-4e0c-b9a8-2f5b5f2a1c11");
        assert_eq!((got.reg_id(), got.expires(), got.q()), (Some(1), Some(600), Some(750)));
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in [
            "",
            "<sip:a@b",
            r#""Mr. J. User <sip:j.user@example.com>"#,
            "Bell, Alexander <sip:a.g.bell@example.com>",
            r#""Joe" <sip:joe@example.org>;;;;"#,
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "<>",
            "<sip:a@b> x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_made_is_safe() {
        let made = NameAddr::new("sip:a@b".parse::<Uri>().unwrap())
            .with_display("x\" <sip:evil>\r\nY: z")
            .with_tag("t");
        assert_eq!(made.to_string(), "\"x\\\" <sip:evil>  Y: z\" <sip:a@b>;tag=t");
        assert_eq!(read(&made.to_string()).unwrap(), made);
    }

    #[test]
    fn qualities() {
        for (text, q) in [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0.5", Some(500)),
            ("0", Some(0)),
            ("1.1", None),
            ("2", None),
            ("0.1234", None),
            ("x", None),
        ] {
            assert_eq!(parse_q(text), q, "{text}");
        }
    }
}

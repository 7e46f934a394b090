//! Reason (RFC 3326): why a call ended or a request was withdrawn.

use std::borrow::Cow;
use std::fmt;

use super::{HeaderName, Typed};
use crate::sip::{Flaw, Params, StatusCode, Text, scan};

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, …
    pub protocol: Text,
    /// `cause`, `text` and others.
    pub params: Params,
}

impl Reason {
    /// A SIP status as the reason.
    pub fn sip(status: StatusCode, text: &str) -> Self {
        Self::new(Text::from_static("SIP"), status.code(), text)
    }

    /// A Q.850 cause as the reason.
    pub fn q850(cause: u16, text: &str) -> Self {
        Self::new(Text::from_static("Q.850"), cause, text)
    }

    fn new(protocol: Text, cause: u16, text: &str) -> Self {
        let mut params = Params::default();
        params.set("cause", Some(&cause.to_string()));
        if !text.is_empty() {
            params.set("text", Some(&scan::quote(text)));
        }
        Self { protocol, params }
    }

    /// `cause=`.
    pub fn cause(&self) -> Option<u16> {
        let number = scan::number(&self.params.get("cause")?, u64::from(u16::MAX))?;
        u16::try_from(number).ok()
    }

    /// `text=`, unquoted.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.params.unquoted("text")
    }

    /// Whether another device took the call: status 200 in a CANCEL (RFC 3326 §2).
    pub fn answered_elsewhere(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("SIP") && self.cause() == Some(200)
    }
}

impl Typed for Reason {
    const NAME: HeaderName = HeaderName::Reason;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        let at = value.find(';').unwrap_or(value.len());
        let (protocol, params) = value.split_at_checked(at).ok_or(Flaw::Param)?;
        let protocol = scan::trim(protocol);
        if !scan::is_token(protocol) {
            return Err(Flaw::Token);
        }
        Ok(Self { protocol: value.slice_of(protocol), params: Params::parse_slice(value, params)? })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.protocol, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        let got = Reason::parse(&Text::from(r#"SIP ;cause=200 ;text="Call completed elsewhere""#)).unwrap();
        assert!(got.answered_elsewhere());
        assert_eq!(got.text().unwrap(), "Call completed elsewhere");
        assert_eq!(Reason::q850(16, "Normal").to_string(), r#"Q.850;cause=16;text="Normal""#);
        assert!(Reason::parse(&Text::from("a b;cause=1")).is_err());
    }
}

//! Content-Type (RFC 3261 §20.15).

use std::fmt;

use super::{HeaderName, Typed};
use crate::sip::{Flaw, Params, Text, scan};

/// What kind of body a message has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// `application` in `application/sdp`.
    pub kind: Text,
    /// `sdp` in `application/sdp`.
    pub subtype: Text,
    /// `charset`, `boundary` and others.
    pub params: Params,
}

impl ContentType {
    /// `kind/subtype`, without parameters.
    pub fn of(kind: &'static str, subtype: &'static str) -> Self {
        Self { kind: Text::from_static(kind), subtype: Text::from_static(subtype), params: Params::default() }
    }

    /// `application/sdp`.
    pub fn sdp() -> Self {
        Self::of("application", "sdp")
    }

    /// Whether it is `kind/subtype`, in any case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether it is `application/sdp`.
    pub fn is_sdp(&self) -> bool {
        self.is("application", "sdp")
    }
}

impl Typed for ContentType {
    const NAME: HeaderName = HeaderName::ContentType;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        let at = value.find(';').unwrap_or(value.len());
        let (media, params) = value.split_at_checked(at).ok_or(Flaw::Param)?;
        let (kind, subtype) = media.split_once('/').ok_or(Flaw::Missing)?;
        let (kind, subtype) = (scan::trim(kind), scan::trim(subtype));
        if !scan::is_token(kind) || !scan::is_token(subtype) {
            return Err(Flaw::Token);
        }
        Ok(Self {
            kind: value.slice_of(kind),
            subtype: value.slice_of(subtype),
            params: Params::parse_slice(value, params)?,
        })
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        assert!(ContentType::parse(&Text::from("Application / SDP ;charset=utf-8")).unwrap().is_sdp());
        assert_eq!(ContentType::sdp().to_string(), "application/sdp");
        let got = ContentType::parse(&Text::from("multipart/mixed;boundary=\"a;b\"")).unwrap();
        assert_eq!(got.params.unquoted("boundary").unwrap(), "a;b");
        assert!(ContentType::parse(&Text::from("sdp")).is_err());
    }
}

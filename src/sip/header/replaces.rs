//! Replaces (RFC 3891): the dialog that an INVITE takes over.

use std::fmt;

use super::{HeaderName, Typed};
use crate::sip::{Flaw, Params, Text, limits, scan};

/// The dialog to be replaced, as its receiver knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// The dialog's Call-ID.
    pub call_id: Text,
    /// The receiver's own tag.
    pub to_tag: Text,
    /// The other side's tag.
    pub from_tag: Text,
    /// Only a dialog that is not confirmed yet may be replaced.
    pub early_only: bool,
}

impl Typed for Replaces {
    const NAME: HeaderName = HeaderName::Replaces;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        let at = value.find(';').ok_or(Flaw::Missing)?;
        let (call_id, params) = value.split_at_checked(at).ok_or(Flaw::Missing)?;
        let call_id = scan::trim(call_id);
        if call_id.is_empty() {
            return Err(Flaw::Empty);
        }
        if call_id.len() > limits::CALL_ID {
            return Err(Flaw::TooLong);
        }
        let params = Params::parse_slice(value, params)?;
        Ok(Self {
            call_id: value.slice_of(call_id),
            to_tag: params.get("to-tag").ok_or(Flaw::Missing)?,
            from_tag: params.get("from-tag").ok_or(Flaw::Missing)?,
            early_only: params.has("early-only"),
        })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        let text = "98732@sip.example.com;to-tag=ff87ff;from-tag=r33th4x0r;early-only";
        let got = Replaces::parse(&Text::from(text)).unwrap();
        assert_eq!((got.call_id.as_str(), got.early_only), ("98732@sip.example.com", true));
        assert_eq!(got.to_string(), text);
        for text in ["x", "x;to-tag=1", ";to-tag=1;from-tag=2", "x;to-tag;from-tag=2"] {
            assert!(Replaces::parse(&Text::from(text)).is_err(), "{text}");
        }
    }
}

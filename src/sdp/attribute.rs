//! `a=`: one attribute as it stood on the wire (RFC 8866 §5.13). Typed readings are made from these, so that
//! what nobody understands is still there to forward.

use std::fmt;

/// An attribute: `a=name` or `a=name:value`.
///
/// Debug hides the values of attributes that carry secrets (`crypto`, `ice-pwd`, `key-mgmt`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The name, case-sensitive.
    pub name: String,
    /// The value; `None` for a property attribute such as `rtcp-mux`.
    pub value: Option<String>,
}

impl Attribute {
    /// A property attribute.
    pub fn flag(name: &str) -> Self {
        Self { name: name.to_owned(), value: None }
    }

    /// An attribute with a value.
    pub fn new(name: &str, value: impl fmt::Display) -> Self {
        Self { name: name.to_owned(), value: Some(value.to_string()) }
    }

    /// Reads what follows `a=`; `None` if the name is empty or has a space.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.trim_ascii_end(), None),
        };
        (!name.is_empty() && !name.contains([' ', '\t'])).then(|| Self { name: name.to_owned(), value })
    }

    /// The value, or an empty text.
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    fn is_secret(&self) -> bool {
        matches!(self.name.as_str(), "crypto" | "ice-pwd" | "key-mgmt")
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}:{value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret() { write!(f, "{}:<redacted>", self.name) } else { write!(f, "{self}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_values_and_values_with_colons() {
        assert_eq!(Attribute::parse("rtcp-mux"), Some(Attribute::flag("rtcp-mux")));
        assert_eq!(Attribute::parse("mid:0"), Some(Attribute::new("mid", 0)));
        assert_eq!(Attribute::parse("fingerprint:sha-256 AA:BB").unwrap().text(), "sha-256 AA:BB");
        assert_eq!(Attribute::parse("x:").unwrap().value.as_deref(), Some(""));
    }

    #[test]
    fn a_name_must_be_there_and_have_no_space() {
        assert_eq!(Attribute::parse(""), None);
        assert_eq!(Attribute::parse(":value"), None);
        assert_eq!(Attribute::parse("two words:value"), None);
    }

    #[test]
    fn debug_hides_secrets() {
        let secret = Attribute::new("crypto", "1 AES_CM_128_HMAC_SHA1_80 inline:SECRET");
        assert_eq!(format!("{secret:?}"), "crypto:<redacted>");
        assert!(secret.to_string().contains("SECRET"));
    }
}

//! `a=group` (RFC 5888), of which BUNDLE (RFC 9143) is the one that matters here.

use std::fmt;
use std::str::FromStr;

/// Media sections that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `BUNDLE`, `LS` and so on.
    pub semantics: String,
    /// The sections' mids; the first one of a BUNDLE is the tagged section, which carries the transport.
    pub mids: Vec<String>,
}

impl Group {
    /// A BUNDLE group.
    pub fn bundle(mids: impl IntoIterator<Item = String>) -> Self {
        Self { semantics: "BUNDLE".to_owned(), mids: mids.into_iter().collect() }
    }

    /// Whether this is a BUNDLE.
    pub fn is_bundle(&self) -> bool {
        self.semantics == "BUNDLE"
    }

    /// Whether the group names this section.
    pub fn contains(&self, mid: &str) -> bool {
        self.mids.iter().any(|known| known == mid)
    }
}

impl FromStr for Group {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut fields = text.split_ascii_whitespace().map(str::to_owned);
        let semantics = fields.next().ok_or(())?;
        Ok(Self { semantics, mids: fields.collect() })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.mids.iter().try_for_each(|mid| write!(f, " {mid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_read_and_written() {
        let group: Group = "BUNDLE 0 1".parse().unwrap();
        assert!(group.is_bundle() && group.contains("1") && !group.contains("2"));
        assert_eq!(group.to_string(), "BUNDLE 0 1");
        assert_eq!(Group::bundle(["0".to_owned()]).to_string(), "BUNDLE 0");
        assert_eq!("".parse::<Group>(), Err(()));
    }
}

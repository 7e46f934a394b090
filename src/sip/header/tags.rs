//! Lists of tokens: Supported, Require, Proxy-Require, Unsupported (option tags, RFC 3261 §19.2), Allow and
//! Allow-Events.

use std::fmt;

use crate::sip::{Flaw, Headers, Method, Text, limits, scan};

use super::HeaderName;

/// The tokens of all headers of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<Text>);

impl Tags {
    /// Tags from the program itself.
    pub fn of(tags: &[&'static str]) -> Self {
        Self(tags.iter().map(|tag| Text::from_static(tag)).collect())
    }

    /// Reads every header `name`. Empty elements are skipped; anything but tokens is refused.
    pub fn read(headers: &Headers, name: &HeaderName) -> Result<Self, Flaw> {
        let mut tags = Vec::new();
        for value in headers.get_all(name) {
            for tag in scan::list(value).filter(|tag| !tag.is_empty()) {
                if !scan::is_token(tag) {
                    return Err(Flaw::Token);
                }
                if tags.len() == limits::TAGS {
                    return Err(Flaw::TooMany);
                }
                tags.push(value.slice_of(tag));
            }
        }
        Ok(Self(tags))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Text::as_str)
    }

    /// Whether `tag` is there, in any case.
    pub fn has(&self, tag: &str) -> bool {
        self.iter().any(|t| t.eq_ignore_ascii_case(tag))
    }

    /// Whether `method` is there: for Allow, where case counts.
    pub fn allows(&self, method: &Method) -> bool {
        self.iter().any(|t| t == method.as_str())
    }

    /// Adds a tag unless it is there.
    pub fn add(&mut self, tag: &'static str) {
        if !self.has(tag) {
            self.0.push(Text::from_static(tag));
        }
    }

    /// Those that are not in `known`: what goes into Unsupported (RFC 3261 §8.2.2.3).
    pub fn without(&self, known: &[&str]) -> Self {
        let unknown = |tag: &&Text| !known.iter().any(|k| k.eq_ignore_ascii_case(tag));
        Self(self.0.iter().filter(unknown).cloned().collect())
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, tag) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            f.write_str(tag)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_and_repeated_headers_are_one_list() {
        let mut headers = Headers::default();
        headers.push(HeaderName::Require, "100rel, , timer");
        headers.push(HeaderName::Require, "Outbound");
        let tags = Tags::read(&headers, &HeaderName::Require).unwrap();
        assert_eq!(tags.to_string(), "100rel, timer, Outbound");
        assert!(tags.has("outbound") && !tags.has("path"));
        assert_eq!(tags.without(&["timer", "100REL"]), Tags::of(&["Outbound"]));
        headers.push(HeaderName::Require, "a b");
        assert_eq!(Tags::read(&headers, &HeaderName::Require), Err(Flaw::Token));
    }
}

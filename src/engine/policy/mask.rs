//! Numbers by a text in which `*` stands for any characters, none too: `+33*`, `00*900*`, `1001`.
//!
//! Unlike in a route's pattern, `*` is never a key: rules and permissions are about numbers outside, which have none.

use std::fmt;
use std::str::FromStr;

/// Longest mask.
pub const LONGEST_MASK: usize = 40;
/// Most `*` of a mask.
const MOST_STARS: usize = 4;

/// A mask of numbers, in capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(Box<str>);

impl Mask {
    /// Whether a number matches; letters in any case. Takes a time in proportion to both lengths at most.
    pub fn matches(&self, number: &str) -> bool {
        let (mask, number) = (self.0.as_bytes(), number.as_bytes());
        let (mut at, mut place) = (0, 0);
        // Where the last star stood, and up to where it reaches so far.
        let mut star: Option<(usize, usize)> = None;
        while let Some(found) = number.get(place) {
            match mask.get(at) {
                Some(b'*') => {
                    star = Some((at, place));
                    at += 1;
                }
                Some(wanted) if wanted.eq_ignore_ascii_case(found) => {
                    at += 1;
                    place += 1;
                }
                _ => {
                    let Some((last, reach)) = star else { return false };
                    star = Some((last, reach + 1));
                    at = last + 1;
                    place = reach + 1;
                }
            }
        }
        mask.iter().skip(at).all(|left| *left == b'*')
    }
}

impl FromStr for Mask {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-*#._".contains(&byte);
        if text.is_empty() || text.len() > LONGEST_MASK || !text.bytes().all(allowed) {
            return Err(
                "expected 1 to 40 letters, digits, `+`, `-`, `#`, `.`, `_`, and `*` for any characters",
            );
        }
        if text.bytes().filter(|byte| *byte == b'*').count() > MOST_STARS {
            return Err("expected at most four `*`");
        }
        Ok(Self(text.to_ascii_uppercase().into()))
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

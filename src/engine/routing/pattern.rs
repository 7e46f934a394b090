//! Patterns of dialled numbers, and the index that finds the best one in a time that does not grow with their number.
//!
//! A pattern is a text that a number must equal, or one that it must begin with when the pattern ends in `*`:
//! `PAR-*`, `+33*`, `0*`, `1001`, `*97`. Letters match in any case. The most specific pattern wins: an exact one before
//! any prefix, a longer prefix before a shorter one; `*` alone matches everything, last.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// Longest pattern, the final `*` included.
pub const LONGEST_PATTERN: usize = 40;

/// A pattern of dialled numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// In capitals.
    text: Box<str>,
    prefix: bool,
}

impl Pattern {
    /// Whether a number matches.
    pub fn matches(&self, number: &str) -> bool {
        let length = self.text.len();
        let head = if self.prefix { number.get(..length) } else { Some(number) };
        head.is_some_and(|head| head.eq_ignore_ascii_case(&self.text))
            && (!self.prefix || number.len() > length)
    }

    /// Whether it names the beginning of a number only.
    pub const fn is_prefix(&self) -> bool {
        self.prefix
    }
}

impl FromStr for Pattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > LONGEST_PATTERN {
            return Err("expected 1 to 40 characters");
        }
        let (body, prefix) = text.strip_suffix('*').map_or((text, false), |body| (body, true));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-*#._".contains(&byte);
        if !body.bytes().all(allowed) {
            return Err("expected letters, digits, `+`, `-`, `*`, `#`, `.` and `_`");
        }
        Ok(Self { text: body.to_ascii_uppercase().into(), prefix })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.prefix { "*" } else { "" })
    }
}

/// Finds what belongs to the most specific pattern: one look-up for the exact number, one for each length of prefix that
/// there is, at most [`LONGEST_PATTERN`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PatternIndex {
    exact: HashMap<Box<str>, Vec<u32>>,
    prefixes: HashMap<Box<str>, Vec<u32>>,
    /// The lengths of prefixes, longest first.
    lengths: Vec<usize>,
}

impl PatternIndex {
    /// Enters a place under a pattern; places of one pattern stay in the order of entry.
    pub(super) fn insert(&mut self, pattern: &Pattern, place: u32) {
        let map = if pattern.prefix { &mut self.prefixes } else { &mut self.exact };
        map.entry(pattern.text.clone()).or_default().push(place);
        let length = pattern.text.len();
        if pattern.prefix && !self.lengths.contains(&length) {
            self.lengths.push(length);
            self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// The places of the most specific pattern that matches.
    pub(super) fn find(&self, number: &str) -> &[u32] {
        let number = number.to_ascii_uppercase();
        if let Some(places) = self.exact.get(number.as_str()) {
            return places;
        }
        let found = self.lengths.iter().find_map(|length| {
            let head = number.get(..*length).filter(|_| number.len() > *length)?;
            self.prefixes.get(head)
        });
        found.map_or(&[], Vec::as_slice)
    }

    /// Puts the places of each pattern in order.
    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(u32) -> K) {
        for places in self.exact.values_mut().chain(self.prefixes.values_mut()) {
            places.sort_by_key(|place| key(*place));
        }
    }
}

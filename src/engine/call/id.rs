//! Names of calls and legs.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Names one call. Random, so that it cannot be guessed from another; written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not a call's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACallId;

impl FromStr for CallId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<Self, NotACallId> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { u64::from_str_radix(text, 16).map(Self).map_err(|_| NotACallId) } else { Err(NotACallId) }
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Names a leg of a call: its place among the call's legs. Leg A is 0; places are never reused in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId {
    /// The call.
    pub call: CallId,
    /// The place.
    pub place: u16,
}

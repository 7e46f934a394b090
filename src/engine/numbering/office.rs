//! An office's id, which is also the prefix before an extension of another office: `PAR-1001`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bounds of an id's characters.
const SHORTEST: usize = 2;
const LONGEST: usize = 8;

/// An office: two to eight capital letters and digits, a letter first (`BRU`). Eight bytes, cheap to copy; ordered
/// as its text is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfficeId([u8; LONGEST]);

/// The text is no office's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected two to eight capital letters and digits, a letter first, as in \"BRU\"")]
pub struct NotAnOffice;

impl OfficeId {
    /// The id as written.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(LONGEST);
        self.0.get(..length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The bytes as written, zeros behind.
    pub const fn to_bytes(self) -> [u8; LONGEST] {
        self.0
    }
}

impl FromStr for OfficeId {
    type Err = NotAnOffice;

    fn from_str(text: &str) -> Result<Self, NotAnOffice> {
        let begins_well = text.starts_with(|first: char| first.is_ascii_uppercase());
        let all_allowed = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !begins_well || !all_allowed || !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(NotAnOffice);
        }
        let mut bytes = [0; LONGEST];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for OfficeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for OfficeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for OfficeId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for OfficeId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_and_shown() {
        for good in ["AB", "BRU", "BRU2", "ABCDEFGH"] {
            let office: OfficeId = good.parse().unwrap();
            assert_eq!((office.as_str(), office.to_string().as_str()), (good, good));
            let json = serde_json::to_string(&office).unwrap();
            assert_eq!(json, format!("\"{good}\""));
            assert_eq!(serde_json::from_str::<OfficeId>(&json).unwrap(), office);
        }
        for bad in ["", "A", "bru", "1BR", "BRU-", "ABCDEFGHI", "BRÜ"] {
            assert_eq!(bad.parse::<OfficeId>(), Err(NotAnOffice), "{bad}");
        }
    }

    #[test]
    fn ids_are_ordered_as_their_texts() {
        let texts = ["AB", "ABC", "B2", "BRU", "PAR"];
        let offices = texts.map(|text| text.parse::<OfficeId>().unwrap());
        assert!(offices.is_sorted());
    }
}

//! Offices, and numbers that name one: `PAR-1001`.

use std::fmt;
use std::str::FromStr;

use super::reason::NumberError;

/// An office's id: two to eight characters, capital letters and digits, beginning with a letter (`BRU`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfficeId([u8; OfficeId::LONGEST]);

impl OfficeId {
    /// Most characters.
    pub const LONGEST: usize = 8;

    /// The id as written.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(Self::LONGEST);
        self.0.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The office that a dialled text begins with, in capitals or not, and what follows the `-`: `par-1001` is `PAR` and
    /// `1001`. Nothing when there is no office's prefix or nothing follows it.
    pub fn split(dialled: &str) -> Option<(Self, &str)> {
        let (office, rest) = dialled.split_once('-')?;
        let office = Self::from_any_case(office)?;
        (!rest.is_empty()).then_some((office, rest))
    }

    fn from_any_case(text: &str) -> Option<Self> {
        let mut id = [0; Self::LONGEST];
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if !begins_well || text.len() < 2 || text.len() > Self::LONGEST {
            return None;
        }
        for (place, byte) in id.iter_mut().zip(text.bytes()) {
            *place = byte.to_ascii_uppercase();
        }
        text.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(Self(id))
    }
}

impl FromStr for OfficeId {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let is_capital = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        let id = Self::from_any_case(text).filter(|_| is_capital);
        id.ok_or_else(|| NumberError::NotAnOffice(text.chars().take(16).collect()))
    }
}

impl fmt::Display for OfficeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for OfficeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfficeId({})", self.as_str())
    }
}

/// A number of another office: `PAR-1001`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfficeNumber {
    office: OfficeId,
    number: Box<str>,
}

impl OfficeNumber {
    /// Longest number behind the office's prefix.
    pub const LONGEST: usize = 32;

    /// Makes one of its parts: at most 32 letters, digits, `+`, `-`, `*`, `#`, `.` and `_`.
    pub fn new(office: OfficeId, number: &str) -> Result<Self, NumberError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+-*#._".contains(c);
        if number.is_empty() {
            return Err(NumberError::MissingLocalPart);
        }
        if number.len() > Self::LONGEST {
            return Err(NumberError::TextTooLong { length: number.len(), most: Self::LONGEST });
        }
        match (1..).zip(number.chars()).find(|(_, character)| !allowed(*character)) {
            Some((place, character)) => Err(NumberError::UnexpectedCharacter { character, place }),
            None => Ok(Self { office, number: number.into() }),
        }
    }

    /// The office that has the number.
    pub const fn office(&self) -> OfficeId {
        self.office
    }

    /// The number as it is dialled there.
    pub fn number(&self) -> &str {
        &self.number
    }
}

impl fmt::Display for OfficeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.office, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_alphabet() {
        for text in ["BRU", "PAR", "P2", "ABCDEFGH"] {
            assert_eq!(text.parse::<OfficeId>().unwrap().as_str(), text);
        }
        for bad in ["", "B", "bru", "1BRU", "TOOLONGID", "B U", "É1"] {
            assert!(bad.parse::<OfficeId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_is_split_off_in_any_case() {
        let split = |text| OfficeId::split(text).map(|(office, rest)| (office.to_string(), rest));
        assert_eq!(split("PAR-1001"), Some(("PAR".to_owned(), "1001")));
        assert_eq!(split("par-32-1001"), Some(("PAR".to_owned(), "32-1001")));
        for none in ["1001", "32-1001", "PAR-", "PAR", "-1001", "P-1", "TOOLONGID-1", "echo"] {
            assert_eq!(split(none), None, "{none}");
        }
    }
}

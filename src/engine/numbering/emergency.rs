//! Emergency numbers: the two that are such everywhere, and those of the site.

use std::fmt;

use super::extension::Written;
use super::reason::NumberError;

/// Emergency numbers whatever is configured: 112 on every GSM network (3GPP TS 22.101 §10.1.1), 911 in North America.
pub(super) const ALWAYS: [&str; 2] = ["112", "911"];
/// Most numbers a site can add.
const MAX_NUMBERS: usize = 32;
/// Bounds of an emergency number's digits.
const DIGITS: std::ops::RangeInclusive<usize> = 2..=8;

/// An emergency number, as it goes to the PSTN: digits only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmergencyNumber(Box<str>);

impl EmergencyNumber {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmergencyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The emergency numbers of a site. 112 and 911 are always among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyNumbers(Vec<EmergencyNumber>);

impl EmergencyNumbers {
    /// The two, and those of the site: at most 32 of 2 to 8 digits.
    pub fn new<'a>(configured: impl IntoIterator<Item = &'a str>) -> Result<Self, NumberError> {
        let mut numbers = Self::default();
        for text in configured {
            let digits = DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits {
                return Err(NumberError::NotAnEmergencyNumber(text.chars().take(16).collect()));
            }
            if numbers.find(text).is_some() {
                continue;
            }
            if numbers.0.len() >= ALWAYS.len() + MAX_NUMBERS {
                return Err(NumberError::TooManyEntries { most: MAX_NUMBERS });
            }
            numbers.0.push(EmergencyNumber(text.into()));
        }
        Ok(numbers)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &EmergencyNumber> {
        self.0.iter()
    }

    /// Whether a dialled text is one: its digits are exactly the number's, whatever separators or `+` stood there.
    pub fn contains(&self, dialled: &str) -> bool {
        self.matching(dialled).is_some()
    }

    /// The number a dialled text is.
    pub fn matching(&self, dialled: &str) -> Option<&EmergencyNumber> {
        Written::read(dialled).ok().and_then(|written| self.find(&written.digits))
    }

    pub(super) fn find(&self, digits: &str) -> Option<&EmergencyNumber> {
        self.0.iter().find(|number| &*number.0 == digits)
    }
}

impl Default for EmergencyNumbers {
    fn default() -> Self {
        Self(ALWAYS.iter().map(|number| EmergencyNumber((*number).into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_always_there() {
        let numbers = EmergencyNumbers::new([]).unwrap();
        assert!(numbers.contains("112") && numbers.contains("911"));
        for text in ["1-1-2", "+112", "9 1 1"] {
            assert!(numbers.contains(text), "{text}");
        }
        for text in ["", "1", "11", "1120", "1112", "119", "one-one-two", "*112"] {
            assert!(!numbers.contains(text), "{text}");
        }
    }

    #[test]
    fn a_site_adds_its_own() {
        let numbers = EmergencyNumbers::new(["100", "101", "112"]).unwrap();
        let all: Vec<&str> = numbers.iter().map(EmergencyNumber::as_str).collect();
        assert_eq!(all, ["112", "911", "100", "101"]);
        assert_eq!(numbers.matching("1.0.1").map(EmergencyNumber::as_str), Some("101"));
    }

    #[test]
    fn bounds() {
        for text in ["", "1", "123456789", "1x", "+100"] {
            assert!(
                matches!(EmergencyNumbers::new([text]), Err(NumberError::NotAnEmergencyNumber(_))),
                "{text}"
            );
        }
        let many: Vec<String> = (1_000..1_033).map(|number| number.to_string()).collect();
        assert!(EmergencyNumbers::new(many.iter().take(32).map(String::as_str)).is_ok());
        let refused = EmergencyNumbers::new(many.iter().map(String::as_str));
        assert_eq!(refused, Err(NumberError::TooManyEntries { most: 32 }));
    }
}

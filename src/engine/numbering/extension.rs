//! An extension: a user's number, with or without a country.

use std::fmt;
use std::str::FromStr;

use super::country::CountryCode;
use super::emergency::ALWAYS;
use super::reason::NumberError;

/// Longest text read as a number, in bytes.
pub(super) const MAX_TEXT: usize = 40;
/// Most digits of country code and local part together (ITU-T E.164 §6.1).
pub(super) const MAX_DIGITS: usize = 15;
/// Fewest digits of a local part.
const MIN_LOCAL_DIGITS: usize = 2;

/// A user's number, in canonical form: `LOCAL` or `COUNTRY-LOCAL`, where `LOCAL` has at least 2 digits and both
/// together at most 15. Never one of the numbers that are emergency numbers everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extension(Box<str>);

impl Extension {
    /// Makes one of its parts. `local` is digits only.
    pub fn new(country: Option<CountryCode>, local: &str) -> Result<Self, NumberError> {
        check_digits(local)?;
        let digits = local.len();
        let all = digits + country.map_or(0, CountryCode::digits);
        if digits < MIN_LOCAL_DIGITS {
            return Err(NumberError::TooFewDigits { digits, least: MIN_LOCAL_DIGITS });
        }
        if all > MAX_DIGITS {
            return Err(NumberError::TooManyDigits { digits: all, most: MAX_DIGITS });
        }
        match country {
            Some(country) => Ok(Self(format!("{country}-{local}").into())),
            None if ALWAYS.contains(&local) => Err(NumberError::Emergency(local.to_owned())),
            None => Ok(Self(local.into())),
        }
    }

    /// Its canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its country code, if it has one.
    pub fn country(&self) -> Option<CountryCode> {
        self.0.split_once('-').and_then(|(country, _)| country.parse().ok())
    }

    /// The digits after the country code: what is dialled within the office.
    pub fn local_part(&self) -> &str {
        self.0.split_once('-').map_or(&*self.0, |(_, local)| local)
    }

    /// The same extension with the country filled in where it had none.
    ///
    /// # Errors
    /// [`NumberError::TooManyDigits`] if there is no room for the country code.
    pub fn in_country(&self, home: CountryCode) -> Result<Self, NumberError> {
        if self.country().is_some() { Ok(self.clone()) } else { Self::new(Some(home), self.local_part()) }
    }
}

/// The extensions of one country, in their order; those without a country are `home`'s.
pub fn list_by_country<'a>(
    extensions: impl IntoIterator<Item = &'a Extension>,
    country: CountryCode,
    home: CountryCode,
) -> impl Iterator<Item = &'a Extension> {
    extensions.into_iter().filter(move |extension| extension.country().unwrap_or(home) == country)
}

impl FromStr for Extension {
    type Err = NumberError;

    /// Reads any of the written forms in this module's table.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let number = Written::read(text)?;
        if number.international {
            let (country, local) = CountryCode::split(&number.digits)
                .ok_or_else(|| NumberError::UnknownCountryCode(number.digits.chars().take(3).collect()))?;
            return Self::new(Some(country), local);
        }
        match number.first_group() {
            Some((country, local)) => Self::new(Some(country.parse()?), local),
            None => Self::new(None, &number.digits),
        }
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number as it was written, separators taken out.
pub(super) struct Written {
    /// It began with `+`.
    pub international: bool,
    /// All its digits, at least one.
    pub digits: String,
    /// How many of them stood before the first separator; all of them if there was none.
    group: usize,
}

impl Written {
    pub(super) fn read(text: &str) -> Result<Self, NumberError> {
        if text.len() > MAX_TEXT {
            return Err(NumberError::TextTooLong { length: text.len(), most: MAX_TEXT });
        }
        let mut written = Self { international: false, digits: String::new(), group: 0 };
        let mut separated = false;
        for (place, character) in (1..).zip(text.chars()) {
            match character {
                '+' if place == 1 => written.international = true,
                '0'..='9' => {
                    written.digits.push(character);
                    written.group += usize::from(!separated);
                }
                '-' | '.' | ' ' | '(' | ')' => separated |= !written.digits.is_empty(),
                _ => return Err(NumberError::UnexpectedCharacter { character, place }),
            }
        }
        if written.digits.is_empty() { Err(NumberError::Empty) } else { Ok(written) }
    }

    /// The digits before and after the first separator, if there was one.
    pub(super) fn first_group(&self) -> Option<(&str, &str)> {
        let (group, rest) = self.digits.split_at_checked(self.group)?;
        (!rest.is_empty()).then_some((group, rest))
    }
}

fn check_digits(local: &str) -> Result<(), NumberError> {
    if local.is_empty() {
        return Err(NumberError::MissingLocalPart);
    }
    match (1..).zip(local.chars()).find(|(_, character)| !character.is_ascii_digit()) {
        Some((place, character)) => Err(NumberError::UnexpectedCharacter { character, place }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Extension, NumberError> {
        text.parse()
    }

    fn code(number: u16) -> CountryCode {
        CountryCode::new(number).unwrap()
    }

    #[test]
    fn every_written_form() {
        for (text, canonical, country, local) in [
            ("1001", "1001", None, "1001"),
            ("32-1001", "32-1001", Some(32), "1001"),
            ("32.1001", "32-1001", Some(32), "1001"),
            ("+32-1001", "32-1001", Some(32), "1001"),
            ("+321001", "32-1001", Some(32), "1001"),
            ("32-001-00-00-00", "32-001000000", Some(32), "001000000"),
            ("1-800-123-4567", "1-8001234567", Some(1), "8001234567"),
            ("+1 (800) 123-4567", "1-8001234567", Some(1), "8001234567"),
            ("+352 26 12 34", "352-261234", Some(352), "261234"),
            ("0042", "0042", None, "0042"),
            ("32-112", "32-112", Some(32), "112"),
        ] {
            let extension = read(text).unwrap();
            assert_eq!(extension.as_str(), canonical, "{text}");
            assert_eq!(extension.country().map(CountryCode::number), country, "{text}");
            assert_eq!(extension.local_part(), local, "{text}");
        }
    }

    #[test]
    fn errors_name_what_was_wrong() {
        for (text, message) in [
            ("", "the number is empty"),
            ("+", "the number is empty"),
            ("--", "the number is empty"),
            ("10a1", "character 3 is 'a'"),
            ("10+1", "character 3 is '+'"),
            ("PAR-1001", "character 1 is 'P'"),
            ("999-1001", "`999` is not a country calling code"),
            ("032-1001", "`032` is not a country calling code"),
            ("+2101001", "`210` is not a country calling code"),
            ("+32", "no digits after the country code"),
            ("32-1", "has 1 digits; expected at least 2"),
            ("7", "has 1 digits; expected at least 2"),
            ("1234567890123456", "has 16 digits; expected at most 15"),
            ("32-12345678901234", "has 16 digits; expected at most 15"),
            ("112", "`112` is an emergency number"),
            ("911", "`911` is an emergency number"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
        }
        assert_eq!(read(&"1".repeat(41)), Err(NumberError::TextTooLong { length: 41, most: 40 }));
    }

    #[test]
    fn the_home_country_is_filled_in_once() {
        let home = code(32);
        assert_eq!(read("1001").unwrap().in_country(home), read("32-1001"));
        assert_eq!(read("33-1001").unwrap().in_country(home), read("33-1001"));
        assert!(read("123456789012345").unwrap().in_country(home).is_err());
    }

    #[test]
    fn listed_by_country() {
        let all = ["1001", "33-1002", "32-1003"].map(|text| read(text).unwrap());
        let listed = |country| {
            list_by_country(&all, code(country), code(32)).map(Extension::as_str).collect::<Vec<_>>()
        };
        assert_eq!(listed(32), ["1001", "32-1003"]);
        assert_eq!(listed(33), ["33-1002"]);
        assert_eq!(listed(1), [""; 0]);
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_the_canonical_form_is_fixed(text in "\\PC{0,45}|[+]?[0-9. ()-]{0,24}") {
            if let Ok(extension) = read(&text) {
                prop_assert_eq!(read(extension.as_str()), Ok(extension));
            }
        }
    }
}

//! Why a text is no number.

use thiserror::Error;

/// What was wrong with a number, an extension or a list of them. The messages name the part and what was expected.
#[derive(Clone, Debug, Error, PartialEq, Eq, Hash)]
pub enum NumberError {
    /// No text.
    #[error("the number is empty")]
    Empty,
    /// A text above the bound.
    #[error("the number has {length} characters; at most {most} are read")]
    TextTooLong {
        /// Bytes in the text.
        length: usize,
        /// The bound.
        most: usize,
    },
    /// Neither digit nor separator.
    #[error(
        "character {place} is {character:?}; expected digits, `-`, `.`, space, parentheses, or a leading `+`"
    )]
    UnexpectedCharacter {
        /// The character.
        character: char,
        /// Its place, counted from 1.
        place: usize,
    },
    /// The digits before the first separator, or after `+`, begin with no country code.
    #[error("`{0}` is not a country calling code")]
    UnknownCountryCode(String),
    /// Nothing after the country code, or no digit at all.
    #[error("there are no digits after the country code")]
    MissingLocalPart,
    /// A local part below the bound.
    #[error("the local part has {digits} digits; expected at least {least}")]
    TooFewDigits {
        /// Digits in the local part.
        digits: usize,
        /// The bound.
        least: usize,
    },
    /// Country code and local part above the bound.
    #[error("the number has {digits} digits; expected at most {most}")]
    TooManyDigits {
        /// Digits in all.
        digits: usize,
        /// The bound.
        most: usize,
    },
    /// An extension that would hide an emergency number.
    #[error("`{0}` is an emergency number and cannot be an extension")]
    Emergency(String),
    /// An office's id outside its alphabet.
    #[error(
        "`{0}` is no office; expected two to eight capital letters and digits, a letter first, as in `BRU`"
    )]
    NotAnOffice(String),
    /// An emergency number that is not a few digits.
    #[error("`{0}` cannot be an emergency number; expected 2 to 8 digits")]
    NotAnEmergencyNumber(String),
    /// A feature code that is not digits, `*` and `#`.
    #[error("`{0}` is not a feature code; expected 2 to 16 digits, `*` and `#`")]
    NotAFeatureCode(String),
    /// A configured list above its bound.
    #[error("the list has more than {most} entries")]
    TooManyEntries {
        /// The bound.
        most: usize,
    },
}

impl NumberError {
    /// The name used as a metrics label.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TextTooLong { .. } => "text-too-long",
            Self::UnexpectedCharacter { .. } => "unexpected-character",
            Self::UnknownCountryCode(_) => "unknown-country-code",
            Self::MissingLocalPart => "missing-local-part",
            Self::TooFewDigits { .. } => "too-few-digits",
            Self::TooManyDigits { .. } => "too-many-digits",
            Self::Emergency(_) => "emergency",
            Self::NotAnOffice(_) => "not-an-office",
            Self::NotAnEmergencyNumber(_) => "not-an-emergency-number",
            Self::NotAFeatureCode(_) => "not-a-feature-code",
            Self::TooManyEntries { .. } => "too-many-entries",
        }
    }
}

//! What a written number means, for people and tools.

use serde::Serialize;

use super::{CountryCode, Dialled, Extension, NumberError, NumberPlan};

/// An extension, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TakenApart {
    /// The one canonical form: `1001` or `32-1001`.
    pub number: String,
    /// Absent where neither the number nor the office's configuration says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// The country's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<&'static str>,
    /// The digits after the country code.
    pub local: String,
}

/// What a written number means in this office.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// `extension`, `office` (a number of another office), `emergency`, `service` or `external`.
    pub kind: &'static str,
    /// The canonical form.
    pub number: String,
    /// The country calling code, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// The country's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<&'static str>,
    /// What follows the country code, or the office's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// What is dialled for it in this office.
    pub dial: String,
    /// Whether it is an extension of this office.
    pub exists: bool,
}

impl TakenApart {
    /// An extension; one without a country is of `home`.
    pub fn of(extension: &Extension, home: Option<CountryCode>) -> Self {
        let country = extension.country().or(home);
        Self {
            number: extension.to_string(),
            country_code: country.map(|code| code.to_string()),
            country: country.map(CountryCode::name),
            local: extension.local_part().to_owned(),
        }
    }
}

impl Meaning {
    /// What `text` means; `exists` says which extensions the office has.
    pub fn of(
        text: &str,
        numbers: &NumberPlan,
        exists: impl Fn(&Extension) -> bool,
    ) -> Result<Self, NumberError> {
        let dialled = numbers.classify(text).and_then(in_a_country)?;
        let dial = numbers.normalise(text, &exists);
        let plain = |kind, number: String| Self {
            kind,
            number,
            country_code: None,
            country: None,
            local: None,
            dial: dial.clone(),
            exists: false,
        };
        Ok(match dialled {
            Dialled::Extension(extension) => {
                let TakenApart { number, country_code, country, local } =
                    TakenApart::of(&extension, numbers.home());
                let exists = dial.parse().is_ok_and(|number| exists(&number));
                Self { country_code, country, local: Some(local), exists, ..plain("extension", number) }
            }
            Dialled::Office(number) => {
                let local = Some(number.number().to_owned());
                Self { local, ..plain("office", number.to_string()) }
            }
            Dialled::Emergency(number) => plain("emergency", number.to_string()),
            Dialled::Service(code) => plain("service", code.to_string()),
            Dialled::External(number) => {
                let digits = number.as_str().strip_prefix('+').unwrap_or_default();
                let split = CountryCode::split(digits);
                Self {
                    country_code: split.map(|(code, _)| code.to_string()),
                    country: split.map(|(code, _)| code.name()),
                    local: split.map(|(_, local)| local.to_owned()),
                    ..plain("external", number.to_string())
                }
            }
        })
    }
}

/// A number with a plus must begin with a country code that somebody has.
fn in_a_country(dialled: Dialled) -> Result<Dialled, NumberError> {
    if let Dialled::External(number) = &dialled
        && let Some(digits) = number.as_str().strip_prefix('+')
        && CountryCode::split(digits).is_none()
    {
        return Err(NumberError::UnknownCountryCode(digits.chars().take(3).collect()));
    }
    Ok(dialled)
}

//! What a dialled user part means.
//!
//! The order of the questions is the rule:
//!
//! | question | answer |
//! | --- | --- |
//! | the digits of an emergency number, also behind the home country's code | [`Dialled::Emergency`] |
//! | this office's prefix and `-` | what the rest means, by this table |
//! | the digits of an emergency number behind another office's prefix | [`Dialled::Emergency`]: help comes to where the caller is |
//! | one of the site's services, or begins with `*` or `#` | [`Dialled::Service`] |
//! | another office's prefix, `-` and a number | [`Dialled::Office`] |
//! | plain digits, as many as the site's extensions have | [`Dialled::Extension`] |
//! | a country code, a separator and digits | [`Dialled::Extension`] |
//! | `+`, a country code, and as many digits as the site's extensions have | [`Dialled::Extension`] |
//! | any other number | [`Dialled::External`] |
//! | anything else | an error: there is no such number |
//!
//! Whether an extension exists is not asked here.

use std::fmt;
use std::ops::RangeInclusive;

use super::country::CountryCode;
use super::emergency::{EmergencyNumber, EmergencyNumbers};
use super::extension::{Extension, MAX_DIGITS, Written};
use super::office::{OfficeId, OfficeNumber};
use super::reason::NumberError;

/// Most services a site can name.
const MAX_SERVICES: usize = 64;
/// Bounds of a feature code's characters.
const FEATURE_CODE_LENGTH: RangeInclusive<usize> = 2..=16;
/// Most digits of an external number that is not international: prefixes stand before it.
const MAX_DIALLED_DIGITS: usize = 24;

/// A dialled user part, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// A user's number, of this office or another.
    Extension(Extension),
    /// A number of another office.
    Office(OfficeNumber),
    /// An emergency number: goes out in every mode.
    Emergency(EmergencyNumber),
    /// A function of the PBX.
    Service(FeatureCode),
    /// A number outside.
    External(ExternalNumber),
}

/// A code that reaches a function: `*97`, or a service's number or name as configured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureCode(Box<str>);

impl FeatureCode {
    /// The code as dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FeatureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number outside: digits, after a `+` when it was written with its country code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalNumber(Box<str>);

impl ExternalNumber {
    /// Digits, perhaps with a `+` before them.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it carries its country code.
    pub fn is_international(&self) -> bool {
        self.0.starts_with('+')
    }

    fn new(written: &Written) -> Result<Self, NumberError> {
        let digits = written.digits.len();
        let most = if written.international { MAX_DIGITS } else { MAX_DIALLED_DIGITS };
        if digits > most {
            return Err(NumberError::TooManyDigits { digits, most });
        }
        let sign = if written.international { "+" } else { "" };
        Ok(Self(format!("{sign}{}", written.digits).into()))
    }
}

impl fmt::Display for ExternalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a site's numbers look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPlan {
    office: Option<OfficeId>,
    home: Option<CountryCode>,
    extension_digits: RangeInclusive<usize>,
    emergency: EmergencyNumbers,
    services: Vec<FeatureCode>,
}

impl NumberPlan {
    /// A site in country `home`, where one is set, whose extensions have `extension_digits` digits. `services` are the
    /// numbers and names, at most 64 of 1 to 16 printable characters, that mean a function although they do not begin
    /// with `*` or `#`.
    pub fn new<'a>(
        home: Option<CountryCode>,
        extension_digits: RangeInclusive<usize>,
        emergency: EmergencyNumbers,
        services: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, NumberError> {
        let mut plan = Self { office: None, home, extension_digits, emergency, services: Vec::new() };
        for service in services {
            let printable = service.bytes().all(|byte| byte.is_ascii_graphic());
            if !(1..=16).contains(&service.len()) || !printable {
                return Err(NumberError::NotAFeatureCode(service.chars().take(16).collect()));
            }
            if plan.emergency.contains(service) {
                return Err(NumberError::Emergency(service.to_owned()));
            }
            if plan.services.len() >= MAX_SERVICES {
                return Err(NumberError::TooManyEntries { most: MAX_SERVICES });
            }
            plan.services.push(FeatureCode(service.into()));
        }
        Ok(plan)
    }

    /// The same for the office of this id, whose own prefix may stand before its numbers.
    pub const fn of_office(mut self, office: OfficeId) -> Self {
        self.office = Some(office);
        self
    }

    /// The site's country, where one is set.
    pub const fn home(&self) -> Option<CountryCode> {
        self.home
    }

    /// The site's emergency numbers.
    pub const fn emergency(&self) -> &EmergencyNumbers {
        &self.emergency
    }

    /// Sorts a dialled user part by this module's table.
    ///
    /// # Errors
    /// Why the text is no number: reply `404 Not Found`, or `484 Address Incomplete` for too few digits.
    pub fn classify(&self, user: &str) -> Result<Dialled, NumberError> {
        match OfficeId::split(user) {
            Some((office, own)) if Some(office) == self.office => self.classify_here(own),
            _ => self.classify_here(user),
        }
    }

    /// The same when this office's prefix has been taken off.
    fn classify_here(&self, user: &str) -> Result<Dialled, NumberError> {
        let written = Written::read(user);
        if let Ok(written) = &written
            && let Some(number) = self.emergency_number(written)
        {
            return Ok(Dialled::Emergency(number.clone()));
        }
        if let Some(service) = self.services.iter().find(|service| &*service.0 == user) {
            return Ok(Dialled::Service(service.clone()));
        }
        if user.starts_with(['*', '#']) {
            return feature_code(user).map(Dialled::Service);
        }
        if let Some((office, number)) = OfficeId::split(user) {
            return match self.emergency.matching(number) {
                Some(emergency) => Ok(Dialled::Emergency(emergency.clone())),
                None => OfficeNumber::new(office, number).map(Dialled::Office),
            };
        }
        let written = written?;
        if self.has_extension_form(&written) {
            user.parse().map(Dialled::Extension)
        } else {
            ExternalNumber::new(&written).map(Dialled::External)
        }
    }

    /// The number as this office dials it: of the ways to write an extension the one that `exists`; one of the home
    /// country without the country; any other number without its separators. What is no number stays as it is.
    pub fn normalise(&self, user: &str, exists: impl Fn(&Extension) -> bool) -> String {
        match self.classify(user) {
            Ok(Dialled::Extension(extension)) => self.in_office(extension, exists).to_string(),
            Ok(Dialled::Office(number)) => number.to_string(),
            Ok(Dialled::Emergency(number)) => number.to_string(),
            Ok(Dialled::Service(code)) => code.to_string(),
            Ok(Dialled::External(number)) => number.to_string(),
            Err(_) => user.to_owned(),
        }
    }

    /// The extension as this office calls it: as it was written if it `exists` so, else with or without the home country,
    /// else, in the home country, without it.
    pub fn in_office(&self, extension: Extension, exists: impl Fn(&Extension) -> bool) -> Extension {
        if exists(&extension) {
            return extension;
        }
        let Some(home) = self.home else { return extension };
        match extension.country() {
            Some(country) if country == home => {
                Extension::new(None, extension.local_part()).unwrap_or(extension)
            }
            Some(_) => extension,
            None => extension.in_country(home).ok().filter(exists).unwrap_or(extension),
        }
    }

    fn emergency_number(&self, written: &Written) -> Option<&EmergencyNumber> {
        self.emergency.find(&written.digits).or_else(|| {
            let (country, local) = if written.international {
                CountryCode::split(&written.digits)?
            } else {
                let (group, local) = written.first_group()?;
                (group.parse().ok()?, local)
            };
            self.emergency.find(local).filter(|_| Some(country) == self.home)
        })
    }

    fn has_extension_form(&self, written: &Written) -> bool {
        let fits = |digits: &str| self.extension_digits.contains(&digits.len());
        if written.international {
            return CountryCode::split(&written.digits).is_some_and(|(_, local)| fits(local));
        }
        match written.first_group() {
            Some((country, _)) => country.parse::<CountryCode>().is_ok(),
            None => fits(&written.digits),
        }
    }
}

fn feature_code(user: &str) -> Result<FeatureCode, NumberError> {
    let fits = FEATURE_CODE_LENGTH.contains(&user.len())
        && user.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'#');
    if fits {
        Ok(FeatureCode(user.into()))
    } else {
        Err(NumberError::NotAFeatureCode(user.chars().take(16).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan() -> NumberPlan {
        let emergency = EmergencyNumbers::new(["100", "1722"]).unwrap();
        NumberPlan::new(CountryCode::new(32), 3..=5, emergency, ["600", "echo"])
            .unwrap()
            .of_office("BRU".parse().unwrap())
    }

    /// The kind and the canonical text.
    fn sorted(user: &str) -> (&'static str, String) {
        match plan().classify(user) {
            Ok(Dialled::Extension(extension)) => ("extension", extension.to_string()),
            Ok(Dialled::Office(number)) => ("office", number.to_string()),
            Ok(Dialled::Emergency(number)) => ("emergency", number.to_string()),
            Ok(Dialled::Service(code)) => ("service", code.to_string()),
            Ok(Dialled::External(number)) => ("external", number.to_string()),
            Err(error) => ("error", error.as_str().to_owned()),
        }
    }

    #[test]
    fn each_row_of_the_table() {
        for (user, kind, text) in [
            ("112", "emergency", "112"),
            ("+112", "emergency", "112"),
            ("+32112", "emergency", "112"),
            ("1722", "emergency", "1722"),
            ("1-0-0", "emergency", "100"),
            ("+33112", "extension", "33-112"),
            ("600", "service", "600"),
            ("echo", "service", "echo"),
            ("*97", "service", "*97"),
            ("#21#", "service", "#21#"),
            ("1001", "extension", "1001"),
            ("32-1001", "extension", "32-1001"),
            ("32-001-00-00-00", "extension", "32-001000000"),
            ("1-800-123-4567", "extension", "1-8001234567"),
            ("+321001", "extension", "32-1001"),
            ("+32 2 555 12 34", "external", "+3225551234"),
            ("025551234", "external", "025551234"),
            ("0015551234567", "external", "0015551234567"),
            ("02-555.12.34", "external", "025551234"),
            ("14", "external", "14"),
            ("PAR-1001", "office", "PAR-1001"),
            ("par-32-1001", "office", "PAR-32-1001"),
            ("PAR-*97", "office", "PAR-*97"),
            ("PAR-echo", "office", "PAR-echo"),
            ("PAR-112", "emergency", "112"),
            ("BRU-1001", "extension", "1001"),
            ("bru-600", "service", "600"),
            ("BRU-112", "emergency", "112"),
            ("BRU-PAR-1001", "office", "PAR-1001"),
            ("PAR-10 01", "error", "unexpected-character"),
            ("", "error", "empty"),
            ("*", "error", "not-a-feature-code"),
            ("*97;x", "error", "not-a-feature-code"),
            ("alice", "error", "unexpected-character"),
            ("ECHO", "error", "unexpected-character"),
            ("+1234567890123456", "error", "too-many-digits"),
            ("1234567890123456789012345", "error", "too-many-digits"),
        ] {
            assert_eq!(sorted(user), (kind, text.to_owned()), "{user}");
        }
    }

    #[test]
    fn a_number_is_dialled_as_the_office_calls_it() {
        let ours = ["1001", "32-1002"];
        let dials = |user: &str| plan().normalise(user, |one| ours.contains(&one.as_str()));
        for (user, number) in [
            ("1001", "1001"),
            ("32-1001", "1001"),
            ("+321001", "1001"),
            ("1002", "32-1002"),
            ("32-1002", "32-1002"),
            ("+32 1002", "32-1002"),
            ("32-1003", "1003"),
            ("33-1001", "33-1001"),
            ("1-800-123-4567", "1-8001234567"),
            ("+32 2 555 12 34", "+3225551234"),
            ("02-555.12.34", "025551234"),
            ("1-1-2", "112"),
            ("32-112", "112"),
            ("*97", "*97"),
            ("600", "600"),
            ("echo", "echo"),
            ("alice", "alice"),
            ("par-1001", "PAR-1001"),
            ("BRU-32-1002", "32-1002"),
        ] {
            assert_eq!(dials(user), number, "{user}");
        }
        let anywhere = NumberPlan { home: None, ..plan() };
        assert_eq!(anywhere.normalise("32-1001", |_| false), "32-1001");
        assert_eq!(anywhere.normalise("1002", |one| one.as_str() == "32-1002"), "1002");
    }

    #[test]
    fn a_plan_cannot_hide_emergency_numbers_and_is_bounded() {
        let new = |services: Vec<&'static str>| {
            NumberPlan::new(CountryCode::new(1), 3..=4, EmergencyNumbers::default(), services)
        };
        assert_eq!(new(vec!["911"]), Err(NumberError::Emergency("911".to_owned())));
        assert!(matches!(new(vec!["two words"]), Err(NumberError::NotAFeatureCode(_))));
        assert!(matches!(new(vec![""]), Err(NumberError::NotAFeatureCode(_))));
        assert_eq!(new(vec!["600"; 65]), Err(NumberError::TooManyEntries { most: 64 }));
    }

    proptest! {
        #[test]
        fn nothing_panics(user in "\\PC{0,50}|[+*#]?[0-9. ()-]{0,30}") {
            let _ = plan().classify(&user);
        }

        #[test]
        fn separators_never_hide_an_emergency(
            number in prop::sample::select(vec!["112", "911", "100", "1722"]),
            separators in prop::collection::vec("[-. ()]{0,3}", 5),
        ) {
            let mut user = String::new();
            for (separator, digit) in separators.iter().zip(number.chars()) {
                user.push_str(separator);
                user.push(digit);
            }
            prop_assert_eq!(sorted(&user), ("emergency", number.to_owned()));
        }
    }
}

//! Whom a user part names: one of this office's extensions, or a visitor.
//!
//! | text, in BRU (country 32) | names |
//! | --- | --- |
//! | `1001`, `32-1001`, `+321001`, `BRU-1001`, with an account `1001` | our `1001` |
//! | `PAR-1001` | a visitor from PAR, `1001` with the country of PAR as far as that is known |
//! | `33-1001`, and `32-1002` without such an account | a visitor from wherever it is at home |
//! | `1003` without such an account | nobody of ours, nor a visitor |

use super::aor::Aor;
use super::cache::Roaming;
use crate::engine::numbering::{Extension, NumberPlan, OfficeId};

/// Whom a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// One of this office's extensions, as the account has it.
    Own(Extension),
    /// A user of another office.
    Visitor {
        /// The home office, where the text or an entry says it.
        home: Option<OfficeId>,
        /// The extension with its country, as far as that is known.
        extension: Extension,
    },
    /// Nobody.
    Nobody,
}

/// Whom `user` names in this office; `exists` says which extensions have an account here.
pub fn named(
    user: &str,
    numbers: &NumberPlan,
    exists: impl Fn(&Extension) -> bool,
    roaming: &Roaming,
) -> Named {
    let prefix = OfficeId::split(user);
    if let Some((home, number)) = prefix
        && home != roaming.own()
    {
        let Ok(extension) = number.parse() else { return Named::Nobody };
        let Aor { home, extension } = roaming.aor_of(home, extension);
        return Named::Visitor { home: Some(home), extension };
    }
    let number = prefix.map_or(user, |(_, number)| number);
    let Ok(extension) = number.parse::<Extension>() else { return Named::Nobody };
    let ours = numbers.in_office(extension.clone(), &exists);
    if exists(&ours) {
        return Named::Own(ours);
    }
    if extension.country().is_none() || prefix.is_some() {
        return Named::Nobody;
    }
    Named::Visitor { home: roaming.find(&extension).map(|aor| aor.home), extension }
}

/// Whether an extension, written so, is one that can be called: ours, or another office's that some office has told of. The
/// latter keep their country also where it is the home country, because nobody here has the number without it.
pub fn is_known(
    extension: &Extension,
    numbers: &NumberPlan,
    exists: impl Fn(&Extension) -> bool,
    roaming: Option<&Roaming>,
) -> bool {
    let is_theirs = |roaming: &Roaming| {
        let named = named(extension.as_str(), numbers, &exists, roaming);
        matches!(named, Named::Visitor { home: Some(_), .. })
    };
    exists(extension) || roaming.is_some_and(is_theirs)
}

impl Roaming {
    /// An extension of an office as all offices write it: with the office's country, as far as that is known.
    pub fn aor_of(&self, home: OfficeId, extension: Extension) -> Aor {
        let country = self.countries.get(&home).filter(|_| extension.country().is_none());
        let extension = country.and_then(|country| extension.in_country(*country).ok()).unwrap_or(extension);
        Aor { home, extension }
    }

    /// Takes note of the country of a home office.
    pub fn note_country(&mut self, aor: &Aor) {
        if let Some(country) = aor.extension.country()
            && (self.countries.len() < self.settings().offices || self.countries.contains_key(&aor.home))
        {
            self.countries.insert(aor.home, country);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::numbering::{CountryCode, EmergencyNumbers};
    use crate::engine::roaming::RoamingSettings;

    #[test]
    fn each_row_of_the_table() {
        let emergency = EmergencyNumbers::default();
        let numbers = NumberPlan::new(CountryCode::new(32), 2..=5, emergency, []).unwrap();
        let mut roaming = Roaming::new("BRU".parse().unwrap(), RoamingSettings::default(), [1, 2]);
        let extension = |text: &str| text.parse::<Extension>().unwrap();
        let office = |text: &str| text.parse::<OfficeId>().unwrap();
        let who =
            |user: &str, roaming: &Roaming| named(user, &numbers, |one| one.as_str() == "1001", roaming);
        let visitor = |home: Option<&str>, text: &str| Named::Visitor {
            home: home.map(office),
            extension: extension(text),
        };
        for user in ["1001", "32-1001", "+321001", "BRU-1001", "bru-32-1001"] {
            assert_eq!(who(user, &roaming), Named::Own(extension("1001")), "{user}");
        }
        for user in ["1003", "BRU-1003", "BRU-33-1001", "alice", "PAR-alice", ""] {
            assert_eq!(who(user, &roaming), Named::Nobody, "{user}");
        }
        assert_eq!(who("PAR-1001", &roaming), visitor(Some("PAR"), "1001"));
        assert_eq!(who("33-1001", &roaming), visitor(None, "33-1001"));
        assert_eq!(who("32-1002", &roaming), visitor(None, "32-1002"));

        let aor = Aor { home: office("PAR"), extension: extension("33-1001") };
        roaming.note_country(&aor);
        assert_eq!(who("PAR-1001", &roaming), visitor(Some("PAR"), "33-1001"));
        assert_eq!(who("par-33-1001", &roaming), visitor(Some("PAR"), "33-1001"));
    }
}

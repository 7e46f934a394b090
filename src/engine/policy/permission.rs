//! What other offices' calls, and their users who visit us, may reach here.
//!
//! | destination | what it is | an office without an entry | visitors |
//! | --- | --- | --- | --- |
//! | `extensions` | our extensions, and what our Asterisk has within the office | yes | yes |
//! | `roamers` | users who roam: visitors here, ours elsewhere | yes | yes |
//! | `transit` | numbers of a third office, over our links | yes: failover and roamers' ways home need it | yes |
//! | `pstn` | numbers outside: over carriers, by our Asterisk, or to whatever a route for them leads | **no** | yes |
//! | `emergency` | help | always | always |
//!
//! A call that passed several offices is judged by all of them: nobody gets out through a neighbour who may.

use std::fmt;
use std::str::FromStr;

use super::PolicyFlaw;
use super::mask::Mask;
use crate::engine::numbering::OfficeId;

/// Most entries of a list.
pub const MOST_PERMISSIONS: usize = 512;
/// Most masks of an entry.
const MOST_NUMBERS: usize = 64;

/// Where a call leads, as far as permissions care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// Our extensions, and what our Asterisk has within the office.
    Extensions,
    /// A user who roams.
    Roamers,
    /// A number of a third office.
    Transit,
    /// A number outside.
    Pstn,
    /// Help.
    Emergency,
}

impl Destination {
    const ALL: [Self; 5] = [Self::Extensions, Self::Roamers, Self::Transit, Self::Pstn, Self::Emergency];

    /// The word in route sets, records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extensions => "extensions",
            Self::Roamers => "roamers",
            Self::Transit => "transit",
            Self::Pstn => "pstn",
            Self::Emergency => "emergency",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl FromStr for Destination {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or("expected extensions, roamers, transit, pstn or emergency")
    }
}

/// A set of destinations. Help is always in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Destinations(u8);

impl Destinations {
    /// All.
    pub const ALL: Self = Self(0b1_1111);
    /// Of an office without an entry: all but the outside.
    pub const SAFE: Self = Self(Self::ALL.0 & !Destination::Pstn.bit());

    /// Whether it has this one.
    pub const fn has(self, one: Destination) -> bool {
        self.0 & one.bit() != 0
    }
}

impl FromIterator<Destination> for Destinations {
    fn from_iter<I: IntoIterator<Item = Destination>>(all: I) -> Self {
        Self(all.into_iter().fold(Destination::Emergency.bit(), |bits, one| bits | one.bit()))
    }
}

impl fmt::Debug for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Destination::ALL.iter().filter(|one| self.has(**one))).finish()
    }
}

/// What one office may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The office; `None`: all that have no entry of their own.
    pub office: Option<OfficeId>,
    /// What its calls may reach.
    pub may: Destinations,
    /// Which numbers outside they may reach, as dialled here; empty: all, where `may` has them.
    pub numbers: Vec<Mask>,
    /// What its users may reach from devices of ours on which they have signed in.
    pub visitors: Destinations,
}

/// On whose account a call is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The office.
    pub office: OfficeId,
    /// Whether its user calls from a device of ours; else the call came from the office.
    pub visits: bool,
}

/// What all other offices may. The default permits what the table above says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// Checks the entries of office `own` against each other; those of named offices and at most one for all others.
    pub fn new(own: OfficeId, entries: Vec<Permission>) -> Result<Self, PolicyFlaw> {
        for (place, entry) in entries.iter().enumerate() {
            let bad = |field, reason: &str| Err(PolicyFlaw { place, field, reason: reason.to_owned() });
            let is_twin = |other: &Permission| other.office == entry.office;
            if place >= MOST_PERMISSIONS {
                return bad("office", "expected at most 512 entries");
            }
            if entry.office == Some(own) {
                return bad("office", "expected another office than this one");
            }
            if entries.iter().take(place).any(is_twin) {
                return bad("office", "it has an entry already");
            }
            if entry.numbers.len() > MOST_NUMBERS {
                return bad("numbers", "expected at most 64");
            }
            if !entry.numbers.is_empty() && !entry.may.has(Destination::Pstn) {
                return bad("numbers", "expected `pstn` in `may`: these are numbers outside");
            }
        }
        Ok(Self(entries))
    }

    /// Whether nothing is said.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries.
    pub fn entries(&self) -> &[Permission] {
        &self.0
    }

    /// Whether a call on account of these guests may reach `number` there; else the first guest who may not. Help always
    /// may be reached, and a call of our own users has no guests.
    pub fn judge(&self, guests: &[Guest], there: Destination, number: &str) -> Result<(), Guest> {
        match guests.iter().find(|guest| !self.allows(**guest, there, number)) {
            Some(guest) => Err(*guest),
            None => Ok(()),
        }
    }

    fn allows(&self, guest: Guest, there: Destination, number: &str) -> bool {
        if there == Destination::Emergency {
            return true;
        }
        let entry = self.of(guest.office);
        if guest.visits {
            return entry.map_or(Destinations::ALL, |entry| entry.visitors).has(there);
        }
        let Some(entry) = entry else { return Destinations::SAFE.has(there) };
        let is_named = || entry.numbers.is_empty() || entry.numbers.iter().any(|mask| mask.matches(number));
        entry.may.has(there) && (there != Destination::Pstn || is_named())
    }

    fn of(&self, office: OfficeId) -> Option<&Permission> {
        let own = self.0.iter().find(|entry| entry.office == Some(office));
        own.or_else(|| self.0.iter().find(|entry| entry.office.is_none()))
    }
}

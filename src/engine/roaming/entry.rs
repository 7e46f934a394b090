//! What one office says about where an extension is, and which of two such sayings counts.
//!
//! The order of entries is total, so that merging (the greater one stays) is commutative, associative and idempotent:
//!
//! | compared | greater is |
//! | --- | --- |
//! | 1. counter | who knew of the other |
//! | 2. registered | of two that did not know of each other, the later sign-in by the offices' clocks |
//! | 3. office | the one later in the alphabet: any rule will do, if it is everybody's |
//! | 4. presence | gone: an end is final |
//! | 5. expires | later: that is how an entry is renewed |
//!
//! `docs/decisions/0006-roaming-merge.md` says why.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::aor::{Aor, office_text};
use crate::engine::numbering::OfficeId;
use crate::time::WallTime;

/// The greatest counter: what JSON readers take for an integer without loss.
pub const MAX_COUNTER: u64 = (1 << 53) - 1;

/// A point on the wall clock in whole seconds since 1970-01-01 UTC, until 2106.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Second(pub u32);

/// Which of two entries of one extension is the newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// One more than the greatest that the office knew of; 1 to [`MAX_COUNTER`].
    pub counter: u64,
    /// When the user signed in or out, by the office's clock: counts only between equal counters.
    pub registered: Second,
    /// The office that says so, and where the user is or was.
    #[serde(with = "office_text")]
    pub office: OfficeId,
}

/// Whether the user is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// At least one device is registered in the version's office.
    Here,
    /// The last one is gone: a tombstone.
    Gone,
}

/// Where an extension is, as the version's office says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoamingEntry {
    /// Whose.
    pub aor: Aor,
    /// Which.
    pub version: Version,
    /// Whether the user is there.
    pub presence: Presence,
    /// When it ends unless renewed.
    pub expires: Second,
}

impl Second {
    /// The second of a point in time; the last one there is for later points.
    pub fn of(time: WallTime) -> Self {
        Self(u32::try_from(time.seconds()).unwrap_or(u32::MAX))
    }

    /// This point moved into the future, saturating.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u32::try_from(span.as_secs()).unwrap_or(u32::MAX)))
    }

    /// How far `self` lies after `earlier`; zero when it does not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0) as u64)
    }

    /// The same point in milliseconds.
    pub const fn wall(self) -> WallTime {
        WallTime(self.0 as u64 * 1000)
    }
}

impl RoamingEntry {
    /// The order of this module's table, for entries of one extension.
    pub fn newness(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| (entry.version, entry.presence, entry.expires);
        key(self).cmp(&key(other))
    }

    /// Of two entries of one extension, the one that counts.
    pub fn merged(self, other: Self) -> Self {
        if other.newness(&self) == Ordering::Greater { other } else { self }
    }

    /// Whether the user is there at `now`, whose clock may differ from the office's by `skew`.
    pub fn is_present(&self, now: Second, skew: Duration) -> bool {
        self.presence == Presence::Here && now <= self.expires.plus(skew)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(counter: u64, registered: u32, office: &str, gone: bool, expires: u32) -> RoamingEntry {
        RoamingEntry {
            aor: Aor { home: "BRU".parse().unwrap(), extension: "32-1001".parse().unwrap() },
            version: Version { counter, registered: Second(registered), office: office.parse().unwrap() },
            presence: if gone { Presence::Gone } else { Presence::Here },
            expires: Second(expires),
        }
    }

    #[test]
    fn each_row_of_the_table() {
        let less_and_greater = [
            (entry(1, 90, "PAR", true, 99), entry(2, 10, "BRU", false, 20)),
            (entry(2, 10, "PAR", true, 99), entry(2, 11, "BRU", false, 20)),
            (entry(2, 10, "BRU", true, 99), entry(2, 10, "PAR", false, 20)),
            (entry(2, 10, "PAR", false, 99), entry(2, 10, "PAR", true, 20)),
            (entry(2, 10, "PAR", false, 20), entry(2, 10, "PAR", false, 99)),
        ];
        for (less, greater) in less_and_greater {
            assert_eq!(less.clone().merged(greater.clone()), greater);
            assert_eq!(greater.clone().merged(less), greater);
        }
    }

    #[test]
    fn an_entry_lasts_for_the_allowance_longer() {
        let entry = entry(1, 10, "PAR", false, 100);
        let skew = Duration::from_secs(30);
        assert!(entry.is_present(Second(130), skew));
        assert!(!entry.is_present(Second(131), skew));
    }

    fn any_entry() -> impl Strategy<Value = RoamingEntry> {
        (1..4_u64, 0..3_u32, prop::sample::select(vec!["BRU", "PAR", "NYC"]), any::<bool>(), 0..3_u32)
            .prop_map(|(counter, registered, office, gone, expires)| {
                entry(counter, registered, office, gone, expires)
            })
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent(
            a in any_entry(), b in any_entry(), c in any_entry(),
        ) {
            let merged = |a: &RoamingEntry, b: &RoamingEntry| a.clone().merged(b.clone());
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a.clone());
        }
    }
}

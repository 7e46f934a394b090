//! What the cache is told and tells: limits, verdicts, changes, figures.

use std::time::Duration;

use super::aor::Aor;
use super::entry::{RoamingEntry, Second};
use crate::engine::numbering::OfficeId;

/// Limits of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoamingSettings {
    /// Most entries.
    pub capacity: usize,
    /// Most offices that entries may name; at most 32,768.
    pub offices: usize,
    /// By how much the clocks of two offices may differ.
    pub skew: Duration,
    /// For how long an entry is good unless renewed; renewed when half of it is left.
    pub lease: Duration,
    /// How long an expired entry is remembered, so that an older one is known for what it is.
    pub keep: Duration,
}

impl Default for RoamingSettings {
    fn default() -> Self {
        Self {
            capacity: 100_000,
            offices: 1024,
            skew: Duration::from_secs(300),
            lease: Duration::from_secs(2 * 3600),
            keep: Duration::from_secs(7 * 86_400),
        }
    }
}

/// What became of an entry that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The first of its extension.
    New,
    /// It takes the place of an older one.
    Newer {
        /// Where the user was before.
        from: OfficeId,
    },
    /// Known already.
    Same,
    /// What is known is newer.
    Older,
    /// Not taken.
    Refused(Refusal),
}

/// Why an entry is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its counter is 0 or beyond [`MAX_COUNTER`](super::MAX_COUNTER).
    Counter,
    /// It expired longer ago than entries are kept.
    LongExpired,
    /// There is no room, and nothing that may go.
    Full,
    /// No room for another office.
    TooManyOffices,
    /// The extension's counter is at its end.
    CounterExhausted,
}

impl Refusal {
    /// The stable word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::LongExpired => "long-expired",
            Self::Full => "full",
            Self::TooManyOffices => "too-many-offices",
            Self::CounterExhausted => "counter-exhausted",
        }
    }
}

/// A change of what is on flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoamingChange {
    /// Write it in the place of the extension's older one.
    Put {
        /// The entry.
        entry: RoamingEntry,
        /// When this box heard it.
        heard: Second,
    },
    /// Forget the extension.
    Forget(Aor),
}

/// What the cache did since the start, and how full it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoamingFigures {
    /// Entries.
    pub entries: usize,
    /// Offices that they name.
    pub offices: usize,
    /// Bytes of the index.
    pub memory: usize,
    /// Expired entries that went for lack of room.
    pub evicted_expired: u64,
    /// Other offices' good entries that went for lack of room.
    pub evicted_foreign: u64,
    /// Entries that went because they had been expired for long enough.
    pub purged: u64,
    /// Sign-ins that were said again because another office did not know of them.
    pub reclaimed: u64,
}

impl RoamingFigures {
    /// Nothing held, nothing done.
    pub const NONE: Self = Self {
        entries: 0,
        offices: 0,
        memory: 0,
        evicted_expired: 0,
        evicted_foreign: 0,
        purged: 0,
        reclaimed: 0,
    };
}

//! Time as a value.
//!
//! The pure rooms never read a clock: whoever calls them says what time it is. So every timer and every
//! race is tested in virtual time.

use std::time::{Duration, Instant};

/// A point on the wall clock, in milliseconds since 1970-01-01 UTC.
///
/// It may jump, backwards too: only for records, certificates and nonces, never for timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Whole seconds since 1970-01-01 UTC.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This point moved into the future by `span`, saturating.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How far `self` lies after `earlier`; zero when it does not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The two clocks, read together by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic; for timers.
    pub instant: Instant,
    /// Wall clock; for records.
    pub wall: WallTime,
}

impl Now {
    /// Both clocks moved forward by `span`: virtual time for tests and simulations.
    pub fn plus(self, span: Duration) -> Self {
        Self { instant: self.instant + span, wall: self.wall.plus(span) }
    }
}

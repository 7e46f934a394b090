//! Which broker is tried next, and when.
//!
//! | event | next broker | wait |
//! | --- | --- | --- |
//! | a session ended, or could not be had, and others are left in this round | the next in turn | chance, up to `min` |
//! | the same with the last one of the round | the next in turn | exponential: half of it fixed, half by chance |
//! | a session ended that had lived for [`STABLE`] | the next in turn | as after a first failure |
//!
//! A session that dies young counts as a failure, so that two boxes with one client id, which throw each other out,
//! slow down instead of spinning. The chance keeps offices apart that lost the same broker at the same moment.

use std::time::Duration;

/// A session that lived this long was a success.
pub const STABLE: Duration = Duration::from_secs(10);
/// Doublings after which the wait has reached any maximum.
const MOST_DOUBLINGS: u32 = 24;

/// The state of trying; see the module's table.
#[derive(Clone, Debug)]
pub struct Failover {
    brokers: usize,
    current: usize,
    /// Brokers that failed in this round.
    failed: usize,
    /// Rounds in which all failed.
    rounds: u32,
    min: Duration,
    max: Duration,
}

impl Failover {
    /// Begins with the first of `brokers`; the waits lie between `min` and `max`.
    pub fn new(brokers: usize, min: Duration, max: Duration) -> Self {
        Self { brokers: brokers.max(1), current: 0, failed: 0, rounds: 0, min, max: max.max(min) }
    }

    /// The broker to try, as an index.
    pub const fn broker(&self) -> usize {
        self.current
    }

    /// The attempt or session with the current broker ended after it had been up for `lived`. Says how long to wait
    /// before the next broker is tried. `chance` is any random number.
    pub fn ended(&mut self, lived: Duration, chance: u64) -> Duration {
        if lived >= STABLE {
            (self.failed, self.rounds) = (0, 0);
        }
        self.current = (self.current + 1) % self.brokers;
        self.failed += 1;
        if self.failed < self.brokers {
            return part(self.min, chance);
        }
        self.failed = 0;
        let doublings = self.rounds.min(MOST_DOUBLINGS);
        self.rounds = self.rounds.saturating_add(1);
        let wait = self.min.saturating_mul(1 << doublings).min(self.max);
        wait / 2 + part(wait / 2, chance)
    }
}

/// A part of `whole` chosen by chance.
fn part(whole: Duration, chance: u64) -> Duration {
    let whole = u64::try_from(whole.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(chance % whole.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(60);
    const NEVER_UP: Duration = Duration::ZERO;

    #[test]
    fn brokers_are_tried_in_turn_and_rounds_wait_longer_each_time() {
        let mut failover = Failover::new(2, MIN, MAX);
        let mut waits = Vec::new();
        for round in 0..9 {
            assert_eq!(failover.broker(), 0, "round {round}");
            assert_eq!(failover.ended(NEVER_UP, 0), Duration::ZERO);
            assert_eq!(failover.broker(), 1);
            waits.push(failover.ended(NEVER_UP, 0).as_millis());
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn chance_spreads_offices_over_half_of_the_wait() {
        for chance in [0, 1, 499_999, 500_000, 500_001, u64::MAX] {
            let wait = Failover::new(1, MIN, MAX).ended(NEVER_UP, chance);
            assert!((MIN / 2..=MIN).contains(&wait), "{chance}: {wait:?}");
            let next = Failover::new(3, MIN, MAX).ended(NEVER_UP, chance);
            assert!(next <= MIN, "{chance}: {next:?}");
        }
    }

    #[test]
    fn a_session_that_lived_starts_over_and_one_that_died_young_does_not() {
        let mut failover = Failover::new(1, MIN, MAX);
        for _ in 0..5 {
            failover.ended(NEVER_UP, 0);
        }
        assert_eq!(failover.ended(STABLE / 2, 0).as_millis(), 16_000);
        assert_eq!(failover.ended(STABLE, 0).as_millis(), 500);
        assert_eq!(failover.ended(NEVER_UP, 0).as_millis(), 1000);
    }

    #[test]
    fn it_never_overflows() {
        let mut failover = Failover::new(0, Duration::MAX, Duration::ZERO);
        for _ in 0..100 {
            failover.ended(NEVER_UP, u64::MAX);
        }
        assert_eq!(failover.broker(), 0);
    }
}

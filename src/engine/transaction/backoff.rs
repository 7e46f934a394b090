//! Retransmission intervals that double.

use std::time::{Duration, Instant};

/// When to send again, and how long to wait after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    at: Instant,
    interval: Duration,
    longest: Duration,
}

impl Backoff {
    /// First after `interval`; each wait is twice the one before, up to `longest`.
    pub(super) fn new(now: Instant, interval: Duration, longest: Duration) -> Self {
        Self { at: now + interval, interval, longest }
    }

    /// When to send again.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether it is time to send again; if so, the next time is set.
    pub(super) fn due(&mut self, now: Instant) -> bool {
        if self.at > now {
            return false;
        }
        self.interval = self.interval.saturating_mul(2).min(self.longest);
        self.at = now + self.interval;
        true
    }

    /// From now on every `longest` (timer E in Proceeding).
    pub(super) fn slow_down(&mut self, now: Instant) {
        self.interval = self.longest;
        self.at = now + self.longest;
    }
}

/// The earlier of two deadlines, either of which may be unset.
pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether a deadline is set and has come.
pub(super) fn passed(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|at| at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(start, ms(500), ms(4000));
        let mut waits = Vec::new();
        let mut now = start;
        for _ in 0..6 {
            assert!(!backoff.due(now));
            waits.push((backoff.at() - now).as_millis());
            now = backoff.at();
            assert!(backoff.due(now));
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 4000, 4000]);
    }
}

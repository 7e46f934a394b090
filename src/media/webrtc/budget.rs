//! A token bucket: how many packets of a kind an end takes from the network.

use std::time::{Duration, Instant};

/// Refills steadily up to `burst`.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: u32,
    burst: u32,
    refill: Duration,
    since: Instant,
}

impl Budget {
    /// `burst` at once, then `per_second` (at least 1).
    pub(super) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        Self { left: burst, burst, refill: Duration::from_secs(1) / per_second.max(1), since: now }
    }

    /// Takes one; false when none is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_nanos();
        let refilled = passed / self.refill.as_nanos().max(1);
        if refilled > 0 {
            let refilled = u32::try_from(refilled).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(refilled).min(self.burst);
            self.since = self
                .refill
                .checked_mul(refilled)
                .and_then(|span| self.since.checked_add(span))
                .unwrap_or(now);
        }
        let any = self.left > 0;
        self.left = self.left.saturating_sub(1);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let base = Instant::now();
        let mut budget = Budget::new(base, 10, 3);
        let taken = |budget: &mut Budget, ms: u64| budget.take(base + Duration::from_millis(ms));
        assert_eq!([0, 0, 0, 0, 99].map(|ms| taken(&mut budget, ms)), [true, true, true, false, false]);
        assert_eq!([100, 150, 200].map(|ms| taken(&mut budget, ms)), [true, false, true]);
        let day = 86_400_000;
        assert_eq!([day; 4].map(|ms| taken(&mut budget, ms)), [true, true, true, false]);
    }
}

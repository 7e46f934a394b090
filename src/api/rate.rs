//! Requests per client: a token bucket each.
//!
//! The table is bounded: when it is full of clients that are not back at rest, all further ones share one
//! bucket, so strangers can slow each other but not those already known.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::peer::Source;

/// How much one client may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRule {
    /// Requests a second, sustained.
    pub per_second: f64,
    /// Requests at once above the rate.
    pub burst: f64,
    /// Clients in the table.
    pub capacity: usize,
}

/// One client's allowance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Rates {
    rule: RateRule,
    buckets: HashMap<Source, Bucket>,
    shared: Option<Bucket>,
}

impl Rates {
    pub(crate) fn new(rule: RateRule) -> Self {
        Self { rule, buckets: HashMap::new(), shared: None }
    }

    /// Takes one request of `source`; the error is how long to wait.
    pub(crate) fn take(&mut self, now: Instant, source: Source) -> Result<(), Duration> {
        let rule = self.rule;
        if self.buckets.len() >= rule.capacity && !self.buckets.contains_key(&source) {
            self.buckets.retain(|_, bucket| bucket.refilled(now, rule).tokens < rule.burst);
        }
        let fresh = Bucket::full(now, rule);
        let bucket = if self.buckets.len() < rule.capacity || self.buckets.contains_key(&source) {
            self.buckets.entry(source).or_insert(fresh)
        } else {
            self.shared.get_or_insert(fresh)
        };
        bucket.take(now, rule)
    }
}

impl Bucket {
    /// A bucket at rest.
    pub(crate) const fn full(now: Instant, rule: RateRule) -> Self {
        Self { tokens: rule.burst, at: now }
    }

    /// Takes one; the error is how long to wait.
    pub(crate) fn take(&mut self, now: Instant, rule: RateRule) -> Result<(), Duration> {
        *self = self.refilled(now, rule);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - self.tokens) / rule.per_second.max(0.001)))
        }
    }

    fn refilled(self, now: Instant, rule: RateRule) -> Self {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        Self { tokens: (self.tokens + passed * rule.per_second).min(rule.burst), at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut rates = Rates::new(RateRule { per_second: 2.0, burst: 3.0, capacity: 4 });
        let (now, source) = (Instant::now(), Source::unknown());
        for _ in 0..3 {
            assert_eq!(rates.take(now, source), Ok(()));
        }
        assert_eq!(rates.take(now, source), Err(Duration::from_millis(500)));
        assert_eq!(rates.take(now + Duration::from_millis(500), source), Ok(()));
        assert!(rates.take(now + Duration::from_millis(500), source).is_err());
    }

    #[test]
    fn strangers_beyond_the_table_share_and_do_not_harm_the_known() {
        let mut rates = Rates::new(RateRule { per_second: 1.0, burst: 5.0, capacity: 4 });
        let (now, of) = (Instant::now(), |n: u8| Source::of(std::net::IpAddr::from([192, 0, 2, n])));
        assert_eq!(rates.take(now, of(0)), Ok(()));
        let passed = (1..=200).filter(|n| rates.take(now, of(*n)).is_ok()).count();
        assert_eq!(passed, 3 + 5, "three more of their own bucket, five of the shared one");
        assert_eq!(rates.take(now, of(0)), Ok(()));
        assert_eq!(rates.buckets.len(), 4);
    }
}

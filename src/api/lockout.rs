//! Password guessing is stopped.
//!
//! Failures are counted per client and extension, and per client over all extensions (with four times the
//! allowance). Successes clear the pair's count. The table is bounded: when it is full of live entries, the one
//! whose last failure is the oldest gives way.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::peer::Source;

/// How many failures are let through, and for how long the door stays shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutRule {
    /// Failures within the window, before lock-out.
    pub failures: u32,
    /// The window.
    pub window: Duration,
    /// How long a lock-out lasts.
    pub time: Duration,
    /// Entries in the table.
    pub capacity: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Pair(Source, String),
    Source(Source),
}

#[derive(Debug)]
struct Entry {
    failures: u32,
    first: Instant,
    last: Instant,
    locked_until: Option<Instant>,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Lockout {
    rule: LockoutRule,
    entries: HashMap<Key, Entry>,
}

impl Lockout {
    pub(crate) fn new(rule: LockoutRule) -> Self {
        Self { rule, entries: HashMap::new() }
    }

    /// How long this client must still wait before it may try this extension; `None`: it may try.
    pub(crate) fn wait(&self, now: Instant, source: Source, extension: &str) -> Option<Duration> {
        [Key::Pair(source, extension.to_owned()), Key::Source(source)]
            .iter()
            .filter_map(|key| self.entries.get(key)?.locked_until?.checked_duration_since(now))
            .filter(|wait| !wait.is_zero())
            .max()
    }

    /// Counts a failed sign-in.
    pub(crate) fn failed(&mut self, now: Instant, source: Source, extension: &str) {
        let allowance = self.rule.failures;
        self.count(now, Key::Pair(source, extension.to_owned()), allowance);
        self.count(now, Key::Source(source), allowance.saturating_mul(4));
    }

    /// Forgets the failures of a pair that signed in.
    pub(crate) fn succeeded(&mut self, source: Source, extension: &str) {
        self.entries.remove(&Key::Pair(source, extension.to_owned()));
    }

    fn count(&mut self, now: Instant, key: Key, allowance: u32) {
        let rule = self.rule;
        if !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        let entry = self.entries.entry(key).or_insert(Entry {
            failures: 0,
            first: now,
            last: now,
            locked_until: None,
        });
        if now.saturating_duration_since(entry.first) > rule.window {
            (entry.failures, entry.first) = (0, now);
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
        if entry.failures >= allowance {
            entry.locked_until = now.checked_add(rule.time);
            (entry.failures, entry.first) = (0, now);
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < self.rule.capacity {
            return;
        }
        let rule = self.rule;
        self.entries.retain(|_, entry| {
            entry.locked_until.is_some_and(|until| until > now)
                || now.saturating_duration_since(entry.first) <= rule.window
        });
        if self.entries.len() >= rule.capacity
            && let Some(oldest) =
                self.entries.iter().min_by_key(|(_, entry)| entry.last).map(|(key, _)| key.clone())
        {
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> LockoutRule {
        LockoutRule {
            failures: 3,
            window: Duration::from_secs(60),
            time: Duration::from_secs(120),
            capacity: 16,
        }
    }

    fn source(last: u8) -> Source {
        Source::of(std::net::IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn three_failures_shut_the_door_for_this_pair_only() {
        let (mut lockout, now) = (Lockout::new(rule()), Instant::now());
        for _ in 0..3 {
            assert_eq!(lockout.wait(now, source(1), "1001"), None);
            lockout.failed(now, source(1), "1001");
        }
        assert_eq!(lockout.wait(now, source(1), "1001"), Some(Duration::from_secs(120)));
        assert_eq!(lockout.wait(now, source(1), "1002"), None);
        assert_eq!(lockout.wait(now, source(2), "1001"), None);
        assert_eq!(lockout.wait(now + Duration::from_secs(120), source(1), "1001"), None);
    }

    #[test]
    fn trying_many_extensions_locks_the_client_out() {
        let (mut lockout, now) = (Lockout::new(rule()), Instant::now());
        for extension in 0..12 {
            lockout.failed(now, source(1), &extension.to_string());
        }
        assert!(lockout.wait(now, source(1), "1001").is_some());
        assert_eq!(lockout.wait(now, source(2), "1001"), None);
    }

    #[test]
    fn failures_are_forgotten_after_the_window_and_after_success() {
        let (mut lockout, now) = (Lockout::new(rule()), Instant::now());
        lockout.failed(now, source(1), "1001");
        lockout.failed(now, source(1), "1001");
        lockout.failed(now + Duration::from_secs(61), source(1), "1001");
        assert_eq!(lockout.wait(now + Duration::from_secs(61), source(1), "1001"), None);
        lockout.succeeded(source(1), "1001");
        lockout.failed(now + Duration::from_secs(62), source(1), "1001");
        lockout.failed(now + Duration::from_secs(62), source(1), "1001");
        assert_eq!(lockout.wait(now + Duration::from_secs(62), source(1), "1001"), None);
    }

    #[test]
    fn the_table_stays_bounded() {
        let (mut lockout, now) = (Lockout::new(rule()), Instant::now());
        for last in 0..=255 {
            lockout.failed(now, source(last), "1001");
        }
        assert!(lockout.entries.len() <= 16);
    }
}

//! Health conditions: what is wrong now, since when, how often, and why.
//!
//! A condition is raised by whoever meets it and cleared by whoever sees it gone. Raising a raised one
//! counts and keeps the newest error. A cleared one keeps its count, so that flapping shows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use crate::time::WallTime;

/// Longest error text kept with a condition, in characters.
const LONGEST_ERROR: usize = 256;

/// Everything that can be wrong with the box, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Asterisk does not answer; the site goes on by itself.
    AsteriskDown,
    /// The mirror of extensions in Asterisk could not be written or read back.
    AsteriskMirrorFailed,
    /// As many calls as `[calls] max` allows.
    CallsAtLimit,
    /// A certificate ends within 30 days.
    CertificateExpiring,
    /// A certificate has ended.
    CertificateExpired,
    /// A certificate, key or CRL could not be loaded; the former one stays in force.
    CertificateRefused,
    /// The last reload met a bad configuration; the former one stays in force.
    ConfigRefused,
    /// The engine's task has stopped turning.
    EngineStalled,
    /// Lines of the journal were dropped.
    JournalDropping,
    /// A listener could not be opened.
    ListenerFailed,
    /// A media worker has stopped turning.
    MediaStalled,
    /// The outbox of events cannot be used; they wait in memory.
    OutboxFailed,
    /// Events were lost for lack of room in the outbox.
    OutboxFull,
    /// No media port is free.
    PortsExhausted,
    /// The last route set was refused; the former stays in force.
    RoutesRefused,
    /// The last route set made health fall; the former is in force again.
    RoutesRolledBack,
    /// The route set in force is past its `not-after`; it stays in force.
    RoutesStale,
    /// The shell's own loop has stopped turning.
    ShellStalled,
    /// The database was damaged and has been set aside; a fresh one is in use.
    StoreCorrupt,
    /// The state directory cannot be written; the daemon goes on in memory.
    StoreFailed,
    /// The disk is full; the daemon goes on in memory.
    StoreFull,
    /// No broker is reached; events wait on flash.
    UplinkDown,
}

impl Condition {
    /// The name in the health document, the journal and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsteriskDown => "asterisk-down",
            Self::AsteriskMirrorFailed => "asterisk-mirror-failed",
            Self::CallsAtLimit => "calls-at-limit",
            Self::CertificateExpiring => "certificate-expiring",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateRefused => "certificate-refused",
            Self::ConfigRefused => "config-refused",
            Self::EngineStalled => "engine-stalled",
            Self::JournalDropping => "journal-dropping",
            Self::ListenerFailed => "listener-failed",
            Self::MediaStalled => "media-stalled",
            Self::OutboxFailed => "outbox-failed",
            Self::OutboxFull => "outbox-full",
            Self::PortsExhausted => "ports-exhausted",
            Self::RoutesRefused => "routes-refused",
            Self::RoutesRolledBack => "routes-rolled-back",
            Self::RoutesStale => "routes-stale",
            Self::ShellStalled => "shell-stalled",
            Self::StoreCorrupt => "store-corrupt",
            Self::StoreFailed => "store-failed",
            Self::StoreFull => "store-full",
            Self::UplinkDown => "uplink-down",
        }
    }
}

/// One condition as reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConditionReport {
    /// Which.
    pub name: &'static str,
    /// Whether it holds now.
    pub raised: bool,
    /// Since when it has held, or has been gone; milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// How often it was raised since start.
    pub count: u64,
    /// The newest error, at most 256 characters; no secrets and no people in it.
    pub last_error: String,
}

#[derive(Debug)]
struct State {
    raised: bool,
    since: WallTime,
    count: u64,
    last_error: String,
}

/// The board of conditions; cloning gives another handle on the same board.
#[derive(Clone, Debug, Default)]
pub struct Health {
    conditions: Arc<Mutex<BTreeMap<Condition, State>>>,
}

impl Health {
    /// A board with nothing wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises `condition` because of `error`. Returns whether it was not raised before.
    pub fn raise(&self, condition: Condition, error: impl AsRef<str>) -> bool {
        self.raise_at(wall_now(), condition, error.as_ref())
    }

    /// Clears `condition`. Returns whether it was raised.
    pub fn clear(&self, condition: Condition) -> bool {
        self.clear_at(wall_now(), condition)
    }

    /// Whether `condition` is raised.
    pub fn is_raised(&self, condition: Condition) -> bool {
        self.lock().get(&condition).is_some_and(|state| state.raised)
    }

    /// Every condition that was ever raised, raised ones first.
    pub fn snapshot(&self) -> Vec<ConditionReport> {
        let mut reports: Vec<ConditionReport> = self
            .lock()
            .iter()
            .map(|(condition, state)| ConditionReport {
                name: condition.as_str(),
                raised: state.raised,
                since_ms: state.since.0,
                count: state.count,
                last_error: state.last_error.clone(),
            })
            .collect();
        reports.sort_by_key(|report| !report.raised);
        reports
    }

    fn raise_at(&self, now: WallTime, condition: Condition, error: &str) -> bool {
        let mut conditions = self.lock();
        let state = conditions.entry(condition).or_insert(State {
            raised: false,
            since: now,
            count: 0,
            last_error: String::new(),
        });
        let is_new = !state.raised;
        if is_new {
            state.raised = true;
            state.since = now;
        }
        state.count = state.count.saturating_add(1);
        state.last_error = error.chars().filter(|c| !c.is_control()).take(LONGEST_ERROR).collect();
        is_new
    }

    fn clear_at(&self, now: WallTime, condition: Condition) -> bool {
        match self.lock().get_mut(&condition) {
            Some(state) if state.raised => {
                state.raised = false;
                state.since = now;
                true
            }
            _ => false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Condition, State>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wall_now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_remembers_since_when_how_often_and_why() {
        let health = Health::new();
        assert!(health.raise_at(WallTime(10), Condition::AsteriskDown, "no answer to OPTIONS"));
        assert!(!health.raise_at(WallTime(20), Condition::AsteriskDown, "still\nnone"));
        let report = health.snapshot().remove(0);
        assert_eq!((report.raised, report.since_ms, report.count), (true, 10, 2));
        assert_eq!(report.last_error, "stillnone", "control characters would break the log");
        assert!(health.clear_at(WallTime(30), Condition::AsteriskDown));
        assert!(!health.clear_at(WallTime(31), Condition::AsteriskDown));
        let report = health.snapshot().remove(0);
        assert_eq!((report.raised, report.since_ms, report.count), (false, 30, 2));
    }

    #[test]
    fn raised_conditions_come_first_and_errors_are_cut() {
        let health = Health::new();
        health.raise(Condition::AsteriskDown, "");
        health.clear(Condition::AsteriskDown);
        health.raise(Condition::StoreFull, "é".repeat(400));
        let snapshot = health.snapshot();
        assert_eq!(snapshot[0].name, "store-full");
        assert_eq!(snapshot[0].last_error.chars().count(), LONGEST_ERROR);
        assert_eq!(snapshot[1].name, "asterisk-down");
    }

    #[test]
    fn the_json_name_is_the_name() {
        let json = serde_json::to_string(&Condition::StoreFull).unwrap();
        assert_eq!(json, format!("\"{}\"", Condition::StoreFull.as_str()));
    }
}

//! What the engine and the daemon do, as events for the outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::documents;
use super::outbox::Outbox;
use crate::config::OfficeId;
use crate::engine::Observation;
use crate::engine::call::CallRecord;
use crate::uplink::{EventKind, Worth};

/// Turns what happens into events; cloning gives another handle. Never waits.
#[derive(Clone, Debug)]
pub struct EventDesk {
    office: OfficeId,
    boot: String,
    outbox: Outbox,
    over_links: Arc<CallsOverLinks>,
}

/// How calls over links went, for a route set's probation.
#[derive(Debug, Default)]
pub(super) struct CallsOverLinks {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl CallsOverLinks {
    /// Counts a call that was answered, or that no link could carry. Nothing is said by one that was busy, not answered or
    /// given up.
    fn count(&self, record: &CallRecord) {
        const FAILURES: [&str; 4] = ["no-route", "next-hop-silent", "refused", "connection-lost"];
        if !record.attempts.iter().any(|attempt| attempt.by == "link") {
            return;
        }
        if record.answered.is_some() {
            self.answered.fetch_add(1, Ordering::Relaxed);
        } else if FAILURES.contains(&record.cause) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All that were counted, and those that failed.
    pub(super) fn figures(&self) -> (u64, u64) {
        let failed = self.failed.load(Ordering::Relaxed);
        (self.answered.load(Ordering::Relaxed).saturating_add(failed), failed)
    }
}

impl EventDesk {
    pub(super) fn new(office: OfficeId, boot: String, outbox: Outbox) -> Self {
        Self { office, boot, outbox, over_links: Arc::default() }
    }

    /// A call ended, and this is its record.
    pub fn call(&self, record: &CallRecord) {
        self.over_links.count(record);
        if let Ok(body) = serde_json::to_value(record) {
            self.put(EventKind::Call, body);
        }
    }

    /// What the engine saw, if ops want to know of it. A refreshed registration changes nothing.
    pub fn observe(&self, observation: &Observation) {
        match observation {
            Observation::Registration { change, extension, bindings } if *change != "refreshed" => {
                let body = json!({ "change": change, "extension": extension, "bindings": bindings });
                self.put(EventKind::Registration, body);
            }
            Observation::Emergency { call, number, caller, place } => {
                let place = place.as_ref().map(
                    |place| json!({ "geo": place.geo, "civic": place.civic, "callback": place.callback }),
                );
                let body = json!({ "call": call, "number": number, "caller": caller, "place": place });
                self.put(EventKind::Emergency, body);
            }
            Observation::Roaming { change, extension, office } => {
                let more = json!({ "extension": extension, "office": office.as_str() });
                // There are as many as registrations, so when there is no room they may not push out what is rare.
                self.audit_as(Worth::Registration, "roaming", change, more);
            }
            _ => {}
        }
    }

    /// Calls over links since the start.
    pub(super) fn over_links(&self) -> Arc<CallsOverLinks> {
        Arc::clone(&self.over_links)
    }

    /// Somebody or something changed what the box does: `action` (`reload`, `routes`, `command`, `roaming`, `call-barred`, `start`, `stop`), its
    /// outcome as a stable word, and more about it.
    pub fn audit(&self, action: &str, outcome: &str, more: Value) {
        self.audit_as(EventKind::Audit.worth(), action, outcome, more);
    }

    fn audit_as(&self, worth: Worth, action: &str, outcome: &str, more: Value) {
        let mut body = json!({ "action": action, "outcome": outcome });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        let event = documents::new_event(self.office, &self.boot, EventKind::Audit, body);
        self.outbox.put(worth, event);
    }

    fn put(&self, kind: EventKind, body: Value) {
        self.outbox.put(kind.worth(), documents::new_event(self.office, &self.boot, kind, body));
    }
}

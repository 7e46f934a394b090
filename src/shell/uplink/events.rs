//! What the engine and the daemon do, as events for the outbox.

use serde_json::{Value, json};

use super::documents;
use super::outbox::Outbox;
use crate::config::OfficeId;
use crate::engine::Observation;
use crate::engine::call::CallRecord;
use crate::uplink::EventKind;

/// Turns what happens into events; cloning gives another handle. Never waits.
#[derive(Clone, Debug)]
pub struct EventDesk {
    office: OfficeId,
    boot: String,
    outbox: Outbox,
}

impl EventDesk {
    pub(super) fn new(office: OfficeId, boot: String, outbox: Outbox) -> Self {
        Self { office, boot, outbox }
    }

    /// A call ended, and this is its record.
    pub fn call(&self, record: &CallRecord) {
        if let Ok(body) = serde_json::to_value(record) {
            self.put(EventKind::Call, body);
        }
    }

    /// What the engine saw, if ops want to know of it. A refreshed registration changes nothing.
    pub fn observe(&self, observation: &Observation) {
        if let Observation::Registration { change, extension, bindings } = observation
            && *change != "refreshed"
        {
            let body = json!({ "change": change, "extension": extension, "bindings": bindings });
            self.put(EventKind::Registration, body);
        }
    }

    /// Somebody or something changed what the box does: `action` (`reload`, `routes`, `command`, `start`, `stop`), its
    /// outcome as a stable word, and more about it.
    pub fn audit(&self, action: &str, outcome: &str, more: Value) {
        let mut body = json!({ "action": action, "outcome": outcome });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        self.put(EventKind::Audit, body);
    }

    fn put(&self, kind: EventKind, body: Value) {
        self.outbox.put(kind.worth(), documents::new_event(self.office, &self.boot, kind, body));
    }
}

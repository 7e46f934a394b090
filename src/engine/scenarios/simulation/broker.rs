//! The broker: keeps the newest of each topic, tells it to whoever is connected, and takes what offices account for.
//!
//! A session may be cut at any time. What an office said and was not acknowledged is said again (QoS 1), so it may come
//! twice; what the broker says to one office keeps its order and may be late.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Judge;
use crate::engine::{Publication, RoamingInput};
use crate::uplink::Sequence;

/// A topic: whose, and whether it is the record that verifies.
pub(super) type Topic = (String, bool);

/// The topic of a publication.
pub(super) fn topic(publication: &Publication) -> Topic {
    match publication {
        Publication::Entry(entry) => (entry.aor.to_string(), false),
        Publication::Verifier(record) => (record.aor.to_string(), true),
    }
}

/// What an office hears of it.
pub(super) fn heard(publication: &Publication) -> RoamingInput {
    match publication {
        Publication::Entry(entry) => RoamingInput::Entry(entry.clone()),
        Publication::Verifier(record) => RoamingInput::Verifier((**record).clone()),
    }
}

/// What the broker keeps, and the books of ops behind it.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// The newest of each topic.
    pub(super) retained: BTreeMap<Topic, Publication>,
    /// Call records by office and number.
    accounted: BTreeMap<(usize, Sequence), String>,
    /// Their calls.
    calls: BTreeSet<(usize, String)>,
}

impl Broker {
    /// Ops hear of a call; the same number again is the same event.
    pub(super) fn account(&mut self, office: usize, sequence: Sequence, call: &str, judge: &mut Judge) {
        if let Some(known) = self.accounted.get(&(office, sequence)) {
            return judge.require(known == call, || {
                format!("number {sequence} of office {office} is two calls: {known} and {call}")
            });
        }
        self.accounted.insert((office, sequence), call.to_owned());
        let is_first = self.calls.insert((office, call.to_owned()));
        judge.require(is_first, || format!("call {call} of office {office} is accounted twice"));
    }

    /// Whether ops know of a call.
    pub(super) fn knows(&self, office: usize, call: &str) -> bool {
        self.calls.contains(&(office, call.to_owned()))
    }
}

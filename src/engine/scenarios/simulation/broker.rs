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
    /// Events by office and number.
    accounted: BTreeMap<(usize, Sequence), String>,
    /// Their names.
    events: BTreeSet<(usize, String)>,
    /// The last number of each session.
    last: BTreeMap<(usize, u32), Sequence>,
}

impl Broker {
    /// Ops hear of an event in a session; the same number again is the same event.
    pub(super) fn account(
        &mut self,
        office: usize,
        session: u32,
        sequence: Sequence,
        name: &str,
        judge: &mut Judge,
    ) {
        let last = self.last.insert((office, session), sequence);
        judge.require(last.is_none_or(|last| last < sequence), || {
            format!("event {sequence} of office {office} came after {last:?}")
        });
        if let Some(known) = self.accounted.get(&(office, sequence)) {
            return judge.require(known == name, || {
                format!("number {sequence} of office {office} is two events: {known} and {name}")
            });
        }
        self.accounted.insert((office, sequence), name.to_owned());
        let is_first = self.events.insert((office, name.to_owned()));
        judge.require(is_first, || format!("{name} of office {office} is accounted twice"));
        if let Some(words) = name.strip_prefix("loss ") {
            let mut counts = words.split(' ').map(|word| word.parse().unwrap_or(0));
            let losses = std::array::from_fn(|_| counts.next().unwrap_or(0));
            judge.on_shelf(office, |shelf| {
                shelf.is_heard_of(losses);
                None
            });
        }
    }

    /// Whether ops know of an event.
    pub(super) fn knows(&self, office: usize, name: &str) -> bool {
        self.events.contains(&(office, name.to_owned()))
    }
}

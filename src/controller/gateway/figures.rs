//! What was counted, and who is connected: for REST. Bounded by the reasons that there are and by the offices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::reason::NoEntry;
use crate::uplink::OfficeId;

/// Refusals that were logged, at most; then all are forgotten.
const MOST_LOGGED: usize = 4096;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(in crate::controller) struct Figures(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    listening: Option<SocketAddr>,
    by_reason: BTreeMap<(&'static str, &'static str), u64>,
    offices: BTreeMap<OfficeId, usize>,
    /// What was said of an office since it was connected last.
    logged: BTreeSet<(Option<OfficeId>, NoEntry)>,
}

impl Figures {
    /// It is there.
    pub(super) fn listens(&self, address: SocketAddr) {
        self.with(|counts| counts.listening = Some(address));
    }

    /// One more.
    pub(super) fn count(&self, what: &'static str, why: &'static str) {
        self.with(|counts| {
            let count = counts.by_reason.entry((what, why)).or_default();
            *count = count.saturating_add(1);
        });
    }

    /// A connection was not taken. Whether it is the first time that this is to be said of this office.
    pub(super) fn refused(&self, office: Option<OfficeId>, why: NoEntry) -> bool {
        self.count("refused-connections", why.as_str());
        self.with(|counts| {
            if counts.logged.len() >= MOST_LOGGED {
                counts.logged.clear();
            }
            counts.logged.insert((office, why))
        })
    }

    /// Which offices have how many connections; whoever has one will be told of anew.
    pub(super) fn connected(&self, offices: impl Iterator<Item = (OfficeId, usize)>) {
        self.with(|counts| {
            counts.offices = offices.collect();
            let there: Vec<OfficeId> = counts.offices.keys().copied().collect();
            counts.logged.retain(|(office, _)| office.is_none_or(|office| !there.contains(&office)));
        });
    }

    /// As REST shows it.
    pub(in crate::controller) fn view(&self) -> Value {
        self.with(|counts| {
            let mut counted = Map::new();
            for ((what, why), count) in &counts.by_reason {
                let of = counted.entry((*what).to_owned()).or_insert_with(|| json!({}));
                if let Value::Object(of) = of {
                    of.insert((*why).to_owned(), json!(count));
                }
            }
            let offices: Map<String, Value> =
                counts.offices.iter().map(|(office, count)| (office.to_string(), json!(count))).collect();
            json!({ "listening": counts.listening, "connections": offices, "counts": counted })
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Counts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

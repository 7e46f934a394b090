//! What an office has on flash, and what is on its way there.
//!
//! Writes become durable one after another and are acknowledged then. A crash keeps what was acknowledged; of what was not,
//! a part chosen by chance is there all the same, the rest is lost.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::call::CallRecord;
use crate::engine::numbering::Extension;
use crate::engine::registrar::Binding;
use crate::engine::roaming::{Aor, RoamingChange, RoamingEntry, SealedVerifier, Second};
use crate::engine::{Change, RoamingWrite, StoreTicket};
use crate::uplink::{Losses, Offer, Outbox, OutboxLimits, Sequence, Stored, Worth};

/// A write on its way.
#[derive(Debug)]
pub(super) enum Write {
    /// The store's, which is acknowledged.
    Store(StoreTicket, Change),
    /// The roaming cache's, for which nobody waits.
    Roaming(RoamingWrite),
    /// A call that ops have.
    Delivered(Sequence),
}

/// The flash of one office, with the policy of what waits for the uplink.
#[derive(Debug)]
pub(super) struct Disk {
    /// Bindings.
    bindings: BTreeMap<String, Binding>,
    /// Entries, and when they were heard.
    entries: BTreeMap<Aor, (RoamingEntry, Second)>,
    /// Visitors' records.
    pub(super) records: BTreeMap<Extension, SealedVerifier>,
    /// Calls that ops do not have yet.
    pub(super) calls: BTreeMap<Sequence, String>,
    next: Sequence,
    /// On their way.
    pub(super) writing: VecDeque<Write>,
    /// What goes when.
    pub(super) outbox: Outbox,
}

impl Disk {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self {
            bindings: BTreeMap::new(),
            entries: BTreeMap::new(),
            records: BTreeMap::new(),
            calls: BTreeMap::new(),
            next: Sequence(1),
            writing: VecDeque::new(),
            outbox: Outbox::new(OutboxLimits::default()),
        }
    }

    /// The next write is durable: its ticket, and the record that is acknowledged with it.
    pub(super) fn write(&mut self) -> (Option<StoreTicket>, Option<Box<CallRecord>>) {
        match self.writing.pop_front() {
            Some(Write::Store(ticket, change)) => (Some(ticket), self.store(change)),
            Some(Write::Roaming(RoamingWrite::Change(RoamingChange::Put { entry, heard }))) => {
                self.entries.insert(entry.aor.clone(), (entry, heard));
                (None, None)
            }
            Some(Write::Roaming(RoamingWrite::Change(RoamingChange::Forget(aor)))) => {
                self.entries.remove(&aor);
                (None, None)
            }
            Some(Write::Roaming(RoamingWrite::Verifier(record))) => {
                let known = self.records.get(&record.aor.extension);
                if known.is_none_or(|known| known.generation < record.generation) {
                    self.records.insert(record.aor.extension.clone(), *record);
                }
                (None, None)
            }
            Some(Write::Delivered(sequence)) => {
                self.calls.remove(&sequence);
                (None, None)
            }
            None => (None, None),
        }
    }

    fn store(&mut self, change: Change) -> Option<Box<CallRecord>> {
        match change {
            Change::PutBinding(binding) => {
                self.bindings.insert(format!("{:?}", binding.key), *binding);
                None
            }
            Change::RemoveBinding(key) => {
                self.bindings.remove(&format!("{key:?}"));
                None
            }
            // The simulated users say nothing of themselves.
            Change::Availability { .. } => None,
            Change::CallRecord(record) => {
                if let Offer::Kept { sequence, displaced } = self.outbox.offer(Worth::CallRecord, 500) {
                    self.calls.insert(sequence, record.id.clone());
                    self.calls.retain(|one, _| !displaced.contains(one));
                }
                self.next = self.outbox.next_sequence();
                Some(record)
            }
        }
    }

    /// The box fell: of the writes on their way `kept` are there. What the next start finds.
    pub(super) fn fall(&mut self, kept: usize) -> (Vec<Binding>, Vec<(RoamingEntry, Second)>) {
        for _ in 0..kept.min(self.writing.len()) {
            self.write();
        }
        self.writing.clear();
        let stored = self.calls.keys().map(|sequence| Stored {
            sequence: *sequence,
            worth: Worth::CallRecord,
            size: 500,
        });
        let limits = OutboxLimits::default();
        self.outbox = Outbox::restore(limits, self.next, Losses::default(), stored).0;
        (self.bindings.values().cloned().collect(), self.entries.values().cloned().collect())
    }
}

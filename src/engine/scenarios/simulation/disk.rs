//! What an office has on flash, and what is on its way there.
//!
//! Writes become durable one after another and are acknowledged then. A crash keeps what was acknowledged; of what was not,
//! a part chosen by chance is there all the same, the rest is lost.

use std::collections::{BTreeMap, VecDeque};

use super::office::Found;
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
    /// Something that ops shall know: what it is worth, its name.
    Event(Worth, String),
    /// An event that ops have.
    Delivered(Sequence),
}

/// What came of a write.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Who waits for it.
    pub(super) ticket: Option<StoreTicket>,
    /// The event that it was, and what became of it.
    pub(super) offered: Option<(Worth, String, Offer)>,
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
    /// Events that ops do not have yet.
    pub(super) events: BTreeMap<Sequence, (Worth, String)>,
    losses: Losses,
    limits: OutboxLimits,
    /// On their way.
    pub(super) writing: VecDeque<Write>,
    /// What goes when.
    pub(super) outbox: Outbox,
}

impl Disk {
    /// An empty one.
    pub(super) fn new(limits: OutboxLimits) -> Self {
        Self {
            bindings: BTreeMap::new(),
            entries: BTreeMap::new(),
            records: BTreeMap::new(),
            events: BTreeMap::new(),
            losses: Losses::default(),
            limits,
            writing: VecDeque::new(),
            outbox: Outbox::new(limits),
        }
    }

    /// From now on, and as if from the start, there is so much room.
    pub(super) fn has_room_for(&mut self, limits: OutboxLimits) {
        self.limits = limits;
        self.outbox = Outbox::new(limits);
    }

    /// The next write is durable.
    pub(super) fn write(&mut self) -> Written {
        let mut written = Written::default();
        match self.writing.pop_front() {
            Some(Write::Store(ticket, change)) => {
                written.ticket = Some(ticket);
                written.offered = self.store(change);
            }
            Some(Write::Roaming(RoamingWrite::Change(RoamingChange::Put { entry, heard }))) => {
                self.entries.insert(entry.aor.clone(), (entry, heard));
            }
            Some(Write::Roaming(RoamingWrite::Change(RoamingChange::Forget(aor)))) => {
                self.entries.remove(&aor);
            }
            Some(Write::Roaming(RoamingWrite::Verifier(record))) => {
                let known = self.records.get(&record.aor.extension);
                if known.is_none_or(|known| known.generation < record.generation) {
                    self.records.insert(record.aor.extension.clone(), *record);
                }
            }
            Some(Write::Event(worth, name)) => written.offered = Some(self.offer(worth, name)),
            Some(Write::Delivered(sequence)) => drop(self.events.remove(&sequence)),
            None => {}
        }
        written
    }

    fn store(&mut self, change: Change) -> Option<(Worth, String, Offer)> {
        match change {
            Change::PutBinding(binding) => {
                self.bindings.insert(format!("{:?}", binding.key), *binding);
                None
            }
            Change::RemoveBinding(key) => {
                self.bindings.remove(&format!("{key:?}"));
                None
            }
            // No story has rules, and no user says how to be reached: both have tests of their own.
            Change::Tally(_) | Change::Availability { .. } => None,
            Change::CallRecord(record) => Some(self.offer(Worth::CallRecord, format!("call {}", record.id))),
        }
    }

    fn offer(&mut self, worth: Worth, name: String) -> (Worth, String, Offer) {
        let offer = self.outbox.offer(worth, 500);
        if let Offer::Kept { sequence, displaced } = &offer {
            self.events.insert(*sequence, (worth, name.clone()));
            self.events.retain(|one, _| !displaced.contains(one));
        }
        self.losses = self.outbox.losses();
        (worth, name, offer)
    }

    /// A report of losses, if there is one to make now: its number, the losses, its name.
    pub(super) fn report(&mut self) -> Option<(Sequence, Losses, String)> {
        let losses = self.outbox.losses_to_report()?;
        let sequence = self.outbox.offer_loss_report(500)?;
        let words = Worth::ALL.map(|worth| losses.of(worth).to_string()).join(" ");
        let name = format!("loss {words} as {sequence}");
        self.events.insert(sequence, (Worth::Audit, name.clone()));
        self.losses = self.outbox.losses();
        Some((sequence, losses, name))
    }

    /// The box fell. What the next start finds, and the events for which there was no room any more.
    pub(super) fn fall(&mut self) -> (Found, Vec<Sequence>) {
        self.writing.clear();
        let stored = self.events.iter().map(|(sequence, (worth, _))| Stored {
            sequence: *sequence,
            worth: *worth,
            size: 500,
        });
        let (outbox, displaced) =
            Outbox::restore(self.limits, self.outbox.next_sequence(), self.losses, stored);
        self.outbox = outbox;
        self.losses = self.outbox.losses();
        self.events.retain(|sequence, _| !displaced.contains(sequence));
        ((self.bindings.values().cloned().collect(), self.entries.values().cloned().collect()), displaced)
    }
}

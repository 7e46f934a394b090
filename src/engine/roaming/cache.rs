//! The cache: merges what offices say, and says what happens here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use super::aor::{Aor, PackedExtension};
use super::doubts::Doubts;
use super::entry::{MAX_COUNTER, Presence, RoamingEntry, Second, Version};
use super::index::{Index, Slot};
use super::offices::{self, Offices};
use super::terms::{Merged, Refusal, RoamingChange, RoamingFigures, RoamingSettings};
use crate::engine::numbering::{CountryCode, Extension, OfficeId};
use crate::time::WallTime;

/// The bit of [`Slot::office`] that says "gone".
const GONE: u16 = 1 << 15;
/// Effects that wait to be taken; the owner takes them after every call, so this is never reached in earnest.
const MOST_EFFECTS: usize = 200_000;

/// The cache of one office.
#[derive(Debug)]
pub struct Roaming {
    own: OfficeId,
    settings: RoamingSettings,
    pub(super) index: Index,
    pub(super) offices: Offices,
    /// In which country offices are, by the extensions that they gave out. Bounded by their number.
    pub(super) countries: BTreeMap<OfficeId, CountryCode>,
    /// Who has devices here, and when the user signed in. Bounded by the registrar's bindings.
    pub(super) signed_in: BTreeMap<Aor, Second>,
    confirmed: Option<Second>,
    pub(super) doubts: Doubts,
    changes: VecDeque<RoamingChange>,
    publications: VecDeque<RoamingEntry>,
    pub(super) counts: RoamingFigures,
}

impl Roaming {
    /// The cache of office `own`; `key` is random.
    pub fn new(own: OfficeId, settings: RoamingSettings, key: [u64; 2]) -> Self {
        let mut offices = Offices::new(settings.offices.clamp(1, offices::MOST));
        offices.add(own);
        Self {
            own,
            settings,
            index: Index::new(settings.capacity, key),
            offices,
            countries: BTreeMap::new(),
            signed_in: BTreeMap::new(),
            confirmed: None,
            doubts: Doubts::default(),
            changes: VecDeque::new(),
            publications: VecDeque::new(),
            counts: RoamingFigures::default(),
        }
    }

    /// This office.
    pub const fn own(&self) -> OfficeId {
        self.own
    }

    /// The limits.
    pub const fn settings(&self) -> &RoamingSettings {
        &self.settings
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Counts, and how full it is.
    pub fn figures(&self) -> RoamingFigures {
        RoamingFigures {
            entries: self.index.len(),
            offices: self.offices.len(),
            memory: self.index.memory(),
            ..self.counts
        }
    }

    /// An extension's entry, expired or not, and when this box last heard it.
    pub fn known(&self, aor: &Aor) -> Option<(RoamingEntry, Second)> {
        let slot = self.slot(aor)?;
        Some((self.entry_of(slot, aor.clone())?, Second(slot.heard)))
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = RoamingEntry> {
        self.index.iter().filter_map(|slot| self.entry(slot))
    }

    /// Until when the other offices were last known to be heard.
    pub const fn confirmed(&self) -> Option<Second> {
        self.confirmed
    }

    /// The uplink is up and has told all it knows: what is known here is as fresh as `now`.
    pub fn confirm(&mut self, now: WallTime) {
        self.confirmed = self.confirmed.max(Some(Second::of(now)));
    }

    /// Takes back what was on flash: before anything is merged, and without effects.
    pub fn restore(&mut self, entry: &RoamingEntry, heard: Second) -> Result<(), Refusal> {
        if self.known(&entry.aor).is_some_and(|(known, _)| entry.newness(&known) != Ordering::Greater) {
            return Ok(());
        }
        self.put(entry, heard, heard)
    }

    /// Another office says where an extension is.
    pub fn merge(&mut self, entry: &RoamingEntry, now: WallTime) -> Merged {
        let second = Second::of(now);
        if !(1..=MAX_COUNTER).contains(&entry.version.counter) {
            return Merged::Refused(Refusal::Counter);
        }
        let known = self.known(&entry.aor);
        match known.as_ref().map(|(known, _)| entry.newness(known)) {
            Some(Ordering::Equal) => {
                self.doubts.dispel(&entry.aor);
                self.heard_again(&entry.aor, second);
                return Merged::Same;
            }
            Some(Ordering::Less) => {
                if let Some((known, _)) = known {
                    self.correct(entry, known, second);
                }
                return Merged::Older;
            }
            None if second.since(entry.expires) > self.settings.skew + self.settings.keep => {
                return Merged::Refused(Refusal::LongExpired);
            }
            Some(Ordering::Greater) | None => {}
        }
        if let Err(refusal) = self.record(entry, second) {
            return Merged::Refused(refusal);
        }
        self.doubts.dispel(&entry.aor);
        self.answer_for(entry, second);
        known.map_or(Merged::New, |(known, _)| Merged::Newer { from: known.version.office })
    }

    /// A device of the extension signed in here.
    pub fn sign_in(&mut self, aor: &Aor, now: WallTime) -> Result<(), Refusal> {
        let now = Second::of(now);
        self.signed_in.insert(aor.clone(), now);
        self.claim(aor, Presence::Here, now, now)
    }

    /// A device that survived a restart signed in here at `since`: nothing new to tell, unless nobody else does.
    pub fn resume(&mut self, aor: &Aor, since: WallTime) {
        self.signed_in.insert(aor.clone(), Second::of(since));
    }

    /// All that survived a restart is back: users who were here and have no device any more are signed out.
    pub fn settle(&mut self, now: WallTime) {
        let is_left = |entry: &RoamingEntry| self.is_mine(entry) && !self.is_signed_in(&entry.aor);
        let left: Vec<_> = self.iter().filter(is_left).map(|entry| entry.aor).collect();
        for aor in left {
            let _ = self.sign_out(&aor, now);
        }
    }

    /// The last device of the extension here is gone.
    pub fn sign_out(&mut self, aor: &Aor, now: WallTime) -> Result<(), Refusal> {
        self.signed_in.remove(aor);
        let is_mine = self.known(aor).is_some_and(|(entry, _)| self.is_mine(&entry));
        let now = Second::of(now);
        if is_mine { self.claim(aor, Presence::Gone, now, now) } else { Ok(()) }
    }

    /// What time brings: leases are renewed, users whom no other office claims any more are claimed again, what nobody
    /// put right is put right, and what expired long ago is forgotten. Once a minute is often enough.
    pub fn handle_time(&mut self, now: WallTime) {
        let second = Second::of(now);
        let signed_in: Vec<_> = self.signed_in.keys().cloned().collect();
        for aor in signed_in {
            self.renew(&aor, second);
        }
        while let Some(aor) = self.doubts.due(second) {
            if let Some((known, _)) = self.known(&aor) {
                self.publish(known);
            }
        }
        self.purge(second);
    }

    /// What this office said and still holds: to be published again on a broker that may not have it.
    pub fn own_entries(&self) -> impl Iterator<Item = RoamingEntry> {
        self.iter().filter(|entry| entry.version.office == self.own)
    }

    /// Whether this office holds the extension, as far as it knows.
    pub fn own_entry_of(&self, aor: &Aor) -> bool {
        self.known(aor).is_some_and(|(entry, _)| self.is_mine(&entry))
    }

    /// Whether a device of the extension is signed in here.
    pub fn is_signed_in(&self, aor: &Aor) -> bool {
        self.signed_in.contains_key(aor)
    }

    /// The next change for the flash.
    pub fn poll_change(&mut self) -> Option<RoamingChange> {
        self.changes.pop_front()
    }

    /// The next entry to publish.
    pub fn poll_publication(&mut self) -> Option<RoamingEntry> {
        self.publications.pop_front()
    }

    pub(super) fn with_extension(&self, extension: &Extension) -> impl Iterator<Item = RoamingEntry> {
        self.index.of(PackedExtension::pack(extension)).filter_map(|slot| self.entry(slot))
    }

    pub(super) fn entry(&self, slot: &Slot) -> Option<RoamingEntry> {
        let aor = Aor { home: self.offices.id(slot.home)?, extension: slot.extension.unpack()? };
        self.entry_of(slot, aor)
    }

    /// The office where the slot's user is at `now`, with the allowance for clocks.
    pub(super) fn host(&self, slot: &Slot, now: Second) -> Option<OfficeId> {
        let is_present = slot.office & GONE == 0 && now <= Second(slot.expires).plus(self.settings.skew);
        self.offices.id(slot.office).filter(|_| is_present)
    }

    fn entry_of(&self, slot: &Slot, aor: Aor) -> Option<RoamingEntry> {
        let presence = if slot.office & GONE == 0 { Presence::Here } else { Presence::Gone };
        Some(RoamingEntry {
            aor,
            version: Version {
                counter: slot.counter,
                registered: Second(slot.registered),
                office: self.offices.id(slot.office & !GONE)?,
            },
            presence,
            expires: Second(slot.expires),
        })
    }

    /// Takes an entry out of the index, and from flash.
    pub(super) fn forget(&mut self, slot: &Slot) {
        let aor = self.entry(slot).map(|entry| entry.aor);
        self.index.remove(slot.extension, slot.home);
        if let Some(aor) = aor {
            self.changed(RoamingChange::Forget(aor));
        }
    }

    /// The numbers of the offices in a slot.
    pub(super) const fn offices_of(slot: &Slot) -> [u16; 2] {
        [slot.home, slot.office & !GONE]
    }

    pub(super) fn slot(&self, aor: &Aor) -> Option<&Slot> {
        self.index.get(PackedExtension::pack(&aor.extension), self.offices.number(aor.home)?)
    }

    pub(super) fn is_mine(&self, entry: &RoamingEntry) -> bool {
        entry.version.office == self.own && entry.presence == Presence::Here
    }

    fn heard_again(&mut self, aor: &Aor, now: Second) {
        let Some(home) = self.offices.number(aor.home) else { return };
        if let Some(slot) = self.index.get_mut(PackedExtension::pack(&aor.extension), home) {
            slot.heard = slot.heard.max(now.0);
        }
    }

    /// Says something new of an extension, with a counter above all that is known.
    pub(super) fn claim(
        &mut self,
        aor: &Aor,
        presence: Presence,
        registered: Second,
        now: Second,
    ) -> Result<(), Refusal> {
        let counter = self.slot(aor).map_or(0, |slot| slot.counter) + 1;
        if counter > MAX_COUNTER {
            return Err(Refusal::CounterExhausted);
        }
        let entry = RoamingEntry {
            aor: aor.clone(),
            version: Version { counter, registered, office: self.own },
            presence,
            expires: now.plus(self.settings.lease),
        };
        self.tell(&entry, now)
    }

    /// Records an entry of ours and publishes it, even when there is no room to record it.
    pub(super) fn tell(&mut self, entry: &RoamingEntry, now: Second) -> Result<(), Refusal> {
        let recorded = self.record(entry, now);
        self.publish(entry.clone());
        recorded
    }

    fn record(&mut self, entry: &RoamingEntry, now: Second) -> Result<(), Refusal> {
        self.put(entry, now, now)?;
        self.changed(RoamingChange::Put { entry: entry.clone(), heard: now });
        Ok(())
    }

    fn put(&mut self, entry: &RoamingEntry, heard: Second, now: Second) -> Result<(), Refusal> {
        let [home, office] = self.office_numbers([entry.aor.home, entry.version.office])?;
        let slot = Slot {
            extension: PackedExtension::pack(&entry.aor.extension),
            counter: entry.version.counter,
            registered: entry.version.registered.0,
            expires: entry.expires.0,
            heard: heard.0,
            home,
            office: if entry.presence == Presence::Gone { office | GONE } else { office },
        };
        if let Some(known) = self.index.get_mut(slot.extension, home) {
            *known = slot;
            return Ok(());
        }
        if self.index.is_full() {
            self.make_room(now);
        }
        if !self.index.insert(slot) {
            return Err(Refusal::Full);
        }
        self.note_country(&entry.aor);
        Ok(())
    }

    /// The numbers of two offices, for which unused ones are freed if need be.
    fn office_numbers(&mut self, offices: [OfficeId; 2]) -> Result<[u16; 2], Refusal> {
        let is_new = |office: &OfficeId| self.offices.number(*office).is_none();
        if offices.iter().filter(|office| is_new(office)).count() > self.offices.room() {
            let wanted =
                offices.into_iter().chain([self.own]).filter_map(|office| self.offices.number(office));
            let used = self.index.iter().flat_map(Self::offices_of).chain(wanted).collect::<Vec<_>>();
            self.offices.retain(used.into_iter());
        }
        let [first, second] = offices.map(|office| self.offices.add(office).ok_or(Refusal::TooManyOffices));
        Ok([first?, second?])
    }

    pub(super) fn publish(&mut self, entry: RoamingEntry) {
        if self.publications.len() < MOST_EFFECTS {
            self.publications.push_back(entry);
        }
    }

    fn changed(&mut self, change: RoamingChange) {
        if self.changes.len() < MOST_EFFECTS {
            self.changes.push_back(change);
        }
    }
}

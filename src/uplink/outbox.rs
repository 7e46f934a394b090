//! What the box has to tell and could not tell yet: which event waits, which goes next, which goes when there is no room.
//!
//! The events themselves lie on flash, by their sequence numbers; here is only their order, size and worth, so that the
//! policy is values. Whoever stores them does what these verbs return.
//!
//! | state of an event | leaves it by |
//! | --- | --- |
//! | waiting | [`Outbox::dispatch`] → in flight; evicted for a new one → lost |
//! | in flight | [`Outbox::acknowledged`] → gone; [`Outbox::session_ended`] → waiting |
//!
//! **Room.** A new event that does not fit displaces the oldest waiting events of the least worth, never one worth more
//! than itself, and none if that would still make no room: then the new one is lost. Events in flight are not displaced,
//! because the broker may have them already.
//!
//! **Accounts.** Each offered event takes the next sequence number, kept or not. So a gap in what arrives is a loss, and
//! [`Losses`] says how many of which worth; they are reported by an event of their own once there is room.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// What an event is worth, least first: this order decides what goes when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worth {
    /// A device came or went. The next one of the same extension says more.
    Registration,
    /// A call ended.
    CallRecord,
    /// Somebody or something changed what the box does; also a report of losses.
    Audit,
    /// An emergency call.
    Emergency,
}

impl Worth {
    /// Every worth, least first.
    pub const ALL: [Self; 4] = [Self::Registration, Self::CallRecord, Self::Audit, Self::Emergency];

    /// The name in documents and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::CallRecord => "call-record",
            Self::Audit => "audit",
            Self::Emergency => "emergency",
        }
    }
}

/// An event's number: each offered event has the next one, through restarts too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Most events.
    pub events: usize,
    /// Most bytes of all events together.
    pub bytes: u64,
    /// Most events sent and not acknowledged.
    pub in_flight: usize,
}

impl Default for OutboxLimits {
    /// 20,000 events, 8 MiB, 64 in flight.
    fn default() -> Self {
        Self { events: 20_000, bytes: 8 << 20, in_flight: 64 }
    }
}

/// How many events were lost since losses were last reported, by worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Losses {
    /// Registrations.
    pub registration: u64,
    /// Call records.
    pub call_record: u64,
    /// Audit records.
    pub audit: u64,
    /// Emergencies.
    pub emergency: u64,
}

impl Losses {
    /// Losses of one worth.
    pub const fn of(&self, worth: Worth) -> u64 {
        match worth {
            Worth::Registration => self.registration,
            Worth::CallRecord => self.call_record,
            Worth::Audit => self.audit,
            Worth::Emergency => self.emergency,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        Worth::ALL.into_iter().fold(0, |sum, worth| sum.saturating_add(self.of(worth)))
    }

    fn count(&mut self, worth: Worth) {
        let counter = match worth {
            Worth::Registration => &mut self.registration,
            Worth::CallRecord => &mut self.call_record,
            Worth::Audit => &mut self.audit,
            Worth::Emergency => &mut self.emergency,
        };
        *counter = counter.saturating_add(1);
    }
}

/// What became of an offered event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Store it under this number, and delete those that it displaced, oldest of the least worth first.
    Kept {
        /// Its number.
        sequence: Sequence,
        /// What to delete; counted as losses already.
        displaced: Vec<Sequence>,
    },
    /// There is no room for it; counted as a loss already.
    Lost {
        /// The number that it would have had, which no event will have.
        sequence: Sequence,
    },
}

/// An event to publish now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Which.
    pub sequence: Sequence,
    /// It happened before this session began, or was sent in an earlier one: mark it so.
    pub historical: bool,
}

/// A stored event, as found on flash at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub sequence: Sequence,
    /// Its worth.
    pub worth: Worth,
    /// Its length in bytes.
    pub size: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    worth: Worth,
    size: u32,
}

/// The order of what waits; see the module's table.
#[derive(Debug)]
pub struct Outbox {
    limits: OutboxLimits,
    entries: BTreeMap<Sequence, Entry>,
    waiting: [BTreeSet<Sequence>; 4],
    in_flight: BTreeSet<Sequence>,
    bytes: u64,
    next: Sequence,
    /// Events before this one are historical.
    live_from: Sequence,
    connected: bool,
    losses: Losses,
}

impl Outbox {
    /// An empty one, whose first event will be number 1.
    pub fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            waiting: Default::default(),
            in_flight: BTreeSet::new(),
            bytes: 0,
            next: Sequence(1),
            live_from: Sequence(1),
            connected: false,
            losses: Losses::default(),
        }
    }

    /// The one that was on flash: `stored` in any order, `next` the number to go on with (raised if a stored event has a
    /// higher one), `losses` those not reported yet. Returns also what to delete because `limits` became narrower.
    pub fn restore(
        limits: OutboxLimits,
        next: Sequence,
        losses: Losses,
        stored: impl IntoIterator<Item = Stored>,
    ) -> (Self, Vec<Sequence>) {
        let mut outbox = Self { losses, ..Self::new(limits) };
        outbox.next = next.max(outbox.next);
        for Stored { sequence, worth, size } in stored {
            if outbox.entries.contains_key(&sequence) {
                continue;
            }
            outbox.insert(sequence, Entry { worth, size });
            outbox.next = outbox.next.max(sequence.next());
        }
        let mut displaced = Vec::new();
        while outbox.is_over(0, 0) {
            let Some(victim) = outbox.least().next() else { break };
            outbox.displace(victim, &mut displaced);
        }
        outbox.live_from = outbox.next;
        (outbox, displaced)
    }

    /// Takes a new event of `size` bytes, if need be in the place of others.
    pub fn offer(&mut self, worth: Worth, size: u32) -> Offer {
        let sequence = self.take_number();
        let Some(victims) = self.victims_for(worth, size) else {
            self.losses.count(worth);
            return Offer::Lost { sequence };
        };
        let mut displaced = Vec::with_capacity(victims.len());
        for victim in victims {
            self.displace(victim, &mut displaced);
        }
        self.insert(sequence, Entry { worth, size });
        Offer::Kept { sequence, displaced }
    }

    /// Losses that should be reported now: there are some, somebody listens, and a report would displace nothing.
    pub fn losses_to_report(&self) -> Option<Losses> {
        let has_room = self.entries.len() < self.limits.events && self.bytes < self.limits.bytes;
        (self.connected && has_room && self.losses.total() > 0).then_some(self.losses)
    }

    /// Takes the report of [`Self::losses_to_report`], of `size` bytes: those losses are not counted any more.
    /// `None` if it does not fit; the losses stay counted then.
    pub fn offer_loss_report(&mut self, size: u32) -> Option<Sequence> {
        if self.is_over(1, u64::from(size)) {
            return None;
        }
        let sequence = self.take_number();
        self.insert(sequence, Entry { worth: Worth::Audit, size });
        self.losses = Losses::default();
        Some(sequence)
    }

    /// A session with a broker is up.
    pub fn session_began(&mut self) {
        self.session_ended();
        self.connected = true;
        self.live_from = self.next;
    }

    /// The session is gone: what was in flight waits again.
    pub fn session_ended(&mut self) {
        self.connected = false;
        for sequence in std::mem::take(&mut self.in_flight) {
            if let Some(entry) = self.entries.get(&sequence) {
                self.waiting[entry.worth as usize].insert(sequence);
            }
        }
    }

    /// The next event to publish, oldest first. `None` without a session, when nothing waits, or when enough is in flight.
    pub fn dispatch(&mut self) -> Option<Dispatch> {
        if !self.connected || self.in_flight.len() >= self.limits.in_flight {
            return None;
        }
        let sequence = self.waiting.iter().filter_map(BTreeSet::first).min().copied()?;
        let entry = self.entries.get(&sequence)?;
        self.waiting[entry.worth as usize].remove(&sequence);
        self.in_flight.insert(sequence);
        Some(Dispatch { sequence, historical: sequence < self.live_from })
    }

    /// The broker has it. Returns whether it was in flight: delete it then.
    pub fn acknowledged(&mut self, sequence: Sequence) -> bool {
        if !self.in_flight.remove(&sequence) {
            return false;
        }
        self.forget(sequence);
        true
    }

    /// The number that the next offered event will have.
    pub const fn next_sequence(&self) -> Sequence {
        self.next
    }

    /// Losses not reported yet.
    pub const fn losses(&self) -> Losses {
        self.losses
    }

    /// How many events wait or are in flight.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Their bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn take_number(&mut self) -> Sequence {
        let sequence = self.next;
        self.next = sequence.next();
        sequence
    }

    /// What has to go for a new event, or `None` if even that would not do.
    fn victims_for(&self, worth: Worth, size: u32) -> Option<Vec<Sequence>> {
        let mut over_events = (self.entries.len() + 1).saturating_sub(self.limits.events);
        let mut over_bytes = (self.bytes + u64::from(size)).saturating_sub(self.limits.bytes);
        let mut victims = Vec::new();
        let candidates = self.least().map_while(|sequence| Some((sequence, self.entries.get(&sequence)?)));
        for (sequence, entry) in candidates.take_while(|(_, entry)| entry.worth <= worth) {
            if over_events == 0 && over_bytes == 0 {
                break;
            }
            over_events = over_events.saturating_sub(1);
            over_bytes = over_bytes.saturating_sub(u64::from(entry.size));
            victims.push(sequence);
        }
        (over_events == 0 && over_bytes == 0).then_some(victims)
    }

    /// Waiting events, the least worth first, then the oldest.
    fn least(&self) -> impl Iterator<Item = Sequence> {
        self.waiting.iter().flatten().copied()
    }

    fn is_over(&self, events: usize, bytes: u64) -> bool {
        self.entries.len() + events > self.limits.events || self.bytes + bytes > self.limits.bytes
    }

    fn insert(&mut self, sequence: Sequence, entry: Entry) {
        self.waiting[entry.worth as usize].insert(sequence);
        self.bytes += u64::from(entry.size);
        self.entries.insert(sequence, entry);
    }

    fn displace(&mut self, sequence: Sequence, displaced: &mut Vec<Sequence>) {
        if let Some(entry) = self.forget(sequence) {
            self.waiting[entry.worth as usize].remove(&sequence);
            self.losses.count(entry.worth);
            displaced.push(sequence);
        }
    }

    fn forget(&mut self, sequence: Sequence) -> Option<Entry> {
        let entry = self.entries.remove(&sequence)?;
        self.bytes = self.bytes.saturating_sub(u64::from(entry.size));
        Some(entry)
    }
}

//! Which leg a transaction, dialog or media end belongs to, and the calls' timers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::abandoned::Abandoned;
use super::id::{CallId, LegId};
use super::timer::{CallTimer, Purpose};
use crate::engine::dialog::Dialogs;
use crate::engine::timers::Timers;
use crate::engine::transaction::{ClientId, ServerId};
use crate::media::EndId;

/// From how many entries of one call on those that have left are swept.
const SWEEP: usize = 32;

/// What a client transaction of ours asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The INVITE that calls a party.
    Invite,
    /// A re-INVITE.
    Reinvite,
    /// A refreshing UPDATE.
    Refresh,
    /// A PRACK or INFO: its failure changes nothing but 481 and 408 (RFC 5057).
    Within,
}

/// What a call has in the books.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Server(ServerId),
    Client(ClientId),
    End(EndId),
}

/// Bounded by the limits on calls and transactions: entries leave with their transaction, dialog, end or call.
#[derive(Debug)]
pub struct Books {
    servers: HashMap<ServerId, LegId>,
    clients: HashMap<ClientId, (LegId, Asked)>,
    /// Dialogs of live legs.
    pub dialogs: Dialogs<LegId>,
    ends: HashMap<EndId, LegId>,
    of_call: HashMap<CallId, Vec<Entry>>,
    /// INVITEs that were given up unheard.
    pub abandoned: Abandoned,
    /// All calls' timers.
    pub timers: Timers<CallTimer>,
}

impl Books {
    /// Empty books for at most `max_dialogs` dialogs.
    pub fn new(max_dialogs: usize) -> Self {
        Self {
            servers: HashMap::new(),
            clients: HashMap::new(),
            dialogs: Dialogs::new(max_dialogs),
            ends: HashMap::new(),
            of_call: HashMap::new(),
            abandoned: Abandoned::default(),
            timers: Timers::default(),
        }
    }

    /// Notes whose INVITE a server transaction is.
    pub fn note_server(&mut self, server: ServerId, leg: LegId) {
        if self.servers.insert(server, leg).is_none() {
            self.note(leg.call, Entry::Server(server));
        }
    }

    /// Notes what a client transaction asked.
    pub fn note_client(&mut self, client: ClientId, leg: LegId, asked: Asked) {
        self.clients.insert(client, (leg, asked));
        self.note(leg.call, Entry::Client(client));
    }

    /// Notes whose end it is.
    pub fn note_end(&mut self, end: EndId, leg: LegId) {
        if self.ends.insert(end, leg).is_none() {
            self.note(leg.call, Entry::End(end));
        }
    }

    /// Whose INVITE it is.
    pub fn server(&self, server: ServerId) -> Option<LegId> {
        self.servers.get(&server).copied()
    }

    /// What it asked, for whom.
    pub fn client(&self, client: ClientId) -> Option<(LegId, Asked)> {
        self.clients.get(&client).copied()
    }

    /// Whose end it is.
    pub fn end(&self, end: EndId) -> Option<LegId> {
        self.ends.get(&end).copied()
    }

    /// The transaction is over for us.
    pub fn forget_server(&mut self, server: ServerId) {
        self.servers.remove(&server);
    }

    /// The transaction is over for us.
    pub fn forget_client(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    /// The end is closed.
    pub fn forget_end(&mut self, end: EndId) {
        self.ends.remove(&end);
    }

    /// Sets a timer of a call.
    pub fn set(&mut self, call: CallId, purpose: Purpose, now: Instant, after: Duration) {
        if let Some(at) = now.checked_add(after) {
            self.timers.set(CallTimer { call, purpose }, at);
        }
    }

    /// Cancels a timer of a call.
    pub fn cancel(&mut self, call: CallId, purpose: Purpose) {
        self.timers.cancel(&CallTimer { call, purpose });
    }

    /// The timers of the attempt under way.
    pub fn cancel_attempt(&mut self, call: CallId) {
        for purpose in [Purpose::Ring, Purpose::Connect, Purpose::Progress] {
            self.cancel(call, purpose);
        }
    }

    /// Everything of a call that is forgotten. Dialogs leave with their legs.
    pub fn forget_call(&mut self, call: CallId, legs: u16) {
        for entry in self.of_call.remove(&call).into_iter().flatten() {
            match entry {
                Entry::Server(server) => drop(self.servers.remove(&server)),
                Entry::Client(client) => drop(self.clients.remove(&client)),
                Entry::End(end) => drop(self.ends.remove(&end)),
            }
        }
        self.cancel_attempt(call);
        for purpose in [Purpose::Longest, Purpose::Meter, Purpose::Idle, Purpose::Sample, Purpose::Linger] {
            self.cancel(call, purpose);
        }
        for place in 0..legs {
            self.cancel_leg(call, place);
        }
    }

    /// The timers of one leg.
    pub fn cancel_leg(&mut self, call: CallId, place: u16) {
        let of_leg: [fn(u16) -> Purpose; 5] =
            [Purpose::Refresh, Purpose::Expire, Purpose::Again, Purpose::Away, Purpose::Reply];
        for purpose in of_leg {
            self.cancel(call, purpose(place));
        }
    }

    /// A long call makes many transactions: entries that have left are swept now and then.
    fn note(&mut self, call: CallId, entry: Entry) {
        let entries = self.of_call.entry(call).or_default();
        entries.push(entry);
        if entries.len() >= SWEEP && entries.len().is_power_of_two() {
            let (servers, clients, ends) = (&self.servers, &self.clients, &self.ends);
            entries.retain(|entry| match entry {
                Entry::Server(server) => servers.contains_key(server),
                Entry::Client(client) => clients.contains_key(client),
                Entry::End(end) => ends.contains_key(end),
            });
        }
    }

    /// What is left, for tests.
    #[cfg(test)]
    pub fn residue(&mut self) -> Vec<String> {
        let counts = [
            ("server entries", self.servers.len()),
            ("client entries", self.clients.len()),
            ("dialogs", self.dialogs.len()),
            ("end entries", self.ends.len()),
            ("calls with entries", self.of_call.len()),
            ("abandoned INVITEs", self.abandoned.len()),
            ("call timers", usize::from(self.timers.next_deadline().is_some())),
        ];
        counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect()
    }
}

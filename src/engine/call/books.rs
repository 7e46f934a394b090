//! Which leg a transaction, dialog or media end belongs to, and the calls' timers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::id::{CallId, LegId};
use super::timer::{CallTimer, Purpose};
use crate::engine::dialog::Dialogs;
use crate::engine::timers::Timers;
use crate::engine::transaction::{ClientId, ServerId};
use crate::media::EndId;

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

/// Bounded by the limits on calls and transactions: entries leave with their transaction, dialog, end or call.
#[derive(Debug)]
pub struct Books {
    servers: HashMap<ServerId, LegId>,
    clients: HashMap<ClientId, (LegId, Asked)>,
    /// Dialogs of live legs.
    pub dialogs: Dialogs<LegId>,
    ends: HashMap<EndId, LegId>,
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
            timers: Timers::default(),
        }
    }

    /// Notes whose INVITE a server transaction is.
    pub fn note_server(&mut self, server: ServerId, leg: LegId) {
        self.servers.insert(server, leg);
    }

    /// Notes what a client transaction asked.
    pub fn note_client(&mut self, client: ClientId, leg: LegId, asked: Asked) {
        self.clients.insert(client, (leg, asked));
    }

    /// Notes whose end it is.
    pub fn note_end(&mut self, end: EndId, leg: LegId) {
        self.ends.insert(end, leg);
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

    /// Everything of a call that is forgotten.
    pub fn forget_call(&mut self, call: CallId, legs: u16) {
        self.servers.retain(|_, leg| leg.call != call);
        self.clients.retain(|_, (leg, _)| leg.call != call);
        for purpose in [Purpose::Ring, Purpose::Longest, Purpose::Sample, Purpose::Linger] {
            self.cancel(call, purpose);
        }
        for place in 0..legs {
            for purpose in
                [Purpose::Refresh(place), Purpose::Expire(place), Purpose::Again(place), Purpose::Away(place)]
            {
                self.cancel(call, purpose);
            }
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
            ("call timers", usize::from(self.timers.next().is_some())),
        ];
        counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect()
    }
}

//! Registrations: answered once they are on flash, and told to Asterisk.

use std::time::Duration;

use super::Engine;
use crate::engine::flow::Flow;
use crate::engine::output::{Observation, Output, StoreTicket};
use crate::engine::registrar::{Changed, Claimed, PendingRegistration, Registered};
use crate::engine::transaction::ServerId;
use crate::sip::Request;
use crate::time::Now;

/// How long a registration waits for the flash: less than its sender waits for the answer.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// A registration whose answer waits for the flash.
pub(super) struct Waiting {
    server: ServerId,
    flow: Flow,
    request: Request,
    pending: PendingRegistration,
    tickets: Vec<StoreTicket>,
    durable: bool,
}

impl Engine {
    pub(super) fn register(&mut self, now: Now, server: ServerId, flow: Flow, request: Request) {
        let to = request.to().and_then(|to| to.uri.user().map(|user| user.to_string()));
        let claimed = self.claimed(to.as_deref());
        match self.fetches_record(server, flow, &request, &claimed) {
            Ok(true) => {}
            Ok(false) => self.judge_registration(now, server, flow, request, &claimed),
            Err(status) => self.answer(now, server, &request, status),
        }
    }

    /// Lets the registrar judge a REGISTER; the records that it takes are at hand.
    pub(super) fn judge_registration(
        &mut self,
        now: Now,
        server: ServerId,
        flow: Flow,
        request: Request,
        claimed: &Claimed,
    ) {
        match self.registrar.register(now, flow, &request, claimed) {
            Registered::Answer { response, refusal, is_guess } => {
                if let Some(reason) = refusal {
                    self.refused("registrar", reason);
                }
                if is_guess {
                    self.admission.note_failure(now, flow, &request);
                }
                self.respond(now, server, *response);
            }
            Registered::Pending { changes, pending } => {
                self.waiting_sequence += 1;
                let key = self.waiting_sequence;
                let mut tickets = Vec::with_capacity(changes.len());
                for change in changes {
                    self.tickets += 1;
                    let ticket = StoreTicket(self.tickets);
                    self.waiting_by_ticket.insert(ticket, key);
                    tickets.push(ticket);
                    self.out.push_back(Output::Persist { ticket, change });
                }
                let is_stored = tickets.is_empty();
                let waiting = Waiting { server, flow, request, pending, tickets, durable: true };
                self.waiting.insert(key, waiting);
                if is_stored {
                    return self.finish_registration(now, key);
                }
                self.store_timers.set(key, now.instant + STORE_PATIENCE);
            }
        }
    }

    pub(super) fn persisted(&mut self, now: Now, ticket: StoreTicket, durable: bool) {
        let Some(key) = self.waiting_by_ticket.remove(&ticket) else { return };
        let Some(waiting) = self.waiting.get_mut(&key) else { return };
        waiting.durable &= durable;
        waiting.tickets.retain(|one| *one != ticket);
        if waiting.tickets.is_empty() {
            self.finish_registration(now, key);
        }
    }

    /// The store has not said anything about a registration for too long: the engine goes on in memory.
    pub(super) fn store_is_silent(&mut self, now: Now, key: u64) {
        if let Some(waiting) = self.waiting.get_mut(&key) {
            waiting.durable = false;
            self.finish_registration(now, key);
        }
    }

    pub(super) fn finish_registration(&mut self, now: Now, key: u64) {
        let Some(waiting) = self.waiting.remove(&key) else { return };
        self.store_timers.cancel(&key);
        for ticket in &waiting.tickets {
            self.waiting_by_ticket.remove(ticket);
        }
        if !waiting.durable {
            self.refused("registrar", "not-durable");
        }
        let devices: Vec<_> = waiting.pending.devices().cloned().collect();
        let (response, changes) = self.registrar.commit(now, waiting.flow, &waiting.request, waiting.pending);
        for device in devices {
            if let Some(flow) = self.registrar.flow_of(&device) {
                self.calls.device_moved(&device, flow);
            }
        }
        self.respond(now, waiting.server, response);
        self.note_registrations(&changes, now);
    }

    /// Tells what changed, and Asterisk which extensions can be rung.
    pub(super) fn note_registrations(&mut self, changes: &[Changed], now: Now) {
        if changes.is_empty() {
            return;
        }
        let bindings = self.registrar.len();
        for changed in changes {
            if let Some(change) = changed.forget.clone() {
                self.tickets += 1;
                self.out.push_back(Output::Persist { ticket: StoreTicket(self.tickets), change });
            }
            let extension = changed.extension.to_string();
            let change = changed.what.as_str();
            self.out.push_back(Output::Observe(Observation::Registration { change, extension, bindings }));
            let extension = &changed.extension;
            if self.registrar.visitor(extension).is_some() {
                // Asterisk does not know them.
                continue;
            }
            let is_there = self.registrar.is_there(extension);
            if !is_there && self.registrar.is_registered(extension) {
                self.mirror.away(extension, now);
            } else {
                self.mirror.extension(extension, is_there, now);
            }
        }
        self.note_roaming(changes, now);
    }
}

//! Server transactions: keeping them, answering by them, letting their time pass.

use std::time::Instant;

use rand_chacha::rand_core::Rng;

use super::{Alarm, Layer};
use crate::engine::flow::Flow;
use crate::engine::transaction::invite_server::{InviteServer, Lapse};
use crate::engine::transaction::key::Key;
use crate::engine::transaction::server::Server;
use crate::engine::transaction::{DropReason, Event, RespondRefusal, ServerId};
use crate::sip::header::RSeq;
use crate::sip::{HeaderName, Request, Response, StatusCode};

/// A server transaction in the table.
#[derive(Debug)]
pub(super) struct ServerEntry {
    key: Key,
    pub(super) machine: ServerMachine,
    armed: Option<Instant>,
    quiet: bool,
}

#[derive(Debug)]
pub(super) enum ServerMachine {
    /// With its key among the INVITEs.
    Invite(Box<InviteServer>, Key),
    Other(Server),
}

impl ServerMachine {
    fn has_ended(&self) -> bool {
        match self {
            Self::Invite(machine, _) => machine.has_ended(),
            Self::Other(machine) => machine.has_ended(),
        }
    }

    fn is_quiet(&self) -> bool {
        match self {
            Self::Invite(machine, _) => machine.is_quiet(),
            Self::Other(machine) => machine.is_quiet(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine, _) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }
}

impl Layer {
    /// Makes room if need be. `false`: full of transactions that still matter.
    pub(super) fn has_room_for_server(&mut self) -> bool {
        if self.servers.is_full() {
            let Some(id) = self.servers.quietest(|entry| entry.quiet) else { return false };
            self.out.count(DropReason::Displaced);
            self.remove_server(id);
        }
        true
    }

    /// Opens the transaction of a non-INVITE request. `None` when the table is full.
    pub(super) fn open_server(&mut self, now: Instant, flow: Flow, key: Key) -> Option<u64> {
        let machine = Server::start(flow, now + self.settings.unanswered);
        self.insert_server(key, ServerMachine::Other(machine))
    }

    /// Opens the transaction of an INVITE. `None` when the table is full.
    pub(super) fn open_invite_server(
        &mut self,
        now: Instant,
        flow: Flow,
        key: Key,
        invite_key: Key,
        request: &Request,
    ) -> Option<u64> {
        let trying = Response::to_request(request, StatusCode::TRYING, None).to_bytes();
        let unanswered = now + self.settings.unanswered;
        let machine = InviteServer::start(now, flow, trying, self.settings.trying, unanswered, &mut self.out);
        let id = self.insert_server(key, ServerMachine::Invite(Box::new(machine), invite_key))?;
        self.by_invite.insert(invite_key, id);
        Some(id)
    }

    fn insert_server(&mut self, key: Key, machine: ServerMachine) -> Option<u64> {
        let entry = ServerEntry { key, machine, armed: None, quiet: false };
        let id = self.servers.insert(entry).ok()?;
        self.by_key.insert(key, id);
        self.settle_server(id);
        Some(id)
    }

    pub(super) fn invite_server(&mut self, id: u64) -> Option<&mut InviteServer> {
        match &mut self.servers.get_mut(id)?.machine {
            ServerMachine::Invite(machine, _) => Some(machine),
            ServerMachine::Other(_) => None,
        }
    }

    pub(super) fn respond_by(
        &mut self,
        now: Instant,
        id: u64,
        response: &Response,
    ) -> Result<(), RespondRefusal> {
        let entry = self.servers.get_mut(id).ok_or(RespondRefusal::Gone)?;
        let (timing, out) = (&self.settings.timing, &mut self.out);
        let bytes = response.to_bytes();
        let result = match &mut entry.machine {
            ServerMachine::Invite(machine, _) => {
                machine.note_tag(response.to_tag());
                machine.respond(now, response.status, bytes, timing, out)
            }
            ServerMachine::Other(machine) => machine.respond(now, response.status, bytes, timing, out),
        };
        self.settle_server(id);
        result
    }

    pub(super) fn respond_reliably_by(
        &mut self,
        now: Instant,
        id: u64,
        mut response: Response,
    ) -> Result<(), RespondRefusal> {
        let first = self.rng.next_u32();
        let entry = self.servers.get_mut(id).ok_or(RespondRefusal::Gone)?;
        let ServerMachine::Invite(machine, _) = &mut entry.machine else {
            return Err(RespondRefusal::NotReliable);
        };
        if !response.status.is_provisional() || response.status == StatusCode::TRYING {
            return Err(RespondRefusal::NotReliable);
        }
        let rseq = machine.next_rseq(first)?;
        let mut require = response.option_tags(&HeaderName::Require).unwrap_or_default();
        require.add("100rel");
        response.headers.replace(HeaderName::Require, &require);
        response.headers.set(&RSeq(rseq));
        machine.note_tag(response.to_tag());
        let bytes = response.to_bytes();
        let result = machine.respond_reliably(now, rseq, bytes, &self.settings.timing, &mut self.out);
        self.settle_server(id);
        result
    }

    pub(super) fn server_timeout(&mut self, now: Instant, id: u64) {
        let Some(entry) = self.servers.get_mut(id) else { return };
        entry.armed = None;
        let lapse = match &mut entry.machine {
            ServerMachine::Invite(machine, _) => machine.on_timeout(now, &mut self.out),
            ServerMachine::Other(machine) => machine.on_timeout(now).then_some(Lapse::NeverAnswered),
        };
        let server = ServerId(id);
        match lapse {
            Some(Lapse::NeverAnswered) => self.out.count(DropReason::NeverAnswered),
            Some(Lapse::Unacknowledged { accepted }) => {
                self.out.tell(Event::Unacknowledged { server, accepted });
            }
            Some(Lapse::ProvisionalUnacknowledged) => {
                self.out.tell(Event::ProvisionalUnacknowledged { server });
            }
            None => {}
        }
        self.settle_server(id);
    }

    /// After every change: ends, re-arms, or makes displaceable.
    pub(super) fn settle_server(&mut self, id: u64) {
        let Some(entry) = self.servers.get_mut(id) else { return };
        if entry.machine.has_ended() {
            self.remove_server(id);
            return;
        }
        Self::rearm(&mut self.timers, Alarm::Server(id), &mut entry.armed, entry.machine.deadline());
        if entry.machine.is_quiet() && !entry.quiet {
            entry.quiet = true;
            self.servers.fell_quiet(id);
        }
    }

    fn remove_server(&mut self, id: u64) {
        let Some(entry) = self.servers.remove(id) else { return };
        self.timers.cancel(&Alarm::Server(id));
        self.by_key.remove(&entry.key);
        if let ServerMachine::Invite(_, invite_key) = entry.machine
            && self.by_invite.get(&invite_key) == Some(&id)
        {
            self.by_invite.remove(&invite_key);
        }
    }
}

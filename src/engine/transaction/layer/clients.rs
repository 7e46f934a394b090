//! Client transactions: opening, cancelling, acknowledging, letting their time pass.

use std::time::Instant;

use bytes::Bytes;
use rand_chacha::rand_core::Rng;

use super::{Alarm, FlowKey, Layer, RequestOptions};
use crate::engine::flow::{Flow, FlowFailure};
use crate::engine::transaction::client::Client;
use crate::engine::transaction::invite_client::InviteClient;
use crate::engine::transaction::key::Branch;
use crate::engine::transaction::{CancelRefusal, ClientId, DropReason, Event, FailureReason, RequestRefusal};
use crate::sip::uri::HostPort;
use crate::sip::{HeaderName, Host, Method, Request, Text, Via};

/// A client transaction in the table.
#[derive(Debug)]
pub(super) struct ClientEntry {
    /// What its branch carries beside the id.
    pub(super) token: u64,
    pub(super) machine: ClientMachine,
    armed: Option<Instant>,
    quiet: bool,
}

#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(Box<Inviting>),
    Other(Client, Method),
    /// Of the layer's own: its outcome is for nobody (§9.1).
    Cancel(Client),
}

#[derive(Debug)]
pub(super) struct Inviting {
    pub(super) machine: InviteClient,
    /// The INVITE without its body, for the CANCEL and the ACK of a refusal.
    pub(super) request: Option<Request>,
    reason: Option<Text>,
    /// The CANCEL's transaction.
    pub(super) cancel: Option<u64>,
}

impl ClientMachine {
    pub(super) fn flow(&self) -> Flow {
        match self {
            Self::Invite(inviting) => inviting.machine.flow(),
            Self::Other(machine, _) | Self::Cancel(machine) => machine.flow(),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Invite(inviting) => inviting.machine.has_ended(),
            Self::Other(machine, _) | Self::Cancel(machine) => machine.has_ended(),
        }
    }

    fn is_quiet(&self) -> bool {
        match self {
            Self::Invite(inviting) => inviting.machine.is_quiet(),
            Self::Other(machine, _) | Self::Cancel(machine) => machine.is_quiet(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(inviting) => inviting.machine.deadline(),
            Self::Other(machine, _) | Self::Cancel(machine) => machine.deadline(),
        }
    }
}

impl Layer {
    pub(super) fn start_client(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        options: RequestOptions,
    ) -> Result<u64, RequestRefusal> {
        if !is_fit(&request) {
            return Err(RequestRefusal::Unfit);
        }
        let id = self.next_client_id().ok_or(RequestRefusal::Full)?;
        let token = self.rng.next_u64();
        self.put_via(&mut request, flow, Branch { token, client: id });
        let bytes = request.to_bytes();
        let (timing, out) = (&self.settings.timing, &mut self.out);
        let first = options.first_response;
        let machine = if request.method == Method::Invite {
            let machine = InviteClient::start(now, flow, bytes, timing, first, out);
            request.body = Bytes::new();
            ClientMachine::Invite(Box::new(Inviting {
                machine,
                request: Some(request),
                reason: None,
                cancel: None,
            }))
        } else {
            ClientMachine::Other(Client::start(now, flow, bytes, timing, first, out), request.method)
        };
        self.insert_client(token, machine)
    }

    /// The id of the next client; makes room if need be.
    fn next_client_id(&mut self) -> Option<u64> {
        if self.clients.is_full() {
            let quiet = self.clients.quietest(|entry| entry.quiet)?;
            self.out.count(DropReason::Displaced);
            self.remove_client(quiet);
        }
        self.clients.next_id()
    }

    fn insert_client(&mut self, token: u64, machine: ClientMachine) -> Result<u64, RequestRefusal> {
        let flow = machine.flow();
        let entry = ClientEntry { token, machine, armed: None, quiet: false };
        let id = self.clients.insert(entry).map_err(|_| RequestRefusal::Full)?;
        self.by_flow.insert((flow_key(flow), id));
        self.settle_client(id);
        Ok(id)
    }

    fn put_via(&self, request: &mut Request, flow: Flow, branch: Branch) {
        let HostPort { host, port } = self.sent_by(flow);
        let via = Via::new(flow.transport, host, port, &branch.to_string());
        request.headers.insert_first(HeaderName::Via, &via);
    }

    /// Where our Vias on `flow` say that we are.
    pub(super) fn sent_by(&self, flow: Flow) -> HostPort {
        let host = match &self.settings.sent_by {
            Some(name) => Host::from(name.as_str()),
            None => Host::from(flow.local.ip()),
        };
        HostPort { host, port: Some(flow.local.port()) }
    }

    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        flow: Flow,
        id: u64,
        mut ack: Request,
    ) -> Result<(), RequestRefusal> {
        let tag = ack.to_tag().unwrap_or_default();
        if ack.method != Method::Ack {
            return Err(RequestRefusal::Unfit);
        }
        let branch = Branch { token: self.rng.next_u64(), client: id };
        self.put_via(&mut ack, flow, branch);
        let bytes = ack.to_bytes();
        let entry = self.clients.get_mut(id).ok_or(RequestRefusal::Gone)?;
        let ClientMachine::Invite(inviting) = &mut entry.machine else { return Err(RequestRefusal::Unfit) };
        if !inviting.machine.acknowledged(&tag, flow, bytes.clone()) {
            return Err(RequestRefusal::Gone);
        }
        self.out.send(flow, &bytes);
        self.after_client(now, id);
        Ok(())
    }

    pub(super) fn cancel_client(
        &mut self,
        now: Instant,
        id: u64,
        reason: Option<&str>,
    ) -> Result<(), CancelRefusal> {
        let entry = self.clients.get_mut(id).ok_or(CancelRefusal::Answered)?;
        let ClientMachine::Invite(inviting) = &mut entry.machine else {
            return Err(CancelRefusal::NotInvite);
        };
        inviting.machine.want_cancel(now, &self.settings.timing)?;
        if inviting.reason.is_none() {
            inviting.reason = reason.map(Text::from);
        }
        self.after_client(now, id);
        Ok(())
    }

    pub(super) fn client_timeout(&mut self, now: Instant, id: u64) {
        let Some(entry) = self.clients.get_mut(id) else { return };
        entry.armed = None;
        let failure = match &mut entry.machine {
            ClientMachine::Invite(inviting) => inviting.machine.on_timeout(now, &mut self.out),
            ClientMachine::Other(machine, _) => machine.on_timeout(now, &mut self.out),
            ClientMachine::Cancel(machine) => {
                machine.on_timeout(now, &mut self.out);
                None
            }
        };
        self.tell_failure(id, failure);
        self.after_client(now, id);
    }

    pub(super) fn fail_clients(&mut self, now: Instant, flow: Flow, failure: FlowFailure, closed: bool) {
        let key = flow_key(flow);
        let ids: Vec<u64> = self.by_flow.range((key, 0)..=(key, u64::MAX)).map(|(_, id)| *id).collect();
        for id in ids {
            let Some(entry) = self.clients.get_mut(id).filter(|entry| entry.machine.flow() == flow) else {
                continue;
            };
            let failed = match &mut entry.machine {
                ClientMachine::Invite(inviting) if closed => inviting.machine.on_flow_lost(failure),
                ClientMachine::Invite(inviting) => inviting.machine.on_transmit_failed(failure),
                ClientMachine::Other(machine, _) => machine.on_flow_lost(failure),
                ClientMachine::Cancel(machine) => {
                    machine.on_flow_lost(failure);
                    None
                }
            };
            self.tell_failure(id, failed);
            self.after_client(now, id);
        }
    }

    fn tell_failure(&mut self, id: u64, failure: Option<FailureReason>) {
        if let Some(reason) = failure {
            self.out.tell(Event::Failed { client: ClientId(id), reason });
        }
    }

    /// After every change: sends a CANCEL that has become due, then settles.
    pub(super) fn after_client(&mut self, now: Instant, id: u64) {
        let Some(entry) = self.clients.get_mut(id) else { return };
        if let ClientMachine::Invite(inviting) = &mut entry.machine
            && inviting.machine.take_due_cancel()
        {
            self.send_cancel(now, id);
        }
        self.settle_client(id);
    }

    fn send_cancel(&mut self, now: Instant, invite: u64) {
        let Some(entry) = self.clients.get(invite) else { return };
        let ClientMachine::Invite(inviting) = &entry.machine else { return };
        let Some(mut cancel) = inviting.request.as_ref().and_then(Request::cancel_of) else { return };
        if let Some(reason) = &inviting.reason {
            cancel.headers.push(HeaderName::Reason, reason);
        }
        let (flow, token, bytes) = (inviting.machine.flow(), entry.token, cancel.to_bytes());
        let machine = Client::start(now, flow, bytes, &self.settings.timing, None, &mut self.out);
        // When the table is full the CANCEL was sent all the same, once; its INVITE's own deadline stands.
        let Ok(id) = self.insert_client(token, ClientMachine::Cancel(machine)) else { return };
        if let Some(ClientMachine::Invite(inviting)) =
            self.clients.get_mut(invite).map(|entry| &mut entry.machine)
        {
            inviting.cancel = Some(id);
        }
    }

    /// Ends, re-arms, or makes displaceable.
    pub(super) fn settle_client(&mut self, id: u64) {
        let Some(entry) = self.clients.get_mut(id) else { return };
        if entry.machine.has_ended() {
            self.remove_client(id);
            return;
        }
        Self::rearm(&mut self.timers, Alarm::Client(id), &mut entry.armed, entry.machine.deadline());
        if let ClientMachine::Invite(inviting) = &mut entry.machine
            && !inviting.machine.needs_request()
        {
            inviting.request = None;
        }
        let quiet = entry.machine.is_quiet();
        if quiet && !entry.quiet {
            self.clients.fell_quiet(id);
        }
        if let Some(entry) = self.clients.get_mut(id) {
            entry.quiet = quiet;
        }
    }

    fn remove_client(&mut self, id: u64) {
        let Some(entry) = self.clients.remove(id) else { return };
        self.timers.cancel(&Alarm::Client(id));
        self.by_flow.remove(&(flow_key(entry.machine.flow()), id));
        if let ClientMachine::Invite(inviting) = entry.machine {
            // Its answer could no longer be matched, since it has the INVITE's branch.
            if let Some(cancel) = inviting.cancel {
                self.remove_client(cancel);
            }
        }
    }
}

fn is_fit(request: &Request) -> bool {
    let named = [HeaderName::From, HeaderName::To, HeaderName::CallId];
    !matches!(request.method, Method::Ack | Method::Cancel)
        && named.iter().all(|name| request.headers.has(name))
        && request.cseq().is_some_and(|cseq| cseq.method == request.method)
}

fn flow_key(flow: Flow) -> FlowKey {
    (flow.connection, flow.remote)
}

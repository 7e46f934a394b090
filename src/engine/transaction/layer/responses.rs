//! Responses off the wire (§17.1.3, §18.1.2).

use std::time::Instant;

use super::Layer;
use super::clients::{ClientEntry, ClientMachine};
use crate::engine::flow::Flow;
use crate::engine::transaction::invite_client::{Heard, Seen};
use crate::engine::transaction::key::Branch;
use crate::engine::transaction::{ClientId, DropReason, Event, ReliableProvisional, client};
use crate::sip::header::{CSeq, RSeq};
use crate::sip::{HeaderName, Method, Request, Response};

impl Layer {
    pub(super) fn receive_response(&mut self, now: Instant, flow: Flow, response: Response) {
        match self.client_of(flow, &response) {
            Ok((id, cseq)) => self.hear(now, id, &cseq, response),
            Err(reason) => self.out.count(reason),
        }
    }

    /// The client transaction that a response belongs to.
    fn client_of(&self, flow: Flow, response: &Response) -> Result<(u64, CSeq), DropReason> {
        let via = response.top_via().ok_or(DropReason::NoVia)?;
        let cseq = response.cseq().ok_or(DropReason::Malformed)?;
        let branch = via.branch().as_ref().and_then(Branch::parse).ok_or(DropReason::StrayResponse)?;
        let of_token = |entry: &&ClientEntry| entry.token == branch.token;
        let entry = self.clients.get(branch.client).filter(of_token).ok_or(DropReason::StrayResponse)?;
        let sent_on = entry.machine.flow();
        let sent_by = self.sent_by(sent_on);
        if !via.sent_by.host.same(&sent_by.host) || via.sent_by.port != sent_by.port {
            return Err(DropReason::ForeignResponse);
        }
        if flow.side != sent_on.side || flow.transport != sent_on.transport {
            return Err(DropReason::ForeignFlow);
        }
        let id = match &entry.machine {
            ClientMachine::Invite(inviting) if cseq.method == Method::Cancel => {
                inviting.cancel.ok_or(DropReason::ForeignResponse)?
            }
            ClientMachine::Invite(_) if cseq.method == Method::Invite => branch.client,
            ClientMachine::Other(_, method) if cseq.method == *method => branch.client,
            _ => return Err(DropReason::ForeignResponse),
        };
        Ok((id, cseq))
    }

    fn hear(&mut self, now: Instant, id: u64, cseq: &CSeq, response: Response) {
        let Some(entry) = self.clients.get_mut(id) else { return };
        let timing = &self.settings.timing;
        let client = ClientId(id);
        match &mut entry.machine {
            ClientMachine::Invite(_) => return self.hear_invite(now, id, cseq, response),
            ClientMachine::Cancel(machine) => {
                machine.on_response(now, response.status, timing);
            }
            ClientMachine::Other(machine, _) => match machine.on_response(now, response.status, timing) {
                client::Heard::Deliver => self.out.tell(Event::Response { client, response, prack: None }),
                client::Heard::Absorb(reason) => self.out.count(reason),
            },
        }
        self.settle_client(id);
    }

    fn hear_invite(&mut self, now: Instant, id: u64, cseq: &CSeq, response: Response) {
        let Some(entry) = self.clients.get_mut(id) else { return };
        let ClientMachine::Invite(inviting) = &mut entry.machine else { return };
        let timing = &self.settings.timing;
        let to_tag = response.to_tag().unwrap_or_default();
        let seen = Seen { status: response.status, to_tag: &to_tag, reliable: reliable(&response, cseq) };
        let client = ClientId(id);
        match inviting.machine.on_response(now, seen, timing, &mut self.out) {
            Heard::Deliver(prack) => self.out.tell(Event::Response { client, response, prack }),
            Heard::Late => self.out.tell(Event::LateAnswer { client, response }),
            Heard::Absorb(reason) => self.out.count(reason),
            Heard::Refused { deliver } => {
                let ack = inviting.request.as_ref().and_then(|invite| Request::ack_of(invite, &response));
                let Some(ack) = ack else { return self.out.count(DropReason::Malformed) };
                inviting.machine.completed(now, ack.to_bytes(), timing, &mut self.out);
                if deliver {
                    self.out.tell(Event::Response { client, response, prack: None });
                }
            }
        }
        self.after_client(now, id);
    }
}

/// What a PRACK for this response has to say; `None` unless it is a reliable provisional one.
fn reliable(response: &Response, cseq: &CSeq) -> Option<ReliableProvisional> {
    if !response.status.is_provisional() || response.status.code() == 100 {
        return None;
    }
    let require = response.option_tags(&HeaderName::Require).ok()?;
    let RSeq(rseq) = response.headers.read::<RSeq>().ok().flatten().filter(|_| require.has("100rel"))?;
    Some(ReliableProvisional { rseq, cseq: cseq.number })
}

//! Requests off the wire: matched, absorbed, or told to the user (§17.2.3, §9.2, RFC 3262 §3).

use std::time::Instant;

use super::Layer;
use super::servers::ServerMachine;
use crate::engine::flow::Flow;
use crate::engine::transaction::invite_server::Acked;
use crate::engine::transaction::key::{Key, same_hop};
use crate::engine::transaction::{DropReason, Event, ServerId};
use crate::sip::header::{RAck, RetryAfter};
use crate::sip::{HeaderName, Method, Request, Response, StatusCode, Via};

impl Layer {
    pub(super) fn receive_request(&mut self, now: Instant, flow: Flow, mut request: Request) {
        let Some(via) = note_source(&mut request, flow) else { return self.out.count(DropReason::NoVia) };
        match request.method {
            Method::Ack => self.receive_ack(now, flow, &via, request),
            Method::Cancel => self.receive_cancel(flow, &via, request),
            _ => self.receive_other(now, flow, &via, request),
        }
    }

    fn receive_other(&mut self, now: Instant, flow: Flow, via: &Via, request: Request) {
        let Some(key) = self.keyer.transaction(flow.side, via, &request, &request.method) else {
            self.out.count(DropReason::Malformed);
            return self.answer(flow, &request, StatusCode::BAD_REQUEST, None);
        };
        if let Some(id) = self.by_key.get(&key).copied() {
            return self.repeat(id);
        }
        match request.method {
            Method::Invite => self.receive_invite(now, flow, key, request),
            Method::Prack => self.receive_prack(now, flow, key, request),
            _ => match self.open(now, flow, key) {
                Some(id) => self.out.tell(Event::Request { server: ServerId(id), flow, request }),
                None => self.refuse_full(flow, key, &request),
            },
        }
    }

    fn repeat(&mut self, id: u64) {
        self.out.count(DropReason::RepeatedRequest);
        let Some(entry) = self.servers.get_mut(id) else { return };
        match &mut entry.machine {
            ServerMachine::Invite(machine, _) => machine.on_repeat(&mut self.out),
            ServerMachine::Other(machine) => machine.on_repeat(&mut self.out),
        }
        self.settle_server(id);
    }

    fn receive_invite(&mut self, now: Instant, flow: Flow, key: Key, request: Request) {
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        let Some(invite_key) = self.keyer.invite(flow.side, &request, number) else {
            self.out.count(DropReason::Malformed);
            return self.answer(flow, &request, StatusCode::BAD_REQUEST, Some(key));
        };
        if request.to_tag().is_none() && self.is_merged(invite_key) {
            self.out.count(DropReason::Merged);
            return self.answer(flow, &request, StatusCode::LOOP_DETECTED, Some(key));
        }
        if !self.has_room_for_server() {
            return self.refuse_full(flow, key, &request);
        }
        if let Some(id) = self.open_invite_server(now, flow, key, invite_key, &request) {
            self.out.tell(Event::Request { server: ServerId(id), flow, request });
        }
    }

    fn is_merged(&mut self, invite_key: Key) -> bool {
        let Some(id) = self.by_invite.get(&invite_key).copied() else { return false };
        self.invite_server(id).is_some_and(|machine| machine.is_ongoing())
    }

    fn receive_prack(&mut self, now: Instant, flow: Flow, key: Key, request: Request) {
        let Some(id) = self.open(now, flow, key) else { return self.refuse_full(flow, key, &request) };
        let server = ServerId(id);
        let Some(invite) = self.acknowledged_by(now, flow, &request) else {
            self.out.count(DropReason::StrayPrack);
            let answer = Response::to_request(&request, StatusCode::CALL_DOES_NOT_EXIST, Some(&key.tag()));
            // The transaction was opened above and has no answer yet, so this one is taken.
            let _ = self.respond_by(now, id, &answer);
            return;
        };
        self.out.tell(Event::Prack { server, invite: ServerId(invite), flow, request });
    }

    /// The INVITE whose outstanding reliable response a PRACK acknowledges.
    fn acknowledged_by(&mut self, now: Instant, flow: Flow, prack: &Request) -> Option<u64> {
        let rack = prack.headers.read::<RAck>().ok().flatten()?;
        let key = self.keyer.invite(flow.side, prack, rack.cseq.number)?;
        let id = self.by_invite.get(&key).copied().filter(|_| rack.cseq.method == Method::Invite)?;
        let ServerMachine::Invite(machine, _) = &mut self.servers.get_mut(id)?.machine else { return None };
        let matched = machine.on_prack(now, rack.rseq, &self.settings.timing, &mut self.out);
        self.settle_server(id);
        matched.then_some(id)
    }

    fn receive_ack(&mut self, now: Instant, flow: Flow, via: &Via, request: Request) {
        let by_branch = self.keyer.transaction(flow.side, via, &request, &Method::Invite);
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        let by_dialog = self.keyer.invite(flow.side, &request, number);
        // The ACK of a 2xx is a transaction of its own and has another branch (§17.1.1.3, §13.2.2.4).
        let found = by_branch
            .and_then(|key| self.by_key.get(&key))
            .or_else(|| by_dialog.and_then(|key| self.by_invite.get(&key)))
            .copied();
        let timing = self.settings.timing;
        let acked = found.and_then(|id| Some((id, self.invite_server(id)?.on_ack(now, &timing))));
        match acked {
            Some((id, Acked::Deliver)) => self.out.tell(Event::Ack { server: ServerId(id), request }),
            Some((_, Acked::Repeated)) => self.out.count(DropReason::RepeatedAck),
            Some((_, Acked::Absorbed)) => {}
            Some((_, Acked::Stray)) | None => self.out.count(DropReason::StrayAck),
        }
        if let Some((id, _)) = acked {
            self.settle_server(id);
        }
    }

    /// Answered without state: every repetition gets the same answer, and the INVITE remembers that it was
    /// cancelled.
    fn receive_cancel(&mut self, flow: Flow, via: &Via, request: Request) {
        let key = self.keyer.transaction(flow.side, via, &request, &Method::Invite);
        let id = key.and_then(|key| self.by_key.get(&key).copied());
        let invite =
            id.and_then(|id| self.invite_server(id)).filter(|machine| same_hop(machine.flow(), flow));
        let (Some(machine), Some(id), Some(key)) = (invite, id, key) else {
            self.out.count(DropReason::StrayCancel);
            return self.answer(flow, &request, StatusCode::CALL_DOES_NOT_EXIST, key);
        };
        let told = machine.on_cancel();
        let tag = machine.tag().map_or_else(|| key.tag(), ToString::to_string);
        let answer = Response::to_request(&request, StatusCode::OK, Some(&tag));
        self.out.send(flow, &answer.to_bytes());
        if told {
            self.out.tell(Event::Cancelled { invite: ServerId(id), cancel: request });
        }
    }

    fn open(&mut self, now: Instant, flow: Flow, key: Key) -> Option<u64> {
        if self.has_room_for_server() { self.open_server(now, flow, key) } else { None }
    }

    fn refuse_full(&mut self, flow: Flow, key: Key, request: &Request) {
        self.out.count(DropReason::Full);
        let retry_after = RetryAfter(self.settings.limits.retry_after);
        let answer = Response::to_request(request, StatusCode::SERVICE_UNAVAILABLE, Some(&key.tag()))
            .with(HeaderName::RetryAfter, retry_after);
        self.out.send(flow, &answer.to_bytes());
    }

    /// Answers without state.
    fn answer(&mut self, flow: Flow, request: &Request, status: StatusCode, key: Option<Key>) {
        let tag = key.map_or_else(|| self.fresh_tag().to_string(), Key::tag);
        let answer = Response::to_request(request, status, Some(&tag));
        self.out.send(flow, &answer.to_bytes());
    }
}

/// Fills `received` and `rport` into the top Via, and returns it.
fn note_source(request: &mut Request, flow: Flow) -> Option<Via> {
    let mut via = request.top_via()?;
    let before = via.params.clone();
    via.note_source(flow.remote);
    if via.params != before {
        request.headers.replace_first_value(&HeaderName::Via, &via);
    }
    Some(via)
}

//! Phones and Asterisk as far as the engine's messages need an answer.

use std::collections::VecDeque;

use branchline::engine::flow::{Flow, Side};
use branchline::sip::digest::{UserKeys, answer, choose};
use branchline::sip::header::{CSeq, ContentType, MaxForwards};
use branchline::sip::{HeaderName, Message, Method, Request, Response, StatusCode, Text, Uri};
use bytes::Bytes;

/// How much of each kind is remembered; the oldest makes way.
const KEPT: usize = 8;
/// The password of every extension.
pub(super) const PASSWORD: &str = "secret";

/// A dialog as its far end sees it.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) flow: Flow,
    call_id: Text,
    local: Text,
    remote: Text,
    target: Uri,
    cseq: u32,
}

/// What the far ends remember, and what they want to say.
#[derive(Debug, Default)]
pub(super) struct FarEnd {
    /// Messages that want to go in.
    pub(super) says: VecDeque<(Flow, Bytes)>,
    pub(super) silent: bool,
    invites: VecDeque<(Flow, Request)>,
    dialogs: VecDeque<Dialog>,
    /// Sent, and to be repeated with a password.
    wants_password: VecDeque<Request>,
    sent_invites: VecDeque<Request>,
    counter: u64,
}

impl FarEnd {
    /// Notes a request of its own that goes in.
    pub(super) fn sends(&mut self, request: &Request, with_password: bool) {
        if with_password {
            keep(&mut self.wants_password, request.clone());
        }
        if request.method == Method::Invite {
            keep(&mut self.sent_invites, request.clone());
        }
    }

    /// A message of the engine.
    pub(super) fn hears(&mut self, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.asked(flow, request),
            Message::Response(response) => self.answered(flow, &response),
        }
    }

    fn asked(&mut self, flow: Flow, request: Request) {
        match request.method {
            Method::Ack => {}
            Method::Invite => keep(&mut self.invites, (flow, request)),
            _ if self.silent && flow.side == Side::Site => {}
            _ => self.say(flow, &Response::to_request(&request, StatusCode::OK, Some("far")).into()),
        }
    }

    fn answered(&mut self, flow: Flow, response: &Response) {
        let matches = |request: &&Request| {
            request.headers.call_id() == response.headers.call_id()
                && request.headers.cseq() == response.headers.cseq()
        };
        if matches!(response.status.code(), 401 | 407) {
            if let Some(request) = self.wants_password.iter().find(matches).cloned() {
                self.repeat_with_password(flow, request, response);
            }
        } else if (200..300).contains(&response.status.code())
            && let Some(invite) = self.sent_invites.iter().find(matches).cloned()
        {
            self.dialog_of_caller(flow, &invite, response);
        }
    }

    fn repeat_with_password(&mut self, flow: Flow, mut request: Request, response: &Response) {
        let (challenge, credentials) = match response.status.code() {
            407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
            _ => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
        };
        let challenges = response.headers.challenges(&challenge);
        let (Ok(challenge), Some(from), Some(cseq)) =
            (choose(&challenges), request.headers.from(), request.headers.cseq())
        else {
            return;
        };
        let user = from.uri.user().unwrap_or_default().into_owned();
        let keys = UserKeys::new(&user, &challenge.realm, PASSWORD);
        self.counter += 1;
        let cnonce = format!("{:x}", self.counter);
        let asked = (&request.method, &request.uri);
        let Ok(proof) = answer(challenge, &user, &keys, asked, &cnonce, 1) else { return };
        request.headers.replace(credentials, proof.to_string());
        let number = (cseq.number + 1) & 0x7FFF_FFFF;
        request.headers.set(&CSeq { number, method: cseq.method });
        self.freshen_via(&mut request);
        self.sends(&request, false);
        self.say(flow, &request.into());
    }

    /// A new transaction: the branch of the top Via changes.
    fn freshen_via(&mut self, request: &mut Request) {
        self.counter += 1;
        let via = format!("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKfar{};rport", self.counter);
        request.headers.remove_first_value(&HeaderName::Via);
        request.headers.insert_first(HeaderName::Via, via);
    }

    fn dialog_of_caller(&mut self, flow: Flow, invite: &Request, response: &Response) {
        let target = response.headers.contacts().ok().and_then(|contacts| contacts.first().cloned());
        let headers = &response.headers;
        let (Some(target), Some(call_id), Some(from), Some(to)) =
            (target, headers.call_id(), headers.get(&HeaderName::From), headers.get(&HeaderName::To))
        else {
            return;
        };
        let dialog = Dialog {
            flow,
            call_id: call_id.clone(),
            local: from.clone(),
            remote: to.clone(),
            target: target.uri.clone(),
            cseq: invite.headers.cseq().map_or(1, |cseq| cseq.number),
        };
        keep(&mut self.dialogs, dialog);
        if !self.silent {
            self.request(0, Method::Ack, &[]);
        }
    }

    /// Answers one of the INVITEs that came; the newest is the zeroth.
    pub(super) fn answer_invite(&mut self, which: usize, status: u16, reliable: bool, body: &[u8]) {
        let found = self.invites.iter().rev().nth(which).cloned();
        let (Some((flow, invite)), Some(status)) = (found, StatusCode::new(status)) else { return };
        let mut response = Response::to_request(&invite, status, Some("far")).with_record_route_of(&invite);
        response.headers.push(HeaderName::Contact, "<sip:1002@192.0.2.11:5060>");
        if reliable {
            response.headers.push(HeaderName::Require, "100rel");
            response.headers.push(HeaderName::RSeq, "7");
        }
        if !body.is_empty() {
            response.headers.set(&ContentType::sdp());
            response.body = Bytes::copy_from_slice(body);
        }
        if (200..300).contains(&status.code()) {
            self.dialog_of_callee(flow, &invite, &response);
        }
        self.say(flow, &response.into());
    }

    fn dialog_of_callee(&mut self, flow: Flow, invite: &Request, response: &Response) {
        let target = invite.headers.contacts().ok().and_then(|contacts| contacts.first().cloned());
        let headers = &response.headers;
        let (Some(target), Some(call_id), Some(from), Some(to)) =
            (target, headers.call_id(), headers.get(&HeaderName::From), headers.get(&HeaderName::To))
        else {
            return;
        };
        let (local, remote) = (to.clone(), from.clone());
        let dialog =
            Dialog { flow, call_id: call_id.clone(), local, remote, target: target.uri.clone(), cseq: 1 };
        keep(&mut self.dialogs, dialog);
    }

    /// A request in a dialog; the newest is the zeroth. An ACK or CANCEL takes the number of the last request.
    pub(super) fn request(&mut self, which: usize, method: Method, body: &[u8]) {
        self.counter += 1;
        let via = format!("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKfar{};rport", self.counter);
        let Some(dialog) = self.dialogs.iter_mut().rev().nth(which) else { return };
        if !matches!(method, Method::Ack | Method::Cancel) {
            dialog.cseq = (dialog.cseq + 1) & 0x7FFF_FFFF;
        }
        let mut request = Request::new(method.clone(), dialog.target.clone());
        request.headers.push(HeaderName::Via, via);
        request.headers.set(&MaxForwards(70));
        request.headers.push(HeaderName::From, &dialog.local);
        request.headers.push(HeaderName::To, &dialog.remote);
        request.headers.push(HeaderName::CallId, &dialog.call_id);
        request.headers.set(&CSeq { number: dialog.cseq, method });
        request.headers.push(HeaderName::Contact, "<sip:1001@192.0.2.10:5060>");
        if !body.is_empty() {
            request.headers.set(&ContentType::sdp());
            request.body = Bytes::copy_from_slice(body);
        }
        let flow = dialog.flow;
        self.sends(&request, false);
        self.say(flow, &request.into());
    }

    fn say(&mut self, flow: Flow, message: &Message) {
        self.says.push_back((flow, message.to_bytes()));
    }
}

fn keep<T>(list: &mut VecDeque<T>, one: T) {
    if list.len() >= KEPT {
        list.pop_front();
    }
    list.push_back(one);
}

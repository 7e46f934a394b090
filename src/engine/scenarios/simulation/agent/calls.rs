//! An agent's calls, by the table of its module.

use bytes::Bytes;

use super::{Agent, Deed, Kind, Line, State, Want};
use crate::engine::scenarios::descriptions::{audio, secured_answer};
use crate::engine::scenarios::proof::proof;
use crate::engine::scenarios::simulation::chance::Chance;
use crate::sip::{HeaderName, Message, Request, Response, parse};

impl Agent {
    /// Calls a number. The call's name.
    pub(in crate::engine::scenarios::simulation) fn calls(&mut self, number: &str) -> String {
        self.last += 1;
        let call_id = format!("call-{}-{}", self.name, self.last);
        let line = Line {
            state: State::Calling,
            dialled: Some(number.to_owned()),
            local: format!("<sip:{}@branchline>;tag=a{}x{}", self.number, self.name, self.last),
            remote: format!("<sip:{number}@branchline>"),
            target: format!("sip:{number}@branchline"),
            cseq: 0,
            invite: None,
        };
        self.lines.insert(call_id.clone(), line);
        self.invite(&call_id, "");
        call_id
    }

    pub(super) fn invite(&mut self, call_id: &str, more: &str) {
        let text = self.in_line(call_id, "INVITE", &audio(4000), more);
        let Some(line) = self.lines.get_mut(call_id) else { return };
        if let Ok(Message::Request(request)) = parse::parse(Bytes::from(text.clone())) {
            line.invite = Some(request);
        }
        let cseq = format!("{} INVITE", line.cseq);
        self.say_until_answered(text, call_id.to_owned(), cseq);
    }

    pub(super) fn in_line(&mut self, call_id: &str, method: &str, body: &str, more: &str) -> String {
        let Some(line) = self.lines.get_mut(call_id) else { return String::new() };
        if method != "ACK" {
            line.cseq += 1;
        }
        let (cseq, local, remote) = (line.cseq, line.local.clone(), line.remote.clone());
        let target = line.target.clone();
        let head = self.head(method, &target);
        let contact = format!("Contact: <sip:{}@{}>\r\n", self.number, self.address);
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{head}From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             {contact}{more}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub(super) fn is_over(&mut self, call_id: &str, status: u16) {
        let Some(line) = self.lines.get_mut(call_id) else { return };
        line.state = State::Over;
        if let Some(dialled) = line.dialled.take() {
            self.wants.push_back(Want::Ended { dialled, status });
        }
    }

    pub(super) fn picks_up(&mut self, call_id: &str) {
        let Some(line) = self.lines.get_mut(call_id).filter(|line| line.state == State::Ringing) else {
            return;
        };
        line.state = State::Up;
        let Some(invite) = line.invite.clone() else { return };
        let offer = String::from_utf8_lossy(&invite.body).into_owned();
        let body = if offer.contains("RTP/SAVP") { secured_answer(&invite.body, 5000) } else { audio(5000) };
        let text = self.response(call_id, &invite, 200, &body);
        let cseq = invite.cseq().map(|cseq| cseq.number).unwrap_or_default();
        self.say_until_answered(text, call_id.to_owned(), format!("{cseq} ACK"));
    }

    /// Ends a call in whatever way it can be ended.
    pub(in crate::engine::scenarios::simulation) fn hangs_up(&mut self, call_id: &str) {
        let Some(line) = self.lines.get_mut(call_id) else { return };
        match line.state {
            State::Over | State::Leaving => {}
            State::Calling => {
                line.state = State::Leaving;
                let Some(cancel) = line.invite.as_ref().and_then(Request::cancel_of) else { return };
                let cseq = format!("{} CANCEL", line.cseq);
                let text = String::from_utf8_lossy(&cancel.to_bytes()).into_owned();
                self.say_until_answered(text, call_id.to_owned(), cseq);
            }
            State::Ringing => {
                line.state = State::Over;
                if let Some(invite) = line.invite.clone() {
                    let text = self.response(call_id, &invite, 486, "");
                    self.answer(&invite, text);
                }
            }
            State::Up => {
                line.state = State::Over;
                let text = self.in_line(call_id, "BYE", "", "");
                let cseq = self.lines.get(call_id).map(|line| format!("{} BYE", line.cseq));
                self.say_until_answered(text, call_id.to_owned(), cseq.unwrap_or_default());
            }
        }
    }

    pub(super) fn response(&mut self, call_id: &str, request: &Request, status: u16, body: &str) -> String {
        let local = self.lines.get(call_id).map(|line| line.local.clone());
        let to = request.headers.get(&HeaderName::To).map(ToString::to_string).unwrap_or_default();
        let mut text = format!("SIP/2.0 {status} Fine\r\n");
        for via in request.headers.get_all(&HeaderName::Via) {
            text.push_str(&format!("Via: {via}\r\n"));
        }
        let header =
            |name: &HeaderName| request.headers.get(name).map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!(
            "From: {}\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: {}\r\nContact: <sip:{}@{}>\r\n",
            header(&HeaderName::From),
            local.unwrap_or(to),
            header(&HeaderName::CSeq),
            self.number,
            self.address
        ));
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    pub(super) fn is_called(&mut self, call_id: &str, invite: &Request, chance: &mut Chance) {
        self.last += 1;
        let header =
            |name: &HeaderName| invite.headers.get(name).map(ToString::to_string).unwrap_or_default();
        let contact =
            invite.contacts().ok().and_then(|contacts| contacts.first().map(|one| one.uri.to_string()));
        let helps = invite.uri.user().is_some_and(|user| *user == *"112");
        let is_busy = self.kind == Kind::Phone && self.is_busy();
        let line = Line {
            state: State::Ringing,
            dialled: None,
            local: format!("{};tag=b{}x{}", header(&HeaderName::To), self.name, self.last),
            remote: header(&HeaderName::From),
            target: contact.unwrap_or_default(),
            cseq: 100,
            invite: Some(invite.clone()),
        };
        self.lines.insert(call_id.to_owned(), line);
        let manner = if helps { 50 } else { chance.below(100) };
        let status = match manner {
            _ if is_busy => 486,
            0..8 => 503,
            8..14 => 100,
            _ => 180,
        };
        let text = self.response(call_id, invite, status, "");
        self.answer(invite, text);
        if status >= 300 {
            return self.is_over(call_id, status);
        }
        if status == 180 && manner < 90 {
            let deed = Deed::Answer(call_id.to_owned());
            self.wants.push_back(Want::Later(chance.millis(50, 4_000), deed));
        }
        let deed = Deed::HangUp(call_id.to_owned());
        self.wants.push_back(Want::Later(chance.millis(5_000, 60_000), deed));
    }

    pub(super) fn call_goes_on(
        &mut self,
        call_id: &str,
        response: &Response,
        number: u32,
        chance: &mut Chance,
    ) {
        let Some(line) = self.lines.get_mut(call_id) else { return };
        if !response.status.is_final() {
            return;
        }
        if response.status.is_success() {
            if let Some(to) = response.headers.get(&HeaderName::To) {
                line.remote = to.to_string();
            }
            if let Ok(contacts) = response.contacts()
                && let Some(contact) = contacts.first()
            {
                line.target = contact.uri.to_string();
            }
            return self.is_up(call_id, number, chance);
        }
        let Some(invite) = &line.invite else { return };
        if invite.cseq().is_none_or(|cseq| cseq.number != number) {
            return;
        }
        if let Some(ack) = Request::ack_of(invite, response) {
            self.wants.push_back(Want::Send(ack.to_bytes()));
        }
        if response.status.code() == 407 && number == 1 && line.state == State::Calling {
            let (user, password) = self.login.clone();
            let proof = proof(response, "INVITE", &line.target, &user, &password, 1);
            return self.invite(call_id, &format!("Proxy-Authorization: {proof}\r\n"));
        }
        self.is_over(call_id, response.status.code());
    }

    pub(super) fn is_up(&mut self, call_id: &str, number: u32, chance: &mut Chance) {
        let Some(line) = self.lines.get_mut(call_id) else { return };
        let (before, kept) = (line.state, line.cseq);
        line.cseq = number;
        let ack = self.in_line(call_id, "ACK", "", "");
        self.wants.push_back(Want::Send(ack.into()));
        let Some(line) = self.lines.get_mut(call_id) else { return };
        line.cseq = kept;
        match before {
            State::Calling => {
                line.state = State::Up;
                if let Some(dialled) = line.dialled.take() {
                    self.wants.push_back(Want::Ended { dialled, status: 200 });
                }
                let deed = Deed::HangUp(call_id.to_owned());
                self.wants.push_back(Want::Later(chance.millis(500, 20_000), deed));
            }
            State::Leaving => {
                line.state = State::Up;
                self.hangs_up(call_id);
            }
            State::Ringing | State::Up | State::Over => {}
        }
    }
}

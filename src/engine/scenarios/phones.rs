//! Scripted phones: each method is one line of a wire script. What a phone is sent is read in order, per call.

use super::proof::proof;
use super::world::{Peer, World, first_line, is_trying};
use crate::sip::{HeaderName, Message, Method, Request, Response, Transport, Uri};

/// A phone's view of one dialog.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) peer: Peer,
    pub(super) call_id: String,
    /// Our From or To, with tag.
    pub(super) local: String,
    /// The other one; with tag once there is one.
    pub(super) remote: String,
    /// Where requests in the dialog go.
    pub(super) target: String,
    pub(super) cseq: u32,
    /// The INVITE that we sent, or were sent last.
    pub(super) invite: Request,
}

/// What a phone adds to a request.
pub(super) const PLAIN: &str = "";

impl World {
    pub(super) fn contact_of(&self, phone: Peer) -> String {
        let wire = &self.peers[phone.0];
        let transport = if wire.flow.transport == Transport::Udp {
            String::new()
        } else {
            format!(";transport={}", wire.flow.transport.uri_token())
        };
        format!("<sip:{}@{}{transport}>", wire.number, wire.flow.remote)
    }

    /// Request line and Via, with a branch of its own.
    pub(super) fn head(&mut self, phone: Peer, method: &str, uri: &str) -> String {
        let hops = self.hops;
        self.branches += 1;
        let branch = self.branches;
        let wire = &mut self.peers[phone.0];
        wire.sequence += 1;
        let via = wire.flow.transport.via_token();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via} {};branch=z9hG4bK-{}-{branch};rport\r\nMax-Forwards: {hops}\r\n",
            wire.flow.remote, phone.0
        )
    }

    /// A phone calls a number; answers the challenge if there is one.
    pub(super) fn calls(&mut self, phone: Peer, number: &str, body: &str) -> Line {
        self.calls_with(phone, number, body, PLAIN)
    }

    /// The same with further headers.
    pub(super) fn calls_with(&mut self, phone: Peer, number: &str, body: &str, more: &str) -> Line {
        let place = phone.0;
        let own = self.peers[place].number.clone();
        let mut line = self.line(phone, &own, number);
        self.invites(&mut line, body, more);
        let inbox = &mut self.peers[place].inbox;
        let is_challenge = |message: &Message| matches!(message, Message::Response(response) if response.status.code() == 407 && response.call_id().is_some_and(|id| **id == *line.call_id));
        if let Some(at) = inbox.iter().position(is_challenge) {
            let Some(Message::Response(challenge)) = inbox.remove(at) else { unreachable!() };
            self.acks_refusal(&line, &challenge);
            let password = format!("pw-{own}");
            let proof = proof(&challenge, "INVITE", &line.target, &own, &password, 1);
            self.invites(&mut line, body, &format!("{more}Proxy-Authorization: {proof}\r\n"));
        }
        line
    }

    /// A call with this From, which leaves a challenge unanswered.
    pub(super) fn calls_unanswered(&mut self, phone: Peer, number: &str, from: &str, body: &str) -> Line {
        let mut line = self.line(phone, from, number);
        self.invites(&mut line, body, PLAIN);
        line
    }

    /// A line on which nothing was said yet.
    pub(super) fn line(&mut self, phone: Peer, from: &str, number: &str) -> Line {
        let place = phone.0;
        let sequence = self.peers[place].sequence;
        Line {
            peer: phone,
            call_id: format!("call-{place}-{sequence}"),
            local: format!("\"X\" <sip:{from}@branchline>;tag=a{place}x{sequence}"),
            remote: format!("<sip:{number}@branchline>"),
            target: format!("sip:{number}@branchline"),
            cseq: 0,
            invite: Request::new(Method::Invite, Uri::parse(&"sip:x@y".into()).unwrap()),
        }
    }

    /// An INVITE or re-INVITE on a line.
    pub(super) fn invites(&mut self, line: &mut Line, body: &str, more: &str) {
        let text = self.request_text(line, "INVITE", body, more);
        let Ok(Message::Request(request)) = crate::sip::parse::parse(text.clone().into()) else {
            panic!("{text}")
        };
        line.invite = request;
        self.wire(line.peer, &text);
    }

    /// A request on a line. CSeq goes up except for ACK.
    pub(super) fn sends(&mut self, line: &mut Line, method: &str, body: &str, more: &str) {
        let text = self.request_text(line, method, body, more);
        self.wire(line.peer, &text);
    }

    pub(super) fn request_text(&mut self, line: &mut Line, method: &str, body: &str, more: &str) -> String {
        if method != "ACK" {
            line.cseq += 1;
        }
        let head = self.head(line.peer, method, &line.target);
        let contact = self.contact_of(line.peer);
        let kind = if body.is_empty() || more.contains("Content-Type") {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let allow = self.allow();
        let contact = if matches!(method, "INVITE" | "UPDATE") {
            format!("Contact: {contact}\r\n{allow}")
        } else {
            String::new()
        };
        format!(
            "{head}From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n{contact}{more}{kind}Content-Length: {}\r\n\r\n{body}",
            line.local,
            line.remote,
            line.call_id,
            line.cseq,
            body.len()
        )
    }

    fn allow(&self) -> &'static str {
        if self.allow_update {
            "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE\r\n"
        } else {
            "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK\r\n"
        }
    }

    /// The next message of this call.
    pub(super) fn next(&mut self, line: &Line) -> Option<Message> {
        let inbox = &mut self.peers[line.peer.0].inbox;
        let of_call = |message: &Message| {
            !is_trying(message) && message.headers().call_id().is_some_and(|id| **id == *line.call_id)
        };
        let at = inbox.iter().position(of_call)?;
        inbox.remove(at)
    }

    /// The phone must now hear this status.
    pub(super) fn hears(&mut self, line: &mut Line, status: u16) -> Response {
        match self.next(line) {
            Some(Message::Response(response)) if response.status.code() == status => {
                if let Some(to) = response.headers.get(&HeaderName::To)
                    && response.cseq().is_some_and(|cseq| cseq.method == Method::Invite)
                    && status < 300
                    && !line.remote.contains(";tag=")
                {
                    line.remote = to.to_string();
                }
                if let Ok(contacts) = response.contacts()
                    && let Some(contact) = contacts.first()
                    && status < 300
                {
                    line.target = contact.uri.to_string();
                }
                response
            }
            other => panic!("expected {status}, got {}", describe(other.as_ref())),
        }
    }

    /// The phone must now be asked this.
    pub(super) fn asked(&mut self, line: &mut Line, method: &str) -> Request {
        match self.next(line) {
            Some(Message::Request(request)) if request.method.as_str() == method => {
                if method == "INVITE" {
                    line.invite = request.clone();
                }
                request
            }
            other => panic!("expected {method}, got {}", describe(other.as_ref())),
        }
    }

    /// Nothing came on this line.
    pub(super) fn hears_nothing(&mut self, line: &Line) {
        let got = self.next(line);
        assert!(got.is_none(), "expected nothing, got {}", describe(got.as_ref()));
    }

    /// A phone must now be called.
    pub(super) fn rung(&mut self, phone: Peer) -> Line {
        let inbox = &mut self.peers[phone.0].inbox;
        let is_new = |message: &Message| matches!(message, Message::Request(request) if request.method == Method::Invite && request.to_tag().is_none());
        let at = inbox.iter().position(is_new);
        let Some(Message::Request(invite)) = at.and_then(|at| inbox.remove(at)) else {
            panic!(
                "{} was not called: {:?}",
                self.peers[phone.0].number,
                self.peers[phone.0].inbox.front().map(first_line)
            );
        };
        let sequence = self.peers[phone.0].sequence;
        Line {
            peer: phone,
            call_id: invite.call_id().unwrap().to_string(),
            local: format!("{};tag=b{}x{sequence}", invite.headers.get(&HeaderName::To).unwrap(), phone.0),
            remote: invite.headers.get(&HeaderName::From).unwrap().to_string(),
            target: invite.contacts().unwrap().first().unwrap().uri.to_string(),
            cseq: 100,
            invite,
        }
    }

    /// The phone answers the INVITE.
    pub(super) fn answers(&mut self, line: &Line, status: u16, body: &str) {
        self.answers_with(line, status, body, PLAIN);
    }

    /// The same with further headers.
    pub(super) fn answers_with(&mut self, line: &Line, status: u16, body: &str, more: &str) {
        let invite = line.invite.clone();
        self.responds(line, &invite, status, body, more);
    }

    /// The phone answers a request.
    pub(super) fn responds(&mut self, line: &Line, request: &Request, status: u16, body: &str, more: &str) {
        let mut text = format!("SIP/2.0 {status} Fine\r\n");
        for via in request.headers.get_all(&HeaderName::Via) {
            text.push_str(&format!("Via: {via}\r\n"));
        }
        let contact = self.contact_of(line.peer);
        let cseq = request.headers.get(&HeaderName::CSeq).unwrap();
        let from = request.headers.get(&HeaderName::From).unwrap();
        text.push_str(&format!(
            "From: {from}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq}\r\n",
            line.local, line.call_id
        ));
        if matches!(request.method, Method::Invite | Method::Update) && status < 300 {
            text.push_str(&format!("Contact: {contact}\r\n{}", self.allow()));
        }
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("{more}Content-Length: {}\r\n\r\n{body}", body.len()));
        self.wire(line.peer, &text);
    }

    /// The ACK of a 2xx.
    pub(super) fn acks(&mut self, line: &mut Line, body: &str) {
        let invited = line.invite.cseq().unwrap().number;
        let kept = std::mem::replace(&mut line.cseq, invited);
        self.sends(line, "ACK", body, PLAIN);
        line.cseq = kept.max(invited);
    }

    /// The ACK of a refusal: same branch as the INVITE.
    pub(super) fn acks_refusal(&mut self, line: &Line, response: &Response) {
        let ack = Request::ack_of(&line.invite, response).unwrap();
        let text = String::from_utf8(ack.to_bytes().to_vec()).unwrap();
        self.wire(line.peer, &text);
    }

    /// The phone hears a refusal and acknowledges it.
    pub(super) fn refused(&mut self, line: &mut Line, status: u16) -> Response {
        let response = self.hears(line, status);
        self.acks_refusal(line, &response);
        response
    }

    /// The phone gives up its INVITE; hears 200 to its CANCEL.
    pub(super) fn cancels(&mut self, line: &mut Line) {
        let cancel = Request::cancel_of(&line.invite).unwrap();
        let text = String::from_utf8(cancel.to_bytes().to_vec()).unwrap();
        self.wire(line.peer, &text);
        let ok = self.hears_method(line, 200, &Method::Cancel);
        assert_eq!(ok.status.code(), 200);
    }

    /// The first response to this method, whatever else came.
    pub(super) fn hears_method(&mut self, line: &Line, status: u16, method: &Method) -> Response {
        let inbox = &mut self.peers[line.peer.0].inbox;
        let fits = |message: &Message| {
            matches!(message, Message::Response(response) if response.cseq().is_some_and(|cseq| cseq.method == *method)
                && response.call_id().is_some_and(|id| **id == *line.call_id) && response.status.code() == status)
        };
        let Some(Message::Response(response)) = inbox.iter().position(fits).and_then(|at| inbox.remove(at))
        else {
            let got: Vec<_> = inbox.iter().map(first_line).collect();
            panic!("expected {status} to {method:?} among {got:?}");
        };
        response
    }

    /// The phone is told that nobody is there any more: CANCEL, then its own 487 and our ACK.
    pub(super) fn is_cancelled(&mut self, line: &mut Line) -> Request {
        let cancel = self.asked(line, "CANCEL");
        self.responds(line, &cancel, 200, "", PLAIN);
        self.answers(line, 487, "");
        self.asked(line, "ACK");
        cancel
    }

    /// The phone hangs up and hears 200.
    pub(super) fn hangs_up(&mut self, line: &mut Line) {
        self.sends(line, "BYE", "", PLAIN);
        self.hears(line, 200);
    }

    /// The other side hung up: BYE, 200.
    pub(super) fn is_hung_up(&mut self, line: &mut Line) -> Request {
        let bye = self.asked(line, "BYE");
        self.responds(line, &bye, 200, "", PLAIN);
        bye
    }

    /// A call that is up: caller's and called line.
    pub(super) fn talk(&mut self, caller: Peer, called: Peer) -> (Line, Line) {
        let number = self.peers[called.0].number.clone();
        let mut a = self.calls(caller, &number, &super::descriptions::audio(4000));
        let mut b = self.rung(called);
        self.answers(&b, 180, "");
        self.hears(&mut a, 180);
        self.answers(&b, 200, &super::descriptions::audio(5000));
        self.asked(&mut b, "ACK");
        self.hears(&mut a, 200);
        self.acks(&mut a, "");
        (a, b)
    }

    /// The caller hangs up and everything ends.
    pub(super) fn ends(mut self, mut a: Line, mut b: Line) {
        self.hangs_up(&mut a);
        self.is_hung_up(&mut b);
        self.finish();
    }

    /// A call from a phone to a phone through Asterisk: the four lines, caller's first.
    pub(super) fn talk_through_asterisk(&mut self, caller: Peer, called: Peer) -> [Line; 4] {
        use super::descriptions::audio;
        use super::world::ASTERISK;
        let number = self.peers[called.0].number.clone();
        let mut a = self.calls(caller, &number, &audio(4000));
        let mut to_pbx = self.rung(ASTERISK);
        let mut from_pbx = self.asterisk_calls(&to_pbx, &number);
        let mut b = self.rung(called);
        self.answers(&b, 180, "");
        self.hears(&mut from_pbx, 180);
        self.answers(&to_pbx, 180, "");
        self.hears(&mut a, 180);
        self.answers(&b, 200, &audio(5000));
        self.asked(&mut b, "ACK");
        self.hears(&mut from_pbx, 200);
        self.acks(&mut from_pbx, "");
        self.answers(&to_pbx, 200, &audio(6000));
        self.asked(&mut to_pbx, "ACK");
        self.hears(&mut a, 200);
        self.acks(&mut a, "");
        [a, to_pbx, from_pbx, b]
    }

    /// Asterisk's dialplan calls an extension on behalf of whoever called on `line`.
    pub(super) fn asterisk_calls(&mut self, line: &Line, number: &str) -> Line {
        use super::world::ASTERISK;
        let from = line.invite.from().unwrap();
        let user = from.uri.user().unwrap().into_owned();
        let name = from.display_name().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let identity = format!("P-Asserted-Identity: \"{name}\" <sip:{user}@127.0.0.1>\r\n");
        self.calls_with(ASTERISK, number, &super::descriptions::audio(7000), &identity)
    }
}

fn describe(message: Option<&Message>) -> String {
    message.map_or_else(
        || "nothing".to_owned(),
        |message| String::from_utf8_lossy(&message.to_bytes()).into_owned(),
    )
}

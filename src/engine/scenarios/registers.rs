//! Scripted phones register: the challenge, the answer to it, and what comes of it.

use super::proof::proof;
use super::world::{Peer, World};
use crate::sip::{Message, Response, StatusCode, Transport};

impl World {
    /// A UDP phone that has registered.
    pub(super) fn udp_phone(&mut self, number: &str) -> Peer {
        self.registered(number, Transport::Udp)
    }

    /// A phone that has registered.
    pub(super) fn registered(&mut self, number: &str, transport: Transport) -> Peer {
        let phone = self.phone(number, transport);
        assert_eq!(self.registers(phone, 3600).status.code(), 200);
        phone
    }

    /// A phone registers: the challenge, the answer to it; returns the final response.
    pub(super) fn registers(&mut self, phone: Peer, expires: u32) -> Response {
        if self.peers[phone.0].flow.connection.is_some() && expires == 3600 {
            return self.registers_again(phone);
        }
        let contact = self.contact_of(phone);
        self.registers_contact(phone, &format!("{contact};expires={expires}"), "")
    }

    /// A phone registers again on the connection that it has now, as the same device.
    pub(super) fn registers_again(&mut self, phone: Peer) -> Response {
        let place = phone.0;
        let number = self.peers[place].number.clone();
        let contact = format!("<sip:{number}@device{place}.invalid;transport=tcp>;expires=3600");
        self.registers_contact(phone, &contact, "")
    }

    /// The same with this Contact and further headers.
    pub(super) fn registers_contact(&mut self, phone: Peer, contact: &str, more: &str) -> Response {
        let number = self.peers[phone.0].number.clone();
        let password = format!("pw-{number}");
        self.registers_as(phone, &number, &password, contact, more)
    }

    /// The same with these credentials.
    pub(super) fn registers_as(
        &mut self,
        phone: Peer,
        user: &str,
        password: &str,
        contact: &str,
        more: &str,
    ) -> Response {
        let number = self.peers[phone.0].number.clone();
        let first = self.register_text(phone, &number, contact, more);
        self.wire(phone, &first);
        let challenge = self.last_response(phone);
        if challenge.status != StatusCode::UNAUTHORIZED {
            return challenge;
        }
        let proof = proof(&challenge, "REGISTER", "sip:branchline", user, password, 1);
        let second =
            self.register_text(phone, &number, contact, &format!("{more}Authorization: {proof}\r\n"));
        self.wire(phone, &second);
        self.last_response(phone)
    }

    /// A phone registers with the right credentials; the answer is left in its inbox. The REGISTER that was sent.
    pub(super) fn registers_unanswered(&mut self, phone: Peer, number: &str) -> String {
        let contact = self.contact_of(phone);
        let first = self.register_text(phone, number, &contact, "");
        self.wire(phone, &first);
        let challenge = self.last_response(phone);
        let proof = proof(&challenge, "REGISTER", "sip:branchline", number, &format!("pw-{number}"), 1);
        let second = self.register_text(phone, number, &contact, &format!("Authorization: {proof}\r\n"));
        self.wire(phone, &second);
        second
    }

    pub(super) fn register_text(&mut self, phone: Peer, number: &str, contact: &str, more: &str) -> String {
        let head = self.head(phone, "REGISTER", "sip:branchline");
        let sequence = self.peers[phone.0].sequence;
        let place = phone.0;
        format!(
            "{head}From: <sip:{number}@branchline>;tag=r{place}\r\nTo: <sip:{number}@branchline>\r\n\
             Call-ID: reg-{place}\r\nCSeq: {sequence} REGISTER\r\n{}{more}Content-Length: 0\r\n\r\n",
            if contact.is_empty() { String::new() } else { format!("Contact: {contact}\r\n") }
        )
    }

    /// The response that came last; there must be one.
    pub(super) fn last_response(&mut self, phone: Peer) -> Response {
        match self.peers[phone.0].inbox.pop_back() {
            Some(Message::Response(response)) => response,
            other => panic!("expected a response, got {other:?}"),
        }
    }
}

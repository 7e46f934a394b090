//! SIP MESSAGE between extensions (RFC 3428).

use super::phones::Line;
use super::proof::proof;
use super::world::{ASTERISK, Peer, World, seconds};
use crate::sip::{HeaderName, Message, Method, Request, Transport};

const TEXT: &str = "Content-Type: text/plain\r\n";

pub(super) fn writes(w: &mut World, phone: Peer, number: &str, text: &str) -> Line {
    let own = w.peers[phone.0].number.clone();
    let mut line = w.line(phone, &own, number);
    w.sends(&mut line, "MESSAGE", text, TEXT);
    let is_challenged = w.peers[phone.0]
        .inbox
        .iter()
        .any(|message| matches!(message, Message::Response(response) if response.status.code() == 407));
    if is_challenged {
        let challenge = w.hears(&mut line, 407);
        let credentials = proof_for(&challenge, &line, &own);
        w.sends(&mut line, "MESSAGE", text, &format!("{TEXT}{credentials}"));
    }
    line
}

fn proof_for(challenge: &crate::sip::Response, line: &Line, own: &str) -> String {
    format!(
        "Proxy-Authorization: {}\r\n",
        proof(challenge, "MESSAGE", &line.target, own, &format!("pw-{own}"), 1)
    )
}

pub(super) fn reads(w: &mut World, phone: Peer) -> (Line, Request) {
    let inbox = &mut w.peers[phone.0].inbox;
    let at = inbox
        .iter()
        .position(|one| matches!(one, Message::Request(request) if request.method == Method::Message));
    let Some(Message::Request(request)) = at.and_then(|at| inbox.remove(at)) else { panic!("no message") };
    let own = w.peers[phone.0].number.clone();
    let mut line = w.line(phone, &own, "x");
    line.call_id = request.call_id().unwrap().to_string();
    line.local = format!("{};tag=m", request.headers.get(&HeaderName::To).unwrap());
    (line, request)
}

#[test]
fn all_devices_get_it_and_the_first_to_take_it_answers() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let (bob, other) = (w.udp_phone("1002"), w.registered("1002", Transport::Tls));
    let mut sent = writes(&mut w, ann, "1002", "hello");
    let (first, one) = reads(&mut w, bob);
    let (second, two) = reads(&mut w, other);
    assert_eq!((&one.body[..], &two.body[..]), (&b"hello"[..], &b"hello"[..]));
    assert_eq!(one.from().unwrap().uri.to_string(), "sip:1001@branchline");
    w.responds(&first, &one, 486, "", "");
    w.hears_nothing(&sent);
    w.responds(&second, &two, 200, "", "");
    w.hears(&mut sent, 200);
    w.finish();
}

#[test]
fn nobody_is_there() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let mut sent = writes(&mut w, ann, "1002", "hello");
    w.hears(&mut sent, 480);
    let mut sent = writes(&mut w, ann, "1999", "hello");
    w.hears(&mut sent, 404);
    w.finish();
}

#[test]
fn devices_that_are_silent_or_refuse() {
    let mut w = World::alone();
    let (ann, bob, other) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1002"));
    let mut sent = writes(&mut w, ann, "1002", "hello");
    let (first, one) = reads(&mut w, bob);
    reads(&mut w, other);
    w.responds(&first, &one, 603, "", "");
    w.wait(seconds(11));
    w.hears(&mut sent, 603);
    w.finish();
}

#[test]
fn a_message_must_be_authenticated() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut line = w.line(ann, "1001", "1002");
    w.sends(&mut line, "MESSAGE", "hello", TEXT);
    w.hears(&mut line, 407);
    assert!(w.peers[bob.0].inbox.is_empty());
    w.finish();
}

#[test]
fn asterisk_sends_one_to_an_extension() {
    let mut w = World::with_asterisk();
    let bob = w.udp_phone("1002");
    let mut sent = writes(&mut w, ASTERISK, "1002", "voicemail");
    let (line, request) = reads(&mut w, bob);
    w.responds(&line, &request, 202, "", "");
    w.hears(&mut sent, 202);
    w.finish();
}

#[test]
fn a_message_that_is_too_long() {
    let mut w = World::alone();
    let (ann, _bob) = (w.registered("1001", Transport::Tls), w.udp_phone("1002"));
    let mut sent = writes(&mut w, ann, "1002", &"x".repeat(9_000));
    w.hears(&mut sent, 413);
    w.finish();
}

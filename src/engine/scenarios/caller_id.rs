//! Who calls, at every hop.

use super::descriptions::audio;
use super::world::{ASTERISK, World};
use crate::sip::{HeaderName, Request};

fn from(invite: &Request) -> String {
    let from = invite.from().unwrap();
    let name = from.display_name().map(std::borrow::Cow::into_owned).unwrap_or_default();
    format!("{name} {}", from.uri)
}

fn asserted(invite: &Request) -> Option<String> {
    invite.headers.get(&HeaderName::PAssertedIdentity).map(ToString::to_string)
}

#[test]
fn an_extension_is_called_by_its_account_not_by_what_the_phone_says() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls_with(ann, "1002", &audio(4000), "P-Asserted-Identity: \"Boss\" <sip:9999@evil>\r\n");
    let mut b = w.rung(bob);
    assert_eq!(from(&b.invite), "Ann sip:1001@branchline");
    assert_eq!(asserted(&b.invite), None, "phones are not told what only Asterisk may trust");
    assert_eq!(b.invite.to().unwrap().uri.to_string(), "sip:1002@branchline");
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.finish();
}

#[test]
fn asterisk_is_told_who_calls_and_tells_the_called_phone() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let [a, to_pbx, from_pbx, b] = w.talk_through_asterisk(ann, bob);
    assert_eq!(from(&to_pbx.invite), "Ann sip:1001@branchline");
    assert_eq!(asserted(&to_pbx.invite).as_deref(), Some("\"Ann\" <sip:1001@branchline>"));
    assert_eq!(from(&b.invite), "Ann sip:1001@branchline");
    let records = w.records().len();
    assert_eq!(records, 0);
    let (mut a, mut to_pbx, mut from_pbx, mut b) = (a, to_pbx, from_pbx, b);
    w.hangs_up(&mut a);
    w.is_hung_up(&mut to_pbx);
    w.hangs_up(&mut from_pbx);
    w.is_hung_up(&mut b);
    let pairs: Vec<_> = w.records().iter().map(|record| (record.from.clone(), record.to.clone())).collect();
    assert_eq!(pairs, vec![("1001".to_owned(), "1002".to_owned()); 2]);
    w.finish();
}

#[test]
fn an_outside_caller_keeps_number_and_name() {
    let mut w = World::with_asterisk();
    let bob = w.udp_phone("1002");
    let identity = "P-Asserted-Identity: \"Zoë Outside\" <sip:+3225551234@127.0.0.1>\r\n";
    let mut line = w.calls_with(ASTERISK, "1002", &audio(7000), identity);
    let mut b = w.rung(bob);
    assert_eq!(from(&b.invite), "Zoë Outside sip:+3225551234@branchline");
    w.answers(&b, 603, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut line, 603);
    w.finish();
}

#[test]
fn an_extension_cannot_call_as_another() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let bob = w.udp_phone("1002");
    let _ = bob;
    w.peers[ann.0].number = "1002".to_owned();
    let mut line = w.calls(ann, "1003", &audio(4000));
    w.refused(&mut line, 480);
    w.peers[ann.0].number = "1001".to_owned();
    let mut forged = w.calls_unanswered(ann, "1003", "1002", &audio(4000));
    let challenge = w.refused(&mut forged, 407);
    let proof = super::proof::proof(&challenge, "INVITE", &forged.target.clone(), "1001", "pw-1001", 1);
    w.invites(&mut forged, &audio(4000), &format!("Proxy-Authorization: {proof}\r\n"));
    w.refused(&mut forged, 403);
    assert!(w.was_refused("identity-mismatch"));
    w.finish();
}

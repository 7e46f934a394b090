//! INVITEs without a description: we offer in the 2xx, the ACK answers (RFC 3261 §13.2.1).

use super::descriptions::audio;
use super::world::{ASTERISK, World, seconds};

#[test]
fn the_ack_answers_our_offer() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", "");
    let mut b = w.rung(bob);
    assert!(!b.invite.body.is_empty(), "the called phone is offered something");
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    let ok = w.hears(&mut a, 200);
    assert!(String::from_utf8_lossy(&ok.body).contains("m=audio"));
    w.acks(&mut a, &audio(4000));
    assert!(w.ledger.ends.values().all(|end| end.peer.is_some() && end.has_remote));
    w.ends(a, b);
}

#[test]
fn an_ack_without_an_answer_ends_the_call() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", "");
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.is_hung_up(&mut a);
    w.is_hung_up(&mut b);
    w.finish();
}

#[test]
fn an_ack_with_an_answer_that_does_not_fit_ends_the_call() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", "");
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, &super::descriptions::audio_of(4000, &["18 G729/8000"], ""));
    w.is_hung_up(&mut a);
    w.is_hung_up(&mut b);
    w.finish();
}

#[test]
fn a_caller_that_never_acknowledges_is_hung_up() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.wait(seconds(33));
    w.peers[ann.0].inbox.retain(|message| matches!(message, crate::sip::Message::Request(_)));
    w.is_hung_up(&mut a);
    w.is_hung_up(&mut b);
    assert_eq!(w.records()[0].cause, "unacknowledged");
    w.finish();
}

#[test]
fn asterisk_calls_without_an_offer() {
    let mut w = World::with_asterisk();
    let bob = w.udp_phone("1002");
    let mut a = w.calls(ASTERISK, "1002", "");
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, &audio(7000));
    w.ends(a, b);
}

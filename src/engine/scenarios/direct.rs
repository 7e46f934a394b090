//! Extension to extension, without Asterisk.

use super::descriptions::audio;
use super::world::World;

#[test]
fn a_phone_calls_a_phone_and_hangs_up() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (a, b) = w.talk(ann, bob);
    assert_eq!(w.ledger.ends.len(), 2);
    assert!(w.ledger.ends.values().all(|end| end.has_remote && end.peer.is_some()));
    w.ends(a, b);
}

#[test]
fn the_called_phone_hangs_up() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.hangs_up(&mut b);
    w.is_hung_up(&mut a);
    w.finish();
}

#[test]
fn both_hang_up_at_once() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.sends(&mut a, "BYE", "", "");
    w.sends(&mut b, "BYE", "", "");
    w.hears(&mut a, 200);
    w.is_hung_up(&mut b);
    w.hears(&mut b, 481);
    w.finish();
}

#[test]
fn the_caller_may_be_called_back_at_once() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    let (b, a) = w.talk(bob, ann);
    w.ends(b, a);
}

#[test]
fn the_answer_names_our_own_address_and_port() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    let offer = String::from_utf8(b.invite.body.to_vec()).unwrap();
    assert!(offer.contains("c=IN IP4 192.0.2.1\r\n") && !offer.contains("192.0.2.50"), "{offer}");
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    let ok = w.hears(&mut a, 200);
    let answer = String::from_utf8(ok.body.to_vec()).unwrap();
    assert!(answer.contains("m=audio 200") && !answer.contains("5000"), "{answer}");
    w.acks(&mut a, "");
    w.ends(a, b);
}

#[test]
fn a_bye_to_a_caller_waits_for_its_ack() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.hangs_up(&mut b);
    w.hears_nothing(&a);
    w.acks(&mut a, "");
    w.is_hung_up(&mut a);
    w.finish();
}

//! The caller gives up before the answer.

use super::descriptions::audio;
use super::world::{ASTERISK, World};
use crate::sip::{HeaderName, Method};

#[test]
fn a_ringing_call_is_cancelled() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    let cancel = w.is_cancelled(&mut b);
    assert!(!cancel.headers.has(&HeaderName::Reason));
    assert_eq!(w.records()[0].cause, "cancelled");
    w.finish();
}

#[test]
fn a_cancel_before_any_provisional_response_waits_for_one() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.hears_nothing(&b);
    w.answers(&b, 180, "");
    w.is_cancelled(&mut b);
    w.finish();
}

#[test]
fn a_cancel_crosses_the_called_phones_answer() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    let cancel = w.asked(&mut b, "CANCEL");
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.is_hung_up(&mut b);
    w.responds(&b, &cancel, 481, "", "");
    w.finish();
}

#[test]
fn a_cancel_crosses_our_answer() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    let cancel = crate::sip::Request::cancel_of(&a.invite).unwrap();
    w.wire(ann, core::str::from_utf8(&cancel.to_bytes()).unwrap());
    w.hears(&mut a, 200);
    w.hears_method(&a, 200, &Method::Cancel);
    w.acks(&mut a, "");
    assert_eq!(w.engine.calls().active(), 1, "the answer counts, not the CANCEL");
    w.ends(a, b);
}

#[test]
fn a_cancel_reaches_asterisk_and_the_called_phone() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut to_pbx = w.rung(ASTERISK);
    let mut from_pbx = w.asterisk_calls(&to_pbx, "1002");
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut from_pbx, 180);
    w.answers(&to_pbx, 180, "");
    w.hears(&mut a, 180);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.is_cancelled(&mut to_pbx);
    w.cancels(&mut from_pbx);
    w.refused(&mut from_pbx, 487);
    w.is_cancelled(&mut b);
    w.finish();
}

#[test]
fn a_called_phone_that_never_says_anything_after_the_cancel_is_forgotten() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.wait(super::world::seconds(70));
    w.peers[b.peer.0].inbox.clear();
    b.cseq = 0;
    w.finish();
}

#[test]
fn a_cancel_from_another_host_is_refused() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    let cancel = crate::sip::Request::cancel_of(&a.invite).unwrap();
    let text = String::from_utf8(cancel.to_bytes().to_vec()).unwrap();
    let stranger = w.phone("1003", crate::sip::Transport::Udp);
    w.wire(stranger, &text);
    assert_eq!(w.last_response(stranger).status.code(), 481);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, b);
}

//! REGISTER and the flash: nothing is answered before it is stored, and a flash that fails stops no phone.

use super::world::{Store, World, seconds};
use crate::sip::Transport;

#[test]
fn the_answer_waits_for_the_flash() {
    let mut w = World::alone();
    w.store = Store::Held;
    let ann = w.phone("1001", Transport::Udp);
    w.registers_unanswered(ann, "1001");
    assert!(w.peers[ann.0].inbox.is_empty(), "not answered before it is on flash");
    assert!(w.engine.registrar().is_empty(), "and not in force");
    w.store_catches_up();
    assert_eq!(w.last_response(ann).status.code(), 200);
    w.finish();
}

#[test]
fn a_repeated_register_that_waits_for_the_flash_is_one() {
    let mut w = World::alone();
    w.store = Store::Held;
    let ann = w.phone("1001", Transport::Udp);
    let text = w.registers_unanswered(ann, "1001");
    w.wire(ann, &text);
    w.wire(ann, &text);
    assert_eq!(w.held.len(), 1);
    w.store_catches_up();
    assert_eq!(w.last_response(ann).status.code(), 200);
    w.finish();
}

#[test]
fn a_flash_that_fails_does_not_stop_the_phones() {
    let mut w = World::alone();
    w.store = Store::Broken;
    let ann = w.udp_phone("1001");
    assert!(w.was_refused("not-durable"));
    assert_eq!(w.engine.registrar().len(), 1);
    let _ = ann;
    w.finish();
}

#[test]
fn a_flash_that_says_nothing_does_not_stop_the_phones_for_long() {
    let mut w = World::alone();
    w.store = Store::Held;
    let ann = w.phone("1001", Transport::Udp);
    w.registers_unanswered(ann, "1001");
    w.wait(seconds(11));
    assert_eq!(w.last_response(ann).status.code(), 200);
    assert!(w.was_refused("not-durable"));
    w.store_catches_up();
    w.finish();
}

//! Through Asterisk's dialplan: two calls of ours for one conversation.

use super::descriptions::audio;
use super::world::{ASTERISK, World};

#[test]
fn a_phone_calls_a_phone_through_asterisk() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let [mut a, mut to_pbx, mut from_pbx, mut b] = w.talk_through_asterisk(ann, bob);
    assert_eq!(w.ledger.ends.len(), 4);
    assert_eq!(w.ledger.phone_ports(), 2);
    w.hangs_up(&mut a);
    w.is_hung_up(&mut to_pbx);
    w.hangs_up(&mut from_pbx);
    w.is_hung_up(&mut b);
    assert_eq!(w.records().len(), 2);
    w.finish();
}

#[test]
fn the_called_phone_hangs_up_and_asterisk_passes_it_on() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let [mut a, mut to_pbx, mut from_pbx, mut b] = w.talk_through_asterisk(ann, bob);
    w.hangs_up(&mut b);
    w.is_hung_up(&mut from_pbx);
    w.hangs_up(&mut to_pbx);
    w.is_hung_up(&mut a);
    w.finish();
}

#[test]
fn a_service_of_asterisk_answers() {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "600", &audio(4000));
    let mut echo = w.rung(ASTERISK);
    assert_eq!(echo.invite.uri.to_string(), "sip:600@127.0.0.1:5080");
    w.answers(&echo, 200, &audio(6000));
    w.asked(&mut echo, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, echo);
}

#[test]
fn asterisk_hangs_up() {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "600", &audio(4000));
    let mut echo = w.rung(ASTERISK);
    w.answers(&echo, 200, &audio(6000));
    w.asked(&mut echo, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut echo);
    w.is_hung_up(&mut a);
    w.finish();
}

#[test]
fn asterisk_calls_a_number_that_is_none_of_ours() {
    let mut w = World::with_asterisk();
    let mut line = w.calls(ASTERISK, "1999", &audio(7000));
    w.refused(&mut line, 404);
    w.finish();
}

#[test]
fn asterisk_calls_an_extension_without_a_device() {
    let mut w = World::with_asterisk();
    let mut line = w.calls(ASTERISK, "1003", &audio(7000));
    w.refused(&mut line, 480);
    w.finish();
}

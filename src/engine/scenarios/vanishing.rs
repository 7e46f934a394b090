//! A party is gone without a word.

use super::descriptions::{audio, directed};
use super::phones::Line;
use super::world::{World, seconds};
use crate::engine::Input;
use crate::media::{EndId, MediaEvent};
use crate::sip::{HeaderName, Transport};

fn silent(w: &mut World, end: EndId) {
    let since = w.now.instant;
    w.feed(Input::Media(MediaEvent::Silent { end, since }));
}

/// The media end that the phone of `line` talks to: the one opened first is the called phone's.
fn end_of(w: &World, newest: bool) -> EndId {
    let mut ends: Vec<_> = w.ledger.ends.keys().copied().collect();
    ends.sort_by_key(|end| end.index());
    if newest { *ends.last().unwrap() } else { ends[0] }
}

#[test]
fn a_phone_that_vanishes_ends_the_call_by_its_silence() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    let end = end_of(&w, false);
    silent(&mut w, end);
    let bye = w.is_hung_up(&mut a);
    assert!(bye.headers.get(&HeaderName::Reason).unwrap().contains("No RTP"));
    w.asked(&mut b, "BYE");
    w.wait(seconds(40));
    assert_eq!(w.records()[0].cause, "media-timeout");
    w.finish();
}

#[test]
fn silence_on_hold_is_tolerated() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &directed(4000, "inactive"), "");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    let asked = w.asked(&mut b, "INVITE");
    w.responds(&b, &asked, 200, &directed(5000, "inactive"), "");
    w.asked(&mut b, "ACK");
    for newest in [false, true] {
        let end = end_of(&w, newest);
        silent(&mut w, end);
    }
    assert_eq!(w.engine.calls().active(), 1);
    w.ends(a, b);
}

#[test]
fn the_held_party_may_be_silent_while_the_holder_plays_music() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &directed(4000, "sendonly"), "");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    let asked = w.asked(&mut b, "INVITE");
    w.responds(&b, &asked, 200, &directed(5000, "recvonly"), "");
    w.asked(&mut b, "ACK");
    let bob_end = end_of(&w, false);
    silent(&mut w, bob_end);
    assert_eq!(w.engine.calls().active(), 1, "Bob was told only to listen");
    let ann_end = end_of(&w, true);
    silent(&mut w, ann_end);
    w.is_hung_up(&mut a);
    w.is_hung_up(&mut b);
    w.finish();
}

#[test]
fn silence_before_the_answer_ends_nothing() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 183, &audio(5000));
    w.hears(&mut a, 183);
    let end = end_of(&w, false);
    silent(&mut w, end);
    assert_eq!(w.engine.calls().active(), 1);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.is_cancelled(&mut b);
    w.finish();
}

fn tls_talk(w: &mut World) -> (Line, Line) {
    let (ann, bob) = (w.registered("1001", Transport::Tcp), w.udp_phone("1002"));
    w.talk(ann, bob)
}

#[test]
fn a_broken_connection_does_not_end_a_call_that_comes_back() {
    let mut w = World::alone();
    let (mut a, mut b) = tls_talk(&mut w);
    let ann = a.peer;
    w.breaks(ann);
    assert_eq!(w.engine.calls().active(), 1);
    w.reconnects(ann);
    assert_eq!(w.registers_again(ann).status.code(), 200);
    w.hangs_up(&mut b);
    w.is_hung_up(&mut a);
    w.finish();
}

#[test]
fn a_broken_connection_and_a_bye_on_the_new_one() {
    let mut w = World::alone();
    let (mut a, mut b) = tls_talk(&mut w);
    let ann = a.peer;
    w.breaks(ann);
    w.reconnects(ann);
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    w.finish();
}

#[test]
fn a_hold_that_could_not_be_told_is_told_when_the_phone_is_back() {
    let mut w = World::alone();
    let (mut a, mut b) = tls_talk(&mut w);
    let ann = a.peer;
    w.breaks(ann);
    w.invites(&mut b, &directed(5000, "sendonly"), "");
    w.hears(&mut b, 200);
    w.acks(&mut b, "");
    w.reconnects(ann);
    w.registers_again(ann);
    w.wait(seconds(4));
    let asked = w.asked(&mut a, "INVITE");
    w.responds(&a, &asked, 200, &directed(4000, "recvonly"), "");
    w.asked(&mut a, "ACK");
    w.ends(a, b);
}

#[test]
fn a_broken_connection_while_it_rings_ends_that_leg() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.registered("1002", Transport::Tcp));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.breaks(bob);
    w.refused(&mut a, 480);
    w.finish();
}

#[test]
fn a_caller_whose_connection_breaks_while_it_rings_is_waited_for() {
    let mut w = World::alone();
    let (ann, bob) = (w.registered("1001", Transport::Tcp), w.udp_phone("1002"));
    let a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.breaks(ann);
    w.wait(seconds(60));
    w.is_cancelled(&mut b);
    w.peers[a.peer.0].inbox.clear();
    w.finish();
}

#[test]
fn the_worker_may_report_late() {
    let mut w = World::alone();
    w.reports = false;
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    assert!(w.records().is_empty(), "the record waits for the figures");
    w.wait(seconds(3));
    assert_eq!(w.records().len(), 1, "but not for ever");
    w.report_ends();
    w.feed(Input::Media(MediaEvent::FirstPacket { end: EndId::new(0, 0) }));
    w.finish();
}

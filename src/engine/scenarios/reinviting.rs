//! Offers in an open call: a change of codec, glare, re-INVITEs without a description, CANCEL of one.

use super::descriptions::{audio, audio_of, directed};
use super::world::{World, seconds};
use crate::sip::{HeaderName, Method};

const PCMA: &[&str] = &["8 PCMA/8000", "101 telephone-event/8000"];

fn body(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_change_of_codec_is_asked_of_the_other_leg_first() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, PCMA, ""), "");
    w.hears_nothing(&a);
    let asked = w.asked(&mut b, "INVITE");
    let offer = body(&asked.body);
    assert!(offer.contains("PCMA") && !offer.contains("PCMU"), "{offer}");
    w.responds(&b, &asked, 200, &audio_of(5000, PCMA, ""), "");
    w.asked(&mut b, "ACK");
    let ok = w.hears(&mut a, 200);
    assert!(body(&ok.body).contains("PCMA") && !body(&ok.body).contains("PCMU"));
    w.acks(&mut a, "");
    w.ends(a, b);
}

#[test]
fn a_change_of_codec_that_the_other_leg_refuses_is_refused_and_the_call_goes_on() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, PCMA, ""), "");
    let asked = w.asked(&mut b, "INVITE");
    w.responds(&b, &asked, 488, "", "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 488);
    assert_eq!(w.engine.calls().active(), 1);
    w.ends(a, b);
}

#[test]
fn a_change_of_codec_by_the_called_phone() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut b, &audio_of(5000, PCMA, ""), "");
    let asked = w.asked(&mut a, "INVITE");
    w.responds(&a, &asked, 200, &audio_of(4000, PCMA, ""), "");
    w.asked(&mut a, "ACK");
    w.hears(&mut b, 200);
    w.acks(&mut b, "");
    w.ends(a, b);
}

#[test]
fn a_codec_that_nobody_here_has_is_refused_at_once() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, &["18 G729/8000"], ""), "");
    w.refused(&mut a, 488);
    w.ends(a, b);
}

#[test]
fn a_repeated_description_is_answered_from_memory() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, b) = w.talk(ann, bob);
    w.invites(&mut a, &audio(4000), "");
    let first = w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.invites(&mut a, &audio(4000), "");
    let second = w.hears(&mut a, 200);
    w.acks(&mut a, "");
    assert_eq!(first.body, second.body);
    w.hears_nothing(&b);
    w.ends(a, b);
}

#[test]
fn a_reinvite_without_a_description_gets_an_offer_and_its_ack_answers() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, "", "");
    let ok = w.hears(&mut a, 200);
    assert!(body(&ok.body).contains("m=audio"));
    w.acks(&mut a, &directed(4000, "sendonly"));
    let asked = w.asked(&mut b, "INVITE");
    assert!(body(&asked.body).contains("a=sendonly"), "the hold in the ACK reaches the other leg");
    w.responds(&b, &asked, 200, &directed(5000, "recvonly"), "");
    w.asked(&mut b, "ACK");
    w.ends(a, b);
}

#[test]
fn a_reinvite_without_a_description_whose_ack_has_none_changes_nothing() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, "", "");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.invites(&mut b, &audio(5000), "");
    w.hears(&mut b, 200);
    w.acks(&mut b, "");
    w.ends(a, b);
}

#[test]
fn glare_is_answered_491_both_ways_and_tried_again() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &directed(4000, "sendonly"), "");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    // Our offer to Bob and Bob's own cross on the way.
    let ours = w.asked(&mut b, "INVITE");
    w.invites(&mut b, &audio(5000), "");
    w.refused(&mut b, 491);
    w.responds(&b, &ours, 491, "", "");
    w.asked(&mut b, "ACK");
    w.wait(seconds(2));
    w.hears_nothing(&b);
    w.wait(seconds(2));
    let again = w.asked(&mut b, "INVITE");
    assert!(body(&again.body).contains("a=sendonly"));
    w.responds(&b, &again, 200, &directed(5000, "recvonly"), "");
    w.asked(&mut b, "ACK");
    w.ends(a, b);
}

#[test]
fn glare_while_a_change_of_codec_is_passed_on_gives_491_to_who_asked() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, PCMA, ""), "");
    let ours = w.asked(&mut b, "INVITE");
    w.responds(&b, &ours, 491, "", "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 491);
    w.wait(seconds(5));
    w.ends(a, b);
}

#[test]
fn both_change_codecs_at_once() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, PCMA, ""), "");
    w.invites(&mut b, &audio_of(5000, PCMA, ""), "");
    let own = b.invite.clone();
    let ours = w.asked(&mut b, "INVITE");
    b.invite = own;
    w.refused(&mut b, 491);
    w.responds(&b, &ours, 200, &audio_of(5000, PCMA, ""), "");
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, b);
}

#[test]
fn a_second_reinvite_before_the_first_is_answered_gets_500() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, PCMA, ""), "");
    let first = a.invite.clone();
    let asked = w.asked(&mut b, "INVITE");
    w.invites(&mut a, &audio(4000), "");
    let refusal = w.refused(&mut a, 500);
    assert!(refusal.headers.has(&HeaderName::RetryAfter));
    w.responds(&b, &asked, 200, &audio_of(5000, PCMA, ""), "");
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    a.invite = first;
    w.acks(&mut a, "");
    w.ends(a, b);
}

#[test]
fn a_reinvite_is_cancelled_and_the_call_goes_on() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, PCMA, ""), "");
    let asked = w.asked(&mut b, "INVITE");
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.responds(&b, &asked, 200, &audio_of(5000, PCMA, ""), "");
    w.asked(&mut b, "ACK");
    assert_eq!(w.engine.calls().active(), 1);
    w.ends(a, b);
}

#[test]
fn who_hangs_up_while_a_reinvite_waits_leaves_no_transaction() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, PCMA, ""), "");
    let asked = w.asked(&mut b, "INVITE");
    w.hangs_up(&mut b);
    let refusal = w.hears_method(&a, 487, &Method::Invite);
    w.acks_refusal(&a, &refusal);
    w.is_hung_up(&mut a);
    w.responds(&b, &asked, 481, "", "");
    w.asked(&mut b, "ACK");
    w.finish();
}

#[test]
fn a_phone_that_never_answers_our_reinvite_has_lost_the_call() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, b) = w.talk(ann, bob);
    w.invites(&mut a, &directed(4000, "sendonly"), "");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.wait(seconds(33));
    w.is_hung_up(&mut a);
    w.wait(seconds(40));
    w.peers[b.peer.0].inbox.clear();
    assert_eq!(w.records()[0].cause, "connection-lost");
    w.finish();
}

#[test]
fn a_phone_that_rings_forever_on_a_reinvite_is_given_up() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.invites(&mut a, &audio_of(4000, PCMA, ""), "");
    let asked = w.asked(&mut b, "INVITE");
    w.responds(&b, &asked, 180, "", "");
    w.wait(seconds(41));
    w.refused(&mut a, 488);
    let cancel = w.asked(&mut b, "CANCEL");
    w.responds(&b, &cancel, 200, "", "");
    w.responds(&b, &asked, 200, &audio_of(5000, PCMA, ""), "");
    w.asked(&mut b, "ACK");
    w.peers[b.peer.0].inbox.clear();
    w.ends(a, b);
}

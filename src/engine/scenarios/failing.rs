//! Calls that are not answered: busy, declined, nobody there, no such number; and what the caller hears.

use super::descriptions::{audio, audio_of};
use super::world::{World, seconds};
use crate::sip::HeaderName;

fn called_phone_says(status: u16, caller_hears: u16, cause: &str) {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.answers(&b, status, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, caller_hears);
    assert_eq!(w.records()[0].cause, cause);
    w.finish();
}

#[test]
fn busy() {
    called_phone_says(486, 486, "busy");
    called_phone_says(600, 486, "busy");
}

#[test]
fn declined() {
    called_phone_says(603, 603, "declined");
}

#[test]
fn no_common_media() {
    called_phone_says(488, 488, "no-common-media");
}

#[test]
fn a_redirection_is_not_followed_and_not_passed_on() {
    called_phone_says(302, 480, "redirected");
}

#[test]
fn what_only_we_could_have_answered_is_not_passed_on() {
    for status in [401, 407, 420, 421, 423, 494] {
        called_phone_says(status, 500, "refused");
    }
}

#[test]
fn nobody_answers() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.wait(seconds(59));
    w.hears_nothing(&b);
    w.wait(seconds(1));
    w.is_cancelled(&mut b);
    w.refused(&mut a, 480);
    assert_eq!(w.records()[0].cause, "no-answer");
    w.finish();
}

#[test]
fn a_wrong_number() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "1999", &audio(4000));
    w.refused(&mut a, 404);
    assert_eq!(w.records()[0].cause, "no-such-number");
    w.finish();
}

#[test]
fn an_extension_without_a_device() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.refused(&mut a, 480);
    assert_eq!(w.records()[0].cause, "not-registered");
    w.finish();
}

#[test]
fn a_phone_that_is_switched_off_costs_32_seconds_at_most() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.wait(seconds(32));
    w.peers[bob.0].inbox.clear();
    w.refused(&mut a, 480);
    w.finish();
}

#[test]
fn a_caller_without_a_codec_of_ours() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let _ = bob;
    let mut a = w.calls(ann, "1002", &audio_of(4000, &["18 G729/8000"], ""));
    w.refused(&mut a, 488);
    w.finish();
}

#[test]
fn an_offer_that_cannot_be_read() {
    let mut w = World::alone();
    let (ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", "v=0\r\nnonsense\r\n");
    w.refused(&mut a, 488);
    w.finish();
}

#[test]
fn a_body_that_is_no_session_description() {
    let mut w = World::alone();
    let (ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls_with(ann, "1002", "hello", "Content-Type: text/plain\r\n");
    let refusal = w.refused(&mut a, 415);
    assert!(refusal.headers.has(&HeaderName::Accept));
    w.finish();
}

#[test]
fn too_many_hops() {
    let mut w = World::alone();
    let (ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.hops = 0;
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.refused(&mut a, 483);
    w.finish();
}

#[test]
fn an_answer_that_cannot_be_used_ends_both_legs() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio_of(5000, &["18 G729/8000"], ""));
    w.asked(&mut b, "ACK");
    w.is_hung_up(&mut b);
    w.refused(&mut a, 488);
    w.finish();
}

#[test]
fn no_media_port_is_free() {
    let mut settings = crate::engine::testing::settings();
    settings.asterisk = None;
    settings.media.phone_ports.truncate(1);
    let mut w = World::with(settings);
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.is_hung_up(&mut b);
    let refusal = w.refused(&mut a, 503);
    assert!(refusal.headers.has(&HeaderName::RetryAfter));
    w.finish();
}

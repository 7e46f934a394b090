//! Asterisk is down, silent, or fails: extensions still reach each other, quickly.

use super::descriptions::audio;
use super::world::{ASTERISK, Pbx, World, seconds};
use crate::engine::Observation;
use crate::sip::{HeaderName, Response};
use std::time::Duration;

#[test]
fn when_it_is_known_to_be_down_extensions_are_rung_directly() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.pbx = Pbx::Silent;
    w.wait(seconds(15));
    assert!(w.observed.contains(&Observation::AsteriskReachable(false)));
    let (a, b) = w.talk(ann, bob);
    w.pbx = Pbx::Answers;
    w.ends(a, b);
}

#[test]
fn its_own_numbers_are_refused_with_a_reason() {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    w.pbx = Pbx::Silent;
    w.wait(seconds(15));
    let mut a = w.calls(ann, "600", &audio(4000));
    let refusal = w.refused(&mut a, 503);
    assert_eq!(&*refusal.reason, "Voicemail And Services Away");
    assert_eq!(w.records()[0].cause, "asterisk-down");
    w.pbx = Pbx::Answers;
    w.finish();
}

#[test]
fn missing_voicemail_is_said_in_words() {
    let warning = |refusal: &Response| refusal.headers.get(&HeaderName::Warning).map(ToString::to_string);
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let page = w.page("1005", "tab");
    w.pbx = Pbx::Silent;
    w.wait(seconds(15));
    let away = "Voicemail is away while the telephone system restarts.";
    let mut a = w.calls(ann, "1003", &audio(4000));
    let refusal = w.refused(&mut a, 480);
    assert_eq!(&*refusal.reason, "Phone Not Connected");
    let words = format!("399 BRU \"No phone of this extension is connected. {away}\"");
    assert_eq!(warning(&refusal).as_deref(), Some(&*words));

    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    let refusal = w.refused(&mut a, 486);
    assert_eq!(warning(&refusal), Some(format!("399 BRU \"The line is busy. {away}\"")));

    let view = w.dials(&page, "1003");
    assert!(view.ended_text.is_some_and(|text| text.ends_with(away)));
    w.leaves(&page);
    w.pbx = Pbx::Answers;
    w.finish();
}

#[test]
fn when_it_is_silent_the_next_attempt_follows_within_a_second() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.wait(Duration::from_secs(1));
    let b = w.rung(bob);
    w.peers[ASTERISK.0].inbox.clear();
    answered_directly(&mut w, &mut a, b);
}

#[test]
fn its_late_answer_is_acknowledged_and_ended() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut late = w.rung(ASTERISK);
    w.wait(Duration::from_secs(1));
    let mut b = w.rung(bob);
    w.peers[ASTERISK.0].inbox.clear();
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.answers(&late, 200, &audio(6000));
    w.asked(&mut late, "ACK");
    w.is_hung_up(&mut late);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, b);
}

#[test]
fn its_late_answer_after_the_call_is_over_is_ended_too() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut late = w.rung(ASTERISK);
    w.wait(Duration::from_secs(1));
    let mut b = w.rung(bob);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.wait(seconds(10));
    w.peers[ASTERISK.0].inbox.clear();
    w.answers(&late, 200, &audio(6000));
    w.asked(&mut late, "ACK");
    w.is_hung_up(&mut late);
    w.finish();
}

#[test]
fn when_it_wakes_up_late_it_is_told_that_the_call_is_given_up() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut late = w.rung(ASTERISK);
    w.wait(Duration::from_secs(1));
    w.peers[ASTERISK.0].inbox.clear();
    let b = w.rung(bob);
    w.answers(&late, 180, "");
    w.is_cancelled(&mut late);
    answered_directly(&mut w, &mut a, b);
}

fn answered_directly(w: &mut World, a: &mut super::phones::Line, mut b: super::phones::Line) {
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(a, 200);
    w.acks(a, "");
    w.hangs_up(a);
    w.is_hung_up(&mut b);
    w.wait(seconds(40));
    w.peers[ASTERISK.0].inbox.clear();
    std::mem::replace(w, World::alone()).finish();
}

#[test]
fn when_it_is_overloaded_extensions_are_rung_directly() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut pbx = w.rung(ASTERISK);
    w.answers(&pbx, 503, "");
    w.asked(&mut pbx, "ACK");
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, b);
}

#[test]
fn its_verdict_after_ringing_is_final() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let _ = bob;
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut pbx = w.rung(ASTERISK);
    w.answers(&pbx, 180, "");
    w.hears(&mut a, 180);
    w.answers(&pbx, 503, "");
    w.asked(&mut pbx, "ACK");
    w.refused(&mut a, 503);
    w.finish();
}

#[test]
fn busy_through_asterisk_is_not_tried_again_directly() {
    let mut w = World::with_asterisk();
    let (ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut pbx = w.rung(ASTERISK);
    w.answers(&pbx, 486, "");
    w.asked(&mut pbx, "ACK");
    w.refused(&mut a, 486);
    w.finish();
}

#[test]
fn calls_that_are_up_survive_its_death_when_they_do_not_need_it() {
    let mut w = World::with_asterisk();
    w.pbx = Pbx::Silent;
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.wait(seconds(15));
    let (a, b) = w.talk(ann, bob);
    w.pbx = Pbx::Answers;
    w.wait(seconds(15));
    assert_eq!(w.contacts(), ["1001", "1002"]);
    w.ends(a, b);
}

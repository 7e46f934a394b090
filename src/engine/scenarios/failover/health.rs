//! Links that are known to fail, and that come back.

use super::{dials, millis, rows, tried, two_links};
use crate::engine::scenarios::world::seconds;
use crate::sip::HeaderName;

#[test]
fn a_link_known_to_be_dead_costs_nothing() {
    let (mut w, ann, one, two) = two_links();
    w.goes_deaf(one);
    w.wait(seconds(12));
    let before = w.now;
    let mut a = dials(&mut w, ann);
    let mut b = w.rung(two);
    assert_eq!(w.now, before);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    assert_eq!(tried(&w), rows(&[("two", "failed", "sip-486"), ("one", "skipped", "down")]));
    w.hears_again(one);
    w.closes();
}

#[test]
fn a_call_that_finds_silence_spares_the_next_call_the_second() {
    let (mut w, ann, one, two) = two_links();
    w.goes_deaf(one);
    let mut a = dials(&mut w, ann);
    w.wait(seconds(1));
    let mut b = w.rung(two);
    w.wait(seconds(1));
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    let mut a = dials(&mut w, ann);
    let mut b = w.rung(two);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    assert_eq!(tried(&w)[0].0, "two");
    w.closes();
}

#[test]
fn when_all_links_are_known_to_be_down_they_are_tried_within_a_second_and_the_caller_is_told() {
    let (mut w, ann, one, two) = two_links();
    w.goes_deaf(one);
    w.goes_deaf(two);
    w.wait(seconds(12));
    let mut a = dials(&mut w, ann);
    w.wait(millis(899));
    w.hears_nothing(&a);
    w.wait(millis(1));
    let refusal = w.refused(&mut a, 480);
    assert_eq!(&*refusal.reason, "No Response From There");
    let warning = refusal.headers.get(&HeaderName::Warning).expect("words");
    assert_eq!(&**warning, "399 BRU \"The other side does not respond.\"");
    let expected = [("one", "failed", "first-response-timeout"), ("two", "failed", "first-response-timeout")];
    assert_eq!(tried(&w), rows(&expected));
    w.closes();
}

#[test]
fn a_dead_link_that_works_again_carries_the_call_when_there_is_no_other() {
    let (mut w, ann, one, two) = two_links();
    w.goes_deaf(one);
    w.goes_deaf(two);
    w.wait(seconds(12));
    w.hears_again(one);
    let a = dials(&mut w, ann);
    let b = w.rung(one);
    w.talks_and_ends(a, b);
}

#[test]
fn recovery_is_damped() {
    let (mut w, ann, one, two) = two_links();
    w.goes_deaf(one);
    w.wait(seconds(12));
    w.hears_again(one);
    w.wait(seconds(1));
    let mut a = dials(&mut w, ann);
    let mut b = w.rung(two);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.wait(seconds(10));
    let a = dials(&mut w, ann);
    let b = w.rung(one);
    w.talks_and_ends(a, b);
}

#[test]
fn a_peer_whose_probes_are_refused_is_not_used() {
    let (mut w, ann, one, two) = two_links();
    w.answers_options(one, 503);
    w.wait(seconds(12));
    let a = dials(&mut w, ann);
    let b = w.rung(two);
    w.talks_and_ends(a, b);
}

#[test]
fn a_peer_that_answers_options_but_no_calls_is_left_out_after_a_while() {
    let (mut w, ann, one, two) = two_links();
    for _ in 0..2 {
        let mut a = dials(&mut w, ann);
        let mut stuck = w.rung(one);
        w.answers(&stuck, 100, "");
        w.wait(seconds(4));
        w.is_cancelled(&mut stuck);
        let mut b = w.rung(two);
        w.answers(&b, 486, "");
        w.asked(&mut b, "ACK");
        w.refused(&mut a, 486);
        w.wait(seconds(2));
    }
    w.wait(seconds(10));
    let a = dials(&mut w, ann);
    let b = w.rung(two);
    w.talks_and_ends(a, b);
}

//! One link fails, the next one carries the call: no sooner than it may, and never two at once.

mod health;
mod silence;

use std::time::Duration;

use super::descriptions::audio;
use super::far_ends::{Dialling, pushed, pushed_with};
use super::phones::Line;
use super::world::{ASTERISK, Pbx, Peer, World, seconds};
use crate::engine::routing::DialFailure;

const LINKS: [&str; 2] = ["one SipTrunk PAR sips:one.example", "two SipTrunk PAR sips:two.example"];
const ROUTE: [&str; 1] = ["PAR-* one,two"];
const CARRIERS: [&str; 2] = ["one PstnGateway - sip:one.example", "two PstnGateway - sip:two.example"];

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Two links to PAR, the first preferred, and Ann who dials.
fn two_links() -> (World, Peer, Peer, Peer) {
    two(&LINKS, "PAR")
}

fn two(links: &[&str], office: &str) -> (World, Peer, Peer, Peer) {
    let mut w = World::alone();
    let (one, two) = (w.far_end("one", office), w.far_end("two", office));
    w.push(pushed_with(links, &ROUTE, |link| link.cost = u32::from(link.id.as_str() == "two")));
    let ann = w.udp_phone("1001");
    (w, ann, one, two)
}

fn dials(w: &mut World, ann: Peer) -> Line {
    w.calls(ann, "PAR-1002", &audio(4000))
}

fn tried(w: &World) -> Vec<(String, &'static str, String)> {
    w.attempts()
}

fn rows(rows: &[(&str, &'static str, &str)]) -> Vec<(String, &'static str, String)> {
    rows.iter().map(|(link, outcome, why)| ((*link).to_owned(), *outcome, (*why).to_owned())).collect()
}

/// The second link answers, and the record says what became of both.
fn carried_by_the_second(mut w: World, mut a: Line, mut b: Line, first: (&'static str, &str)) {
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.far_answers(&b, 200);
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    w.wait(seconds(1));
    let (outcome, why) = first;
    assert_eq!(tried(&w), rows(&[("one", outcome, why), ("two", "answered", "answered")]));
    w.closes();
}

#[test]
fn a_peer_that_refuses_costs_no_time() {
    for status in [500, 502, 503, 403, 408, 488, 302] {
        let (mut w, ann, one, two) = two_links();
        let a = dials(&mut w, ann);
        let mut first = w.rung(one);
        w.answers(&first, status, "");
        w.asked(&mut first, "ACK");
        let b = w.rung(two);
        carried_by_the_second(w, a, b, ("failed", &format!("sip-{status}")));
    }
}

#[test]
fn the_called_partys_word_is_final() {
    for (status, heard) in
        [(486, 486), (603, 603), (600, 486), (404, 404), (484, 404), (480, 480), (604, 604)]
    {
        let (mut w, ann, one, _) = two_links();
        let mut a = dials(&mut w, ann);
        let mut first = w.rung(one);
        w.answers(&first, status, "");
        w.asked(&mut first, "ACK");
        w.refused(&mut a, heard);
        assert_eq!(tried(&w), rows(&[("one", "failed", &format!("sip-{status}"))]));
        w.closes();
    }
}

#[test]
fn a_slow_peer_costs_a_second_and_its_late_ringing_is_cancelled() {
    let (mut w, ann, one, two) = two_links();
    let a = dials(&mut w, ann);
    let mut late = w.rung(one);
    w.wait(millis(501));
    w.shows_life(one);
    w.wait(millis(398));
    assert!(w.peers[two.0].inbox.is_empty(), "not before its time");
    w.wait(millis(1));
    let b = w.rung(two);
    w.answers(&late, 180, "");
    w.is_cancelled(&mut late);
    carried_by_the_second(w, a, b, ("failed", "first-response-timeout"));
}

#[test]
fn a_late_answer_of_an_attempt_that_was_given_up_is_acknowledged_and_ended() {
    let (mut w, ann, one, two) = two_links();
    let a = dials(&mut w, ann);
    let mut late = w.rung(one);
    w.wait(millis(899));
    w.shows_life(one);
    w.wait(millis(1));
    let b = w.rung(two);
    w.far_answers(&late, 200);
    w.asked(&mut late, "ACK");
    w.is_hung_up(&mut late);
    carried_by_the_second(w, a, b, ("failed", "first-response-timeout"));
}

#[test]
fn a_peer_that_says_100_and_nothing_more_is_cancelled_after_the_progress_time() {
    let (mut w, ann, one, two) = two_links();
    let a = dials(&mut w, ann);
    let mut stuck = w.rung(one);
    w.answers(&stuck, 100, "");
    w.wait(millis(3999));
    assert!(w.peers[two.0].inbox.is_empty());
    w.wait(millis(1));
    let b = w.rung(two);
    w.is_cancelled(&mut stuck);
    carried_by_the_second(w, a, b, ("given-up", "no-progress"));
}

#[test]
fn a_2xx_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let (mut w, ann, one, two) = two_links();
    let a = dials(&mut w, ann);
    let mut stuck = w.rung(one);
    w.answers(&stuck, 100, "");
    w.wait(seconds(4));
    let b = w.rung(two);
    let cancel = w.asked(&mut stuck, "CANCEL");
    w.far_answers(&stuck, 200);
    w.responds(&stuck, &cancel, 200, "", "");
    w.asked(&mut stuck, "ACK");
    w.is_hung_up(&mut stuck);
    carried_by_the_second(w, a, b, ("given-up", "no-progress"));
}

#[test]
fn once_it_rings_no_other_link_is_tried() {
    let (mut w, ann, one, two) = two_links();
    let mut a = dials(&mut w, ann);
    let mut first = w.rung(one);
    w.answers(&first, 180, "");
    w.hears(&mut a, 180);
    w.wait(seconds(59));
    assert!(w.peers[two.0].inbox.is_empty());
    w.wait(seconds(1));
    w.is_cancelled(&mut first);
    w.refused(&mut a, 480);
    w.closes();
}

#[test]
fn refused_after_it_rang_the_next_link_is_tried_and_the_caller_hears_one_ringing() {
    let (mut w, ann, one, two) = two_links();
    let mut a = dials(&mut w, ann);
    let mut first = w.rung(one);
    w.answers(&first, 180, "");
    w.hears(&mut a, 180);
    w.answers(&first, 503, "");
    w.asked(&mut first, "ACK");
    let b = w.rung(two);
    w.answers(&b, 180, "");
    w.hears_nothing(&a);
    w.talks_and_ends(a, b);
}

#[test]
fn a_connection_that_breaks_before_it_rings_is_the_next_links_turn() {
    let (mut w, ann, one, two) = two_links();
    let a = dials(&mut w, ann);
    let first = w.rung(one);
    w.answers(&first, 100, "");
    w.breaks(one);
    let b = w.rung(two);
    carried_by_the_second(w, a, b, ("failed", "transport-failed"));
}

#[test]
fn a_connection_that_breaks_while_it_rings_ends_the_call() {
    let (mut w, ann, one, two) = two_links();
    let mut a = dials(&mut w, ann);
    let first = w.rung(one);
    w.answers(&first, 180, "");
    w.hears(&mut a, 180);
    w.breaks(one);
    w.refused(&mut a, 480);
    assert!(w.peers[two.0].inbox.is_empty(), "the called phone may still ring");
    w.closes();
}

#[test]
fn a_handshake_that_stalls_costs_a_second() {
    let mut w = World::alone();
    let two = w.far_end("two", "PAR");
    w.link_dials("one", Dialling::Stalls);
    w.push(pushed_with(&LINKS, &ROUTE, |link| link.priority = u16::from(link.id.as_str() == "two")));
    let ann = w.udp_phone("1001");
    // Known links only: the second is up, so the first is not even waited for.
    let mut a = dials(&mut w, ann);
    let mut b = w.rung(two);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.closes();
}

#[test]
fn when_nothing_is_known_yet_a_stalled_handshake_costs_a_second_and_no_more() {
    let mut w = World::alone();
    w.link_dials("one", Dialling::Stalls);
    w.link_dials("two", Dialling::Stalls);
    let ann = w.udp_phone("1001");
    let one_first =
        |link: &mut crate::engine::routing::Link| link.cost = u32::from(link.id.as_str() == "two");
    w.feed(crate::engine::Input::Routes(pushed_with(&LINKS, &ROUTE, one_first)));
    let mut a = dials(&mut w, ann);
    assert_eq!(w.far.waiting.len(), 1, "the link is dialled for the call");
    let two = w.far_end("two", "PAR");
    w.wait(millis(899));
    assert!(w.peers[two.0].inbox.is_empty());
    w.wait(millis(1));
    let mut b = w.rung(two);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    assert_eq!(tried(&w), rows(&[("one", "given-up", "timed-out"), ("two", "failed", "sip-486")]));
    w.closes();
}

#[test]
fn a_way_that_is_found_in_time_is_used() {
    let mut w = World::alone();
    w.link_dials("one", Dialling::Stalls);
    let ann = w.udp_phone("1001");
    w.feed(crate::engine::Input::Routes(pushed(&LINKS[..1], &["PAR-* one"])));
    let a = dials(&mut w, ann);
    let one = w.far_end("one", "PAR");
    let (_, ticket) = w.far.waiting.remove(0);
    w.wait(millis(300));
    let flow = w.peers[one.0].flow;
    let result = crate::engine::routing::DialResult::Open { flow, others: vec![] };
    w.feed(crate::engine::Input::Dialled { ticket, result });
    let b = w.rung(one);
    w.talks_and_ends(a, b);
}

#[test]
fn a_name_without_address_and_a_refused_certificate_cost_nothing() {
    for failure in [DialFailure::Unresolved, DialFailure::Certificate, DialFailure::Refused] {
        let mut w = World::alone();
        let two = w.far_end("two", "PAR");
        w.link_dials("one", Dialling::Fails(failure));
        let ann = w.udp_phone("1001");
        let cheap =
            |link: &mut crate::engine::routing::Link| link.cost = u32::from(link.id.as_str() == "two");
        w.feed(crate::engine::Input::Routes(pushed_with(&LINKS, &ROUTE, cheap)));
        let a = dials(&mut w, ann);
        let b = w.rung(two);
        carried_by_the_second(w, a, b, ("failed", failure.as_str()));
    }
}

#[test]
fn a_caller_that_gives_up_during_the_second_attempt_ends_both() {
    let (mut w, ann, one, two) = two_links();
    let mut a = dials(&mut w, ann);
    let mut late = w.rung(one);
    w.wait(millis(899));
    w.shows_life(one);
    w.wait(millis(1));
    let mut b = w.rung(two);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.is_cancelled(&mut b);
    w.answers(&late, 180, "");
    w.is_cancelled(&mut late);
    assert_eq!(tried(&w)[1].1, "cancelled");
    w.closes();
}

#[test]
fn a_caller_that_gives_up_while_a_link_is_dialled_leaves_nothing() {
    let mut w = World::alone();
    w.link_dials("one", Dialling::Stalls);
    let ann = w.udp_phone("1001");
    w.feed(crate::engine::Input::Routes(pushed(&LINKS[..1], &["PAR-* one"])));
    let mut a = dials(&mut w, ann);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.closes();
}

#[test]
fn over_udp_a_carrier_that_is_silent_costs_a_second_too() {
    let (mut w, ann, one, two) = two(&CARRIERS, "");
    let a = dials(&mut w, ann);
    w.wait(seconds(1));
    let b = w.rung(two);
    w.peers[one.0].inbox.clear();
    w.goes_deaf(one);
    carried_by_the_second(w, a, b, ("failed", "first-response-timeout"));
}

#[test]
fn a_carrier_may_take_longer_to_ring_than_an_office() {
    let (mut w, ann, one, two) = two(&CARRIERS, "");
    let mut a = dials(&mut w, ann);
    let b = w.rung(one);
    w.answers(&b, 100, "");
    w.wait(millis(9_999));
    assert!(w.peers[two.0].inbox.is_empty());
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.talks_and_ends(a, b);
}

#[test]
fn through_asterisk_its_death_is_the_next_links_turn() {
    let mut w = World::with_asterisk();
    let two = w.far_end("two", "PAR");
    let links = ["one IaxTrunk PAR iax2:par", LINKS[1]];
    w.push(pushed_with(&links, &ROUTE, |link| link.cost = u32::from(link.id.as_str() == "two")));
    let ann = w.udp_phone("1001");
    let a = dials(&mut w, ann);
    w.wait(seconds(1));
    w.peers[ASTERISK.0].inbox.clear();
    let b = w.rung(two);
    w.pbx = Pbx::Silent;
    w.wait(millis(1));
    w.pbx = Pbx::Answers;
    carried_by_the_second(w, a, b, ("failed", "first-response-timeout"));
}

#[test]
fn over_udp_a_call_that_finds_a_names_first_address_dead_goes_to_the_next_and_so_do_later_ones() {
    let mut w = World::alone();
    w.link_dials("one", Dialling::Stalls);
    let ann = w.udp_phone("1001");
    let unprobed = |link: &mut crate::engine::routing::Link| link.health.probe = Duration::ZERO;
    w.feed(crate::engine::Input::Routes(pushed_with(&CARRIERS[..1], &["PAR-* one"], unprobed)));
    let mut a = dials(&mut w, ann);
    let (dead, alive) = (w.far_end("dead", ""), w.far_end("alive", ""));
    let (_, ticket) = w.far.waiting.remove(0);
    let (flow, others) = (w.peers[dead.0].flow, vec![w.peers[alive.0].flow]);
    let result = crate::engine::routing::DialResult::Open { flow, others };
    w.feed(crate::engine::Input::Dialled { ticket, result });
    drop(w.rung(dead));
    w.wait(millis(900));
    let mut b = w.rung(alive);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    assert_eq!(tried(&w), rows(&[("one", "failed", "first-response-timeout"), ("one", "failed", "sip-486")]));
    w.wait(seconds(101));
    w.peers[dead.0].inbox.clear();
    let mut a = dials(&mut w, ann);
    let mut b = w.rung(alive);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.closes();
}

//! Connections that are silent: what a call said over one must not arrive when another attempt rings.

use super::{carried_by_the_second, dials, seconds, two_links};
use crate::engine::flow::FlowFailure;
use crate::engine::routing::DialFailure;
use crate::engine::scenarios::descriptions::{audio, secured};
use crate::engine::scenarios::far_ends::Dialling;
use crate::engine::scenarios::world::{Peer, World};
use crate::sip::HeaderName;

fn resets(w: &World, peer: Peer, before: crate::engine::flow::Flow) -> bool {
    w.peers[peer.0].flow.connection != before.connection
}

#[test]
fn a_silent_connection_is_reset_and_dialled_again() {
    let (mut w, ann, one, two) = two_links();
    let before = w.peers[one.0].flow;
    let a = dials(&mut w, ann);
    let late = w.rung(one);
    w.wait(seconds(1));
    assert!(resets(&w, one, before), "it is another connection now");
    let b = w.rung(two);
    w.answers(&late, 180, "");
    w.answers(&late, 200, &audio(5000));
    w.hears_nothing(&a);
    carried_by_the_second(w, a, b, ("failed", "first-response-timeout"));
}

#[test]
fn calls_that_are_up_on_a_connection_that_is_reset_go_on_over_the_other_link() {
    let (mut w, ann, one, two) = two_links();
    let eve = w.udp_phone("1003");
    let mut a = dials(&mut w, ann);
    let mut b = w.rung(one);
    w.far_answers(&b, 200);
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.wait(seconds(20));
    w.goes_deaf(one);
    w.link_dials("one", Dialling::Fails(DialFailure::TimedOut));
    let mut late = dials(&mut w, eve);
    w.wait(seconds(1));
    let mut second = w.rung(two);
    w.answers(&second, 486, "");
    w.asked(&mut second, "ACK");
    w.refused(&mut late, 486);
    w.hangs_up(&mut a);
    b.peer = two;
    w.is_hung_up(&mut b);
    w.hears_again(one);
    w.closes();
}

#[test]
fn who_calls_on_a_connection_that_is_gone_rings_no_phone_here() {
    let (mut w, _, one, _) = two_links();
    let bob = w.udp_phone("1002");
    let identity = "P-Asserted-Identity: \"Zoe\" <sip:PAR-1001@branchline>\r\nX-Branchline-Path: PAR\r\n";
    let mut a = w.calls_with(one, "BRU-1002", &secured(7000), identity);
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.lenient = true;
    w.breaks(one);
    let cancel = w.is_cancelled(&mut b);
    assert!(cancel.headers.get(&HeaderName::Reason).is_none_or(|reason| !reason.contains("elsewhere")));
    w.closes();
}

#[test]
fn a_call_that_is_up_outlives_its_connection_and_is_ended_over_the_next() {
    let (mut w, ann, one, _) = two_links();
    let mut a = dials(&mut w, ann);
    let mut b = w.rung(one);
    w.far_answers(&b, 200);
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.goes_deaf(one);
    let flow = w.peers[one.0].flow;
    w.feed(crate::engine::Input::FlowFailed { flow, reason: FlowFailure::Refused });
    w.hears_again(one);
    w.wait(seconds(2));
    w.hangs_up(&mut b);
    w.is_hung_up(&mut a);
    w.closes();
}

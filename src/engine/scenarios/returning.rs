//! A page whose connection breaks while its call rings: it is waited for a moment, and rings again.

use super::descriptions::{audio, browser};
use super::pages::{Page, refusal};
use super::phones::Line;
use super::world::{World, seconds};
use crate::engine::web::{CallView, WebRefusal, WebReply, WebRequest};

/// Ann calls; Bob's page rings. The call, and what it was offered.
fn ringing(w: &mut World) -> (Line, Page, CallView, String) {
    let (ann, bob) = (w.udp_phone("1001"), w.page("1002", "bob"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let (call, offer) = w.page_rings(&bob);
    w.hears(&mut a, 180);
    (a, bob, call, offer)
}

#[test]
fn a_called_page_that_comes_back_rings_again_with_the_same_offer() {
    let mut w = World::alone();
    let (mut a, bob, call, offer) = ringing(&mut w);
    w.leaves(&bob);
    w.wait(seconds(4));
    w.hears_nothing(&a);
    let bob = w.page("1002", "bob");
    assert_eq!(w.page_rings(&bob), (call.clone(), offer));
    w.wait(seconds(10));
    assert!(matches!(w.accepts(&bob, call.id), WebReply::Call(_)));
    w.sees(&bob, "up");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.page_ends(&bob, call.id);
    w.sees(&bob, "ended");
    w.is_hung_up(&mut a);
    w.leaves(&bob);
    w.finish();
}

#[test]
fn a_called_page_that_stays_away_is_given_up() {
    let mut w = World::alone();
    let (mut a, bob, ..) = ringing(&mut w);
    w.leaves(&bob);
    w.wait(seconds(4));
    w.hears_nothing(&a);
    w.wait(seconds(1));
    w.refused(&mut a, 480);
    let bob = w.page("1002", "bob");
    w.told_nothing(&bob);
    w.leaves(&bob);
    w.finish();
}

#[test]
fn two_pages_of_one_user_each_take_up_their_own() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let (desk, sofa) = (w.page("1002", "desk"), w.page("1002", "sofa"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let (call, _) = w.page_rings(&desk);
    let (_, offer) = w.page_rings(&sofa);
    w.hears(&mut a, 180);
    w.leaves(&desk);
    w.leaves(&sofa);
    let sofa = w.page("1002", "sofa");
    assert_eq!(w.page_rings(&sofa).1, offer);
    w.told_nothing(&sofa);
    w.wait(seconds(5));
    w.hears_nothing(&a);
    w.page_ends(&sofa, call.id);
    w.sees(&sofa, "ended");
    w.refused(&mut a, 603);
    w.leaves(&sofa);
    w.finish();
}

#[test]
fn a_calling_page_that_comes_back_goes_on_dialling() {
    let mut w = World::alone();
    let (ann, bob) = (w.page("1001", "ann"), w.udp_phone("1002"));
    let call = w.dials(&ann, "1002");
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.sees(&ann, "ringing");
    w.leaves(&ann);
    w.wait(seconds(4));
    w.hears_nothing(&b);
    let ann = w.page("1001", "ann");
    w.sees(&ann, "ringing");
    w.wait(seconds(20));
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.is_answered(&ann);
    w.sees(&ann, "up");
    w.page_ends(&ann, call.id);
    w.sees(&ann, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&ann);
    w.finish();
}

#[test]
fn a_calling_page_that_stays_away_has_given_up() {
    let mut w = World::alone();
    let (ann, bob) = (w.page("1001", "ann"), w.udp_phone("1002"));
    w.dials(&ann, "1002");
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.sees(&ann, "ringing");
    w.leaves(&ann);
    w.wait(seconds(5));
    w.is_cancelled(&mut b);
    assert_eq!(w.records()[0].cause, "cancelled");
    w.finish();
}

#[test]
fn a_page_that_is_away_when_its_call_is_answered_is_waited_for_as_in_mid_call() {
    let mut w = World::alone();
    let (ann, bob) = (w.page("1001", "ann"), w.udp_phone("1002"));
    let call = w.dials(&ann, "1002");
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.sees(&ann, "ringing");
    w.leaves(&ann);
    w.wait(seconds(3));
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.wait(seconds(14));
    w.hears_nothing(&b);
    let ann = w.page("1001", "ann");
    w.sees(&ann, "up");
    match w.asks(&ann, WebRequest::Signals { call: call.id, since: 0 }) {
        WebReply::Signals(missed) => assert_eq!(missed.len(), 1, "the answer"),
        other => panic!("{other:?}"),
    }
    w.leaves(&ann);
    w.wait(seconds(15));
    w.is_hung_up(&mut b);
    assert_eq!(w.records()[0].cause, "connection-lost");
    w.finish();
}

#[test]
fn a_client_that_only_polls_is_never_away() {
    let mut w = World::alone();
    let (ann, bob) = (w.page("1001", "ann"), w.udp_phone("1002"));
    let offer = browser('1', "page", "actpass");
    let call = match w.asks_as("1001", None, WebRequest::Dial { to: "1002".into(), offer }) {
        WebReply::Call(view) => view,
        other => panic!("{other:?}"),
    };
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.wait(seconds(25));
    w.hears_nothing(&b);
    let end = WebRequest::End { call: call.id, busy: false };
    assert!(matches!(w.asks_as("1001", None, end.clone()), WebReply::Call(_)));
    w.is_hung_up(&mut b);
    w.told_nothing(&ann);
    w.wait(seconds(10));
    assert_eq!(refusal(&w.asks_as("1001", None, end)), WebRefusal::NoSuchCall);
    w.leaves(&ann);
    w.finish();
}

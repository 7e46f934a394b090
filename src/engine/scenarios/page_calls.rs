//! Calls of browsers that are signalled by REST: both directions, hold, reload, ICE restart, going away.

use super::descriptions::{audio, browser, directed};
use super::pages::refusal;
use super::world::{ASTERISK, World, seconds};
use crate::engine::Input;
use crate::engine::call::CallId;
use crate::engine::web::{Signal, Ticket, WebEvent, WebInput, WebRefusal, WebReply, WebRequest};
use crate::media::webrtc::{EndEvent, EndFailure};
use crate::media::{ConnectivityEvent, MediaEvent};

#[test]
fn a_page_calls_a_phone() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&page, bob);
    assert_eq!(b.invite.from().unwrap().uri.to_string(), "sip:1001@branchline");
    assert_eq!(w.ledger.browser_ends().len(), 1);
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    assert_eq!(w.records()[0].legs[0].by, "web");
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_phone_calls_a_page() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let page = w.page("1002", "tab");
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.hears(&mut a, 180);
    let (view, offer) = w.page_rings(&page);
    assert_eq!((view.peer.as_str(), view.peer_name.as_deref(), view.state), ("1001", Some("Ann"), "ringing"));
    assert!(offer.contains("a=setup:actpass"));
    w.accepts(&page, view.id);
    w.sees(&page, "up");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut a);
    assert_eq!(w.sees(&page, "ended").ended.as_deref(), Some("hangup"));
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_page_calls_a_page() {
    let mut w = World::alone();
    let (ann, bob) = (w.page("1001", "a"), w.page("1002", "b"));
    let call = w.dials(&ann, "SIP/1002").id;
    let (view, _) = w.page_rings(&bob);
    w.sees(&ann, "ringing");
    w.accepts(&bob, view.id);
    w.is_answered(&ann);
    w.sees(&ann, "up");
    w.sees(&bob, "up");
    assert_eq!(w.ledger.browser_ends().len(), 2);
    w.page_ends(&bob, call);
    w.sees(&bob, "ended");
    w.sees(&ann, "ended");
    w.leaves(&ann);
    w.leaves(&bob);
    w.finish();
}

#[test]
fn a_page_rejects() {
    for (busy, status) in [(true, 486), (false, 603)] {
        let mut w = World::alone();
        let ann = w.udp_phone("1001");
        let page = w.page("1002", "tab");
        let mut a = w.calls(ann, "1002", &audio(4000));
        w.hears(&mut a, 180);
        let (view, _) = w.page_rings(&page);
        w.asks(&page, WebRequest::End { call: view.id, busy });
        w.sees(&page, "ended");
        w.refused(&mut a, status);
        w.leaves(&page);
        w.finish();
    }
}

#[test]
fn a_page_gives_up() {
    let mut w = World::with_asterisk();
    let page = w.page("1001", "tab");
    let call = w.dials(&page, "600").id;
    let mut pbx = w.rung(ASTERISK);
    w.answers(&pbx, 180, "");
    w.sees(&page, "ringing");
    w.page_ends(&page, call);
    assert_eq!(w.sees(&page, "ended").ended.as_deref(), Some("cancelled"));
    w.is_cancelled(&mut pbx);
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_page_is_told_in_words_why_its_call_failed() {
    let mut w = World::alone();
    let page = w.page("1001", "tab");
    let view = w.dials(&page, "1999");
    assert_eq!((view.state, view.ended.as_deref()), ("ended", Some("no-such-number")));
    assert_eq!(view.ended_text.as_deref(), Some("There is no such number."));
    w.sees(&page, "ended");
    let bad = w.asks(&page, WebRequest::Dial { to: "!!".to_owned(), offer: browser('1', "page", "actpass") });
    assert_eq!(refusal(&bad), WebRefusal::BadNumber);
    let bad = w.asks(&page, WebRequest::Dial { to: "1002".to_owned(), offer: audio(4000) });
    assert_eq!(refusal(&bad), WebRefusal::BadDescription);
    let bad = w.asks(&page, WebRequest::Call { call: CallId(7) });
    assert_eq!(refusal(&bad), WebRefusal::NoSuchCall);
    w.leaves(&page);
    w.finish();
}

#[test]
fn one_page_cannot_touch_the_call_of_another() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let (ann, eve) = (w.page("1001", "tab"), w.page("1005", "tab"));
    let (call, mut b) = w.page_talks(&ann, bob);
    for request in [
        WebRequest::End { call, busy: false },
        WebRequest::Call { call },
        WebRequest::Signal { call, signal: Signal::Hangup },
        WebRequest::Signals { call, since: 0 },
    ] {
        let reply = w.asks(&eve, request);
        assert_eq!(refusal(&reply), WebRefusal::NoSuchCall);
    }
    assert_eq!(w.asks(&eve, WebRequest::Calls), WebReply::Calls(vec![]));
    w.page_ends(&ann, call);
    w.sees(&ann, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&ann);
    w.leaves(&eve);
    w.finish();
}

#[test]
fn hold_and_resume_by_the_page() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&page, bob);
    w.signals(&page, call, Signal::Hold);
    w.sees(&page, "held");
    let asked = w.asked(&mut b, "INVITE");
    assert!(String::from_utf8_lossy(&asked.body).contains("a=inactive"));
    w.responds(&b, &asked, 200, &directed(5000, "inactive"), "");
    w.asked(&mut b, "ACK");
    w.signals(&page, call, Signal::Resume);
    w.sees(&page, "up");
    let asked = w.asked(&mut b, "INVITE");
    assert!(String::from_utf8_lossy(&asked.body).contains("a=sendrecv"));
    w.responds(&b, &asked, 200, &audio(5000), "");
    w.asked(&mut b, "ACK");
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_page_sees_that_it_is_held() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&page, bob);
    w.invites(&mut b, &directed(5000, "sendonly"), "");
    w.hears(&mut b, 200);
    w.acks(&mut b, "");
    assert!(w.sees(&page, "up").held_by_peer);
    w.invites(&mut b, &audio(5000), "");
    w.hears(&mut b, 200);
    w.acks(&mut b, "");
    assert!(!w.sees(&page, "up").held_by_peer);
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_reload_in_mid_call_replaces_the_media_end() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&page, bob);
    let old = w.ledger.browser_ends()[0];
    w.leaves(&page);
    w.wait(seconds(5));
    let page = w.page_again(&page);
    w.sees(&page, "up");
    w.signals(&page, call, Signal::Offer { sdp: browser('5', "anew", "actpass") });
    w.is_answered(&page);
    let new = w.ledger.browser_ends();
    assert!(new.len() == 1 && new[0] != old, "another end for another page");
    assert!(w.ledger.ends.values().all(|end| end.peer.is_some()), "bridged again");
    w.wait(seconds(30));
    w.hears_nothing(&b);
    w.drains_quality(&page);
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    assert_eq!(w.records().len(), 1);
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_reload_whose_new_connection_comes_before_the_old_one_closes() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let old = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&old, bob);
    let new = w.page_again(&old);
    w.sees(&new, "up");
    w.leaves(&old);
    w.wait(seconds(30));
    assert_eq!(w.engine.calls().active(), 1);
    w.drains_quality(&new);
    w.page_ends(&new, call);
    w.sees(&new, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&new);
    w.finish();
}

#[test]
fn another_page_of_the_same_extension_does_not_take_the_call() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (_, mut b) = w.page_talks(&page, bob);
    w.leaves(&page);
    let other = w.page("1001", "other");
    w.told_nothing(&other);
    w.wait(seconds(16));
    w.is_hung_up(&mut b);
    assert_eq!(w.records()[0].cause, "connection-lost");
    w.leaves(&other);
    w.finish();
}

#[test]
fn silence_while_the_page_is_away_is_tolerated() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&page, bob);
    w.leaves(&page);
    let end = w.ledger.browser_ends()[0];
    let since = w.now.instant;
    w.feed(Input::Media(MediaEvent::Silent { end, since }));
    assert_eq!(w.engine.calls().active(), 1);
    let page = w.page_again(&page);
    w.sees(&page, "up");
    w.feed(Input::Media(MediaEvent::Silent { end, since }));
    assert!(matches!(w.told(&page), WebEvent::MediaTrouble { reason, .. } if reason == "no-packets"));
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_page_that_leaves_while_it_rings_or_dials() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1003"));
    let page = w.page("1002", "tab");
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.hears(&mut a, 180);
    w.page_rings(&page);
    w.leaves(&page);
    w.wait(seconds(6));
    w.refused(&mut a, 480);
    let page = w.page_again(&page);
    w.dials(&page, "1003");
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.leaves(&page);
    w.wait(seconds(6));
    w.is_cancelled(&mut b);
    w.finish();
}

#[test]
fn media_trouble_is_told_in_words() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&page, bob);
    let end = w.ledger.browser_ends()[0];
    let event = EndEvent::Failed(EndFailure::NoIcePath);
    w.feed(Input::Connectivity(ConnectivityEvent::End { end, event }));
    assert!(matches!(w.told(&page), WebEvent::MediaTrouble { reason, .. } if reason == "no-ice-path"));
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_page_without_a_connection_dials_and_polls() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let request = |w: &mut World, request| {
        w.tickets += 1;
        let (ticket, caller) = (Ticket(w.tickets), World::extension("1001"));
        w.feed(Input::Web(WebInput::Request { ticket, caller, session: None, request }));
        w.replies.pop_front().unwrap().1
    };
    let offer = browser('1', "page", "actpass");
    let WebReply::Call(view) = request(&mut w, WebRequest::Dial { to: "1002".to_owned(), offer }) else {
        panic!()
    };
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    let WebReply::Signals(sent) = request(&mut w, WebRequest::Signals { call: view.id, since: 0 }) else {
        panic!()
    };
    assert!(matches!(sent[..], [(1, Signal::Answer { .. })]));
    let end = w.ledger.browser_ends()[0];
    let since = w.now.instant;
    w.feed(Input::Media(MediaEvent::Silent { end, since }));
    w.is_hung_up(&mut b);
    w.finish();
}

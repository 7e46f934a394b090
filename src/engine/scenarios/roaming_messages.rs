//! Messages to users who roam, and to other offices. This office is PAR; Ann is of BRU.

use super::far_ends::pushed_to;
use super::messages::{reads, writes};
use super::roamers::linked;
use super::roaming::{ann, entry, paris};
use super::world::{Peer, World, seconds};
use crate::engine::RoamingInput;
use crate::sip::{HeaderName, Request, Transport};

/// The office is asked to deliver a message; its answer.
fn takes(w: &mut World, office: Peer, status: u16) -> Request {
    let (line, request) = reads(w, office);
    w.responds(&line, &request, status, "", "");
    request
}

fn user_of(request: &Request) -> String {
    request.uri.user().unwrap().to_string()
}

#[test]
fn a_message_follows_a_roamer_and_goes_home_when_nobody_is_there() {
    let mut w = World::with(paris());
    w.roams(Vec::new());
    let (bru, nyc) = linked(&mut w);
    w.told_of(RoamingInput::Entry(entry(&ann(), 2, "NYC", w.second())));
    let bob = w.udp_phone("1002");
    let mut sent = writes(&mut w, bob, "32-1001", "hello");
    let request = takes(&mut w, nyc, 200);
    assert_eq!((user_of(&request), &request.body[..]), ("NYC-BRU-32-1001".to_owned(), &b"hello"[..]));
    let from = request.from().unwrap();
    assert_eq!(from.uri.user().unwrap().to_string(), "PAR-1002");
    assert_eq!(from.display_name().unwrap().to_string(), "Bob");
    let path = HeaderName::from_static("X-Branchline-Path");
    assert_eq!(request.headers.get(&path).unwrap().to_string(), "PAR");
    w.hears(&mut sent, 200);

    let mut sent = writes(&mut w, bob, "BRU-1001", "again");
    takes(&mut w, nyc, 480);
    w.hears_nothing(&sent);
    assert_eq!(user_of(&takes(&mut w, bru, 202)), "BRU-32-1001");
    w.hears(&mut sent, 202);
    w.closes();
}

#[test]
fn a_silent_or_refusing_link_gives_way_and_the_called_partys_word_is_final() {
    let mut w = World::with(paris());
    let (first, second) = (w.far_end("one", "BRU"), w.far_end("two", "BRU"));
    w.push(pushed_to(
        "PAR",
        &["one SipTrunk BRU sips:bru.example", "two SipTrunk BRU sips:bru2.example"],
        &["BRU-* one,two"],
    ));
    let bob = w.udp_phone("1002");
    for failure in [Some(503), None] {
        let mut sent = writes(&mut w, bob, "BRU-1001", "hello");
        let (asked, other) =
            if w.peers[first.0].inbox.is_empty() { (second, first) } else { (first, second) };
        if let Some(status) = failure {
            takes(&mut w, asked, status);
        } else {
            reads(&mut w, asked);
            w.wait(seconds(12));
        }
        takes(&mut w, other, 200);
        w.hears(&mut sent, 200);
    }
    let mut sent = writes(&mut w, bob, "BRU-1001", "hello");
    let asked = if w.peers[first.0].inbox.is_empty() { second } else { first };
    takes(&mut w, asked, 404);
    w.hears(&mut sent, 404);
    w.closes();
}

#[test]
fn a_message_of_another_office_reaches_a_visitor_and_does_not_go_round() {
    let mut w = World::paris();
    let (bru, _) = linked(&mut w);
    let phone = w.phone("32-1001", Transport::Tls);
    assert_eq!(w.ann_signs_in(phone, "secret"), 200);
    let words = "P-Asserted-Identity: <sip:BRU-1007@branchline>\r\nContent-Type: text/plain\r\n";
    let mut line = w.line(bru, "BRU-1007", "PAR-BRU-32-1001");
    w.sends(&mut line, "MESSAGE", "hello", &format!("{words}X-Branchline-Path: BRU\r\n"));
    let (device, request) = reads(&mut w, phone);
    assert_eq!(request.from().unwrap().uri.user().unwrap().to_string(), "BRU-1007");
    w.responds(&device, &request, 200, "", "");
    w.hears(&mut line, 200);
    let mut line = w.line(bru, "BRU-1007", "PAR-1002");
    w.sends(&mut line, "MESSAGE", "hello", &format!("{words}X-Branchline-Path: BRU, PAR\r\n"));
    w.hears(&mut line, 482);
}

#[test]
fn who_does_not_want_calls_gets_messages() {
    use crate::engine::registrar::{AvailabilityChange, PresenceStatus};
    use crate::engine::web::WebRequest;
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let change =
        AvailabilityChange { presence: Some(PresenceStatus::DoNotDisturb), ..AvailabilityChange::default() };
    w.asks_as("1002", None, WebRequest::SetAvailability(change));
    let mut sent = writes(&mut w, ann, "1002", "hello");
    takes(&mut w, bob, 200);
    w.hears(&mut sent, 200);
    w.finish();
}

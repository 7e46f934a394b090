//! Carriers that want to know who we are: challenges, and registration.

use super::descriptions::audio;
use super::far_ends::{pushed_with, with_own};
use super::world::{World, seconds};
use crate::engine::routing::Link;
use crate::engine::settings::{LinkCredentials, Settings};
use crate::sip::{HeaderName, Message};

const CARRIER: [&str; 1] = ["one PstnGateway - sip:one.example"];
const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"c\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n";

/// With a name and password for the carrier.
fn known() -> Settings {
    let mut settings = with_own(&[]);
    let known = LinkCredentials { username: "bru".to_owned(), password: "secret".to_owned() };
    settings.routing.credentials.insert("carrier".parse().unwrap(), known);
    settings
}

fn named(link: &mut Link) {
    link.credentials = "carrier".parse().ok();
}

#[test]
fn a_carrier_that_challenges_is_told_who_we_are_once() {
    let mut w = World::with(known());
    let one = w.far_end("one", "");
    w.push(pushed_with(&CARRIER, &["0* one"], named));
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "025551234", &audio(4000));
    let mut first = w.rung(one);
    w.answers_with(&first, 401, "", CHALLENGE);
    w.asked(&mut first, "ACK");
    let mut b = w.rung(one);
    let proof = b.invite.headers.get(&HeaderName::Authorization).expect("a proof").to_string();
    assert!(proof.contains("username=\"bru\"") && !proof.contains("secret"), "{proof}");
    w.answers_with(&b, 401, "", CHALLENGE);
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 500);
    assert_eq!(w.attempts(), [("one".to_owned(), "failed", "sip-401".to_owned())]);
    w.closes();
}

#[test]
fn a_carrier_is_registered_with_and_rings_our_extensions() {
    let mut w = World::with(known());
    let carrier = w.far_end("one", "");
    w.push(pushed_with(&CARRIER, &["0* one"], |link| {
        named(link);
        link.registration = Some(seconds(600));
    }));
    let ask = |w: &mut World, status: u16, more: &str| {
        let Some(Message::Request(request)) = w.peers[carrier.0].inbox.pop_front() else {
            panic!("a REGISTER")
        };
        assert_eq!(request.method.as_str(), "REGISTER");
        let mut line = w.line(carrier, "bru", "bru");
        line.call_id = request.call_id().unwrap().to_string();
        line.local = format!("{};tag=c", request.headers.get(&HeaderName::To).unwrap());
        w.responds(&line, &request, status, "", more);
        request
    };
    let first = ask(&mut w, 401, CHALLENGE);
    assert_eq!(first.uri.to_string(), "sip:one.example:5060");
    let second = ask(&mut w, 200, "Expires: 120\r\n");
    let proof = second.headers.get(&HeaderName::Authorization).expect("a proof").to_string();
    assert!(proof.contains("username=\"bru\""));
    assert!(second.headers.get(&HeaderName::Contact).unwrap().contains("sip:bru@192.0.2.1"));
    w.wait(seconds(59));
    assert!(w.peers[carrier.0].inbox.is_empty());
    w.wait(seconds(1));
    ask(&mut w, 403, "");
    assert!(w.was_refused("registration-refused"));
    w.wait(seconds(30));
    ask(&mut w, 200, "Expires: 3600\r\n");
    let bob = w.udp_phone("1002");
    let a = w.calls(carrier, "1002", &audio(7000));
    let b = w.rung(bob);
    w.talks_and_ends(a, b);
}

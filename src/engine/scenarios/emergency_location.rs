//! A carrier that takes the place of a caller for help in the body (RFC 6442), and one that does not.

use std::sync::Arc;

use super::descriptions::audio;
use super::emergencies::header;
use super::phones::Line;
use super::world::{Peer, World, seconds};
use crate::engine::routing::tests::link;
use crate::engine::routing::{Link, LinkLocation, Place, Places};
use crate::engine::settings::{RoutingSettings, Settings};
use crate::engine::testing;
use crate::sip::body::session_description;

/// A site whose carrier is told by PIDF-LO.
fn site() -> (World, Peer) {
    let carrier = Link { location: LinkLocation::PidfLo, ..link("own PstnGateway - sip:own.example") };
    let at = Place {
        geo: Some("geo:50.8466,4.3528".to_owned()),
        civic: Some("Rue & Cour 1".to_owned()),
        ..Place::default()
    };
    let places = Places { site: at, ..Places::default() };
    let routing = RoutingSettings { links: vec![Arc::new(carrier)], places, ..RoutingSettings::default() };
    let mut w = World::with(Settings { routing, ..testing::settings() });
    let own = w.far_end("own", "");
    w.wait(seconds(1));
    (w, own)
}

fn body(line: &Line) -> String {
    String::from_utf8(line.invite.body.to_vec()).unwrap()
}

#[test]
fn the_place_stands_beside_the_description() {
    let (mut w, own) = site();
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "112", &audio(4000));
    let b = w.rung(own);
    let cid = header(&b, "Geolocation");
    let id = cid.strip_prefix("<cid:").unwrap().strip_suffix('>').unwrap();
    assert!(body(&b).contains(&format!("Content-ID: <{id}>")), "{}", body(&b));
    assert!(body(&b).contains("<gml:pos>50.8466 4.3528</gml:pos>"));
    assert!(body(&b).contains("<ca:LOC>Rue &amp; Cour 1</ca:LOC>"));
    let description = session_description(&b.invite.headers, &b.invite.body).expect("a description too");
    assert!(description.starts_with(b"v=0"));
    assert_eq!(header(&b, "X-Emergency-Location"), "\"Rue & Cour 1\"");
    w.talks_and_ends(a, b);
}

#[test]
fn a_carrier_that_cannot_read_it_is_asked_without_it_at_once() {
    for status in [400, 415, 424, 488, 513] {
        let (mut w, own) = site();
        let ann = w.udp_phone("1001");
        let a = w.calls(ann, "112", &audio(4000));
        let mut first = w.rung(own);
        w.answers(&first, status, "");
        w.asked(&mut first, "ACK");
        let second = w.rung(own);
        assert!(body(&second).starts_with("v=0"), "{status}: {}", body(&second));
        assert_eq!(header(&second, "Geolocation"), "<geo:50.8466,4.3528>");
        assert_eq!(header(&second, "Call-ID"), header(&first, "Call-ID"));
        w.talks_and_ends(a, second);
    }
}

#[test]
fn other_calls_say_nothing_of_the_place() {
    let (mut w, own) = site();
    w.push(super::far_ends::pushed(&["own PstnGateway - sip:own.example"], &["0* own"]));
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "025551234", &audio(4000));
    let b = w.rung(own);
    assert!(body(&b).starts_with("v=0"));
    assert_eq!(header(&b, "Geolocation"), "");
    w.talks_and_ends(a, b);
}

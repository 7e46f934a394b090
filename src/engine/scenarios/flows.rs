//! Devices on connections: lost and back (RFC 5626), several devices, what is offered a call.

use super::descriptions::audio;
use super::world::{Peer, World, seconds};
use crate::engine::Observation;
use crate::sip::{HeaderName, Transport};

fn registers(w: &mut World, phone: Peer, reg_id: u32) {
    let number = w.peers[phone.0].number.clone();
    let contact = format!(
        "<sip:{number}@x.invalid;transport=tls>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-{number:0>12}>\";reg-id={reg_id}"
    );
    let ok = w.registers_contact(phone, &contact, "Supported: outbound, path\r\n");
    assert_eq!(ok.status.code(), 200);
    assert!(ok.headers.get(&HeaderName::Require).is_some_and(|require| require.contains("outbound")));
}

fn changes(w: &World) -> Vec<&'static str> {
    let change = |one: &Observation| match one {
        Observation::Registration { change, .. } => Some(*change),
        _ => None,
    };
    w.observed.iter().filter_map(change).collect()
}

#[test]
fn a_flow_is_lost_and_comes_back_as_the_same_device() {
    let mut w = World::with_asterisk();
    let ann = w.phone("1001", Transport::Tls);
    registers(&mut w, ann, 1);
    w.breaks(ann);
    assert_eq!(w.engine.registrar().len(), 1, "kept until it expires");
    assert!(w.engine.registrar().location(&World::extension("1001")).is_empty(), "but not rung");
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1001"], "Asterisk is not told at every hiccup");
    w.wait(seconds(4));
    assert!(w.contacts().is_empty(), "but that a device is not there");
    w.reconnects(ann);
    registers(&mut w, ann, 1);
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1001"]);
    assert_eq!(w.engine.registrar().len(), 1);
    assert_eq!(changes(&w), ["registered", "flow-lost", "replaced"]);
    w.finish();
}

#[test]
fn a_device_with_two_flows_rings_on_both() {
    let mut w = World::alone();
    let (one, two) = (w.phone("1002", Transport::Tls), w.phone("1002", Transport::Tls));
    registers(&mut w, one, 1);
    registers(&mut w, two, 2);
    assert_eq!(w.engine.registrar().len(), 2);
    w.breaks(one);
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(two);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.finish();
}

#[test]
fn asterisk_hears_404_when_it_asks_for_a_device_that_is_away() {
    let mut w = World::with_asterisk();
    let ann = w.phone("1001", Transport::Tls);
    registers(&mut w, ann, 1);
    let asks = |w: &mut World| {
        let mut line = w.line(super::world::ASTERISK, "asterisk", "1001");
        w.sends(&mut line, "OPTIONS", "", "");
        w.last_response(super::world::ASTERISK).status.code()
    };
    assert_eq!(asks(&mut w), 200);
    w.breaks(ann);
    assert_eq!(asks(&mut w), 404);
    w.finish();
}

#[test]
fn a_connection_on_which_nobody_registered_is_challenged() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Tls);
    let mut line = w.line(ann, "1001", "1002");
    w.invites(&mut line, &super::descriptions::secured(4000), "");
    w.refused(&mut line, 407);
    registers(&mut w, ann, 1);
    let mut line = w.line(ann, "1001", "1002");
    w.invites(&mut line, &super::descriptions::secured(4000), "");
    w.refused(&mut line, 480);
    // As another extension it still has to prove itself.
    let mut line = w.line(ann, "1003", "1002");
    w.invites(&mut line, &super::descriptions::secured(4000), "");
    w.refused(&mut line, 407);
    w.finish();
}

#[test]
fn a_phone_that_flaps_leaves_nothing_behind() {
    let mut w = World::with_asterisk();
    let ann = w.phone("1001", Transport::Tls);
    for _ in 0..20 {
        registers(&mut w, ann, 1);
        w.breaks(ann);
        w.reconnects(ann);
        w.wait(seconds(3));
    }
    assert_eq!(w.engine.registrar().len(), 1);
    let is_goodbye = |(extension, expires, _): &&_| extension == "1001" && *expires == 0;
    assert_eq!(w.mirrored.iter().filter(is_goodbye).count(), 0);
    w.finish();
}

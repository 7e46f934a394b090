//! The record of a call: once, with what counts.

use super::descriptions::audio;
use super::world::{ASTERISK, World, seconds};

#[test]
fn a_call_is_recorded_once_with_both_legs() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.wait(seconds(12));
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    let records = w.records();
    assert_eq!(records.len(), 1);
    let record = records[0];
    assert_eq!((record.from.as_str(), record.to.as_str(), record.cause), ("1001", "1002", "hangup"));
    assert_eq!(record.ended - record.answered.unwrap(), 12_000);
    assert_eq!(record.legs.len(), 2);
    assert!(
        record.legs.iter().all(|leg| leg.by == "udp" && leg.quality.is_some() && leg.ended == Some("hangup"))
    );
    assert_eq!(record.legs[0].codec.as_deref(), Some("PCMU"));
    w.finish();
}

#[test]
fn every_device_that_was_tried_is_in_it() {
    let mut w = World::alone();
    let (ann, bob, other) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let (mut b, mut c) = (w.rung(bob), w.rung(other));
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.answers(&c, 200, &audio(5000));
    w.asked(&mut c, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut c);
    w.is_hung_up(&mut a);
    let ended: Vec<_> = w.records()[0].legs.iter().map(|leg| leg.ended).collect();
    assert_eq!(ended, [Some("hangup"), Some("busy"), Some("hangup")]);
    w.finish();
}

#[test]
fn an_attempt_that_failed_over_is_in_it() {
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
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    let by: Vec<_> = w.records()[0].legs.iter().map(|leg| leg.by).collect();
    assert_eq!(by, ["udp", "asterisk", "udp"]);
    w.finish();
}

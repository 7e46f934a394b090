//! What Asterisk is told: rows of the mirror's tables, with a real registrar in front and a fake Asterisk behind.

use super::world::{Pbx, World, seconds};
use crate::engine::Observation;
use crate::engine::call::AsteriskState;
use crate::sip::Transport;

#[test]
fn an_extension_has_a_contact_while_it_has_a_device() {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1001"]);
    let second = w.udp_phone("1001");
    w.wait(seconds(1));
    let told = w.mirrored.iter().filter(|(_, expires, _)| *expires > 0).count();
    assert_eq!(told, 1, "one contact for all devices");
    w.registers(ann, 0);
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1001"]);
    w.registers(second, 0);
    w.wait(seconds(1));
    assert!(w.contacts().is_empty());
    w.finish();
}

#[test]
fn it_is_refreshed_before_it_expires() {
    let mut w = World::with_asterisk();
    let _ann = w.udp_phone("1001");
    for _ in 0..10 {
        w.wait(seconds(100));
        assert_eq!(w.contacts(), ["1001"]);
    }
    w.finish();
}

#[test]
fn asterisk_dies_and_comes_back_and_is_told_all_again() {
    let mut w = World::with_asterisk();
    let (_ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.wait(seconds(1));
    w.pbx = Pbx::Silent;
    w.contacts.clear();
    w.wait(seconds(15));
    assert_eq!(w.engine.mirror().state(), AsteriskState::Down);
    let _cid = w.udp_phone("1003");
    w.wait(seconds(60));
    w.pbx = Pbx::Answers;
    w.wait(seconds(6));
    assert_eq!(w.engine.mirror().state(), AsteriskState::Up);
    assert_eq!(w.contacts(), ["1001", "1002", "1003"]);
    let reachable: Vec<_> =
        w.observed.iter().filter(|one| matches!(one, Observation::AsteriskReachable(_))).cloned().collect();
    let expected = [true, false, true].map(Observation::AsteriskReachable);
    assert_eq!(reachable, expected, "told once for each change");
    w.finish();
}

#[test]
fn asterisk_restarts_between_two_probes() {
    let mut w = World::with_asterisk();
    let (_ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.wait(seconds(12));
    w.contacts.clear();
    w.wait(seconds(11));
    assert_eq!(w.contacts(), ["1001", "1002"], "noticed by the next probe");
    w.finish();
}

#[test]
fn a_contact_that_only_some_lost_is_healed_by_the_refresh() {
    let mut w = World::with_asterisk();
    let (_ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.wait(seconds(12));
    w.contacts.remove("1002");
    w.wait(seconds(61));
    assert_eq!(w.contacts(), ["1001", "1002"]);
    w.finish();
}

#[test]
fn a_refusal_is_tried_again() {
    let mut w = World::with_asterisk();
    w.pbx = Pbx::Refuses;
    let _ann = w.udp_phone("1001");
    w.wait(seconds(30));
    assert_eq!(w.engine.mirror().state(), AsteriskState::Up, "a refusal is an answer");
    assert!(w.contacts().is_empty());
    w.pbx = Pbx::Answers;
    w.wait(seconds(6));
    assert_eq!(w.contacts(), ["1001"]);
    w.finish();
}

#[test]
fn the_last_device_leaves_and_is_back_before_asterisk_was_told() {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    w.wait(seconds(1));
    for _ in 0..5 {
        w.registers(ann, 0);
        w.registers(ann, 3600);
    }
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1001"]);
    for _ in 0..5 {
        w.registers(ann, 3600);
        w.registers(ann, 0);
    }
    w.wait(seconds(1));
    assert!(w.contacts().is_empty());
    w.finish();
}

#[test]
fn a_device_that_leaves_while_asterisk_is_down_is_taken_back_later() {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    w.wait(seconds(1));
    w.pbx = Pbx::Silent;
    w.wait(seconds(15));
    w.registers(ann, 0);
    w.wait(seconds(5));
    w.pbx = Pbx::Answers;
    w.wait(seconds(10));
    assert!(w.contacts().is_empty());
    w.finish();
}

#[test]
fn a_page_is_a_device_too() {
    let mut w = World::with_asterisk();
    let page = w.page("1004", "tab");
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1004"]);
    w.leaves(&page);
    w.wait(seconds(1));
    assert!(w.contacts().is_empty());
    w.finish();
}

#[test]
fn what_survived_a_restart_is_told_at_the_start() {
    let mut w = World::with_asterisk();
    let _ann = w.udp_phone("1001");
    let kept = w.persisted.iter().filter_map(|change| match change {
        crate::engine::Change::PutBinding(binding) => Some(binding.as_ref().clone()),
        _ => None,
    });
    let kept: Vec<_> = kept.collect();
    let mut w = World::restored(w.settings.clone(), super::world::accounts(), kept, w.now);
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1001"]);
    w.finish();
}

#[test]
fn a_hanging_asterisk_is_down_within_a_probe_and_its_timeout() {
    let mut w = World::with_asterisk();
    w.wait(seconds(1));
    w.pbx = Pbx::Silent;
    w.wait(seconds(12));
    assert_eq!(w.engine.mirror().state(), AsteriskState::Down);
    w.pbx = Pbx::Answers;
    w.wait(seconds(5));
    assert_eq!(w.engine.mirror().state(), AsteriskState::Up);
    w.finish();
}

#[test]
fn without_an_asterisk_nothing_is_sent() {
    let mut w = World::alone();
    let _ann = w.registered("1001", Transport::Tcp);
    w.wait(seconds(400));
    assert!(w.mirrored.is_empty());
    assert_eq!(w.engine.mirror().state(), AsteriskState::Absent);
    w.finish();
}

//! Limits on calls, draining, stopping; and emergency calls, which none of them may refuse.

use super::descriptions::{audio, browser};
use super::pages::refusal;
use super::world::{ASTERISK, World, seconds};
use crate::engine::Input;
use crate::engine::numbering::{EmergencyNumbers, NumberPlan};
use crate::engine::settings::Settings;
use crate::engine::testing::settings;
use crate::engine::web::{WebRefusal, WebRequest};
use crate::sip::HeaderName;

fn limited(max: usize, per_extension: usize, with_asterisk: bool) -> World {
    let mut chosen = settings();
    chosen.calls.max = max;
    chosen.calls.per_extension = per_extension;
    let emergency = EmergencyNumbers::new(["101"]).unwrap();
    chosen.numbers = NumberPlan::new(None, 2..=5, emergency, []).unwrap();
    if !with_asterisk {
        chosen.asterisk = None;
    }
    World::with(chosen)
}

#[test]
fn one_call_too_many() {
    let mut w = limited(1, 10, false);
    let (ann, bob, cid) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1003"));
    let (a, b) = w.talk(ann, bob);
    let mut c = w.calls(cid, "1002", &audio(4000));
    let refusal = w.refused(&mut c, 503);
    assert!(refusal.headers.has(&HeaderName::RetryAfter));
    w.ends(a, b);
}

#[test]
fn one_call_of_an_extension_too_many() {
    let mut w = limited(10, 1, false);
    let (ann, bob, cid) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1003"));
    let (a, b) = w.talk(ann, bob);
    let mut again = w.calls(ann, "1003", &audio(4000));
    w.refused(&mut again, 503);
    let (mut third, mut second) = w.talk(cid, bob);
    w.hangs_up(&mut third);
    w.is_hung_up(&mut second);
    w.ends(a, b);
}

#[test]
fn what_asterisk_places_does_not_count_against_an_extension() {
    let mut w = limited(10, 1, true);
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let [mut a, mut to_pbx, mut from_pbx, mut b] = w.talk_through_asterisk(ann, bob);
    w.hangs_up(&mut a);
    w.is_hung_up(&mut to_pbx);
    w.hangs_up(&mut from_pbx);
    w.is_hung_up(&mut b);
    w.finish();
}

#[test]
fn emergency_calls_pass_every_limit() {
    for number in ["112", "911", "101"] {
        let mut w = limited(0, 0, true);
        let ann = w.udp_phone("1001");
        let mut refused = w.calls(ann, "600", &audio(4000));
        w.refused(&mut refused, 503);
        w.feed(Input::Drain);
        let mut a = w.calls(ann, number, &audio(4000));
        let mut pbx = w.rung(ASTERISK);
        assert_eq!(pbx.invite.uri.user().unwrap(), number);
        w.answers(&pbx, 200, &audio(6000));
        w.asked(&mut pbx, "ACK");
        w.hears(&mut a, 200);
        w.acks(&mut a, "");
        w.ends(a, pbx);
    }
}

#[test]
fn a_page_too_may_call_for_help_when_all_is_full() {
    let mut w = limited(0, 0, true);
    let page = w.page("1001", "tab");
    let dial = |to: &str| WebRequest::Dial { to: to.to_owned(), offer: browser('1', "u", "actpass") };
    let reply = w.asks(&page, dial("600"));
    assert_eq!(refusal(&reply), WebRefusal::Limit);
    let call = w.dials(&page, "112").id;
    let mut pbx = w.rung(ASTERISK);
    w.answers(&pbx, 486, "");
    w.asked(&mut pbx, "ACK");
    w.sees(&page, "ended");
    let _ = call;
    w.leaves(&page);
    w.finish();
}

#[test]
fn draining_takes_no_new_calls_and_keeps_those_that_are_up() {
    let mut w = World::alone();
    let (ann, bob, cid) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1003"));
    let page = w.page("1004", "tab");
    let (a, b) = w.talk(ann, bob);
    w.feed(Input::Drain);
    let mut c = w.calls(cid, "1002", &audio(4000));
    w.refused(&mut c, 503);
    let offer = browser('1', "u", "actpass");
    let reply = w.asks(&page, WebRequest::Dial { to: "1002".to_owned(), offer });
    assert_eq!(refusal(&reply), WebRefusal::Draining);
    assert_eq!(w.engine.calls().active(), 1);
    w.leaves(&page);
    w.ends(a, b);
}

#[test]
fn stopping_ends_all_calls_in_every_state() {
    let mut w = World::alone();
    let (ann, bob, cid, dan) =
        (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1003"), w.udp_phone("1004"));
    let (mut a, mut b) = w.talk(ann, bob);
    let mut waiting = w.calls(cid, "1004", &audio(4000));
    let mut ringing = w.rung(dan);
    w.answers(&ringing, 180, "");
    w.hears(&mut waiting, 180);
    w.feed(Input::Stop);
    let bye = w.is_hung_up(&mut a);
    assert!(bye.headers.get(&HeaderName::Reason).unwrap().contains("Gateway stops"));
    w.is_hung_up(&mut b);
    w.refused(&mut waiting, 503);
    w.is_cancelled(&mut ringing);
    assert_eq!(w.records().len(), 2);
    w.finish();
}

#[test]
fn new_settings_are_in_force_at_once() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut calls = settings().calls;
    calls.max = 0;
    let mut registrar = settings().registrar;
    registrar.per_extension = 1;
    w.feed(Input::Settings(Box::new(Settings { calls, registrar, asterisk: None, ..settings() })));
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.refused(&mut a, 503);
    let second = w.phone("1002", crate::sip::Transport::Udp);
    assert_eq!(w.registers(second, 3600).status.code(), 403);
    let _ = (bob, seconds(0));
    w.finish();
}

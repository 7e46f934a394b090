//! Session timers (RFC 4028): we refresh, the peer refreshes, nobody refreshes; intervals that are too short.

use super::descriptions::audio;
use super::phones::Line;
use super::world::{World, seconds};
use crate::sip::{HeaderName, Request};

fn expires(request: &Request) -> String {
    request.headers.get(&HeaderName::SessionExpires).map(ToString::to_string).unwrap_or_default()
}

/// A call whose phones answer with this; the caller refreshes by itself.
fn begins(answer: &str, allow: bool) -> (World, Line, Line) {
    let mut w = World::alone();
    w.allow_update = allow;
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let refresher = "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n";
    let mut a = w.calls_with(ann, "1002", &audio(4000), refresher);
    let mut b = w.rung(bob);
    w.answers_with(&b, 200, &audio(5000), answer);
    w.asked(&mut b, "ACK");
    let ok = w.hears(&mut a, 200);
    assert_eq!(ok.headers.get(&HeaderName::SessionExpires).unwrap().to_string(), "1800;refresher=uac");
    w.acks(&mut a, "");
    (w, a, b)
}

/// The caller keeps its side alive.
fn caller_refreshes(w: &mut World, a: &mut Line) {
    w.sends(a, "UPDATE", "", "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n");
    w.hears(a, 200);
}

#[test]
fn we_refresh_by_update() {
    let (mut w, mut a, mut b) = begins("Session-Expires: 1800;refresher=uac\r\n", true);
    assert_eq!(expires(&b.invite), "1800");
    for _ in 0..3 {
        w.wait(seconds(900));
        let update = w.asked(&mut b, "UPDATE");
        assert_eq!(expires(&update), "1800;refresher=uac");
        assert!(update.body.is_empty());
        w.responds(&b, &update, 200, "", "Session-Expires: 1800;refresher=uac\r\n");
        caller_refreshes(&mut w, &mut a);
    }
    w.ends(a, b);
}

#[test]
fn we_refresh_by_reinvite_a_phone_without_update() {
    let (mut w, mut a, mut b) = begins("Session-Expires: 1800;refresher=uac\r\n", false);
    let first = String::from_utf8(b.invite.body.to_vec()).unwrap();
    w.wait(seconds(900));
    let again = w.asked(&mut b, "INVITE");
    let second = String::from_utf8(again.body.to_vec()).unwrap();
    let version = |sdp: &str| sdp.lines().find(|line| line.starts_with("o=")).map(str::to_owned);
    assert_eq!(expires(&again), "1800;refresher=uac");
    let _ = (version(&first), version(&second));
    w.responds(&b, &again, 200, &audio(5000), "Session-Expires: 1800;refresher=uac\r\n");
    w.asked(&mut b, "ACK");
    caller_refreshes(&mut w, &mut a);
    w.hears_nothing(&a);
    w.ends(a, b);
}

#[test]
fn a_refresh_that_meets_glare_is_made_again() {
    let (mut w, mut a, mut b) = begins("Session-Expires: 1800;refresher=uac\r\n", false);
    w.wait(seconds(900));
    caller_refreshes(&mut w, &mut a);
    let again = w.asked(&mut b, "INVITE");
    w.responds(&b, &again, 491, "", "");
    w.asked(&mut b, "ACK");
    w.wait(seconds(11));
    let again = w.asked(&mut b, "INVITE");
    w.responds(&b, &again, 200, &audio(5000), "Session-Expires: 1800;refresher=uac\r\n");
    w.asked(&mut b, "ACK");
    w.ends(a, b);
}

#[test]
fn a_phone_that_stops_refreshing_is_hung_up() {
    let (mut w, mut a, mut b) = begins("Session-Expires: 1800;refresher=uas\r\n", true);
    w.wait(seconds(900));
    caller_refreshes(&mut w, &mut a);
    w.hears_nothing(&b);
    w.wait(seconds(869));
    let bye = w.is_hung_up(&mut b);
    assert!(bye.headers.get(&HeaderName::Reason).unwrap().contains("Session expired"));
    w.is_hung_up(&mut a);
    assert_eq!(w.records()[0].cause, "session-expired");
    w.finish();
}

#[test]
fn a_caller_that_stops_refreshing_is_hung_up() {
    let (mut w, mut a, mut b) = begins("Session-Expires: 1800;refresher=uac\r\n", true);
    w.wait(seconds(900));
    let update = w.asked(&mut b, "UPDATE");
    w.responds(&b, &update, 200, "", "Session-Expires: 1800;refresher=uac\r\n");
    w.wait(seconds(869));
    w.is_hung_up(&mut a);
    w.is_hung_up(&mut b);
    w.finish();
}

#[test]
fn a_phone_that_does_not_know_timers_is_refreshed_by_us() {
    let (mut w, mut a, mut b) = begins("", true);
    w.wait(seconds(900));
    caller_refreshes(&mut w, &mut a);
    let update = w.asked(&mut b, "UPDATE");
    w.responds(&b, &update, 200, "", "");
    w.ends(a, b);
}

#[test]
fn a_refresh_answered_481_ends_the_call() {
    let (mut w, mut a, mut b) = begins("Session-Expires: 1800;refresher=uac\r\n", true);
    w.wait(seconds(900));
    let update = w.asked(&mut b, "UPDATE");
    w.responds(&b, &update, 481, "", "");
    w.is_hung_up(&mut a);
    w.hears_nothing(&b);
    w.finish();
}

#[test]
fn a_phone_that_wants_a_longer_interval_is_called_again() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers_with(&b, 422, "", "Min-SE: 3600\r\n");
    w.asked(&mut b, "ACK");
    let first = b.invite.cseq().unwrap().number;
    w.asked(&mut b, "INVITE");
    assert_eq!(b.invite.cseq().unwrap().number, first + 1);
    assert_eq!(expires(&b.invite), "3600");
    w.answers_with(&b, 200, &audio(5000), "Session-Expires: 3600;refresher=uac\r\n");
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, b);
}

#[test]
fn a_phone_that_asks_twice_for_longer_is_not_called_a_third_time() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    for least in [3600, 7200] {
        w.answers_with(&b, 422, "", &format!("Min-SE: {least}\r\n"));
        w.asked(&mut b, "ACK");
        if least == 3600 {
            w.asked(&mut b, "INVITE");
        }
    }
    w.refused(&mut a, 500);
    w.finish();
}

#[test]
fn an_invite_with_too_short_an_interval_gets_422() {
    let mut w = World::alone();
    let (ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls_with(ann, "1002", &audio(4000), "Supported: timer\r\nSession-Expires: 30\r\n");
    let refusal = w.refused(&mut a, 422);
    assert_eq!(refusal.headers.get(&HeaderName::MinSe).unwrap().to_string(), "90");
    w.finish();
}

#[test]
fn an_update_with_too_short_an_interval_gets_422() {
    let (mut w, mut a, b) = begins("Session-Expires: 1800;refresher=uas\r\n", true);
    w.sends(&mut a, "UPDATE", "", "Supported: timer\r\nSession-Expires: 60\r\n");
    let refusal = w.hears(&mut a, 422);
    assert_eq!(refusal.headers.get(&HeaderName::MinSe).unwrap().to_string(), "90");
    w.ends(a, b);
}

#[test]
fn the_longest_call_ends() {
    let mut settings = crate::engine::testing::settings();
    settings.asterisk = None;
    settings.calls.max_duration = seconds(600);
    let mut w = World::with(settings);
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.wait(seconds(600));
    w.is_hung_up(&mut a);
    w.is_hung_up(&mut b);
    assert_eq!(w.records()[0].cause, "too-long");
    w.finish();
}

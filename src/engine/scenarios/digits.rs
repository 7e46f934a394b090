//! DTMF by INFO and from pages; other requests in an open dialog.

use super::descriptions::{audio, audio_of};
use super::world::World;
use crate::engine::web::{Signal, WebEvent};
use crate::media::MediaEvent;
use crate::media::dtmf::Digit;
use crate::sip::HeaderName;
use std::time::Duration;

fn sent(w: &World) -> Vec<String> {
    let mut digits: Vec<_> =
        w.ledger.ends.values().map(|end| end.digits.clone()).filter(|digits| !digits.is_empty()).collect();
    digits.sort();
    digits
}

#[test]
fn an_info_becomes_a_telephone_event() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, b) = w.talk(ann, bob);
    w.sends(&mut a, "INFO", "Signal=5\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay\r\n");
    w.hears(&mut a, 200);
    w.sends(&mut a, "INFO", "#", "Content-Type: application/dtmf\r\n");
    w.hears(&mut a, 200);
    assert_eq!(sent(&w), ["5#"]);
    w.ends(a, b);
}

#[test]
fn an_info_goes_on_as_info_to_a_phone_without_telephone_events() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio_of(5000, &["0 PCMU/8000"], ""));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.sends(&mut a, "INFO", "Signal=7\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay\r\n");
    w.hears(&mut a, 200);
    let info = w.asked(&mut b, "INFO");
    assert!(String::from_utf8_lossy(&info.body).starts_with("Signal=7"));
    w.responds(&b, &info, 200, "", "");
    w.ends(a, b);
}

#[test]
fn an_info_that_we_do_not_know_is_refused_and_an_empty_one_is_a_keep_alive() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, b) = w.talk(ann, bob);
    w.sends(&mut a, "INFO", "<x/>", "Content-Type: application/media_control+xml\r\n");
    assert!(w.hears(&mut a, 415).headers.has(&HeaderName::Accept));
    w.sends(&mut a, "INFO", "", "");
    w.hears(&mut a, 200);
    w.ends(a, b);
}

#[test]
fn options_and_unknown_methods_in_the_dialog() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, b) = w.talk(ann, bob);
    w.sends(&mut a, "OPTIONS", "", "");
    w.hears(&mut a, 200);
    w.sends(&mut a, "REFER", "", "Refer-To: <sip:1003@branchline>\r\n");
    assert!(w.hears(&mut a, 405).headers.has(&HeaderName::Allow));
    w.ends(a, b);
}

#[test]
fn a_request_that_repeats_an_old_number_is_refused() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, b) = w.talk(ann, bob);
    a.cseq = 50;
    w.sends(&mut a, "OPTIONS", "", "");
    w.hears(&mut a, 200);
    a.cseq = 10;
    w.sends(&mut a, "OPTIONS", "", "");
    w.hears(&mut a, 500);
    a.cseq = 60;
    w.ends(a, b);
}

#[test]
fn a_page_dials_digits_and_hears_those_of_the_phone() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (view, mut b) = w.page_talks(&page, bob);
    w.signals(&page, view, Signal::Dtmf { digits: "12#".to_owned() });
    assert_eq!(sent(&w), ["12#"]);
    let phone_end = *w.ledger.ends.keys().find(|end| !w.ledger.browser_ends().contains(end)).unwrap();
    let digit = Digit::from_char('9').unwrap();
    let event = MediaEvent::Dtmf { end: phone_end, digit, duration: Duration::from_millis(100) };
    w.feed(crate::engine::Input::Media(event));
    assert_eq!(w.told(&page), WebEvent::Dtmf { call: view, digit: '9' });
    w.page_ends(&page, view);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

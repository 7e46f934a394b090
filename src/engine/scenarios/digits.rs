//! DTMF by INFO and from pages; other requests in an open dialog.

use std::time::Duration;

use super::descriptions::{audio, audio_of, browser};
use super::ledger::OpenEnd;
use super::phones::Line;
use super::world::World;
use crate::engine::Input;
use crate::engine::web::{Signal, WebEvent, WebReply, WebRequest};
use crate::media::dtmf::Digit;
use crate::media::end::PayloadType;
use crate::media::{EndId, MediaEvent};
use crate::sip::HeaderName;

fn sent(w: &World) -> Vec<String> {
    let mut digits: Vec<_> =
        w.ledger.ends.values().map(|end| end.digits.clone()).filter(|digits| !digits.is_empty()).collect();
    digits.sort();
    digits
}

impl World {
    /// A call that is up between phones with these descriptions.
    fn talk_of(&mut self, caller: &str, called: &str) -> (Line, Line) {
        let (ann, bob) = (self.udp_phone("1001"), self.udp_phone("1002"));
        let mut a = self.calls(ann, "1002", caller);
        let mut b = self.rung(bob);
        self.answers(&b, 200, called);
        self.asked(&mut b, "ACK");
        self.hears(&mut a, 200);
        self.acks(&mut a, "");
        (a, b)
    }

    fn presses_by_info(&mut self, line: &mut Line, key: char) {
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        self.sends(line, "INFO", &body, "Content-Type: application/dtmf-relay\r\n");
        self.hears(line, 200);
    }

    fn is_told_by_info(&mut self, line: &mut Line, key: char) {
        let info = self.asked(line, "INFO");
        assert!(String::from_utf8_lossy(&info.body).starts_with(&format!("Signal={key}\r\n")));
        self.responds(line, &info, 200, "", "");
    }

    /// The worker hears a key.
    fn hears_key(&mut self, end: EndId, key: char, needs_signalling: bool) {
        let digit = Digit::from_char(key).unwrap();
        let duration = Duration::from_millis(100);
        self.feed(Input::Media(MediaEvent::Dtmf { end, digit, duration, needs_signalling }));
    }

    fn end_where(&self, test: impl Fn(&OpenEnd) -> bool) -> EndId {
        let mut found = self.ledger.ends.iter().filter(|(_, end)| test(end)).map(|(id, _)| *id);
        let end = found.next().unwrap();
        assert_eq!(found.next(), None, "more than one");
        end
    }
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
fn an_info_becomes_a_tone_for_a_phone_that_has_g711_and_no_telephone_events() {
    let mut w = World::alone();
    let (mut a, b) = w.talk_of(&audio(4000), &audio_of(5000, &["8 PCMA/8000"], ""));
    w.presses_by_info(&mut a, '7');
    assert_eq!(sent(&w), ["7"]);
    w.ends(a, b);
}

#[test]
fn an_info_goes_on_as_info_to_a_phone_with_neither() {
    let mut w = World::alone();
    let wide = audio_of(4000, &["9 G722/8000", "101 telephone-event/8000"], "");
    let (mut a, mut b) = w.talk_of(&wide, &audio_of(5000, &["9 G722/8000"], ""));
    w.presses_by_info(&mut a, '7');
    w.is_told_by_info(&mut b, '7');
    assert_eq!(sent(&w), [""; 0]);
    w.ends(a, b);
}

#[test]
fn a_hook_flash_goes_on_as_info_to_a_phone_that_has_only_tones() {
    let mut w = World::alone();
    let (mut a, mut b) = w.talk_of(&audio(4000), &audio_of(5000, &["8 PCMA/8000"], ""));
    w.presses_by_info(&mut a, '!');
    w.is_told_by_info(&mut b, '!');
    w.ends(a, b);
}

#[test]
fn a_key_that_the_worker_could_not_send_on_goes_on_as_info() {
    let mut w = World::alone();
    let wide = audio_of(4000, &["9 G722/8000", "101 telephone-event/8000"], "");
    let (a, mut b) = w.talk_of(&wide, &audio_of(5000, &["9 G722/8000"], ""));
    let caller = w.end_where(|end| !end.codec.dtmf.is_empty());
    w.hears_key(caller, '3', false);
    w.hears_nothing(&b);
    w.hears_key(caller, '4', true);
    w.is_told_by_info(&mut b, '4');
    w.ends(a, b);
}

#[test]
fn either_side_gets_telephone_events_though_the_other_has_none() {
    let mut w = World::alone();
    let (a, b) = w.talk_of(&audio_of(4000, &["0 PCMU/8000"], ""), &audio(5000));
    let (caller, called) =
        (w.end_where(|end| end.codec.dtmf.is_empty()), w.end_where(|end| !end.codec.dtmf.is_empty()));
    assert_ne!(caller, called);
    assert_eq!(w.ledger.ends[&caller].codec.g711.len(), 1, "keys are heard in it");
    assert!(String::from_utf8_lossy(&b.invite.body).contains("a=rtpmap:101 telephone-event/8000"));
    w.ends(a, b);

    let mut w = World::alone();
    let (a, b) = w.talk_of(&audio(4000), &audio_of(5000, &["0 PCMU/8000"], ""));
    let caller = w.end_where(|end| !end.codec.dtmf.is_empty());
    let called = w.end_where(|end| end.codec.dtmf.is_empty());
    assert_ne!(caller, called, "the caller was answered with telephone events");
    w.ends(a, b);
}

#[test]
fn telephone_events_of_a_browser_reach_a_phone_of_another_clock_rate() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let offer = browser('1', "page", "actpass").replace("a=rtpmap:101 telephone-event/8000\r\n", "");
    let offer = offer.replace(" 0 8 110 101\r\n", " 0 8 110\r\n");
    let dial = WebRequest::Dial { to: "1002".to_owned(), offer };
    let WebReply::Call(call) = w.asks(&page, dial) else { panic!("not dialled") };
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    let answer = w.is_answered(&page);
    assert!(answer.contains("PCMU/8000") && answer.contains("110 telephone-event/48000"), "{answer}");
    w.sees(&page, "up");
    let number = |number| PayloadType::new(number).unwrap();
    let [browsers, phones] = [48_000, 8_000].map(|rate| {
        let end = w.end_where(|end| end.codec.dtmf.iter().any(|event| event.clock_rate == rate));
        w.ledger.ends[&end].map.clone()
    });
    assert_eq!(browsers.get(number(110)), Some(number(101)));
    assert_eq!(phones.get(number(101)), Some(number(110)));
    w.page_ends(&page, call.id);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
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
    w.hears_key(phone_end, '9', false);
    assert_eq!(w.told(&page), WebEvent::Dtmf { call: view, digit: '9' });
    w.page_ends(&page, view);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

//! The media of pages: ICE restarts, candidates that come early, a change of codec.

use super::descriptions::{audio, browser};
use super::world::{World, seconds};
use crate::engine::web::{Signal, WebEvent};

#[test]
fn an_ice_restart_keeps_the_media_end() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&page, bob);
    let before = w.ledger.browser_ends();
    w.signals(&page, call, Signal::Offer { sdp: browser('1', "moved", "actpass") });
    w.is_answered(&page);
    assert_eq!(w.ledger.browser_ends(), before);
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

#[test]
fn candidates_that_come_before_the_answer_wait_for_it() {
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let call = w.dials(&page, "1002").id;
    let candidate = "candidate:1 1 udp 2122260223 192.0.2.77 50000 typ host".to_owned();
    for text in [candidate, String::new(), "nonsense".to_owned()] {
        let signal = Signal::IceCandidate { candidate: text, sdp_mid: None, sdp_m_line_index: None };
        w.signals(&page, call, signal);
    }
    assert_eq!(w.ledger.candidates, 0);
    let mut b = w.rung(bob);
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    assert_eq!(w.ledger.candidates, 1);
    w.is_answered(&page);
    w.sees(&page, "up");
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_change_of_codec_reaches_the_page_and_its_answer_the_phone() {
    const PCMA: &[&str] = &["8 PCMA/8000", "101 telephone-event/8000"];
    let mut w = World::alone();
    let bob = w.udp_phone("1002");
    let page = w.page("1001", "tab");
    let (call, mut b) = w.page_talks(&page, bob);
    let only = super::descriptions::audio_of(5000, PCMA, "");
    w.invites(&mut b, &only, "");
    assert!(matches!(w.told(&page), WebEvent::Signal { signal: Signal::Offer { .. }, .. }));
    w.signals(&page, call, Signal::Answer { sdp: browser('1', "page", "active") });
    w.hears(&mut b, 200);
    w.acks(&mut b, "");
    // A page that never answers must not leave the phone waiting.
    w.invites(&mut b, &super::descriptions::audio_of(5000, &["0 PCMU/8000"], ""), "");
    assert!(matches!(w.told(&page), WebEvent::Signal { signal: Signal::Offer { .. }, .. }));
    w.wait(seconds(11));
    w.refused(&mut b, 488);
    w.drains_quality(&page);
    w.page_ends(&page, call);
    w.sees(&page, "ended");
    w.is_hung_up(&mut b);
    w.leaves(&page);
    w.finish();
}

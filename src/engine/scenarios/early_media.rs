//! Media before the answer: 183 with a description, with and without reliable provisional responses (RFC 3262).

use super::descriptions::{audio, audio_of};
use super::phones::Line;
use super::world::{ASTERISK, World, seconds};
use crate::sip::{HeaderName, Request, Response};

const RELIABLE: &str = "Require: 100rel\r\nRSeq: 700\r\n";

fn begins(more: &str) -> (World, Line, Line) {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    let a = w.calls_with(ann, "600", &audio(4000), more);
    let pbx = w.rung(ASTERISK);
    (w, a, pbx)
}

fn pracks(w: &mut World, line: &mut Line, progress: &Response) {
    let rseq = progress.headers.get(&HeaderName::from_static("RSeq")).unwrap().to_string();
    let invite = line.invite.cseq().unwrap().number;
    w.sends(line, "PRACK", "", &format!("RAck: {rseq} {invite} INVITE\r\n"));
    w.hears_method(line, 200, &crate::sip::Method::Prack);
}

fn answered(mut w: World, mut a: Line, mut pbx: Line, body: &str) {
    w.answers(&pbx, 200, body);
    w.asked(&mut pbx, "ACK");
    let ok = w.hears(&mut a, 200);
    assert!(!ok.body.is_empty());
    w.acks(&mut a, "");
    w.ends(a, pbx);
}

#[test]
fn unreliable_to_a_caller_without_100rel() {
    let (mut w, mut a, pbx) = begins("");
    w.answers(&pbx, 183, &audio(6000));
    let progress = w.hears(&mut a, 183);
    assert!(!progress.body.is_empty() && !progress.headers.has(&HeaderName::Require));
    assert!(w.ledger.ends.values().all(|end| end.peer.is_some()), "the caller hears it");
    answered(w, a, pbx, &audio(6000));
}

#[test]
fn reliable_from_the_called_side_is_acknowledged_by_prack() {
    let (mut w, mut a, mut pbx) = begins("");
    w.answers_with(&pbx, 183, &audio(6000), RELIABLE);
    w.hears(&mut a, 183);
    let prack: Request = w.asked(&mut pbx, "PRACK");
    assert_eq!(prack.headers.get(&HeaderName::from_static("RAck")).unwrap().to_string(), "700 1 INVITE");
    w.responds(&pbx, &prack, 200, "", "");
    // The 2xx need not repeat the answer.
    answered(w, a, pbx, "");
}

#[test]
fn the_bye_after_a_prack_has_a_higher_number() {
    let (mut w, mut a, mut pbx) = begins("");
    w.answers_with(&pbx, 183, &audio(6000), RELIABLE);
    w.hears(&mut a, 183);
    let prack = w.asked(&mut pbx, "PRACK");
    w.responds(&pbx, &prack, 200, "", "");
    w.answers(&pbx, 200, "");
    w.asked(&mut pbx, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut a);
    let bye = w.is_hung_up(&mut pbx);
    assert!(bye.cseq().unwrap().number > prack.cseq().unwrap().number);
    w.finish();
}

#[test]
fn reliable_to_a_caller_that_supports_it() {
    let (mut w, mut a, pbx) = begins("Supported: 100rel\r\n");
    w.answers(&pbx, 183, &audio(6000));
    let progress = w.hears(&mut a, 183);
    assert!(progress.headers.has(&HeaderName::Require));
    pracks(&mut w, &mut a, &progress);
    answered(w, a, pbx, &audio(6000));
}

#[test]
fn the_answer_waits_for_the_prack() {
    let (mut w, mut a, mut pbx) = begins("Supported: 100rel\r\n");
    w.answers(&pbx, 183, &audio(6000));
    let progress = w.hears(&mut a, 183);
    w.answers(&pbx, 200, &audio(6000));
    w.asked(&mut pbx, "ACK");
    w.hears_nothing(&a);
    pracks(&mut w, &mut a, &progress);
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, pbx);
}

#[test]
fn a_caller_that_requires_100rel_gets_ringing_reliably() {
    let (mut w, mut a, pbx) = begins("Require: 100rel\r\n");
    w.answers(&pbx, 180, "");
    let ringing = w.hears(&mut a, 180);
    pracks(&mut w, &mut a, &ringing);
    answered(w, a, pbx, &audio(6000));
}

#[test]
fn a_caller_that_never_acknowledges_a_reliable_response_is_refused() {
    let (mut w, mut a, mut pbx) = begins("Supported: 100rel\r\n");
    w.answers(&pbx, 183, &audio(6000));
    w.hears(&mut a, 183);
    w.wait(seconds(33));
    w.peers[a.peer.0].inbox.retain(|message| super::world::first_line(message).contains("500"));
    w.is_cancelled(&mut pbx);
    w.refused(&mut a, 500);
    w.finish();
}

#[test]
fn a_caller_that_never_acknowledges_and_was_answered_meanwhile_is_refused_too() {
    let (mut w, mut a, mut pbx) = begins("Supported: 100rel\r\n");
    w.answers(&pbx, 183, &audio(6000));
    w.hears(&mut a, 183);
    w.answers(&pbx, 200, &audio(6000));
    w.asked(&mut pbx, "ACK");
    w.wait(seconds(33));
    w.peers[a.peer.0].inbox.retain(|message| super::world::first_line(message).contains("500"));
    w.is_hung_up(&mut pbx);
    w.refused(&mut a, 500);
    w.finish();
}

#[test]
fn a_changed_description_in_the_answer_counts() {
    let (mut w, mut a, pbx) = begins("");
    w.answers(&pbx, 183, &audio_of(6000, &["8 PCMA/8000"], ""));
    w.hears(&mut a, 183);
    answered(w, a, pbx, &audio_of(6002, &["0 PCMU/8000", "8 PCMA/8000"], ""));
}

#[test]
fn early_media_then_busy() {
    let (mut w, mut a, mut pbx) = begins("");
    w.answers(&pbx, 183, &audio(6000));
    w.hears(&mut a, 183);
    w.answers(&pbx, 486, "");
    w.asked(&mut pbx, "ACK");
    w.refused(&mut a, 486);
    w.finish();
}

#[test]
fn early_media_then_cancel() {
    let (mut w, mut a, mut pbx) = begins("");
    w.answers(&pbx, 183, &audio(6000));
    w.hears(&mut a, 183);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.is_cancelled(&mut pbx);
    w.finish();
}

#[test]
fn an_update_before_our_first_answer_is_refused_for_now() {
    let (mut w, mut a, mut pbx) = begins("");
    w.answers(&pbx, 180, "");
    w.hears(&mut a, 180);
    w.sends(&mut a, "UPDATE", &audio(4002), "");
    w.hears(&mut a, 500);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.is_cancelled(&mut pbx);
    w.finish();
}

#[test]
fn an_update_of_the_called_side_in_the_early_dialog_is_answered() {
    let (mut w, mut a, mut pbx) = begins("");
    w.answers_with(&pbx, 183, &audio(6000), RELIABLE);
    w.hears(&mut a, 183);
    let prack = w.asked(&mut pbx, "PRACK");
    w.responds(&pbx, &prack, 200, "", "");
    w.sends(&mut pbx, "UPDATE", &audio(6004), "");
    w.hears(&mut pbx, 200);
    answered(w, a, pbx, "");
}

#[test]
fn with_several_devices_nobody_is_heard_early_but_the_reliable_answer_counts() {
    let mut w = World::alone();
    let (ann, bob, other) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let (mut b, mut c) = (w.rung(bob), w.rung(other));
    w.answers_with(&b, 183, &audio(5000), RELIABLE);
    let prack = w.asked(&mut b, "PRACK");
    w.responds(&b, &prack, 200, "", "");
    w.hears(&mut a, 180);
    w.answers(&c, 180, "");
    w.answers(&b, 200, "");
    w.asked(&mut b, "ACK");
    w.is_cancelled(&mut c);
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, b);
}

#[test]
fn a_page_hears_early_media_and_is_answered_once() {
    let mut w = World::with_asterisk();
    let page = w.page("1001", "tab");
    let view = w.dials(&page, "600");
    let mut pbx = w.rung(ASTERISK);
    w.answers(&pbx, 183, &audio_of(6000, &["0 PCMU/8000"], ""));
    w.is_answered(&page);
    w.sees(&page, "early");
    w.answers(&pbx, 200, &audio_of(6000, &["0 PCMU/8000"], ""));
    w.asked(&mut pbx, "ACK");
    w.sees(&page, "up");
    w.page_ends(&page, view.id);
    w.sees(&page, "ended");
    w.is_hung_up(&mut pbx);
    w.leaves(&page);
    w.finish();
}

//! All devices of an extension ring; the first to answer wins.

use super::descriptions::{audio, browser, secured_answer};
use super::world::{World, seconds};
use crate::sip::{HeaderName, Transport};

#[test]
fn the_first_to_answer_wins_and_the_others_hear_why() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let (desk, soft) = (w.udp_phone("1002"), w.registered("1002", Transport::Tls));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let (mut b, mut c) = (w.rung(desk), w.rung(soft));
    w.answers(&b, 180, "");
    w.answers(&c, 180, "");
    w.hears(&mut a, 180);
    w.hears_nothing(&a);
    let answer = secured_answer(&c.invite.body, 5000);
    w.answers(&c, 200, &answer);
    w.asked(&mut c, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    let cancel = w.is_cancelled(&mut b);
    let reason = cancel.headers.get(&HeaderName::Reason).unwrap().to_string();
    assert_eq!(reason, "SIP;cause=200;text=\"Call completed elsewhere\"");
    w.ends(a, c);
}

#[test]
fn a_late_answer_of_a_loser_is_acknowledged_and_ended() {
    let mut w = World::alone();
    let (ann, bob, other) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let (mut b, mut c) = (w.rung(bob), w.rung(other));
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.answers(&c, 180, "");
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    let cancel = w.asked(&mut c, "CANCEL");
    w.answers(&c, 200, &audio(5002));
    w.asked(&mut c, "ACK");
    let bye = w.is_hung_up(&mut c);
    assert!(bye.headers.has(&HeaderName::Reason));
    w.responds(&c, &cancel, 481, "", "");
    assert_eq!(w.ledger.phone_ports(), 2);
    w.ends(a, b);
}

#[test]
fn one_busy_device_does_not_end_the_call() {
    let mut w = World::alone();
    let (ann, bob, other) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let (mut b, mut c) = (w.rung(bob), w.rung(other));
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.hears_nothing(&a);
    w.answers(&c, 200, &audio(5002));
    w.asked(&mut c, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, c);
}

#[test]
fn when_all_refuse_the_caller_hears_the_reason_that_says_most() {
    let mut w = World::alone();
    let (ann, bob, other) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let (mut b, mut c) = (w.rung(bob), w.rung(other));
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.answers(&c, 480, "");
    w.asked(&mut c, "ACK");
    w.refused(&mut a, 486);
    w.finish();
}

#[test]
fn phone_page_and_browser_ring_together() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let (desk, jssip) = (w.udp_phone("1002"), w.registered("1002", Transport::Wss));
    let page = w.page("1002", "tab");
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.hears(&mut a, 180);
    let (mut b, mut c) = (w.rung(desk), w.rung(jssip));
    let (view, offer) = w.page_rings(&page);
    assert!(
        offer.contains("UDP/TLS/RTP/SAVPF") && String::from_utf8_lossy(&c.invite.body).contains("ice-ufrag")
    );
    w.answers(&b, 180, "");
    w.answers(&c, 200, &browser('3', "jssip", "active"));
    w.asked(&mut c, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.is_cancelled(&mut b);
    let ended = w.sees(&page, "ended");
    assert_eq!((ended.id, ended.ended.as_deref()), (view.id, Some("answered-elsewhere")));
    w.hangs_up(&mut a);
    w.is_hung_up(&mut c);
    w.leaves(&page);
    w.finish();
}

#[test]
fn a_phone_whose_next_hop_forks_is_ended_once_more() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (a, b) = w.talk(ann, bob);
    let mut fork = b.clone();
    fork.local = fork.local.replace("tag=", "tag=fork");
    w.answers(&fork, 200, &audio(5004));
    w.asked(&mut fork, "ACK");
    w.is_hung_up(&mut fork);
    w.ends(a, b);
}

#[test]
fn an_unreachable_device_does_not_delay_the_others() {
    let mut w = World::alone();
    let (ann, bob, gone) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut b = w.rung(bob);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.wait(seconds(10));
    w.answers(&b, 200, &audio(5000));
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.wait(seconds(40));
    w.peers[gone.0].inbox.clear();
    w.ends(a, b);
}

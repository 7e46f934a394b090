//! The INVITE server table.

use super::*;

const INVITE: &str = "z9hG4bKi1";

fn invited(lab: &mut Lab) -> (ServerId, Request) {
    lab.hears(&text("INVITE", INVITE, 1, ""));
    lab.server()
}

fn acked(lab: &mut Lab, branch: &str) {
    lab.hears(&text("ACK", branch, 1, ";tag=ours"));
}

#[test]
fn trying_comes_after_200_ms() {
    let mut lab = Lab::udp();
    invited(&mut lab);
    assert_eq!(lab.brief(), [""; 0]);
    assert_eq!(lab.pass(250), [(200, "100".to_owned())]);
}

#[test]
fn trying_comes_at_once_if_so_configured() {
    let mut lab = Lab::new(Transport::Udp, Settings { trying: Trying::AtOnce, ..Settings::default() });
    invited(&mut lab);
    assert_eq!(lab.brief(), ["100"]);
    assert_eq!(lab.pass(1000), []);
}

#[test]
fn no_trying_after_an_answer_and_the_last_one_for_a_repetition() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    lab.hears(&text("INVITE", INVITE, 1, ""));
    assert_eq!(lab.brief(), ["100"]);
    lab.respond(server, &request, 180);
    lab.hears(&text("INVITE", INVITE, 1, ""));
    assert_eq!(lab.brief(), ["180", "180"]);
    assert_eq!(lab.pass(1_000_000), []);
    assert_eq!(lab.layer.live(), (1, 0));
}

#[test]
fn a_2xx_is_repeated_on_every_transport_until_its_ack() {
    for mut lab in [Lab::udp(), Lab::tls()] {
        let (server, request) = invited(&mut lab);
        lab.respond(server, &request, 200);
        lab.brief();
        assert_eq!(lab.times(12_000), [500, 1500, 3500, 7500, 11_500]);
        lab.hears(&text("INVITE", INVITE, 1, ""));
        assert_eq!(lab.brief(), [""; 0]);
        acked(&mut lab, "z9hG4bKack");
        assert!(matches!(lab.event(), Some(Event::Ack { server: s, .. }) if s == server));
        acked(&mut lab, "z9hG4bKack");
        assert!(lab.event().is_none());
        assert_eq!(lab.drops(DropReason::RepeatedAck), 1);
        assert_eq!(lab.pass(20_000), []);
        lab.is_clean();
    }
}

#[test]
fn a_2xx_that_is_never_acknowledged_is_told() {
    for mut lab in [Lab::udp(), Lab::tls()] {
        let (server, request) = invited(&mut lab);
        lab.respond(server, &request, 200);
        lab.brief();
        assert_eq!(lab.times(32_000).len(), 10);
        assert!(
            matches!(lab.event(), Some(Event::Unacknowledged { server: s, accepted: true }) if s == server)
        );
        lab.is_clean();
    }
}

#[test]
fn a_refusal_is_repeated_on_udp_until_its_ack() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    lab.respond(server, &request, 486);
    assert_eq!(lab.brief(), ["486"]);
    assert_eq!(lab.times(4000), [500, 1500, 3500]);
    lab.hears(&text("INVITE", INVITE, 1, ""));
    assert_eq!(lab.brief(), ["486"]);
    acked(&mut lab, INVITE);
    assert!(lab.event().is_none());
    lab.hears(&text("INVITE", INVITE, 1, ""));
    acked(&mut lab, INVITE);
    assert_eq!(lab.brief(), [""; 0]);
    assert_eq!(lab.pass(4999), []);
    assert_eq!(lab.layer.live(), (1, 0));
    lab.pass(1);
    lab.is_clean();
}

#[test]
fn a_refusal_is_sent_once_on_a_reliable_transport() {
    let mut lab = Lab::tls();
    let (server, request) = invited(&mut lab);
    lab.respond(server, &request, 603);
    assert_eq!(lab.brief(), ["603"]);
    assert_eq!(lab.pass(31_000), []);
    acked(&mut lab, INVITE);
    lab.is_clean();
}

#[test]
fn a_refusal_that_is_never_acknowledged_is_told() {
    for mut lab in [Lab::udp(), Lab::tls()] {
        let (server, request) = invited(&mut lab);
        lab.respond(server, &request, 500);
        lab.pass(32_000);
        assert!(
            matches!(lab.event(), Some(Event::Unacknowledged { server: s, accepted: false }) if s == server)
        );
        lab.is_clean();
    }
}

#[test]
fn a_cancel_is_answered_and_told_once() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    lab.respond(server, &request, 180);
    lab.brief();
    for _ in 0..2 {
        lab.hears(&text("CANCEL", INVITE, 1, ""));
        let Some(Message::Response(ok)) = lab.sent().pop() else { panic!("an answer") };
        assert_eq!((ok.status, ok.to_tag().unwrap().as_str()), (StatusCode::OK, "ours"));
        assert_eq!(ok.cseq().unwrap().method, Method::Cancel);
    }
    assert!(matches!(lab.event(), Some(Event::Cancelled { invite, .. }) if invite == server));
    assert!(lab.event().is_none());
    lab.respond(server, &request, 487);
    acked(&mut lab, INVITE);
    lab.pass(5000);
    lab.is_clean();
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    lab.respond(server, &request, 200);
    lab.brief();
    lab.hears(&text("CANCEL", INVITE, 1, ""));
    assert_eq!(lab.brief(), ["200"]);
    assert!(lab.event().is_none());
}

#[test]
fn a_cancel_of_nothing_or_from_somewhere_else_is_481() {
    let mut lab = Lab::udp();
    lab.hears(&text("CANCEL", INVITE, 1, ""));
    assert_eq!(lab.brief(), ["481"]);
    invited(&mut lab);
    lab.flow.remote = "203.0.113.9:40000".parse().unwrap();
    lab.hears(&text("CANCEL", INVITE, 1, ""));
    assert_eq!(lab.brief(), ["481"]);
    assert!(lab.event().is_none());
    assert_eq!(lab.drops(DropReason::StrayCancel), 2);
}

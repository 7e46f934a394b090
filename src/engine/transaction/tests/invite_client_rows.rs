//! The INVITE client table.

use super::*;
use crate::engine::flow::FlowFailure;

fn first_response(ms: u64) -> RequestOptions {
    RequestOptions { first_response: Some(Duration::from_millis(ms)) }
}

#[test]
fn timer_a_doubles_and_b_ends_it() {
    let mut lab = Lab::udp();
    lab.asks(ours(&Method::Invite));
    assert_eq!(lab.times(31_999), [500, 1500, 3500, 7500, 15_500, 31_500]);
    lab.pass(1);
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.is_clean();

    let mut lab = Lab::tls();
    lab.asks(ours(&Method::Invite));
    assert_eq!(lab.pass(32_000), []);
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.is_clean();
}

#[test]
fn a_provisional_response_stops_repeating_and_may_last() {
    let mut lab = Lab::udp();
    let (_, sent) = lab.asks(ours(&Method::Invite));
    lab.answers(&sent, 100, "");
    lab.answers(&sent, 180, "t");
    assert_eq!((lab.response().status.code(), lab.response().status.code()), (100, 180));
    assert_eq!(lab.pass(600_000), []);
    assert_eq!(lab.layer.live(), (0, 1));
}

#[test]
fn a_refusal_is_acknowledged_by_the_layer_again_and_again_until_d() {
    let mut lab = Lab::udp();
    let (_, sent) = lab.asks(ours(&Method::Invite));
    lab.answers(&sent, 486, "t");
    let ack = lab.one_request();
    assert_eq!((&ack.method, ack.to_tag().unwrap().as_str()), (&Method::Ack, "t"));
    assert_eq!(ack.top_via(), sent.top_via());
    assert_eq!((ack.cseq().unwrap().number, &ack.uri), (1, &sent.uri));
    assert_eq!(lab.response().status.code(), 486);
    lab.answers(&sent, 486, "t");
    assert_eq!(lab.brief(), ["ACK"]);
    assert!(lab.event().is_none());
    assert_eq!(lab.pass(31_999), []);
    assert_eq!(lab.layer.live(), (0, 1));
    lab.pass(1);
    lab.is_clean();
}

#[test]
fn a_refusal_on_a_reliable_transport_ends_it_at_once() {
    let mut lab = Lab::tls();
    let (_, sent) = lab.asks(ours(&Method::Invite));
    lab.answers(&sent, 404, "t");
    assert_eq!(lab.brief(), ["ACK"]);
    assert_eq!(lab.response().status.code(), 404);
    lab.is_clean();
}

#[test]
fn a_repeated_2xx_gets_its_ack_again_until_m() {
    for mut lab in [Lab::udp(), Lab::tls()] {
        let (client, sent) = lab.asks(ours(&Method::Invite));
        lab.answers(&sent, 200, "t");
        lab.response();
        lab.answers(&sent, 200, "t");
        assert!(lab.event().is_none() && lab.brief().is_empty());
        lab.layer.ack_2xx(lab.now, lab.flow, client, our_ack("t")).unwrap();
        let ack = lab.one_request();
        assert_ne!(ack.top_via().unwrap().branch(), sent.top_via().unwrap().branch());
        lab.answers(&sent, 200, "t");
        assert_eq!(lab.one_request(), ack);
        assert_eq!(lab.pass(32_000), []);
        lab.is_clean();
        assert_eq!(lab.layer.ack_2xx(lab.now, lab.flow, client, our_ack("t")), Err(RequestRefusal::Gone));
    }
}

#[test]
fn each_fork_that_answers_is_told_and_acknowledged_apart() {
    let mut lab = Lab::udp();
    let (client, sent) = lab.asks(ours(&Method::Invite));
    lab.answers(&sent, 180, "a");
    lab.response();
    for tag in ["a", "b"] {
        lab.answers(&sent, 200, tag);
        assert_eq!(lab.response().to_tag().unwrap(), tag);
        lab.layer.ack_2xx(lab.now, lab.flow, client, our_ack(tag)).unwrap();
        assert_eq!(lab.one_request().to_tag().unwrap(), tag);
    }
    lab.answers(&sent, 200, "a");
    assert_eq!(lab.one_request().to_tag().unwrap(), "a");
    assert_eq!(lab.layer.ack_2xx(lab.now, lab.flow, client, our_ack("c")), Err(RequestRefusal::Gone));
    for n in 0..20 {
        lab.answers(&sent, 200, &format!("flood{n}"));
    }
    assert_eq!(lab.drops(DropReason::TooManyForks), 6);
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut lab = Lab::udp();
    let (client, sent) = lab.asks(ours(&Method::Invite));
    lab.layer.cancel(lab.now, client, Some("SIP;cause=200;text=\"Call completed elsewhere\"")).unwrap();
    lab.layer.cancel(lab.now, client, None).unwrap();
    assert_eq!(lab.brief(), [""; 0]);
    assert_eq!(lab.times(600), [500]);
    lab.answers(&sent, 100, "");
    lab.response();
    let cancel = lab.one_request();
    assert_eq!((&cancel.method, cancel.top_via()), (&Method::Cancel, sent.top_via()));
    assert!(cancel.headers.has(&HeaderName::Reason));
    assert_eq!(lab.times(1000), [1100]);
    lab.answers(&cancel, 200, "t");
    lab.answers(&sent, 487, "t");
    assert_eq!(lab.brief(), ["ACK"]);
    assert_eq!(lab.response().status.code(), 487);
    lab.pass(40_000);
    lab.is_clean();
}

#[test]
fn cancel_in_proceeding_is_sent_at_once_and_may_cross_a_2xx() {
    let mut lab = Lab::tls();
    let (client, sent) = lab.asks(ours(&Method::Invite));
    lab.answers(&sent, 180, "t");
    lab.response();
    lab.layer.cancel(lab.now, client, None).unwrap();
    lab.layer.cancel(lab.now, client, None).unwrap();
    let cancel = lab.one_request();
    lab.answers(&sent, 200, "t");
    lab.answers(&cancel, 200, "t");
    assert_eq!(lab.response().cseq().unwrap().method, Method::Invite);
    assert!(lab.event().is_none());
    assert_eq!(lab.layer.cancel(lab.now, client, None), Err(CancelRefusal::Answered));
    lab.pass(32_000);
    lab.is_clean();
}

#[test]
fn a_cancelled_invite_without_answer_ends_after_64_t1() {
    let mut lab = Lab::tls();
    let (client, sent) = lab.asks(ours(&Method::Invite));
    lab.answers(&sent, 180, "t");
    lab.response();
    lab.layer.cancel(lab.now, client, None).unwrap();
    lab.brief();
    lab.pass(31_999);
    assert!(lab.event().is_none());
    lab.pass(1);
    assert_eq!(lab.failure(), FailureReason::CancelTimeout);
    lab.is_clean();
}

#[test]
fn only_an_invite_can_be_cancelled() {
    let mut lab = Lab::udp();
    let (client, _) = lab.asks(ours(&Method::Options));
    assert_eq!(lab.layer.cancel(lab.now, client, None), Err(CancelRefusal::NotInvite));
}

#[test]
fn after_its_own_deadline_a_peer_that_wakes_up_is_cancelled() {
    let mut lab = Lab::udp();
    lab.layer.request(lab.now, lab.flow, ours(&Method::Invite), first_response(1000)).unwrap();
    let sent = lab.one_request();
    assert_eq!(lab.times(1000), [500]);
    assert_eq!(lab.failure(), FailureReason::FirstResponseTimeout);
    assert_eq!(lab.pass(1000), []);
    lab.answers(&sent, 180, "t");
    let cancel = lab.one_request();
    assert_eq!(cancel.method, Method::Cancel);
    lab.answers(&sent, 180, "t");
    lab.answers(&cancel, 200, "t");
    lab.answers(&sent, 487, "t");
    assert_eq!(lab.brief(), ["ACK"]);
    assert!(lab.event().is_none());
    lab.pass(40_000);
    lab.is_clean();
}

#[test]
fn after_its_own_deadline_a_late_answer_is_told() {
    let mut lab = Lab::tls();
    let client = lab.layer.request(lab.now, lab.flow, ours(&Method::Invite), first_response(1000)).unwrap();
    let sent = lab.one_request();
    lab.pass(1000);
    assert_eq!(lab.failure(), FailureReason::FirstResponseTimeout);
    lab.answers(&sent, 200, "t");
    assert!(matches!(lab.event(), Some(Event::LateAnswer { client: c, .. }) if c == client));
    lab.layer.ack_2xx(lab.now, lab.flow, client, our_ack("t")).unwrap();
    assert_eq!(lab.brief(), ["ACK"]);
    lab.pass(32_000);
    lab.is_clean();
}

#[test]
fn after_its_own_deadline_and_b_nothing_is_left() {
    let mut lab = Lab::udp();
    lab.layer.request(lab.now, lab.flow, ours(&Method::Invite), first_response(1000)).unwrap();
    lab.pass(32_000);
    assert_eq!(lab.failure(), FailureReason::FirstResponseTimeout);
    lab.is_clean();
}

#[test]
fn transport_failures() {
    let mut lab = Lab::udp();
    lab.asks(ours(&Method::Invite));
    lab.layer.transmit_failed(lab.now, lab.flow, FlowFailure::Refused);
    assert_eq!(lab.failure(), FailureReason::TransportFailed(FlowFailure::Refused));
    lab.is_clean();

    let (_, sent) = lab.asks(ours(&Method::Invite));
    lab.answers(&sent, 180, "t");
    lab.response();
    lab.layer.transmit_failed(lab.now, lab.flow, FlowFailure::Refused);
    assert!(lab.event().is_none(), "a peer that was heard of is waited for");
    lab.layer.flow_closed(lab.now, lab.flow, FlowFailure::Idle);
    assert_eq!(lab.failure(), FailureReason::TransportFailed(FlowFailure::Idle));
    lab.is_clean();
}

//! The non-INVITE client table.

use super::*;
use crate::engine::flow::FlowFailure;

#[test]
fn timer_e_doubles_to_t2_and_f_ends_it() {
    let mut lab = Lab::udp();
    lab.asks(ours(&Method::Options));
    let times = lab.times(31_999);
    assert_eq!(times, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert!(lab.event().is_none());
    lab.pass(1);
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.is_clean();
}

#[test]
fn a_reliable_transport_asks_once() {
    let mut lab = Lab::tls();
    lab.asks(ours(&Method::Register));
    assert_eq!(lab.pass(32_000), []);
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.is_clean();
}

#[test]
fn a_provisional_response_makes_it_ask_rarely() {
    let mut lab = Lab::udp();
    let (_, sent) = lab.asks(ours(&Method::Options));
    lab.pass(600);
    lab.answers(&sent, 183, "t");
    lab.answers(&sent, 183, "t");
    assert_eq!((lab.response().status.code(), lab.response().status.code()), (183, 183));
    assert_eq!(lab.times(9000), [4600, 8600]);
    lab.pass(30_000);
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.is_clean();
}

#[test]
fn one_final_response_and_repetitions_absorbed_until_k() {
    let mut lab = Lab::udp();
    let (client, sent) = lab.asks(ours(&Method::Bye));
    lab.answers(&sent, 200, "t");
    assert!(matches!(lab.event(), Some(Event::Response { client: c, prack: None, .. }) if c == client));
    lab.answers(&sent, 200, "t");
    lab.answers(&sent, 404, "t");
    assert!(lab.event().is_none());
    assert_eq!(lab.drops(DropReason::RepeatedResponse), 2);
    assert_eq!(lab.pass(4999), []);
    assert_eq!(lab.layer.live(), (0, 1));
    lab.pass(1);
    lab.is_clean();
    lab.answers(&sent, 200, "t");
    assert_eq!(lab.drops(DropReason::StrayResponse), 1);
}

#[test]
fn a_reliable_transport_forgets_at_once() {
    let mut lab = Lab::tls();
    let (_, sent) = lab.asks(ours(&Method::Bye));
    lab.answers(&sent, 481, "t");
    assert_eq!(lab.response().status.code(), 481);
    lab.is_clean();
}

#[test]
fn the_first_response_can_have_a_deadline_of_its_own() {
    let mut lab = Lab::udp();
    let options = RequestOptions { first_response: Some(Duration::from_secs(1)) };
    lab.layer.request(lab.now, lab.flow, ours(&Method::Options), options).unwrap();
    lab.brief();
    assert_eq!(lab.times(1000), [500]);
    assert_eq!(lab.failure(), FailureReason::FirstResponseTimeout);
    lab.is_clean();

    lab.layer.request(lab.now, lab.flow, ours(&Method::Options), options).unwrap();
    let sent = lab.one_request();
    lab.answers(&sent, 100, "t");
    lab.response();
    lab.pass(31_000);
    assert!(lab.event().is_none());
}

#[test]
fn a_lost_flow_fails_what_waits_on_it_and_nothing_else() {
    let mut lab = Lab::tls();
    let (client, sent) = lab.asks(ours(&Method::Options));
    let mut other = lab.flow;
    other.connection = Some(ConnectionId(8));
    lab.layer.request(lab.now, other, ours(&Method::Options), RequestOptions::default()).unwrap();
    lab.layer.flow_closed(lab.now, lab.flow, FlowFailure::Closed);
    let Some(Event::Failed { client: failed, reason }) = lab.event() else { panic!("a failure") };
    assert_eq!((failed, reason), (client, FailureReason::TransportFailed(FlowFailure::Closed)));
    assert_eq!(lab.layer.live(), (0, 1));
    assert!(lab.event().is_none());
    lab.answers(&sent, 200, "t");
    assert_eq!(lab.drops(DropReason::StrayResponse), 1);
}

#[test]
fn full_refuses_and_quiet_ones_make_room() {
    let limits = Limits { clients: 1, ..Limits::default() };
    let mut lab = Lab::new(Transport::Udp, Settings { limits, ..Settings::default() });
    let (_, sent) = lab.asks(ours(&Method::Options));
    let refused = lab.layer.request(lab.now, lab.flow, ours(&Method::Options), RequestOptions::default());
    assert_eq!(refused, Err(RequestRefusal::Full));
    lab.answers(&sent, 200, "t");
    lab.response();
    lab.asks(ours(&Method::Options));
    assert_eq!((lab.layer.live(), lab.drops(DropReason::Displaced)), ((0, 1), 1));
}

#[test]
fn ack_and_cancel_open_no_transaction() {
    let mut lab = Lab::udp();
    let mut headless = ours(&Method::Options);
    headless.headers.remove(&HeaderName::CallId);
    for request in [our_ack("t"), ours(&Method::Cancel), headless] {
        let refused = lab.layer.request(lab.now, lab.flow, request, RequestOptions::default());
        assert_eq!(refused, Err(RequestRefusal::Unfit));
    }
    lab.is_clean();
}

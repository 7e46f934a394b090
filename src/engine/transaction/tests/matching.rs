//! What belongs to what (§17.1.3, §17.2.3), and what is written into Vias.

use super::*;

#[test]
fn the_top_via_says_where_the_request_came_from() {
    let mut lab = Lab::udp();
    lab.hears(&text("OPTIONS", "z9hG4bKa", 1, ""));
    let (_, request) = lab.server();
    let via = request.top_via().unwrap();
    assert_eq!(via.received(), Some("198.51.100.7".parse().unwrap()));
    assert_eq!(via.rport(), Some(Some(40000)));
}

#[test]
fn our_via_names_transport_address_and_port() {
    let mut lab = Lab::tls();
    let (_, sent) = lab.asks(ours(&Method::Options));
    let via = sent.top_via().unwrap();
    assert_eq!((via.transport(), via.sent_by.to_string().as_str()), (Some(Transport::Tls), "192.0.2.1:5060"));
    assert!(via.transaction_branch().is_some() && via.rport() == Some(None));

    let named = Settings { sent_by: Some("edge.example.com".to_owned()), ..Settings::default() };
    let mut lab = Lab::new(Transport::Tls, named);
    let (_, sent) = lab.asks(ours(&Method::Options));
    assert_eq!(sent.top_via().unwrap().sent_by.to_string(), "edge.example.com:5060");
    lab.answers(&sent, 200, "t");
    lab.response();
}

#[test]
fn branch_sent_by_method_and_side_tell_requests_apart() {
    let mut lab = Lab::udp();
    let base = text("OPTIONS", "z9hG4bKa", 1, "");
    lab.hears(&base);
    lab.server();
    lab.hears(&base.replace("7:40000;branch", "7:40001;branch"));
    lab.server();
    lab.hears(&text("INFO", "z9hG4bKa", 1, ""));
    lab.server();
    lab.flow.side = Side::Asterisk;
    lab.hears(&base);
    lab.server();
    lab.hears(&base);
    assert!(lab.event().is_none());
}

#[test]
fn peers_without_the_magic_cookie_are_matched_by_rfc_2543() {
    let mut lab = Lab::udp();
    let invite = text("INVITE", "1", 1, "");
    lab.hears(&invite);
    let (server, request) = lab.server();
    lab.hears(&invite);
    assert!(lab.event().is_none());
    assert_eq!(lab.brief(), ["100"]);
    lab.hears(&text("CANCEL", "1", 1, ""));
    assert_eq!(lab.brief(), ["200"]);
    assert!(matches!(lab.event(), Some(Event::Cancelled { .. })));
    lab.respond(server, &request, 487);
    lab.hears(&text("ACK", "1", 1, ";tag=ours"));
    lab.brief();
    lab.pass(5000);
    lab.is_clean();
    lab.hears(&text("INVITE", "1", 2, ""));
    lab.server();
}

#[test]
fn an_ack_of_a_2xx_with_the_branch_of_the_invite_is_taken_too() {
    let mut lab = Lab::udp();
    lab.hears(&text("INVITE", "z9hG4bKi", 1, ""));
    let (server, request) = lab.server();
    lab.respond(server, &request, 200);
    lab.hears(&text("ACK", "z9hG4bKi", 1, ";tag=ours"));
    assert!(matches!(lab.event(), Some(Event::Ack { .. })));
}

#[test]
fn an_ack_of_nothing_is_counted() {
    let mut lab = Lab::udp();
    lab.hears(&text("ACK", "z9hG4bKi", 1, ";tag=ours"));
    lab.hears(&text("INVITE", "z9hG4bKi", 2, ""));
    lab.server();
    lab.hears(&text("ACK", "z9hG4bKi", 2, ";tag=ours"));
    assert_eq!(lab.drops(DropReason::StrayAck), 2);
    assert!(lab.event().is_none() && lab.brief().is_empty());
}

#[test]
fn the_same_invite_by_another_path_is_482() {
    let mut lab = Lab::udp();
    lab.hears(&text("INVITE", "z9hG4bKi", 1, ""));
    let (server, request) = lab.server();
    lab.hears(&text("INVITE", "z9hG4bKj", 1, ""));
    assert_eq!(lab.brief(), ["482"]);
    assert!(lab.event().is_none());
    assert_eq!(lab.drops(DropReason::Merged), 1);
    lab.respond(server, &request, 401);
    lab.hears(&text("INVITE", "z9hG4bKk", 1, ""));
    lab.server();
}

#[test]
fn responses_that_are_not_ours_are_counted_by_reason() {
    let mut lab = Lab::udp();
    let (_, sent) = lab.asks(ours(&Method::Options));
    let answer = |edit: &dyn Fn(String) -> String| {
        let response = Response::to_request(&sent, StatusCode::OK, Some("t"));
        let bytes = edit(String::from_utf8(response.to_bytes().to_vec()).unwrap());
        parse(Bytes::from(bytes)).unwrap()
    };
    let branch = sent.top_via().unwrap().branch().unwrap().to_string();
    let guess = branch.replace(|c: char| c.is_ascii_digit(), "0");
    let flow = lab.flow;
    let mut other_side = flow;
    other_side.side = Side::Asterisk;
    for (flow, message, reason) in [
        (flow, answer(&|text| text.replace(&branch, "z9hG4bKforeign")), DropReason::StrayResponse),
        (flow, answer(&|text| text.replace(&branch, &guess)), DropReason::StrayResponse),
        (flow, answer(&|text| text.replace("192.0.2.1:5060", "192.0.2.2:5060")), DropReason::ForeignResponse),
        (flow, answer(&|text| text.replace("1 OPTIONS", "1 INVITE")), DropReason::ForeignResponse),
        (other_side, answer(&|text| text), DropReason::ForeignFlow),
    ] {
        let before = lab.drops(reason);
        lab.layer.receive(lab.now, flow, message);
        assert_eq!(lab.drops(reason), before + 1, "{reason:?}");
    }
    assert!(lab.event().is_none());
    lab.answers(&sent, 200, "t");
    lab.response();
}

#[test]
fn requests_that_cannot_be_matched_are_answered_or_dropped() {
    let mut lab = Lab::udp();
    let Message::Request(mut request) = message(&text("OPTIONS", "1", 1, "")) else { panic!("a request") };
    request.headers.remove(&HeaderName::CallId);
    lab.layer.receive(lab.now, lab.flow, request.clone().into());
    let (_, bytes) = lab.layer.poll_transmit().unwrap();
    assert!(bytes.starts_with(b"SIP/2.0 400 "));
    request.headers.remove(&HeaderName::Via);
    lab.layer.receive(lab.now, lab.flow, request.into());
    assert_eq!((lab.drops(DropReason::Malformed), lab.drops(DropReason::NoVia)), (1, 1));
    lab.is_clean();
}

//! Reliable provisional responses, both ends.

use super::*;
use crate::sip::header::{RSeq, Tags};

fn invited(lab: &mut Lab) -> (ServerId, Request) {
    lab.hears(&text("INVITE", "z9hG4bKi1", 1, ""));
    lab.server()
}

fn reliably(lab: &mut Lab, server: ServerId, request: &Request, code: u16) {
    let response = Response::to_request(request, StatusCode::new(code).unwrap(), Some("ours"));
    lab.layer.respond_reliably(lab.now, server, response).unwrap();
}

/// The last message sent and its RSeq.
fn rseq(lab: &mut Lab) -> u32 {
    let Some(Message::Response(response)) = lab.sent().pop() else { panic!("a response") };
    assert!(response.option_tags(&HeaderName::Require).unwrap().has("100rel"));
    response.headers.read::<RSeq>().unwrap().unwrap().0
}

fn prack(lab: &mut Lab, branch: &str, cseq: u32, rack: &str) {
    let text = text("PRACK", branch, cseq, ";tag=ours").replace("Contact", &format!("RAck: {rack}\nContact"));
    lab.hears(&text);
}

#[test]
fn repeated_on_every_transport_until_its_prack() {
    for mut lab in [Lab::udp(), Lab::tls()] {
        let (server, request) = invited(&mut lab);
        reliably(&mut lab, server, &request, 183);
        let number = rseq(&mut lab);
        assert!(number >= 1);
        assert_eq!(lab.times(8000), [500, 1500, 3500, 7500]);
        prack(&mut lab, "z9hG4bKp", 2, &format!("{number} 1 INVITE"));
        let Some(Event::Prack { server: prack, invite, request, .. }) = lab.event() else {
            panic!("a PRACK")
        };
        assert_eq!(invite, server);
        lab.respond(prack, &request, 200);
        assert_eq!(lab.brief(), ["200"]);
        assert_eq!(lab.pass(60_000), []);
    }
}

#[test]
fn one_at_a_time_in_order_and_the_2xx_last() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    reliably(&mut lab, server, &request, 183);
    let first = rseq(&mut lab);
    reliably(&mut lab, server, &request, 180);
    lab.respond(server, &request, 200);
    assert_eq!(lab.brief(), [""; 0]);
    prack(&mut lab, "z9hG4bKp1", 2, &format!("{first} 1 INVITE"));
    lab.server();
    assert_eq!(rseq(&mut lab), first + 1);
    lab.hears(&text("INVITE", "z9hG4bKi1", 1, ""));
    assert_eq!(rseq(&mut lab), first + 1);
    lab.hears(&text("CANCEL", "z9hG4bKi1", 1, ""));
    assert_eq!(lab.brief(), ["200"]);
    assert!(lab.event().is_none(), "the INVITE is answered, though the answer waits");
    prack(&mut lab, "z9hG4bKp2", 3, &format!("{} 1 INVITE", first + 1));
    assert_eq!(lab.brief(), ["200"]);
    lab.server();
    lab.hears(&text("ACK", "z9hG4bKa", 1, ";tag=ours"));
    assert!(matches!(lab.event(), Some(Event::Ack { .. })));
}

#[test]
fn a_refusal_overtakes() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    reliably(&mut lab, server, &request, 183);
    reliably(&mut lab, server, &request, 180);
    lab.respond(server, &request, 486);
    assert_eq!(lab.brief(), ["183", "486"]);
    lab.hears(&text("ACK", "z9hG4bKi1", 1, ";tag=ours"));
    assert_eq!(lab.pass(60_000), []);
    lab.is_clean();
}

#[test]
fn a_prack_of_something_else_is_481() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    reliably(&mut lab, server, &request, 183);
    let number = rseq(&mut lab);
    for (n, rack) in
        [(number + 1, 1, "INVITE"), (number, 2, "INVITE"), (number, 1, "UPDATE")].iter().enumerate()
    {
        let (rseq, cseq, method) = rack;
        prack(&mut lab, &format!("z9hG4bKp{n}"), 2, &format!("{rseq} {cseq} {method}"));
        assert_eq!(lab.brief(), ["481"]);
    }
    assert!(lab.event().is_none());
    assert_eq!(lab.drops(DropReason::StrayPrack), 3);
}

#[test]
fn without_a_prack_the_user_is_told_and_answers() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    reliably(&mut lab, server, &request, 183);
    lab.respond(server, &request, 200);
    lab.pass(32_000);
    assert!(matches!(lab.event(), Some(Event::ProvisionalUnacknowledged { server: s }) if s == server));
    lab.respond(server, &request, 504);
    assert_eq!(lab.brief(), ["504"]);
}

#[test]
fn only_a_few_wait_and_only_provisionals_of_an_invite() {
    let mut lab = Lab::udp();
    let (server, request) = invited(&mut lab);
    for _ in 0..9 {
        reliably(&mut lab, server, &request, 183);
    }
    for (code, refusal) in [(183, RespondRefusal::QueueFull), (100, RespondRefusal::NotReliable)] {
        let response = Response::to_request(&request, StatusCode::new(code).unwrap(), Some("ours"));
        assert_eq!(lab.layer.respond_reliably(lab.now, server, response), Err(refusal));
    }
}

#[test]
fn the_client_is_told_of_each_in_order_once() {
    let mut lab = Lab::udp();
    let (client, sent) = lab.asks(ours(&Method::Invite));
    let reliable = |lab: &mut Lab, tag: &str, rseq: u32| {
        let mut response = Response::to_request(&sent, StatusCode::RINGING, Some(tag));
        response.headers.push(HeaderName::Require, Tags::of(&["100rel"]));
        response.headers.set(&RSeq(rseq));
        lab.layer.receive(lab.now, lab.flow, response.into());
        match lab.event() {
            Some(Event::Response { client: c, prack, .. }) if c == client => {
                prack.map(|due| (due.rseq, due.cseq))
            }
            None => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reliable(&mut lab, "a", 10), Some((10, 1)));
    assert_eq!(reliable(&mut lab, "a", 10), None);
    assert_eq!(reliable(&mut lab, "a", 12), None);
    assert_eq!(reliable(&mut lab, "b", 3), Some((3, 1)));
    assert_eq!(reliable(&mut lab, "a", 11), Some((11, 1)));
    assert_eq!(lab.drops(DropReason::UnorderedProvisional), 2);
}

//! The proxy as a script of the wire: who sends what, and what goes out where.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::directory::{Directory, MayCall};
use super::flows::{MOST_OF_OFFICE, Peer};
use super::marks::Marks;
use super::proxy::{Proxy, Verdict};
use super::reason::Reason;
use crate::engine::flow::ConnectionId;
use crate::sip::{HeaderName, Host, Message, Request, Response, StatusCode, Text, parse};
use crate::uplink::OfficeId;

const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\n";

fn office(text: &str) -> OfficeId {
    text.parse().unwrap()
}

fn only(offices: &[&str]) -> MayCall {
    MayCall::Only(offices.iter().map(|one| office(one)).collect::<BTreeSet<_>>())
}

/// A gateway with BRU on connection 1, PAR on 2 and NYC on 3; LON is not connected. NYC may call BRU only.
fn gateway() -> Proxy {
    let host = Host::parse(&Text::from_static("gw.example")).unwrap();
    let mut proxy = Proxy::new(Marks::new(host, &[7; 32]));
    for (number, name) in (1..).zip(["BRU", "PAR", "NYC"]) {
        connect(&mut proxy, name, number);
    }
    let all = ["BRU", "PAR", "LON"].map(|name| (office(name), MayCall::All));
    proxy.directory = all.into_iter().chain([(office("NYC"), only(&["BRU"]))]).collect::<Directory>();
    proxy
}

fn connect(proxy: &mut Proxy, name: &str, number: u64) -> Option<ConnectionId> {
    let remote = ([192, 0, 2, u8::try_from(number).unwrap()], 40_000).into();
    proxy.flows.opened(Peer { office: office(name), connection: ConnectionId(number), remote })
}

/// A request of an office, with a branch of its own.
fn request(method: &str, uri: &str, to_tag: &str, more: &str) -> String {
    let body = if method == "INVITE" { SDP } else { "" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WSS 10.0.0.1:40000;branch=z9hG4bKcall;rport\r\nMax-Forwards: 70\r\n\
         {more}From: <sip:BRU-1001@branchline>;tag=a\r\nTo: <sip:PAR-1002@PAR>{to_tag}\r\nCall-ID: 1@bru\r\n\
         CSeq: 1 {method}\r\nContact: <sip:BRU-1001@10.0.0.1:40000;transport=ws>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn invite(to: &str) -> String {
    request("INVITE", &format!("sip:{to}-1002@{to};transport=ws"), "", "")
}

fn hear(proxy: &Proxy, on: u64, text: &str) -> Verdict {
    let message = parse::parse(Bytes::from(text.to_owned())).unwrap();
    proxy.receive(ConnectionId(on), &message)
}

/// Where a request went, and as what.
fn passed(verdict: Verdict) -> (u64, Request) {
    match verdict {
        Verdict::Pass { to, message: Message::Request(request) } => (to.0, again(&request)),
        other => panic!("a request that goes on, not {other:?}"),
    }
}

/// What is written can be read.
fn again(request: &Request) -> Request {
    let Message::Request(read) = parse::parse(request.to_bytes()).unwrap() else { panic!("a request") };
    read
}

fn returned(verdict: Verdict) -> (u64, Response) {
    match verdict {
        Verdict::Pass { to, message: Message::Response(response) } => (to.0, response),
        other => panic!("a response that goes on, not {other:?}"),
    }
}

fn refused(verdict: Verdict) -> (Reason, Option<u16>) {
    match verdict {
        Verdict::Refuse(reason, response) => (reason, response.map(|response| response.status.code())),
        other => panic!("a refusal, not {other:?}"),
    }
}

fn header(request: &Request, name: &'static str) -> Vec<String> {
    request.headers.get_all(&HeaderName::from_static(name)).map(ToString::to_string).collect()
}

/// The answer of the called office, as text.
fn answer(request: &Request, status: StatusCode) -> String {
    let response = Response::to_request(request, status, Some("b")).with_record_route_of(request);
    String::from_utf8(response.to_bytes().to_vec()).unwrap()
}

#[test]
fn a_request_goes_to_the_office_that_its_host_names() {
    let proxy = gateway();
    let (to, request) = passed(hear(&proxy, 1, &invite("PAR")));
    assert_eq!(to, 2);
    assert_eq!(request.uri.to_string(), "sip:PAR-1002@PAR;transport=ws");
    assert_eq!(header(&request, "Max-Forwards"), ["69"]);
    assert_eq!(header(&request, "Record-Route"), ["<sip:BRU.PAR@gw.example;transport=ws;lr>"]);
    assert_eq!(header(&request, "X-Federation-Office"), ["BRU"]);
    let vias = request.headers.vias().unwrap();
    assert_eq!(vias.len(), 2);
    assert_eq!(vias[0].sent_by.to_string(), "gw.example");
    assert!(vias[0].transaction_branch().is_some());
    assert_eq!(vias[1].answer_address(), Some("192.0.2.1:40000".parse().unwrap()));
    assert_eq!(request.body, SDP, "descriptions pass untouched");
    assert_eq!(passed(hear(&proxy, 1, &invite("par"))).0, 2, "names have no case");
}

#[test]
fn a_response_goes_back_by_its_vias_and_only_from_who_was_asked() {
    let mut proxy = gateway();
    let (_, request) = passed(hear(&proxy, 1, &invite("PAR")));
    let ok = answer(&request, StatusCode::OK);
    let (to, response) = returned(hear(&proxy, 2, &ok));
    assert_eq!((to, response.headers.vias().unwrap().len()), (1, 1));
    assert_eq!(refused(hear(&proxy, 3, &ok)), (Reason::NotAsked, None), "NYC was not asked");
    for (from, to) in [("from=BRU.1", "from=NYC.3"), ("to=PAR", "to=NYC"), ("z9hG4bKcall", "z9hG4bKother")] {
        assert!(ok.contains(from), "{ok}");
        assert_eq!(refused(hear(&proxy, 2, &ok.replace(from, to))), (Reason::NotAsked, None), "{to}");
    }
    let another = Proxy::new(Marks::new(Host::parse(&Text::from_static("gw.example")).unwrap(), &[8; 32]));
    let mut another = another;
    connect(&mut another, "PAR", 2);
    assert_eq!(refused(hear(&another, 2, &ok)), (Reason::NotAsked, None), "another process did not ask");
    connect(&mut proxy, "BRU", 9);
    assert_eq!(returned(hear(&proxy, 2, &ok)).0, 1, "on the connection on which it was asked");
    proxy.flows.closed(ConnectionId(1));
    assert_eq!(returned(hear(&proxy, 2, &ok)).0, 9, "or on the newest");
    proxy.flows.closed(ConnectionId(9));
    assert_eq!(refused(hear(&proxy, 2, &ok)), (Reason::AskerGone, None));
}

#[test]
fn requests_in_a_dialog_find_the_other_office_both_ways() {
    let mut proxy = gateway();
    let (_, request) = passed(hear(&proxy, 1, &invite("PAR")));
    let route = format!("Route: {}\r\n", header(&request, "Record-Route")[0]);
    let bye = request_in_dialog("BYE", &route);
    let (to, forwards) = passed(hear(&proxy, 1, &bye));
    assert_eq!((to, header(&forwards, "Route").len()), (2, 0));
    assert_eq!(forwards.uri.to_string(), "sip:PAR-1002@10.0.0.2:40001;transport=ws");
    assert_eq!(header(&forwards, "Record-Route").len(), 0);
    let (to, back) = passed(hear(&proxy, 2, &bye));
    assert_eq!((to, header(&back, "X-Federation-Office")), (1, vec!["PAR".to_owned()]));
    assert_eq!(refused(hear(&proxy, 3, &bye)), (Reason::ForeignRoute, Some(403)), "it is not NYC's dialog");
    connect(&mut proxy, "PAR", 9);
    proxy.flows.closed(ConnectionId(2));
    assert_eq!(passed(hear(&proxy, 1, &bye)).0, 9, "a dialog outlives the connection");
    proxy.flows.closed(ConnectionId(9));
    assert_eq!(refused(hear(&proxy, 1, &bye)), (Reason::NotConnected, Some(430)));
    for route in ["<sip:BRU.PAR@other.example;lr>", "<sip:gw.example;lr>", "<sip:BRU-PAR@gw.example;lr>"] {
        let bye = request_in_dialog("BYE", &format!("Route: {route}\r\n"));
        assert_eq!(refused(hear(&proxy, 1, &bye)), (Reason::ForeignRoute, Some(403)), "{route}");
    }
}

fn request_in_dialog(method: &str, route: &str) -> String {
    request(method, "sip:PAR-1002@10.0.0.2:40001;transport=ws", ";tag=b", route)
}

#[test]
fn cancel_and_ack_carry_the_branch_of_their_invite() {
    let mut proxy = gateway();
    let branch = |request: &Request| request.top_via().unwrap().branch().unwrap();
    let (_, request) = passed(hear(&proxy, 1, &invite("PAR")));
    connect(&mut proxy, "BRU", 9);
    for (method, tag) in [("CANCEL", ""), ("ACK", ";tag=b")] {
        let text = self::request(method, "sip:PAR-1002@PAR;transport=ws", tag, "");
        for on in [1, 9] {
            let (to, companion) = passed(hear(&proxy, on, &text));
            assert_eq!((to, branch(&companion)), (2, branch(&request)), "{method}");
        }
    }
    let other = passed(hear(&proxy, 2, &invite("BRU"))).1;
    assert_ne!(branch(&other), branch(&request), "another office's branch is another");
}

#[test]
fn what_an_office_says_of_itself_is_replaced() {
    let proxy = gateway();
    let forged = "X-Federation-Office: NYC\r\nx-federation-office: LON\r\n";
    let text = request("INVITE", "sip:1002@PAR", "", forged);
    assert_eq!(header(&passed(hear(&proxy, 1, &text)).1, "X-Federation-Office"), ["BRU"]);
}

#[test]
fn who_may_not_call_is_refused_but_may_be_called() {
    let proxy = gateway();
    let code = |verdict| refused(verdict);
    assert_eq!(code(hear(&proxy, 3, &invite("PAR"))), (Reason::NotPermitted, Some(403)));
    assert_eq!(passed(hear(&proxy, 3, &invite("BRU"))).0, 1);
    let route = "Route: <sip:NYC.PAR@gw.example;lr>\r\n";
    let sneaky = request("INVITE", "sip:1@x", "", route);
    assert_eq!(code(hear(&proxy, 3, &sneaky)), (Reason::NotPermitted, Some(403)), "a Route opens nothing");
    assert_eq!(passed(hear(&proxy, 2, &invite("NYC"))).0, 3);
    assert_eq!(passed(hear(&proxy, 3, &request_in_dialog("BYE", route))).0, 2, "it was called, and hangs up");
}

#[test]
fn what_leads_nowhere_says_why() {
    let mut proxy = gateway();
    let uri = |uri: &str| request("INVITE", uri, "", "");
    assert_eq!(refused(hear(&proxy, 1, &invite("ROM"))), (Reason::NoSuchOffice, Some(404)));
    assert_eq!(refused(hear(&proxy, 1, &uri("sip:1@gw.example:443"))), (Reason::NoSuchOffice, Some(404)));
    assert_eq!(refused(hear(&proxy, 1, &uri("tel:+3225551234"))), (Reason::NoSuchOffice, Some(404)));
    assert_eq!(refused(hear(&proxy, 1, &invite("LON"))), (Reason::NotConnected, Some(430)));
    assert_eq!(refused(hear(&proxy, 1, &invite("BRU"))), (Reason::Loop, Some(482)));
    let last_hop = invite("PAR").replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(refused(hear(&proxy, 1, &last_hop)), (Reason::TooManyHops, Some(483)));
    let old = invite("PAR").replace("z9hG4bK", "");
    assert_eq!(refused(hear(&proxy, 1, &old)), (Reason::NoBranch, Some(400)));
    let ack = request("ACK", "sip:1@LON", ";tag=b", "");
    assert_eq!(refused(hear(&proxy, 1, &ack)), (Reason::NotConnected, None), "nobody answers an ACK");
    let odd = request("INVITE", "sip:1@PAR", "", "Proxy-Require: gin\r\n");
    let Verdict::Refuse(Reason::Extension, Some(response)) = hear(&proxy, 1, &odd) else { panic!("420") };
    assert_eq!(response.headers.get(&HeaderName::Unsupported).unwrap(), "gin");
    assert_eq!(response.headers.get(&HeaderName::Reason).unwrap(), "SIP ;text=\"extension\"");
    assert!(response.to_tag().is_some());
    proxy.flows.closed(ConnectionId(1));
    assert_eq!(refused(hear(&proxy, 1, &invite("PAR"))), (Reason::AskerGone, None));
}

#[test]
fn a_call_that_goes_round_through_offices_ends() {
    let proxy = gateway();
    let (mut text, mut on, mut to) = (invite("PAR"), 1, "BRU");
    for _ in 0..70 {
        let (reached, request) = passed(hear(&proxy, on, &text));
        let mut back = request.clone();
        back.headers.remove(&HeaderName::Via);
        back.headers.remove(&HeaderName::RecordRoute);
        back.headers.insert_first(HeaderName::Via, "SIP/2.0/WSS 10.0.0.9;branch=z9hG4bKround");
        back.uri = format!("sip:1@{to}").parse().unwrap();
        text = String::from_utf8(back.to_bytes().to_vec()).unwrap();
        to = if to == "BRU" { "PAR" } else { "BRU" };
        on = reached;
    }
    assert_eq!(refused(hear(&proxy, on, &text)), (Reason::TooManyHops, Some(483)));
}

#[test]
fn the_gateway_itself_answers_options_without_a_user() {
    let proxy = gateway();
    let probe = request("OPTIONS", "sip:gw.example:443", "", "");
    let Verdict::Answer(response) = hear(&proxy, 1, &probe) else { panic!("an answer") };
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(passed(hear(&proxy, 1, &request("OPTIONS", "sip:1001@PAR", "", ""))).0, 2);
}

#[test]
fn an_office_has_a_few_connections_and_the_newest_counts() {
    let mut proxy = gateway();
    for number in 10..10 + MOST_OF_OFFICE as u64 - 1 {
        assert_eq!(connect(&mut proxy, "PAR", number), None);
        assert_eq!(passed(hear(&proxy, 1, &invite("PAR"))).0, number);
    }
    assert_eq!(connect(&mut proxy, "PAR", 20), Some(ConnectionId(2)), "the oldest goes");
    assert_eq!(refused(hear(&proxy, 2, &invite("BRU"))).0, Reason::AskerGone);
    proxy.flows.closed(ConnectionId(20));
    assert_eq!(passed(hear(&proxy, 1, &invite("PAR"))).0, 12);
    assert_eq!(proxy.flows.count().filter(|(name, _)| *name == office("PAR")).last().unwrap().1, 3);
}

#[test]
fn whatever_comes_is_survived() {
    let proxy = gateway();
    let (_, request) = passed(hear(&proxy, 1, &invite("PAR")));
    let ok = answer(&request, StatusCode::OK);
    for text in [invite("PAR"), ok, request_in_dialog("BYE", "Route: <sip:BRU.PAR@gw.example;lr>\r\n")] {
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            for byte in [b'\0', b';', b'.', b'"', b'<', 0xff] {
                bytes[at] = byte;
                if let Ok(message) = parse::parse(Bytes::from(bytes.clone())) {
                    for on in [1, 2] {
                        if let Verdict::Pass { message, .. } = proxy.receive(ConnectionId(on), &message) {
                            assert!(parse::parse(message.to_bytes()).is_ok(), "{message:?}");
                        }
                    }
                }
            }
        }
    }
}

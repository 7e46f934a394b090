//! Dialogs as §12 makes them, and RFC 4028's negotiation.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::session_timer::{self, Agreed, Preference, SessionTimer, Verdict};
use super::*;
use crate::engine::flow::{Flow, Side};
use crate::engine::transaction::ReliableProvisional;
use crate::sip::header::{MinSe, RAck, Refresher};
use crate::sip::parse::parse;
use crate::sip::{HeaderName, Message, Method, NameAddr, Request, Response, StatusCode, Text, Transport};

fn flow() -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.7:40000".parse().unwrap(),
        connection: None,
        side: Side::Site,
    }
}

fn contact() -> NameAddr {
    NameAddr::parse(&Text::from("<sip:edge@192.0.2.1:5060>")).unwrap()
}

fn request(method: &str, cseq: u32, more: &str) -> Request {
    let text = format!(
        "{method} sip:1002@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\nMax-Forwards: 70\n\
         From: \"One\" <sip:1001@example.com>;tag=theirs\nTo: <sip:1002@example.com>\nCall-ID: c\n\
         CSeq: {cseq} {method}\n{more}Content-Length: 0\n\n"
    );
    match parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn invite(more: &str) -> Request {
    request("INVITE", 7, &format!("Contact: <sip:1001@198.51.100.7:40000>\n{more}"))
}

fn uas(more: &str) -> Dialog {
    Dialog::as_uas(&invite(more), "ours", contact(), flow()).unwrap()
}

fn opening() -> Opening {
    Opening {
        target: "sip:1002@203.0.113.5".parse().unwrap(),
        routes: RouteSet::default(),
        from: NameAddr::parse(&Text::from("<sip:1001@example.com>;tag=ours")).unwrap(),
        to: NameAddr::parse(&Text::from("<sip:1002@example.com>")).unwrap(),
        call_id: Text::from("c"),
        cseq: 20,
        contact: contact(),
    }
}

fn answer(code: u16, more: &[(HeaderName, &str)]) -> (Request, Response) {
    let request = opening().request(Method::Invite);
    let mut response = Response::to_request(&request, StatusCode::new(code).unwrap(), Some("theirs"));
    for (name, value) in more {
        response.headers.push(name.clone(), *value);
    }
    (request, response)
}

fn uac(code: u16, more: &[(HeaderName, &str)]) -> Dialog {
    let (request, response) = answer(code, more);
    Dialog::as_uac(&request, &response, flow()).unwrap()
}

fn routes(request: &Request) -> Vec<String> {
    request.headers.values(&HeaderName::Route).map(|route| route.to_string()).collect()
}

#[test]
fn as_uas_our_requests_turn_the_parties_round() {
    let mut dialog = uas("Record-Route: <sip:p1;lr>, <sip:p2;lr>\n");
    assert_eq!((dialog.state(), dialog.local_cseq()), (DialogState::Early, 0));
    dialog.confirm();
    let bye = dialog.bye();
    assert_eq!(bye.uri.to_string(), "sip:1001@198.51.100.7:40000");
    assert_eq!(routes(&bye), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(bye.headers.get(&HeaderName::From).unwrap(), "<sip:1002@example.com>;tag=ours");
    assert_eq!(bye.headers.get(&HeaderName::To).unwrap(), "\"One\" <sip:1001@example.com>;tag=theirs");
    assert_eq!((bye.cseq().unwrap().number, bye.max_forwards()), (1, Some(70)));
    assert!(!bye.headers.has(&HeaderName::Contact) && !bye.headers.has(&HeaderName::Via));
    assert_eq!(dialog.request(Method::Update).cseq().unwrap().number, 2);
}

#[test]
fn as_uac_the_route_is_reversed_and_the_answers_contact_is_the_target() {
    let more = [
        (HeaderName::RecordRoute, "<sip:p2;lr>,<sip:p1;lr>"),
        (HeaderName::Contact, "<sip:1002@203.0.113.9>"),
    ];
    let mut dialog = uac(200, &more);
    assert_eq!(dialog.state(), DialogState::Confirmed);
    let reinvite = dialog.request(Method::Invite);
    assert_eq!(routes(&reinvite), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(reinvite.uri.to_string(), "sip:1002@203.0.113.9");
    assert_eq!(reinvite.cseq().unwrap().number, 21);
    assert_eq!(reinvite.headers.get(&HeaderName::Contact).unwrap(), "<sip:edge@192.0.2.1:5060>");
    assert_eq!(reinvite.to_tag().unwrap(), "theirs");
    let ack = dialog.ack_for(20);
    assert_eq!((ack.method.clone(), ack.cseq().unwrap().number), (Method::Ack, 20));
    assert_eq!(routes(&ack), routes(&reinvite));
}

#[test]
fn a_2xx_gives_an_early_dialog_route_and_target_anew() {
    let mut dialog = uac(180, &[(HeaderName::RecordRoute, "<sip:old;lr>")]);
    assert_eq!(dialog.state(), DialogState::Early);
    assert_eq!(dialog.remote_target().to_string(), "sip:1002@203.0.113.5");
    let (_, ok) = answer(200, &[(HeaderName::Contact, "<sip:new@203.0.113.9>")]);
    dialog.confirmed_by(&ok).unwrap();
    assert_eq!(dialog.state(), DialogState::Confirmed);
    assert!(dialog.routes().is_empty());
    assert_eq!(dialog.remote_target().to_string(), "sip:new@203.0.113.9");
}

#[test]
fn a_strict_router_gets_its_own_address_and_the_target_goes_last() {
    let dialog = uas("Record-Route: <sip:strict;method=INVITE>, <sip:p2;lr>\n");
    let ack = dialog.ack_for(1);
    assert_eq!(ack.uri.to_string(), "sip:strict");
    assert_eq!(routes(&ack), ["<sip:p2;lr>", "<sip:1001@198.51.100.7:40000>"]);
}

#[test]
fn a_lower_cseq_is_out_of_order_and_a_gap_is_not() {
    let mut dialog = uas("");
    assert_eq!(dialog.receive(&request("INFO", 6, "")), Err(DialogRefusal::OutOfOrder));
    assert_eq!(DialogRefusal::OutOfOrder.status(), StatusCode::SERVER_INTERNAL_ERROR);
    assert_eq!(dialog.receive(&request("INFO", 9, "")), Ok(()));
    assert_eq!(dialog.receive(&request("ACK", 7, "")), Ok(()));
    assert_eq!(dialog.receive(&request("BYE", 8, "")), Err(DialogRefusal::OutOfOrder));
    let mut dialog = uac(200, &[]);
    assert_eq!(dialog.receive(&request("BYE", 0, "")), Ok(()));
}

#[test]
fn the_target_follows_the_contact_of_either_side() {
    let mut dialog = uas("");
    dialog.receive(&request("INFO", 8, "Contact: <sip:no@x>\n")).unwrap();
    dialog.receive(&request("UPDATE", 9, "Contact: <sip:1001@198.51.100.8>\n")).unwrap();
    assert_eq!(dialog.remote_target().to_string(), "sip:1001@198.51.100.8");
    dialog.receive(&request("INVITE", 10, "")).unwrap();
    let reinvite = dialog.request(Method::Invite);
    let answer =
        |status| Response::to_request(&reinvite, status, None).with(HeaderName::Contact, "<sip:1001@y>");
    dialog.receive_response(&answer(StatusCode::NOT_ACCEPTABLE_HERE));
    assert_eq!(dialog.remote_target().to_string(), "sip:1001@198.51.100.8");
    dialog.receive_response(&answer(StatusCode::OK));
    assert_eq!(dialog.remote_target().to_string(), "sip:1001@y");
}

#[test]
fn a_dialog_needs_contact_and_readable_routes() {
    let uas = |request: &Request| Dialog::as_uas(request, "t", contact(), flow()).map(|_| ());
    assert_eq!(uas(&request("INVITE", 1, "")), Err(DialogRefusal::NoContact));
    let mut broken = invite("");
    broken.headers.push(HeaderName::RecordRoute, "<nonsense");
    assert_eq!(uas(&broken), Err(DialogRefusal::BadRoute));
    broken.headers.remove(&HeaderName::CallId);
    assert_eq!(uas(&broken), Err(DialogRefusal::Incomplete));
}

#[test]
fn answers_carry_tag_route_and_contact_where_they_belong() {
    let invite = invite("Record-Route: <sip:p1;lr>\n");
    let dialog = Dialog::as_uas(&invite, "ours", contact(), flow()).unwrap();
    let ringing = dialog.response(&invite, StatusCode::RINGING);
    assert_eq!(ringing.to_tag().unwrap(), "ours");
    assert!(ringing.headers.has(&HeaderName::RecordRoute) && ringing.headers.has(&HeaderName::Contact));
    let busy = dialog.response(&invite, StatusCode::BUSY_HERE);
    assert!(!busy.headers.has(&HeaderName::RecordRoute) && !busy.headers.has(&HeaderName::Contact));
    let ok = dialog.response(&request("BYE", 8, ""), StatusCode::OK);
    assert!(!ok.headers.has(&HeaderName::Contact));
}

#[test]
fn a_prack_names_the_response() {
    let mut dialog = uac(183, &[]);
    let prack = dialog.prack_for(ReliableProvisional { rseq: 99, cseq: 20 });
    let rack = prack.headers.read::<RAck>().unwrap().unwrap();
    assert_eq!((rack.rseq, rack.cseq.number, rack.cseq.method), (99, 20, Method::Invite));
    assert_eq!(prack.cseq().unwrap().number, 21);
}

#[test]
fn the_index_finds_by_either_sides_message_and_is_bounded() {
    let mut dialogs = Dialogs::new(1);
    let dialog = uas("");
    dialogs.insert(dialog.id(), 'a').unwrap();
    dialogs.insert(dialog.id(), 'b').unwrap();
    let mut bye = request("BYE", 8, "");
    assert_eq!(dialogs.find(&bye), None);
    bye.headers.replace(HeaderName::To, "<sip:1002@example.com>;tag=ours");
    assert_eq!(dialogs.find(&bye), Some('b'));
    let other = DialogId { remote_tag: Text::from("x"), ..dialog.id().clone() };
    assert_eq!(dialogs.insert(&other, 'c'), Err(IndexFull));
    assert_eq!((dialogs.remove(dialog.id()), dialogs.is_empty()), (Some('b'), true));

    let (_, ok) = answer(200, &[]);
    assert_eq!(DialogId::of_response(&ok).as_ref(), Some(uac(200, &[]).id()));
}

#[test]
fn an_opening_goes_through_its_routes() {
    let outbound = NameAddr::parse(&Text::from("<sip:proxy;lr>")).unwrap();
    let request = Opening { routes: RouteSet::new(&[outbound]), ..opening() }.request(Method::Invite);
    assert_eq!((request.uri.to_string().as_str(), routes(&request).len()), ("sip:1002@203.0.113.5", 1));
    assert_eq!(request.cseq().unwrap().number, 20);
}

fn asked(seconds: u32, min_se: Option<u32>, refresher: &str, supported: bool) -> Request {
    let mut request = invite("");
    request.headers.push(HeaderName::SessionExpires, format!("{seconds}{refresher}"));
    if let Some(least) = min_se {
        request.headers.set(&MinSe(least));
    }
    if supported {
        request.headers.push(HeaderName::Supported, "timer");
    }
    request
}

fn agreed(interval: u32, refresher: Refresher) -> Verdict {
    Verdict::Timer(Agreed { interval, refresher })
}

#[test]
fn the_uas_follows_table_2() {
    let ours = Preference::default();
    let judge = |request: &Request| session_timer::judge(request, ours);
    assert_eq!(judge(&invite("")), agreed(1800, Refresher::Uas));
    assert_eq!(judge(&asked(600, None, "", true)), agreed(600, Refresher::Uac));
    assert_eq!(judge(&asked(600, None, ";refresher=uas", true)), agreed(600, Refresher::Uas));
    assert_eq!(judge(&asked(600, None, ";refresher=uac", true)), agreed(600, Refresher::Uac));
    assert_eq!(judge(&asked(600, None, "", false)), agreed(600, Refresher::Uas));
    assert_eq!(judge(&asked(7200, None, "", true)), agreed(1800, Refresher::Uac));
    assert_eq!(judge(&asked(7200, Some(3600), "", true)), agreed(3600, Refresher::Uac));
    assert_eq!(judge(&asked(60, None, "", true)), Verdict::TooSmall(MinSe(90)));
    assert_eq!(judge(&asked(60, None, "", false)), agreed(90, Refresher::Uas));
}

#[test]
fn the_answer_says_who_refreshes() {
    let mut ok = Response::new(StatusCode::OK);
    Agreed { interval: 600, refresher: Refresher::Uac }.put(&mut ok);
    assert_eq!(ok.headers.get(&HeaderName::SessionExpires).unwrap(), "600;refresher=uac");
    assert!(ok.option_tags(&HeaderName::Require).unwrap().has("timer"));
    let mut ok = Response::new(StatusCode::OK);
    Agreed { interval: 600, refresher: Refresher::Uas }.put(&mut ok);
    assert!(!ok.headers.has(&HeaderName::Require));
}

#[test]
fn deadlines_are_half_the_interval_and_shortly_before_its_end() {
    let now = Instant::now();
    let timer = Agreed { interval: 600, refresher: Refresher::Uas }.start(now);
    assert_eq!(timer.refresh_at, Some(now + Duration::from_secs(300)));
    assert_eq!(timer.expire_at, now + Duration::from_secs(568));
    let timer = Agreed { interval: 90, refresher: Refresher::Uac }.start(now);
    assert_eq!((timer.refresh_at, timer.expire_at), (None, now + Duration::from_secs(60)));
    assert_eq!(timer.refresher_as_uac(), Refresher::Uas);
}

#[test]
fn the_uac_asks_takes_what_it_gets_and_raises_after_422() {
    let ours = Preference { interval: 300, min_se: 90 };
    let mut request = opening().request(Method::Invite);
    session_timer::offer(&mut request, ours, None);
    assert_eq!(request.headers.get(&HeaderName::SessionExpires).unwrap(), "300");
    assert_eq!(request.headers.get(&HeaderName::MinSe).unwrap(), "90");
    assert!(request.option_tags(&HeaderName::Supported).unwrap().has("timer"));

    let now = Instant::now();
    let (_, ok) = answer(200, &[(HeaderName::SessionExpires, "200;refresher=uas")]);
    let timer = SessionTimer::of_response(now, &ok, ours);
    assert_eq!((timer.interval, timer.we_refresh()), (200, false));
    let (_, ok) = answer(200, &[]);
    let timer = SessionTimer::of_response(now, &ok, ours);
    assert_eq!((timer.interval, timer.we_refresh()), (300, true));

    let raised = |least: &str| session_timer::raised(ours, &answer(422, &[(HeaderName::MinSe, least)]).1);
    assert_eq!(raised("1000"), Some(Preference { interval: 1000, min_se: 1000 }));
    assert_eq!(raised("200"), Some(Preference { interval: 300, min_se: 200 }));
    assert_eq!((raised("90"), raised("4000000000")), (None, None));
    assert_eq!(session_timer::raised(ours, &answer(422, &[]).1), None);
}

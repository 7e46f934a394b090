//! The federation's gateway: one connection behind which all offices lie.

use super::descriptions::{audio, secured};
use super::far_ends::{Dialling, pushed, pushed_with, with_own};
use super::phones::Line;
use super::world::{Peer, World, seconds};
use crate::engine::Input;
use crate::engine::flow::{FlowFailure, Side};
use crate::engine::routing::tests::{link, parts, route};
use crate::engine::routing::{DialFailure, FederationToken, Limits, LinkState, RouteTable};
use crate::sip::{HeaderName, Transport};

const GATEWAY: &str = "gw ApiGateway - wss://gw.example/sip";

/// Branchline alone, with a connection to the gateway and routes to PAR and NYC over it.
fn behind_gateway() -> (World, Peer) {
    let mut w = World::alone();
    let gateway = gateway(&mut w);
    w.push(pushed(&[GATEWAY], &["PAR-* gw", "NYC-* gw"]));
    (w, gateway)
}

fn gateway(w: &mut World) -> Peer {
    let gateway = w.far_end("gw", "PAR");
    let flow = &mut w.peers[gateway.0].flow;
    (flow.side, flow.transport) = (Side::Gateway, Transport::Wss);
    gateway
}

fn header(line: &Line, name: &'static str) -> String {
    line.invite.headers.get(&HeaderName::from_static(name)).map(ToString::to_string).unwrap_or_default()
}

/// A call that comes from the gateway, which vouches for an office.
fn from(w: &mut World, gateway: Peer, office: &str, number: &str, more: &str) -> Line {
    let vouched = format!("X-Federation-Office: {office}\r\n{more}");
    w.calls_with(gateway, number, &secured(7000), &vouched)
}

#[test]
fn the_office_is_named_by_the_host() {
    let (mut w, gateway) = behind_gateway();
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "PAR-1002", &audio(4000));
    let b = w.rung(gateway);
    assert_eq!(b.invite.uri.to_string(), "sip:PAR-1002@PAR;transport=ws");
    assert_eq!(header(&b, "To"), "<sip:PAR-1002@PAR>");
    assert_eq!(header(&b, "P-Asserted-Identity"), "\"Ann\" <sip:BRU-1001@branchline>");
    assert_eq!(header(&b, "X-Branchline-Path"), "BRU");
    assert!(String::from_utf8_lossy(&b.invite.body).contains("RTP/SAVP"));
    w.talks_and_ends(a, b);
}

#[test]
fn the_routes_office_counts_when_the_prefix_is_taken_off() {
    let mut w = World::alone();
    let gateway = gateway(&mut w);
    let mut table = parts(vec![link(GATEWAY)], vec![route("33* gw")]);
    table.routes[0].office = "PAR".parse().ok();
    w.push(RouteTable::new(table).unwrap().into());
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "331002", &audio(4000));
    let b = w.rung(gateway);
    assert_eq!(b.invite.uri.to_string(), "sip:331002@PAR;transport=ws");
    w.talks_and_ends(a, b);
}

#[test]
fn a_call_from_there_is_the_offices_for_which_the_gateway_vouches() {
    let (mut w, gateway) = behind_gateway();
    let bob = w.udp_phone("1002");
    let said = "P-Asserted-Identity: \"Zoe\" <sip:1001@branchline>\r\nX-Branchline-Path: PAR\r\n";
    let a = from(&mut w, gateway, "PAR", "BRU-1002", said);
    let b = w.rung(bob);
    assert!(header(&b, "From").starts_with("\"Zoe\" <sip:PAR-1001@branchline>"), "{}", header(&b, "From"));
    w.takes_secured_and_ends(a, b);
}

#[test]
fn the_gateway_vouches_for_one_other_office_or_nothing_passes() {
    let (mut w, gateway) = behind_gateway();
    let _bob = w.udp_phone("1002");
    for vouched in [
        "",
        "X-Federation-Office: BRU\r\n",
        "X-Federation-Office: nobody at all\r\n",
        "X-Federation-Office: PAR\r\nX-Federation-Office: NYC\r\n",
    ] {
        let mut a = w.calls_with(gateway, "1002", &secured(7000), vouched);
        w.refused(&mut a, 403);
        assert!(w.was_refused("no-office-vouched-for"), "{vouched}");
    }
    w.closes();
}

#[test]
fn nobody_else_may_vouch() {
    let mut w = World::alone();
    let (carrier, par) = (w.far_end("carrier", ""), w.far_end("par", "PAR"));
    let links = ["carrier PstnGateway - sip:carrier.example", "par SipTrunk PAR sips:par.example"];
    w.push(pushed(&links, &["0* carrier", "PAR-* par"]));
    let bob = w.udp_phone("1002");
    let vouched = "X-Federation-Office: NYC\r\nP-Asserted-Identity: <sip:1001@x>\r\n";
    for (peer, body, shown) in
        [(carrier, audio(7000), "anonymous"), (par, secured(7000), "sip:PAR-1001@branchline")]
    {
        let mut a = w.calls_with(peer, "1002", &body, vouched);
        let mut b = w.rung(bob);
        assert!(header(&b, "From").contains(shown), "{}", header(&b, "From"));
        w.answers(&b, 486, "");
        w.asked(&mut b, "ACK");
        w.refused(&mut a, 486);
    }
    w.closes();
}

#[test]
fn what_comes_through_the_gateway_goes_on_through_it_but_not_back() {
    let (mut w, gateway) = behind_gateway();
    let mut a = from(&mut w, gateway, "PAR", "PAR-1001", "X-Branchline-Path: PAR\r\n");
    w.refused(&mut a, 482);
    let mut a = from(&mut w, gateway, "PAR", "NYC-1001", "X-Branchline-Path: PAR, BRU\r\n");
    w.refused(&mut a, 482);
    let mut a = from(&mut w, gateway, "PAR", "NYC-1001", "X-Branchline-Path: PAR\r\n");
    let mut b = w.rung(gateway);
    assert_eq!(b.invite.uri.to_string(), "sip:NYC-1001@NYC;transport=ws");
    assert_eq!(header(&b, "X-Branchline-Path"), "PAR, BRU");
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.closes();
}

#[test]
fn limits_of_an_office_hold_also_behind_the_gateway() {
    let mut w = World::alone();
    let gateway = gateway(&mut w);
    let table = pushed(&[GATEWAY], &["PAR-* gw", "NYC-* gw"]);
    let mut limited = parts(vec![], table.routes().to_vec());
    limited.links = table.links().iter().map(|link| (**link).clone()).collect();
    limited.limits = Limits { calls_per_office: Some(1), ..Limits::default() };
    w.push(RouteTable::new(limited).unwrap().into());
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut a = w.calls(ann, "PAR-1", &audio(4000));
    let mut b = w.rung(gateway);
    let mut second = w.calls(bob, "PAR-2", &audio(4002));
    w.refused(&mut second, 503);
    let mut third = from(&mut w, gateway, "PAR", "1002", "");
    w.refused(&mut third, 503);
    let mut nyc = w.calls(bob, "NYC-1", &audio(4004));
    let mut there = w.rung(gateway);
    w.answers(&there, 486, "");
    w.asked(&mut there, "ACK");
    w.refused(&mut nyc, 486);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.closes();
}

#[test]
fn an_office_that_is_not_connected_there_is_reached_otherwise_and_the_gateway_stays_up() {
    let mut w = World::alone();
    let gateway = gateway(&mut w);
    let par = w.far_end("par", "PAR");
    let links = [GATEWAY, "par SipTrunk PAR sips:par.example"];
    w.push(pushed_with(&links, &["PAR-* gw,par"], |link| link.cost = u32::from(link.id.as_str() == "par")));
    let ann = w.udp_phone("1001");
    for _ in 0..4 {
        let mut a = w.calls(ann, "PAR-1002", &audio(4000));
        for (there, status) in [(gateway, 430), (par, 486)] {
            let mut b = w.rung(there);
            w.answers(&b, status, "");
            w.asked(&mut b, "ACK");
        }
        w.refused(&mut a, 486);
        assert_eq!(w.attempts()[0], ("gw".to_owned(), "failed", "sip-430".to_owned()));
    }
    let mut links = w.engine.router().links.overview();
    assert!(links.any(|link| link.link.id.as_str() == "gw" && link.state == LinkState::Up));
    drop(links);
    w.closes();
}

#[test]
fn a_call_outlives_the_connection_to_the_gateway() {
    let (mut w, gateway) = behind_gateway();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "PAR-1002", &audio(4000));
    let mut b = w.rung(gateway);
    w.far_answers(&b, 200);
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.wait(seconds(1));
    w.breaks(gateway);
    w.wait(seconds(1));
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    w.closes();
}

#[test]
fn the_token_that_the_link_names_is_shown_and_a_refusal_has_its_name() {
    let mut settings = with_own(&[]);
    let token = FederationToken::new("blf_secret").unwrap();
    settings.routing.tokens.insert("gateway".parse().unwrap(), token.clone());
    let mut w = World::with(settings);
    w.link_dials("gw", Dialling::Fails(DialFailure::Unauthorized));
    w.push(pushed_with(&[GATEWAY], &["PAR-* gw"], |link| {
        link.credentials = "gateway".parse().ok();
    }));
    assert_eq!(w.far.shown.last(), Some(&Some(token)));
    assert_eq!(format!("{:?}", w.far.shown), "[Some(FederationToken(<redacted>))]");
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "PAR-1002", &audio(4000));
    w.wait(seconds(2));
    w.refused(&mut a, 480);
    assert_eq!(w.attempts()[0].2, "unauthorized");
    w.closes();
}

#[test]
fn an_offices_message_comes_through_the_gateway() {
    let (mut w, gateway) = behind_gateway();
    let bob = w.udp_phone("1002");
    let mut line = w.line(gateway, "PAR-1001", "BRU-1002");
    w.sends(&mut line, "MESSAGE", "hi", "Content-Type: text/plain\r\nX-Federation-Office: PAR\r\n");
    let got = w.peers[bob.0].inbox.pop_front().expect("the message");
    let crate::sip::Message::Request(request) = got else { panic!("a request") };
    let there = Line { invite: request.clone(), peer: bob, ..line.clone() };
    w.responds(&Line { call_id: request.call_id().unwrap().to_string(), ..there }, &request, 200, "", "");
    w.hears(&mut line, 200);
    w.feed(Input::FlowFailed { flow: w.peers[gateway.0].flow, reason: FlowFailure::Closed });
    w.closes();
}

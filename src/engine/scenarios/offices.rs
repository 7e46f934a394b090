//! Calls between offices: who is rung, what each side is told of the other, and what may not pass.

use super::descriptions::{audio, secured};
use super::far_ends::pushed;
use super::phones::Line;
use super::world::{ASTERISK, Peer, World, seconds};
use crate::engine::Input;
use crate::engine::routing::{Limits, RouteTable};
use crate::sip::HeaderName;

const PAR: &str = "par SipTrunk PAR sips:par.example";
const NYC: &str = "nyc SipTrunk NYC sips:nyc.example";

/// Branchline alone with links to PAR and NYC.
fn linked() -> (World, Peer, Peer) {
    let mut w = World::alone();
    let (par, nyc) = (w.far_end("par", "PAR"), w.far_end("nyc", "NYC"));
    w.push(pushed(&[PAR, NYC], &["PAR-* par,nyc", "NYC-* nyc"]));
    (w, par, nyc)
}

fn header(line: &Line, name: &'static str) -> String {
    line.invite.headers.get(&HeaderName::from_static(name)).map(ToString::to_string).unwrap_or_default()
}

#[test]
fn an_office_is_rung_by_its_prefix_and_told_whom_to_call_back() {
    let (mut w, par, _) = linked();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "par-1002", &audio(4000));
    let b = w.rung(par);
    assert_eq!(b.invite.uri.to_string(), "sip:PAR-1002@par.example:5061;transport=tls");
    assert!(header(&b, "From").starts_with("\"Ann\" <sip:BRU-1001@branchline>"), "{}", header(&b, "From"));
    assert_eq!(header(&b, "P-Asserted-Identity"), "\"Ann\" <sip:BRU-1001@branchline>");
    assert_eq!(header(&b, "X-Branchline-Path"), "BRU");
    assert_eq!(header(&b, "Max-Forwards"), "69");
    let offer = String::from_utf8_lossy(&b.invite.body).into_owned();
    assert!(offer.contains("RTP/SAVP") && offer.contains("a=crypto:"), "{offer}");
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.talks_and_ends(a, b);
}

#[test]
fn asterisk_dials_another_office() {
    let mut w = World::with_asterisk();
    let par = w.far_end("par", "PAR");
    w.push(pushed(&[PAR], &["PAR-* par"]));
    let identity = "P-Asserted-Identity: \"Ann\" <sip:1001@127.0.0.1>\r\n";
    let a = w.calls_with(ASTERISK, "PAR-1002", &audio(7000), identity);
    let b = w.rung(par);
    assert_eq!(header(&b, "P-Asserted-Identity"), "\"Ann\" <sip:BRU-1001@branchline>");
    w.talks_and_ends(a, b);
}

#[test]
fn a_call_from_another_office_rings_the_extension_here() {
    let (mut w, par, _) = linked();
    let bob = w.udp_phone("1002");
    let identity = "P-Asserted-Identity: \"Zoe\" <sip:PAR-1001@branchline>\r\nX-Branchline-Path: PAR\r\n";
    let a = w.calls_with(par, "BRU-1002", &secured(7000), identity);
    let b = w.rung(bob);
    assert!(header(&b, "From").starts_with("\"Zoe\" <sip:PAR-1001@branchline>"), "{}", header(&b, "From"));
    w.takes_secured_and_ends(a, b);
}

#[test]
fn plain_media_from_another_office_are_refused() {
    let (mut w, par, _) = linked();
    let _bob = w.udp_phone("1002");
    let mut a = w.calls(par, "1002", &audio(7000));
    w.refused(&mut a, 488);
    w.closes();
}

#[test]
fn another_office_cannot_speak_for_our_users_or_call_itself_another_prefix() {
    let (mut w, par, _) = linked();
    let bob = w.udp_phone("1002");
    for (said, shown) in [
        ("BRU-1001", "PAR-1001"),
        ("1001", "PAR-1001"),
        ("PAR-1001", "PAR-1001"),
        ("NYC-1001", "NYC-1001"),
        ("+3225551234", "+3225551234"),
    ] {
        let identity = format!("P-Asserted-Identity: <sip:{said}@branchline>\r\n");
        let mut a = w.calls_with(par, "1002", &secured(7000), &identity);
        let mut b = w.rung(bob);
        assert!(header(&b, "From").contains(&format!("sip:{shown}@")), "{said}: {}", header(&b, "From"));
        w.answers(&b, 486, "");
        w.asked(&mut b, "ACK");
        w.refused(&mut a, 486);
    }
    w.closes();
}

#[test]
fn a_call_is_not_sent_back_to_where_it_came_from() {
    let (mut w, par, nyc) = linked();
    let mut a = w.calls_with(nyc, "NYC-1001", &secured(7000), "");
    w.refused(&mut a, 482);
    assert_eq!(w.records().last().unwrap().cause, "loop");
    let mut a = w.calls_with(nyc, "PAR-1001", &secured(7000), "X-Branchline-Path: NYC\r\n");
    let mut b = w.rung(par);
    assert_eq!(header(&b, "X-Branchline-Path"), "NYC, BRU");
    w.answers(&b, 503, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 503);
    assert_eq!(w.attempts()[1], ("nyc".to_owned(), "skipped", "origin".to_owned()));
    w.closes();
}

#[test]
fn a_call_that_was_here_before_is_a_loop() {
    let (mut w, par, _) = linked();
    let _bob = w.udp_phone("1002");
    let mut a = w.calls_with(par, "1002", &secured(7000), "X-Branchline-Path: BRU, PAR\r\n");
    w.refused(&mut a, 482);
    w.hops = 0;
    let mut a = w.calls(par, "1002", &secured(7000));
    w.refused(&mut a, 483);
    w.closes();
}

#[test]
fn a_call_from_another_office_goes_to_asterisk_which_knows_what_the_number_is() {
    let mut w = World::with_asterisk();
    let par = w.far_end("par", "PAR");
    w.push(pushed(&[PAR], &["PAR-* par"]));
    let mut a = w.calls(par, "*97", &secured(7000));
    w.refused(&mut a, 404);
    let mut a = w.calls(par, "600", &secured(7000));
    let mut pbx = w.rung(ASTERISK);
    w.answers(&pbx, 200, &audio(6000));
    w.asked(&mut pbx, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut a);
    w.is_hung_up(&mut pbx);
    w.closes();
}

#[test]
fn a_carriers_caller_rings_an_extension_but_never_goes_out_again() {
    let mut w = World::alone();
    let (carrier, _) = (w.far_end("carrier", ""), w.far_end("par", "PAR"));
    w.push(pushed(&["carrier PstnGateway - sip:carrier.example", PAR], &["0* carrier", "PAR-* par"]));
    let bob = w.udp_phone("1002");
    let mut a = w.calls_with(carrier, "1002", &audio(7000), "P-Asserted-Identity: <sip:1001@x>\r\n");
    let mut b = w.rung(bob);
    assert!(header(&b, "From").contains("anonymous"), "nobody outside is one of our extensions");
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    for number in ["025551234", "PAR-1001"] {
        let mut a = w.calls(carrier, number, &audio(7000));
        w.refused(&mut a, 404);
    }
    w.closes();
}

#[test]
fn a_number_without_a_route_says_so_and_a_number_of_asterisks_peers_cannot_be_dialled() {
    let (mut w, ..) = linked();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "LON-1001", &audio(4000));
    w.refused(&mut a, 404);
    w.closes();
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "iax2*par*1001", &audio(4000));
    w.refused(&mut a, 404);
    w.finish();
}

#[test]
fn an_office_is_called_through_the_two_asterisks() {
    let mut w = World::with_asterisk();
    w.push(pushed(&["par IaxTrunk PAR iax2:paris"], &["PAR-* par"]));
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "PAR-1002", &audio(4000));
    let pbx = w.rung(ASTERISK);
    assert_eq!(pbx.invite.uri.user().unwrap(), "iax2*paris*PAR-1002");
    assert!(header(&pbx, "From").contains("sip:1001@"), "Asterisk knows the caller's endpoint by From");
    assert_eq!(header(&pbx, "P-Asserted-Identity"), "\"Ann\" <sip:BRU-1001@branchline>");
    w.talks_and_ends(a, pbx);
}

#[test]
fn limits_of_the_table_are_kept() {
    let mut w = World::alone();
    let par = w.far_end("par", "PAR");
    let limits = Limits { calls: Some(3), calls_per_user: Some(1), calls_per_office: Some(2) };
    let table = pushed(&[PAR], &["PAR-* par"]);
    let mut parts = crate::engine::routing::tests::parts(vec![], table.routes().to_vec());
    parts.links = table.links().iter().map(|link| (**link).clone()).collect();
    parts.limits = limits;
    w.push(RouteTable::new(parts).unwrap().into());
    let (ann, bob, cid) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1003"));
    let a = w.calls(ann, "PAR-1", &audio(4000));
    let mut again = w.calls(ann, "PAR-2", &audio(4002));
    w.refused(&mut again, 503);
    let b = w.calls(bob, "PAR-1", &audio(4004));
    let mut c = w.calls(cid, "PAR-1", &audio(4006));
    w.refused(&mut c, 503);
    assert_eq!(w.records().last().unwrap().cause, "limit-office");
    for (mut near, mut far) in [(a, w.rung(par)), (b, w.rung(par))] {
        w.answers(&far, 100, "");
        w.cancels(&mut near);
        w.refused(&mut near, 487);
        w.is_cancelled(&mut far);
    }
    let c = w.calls(cid, "PAR-1", &audio(4008));
    let far = w.rung(par);
    w.talks_and_ends(c, far);
}

#[test]
fn a_push_in_mid_call_changes_nothing_for_it() {
    let (mut w, par, _) = linked();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "PAR-1002", &audio(4000));
    let b = w.rung(par);
    w.answers(&b, 180, "");
    w.hears(&mut a, 180);
    w.push(pushed(&[NYC], &["NYC-* nyc"]));
    let mut next = w.calls(ann, "PAR-1003", &audio(4002));
    w.refused(&mut next, 404);
    w.wait(seconds(3));
    w.talks_and_ends(a, b);
}

#[test]
fn an_offices_message_reaches_the_extension() {
    let (mut w, par, _) = linked();
    let bob = w.udp_phone("1002");
    let mut line = w.line(par, "PAR-1001", "BRU-1002");
    w.sends(&mut line, "MESSAGE", "hi", "Content-Type: text/plain\r\n");
    let got = w.peers[bob.0].inbox.pop_front().expect("the message");
    let crate::sip::Message::Request(request) = got else { panic!("a request") };
    let there = Line { invite: request.clone(), peer: bob, ..line.clone() };
    w.responds(&Line { call_id: request.call_id().unwrap().to_string(), ..there }, &request, 200, "", "");
    w.hears(&mut line, 200);
    w.feed(Input::Drain);
    w.closes();
}

#[test]
fn the_sites_own_routes_answer_what_the_pushed_ones_do_not() {
    let mut settings = super::far_ends::with_own(&[PAR]);
    settings.routing.site = Some(pushed(&[PAR], &["PAR-* par", "NYC-* par"]));
    let mut w = World::with(settings);
    let (par, nyc) = (w.far_end("par", "PAR"), w.far_end("nyc", "NYC"));
    w.push(pushed(&[NYC], &["NYC-* nyc"]));
    let ann = w.udp_phone("1001");
    for (number, there) in [("PAR-1002", par), ("NYC-1002", nyc)] {
        let mut a = w.calls(ann, number, &audio(4000));
        let mut b = w.rung(there);
        w.answers(&b, 486, "");
        w.asked(&mut b, "ACK");
        w.refused(&mut a, 486);
    }
    w.closes();
}

#[test]
fn a_call_outlives_its_offices_connection() {
    let (mut w, par, _) = linked();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "PAR-1002", &audio(4000));
    let mut b = w.rung(par);
    w.far_answers(&b, 200);
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.wait(seconds(1));
    w.breaks(par);
    w.wait(std::time::Duration::from_millis(10));
    let flow = w.peers[par.0].flow;
    w.feed(Input::FlowOpened { flow, identity: None });
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    w.closes();
}

//! Calls for help go out in every mode.

use std::sync::Arc;

use super::descriptions::audio;
use super::far_ends::{Dialling, pushed, pushed_with, with_own};
use super::phones::Line;
use super::world::{ASTERISK, Pbx, Peer, World, seconds};
use crate::engine::numbering::EmergencyNumbers;
use crate::engine::routing::tests::{link, parts};
use crate::engine::routing::{DialFailure, EmergencyPlan, Link, Place, Places, RouteTable, Subnet};
use crate::engine::settings::{CallSettings, RoutingSettings, Settings};
use crate::engine::testing;
use crate::engine::{Input, Observation};
use crate::sip::{HeaderName, Transport};

const OWN: &str = "own PstnGateway - sip:own.example";
const PAR: &str = "par SipTrunk PAR sips:par.example";

/// A site with its own carrier, an Asterisk, places and a call-back number.
fn settings() -> Settings {
    let text = |text: &str| Some(text.to_owned());
    let hall = Place {
        networks: vec![Subnet { address: "10.1.0.0".parse().unwrap(), bits: 16 }],
        civic: text("Hall"),
        callback: text("+3225551077"),
        ..Place::default()
    };
    let site = Place { geo: text("geo:50.8466,4.3528"), civic: text("Rue \"1\""), ..Place::default() };
    let routing = RoutingSettings {
        links: vec![Arc::new(link(OWN))],
        main_number: text("+3225551000"),
        places: Places { site, parts: vec![hall] },
        ..RoutingSettings::default()
    };
    Settings { routing, ..testing::settings() }
}

fn site() -> (World, Peer) {
    let mut w = World::with(settings());
    let own = w.far_end("own", "");
    w.wait(seconds(1));
    (w, own)
}

pub(super) fn header(line: &Line, name: &'static str) -> String {
    line.invite.headers.get(&HeaderName::from_static(name)).map(ToString::to_string).unwrap_or_default()
}

/// Somebody dials, the carrier is rung and answers.
fn helped(mut w: World, caller: Peer, number: &str, carrier: Peer) {
    let a = w.calls(caller, number, &audio(4000));
    let b = w.rung(carrier);
    assert!(w.observed.iter().any(|one| matches!(one, Observation::Emergency { .. })), "ops are told");
    w.talks_and_ends(a, b);
}

#[test]
fn by_the_local_carrier_first_with_location_and_call_back_number() {
    let (mut w, own) = site();
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "1-1-2", &audio(4000));
    let b = w.rung(own);
    assert_eq!(b.invite.uri.to_string(), "sip:112@own.example:5060");
    assert!(
        header(&b, "From").starts_with("\"Ann\" <sip:+3225551000@own.example>"),
        "{}",
        header(&b, "From")
    );
    assert!(header(&b, "P-Asserted-Identity").contains("+3225551000"));
    assert_eq!(header(&b, "Geolocation"), "<geo:50.8466,4.3528>");
    assert_eq!(header(&b, "Geolocation-Routing"), "yes");
    assert_eq!(header(&b, "X-Emergency-Location"), "\"Rue '1'\"");
    assert_eq!(header(&b, "Priority"), "emergency");
    let told = w.observed.iter().find_map(|one| match one {
        Observation::Emergency { number, caller, place, .. } => Some((number, caller, place)),
        _ => None,
    });
    let (number, caller, place) = told.expect("ops are told");
    assert_eq!((number.as_str(), caller.as_str()), ("112", "1001"));
    assert_eq!(place.as_ref().unwrap().civic.as_deref(), Some("Rue \"1\""));
    w.talks_and_ends(a, b);
}

#[test]
fn a_device_in_another_part_of_the_site_says_so() {
    let (mut w, own) = site();
    let phone = w.phone_at("1001", Transport::Udp, testing::address("10.1.0.9:5060"));
    w.registers(phone, 3600);
    let a = w.calls(phone, "112", &audio(4000));
    let b = w.rung(own);
    assert_eq!(header(&b, "X-Emergency-Location"), "\"Hall\"");
    assert_eq!(header(&b, "Geolocation"), "<geo:50.8466,4.3528>");
    assert!(header(&b, "From").contains("+3225551077"));
    w.talks_and_ends(a, b);
}

#[test]
fn mode_asterisk_is_down() {
    let (mut w, own) = site();
    w.pbx = Pbx::Silent;
    w.wait(seconds(15));
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "112", &audio(4000));
    let b = w.rung(own);
    w.pbx = Pbx::Answers;
    w.talks_and_ends(a, b);
}

#[test]
fn mode_no_routes_and_no_carrier_of_our_own_asterisk_is_asked() {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    helped(w, ann, "112", ASTERISK);
}

#[test]
fn mode_no_routes_and_asterisk_silent_the_site_still_tries() {
    let mut w = World::with_asterisk();
    w.pbx = Pbx::Silent;
    w.wait(seconds(15));
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "112", &audio(4000));
    w.wait(seconds(1));
    w.peers[ASTERISK.0].inbox.clear();
    w.refused(&mut a, 503);
    w.pbx = Pbx::Answers;
    w.wait(seconds(60));
    w.peers[ASTERISK.0].inbox.clear();
    w.finish();
}

#[test]
fn mode_routes_are_there_but_none_for_help() {
    let (mut w, own) = site();
    let par = w.far_end("par", "PAR");
    w.push(pushed(&[PAR], &["PAR-* par", "* par"]));
    let ann = w.udp_phone("1001");
    let _ = par;
    helped(w, ann, "911", own);
}

#[test]
fn mode_limits_are_reached() {
    let mut chosen = settings();
    chosen.calls = CallSettings { max: 0, per_extension: 0, ..chosen.calls };
    let mut w = World::with(chosen);
    let own = w.far_end("own", "");
    w.push(pushed_with(&[PAR], &["PAR-* par"], |_| {}));
    let ann = w.udp_phone("1001");
    helped(w, ann, "112", own);
}

#[test]
fn mode_the_link_is_full() {
    let mut chosen = settings();
    let mut full: Link = link(OWN);
    full.max_calls = Some(1);
    chosen.routing.links = vec![Arc::new(full)];
    let mut w = World::with(chosen);
    let own = w.far_end("own", "");
    w.wait(seconds(1));
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let first = w.calls(ann, "112", &audio(4000));
    let far = w.rung(own);
    let (mut second, mut far_second) = {
        let line = w.calls(bob, "112", &audio(4002));
        (line, w.rung(own))
    };
    w.answers(&far_second, 100, "");
    w.cancels(&mut second);
    w.refused(&mut second, 487);
    w.is_cancelled(&mut far_second);
    w.talks_and_ends(first, far);
}

#[test]
fn mode_draining() {
    let (mut w, own) = site();
    let ann = w.udp_phone("1001");
    w.feed(Input::Drain);
    helped(w, ann, "112", own);
}

#[test]
fn mode_a_visitor_whom_nobody_can_authenticate() {
    let (mut w, own) = site();
    let visitor = w.phone_at("49-7007", Transport::Udp, testing::address("10.1.0.77:5060"));
    let a = w.calls_unanswered(visitor, "112", "49-7007", &audio(4000));
    let b = w.rung(own);
    assert!(header(&b, "From").contains("+3225551077"), "called back where the phone is");
    assert_eq!(header(&b, "X-Emergency-Location"), "\"Hall\"");
    w.talks_and_ends(a, b);
}

#[test]
fn mode_locked_out_for_guessing() {
    let mut w = World::with(Settings { asterisk: None, ..settings() });
    let own = w.far_end("own", "");
    let guesser = w.phone_at("1001", Transport::Udp, testing::address("10.1.0.66:5060"));
    for _ in 0..8 {
        let mut line = w.line(guesser, "1001", "1002");
        w.invites(
            &mut line,
            &audio(4000),
            "Proxy-Authorization: Digest username=\"1001\", realm=\"branchline\", \
            nonce=\"x\", uri=\"sip:1002@branchline\", response=\"00\"\r\n",
        );
        w.wait(seconds(1));
    }
    assert!(w.was_refused("locked-out"));
    let a = w.calls_unanswered(guesser, "112", "1001", &audio(4000));
    let b = w.rung(own);
    w.wait(seconds(1));
    w.peers[guesser.0].inbox.clear();
    w.talks_and_ends(a, b);
}

#[test]
fn a_stranger_from_elsewhere_has_to_say_who_it_is() {
    let (mut w, _) = site();
    let stranger = w.phone_at("1001", Transport::Udp, testing::address("203.0.113.9:5060"));
    let mut a = w.calls_unanswered(stranger, "112", "1001", &audio(4000));
    w.refused(&mut a, 407);
    w.closes();
}

#[test]
fn mode_the_carrier_fails_every_other_way_is_tried() {
    let (mut w, own) = site();
    let par = w.far_end("par", "PAR");
    w.push(pushed(&[PAR], &["PAR-* par"]));
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "112", &audio(4000));
    for (peer, status) in [(own, 486), (ASTERISK, 404)] {
        let mut line = w.rung(peer);
        w.answers(&line, status, "");
        w.asked(&mut line, "ACK");
    }
    let b = w.rung(par);
    assert_eq!(b.invite.uri.user().unwrap(), "112");
    w.far_answers(&b, 180);
    w.peers[ann.0].inbox.clear();
    w.talks_and_ends(a, b);
}

#[test]
fn mode_the_carrier_is_silent_asterisk_follows_within_a_second() {
    let (mut w, own) = site();
    w.goes_deaf(own);
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "112", &audio(4000));
    w.wait(seconds(1));
    let pbx = w.rung(ASTERISK);
    assert_eq!(header(&pbx, "X-Emergency-Location"), "\"Rue '1'\"");
    w.talks_and_ends(a, pbx);
}

#[test]
fn mode_everything_is_down_and_all_of_it_is_tried() {
    let mut w = World::with(Settings { asterisk: None, ..settings() });
    w.link_dials("own", Dialling::Fails(DialFailure::Refused));
    w.link_dials("par", Dialling::Fails(DialFailure::Unresolved));
    w.push(pushed(&[PAR], &["PAR-* par"]));
    w.wait(seconds(20));
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "112", &audio(4000));
    w.refused(&mut a, 480);
    let tried: Vec<_> = w.attempts().into_iter().map(|(link, _, why)| (link, why)).collect();
    assert_eq!(
        tried,
        [("own".to_owned(), "refused".to_owned()), ("par".to_owned(), "unresolved".to_owned())]
    );
    assert!(w.records().last().unwrap().emergency);
    w.closes();
}

#[test]
fn numbers_and_links_that_ops_add_are_used() {
    let mut w = World::with(Settings { asterisk: None, ..with_own(&[OWN]) });
    let (own, far) = (w.far_end("own", ""), w.far_end("far", ""));
    let mut set = parts(vec![link("far PstnGateway - sip:far.example")], vec![]);
    set.emergency = EmergencyPlan {
        numbers: EmergencyNumbers::new(["1722"]).unwrap(),
        links: vec!["far".parse().unwrap()],
    };
    w.push(Arc::new(RouteTable::new(set).unwrap()));
    let ann = w.udp_phone("1001");
    let a = w.calls(ann, "1722", &audio(4000));
    let mut first = w.rung(far);
    w.answers(&first, 503, "");
    w.asked(&mut first, "ACK");
    let b = w.rung(own);
    w.talks_and_ends(a, b);
}

#[test]
fn asterisks_dialplan_and_other_offices_may_call_for_help_through_us() {
    let (mut w, own) = site();
    let par = w.far_end("par", "PAR");
    w.push(pushed(&[PAR], &["PAR-* par"]));
    let identity = "P-Asserted-Identity: <sip:1001@127.0.0.1>\r\n";
    let mut a = w.calls_with(ASTERISK, "112", &audio(7000), identity);
    let mut b = w.rung(own);
    assert!(header(&b, "Geolocation").contains("geo:"));
    w.answers(&b, 503, "");
    w.asked(&mut b, "ACK");
    let mut b = w.rung(par);
    w.answers(&b, 503, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 503);
    let place = "Geolocation: <geo:48.8,2.3>\r\nX-Emergency-Location: \"Rue 2\"\r\n";
    let mut a = w.calls_with(par, "112", &super::descriptions::secured(7000), place);
    let mut b = w.rung(own);
    assert_eq!(
        header(&b, "Geolocation"),
        "<geo:48.8,2.3>",
        "of another office's caller we know what it told"
    );
    assert_eq!(header(&b, "X-Emergency-Location"), "\"Rue 2\"");
    w.far_answers(&b, 200);
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
    w.closes();
}

#[test]
fn a_page_says_where_its_browser_is() {
    let mut chosen = settings();
    let parts = &mut chosen.routing.places.parts;
    parts[0].networks = vec![Subnet { address: "192.0.2.0".parse().unwrap(), bits: 25 }];
    let mut w = World::with(chosen);
    let own = w.far_end("own", "");
    w.wait(seconds(1));
    let page = w.page("1001", "browser");
    w.dials(&page, "112");
    let b = w.rung(own);
    assert_eq!(header(&b, "X-Emergency-Location"), "\"Hall\"");
}

#[test]
fn mode_all_media_ports_are_taken() {
    let mut chosen = Settings { asterisk: None, ..settings() };
    chosen.calls.per_extension = 100;
    let mut w = World::with(chosen);
    let own = w.far_end("own", "");
    w.wait(seconds(1));
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let mut talks = vec![];
    loop {
        let mut a = w.calls(ann, "1002", &audio(4000));
        if !w.peers[bob.0].inbox.iter().any(|message| matches!(message, crate::sip::Message::Request(_))) {
            w.refused(&mut a, 503);
            break;
        }
        let mut b = w.rung(bob);
        w.answers(&b, 200, &audio(5000));
        w.asked(&mut b, "ACK");
        w.hears(&mut a, 200);
        w.acks(&mut a, "");
        talks.push((a, b));
        if talks.len() % 10 == 0 {
            w.wait(seconds(1));
        }
    }
    assert!(w.was_refused("ports-in-use"));
    let cid = w.udp_phone("1003");
    let help = w.calls(cid, "112", &audio(4002));
    let there = w.rung(own);
    for (mut a, mut b) in talks {
        w.hangs_up(&mut a);
        w.is_hung_up(&mut b);
    }
    w.talks_and_ends(help, there);
}

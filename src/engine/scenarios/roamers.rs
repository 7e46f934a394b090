//! Calls to users who roam. This office is PAR, in country 33; Ann is of BRU.

use super::descriptions::{audio, secured};
use super::far_ends::pushed_to;
use super::phones::Line;
use super::roaming::{ann, entry, paris};
use super::world::{Peer, World};
use crate::engine::RoamingInput;
use crate::engine::roaming::Aor;
use crate::sip::Transport;

/// NYC and BRU over links of their own.
pub(super) fn linked(world: &mut World) -> (Peer, Peer) {
    let (bru, nyc) = (world.far_end("bru", "BRU"), world.far_end("nyc", "NYC"));
    world.push(pushed_to(
        "PAR",
        &["bru SipTrunk BRU sips:bru.example", "nyc SipTrunk NYC sips:nyc.example"],
        &["BRU-* bru", "NYC-* nyc"],
    ));
    (bru, nyc)
}

fn rung_as(world: &mut World, peer: Peer) -> (Line, String) {
    let line = world.rung(peer);
    let user = line.invite.uri.user().unwrap().to_string();
    (line, user)
}

#[test]
fn a_call_for_a_user_of_a_third_office_goes_where_the_user_is_and_then_home() {
    let mut world = World::with(paris());
    world.roams(Vec::new());
    let (bru, nyc) = linked(&mut world);
    world.told_of(RoamingInput::Entry(entry(&ann(), 2, "NYC", world.second())));
    let bob = world.udp_phone("1002");
    for dialled in ["32-1001", "BRU-1001"] {
        let mut a = world.calls(bob, dialled, &audio(4000));
        let (b, number) = rung_as(&mut world, nyc);
        assert_eq!(number, "NYC-BRU-32-1001");
        world.far_answers(&b, 404);
        let (b, number) = rung_as(&mut world, bru);
        assert_eq!(number, "BRU-32-1001", "she is not there any more");
        world.far_answers(&b, 486);
        world.refused(&mut a, 486);
    }
}

#[test]
fn a_user_of_another_office_in_the_same_country_is_found_by_the_number_with_the_country() {
    let mut world = World::with(paris());
    world.roams(Vec::new());
    let (_, nyc) = linked(&mut world);
    let leo = Aor { home: "LYS".parse().unwrap(), extension: "33-2001".parse().unwrap() };
    world.told_of(RoamingInput::Entry(entry(&leo, 2, "NYC", world.second())));
    let bob = world.udp_phone("1002");
    let mut a = world.calls(bob, "33-2001", &audio(4000));
    let (b, number) = rung_as(&mut world, nyc);
    assert_eq!(number, "NYC-LYS-33-2001");
    world.far_answers(&b, 486);
    world.refused(&mut a, 486);
    assert_eq!(world.resolves("33-1002").user.unwrap().extension, "33-1002", "ours stay ours");
}

#[test]
fn resolve_says_where_a_roamer_is_and_how_old_that_knowledge_is() {
    let mut world = World::with(paris());
    world.roams(Vec::new());
    linked(&mut world);
    let nowhere = world.resolves("BRU-1001");
    assert_eq!(nowhere.user.unwrap().age, None, "nobody ever said");
    let since = world.second();
    world.told_of(RoamingInput::Entry(entry(&ann(), 2, "NYC", since)));
    world.wait(super::world::seconds(30));
    let found = world.resolves("32-1001");
    let user = found.user.unwrap();
    assert_eq!((user.extension.as_str(), user.home.as_str()), ("32-1001", "BRU"));
    assert_eq!((user.place.as_str(), user.office.as_str()), ("visiting", "NYC"));
    assert_eq!((user.since, user.age), (Some(since.wall().0), Some(30)));
    assert!(user.availability.is_none());
    let ways: Vec<_> =
        found.attempts.iter().map(|one| (one.why.as_str(), one.link.clone().unwrap())).collect();
    let [("visiting", nyc), ("home", bru)] = &ways[..] else { panic!("{ways:?}") };
    assert_eq!((nyc.id.as_str(), nyc.number.as_str(), nyc.state.as_str()), ("nyc", "NYC-BRU-32-1001", "up"));
    assert_eq!((bru.id.as_str(), bru.number.as_str()), ("bru", "BRU-32-1001"));
    assert_eq!(found.text, "They are visiting NYC, known 30 s ago.");
}

#[test]
fn a_call_for_a_user_of_ours_who_is_away_goes_there_and_then_to_the_desk_phone() {
    let mut world = World::with(paris());
    world.roams(Vec::new());
    let (bru, _) = linked(&mut world);
    let (bob, desk) = (world.udp_phone("1002"), world.udp_phone("1001"));
    let own = Aor { home: "PAR".parse().unwrap(), extension: "33-1001".parse().unwrap() };
    world.told_of(RoamingInput::Entry(entry(&own, 2, "BRU", world.second())));
    let mut a = world.calls(bob, "1001", &audio(4000));
    let (mut away, number) = rung_as(&mut world, bru);
    assert_eq!(number, "BRU-PAR-33-1001");
    world.far_answers(&away, 480);
    world.asked(&mut away, "ACK");
    let mut b = world.rung(desk);
    world.answers(&b, 200, &audio(5000));
    world.asked(&mut b, "ACK");
    world.hears(&mut a, 200);
    world.acks(&mut a, "");
    world.hangs_up(&mut a);
    world.is_hung_up(&mut b);
    world.closes();
}

#[test]
fn a_visitor_is_rung_by_the_home_office_and_by_colleagues_here() {
    let mut world = World::paris();
    let (bru, _) = linked(&mut world);
    let phone = world.phone("32-1001", Transport::Tls);
    assert_eq!(world.ann_signs_in(phone, "secret"), 200);
    let bob = world.udp_phone("1002");
    for dialled in ["32-1001", "BRU-1001", "+321001"] {
        let mut a = world.calls(bob, dialled, &audio(4000));
        let b = world.rung(phone);
        world.answers(&b, 486, "");
        world.asked(&mut b.clone(), "ACK");
        world.refused(&mut a, 486);
    }
    let identity = "P-Asserted-Identity: <sip:BRU-1007@branchline>\r\nX-Branchline-Path: BRU\r\n";
    let mut a = world.calls_with(bru, "PAR-BRU-32-1001", &secured(7000), identity);
    let mut b = world.rung(phone);
    world.answers(&b, 486, "");
    world.asked(&mut b, "ACK");
    world.refused(&mut a, 486);
}

#[test]
fn a_visitor_who_signed_in_elsewhere_later_is_called_there_and_here_only_when_no_link_leads_on() {
    for (office, number) in [("BRU", "BRU-32-1001"), ("NYC", "NYC-BRU-32-1001")] {
        let mut world = World::paris();
        let (bru, nyc) = linked(&mut world);
        let phone = world.phone("32-1001", Transport::Tls);
        assert_eq!(world.ann_signs_in(phone, "secret"), 200);
        world.told_of(RoamingInput::Entry(entry(&ann(), 2, office, world.second())));
        let there = if office == "BRU" { bru } else { nyc };
        let bob = world.udp_phone("1002");
        let mut a = world.calls(bob, "32-1001", &audio(4000));
        let (b, dialled) = rung_as(&mut world, there);
        assert_eq!(dialled, number);
        world.far_answers(&b, 486);
        world.refused(&mut a, 486);
        assert!(world.peers[phone.0].inbox.is_empty(), "it is the called party's word");

        world.push(pushed_to("PAR", &["nyc SipTrunk NYC sips:nyc.example"], &["NOW-* nyc"]));
        let mut a = world.calls(bob, "32-1001", &audio(4000));
        let mut b = world.rung(phone);
        world.answers(&b, 486, "");
        world.asked(&mut b, "ACK");
        world.refused(&mut a, 486);
    }
}

#[test]
fn who_is_asked_for_a_visitor_by_the_office_that_it_thinks_of_rings_the_devices_here() {
    let mut world = World::paris();
    let (bru, _) = linked(&mut world);
    let phone = world.phone("32-1001", Transport::Tls);
    assert_eq!(world.ann_signs_in(phone, "secret"), 200);
    world.told_of(RoamingInput::Entry(entry(&ann(), 2, "BRU", world.second())));
    let identity = "P-Asserted-Identity: <sip:BRU-1007@branchline>\r\nX-Branchline-Path: BRU\r\n";
    let mut a = world.calls_with(bru, "PAR-BRU-32-1001", &secured(7000), identity);
    let mut b = world.rung(phone);
    world.answers(&b, 486, "");
    world.asked(&mut b, "ACK");
    world.refused(&mut a, 486);
}

use proptest::prelude::*;

use super::*;

fn shared(texts: &[&str]) -> Vec<Arc<Link>> {
    texts.iter().map(|text| Arc::new(link(text))).collect()
}

fn words(ways: &[EmergencyWay]) -> Vec<&str> {
    ways.iter()
        .map(|way| match way {
            EmergencyWay::Link(link) => link.id.as_str(),
            EmergencyWay::Asterisk => "asterisk",
        })
        .collect()
}

const ALL: [&str; 4] = [
    "par SipTrunk PAR sips:par.example",
    "own PstnGateway - sip:own.example",
    "far PstnGateway - sip:far.example",
    "api ApiGateway - wss://gw.example",
];

fn exits<'a>(links: &'a [Arc<Link>], first: &'a [LinkId], asterisk: Option<bool>) -> Exits<'a> {
    Exits { first, links, asterisk, origin: None }
}

#[test]
fn the_local_carriers_come_first_and_every_other_way_follows() {
    let links = shared(&ALL);
    let up = |_: &Link| LinkState::Up;
    let ways = emergency_ways(exits(&links, &[], Some(true)), up);
    assert_eq!(words(&ways), ["own", "far", "asterisk", "par", "api"]);
    let first = ["far".parse().unwrap()];
    assert_eq!(words(&emergency_ways(exits(&links, &first, Some(true)), up))[..2], ["far", "own"]);
    assert_eq!(words(&emergency_ways(exits(&[], &[], Some(false)), up)), ["asterisk"]);
    assert!(emergency_ways(exits(&[], &[], None), up).is_empty());
}

#[test]
fn what_does_not_work_moves_back_but_stays() {
    let links = shared(&ALL);
    let state = |link: &Link| match link.id.as_str() {
        "own" => LinkState::Down,
        "far" => LinkState::Disabled,
        _ => LinkState::Probing,
    };
    let ways = emergency_ways(exits(&links, &[], Some(false)), state);
    assert_eq!(words(&ways), ["par", "api", "own", "asterisk", "far"]);
}

#[test]
fn the_office_that_asks_is_not_asked_back() {
    let links = shared(&ALL);
    let exits = Exits { origin: "PAR".parse().ok(), ..exits(&links, &[], None) };
    assert_eq!(words(&emergency_ways(exits, |_| LinkState::Up)), ["own", "far", "api"]);
}

proptest! {
    #[test]
    fn no_state_of_the_links_takes_a_way_out(states in prop::collection::vec(0..4usize, 4), asterisk in any::<Option<bool>>()) {
        let links = shared(&ALL);
        let all = [LinkState::Up, LinkState::Probing, LinkState::Down, LinkState::Disabled];
        let state = |link: &Link| {
            all[states[links.iter().position(|one| one.id == link.id).unwrap()]]
        };
        let ways = emergency_ways(exits(&links, &[], asterisk), state);
        prop_assert_eq!(ways.len(), links.len() + usize::from(asterisk.is_some()));
    }
}

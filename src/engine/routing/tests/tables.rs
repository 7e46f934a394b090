use proptest::prelude::*;

use super::*;

fn links() -> Vec<Link> {
    vec![link("a SipTrunk PAR sips:par.example"), link("b PstnGateway - sip:carrier.example")]
}

fn flaw(parts: TableParts) -> String {
    RouteTable::new(parts).unwrap_err().to_string()
}

#[test]
fn a_set_is_refused_as_a_whole_and_the_reason_names_the_part() {
    let good = || parts(links(), vec![route("PAR-* a"), route("0* b")]);
    assert!(RouteTable::new(good()).is_ok());
    let mut set = good();
    set.links[1].address = "iax2:x".parse().unwrap();
    assert!(flaw(set).starts_with("links[1].address: expected sip:HOST"));
    let mut set = good();
    set.links[1].id = set.links[0].id.clone();
    assert_eq!(flaw(set), "links[1].id: `a` is there twice");
    let mut set = good();
    set.links[0].office = Some(set.office);
    assert_eq!(flaw(set), "links[0].office: expected another office than this one");
    assert_eq!(flaw(parts(links(), vec![route("0* c")])), "routes[0].links: `c` is no link of this set");
    assert_eq!(flaw(parts(links(), vec![route("0* a,a")])), "routes[0].links: `a` is there twice");
    let mut set = good();
    set.routes[1].links.clear();
    assert_eq!(flaw(set), "routes[1].links: expected 1 to 16 links");
    let mut set = good();
    set.routes[0].rewrite = Rewrite::Replace("a b".into());
    assert!(flaw(set).starts_with("routes[0].number: "));
    let mut set = good();
    set.emergency.links.push("x".parse().unwrap());
    assert_eq!(flaw(set), "emergency-links: `x` is no link of this set");
    let many = vec![route("0* b"); MOST_ROUTES + 1];
    assert_eq!(flaw(parts(links(), many)), "routes: expected at most 20000");
}

#[test]
fn the_most_specific_pattern_wins() {
    let routes = ["* a", "0* a", "00* b", "0032* a", "112233 b", "PAR-* a", "PAR-6* b", "*97 b"];
    let table = table(links(), routes.map(route).to_vec());
    let found = |number: &str| table.find(number).map(|one| one.pattern.to_string()).collect::<Vec<_>>();
    for (number, pattern) in [
        ("1001", "*"),
        ("0", "*"),
        ("02", "0*"),
        ("0049", "00*"),
        ("003225", "0032*"),
        ("0032", "00*"),
        ("112233", "112233"),
        ("1122334", "*"),
        ("PAR-1001", "PAR-*"),
        ("par-1001", "PAR-*"),
        ("PAR-600", "PAR-6*"),
        ("PAR-6", "PAR-*"),
        ("*97", "*97"),
    ] {
        assert_eq!(found(number), [pattern], "{number}");
    }
    assert!(found("").is_empty());
}

#[test]
fn routes_of_one_pattern_come_by_priority_and_cost() {
    let mut routes = vec![route("0* a"), route("0* b"), route("0* a")];
    routes[0].priority = 2;
    routes[1].cost = 5;
    routes[2].cost = 1;
    let table = table(links(), routes);
    let found: Vec<_> = table.find("01").map(|route| (route.priority, route.cost)).collect();
    assert_eq!(found, [(0, 1), (0, 5), (2, 0)]);
}

#[test]
fn numbers_are_rewritten() {
    let edit = |strip, prefix: &str| Rewrite::Edit { strip, prefix: prefix.into() };
    assert_eq!(edit(4, "").apply("PAR-1001").as_deref(), Some("1001"));
    assert_eq!(edit(1, "+32").apply("025551234").as_deref(), Some("+3225551234"));
    assert_eq!(edit(0, "").apply("x").as_deref(), Some("x"));
    assert_eq!(edit(4, "").apply("1234"), None);
    assert_eq!(edit(9, "").apply("1234"), None);
    assert_eq!(Rewrite::Replace("600".into()).apply("0800").as_deref(), Some("600"));
}

proptest! {
    #[test]
    fn the_index_agrees_with_asking_every_pattern(
        patterns in prop::collection::vec("[A-C0-2]{0,4}[*]?", 1..40),
        number in "[a-cA-C0-2*]{0,6}",
    ) {
        let routes: Vec<Route> =
            patterns.iter().filter(|text| !text.is_empty()).map(|text| route(&format!("{text} a"))).collect();
        let table = table(links(), routes);
        let found: Vec<_> = table.find(&number).map(|route| route.pattern.clone()).collect();
        let matching = table.routes().iter().map(|route| &route.pattern).filter(|one| one.matches(&number));
        let best = matching.max_by_key(|one| (!one.is_prefix(), one.to_string().len()));
        prop_assert_eq!(found.first(), best);
        prop_assert!(found.iter().all(|one| Some(one) == best));
    }

    #[test]
    fn patterns_never_panic(text in "\\PC{0,45}", number in "\\PC{0,45}") {
        if let Ok(pattern) = text.parse::<Pattern>() {
            let _ = pattern.matches(&number);
        }
    }
}

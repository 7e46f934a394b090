use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const FREE: Standing = Standing { state: LinkState::Up, calls: 0 };

fn ask(number: &str, draw: u64) -> Query<'_> {
    Query { number, origin: None, draw }
}

fn tried(plan: &LinkPlan) -> Vec<&str> {
    plan.choices.iter().map(|choice| choice.link.id.as_str()).collect()
}

fn left_out(plan: &LinkPlan) -> Vec<(&str, &str)> {
    plan.skipped.iter().map(|skipped| (skipped.link.as_str(), skipped.why.as_str())).collect()
}

/// Links `a`, `b`, `c`… to PAR by TLS, changed by `change`.
fn office(count: usize, change: impl Fn(usize, &mut Link)) -> Arc<RouteTable> {
    let ids: Vec<String> = ('a'..).take(count).map(String::from).collect();
    let links = ids.iter().enumerate().map(|(place, id)| {
        let mut one = link(&format!("{id} SipTrunk PAR sips:par{place}.example"));
        change(place, &mut one);
        one
    });
    table(links.collect(), vec![route(&format!("PAR-* {}", ids.join(",")))])
}

#[test]
fn by_priority_then_cost() {
    let table = office(4, |place, link| {
        (link.priority, link.cost) = [(2, 0), (1, 9), (1, 3), (1, 5)][place];
    });
    let plan = plan(&table, ask("PAR-1001", 0), |_| FREE).unwrap();
    assert_eq!(tried(&plan), ["c", "d", "b", "a"]);
    assert_eq!(plan.choices[0].number, "PAR-1001");
    assert_eq!(plan.revision, Revision(1));
}

#[test]
fn no_route_is_no_plan() {
    let table = office(1, |_, _| {});
    assert_eq!(plan(&table, ask("NYC-1001", 0), |_| FREE), None);
}

#[test]
fn links_in_doubt_come_after_those_that_work_and_dead_ones_are_left_out() {
    let table = office(4, |_, _| {});
    let states =
        HashMap::from([("a", LinkState::Down), ("b", LinkState::Probing), ("d", LinkState::Disabled)]);
    let standing = |link: &Link| Standing {
        state: states.get(link.id.as_str()).copied().unwrap_or(LinkState::Up),
        calls: 0,
    };
    let plan = plan(&table, ask("PAR-1001", 0), standing).unwrap();
    assert_eq!(tried(&plan), ["c", "b"]);
    assert_eq!(left_out(&plan), [("d", "disabled"), ("a", "down")]);
}

#[test]
fn when_all_are_dead_they_are_tried() {
    let table = office(3, |place, link| link.disabled = place == 2);
    let standing = |link: &Link| Standing {
        state: if link.disabled { LinkState::Disabled } else { LinkState::Down },
        calls: 0,
    };
    let plan = plan(&table, ask("PAR-1001", 7), standing).unwrap();
    assert_eq!(plan.choices.len(), 2);
    assert_eq!(left_out(&plan), [("c", "disabled")]);
}

#[test]
fn a_full_link_and_the_way_back_are_left_out() {
    let mut links = vec![link("a SipTrunk PAR sips:par.example"), link("b SipTrunk NYC sips:nyc.example")];
    links[0].max_calls = Some(2);
    let table = table(links, vec![route("PAR-* a,b")]);
    let busy = |_: &Link| Standing { state: LinkState::Up, calls: 2 };
    let full = plan(&table, ask("PAR-1001", 0), busy).unwrap();
    assert_eq!((tried(&full), left_out(&full)), (vec!["b"], vec![("a", "full")]));
    let from_nyc = Query { origin: "NYC".parse().ok(), ..ask("PAR-1001", 0) };
    let back = plan(&table, from_nyc, |_| FREE).unwrap();
    assert_eq!((tried(&back), left_out(&back)), (vec!["a"], vec![("b", "origin")]));
}

#[test]
fn chance_follows_the_weights() {
    let table = office(3, |place, link| link.weight = [30, 10, 0][place]);
    let mut first = HashMap::new();
    for draw in 0..4_000 {
        let plan = plan(&table, ask("PAR-1001", draw), |_| FREE).unwrap();
        assert_eq!(plan.choices[2].link.id.as_str(), "c", "weight 0 is last");
        *first.entry(plan.choices[0].link.id.to_string()).or_insert(0) += 1;
    }
    assert!((2_850..3_150).contains(&first["a"]), "{first:?}");
}

#[test]
fn a_route_adds_its_own_priority_and_rewriting() {
    let mut routes = vec![route("0* a"), route("0* b")];
    routes[0].priority = 1;
    routes[0].rewrite = Rewrite::Edit { strip: 1, prefix: "+32".into() };
    let links = vec![link("a PstnGateway - sip:a.example"), link("b PstnGateway - sip:b.example")];
    let plan = plan(&table(links, routes), ask("025551234", 0), |_| FREE).unwrap();
    let tried: Vec<_> =
        plan.choices.iter().map(|choice| (choice.link.id.as_str(), choice.number.as_str())).collect();
    assert_eq!(tried, [("b", "025551234"), ("a", "+3225551234")]);
}

#[test]
fn so_many_are_tried_and_no_more() {
    let table = office(12, |_, _| {});
    let plan = plan(&table, ask("PAR-1", 3), |_| FREE).unwrap();
    assert_eq!((plan.choices.len(), plan.skipped.len()), (MOST_ATTEMPTS, 4));
    assert!(plan.skipped.iter().all(|skipped| skipped.why == SkipReason::Spare));
}

fn any_state() -> impl Strategy<Value = LinkState> {
    prop::sample::select(vec![LinkState::Up, LinkState::Probing, LinkState::Down, LinkState::Disabled])
}

proptest! {
    #[test]
    fn never_twice_never_a_dead_one_before_a_live_one_and_always_something(
        links in prop::collection::vec((any_state(), 0..3u16, 0..3u32, 0..4u16), 1..8),
        draw in any::<u64>(),
    ) {
        let table = office(links.len(), |place, link| {
            (_, link.priority, link.cost, link.weight) = links[place];
        });
        let state = |link: &Link| links[usize::from(link.id.as_str().as_bytes()[0] - b'a')].0;
        let standing = |link: &Link| Standing { state: state(link), calls: 0 };
        let made = plan(&table, ask("PAR-1001", draw), standing).unwrap();
        prop_assert_eq!(&made, &plan(&table, ask("PAR-1001", draw), standing).unwrap(), "the draw decides");

        let mut all: Vec<_> = tried(&made).into_iter().chain(left_out(&made).into_iter().map(|(id, _)| id)).collect();
        all.sort_unstable();
        prop_assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "each link once");
        prop_assert_eq!(all.len(), links.len(), "each has its place or its reason");

        let states: Vec<_> = made.choices.iter().map(|choice| state(&choice.link)).collect();
        prop_assert!(states.is_sorted(), "{:?}", states);
        prop_assert!(!states.contains(&LinkState::Disabled));
        let is_mixed = states.contains(&LinkState::Down) && states.iter().any(|one| *one < LinkState::Down);
        prop_assert!(!is_mixed, "a dead link costs nothing");
        let usable = links.iter().any(|link| link.0 != LinkState::Disabled);
        prop_assert_eq!(!made.choices.is_empty(), usable);
        let order: Vec<_> =
            made.choices.iter().map(|choice| (state(&choice.link), choice.link.priority, choice.link.cost)).collect();
        prop_assert!(order.is_sorted());
    }
}

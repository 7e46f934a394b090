//! What choosing the links for a call costs: a table of 10,000 routes over 2,000 links of 500 offices.
//!
//! `cargo bench --bench routing`; the target is under 10 µs a call.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends at the first surprise")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use branchline::engine::policy::{Permissions, Rules};
use branchline::engine::routing::{
    EmergencyPlan, HealthPolicy, Limits, Link, LinkLocation, LinkState, Query, Revision, Rewrite, Route,
    RouteTable, Standing, TableParts, plan,
};

const OFFICES: usize = 500;
const LINKS: usize = 4;
const ROUTES: usize = 10_000;
const ROUNDS: u32 = 200_000;

fn office(number: usize) -> String {
    format!("O{number:03}")
}

fn link(number: usize) -> Link {
    let office = office(number / LINKS);
    Link {
        id: format!("link-{number}").parse().unwrap(),
        kind: "SipTrunk".parse().unwrap(),
        office: office.parse().ok(),
        address: format!("sips:{office}.example").parse().unwrap(),
        credentials: None,
        registration: None,
        cost: 0,
        price: 0,
        priority: 0,
        weight: 10,
        max_calls: None,
        location: LinkLocation::Headers,
        health: HealthPolicy::default(),
        disabled: false,
    }
}

/// An office's own prefix, then numbers outside that begin in many ways.
fn route(number: usize) -> Route {
    let pattern =
        if number < OFFICES { format!("{}-*", office(number)) } else { format!("+{}*", 100_000 + number) };
    let first = number % OFFICES * LINKS;
    Route {
        pattern: pattern.parse().unwrap(),
        office: None,
        links: (first..first + LINKS).map(|link| format!("link-{link}").parse().unwrap()).collect(),
        priority: 0,
        cost: 0,
        price: None,
        rewrite: Rewrite::default(),
    }
}

fn main() {
    let parts = TableParts {
        office: "BRU".parse().unwrap(),
        revision: Revision(1),
        not_after: None,
        links: (0..OFFICES * LINKS).map(link).collect(),
        routes: (0..ROUTES).map(route).collect(),
        emergency: EmergencyPlan::default(),
        limits: Limits::default(),
        permissions: Permissions::default(),
        rules: Rules::default(),
    };
    let began = Instant::now();
    let table = RouteTable::new(parts).unwrap();
    println!("checking and indexing {ROUTES} routes over {} links: {:?}", OFFICES * LINKS, began.elapsed());
    let standing = |_: &Link| Standing { state: LinkState::Up, calls: 0 };
    for (name, number) in [
        ("an office", "O250-1001".to_owned()),
        ("outside", format!("+{}5551234", 100_000 + ROUTES - 1)),
        ("no route", "1001".to_owned()),
    ] {
        let began = Instant::now();
        for draw in 0..ROUNDS {
            let query = Query { number: &number, origin: None, draw: u64::from(draw) };
            black_box(plan(&table, black_box(query), standing));
        }
        let each: Duration = began.elapsed() / ROUNDS;
        println!("choosing the links for {name}: {each:?} a call");
    }
}

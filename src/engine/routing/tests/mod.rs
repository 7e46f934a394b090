//! Routing by itself: values, choosing, and the life of links in virtual time.

mod addresses;
mod choosing;
mod emergencies;
mod health;
mod living;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::engine::policy::{Permissions, Rules};

/// A link by a short description: `par-sip SipTrunk PAR sips:par.example`.
pub(crate) fn link(text: &str) -> Link {
    let mut words = text.split(' ');
    let mut word = || words.next().expect("four words");
    let (id, kind, office, address) = (word(), word(), word(), word());
    Link {
        id: id.parse().unwrap(),
        kind: kind.parse().unwrap(),
        office: (office != "-").then(|| office.parse().unwrap()),
        address: address.parse().unwrap(),
        credentials: None,
        registration: None,
        cost: 0,
        price: 0,
        priority: 0,
        weight: 0,
        max_calls: None,
        location: LinkLocation::Headers,
        health: HealthPolicy::default(),
        disabled: false,
    }
}

/// A route: `PAR-* par-sip,par-iax`.
pub(crate) fn route(text: &str) -> Route {
    let (pattern, links) = text.split_once(' ').expect("two words");
    Route {
        pattern: pattern.parse().unwrap(),
        office: OfficeId::split(pattern).map(|(office, _)| office),
        links: links.split(',').map(|id| id.parse().unwrap()).collect(),
        priority: 0,
        cost: 0,
        price: None,
        rewrite: Rewrite::default(),
    }
}

pub(crate) fn parts(links: Vec<Link>, routes: Vec<Route>) -> TableParts {
    TableParts {
        office: "BRU".parse().unwrap(),
        revision: Revision(1),
        not_after: None,
        links,
        routes,
        emergency: EmergencyPlan::default(),
        limits: Limits::default(),
        permissions: Permissions::default(),
        rules: Rules::default(),
    }
}

pub(crate) fn table(links: Vec<Link>, routes: Vec<Route>) -> Arc<RouteTable> {
    Arc::new(RouteTable::new(parts(links, routes)).expect("a sound table"))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

//! Choosing: which links carry a number, in which order, and why the others do not.
//!
//! The order is, first to last:
//! 1. links that are `Up`, then those in `Probing`; within each
//! 2. the route's priority, the link's priority, then the sum of both costs, the least first;
//! 3. chance, in proportion to the weights (RFC 2782), by the draw that is passed in.
//!
//! Left out, with the reason: links that are `Disabled`, full, or lead back to the office from which the call came; and
//! those that are `Down` unless there is no other: then they are tried all the same, since a call may be what finds out
//! that one works again.
//!
//! A pure function: the same question and the same draw give the same plan.

use std::sync::Arc;

use super::health::LinkState;
use super::link::{Link, LinkKind};
use super::name::LinkId;
use super::route::Route;
use super::table::{Revision, RouteTable};
use crate::engine::numbering::OfficeId;

/// Most links that one call tries: more would ring on long after its caller gave up.
pub const MOST_ATTEMPTS: usize = 8;

/// How a link stands when a call is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its health.
    pub state: LinkState,
    /// Calls on it.
    pub calls: u32,
}

/// A link to try, and the number to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The link.
    pub link: Arc<Link>,
    /// What is dialled there.
    pub number: String,
    /// The office that is reached by it; none for carriers.
    pub office: Option<OfficeId>,
    /// What a minute costs, in thousandths of the currency's unit.
    pub price: u32,
}

impl Choice {
    /// The office that the federation's gateway is asked for, if the link leads to the gateway.
    pub fn behind_gateway(&self) -> Option<OfficeId> {
        self.office.filter(|_| self.link.kind == LinkKind::ApiGateway)
    }
}

/// Why a link is not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// It does not work, and others do.
    Down,
    /// Ops turned it off.
    Disabled,
    /// It has as many calls as it may.
    Full,
    /// The call came from there.
    Origin,
    /// The number would be empty after the route's rewriting.
    NoNumber,
    /// Enough others come before it.
    Spare,
    /// The office from which the call came may not go out there.
    NotPermitted,
    /// There are as many calls with its office as there may be.
    OfficeFull,
}

impl SkipReason {
    /// The word in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Disabled => "disabled",
            Self::Full => "full",
            Self::Origin => "origin",
            Self::NoNumber => "no-number",
            Self::Spare => "spare",
            Self::NotPermitted => "not-permitted",
            Self::OfficeFull => "office-full",
        }
    }
}

/// A link that is not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The link.
    pub link: LinkId,
    /// Why not.
    pub why: SkipReason,
}

/// Ordered attempts over links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkPlan {
    /// Of the table by which it was made.
    pub revision: Revision,
    /// What to try, in this order.
    pub choices: Vec<Choice>,
    /// What is left out.
    pub skipped: Vec<Skipped>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The number, as this office calls it.
    pub number: &'a str,
    /// The office from which the call came; never sent back there.
    pub origin: Option<OfficeId>,
    /// Random bits.
    pub draw: u64,
}

/// Makes the plan; nothing when no route answers the number.
pub fn plan(table: &RouteTable, query: Query<'_>, standing: impl Fn(&Link) -> Standing) -> Option<LinkPlan> {
    let mut made = LinkPlan { revision: table.revision(), ..LinkPlan::default() };
    let mut open: Vec<Candidate> = Vec::new();
    let mut down: Vec<Candidate> = Vec::new();
    let mut is_routed = false;
    let mut seen: Vec<&LinkId> = Vec::new();
    for route in table.find(query.number) {
        is_routed = true;
        for link in route.links.iter().filter_map(|id| table.link(id)) {
            if seen.contains(&&link.id) {
                continue;
            }
            seen.push(&link.id);
            let now = standing(link);
            match candidate(route, link, query, now) {
                Err(why) => made.skipped.push(Skipped { link: link.id.clone(), why }),
                Ok(candidate) if now.state == LinkState::Down => down.push(candidate),
                Ok(candidate) => open.push(candidate),
            }
        }
    }
    if open.is_empty() {
        open = down;
    } else {
        made.skipped.extend(down.into_iter().map(|candidate| candidate.skipped(SkipReason::Down)));
    }
    let ordered = order(open, query.draw);
    for (place, candidate) in ordered.into_iter().enumerate() {
        if place < MOST_ATTEMPTS {
            made.choices.push(candidate.choice);
        } else {
            made.skipped.push(candidate.skipped(SkipReason::Spare));
        }
    }
    is_routed.then_some(made)
}

/// The office to which a link leads a number. Behind the federation's gateway lie all offices: the route says which, else
/// the number's own prefix.
fn office(route: &Route, link: &Link, number: &str) -> Option<OfficeId> {
    let behind = || route.office.or_else(|| OfficeId::split(number).map(|(office, _)| office));
    link.office.or_else(|| if link.kind == LinkKind::ApiGateway { behind() } else { None })
}

/// Whether a link may carry a call from `origin` to `office`, by order of ops and its own limit.
fn allowed(
    link: &Link,
    office: Option<OfficeId>,
    origin: Option<OfficeId>,
    now: Standing,
) -> Result<(), SkipReason> {
    if now.state == LinkState::Disabled {
        Err(SkipReason::Disabled)
    } else if origin.is_some() && office == origin {
        Err(SkipReason::Origin)
    } else if link.max_calls.is_some_and(|most| now.calls >= most) {
        Err(SkipReason::Full)
    } else {
        Ok(())
    }
}

struct Candidate {
    key: (LinkState, u16, u16, u64),
    weight: u64,
    choice: Choice,
}

impl Candidate {
    fn skipped(self, why: SkipReason) -> Skipped {
        Skipped { link: self.choice.link.id.clone(), why }
    }
}

fn candidate(
    route: &Route,
    link: &Arc<Link>,
    query: Query<'_>,
    now: Standing,
) -> Result<Candidate, SkipReason> {
    let office = office(route, link, query.number);
    allowed(link, office, query.origin, now)?;
    let number = route.rewrite.apply(query.number).ok_or(SkipReason::NoNumber)?;
    let cost = u64::from(route.cost) + u64::from(link.cost);
    Ok(Candidate {
        key: (now.state, route.priority, link.priority, cost),
        weight: u64::from(link.weight),
        choice: Choice { link: Arc::clone(link), number, office, price: route.price.unwrap_or(link.price) },
    })
}

/// Sorts by key; those with the same key by chance and weight.
fn order(mut candidates: Vec<Candidate>, draw: u64) -> Vec<Candidate> {
    candidates.sort_by_key(|candidate| candidate.key);
    let mut chance = draw;
    let mut ordered: Vec<Candidate> = Vec::with_capacity(candidates.len());
    while let Some(first) = candidates.first() {
        let alike = candidates.iter().take_while(|candidate| candidate.key == first.key).count();
        let place = pick(candidates.iter().take(alike).map(|candidate| candidate.weight), next(&mut chance));
        ordered.push(candidates.remove(place.min(alike - 1)));
    }
    ordered
}

/// The place that a random number falls on. A weight of 0 is chosen when the others are gone (RFC 2782).
fn pick(weights: impl Iterator<Item = u64> + Clone, random: u64) -> usize {
    let total: u64 = weights.clone().sum();
    if total == 0 {
        return 0;
    }
    let mut left = random % total;
    for (place, weight) in weights.enumerate() {
        if left < weight {
            return place;
        }
        left -= weight;
    }
    0
}

/// SplitMix64: spreads one draw over as many choices as are made.
const fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

//! The route table: a checked set of links, routes, emergency plan and limits, found by number in constant time.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::emergency::EmergencyPlan;
use super::link::Link;
use super::name::LinkId;
use super::pattern::PatternIndex;
use super::route::{LONGEST_PREFIX, MOST_LINKS_OF_A_ROUTE, Rewrite, Route};
use crate::engine::numbering::OfficeId;
use crate::engine::policy::{Permissions, Rules};
use crate::time::WallTime;

/// Most routes of a table.
pub const MOST_ROUTES: usize = 20_000;
/// Most links of a table.
pub const MOST_LINKS: usize = 4_000;

/// A route set's number; a newer set has a greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Limits of calls over links; `None`: as many as the configuration allows. Emergency calls ignore them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls over links at once.
    pub calls: Option<u32>,
    /// The same of one user.
    pub calls_per_user: Option<u32>,
    /// The same from and to one other office.
    pub calls_per_office: Option<u32>,
}

/// What a table is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableParts {
    /// The office it is for.
    pub office: OfficeId,
    /// Its revision.
    pub revision: Revision,
    /// After this it is old: still in force, but said to be stale.
    pub not_after: Option<WallTime>,
    /// Its links.
    pub links: Vec<Link>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Where emergency calls go.
    pub emergency: EmergencyPlan,
    /// Limits.
    pub limits: Limits,
    /// What other offices may do here; empty: as the site's own configuration says.
    pub permissions: Permissions,
    /// Rules for calls that go out, beside the site's own.
    pub rules: Rules,
}

/// Which part of a set is bad; written as in the document: `links[2].address`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A field of a link.
    Link(usize, &'static str),
    /// A field of a route.
    Route(usize, &'static str),
    /// A field of the set itself.
    Field(&'static str),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(place, field) => write!(f, "links[{place}].{field}"),
            Self::Route(place, field) => write!(f, "routes[{place}].{field}"),
            Self::Field(field) => f.write_str(field),
        }
    }
}

/// Why a set makes no table. The whole set is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{part}: {reason}")]
pub struct TableFlaw {
    /// Which part.
    pub part: Part,
    /// What was expected there.
    pub reason: String,
}

/// A checked route set. Immutable: a push makes a new one, and calls in progress keep the old.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteTable {
    parts: TableParts,
    links: Vec<Arc<Link>>,
    places: HashMap<LinkId, usize>,
    index: PatternIndex,
}

impl RouteTable {
    /// Checks the parts against each other and indexes them.
    ///
    /// # Errors
    /// The first flaw: a bad link, an id twice, a route to a link that is not there, a bound passed.
    pub fn new(mut parts: TableParts) -> Result<Self, TableFlaw> {
        let links = std::mem::take(&mut parts.links);
        if links.len() > MOST_LINKS {
            return Err(flaw(Part::Field("links"), format!("expected at most {MOST_LINKS}")));
        }
        if parts.routes.len() > MOST_ROUTES {
            return Err(flaw(Part::Field("routes"), format!("expected at most {MOST_ROUTES}")));
        }
        let mut places = HashMap::with_capacity(links.len());
        for (place, link) in links.iter().enumerate() {
            if let Some((field, expected)) = link.flaw() {
                return Err(flaw(Part::Link(place, field), expected));
            }
            if link.office == Some(parts.office) {
                return Err(flaw(Part::Link(place, "office"), "expected another office than this one"));
            }
            if places.insert(link.id.clone(), place).is_some() {
                return Err(flaw(Part::Link(place, "id"), format!("`{}` is there twice", link.id)));
            }
        }
        let mut index = PatternIndex::default();
        for (place, route) in parts.routes.iter().enumerate() {
            check_route(place, route, &places)?;
            index.insert(&route.pattern, u32::try_from(place).unwrap_or(u32::MAX));
        }
        index.sort_by_key(|place| parts.routes.get(place as usize).map(|route| (route.priority, route.cost)));
        if let Some(missing) = parts.emergency.links.iter().find(|id| !places.contains_key(*id)) {
            return Err(flaw(Part::Field("emergency-links"), format!("`{missing}` is no link of this set")));
        }
        Ok(Self { parts, links: links.into_iter().map(Arc::new).collect(), places, index })
    }

    /// The office it is for.
    pub const fn office(&self) -> OfficeId {
        self.parts.office
    }

    /// Its revision.
    pub const fn revision(&self) -> Revision {
        self.parts.revision
    }

    /// After this it is old.
    pub const fn not_after(&self) -> Option<WallTime> {
        self.parts.not_after
    }

    /// Its limits.
    pub const fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// What other offices may do here.
    pub const fn permissions(&self) -> &Permissions {
        &self.parts.permissions
    }

    /// Rules for calls that go out.
    pub const fn rules(&self) -> &Rules {
        &self.parts.rules
    }

    /// Where emergency calls go.
    pub const fn emergency(&self) -> &EmergencyPlan {
        &self.parts.emergency
    }

    /// All links, in the set's order.
    pub fn links(&self) -> &[Arc<Link>] {
        &self.links
    }

    /// All routes, in the set's order.
    pub fn routes(&self) -> &[Route] {
        &self.parts.routes
    }

    /// A link by its id.
    pub fn link(&self, id: &LinkId) -> Option<&Arc<Link>> {
        self.places.get(id).and_then(|place| self.links.get(*place))
    }

    /// The routes of the most specific pattern that a number matches, by priority, then cost, then the set's order.
    pub fn find(&self, number: &str) -> impl Iterator<Item = &Route> {
        self.index.find(number).iter().filter_map(|place| self.parts.routes.get(*place as usize))
    }
}

fn check_route(place: usize, route: &Route, links: &HashMap<LinkId, usize>) -> Result<(), TableFlaw> {
    let bad = |field, reason: String| Err(flaw(Part::Route(place, field), reason));
    if route.links.is_empty() || route.links.len() > MOST_LINKS_OF_A_ROUTE {
        return bad("links", format!("expected 1 to {MOST_LINKS_OF_A_ROUTE} links"));
    }
    let mut seen = HashSet::new();
    for id in &route.links {
        if !links.contains_key(id) {
            return bad("links", format!("`{id}` is no link of this set"));
        }
        if !seen.insert(id) {
            return bad("links", format!("`{id}` is there twice"));
        }
    }
    let (field, text) = match &route.rewrite {
        Rewrite::Edit { prefix, .. } => ("prefix", prefix),
        Rewrite::Replace(number) if number.is_empty() => {
            return bad("number", "expected a number".to_owned());
        }
        Rewrite::Replace(number) => ("number", number),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-*#._".contains(&byte);
    if text.len() > LONGEST_PREFIX || !text.bytes().all(allowed) {
        return bad(
            field,
            format!("expected at most {LONGEST_PREFIX} letters, digits, `+`, `-`, `*` and `#`"),
        );
    }
    Ok(())
}

fn flaw(part: Part, reason: impl Into<String>) -> TableFlaw {
    TableFlaw { part, reason: reason.into() }
}

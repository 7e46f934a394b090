//! The table in force, the site's own links, and how all of them are: what calls ask for their way.

use std::sync::Arc;

use super::emergency::{EmergencyWay, Exits, emergency_ways};
use super::health::LinkState;
use super::link::Link;
use super::links::Links;
use super::name::LinkId;
use super::plan::{LinkPlan, Query, plan};
use super::table::{Limits, Revision, RouteTable};
use crate::engine::numbering::{EmergencyNumbers, OfficeId};
use crate::engine::policy::Permissions;
use crate::time::Now;

/// What calls ask for their way.
#[derive(Debug, Default)]
pub struct Router {
    table: Option<Arc<RouteTable>>,
    own: Vec<Arc<Link>>,
    /// The site's own links and routes; asked when the pushed table has no answer.
    site: Option<Arc<RouteTable>>,
    /// All links: the site's own first, then the table's that have another id.
    all: Vec<Arc<Link>>,
    /// How they are.
    pub links: Links,
}

impl Router {
    /// A table is in force from now on. Calls in progress keep their plan and their links.
    pub fn set_table(&mut self, table: Arc<RouteTable>, now: Now) {
        self.table = Some(table);
        self.refresh(now);
    }

    /// The site's own links and routes are these from now on.
    pub fn set_own(&mut self, own: Vec<Arc<Link>>, site: Option<Arc<RouteTable>>, now: Now) {
        self.own = own;
        self.site = site;
        self.refresh(now);
    }

    /// The table in force.
    pub const fn table(&self) -> Option<&Arc<RouteTable>> {
        self.table.as_ref()
    }

    /// The revision in force; 0 when there is no table.
    pub fn revision(&self) -> Revision {
        self.table.as_ref().map(|table| table.revision()).unwrap_or_default()
    }

    /// Limits of calls over links: the pushed table's, or the site's own while there is none.
    pub fn limits(&self, site: &Limits) -> Limits {
        self.table.as_ref().map_or(*site, |table| *table.limits())
    }

    /// What other offices may do here: as the pushed table says, or the site's own configuration where it says nothing.
    pub fn permissions<'a>(&'a self, site: &'a Permissions) -> &'a Permissions {
        let pushed = self.table.as_ref().map(|table| table.permissions());
        pushed.filter(|pushed| !pushed.is_empty()).unwrap_or(site)
    }

    /// The emergency numbers that ops added.
    pub fn emergency_numbers(&self) -> Option<&EmergencyNumbers> {
        self.table.as_ref().map(|table| &table.emergency().numbers)
    }

    /// Which links carry a number: by the pushed table, else by the site's own; nothing when no route answers it.
    pub fn plan(&self, query: Query<'_>, asterisk_answers: bool) -> Option<LinkPlan> {
        let standing = |link: &Link| self.links.standing(link, asterisk_answers);
        [&self.table, &self.site].into_iter().flatten().find_map(|table| plan(table, query, standing))
    }

    /// Every way out for an emergency call. `asterisk`: whether it answers; nothing when it cannot be asked.
    pub fn emergency_ways(&self, asterisk: Option<bool>, origin: Option<OfficeId>) -> Vec<EmergencyWay> {
        let first: &[LinkId] = self.table.as_ref().map_or(&[], |table| &table.emergency().links);
        let exits = Exits { first, links: &self.all, asterisk, origin };
        let state = |link: &Link| -> LinkState { self.links.standing(link, asterisk == Some(true)).state };
        emergency_ways(exits, state)
    }

    fn refresh(&mut self, now: Now) {
        let pushed = self.table.as_ref().map_or(&[][..], |table| table.links());
        let is_own = |link: &&Arc<Link>| self.own.iter().any(|own| own.id == link.id);
        let others = pushed.iter().filter(|link| !is_own(link));
        self.all = self.own.iter().chain(others).cloned().collect();
        self.links.set(self.all.iter(), now);
    }
}

//! For the engine's scenarios: what is left when nothing should be, and what must hold at every moment.

use super::Engine;
use crate::engine::call::{Leg, Stage, Wire};

impl Engine {
    /// What is left of calls, transactions and registrations under way; empty when all is over.
    pub(in crate::engine) fn residue(&mut self) -> Vec<String> {
        let mut left = self.books.residue();
        let mut note = |what: &str, count: usize| {
            if count > 0 {
                left.push(format!("{count} {what}"));
            }
        };
        let (servers, clients) = self.layer.live();
        let links = &self.router.links;
        note("calls on links", links.overview().map(|link| link.calls as usize).sum());
        note("links that are no more", links.len() - links.overview().count());
        note("registrations with carriers", self.registering.len().saturating_sub(clients));
        note("probes", self.probes.len().saturating_sub(clients));
        note("calls in the table", self.calls.iter().count());
        note("calls counted", self.calls.active());
        note("server transactions", servers);
        note("client transactions", clients);
        note("ports", self.ports().0);
        note("media ends", self.stock.ends.in_use());
        note("waiting registrations", self.waiting.len() + self.waiting_by_ticket.len());
        note("messages", self.messages.len());
        note("mirror transactions", self.mirror_clients.len());
        left
    }

    /// The call whose attempt an INVITE of ours is that has this Call-ID.
    pub(in crate::engine) fn attempt_of(&self, call_id: &str) -> Option<String> {
        let is_it = |leg: &Leg| match &leg.wire {
            Wire::Sip(sip) => match &sip.stage {
                Stage::Outgoing { invite, .. } | Stage::Cancelled { invite, .. } => {
                    invite.call_id().is_some_and(|one| *one == *call_id)
                }
                _ => false,
            },
            Wire::Web(_) => false,
        };
        self.calls.iter().find(|call| call.legs.iter().any(is_it)).map(|call| call.id.to_string())
    }

    /// Panics unless what is counted twice agrees.
    pub(in crate::engine) fn check(&self) {
        let active = self.calls.iter().filter(|call| call.is_active()).count();
        assert_eq!(self.calls.active(), active, "the count of calls is wrong");
    }
}

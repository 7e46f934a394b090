//! Keeping links known: dialled, probed, and forgotten when nobody needs them.

use std::sync::Arc;
use std::time::Duration;

use super::{DIAL_GRACE, Entry, FAST, LATELY, LEAST_REDIAL, Links, SPREAD, Timer, Way};
use crate::engine::flow::{Flow, FlowFailure};
use crate::engine::routing::dial::{CONNECT_BUDGET, Dial, DialFailure, DialTicket};
use crate::engine::routing::health::{Health, LinkFailure, LinkState};
use crate::engine::routing::link::{HealthPolicy, Link, LinkAddress};
use crate::engine::routing::name::LinkId;
use crate::engine::routing::order::{LinkChange, LinkOrder, ProbeToken};
use crate::time::Now;

impl Links {
    pub(super) fn add(&mut self, link: &Arc<Link>, place: u32, now: Now) {
        self.last += 1;
        let entry = Entry {
            link: Arc::clone(link),
            number: self.last,
            health: Health::new(health_policy(link), link.disabled, now),
            way: Way::None,
            probing: None,
            calls: 0,
            retired: false,
            last_dial: None,
            last_failure: DialFailure::TimedOut,
        };
        self.numbers.insert(entry.number, link.id.clone());
        self.entries.insert(link.id.clone(), entry);
        self.first_look(&link.id.clone(), place, now);
    }

    /// A link leads elsewhere now, or is looked after otherwise.
    pub(super) fn renew(&mut self, id: &LinkId, place: u32, now: Now) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.health = Health::new(health_policy(&entry.link), entry.link.disabled, now);
        entry.probing = None;
        let number = entry.number;
        let way = std::mem::replace(&mut entry.way, Way::None);
        for timer in Timer::all(number) {
            self.timers.cancel(&timer);
        }
        self.leave(way);
        self.changed(id);
        self.first_look(id, place, now);
    }

    pub(super) fn first_look(&mut self, id: &LinkId, place: u32, now: Now) {
        let Some(entry) = self.entries.get(id) else { return };
        let is_looked_after = is_probed(&entry.link) || entry.link.registration.is_some();
        if !entry.link.disabled && is_looked_after {
            self.timers.set(Timer::Probe(entry.number), now.instant + SPREAD.saturating_mul(place));
        }
    }

    pub(super) fn probe(&mut self, id: &LinkId, now: Now) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let (number, policy) = (entry.number, entry.link.health);
        if entry.probing.is_none() {
            match &entry.way {
                Way::Open(_) if !is_probed(&entry.link) => {}
                Way::Open(flows) => {
                    let Some(flow) = flows.front().copied() else { return };
                    self.last += 1;
                    let token = ProbeToken(self.last);
                    entry.probing = Some(token);
                    let (link, patience) = (Arc::clone(&entry.link), policy.timeout);
                    self.probes.insert(token, id.clone());
                    self.orders.push_back(LinkOrder::Probe { token, link, flow, patience });
                }
                Way::None => drop(self.dial(id, now)),
                Way::Dialling(_) => {}
            }
        }
        if !policy.probe.is_zero() && !self.timers.is_set(&Timer::Probe(number)) {
            self.pace(id, now);
        }
    }

    /// Sets the time of the next probe.
    pub(super) fn pace(&mut self, id: &LinkId, now: Now) {
        let Some(entry) = self.entries.get(id).filter(|entry| is_probed(&entry.link)) else { return };
        let policy = entry.link.health;
        let is_doubted = entry.health.state() == LinkState::Probing;
        let wait = if is_doubted { policy.probe.min(FAST) } else { policy.probe };
        self.timers.set(Timer::Probe(entry.number), now.instant + wait);
    }

    /// Dials unless that is going on or failed a moment ago. Whether it did.
    pub(super) fn dial(&mut self, id: &LinkId, now: Now) -> bool {
        let Some(entry) = self.entries.get_mut(id).filter(|entry| !entry.retired) else { return false };
        let LinkAddress::Sip(address) = &entry.link.address else { return false };
        let just_dialled = entry.last_dial.is_some_and(|at| now.instant < at + LEAST_REDIAL);
        if !matches!(entry.way, Way::None) || just_dialled {
            return false;
        }
        self.last += 1;
        let ticket = DialTicket(self.last);
        entry.way = Way::Dialling(ticket);
        entry.last_dial = Some(now.instant);
        let dial = Dial {
            ticket,
            link: id.clone(),
            kind: entry.link.kind,
            office: entry.link.office,
            address: Arc::new(address.clone()),
            credentials: entry.link.credentials.clone(),
            token: None,
            budget: CONNECT_BUDGET,
        };
        self.timers.set(Timer::Dial(entry.number), now.instant + CONNECT_BUDGET + DIAL_GRACE);
        self.tickets.insert(ticket, id.clone());
        self.orders.push_back(LinkOrder::Dial(Box::new(dial)));
        true
    }

    pub(super) fn dial_failed(&mut self, id: &LinkId, failure: DialFailure, now: Now) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if let Way::Dialling(ticket) = std::mem::replace(&mut entry.way, Way::None) {
            self.tickets.remove(&ticket);
        }
        entry.last_failure = failure;
        self.timers.cancel(&Timer::Dial(entry.number));
        self.failed(id, LinkFailure::NoWay(failure), now);
    }

    /// A connection that was closed because nothing came for long says nothing about the peer. A link that is not probed
    /// is dialled again when a call wants it.
    pub(super) fn connection_lost(&mut self, id: &LinkId, reason: FlowFailure, now: Now) {
        if reason != FlowFailure::Idle {
            self.failed(id, LinkFailure::ConnectionLost, now);
        }
        let is_kept = |entry: &Entry| is_probed(&entry.link) || entry.link.registration.is_some();
        if self.entries.get(id).is_some_and(is_kept) {
            self.dial(id, now);
        }
    }

    /// What a call sent over a connection may still be on its way, and would ring a phone when another attempt has begun.
    pub(super) fn reset_if_silent(&mut self, id: &LinkId, now: Now) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let Way::Open(flows) = &entry.way else { return };
        let Some((flow, connection)) = flows.front().and_then(|flow| Some((*flow, flow.connection?))) else {
            return;
        };
        if self.heard.get(&connection).is_some_and(|at| now.instant < *at + LATELY) {
            return;
        }
        entry.way = Way::None;
        entry.probing = None;
        self.heard.remove(&connection);
        self.orders.push_back(LinkOrder::Reset(flow));
    }

    /// Over UDP a silent address gives way to the name's next one.
    pub(super) fn next_address(&mut self, id: &LinkId) {
        if let Some(Entry { way: Way::Open(flows), .. }) = self.entries.get_mut(id) {
            flows.rotate_left(1.min(flows.len()));
        }
    }

    pub(super) fn release(&mut self, id: &LinkId, now: Now) {
        if self.entries.get_mut(id).is_some_and(|entry| entry.health.release(now)) {
            self.changed(id);
        }
    }

    pub(super) fn forget_if_unused(&mut self, id: &LinkId) {
        if !self.entries.get(id).is_some_and(|entry| entry.retired && entry.calls == 0) {
            return;
        }
        let Some(entry) = self.entries.remove(id) else { return };
        self.numbers.remove(&entry.number);
        for timer in Timer::all(entry.number) {
            self.timers.cancel(&timer);
        }
        self.leave(entry.way);
    }

    /// A way that is not used any more.
    pub(super) fn leave(&mut self, way: Way) {
        match way {
            Way::None => {}
            Way::Dialling(ticket) => drop(self.tickets.remove(&ticket)),
            Way::Open(flows) => {
                if let Some(flow) = flows.front() {
                    self.close(*flow);
                }
            }
        }
    }

    pub(super) fn close(&mut self, flow: Flow) {
        if let Some(connection) = flow.connection {
            self.heard.remove(&connection);
            self.orders.push_back(LinkOrder::Close(flow));
        }
    }

    pub(super) fn changed(&mut self, id: &LinkId) {
        let Some(entry) = self.entries.get(id) else { return };
        let (state, failure) = (entry.health.state(), entry.health.last_failure());
        self.changes.push_back(LinkChange { link: id.clone(), state, failure });
    }
}

/// Whether two versions of a link lead to the same place and are looked after alike.
pub(super) fn same_peer(a: &Link, b: &Link) -> bool {
    let of = |link: &Link| (link.kind, link.office, link.health, link.disabled);
    of(a) == of(b) && a.address == b.address
}

/// What Asterisk reaches cannot be probed from here.
pub(super) fn is_probed(link: &Link) -> bool {
    matches!(link.address, LinkAddress::Sip(_)) && !link.health.probe.is_zero()
}

fn health_policy(link: &Link) -> HealthPolicy {
    let probe = if is_probed(link) { link.health.probe } else { Duration::ZERO };
    HealthPolicy { probe, ..link.health }
}

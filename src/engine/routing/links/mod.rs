//! The links in force: their connections, their health, the calls on them, and what is asked of the shell and the
//! transaction layer to keep them known.
//!
//! | way to the peer | event | do | next |
//! | --- | --- | --- | --- |
//! | none | its probe is due; a call wants it | [`LinkOrder::Dial`] | dialling |
//! | dialling | the shell has a way | probe at once | open |
//! | dialling | the shell has none, or says nothing | a failure | none |
//! | open | its probe is due | [`LinkOrder::Probe`] | open |
//! | open | the probe is answered below 500 | a success | open |
//! | open | the probe is refused or silent | a failure; on UDP the name's next address | open |
//! | open | a call heard nothing | a failure; on UDP the name's next address |
//! | open | a call heard nothing in its time, nor did anything else come lately | a failure; [`LinkOrder::Reset`] | none |
//! | open | the connection is gone | a failure, unless it was idle; dialled again at once if it is probed | dialling, none |
//!
//! A link in doubt is probed every [`FAST`], any other as its policy says. Links that Asterisk reaches are neither dialled
//! nor probed: they are `Down` while Asterisk is, and calls tell the rest. A link that a new table no longer has goes when its
//! last call has ended. Bounded by the tables' own limits.

mod registering;
mod upkeep;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dial::{DialFailure, DialResult, DialTicket};
use super::health::{Health, LinkFailure, LinkState, LinkSuccess};
use super::link::{Link, LinkAddress};
use super::name::LinkId;
use super::order::{LinkChange, LinkOrder, LinkView, ProbeToken, Reach, RegisterToken};
use super::plan::Standing;
use crate::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use crate::engine::timers::Timers;
use crate::time::Now;
use upkeep::{is_probed, same_peer};

/// Time between probes of a link in doubt.
pub const FAST: Duration = Duration::from_secs(1);
/// Links of a new table are looked at one after another, so that they do not all dial at once.
const SPREAD: Duration = Duration::from_millis(10);
/// A connection on which something came so lately is not silent: its peer is slow, and a CANCEL will reach it.
const LATELY: Duration = Duration::from_millis(500);
/// How much longer than its budget the shell may be silent about a dial.
const DIAL_GRACE: Duration = Duration::from_millis(500);
/// Between two dials of a link whose connection cannot be made.
const LEAST_REDIAL: Duration = Duration::from_millis(500);

#[derive(Debug)]
enum Way {
    None,
    Dialling(DialTicket),
    /// The flows of all addresses; the one in use is the first.
    Open(VecDeque<Flow>),
}

#[derive(Debug)]
struct Entry {
    link: Arc<Link>,
    /// Its name in the timers.
    number: u64,
    health: Health,
    way: Way,
    probing: Option<ProbeToken>,
    calls: u32,
    retired: bool,
    last_dial: Option<Instant>,
    last_failure: DialFailure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Probe(u64),
    Dial(u64),
    Hold(u64),
    Register(u64),
}

impl Timer {
    const fn number(self) -> u64 {
        match self {
            Self::Probe(number) | Self::Dial(number) | Self::Hold(number) | Self::Register(number) => number,
        }
    }

    const fn all(number: u64) -> [Self; 4] {
        [Self::Probe(number), Self::Dial(number), Self::Hold(number), Self::Register(number)]
    }
}

/// All links in force.
#[derive(Debug, Default)]
pub struct Links {
    entries: BTreeMap<LinkId, Entry>,
    numbers: HashMap<u64, LinkId>,
    tickets: HashMap<DialTicket, LinkId>,
    probes: HashMap<ProbeToken, LinkId>,
    registers: HashMap<RegisterToken, LinkId>,
    /// When something came last on each connection that a link uses.
    heard: HashMap<ConnectionId, Instant>,
    timers: Timers<Timer>,
    orders: VecDeque<LinkOrder>,
    changes: VecDeque<LinkChange>,
    last: u64,
}

impl Links {
    /// These links are in force from now on. Those that did not change keep their health, connection and calls.
    pub fn set<'a>(&mut self, links: impl Iterator<Item = &'a Arc<Link>>, now: Now) {
        for entry in self.entries.values_mut() {
            entry.retired = true;
        }
        let mut fresh = 0;
        for link in links {
            let Some(entry) = self.entries.get_mut(&link.id) else {
                self.add(link, fresh, now);
                fresh += 1;
                continue;
            };
            let is_same = same_peer(&entry.link, link);
            entry.link = Arc::clone(link);
            entry.retired = false;
            if !is_same {
                self.renew(&link.id.clone(), fresh, now);
                fresh += 1;
            }
        }
        let gone: Vec<LinkId> =
            self.entries.iter().filter(|(_, entry)| entry.retired).map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.forget_if_unused(&id);
        }
    }

    /// How a link stands. What Asterisk reaches is down while Asterisk is.
    pub fn standing(&self, link: &Link, asterisk_answers: bool) -> Standing {
        let Some(entry) = self.entries.get(&link.id) else {
            return Standing { state: LinkState::Probing, calls: 0 };
        };
        let needs_asterisk = matches!(link.address, LinkAddress::Asterisk { .. });
        let state = match entry.health.state() {
            LinkState::Disabled => LinkState::Disabled,
            _ if needs_asterisk && !asterisk_answers => LinkState::Down,
            state => state,
        };
        Standing { state, calls: entry.calls }
    }

    /// How to reach a link's peer now; dials if there is no way.
    pub fn reach(&mut self, id: &LinkId, now: Now) -> Reach {
        let Some(entry) = self.entries.get(id) else { return Reach::Gone };
        match (&entry.link.address, &entry.way) {
            (LinkAddress::Asterisk { .. }, _) => Reach::Asterisk,
            (_, Way::Open(flows)) => flows.front().map_or(Reach::Gone, |flow| Reach::Flow(*flow)),
            (_, Way::Dialling(_)) => Reach::Wait,
            (_, Way::None) => {
                let failure = entry.last_failure;
                if self.dial(id, now) { Reach::Wait } else { Reach::Failed(failure) }
            }
        }
    }

    /// The shell carried out a dial. The link whose calls may go on, and how.
    pub fn dialled(
        &mut self,
        ticket: DialTicket,
        result: DialResult,
        now: Now,
    ) -> Option<(LinkId, Result<Flow, DialFailure>)> {
        let Some(id) = self.tickets.remove(&ticket) else {
            // Nobody waits for it any more.
            if let DialResult::Open { flow, .. } = result {
                self.close(flow);
            }
            return None;
        };
        match result {
            DialResult::Open { flow, others } => {
                let entry = self.entries.get_mut(&id)?;
                entry.way = Way::Open(std::iter::once(flow).chain(others).collect());
                let number = entry.number;
                self.heard.extend(flow.connection.map(|connection| (connection, now.instant)));
                self.timers.cancel(&Timer::Dial(number));
                self.timers.set(Timer::Probe(number), now.instant);
                self.register_soon(&id, now);
                Some((id, Ok(flow)))
            }
            DialResult::Failed(failure) => {
                self.dial_failed(&id, failure, now);
                Some((id, Err(failure)))
            }
        }
    }

    /// A connection is gone, or nobody is behind a UDP address.
    pub fn flow_lost(&mut self, flow: Flow, reason: FlowFailure, now: Now) {
        let lost = |entry: &Entry| matches!(&entry.way, Way::Open(flows) if flows.front() == Some(&flow));
        let Some(id) = self.entries.iter().find(|(_, entry)| lost(entry)).map(|(id, _)| id.clone()) else {
            return;
        };
        if let Some(connection) = flow.connection {
            self.heard.remove(&connection);
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.way = Way::None;
                entry.probing = None;
            }
            self.connection_lost(&id, reason, now);
        } else {
            self.failed(&id, LinkFailure::NoWay(DialFailure::Refused), now);
            self.next_address(&id);
        }
    }

    /// A probe was answered with this status; `None`: it was not.
    pub fn probed(&mut self, token: ProbeToken, status: Option<u16>, now: Now) {
        let Some(id) = self.probes.remove(&token) else { return };
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.probing == Some(token)) else {
            return;
        };
        entry.probing = None;
        match status {
            Some(status) if status < 500 => self.succeeded(&id, LinkSuccess::Probe, now),
            Some(_) => self.failed(&id, LinkFailure::ProbeRefused, now),
            None => {
                self.failed(&id, LinkFailure::ProbeSilent, now);
                self.next_address(&id);
            }
        }
    }

    /// A real call found out that the link works.
    pub fn succeeded(&mut self, id: &LinkId, what: LinkSuccess, now: Now) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if entry.health.success(now, what) {
            self.changed(id);
        }
        self.pace(id, now);
    }

    /// Something failed on a link. It is probed soon.
    pub fn failed(&mut self, id: &LinkId, what: LinkFailure, now: Now) {
        if what == LinkFailure::CallSilent {
            self.next_address(id);
        }
        let Some(entry) = self.entries.get_mut(id) else { return };
        if entry.health.failure(now, what) {
            self.changed(id);
        }
        if what == LinkFailure::CallSilent {
            self.reset_if_silent(id, now);
        }
        let Some(entry) = self.entries.get(id) else { return };
        if let Some(until) = entry.health.held_until().filter(|_| !is_probed(&entry.link)) {
            self.timers.set(Timer::Hold(entry.number), until);
        }
        if matches!(what, LinkFailure::CallSilent | LinkFailure::CallStuck) && is_probed(&entry.link) {
            self.timers.set(Timer::Probe(entry.number), now.instant);
        } else {
            self.pace(id, now);
        }
    }

    /// How many addresses a link's peer has, as far as is known: more than one over UDP only.
    pub fn addresses(&self, id: &LinkId) -> usize {
        match self.entries.get(id).map(|entry| &entry.way) {
            Some(Way::Open(flows)) => flows.len(),
            _ => 1,
        }
    }

    /// Whether a link has as many calls as it may.
    pub fn is_full(&self, link: &Link) -> bool {
        let calls = self.entries.get(&link.id).map_or(0, |entry| entry.calls);
        link.max_calls.is_some_and(|most| calls >= most)
    }

    /// One more call on a link.
    pub fn take(&mut self, id: &LinkId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.calls = entry.calls.saturating_add(1);
        }
    }

    /// One call less on a link.
    pub fn give(&mut self, id: &LinkId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.calls = entry.calls.saturating_sub(1);
            self.forget_if_unused(id);
        }
    }

    /// Something came on a flow.
    pub fn heard(&mut self, flow: Flow, now: Now) {
        if let Some(at) = flow.connection.and_then(|connection| self.heard.get_mut(&connection)) {
            *at = now.instant;
        }
    }

    /// Another open connection with the office at the other end of one that is gone; a link that is up before others.
    pub fn other_way(&self, gone: Flow) -> Option<Flow> {
        let open = |entry: &Entry| match &entry.way {
            Way::Open(flows) => flows.front().copied().map(|flow| (entry.health.state(), flow)),
            Way::None | Way::Dialling(_) => None,
        };
        let is_like = |(_, flow): &(LinkState, Flow)| {
            matches!(gone.side, Side::Office(_)) && flow.side == gone.side && *flow != gone
        };
        self.entries
            .values()
            .filter_map(open)
            .filter(is_like)
            .min_by_key(|(state, _)| *state)
            .map(|(_, flow)| flow)
    }

    /// The link that uses a flow, if any: requests that come on it are its peer's.
    pub fn on_flow(&self, flow: Flow) -> Option<&Arc<Link>> {
        let uses = |entry: &&Entry| matches!(&entry.way, Way::Open(flows) if flows.contains(&flow));
        self.entries.values().find(uses).map(|entry| &entry.link)
    }

    /// All links as ops see them, by id.
    pub fn overview(&self) -> impl Iterator<Item = LinkView> {
        self.entries.values().filter(|entry| !entry.retired).map(|entry| LinkView {
            link: Arc::clone(&entry.link),
            state: entry.health.state(),
            since: entry.health.since(),
            failure: entry.health.last_failure(),
            calls: entry.calls,
        })
    }

    /// Links in force, and those that go with their last call.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The next thing to do.
    pub fn poll_order(&mut self) -> Option<LinkOrder> {
        self.orders.pop_front()
    }

    /// The next change of a state.
    pub fn poll_change(&mut self) -> Option<LinkChange> {
        self.changes.pop_front()
    }

    /// Lets every deadline pass that is not after `now`. The links whose dials were not answered in time.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<(LinkId, DialFailure)> {
        let mut unanswered = Vec::new();
        while let Some(timer) = self.timers.pop(now.instant) {
            let number = timer.number();
            let Some(id) = self.numbers.get(&number).cloned() else { continue };
            match timer {
                Timer::Probe(_) => self.probe(&id, now),
                Timer::Hold(_) => self.release(&id, now),
                Timer::Register(_) => self.register(&id),
                Timer::Dial(_) => {
                    self.dial_failed(&id, DialFailure::TimedOut, now);
                    unanswered.push((id, DialFailure::TimedOut));
                }
            }
        }
        unanswered
    }

    /// When to call [`Links::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.timers.next_deadline()
    }
}

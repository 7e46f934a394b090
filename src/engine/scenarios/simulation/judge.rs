//! The reference model: what must hold whatever happens.
//!
//! | rule | seen by |
//! | --- | --- |
//! | no link that is known to be dead, or has been dead for long, is tried before one of the same route that is up | the call's record, against the links as they were when it began |
//! | no call rings over two links at once, and none is tried elsewhere once it is answered | what the engine sends and hears |
//! | a call for help gets out if a carrier could be reached all the while | the caller |
//! | a call keeps its plan: it uses only links, and is of the revision, that were in force when it began | the call's record |
//! | every call has one record; no acknowledged one is lost but for lack of room; each is accounted once | flash, and the books of ops |
//! | the least valuable goes first; what is lost is counted, and the counts arrive | `shelf`, a plain model of the outbox |
//! | caches agree after healing, tables are empty and engines quiet at the end | `ending` |

use std::collections::{BTreeMap, BTreeSet};

use super::shelf::Shelf;
use crate::engine::call::CallRecord;
use crate::engine::routing::LinkState;
use crate::sip::{Message, Method};
use crate::uplink::{Offer, Worth};

/// The links of an office when a call began.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// As the engine sees them.
    pub(super) states: BTreeMap<String, LinkState>,
    /// Those that have not worked for longer than finding out takes.
    pub(super) dead: BTreeSet<String>,
    /// The revision of the table, if there is one.
    pub(super) revision: Option<u64>,
}

/// An attempt of a call over a link.
#[derive(Debug)]
struct Leg {
    call: String,
    connection: Option<u64>,
    rang: bool,
    answered: bool,
}

/// What is known, and what was wrong.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// What did not hold.
    pub(super) violations: Vec<String>,
    /// What happened, for the test that all of it does.
    pub(super) figures: BTreeMap<&'static str, u64>,
    begun: BTreeMap<(usize, String), Snapshot>,
    recorded: BTreeSet<(usize, String)>,
    acknowledged: BTreeSet<(usize, String)>,
    legs: BTreeMap<(usize, String), Leg>,
    /// What waits for the uplink, by office.
    pub(super) shelves: BTreeMap<usize, Shelf>,
}

impl Judge {
    /// Something must hold.
    pub(super) fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }

    /// Something happened.
    pub(super) fn count(&mut self, what: &'static str) {
        *self.figures.entry(what).or_default() += 1;
    }

    /// A call began.
    pub(super) fn began(&mut self, office: usize, call: &str, snapshot: Snapshot) {
        let is_new = self.begun.insert((office, call.to_owned()), snapshot).is_none();
        self.require(is_new, || format!("call {call} of office {office} began twice"));
        self.count("calls");
    }

    /// An engine wrote a record.
    pub(super) fn recorded(&mut self, office: usize, record: &CallRecord) {
        let id = (office, record.id.clone());
        let wrongs = |snapshot| [wrong_order(snapshot, record), other_plan(snapshot, record)].concat();
        let snapshot = self.begun.get(&id).map(wrongs);
        match snapshot {
            None => self.require(false, || format!("a record of no call: {record:?}")),
            Some(wrong) => {
                for one in wrong {
                    self.require(false, || format!("office {office}: {one}: {:?}", record.attempts));
                }
            }
        }
        let is_first = self.recorded.insert(id);
        self.require(is_first, || format!("office {office} wrote {} twice", record.id));
        if record.attempts.iter().filter(|one| one.outcome != "skipped").count() > 1 {
            self.count("calls with failover");
        }
        if record.answered.is_some() {
            self.count("answered");
        }
    }

    /// An office has room for so many events.
    pub(super) fn shelf(&mut self, office: usize, most: usize) {
        self.shelves.insert(office, Shelf::new(most));
    }

    /// What the model of an office's outbox finds wrong.
    pub(super) fn on_shelf(&mut self, office: usize, act: impl FnOnce(&mut Shelf) -> Option<String>) {
        let wrong = self.shelves.get_mut(&office).and_then(act);
        self.violations.extend(wrong.map(|wrong| format!("the outbox of office {office}: {wrong}")));
    }

    /// An event is on flash, or was lost for lack of room.
    pub(super) fn offered(&mut self, office: usize, worth: Worth, name: &str, offer: &Offer) {
        match offer {
            Offer::Kept { displaced, .. } if !displaced.is_empty() => self.count("events displaced"),
            Offer::Kept { .. } => {}
            Offer::Lost { .. } => self.count("events without room"),
        }
        self.acknowledged.insert((office, name.to_owned()));
        self.on_shelf(office, |shelf| shelf.offered(worth, name, offer));
    }

    /// Counts of losses that arrived and those that happened differ.
    pub(super) fn miscounted(&self) -> Vec<String> {
        let differ = |shelf: &Shelf| shelf.heard_of != shelf.lost && !shelf.lost_a_report;
        let wrong = self.shelves.iter().filter(|(_, shelf)| differ(shelf));
        wrong
            .map(|(office, shelf)| {
                format!("office {office} lost {:?}, and ops heard of {:?}", shelf.lost, shelf.heard_of)
            })
            .collect()
    }

    /// An office fell: of what it had not written nobody knows.
    pub(super) fn fell(&mut self, office: usize) {
        let recorded = &self.recorded;
        self.begun.retain(|id, _| id.0 != office || recorded.contains(id));
        self.legs.retain(|id, _| id.0 != office);
    }

    /// Calls that are over and have no record.
    pub(super) fn unwritten(&self) -> Vec<String> {
        let unwritten = self.begun.keys().filter(|id| !self.recorded.contains(id));
        unwritten.map(|(office, call)| format!("call {call} of office {office} has no record")).collect()
    }

    /// Events that were on flash, and that ops do not know; but for those without room.
    pub(super) fn lost(&self, knows: impl Fn(usize, &str) -> bool) -> Vec<String> {
        let had_no_room =
            |office: &usize, name| self.shelves.get(office).is_some_and(|shelf| shelf.gone.contains(name));
        let lost = self
            .acknowledged
            .iter()
            .filter(|(office, name)| !knows(*office, name) && !had_no_room(office, name));
        lost.map(|(office, name)| format!("{name} of office {office} is lost")).collect()
    }

    /// An engine says something over a link; an INVITE belongs to one of its calls.
    pub(super) fn said(&mut self, office: usize, call: &str, connection: Option<u64>, message: &Message) {
        let Message::Request(request) = message else { return };
        let Some(call_id) = request.call_id().map(ToString::to_string) else { return };
        let id = (office, call_id);
        match request.method {
            Method::Cancel | Method::Bye => drop(self.legs.remove(&id)),
            Method::Invite if request.to_tag().is_none() && !self.legs.contains_key(&id) => {
                let others = self.legs.iter().filter(|(key, leg)| key.0 == office && leg.call == call);
                let bad: Vec<_> = others
                    .filter(|(_, leg)| leg.rang || leg.answered)
                    .map(|(key, _)| key.1.clone())
                    .collect();
                let target = request.uri.to_string();
                self.require(bad.is_empty(), || {
                    format!(
                        "call {call} of office {office} tries {target} while {bad:?} rings or is answered"
                    )
                });
                let call = call.to_owned();
                self.legs.insert(id, Leg { call, connection, rang: false, answered: false });
            }
            _ => {}
        }
    }

    /// An engine hears something over a link.
    pub(super) fn heard(&mut self, office: usize, message: &Message) {
        let Some(call_id) = message.headers().call_id().map(ToString::to_string) else { return };
        let id = (office, call_id);
        match message {
            Message::Request(request) if request.method == Method::Bye => drop(self.legs.remove(&id)),
            Message::Response(response)
                if response.cseq().is_some_and(|cseq| cseq.method == Method::Invite) =>
            {
                let Some(leg) = self.legs.get_mut(&id) else { return };
                match response.status.code() {
                    101..=199 => leg.rang = true,
                    200..=299 => leg.answered = true,
                    300.. => drop(self.legs.remove(&id)),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// A connection of an engine broke.
    pub(super) fn broke(&mut self, office: usize, connection: u64) {
        self.legs.retain(|id, leg| id.0 != office || leg.connection != Some(connection));
    }
}

/// Links of the same route share what stands before the dash.
fn route(link: &str) -> &str {
    link.split('-').next().unwrap_or_default()
}

fn other_plan(snapshot: &Snapshot, record: &CallRecord) -> Vec<String> {
    let links = record.attempts.iter().filter_map(|one| one.link.as_deref());
    let unknown = links.filter(|link| !snapshot.states.contains_key(*link));
    let mut wrong: Vec<_> = unknown
        .map(|link| format!("{link} was tried or skipped, which was not there when the call began"))
        .collect();
    if record.route_revision != snapshot.revision {
        let (of, began) = (record.route_revision, snapshot.revision);
        wrong.push(format!("the record is of revision {of:?}, the call began under {began:?}"));
    }
    wrong
}

fn wrong_order(snapshot: &Snapshot, record: &CallRecord) -> Vec<String> {
    let mut wrong = Vec::new();
    let attempts: Vec<_> = record
        .attempts
        .iter()
        .filter_map(|one| Some((one.link.as_deref()?, one.outcome, &one.reason)))
        .collect();
    // A call for help that another office passed on does not go back there, and the record does not say so of its links.
    let is_passed_on = record.emergency && record.legs.first().is_some_and(|leg| leg.by == "office");
    for (place, (link, outcome, _)) in attempts.iter().enumerate() {
        let is_down = snapshot.states.get(*link) == Some(&LinkState::Down);
        if *outcome == "skipped" || !(is_down || snapshot.dead.contains(*link)) {
            continue;
        }
        for (other, state) in &snapshot.states {
            let is_better = *state == LinkState::Up || (is_down && *state == LinkState::Probing);
            let before = attempts.get(..place).unwrap_or_default();
            let had_its_turn = before.iter().any(|(link, ..)| link == other)
                || attempts
                    .iter()
                    .any(|(link, outcome, why)| link == other && *outcome == "skipped" && *why != "down");
            let is_of_route = if is_passed_on {
                matches!(route(other), "own" | "out")
            } else {
                record.emergency || route(other) == route(link)
            };
            if other != link && is_of_route && is_better && !had_its_turn {
                wrong.push(format!("{link} (down: {is_down}) was tried before {other}, which was {state:?}"));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::AttemptRecord;
    use crate::engine::testing::message;
    use crate::uplink::Sequence;

    fn invite(call: &str) -> Message {
        message(&format!(
            "INVITE sip:PAR-1001@par SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n\
             From: <sip:BRU-1001@branchline>;tag=a\r\nTo: <sip:PAR-1001@par>\r\nCall-ID: {call}\r\n\
             CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        ))
    }

    fn answer(call: &str, status: u16) -> Message {
        message(&format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK{call}\r\nFrom: <sip:a@b>;tag=a\r\n\
             To: <sip:PAR-1001@par>;tag=b\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        ))
    }

    #[test]
    fn a_call_that_rings_twice_is_seen() {
        for (status, is_wrong) in [(100, false), (180, true), (200, true), (503, false)] {
            let mut judge = Judge::default();
            judge.said(0, "a", Some(1), &invite("one"));
            judge.heard(0, &answer("one", status));
            judge.said(0, "b", Some(2), &invite("other"));
            assert!(judge.violations.is_empty(), "another call is none of its business");
            judge.said(0, "a", Some(2), &invite("two"));
            assert_eq!(!judge.violations.is_empty(), is_wrong, "{status}");
        }
    }

    fn record(links: [(&str, &'static str, &str); 2]) -> CallRecord {
        CallRecord {
            v: 1,
            id: "c".to_owned(),
            office: "BRU".to_owned(),
            from: String::new(),
            to: String::new(),
            started: 0,
            answered: None,
            ended: 0,
            cause: "no-route",
            rule: None,
            emergency: false,
            route_revision: None,
            attempts: links
                .map(|(link, outcome, reason)| AttemptRecord {
                    by: "link",
                    link: Some(link.to_owned()),
                    kind: None,
                    started: None,
                    took: None,
                    rang: false,
                    outcome,
                    reason: reason.to_owned(),
                })
                .to_vec(),
            legs: Vec::new(),
        }
    }

    #[test]
    fn a_link_that_is_down_before_one_that_is_up_is_seen() {
        let states = [("par-0", LinkState::Down), ("par-1", LinkState::Up)];
        let states = states.map(|(link, state)| (link.to_owned(), state)).into();
        let snapshot = Snapshot { states, ..Snapshot::default() };
        let wrong = |links| !wrong_order(&snapshot, &record(links)).is_empty();
        assert!(wrong([("par-0", "failed", "refused"), ("par-1", "answered", "")]));
        assert!(wrong([("par-0", "answered", ""), ("par-1", "skipped", "down")]));
        assert!(!wrong([("par-1", "failed", "refused"), ("par-0", "answered", "")]));
        assert!(!wrong([("par-0", "answered", ""), ("par-1", "skipped", "full")]));
    }

    #[test]
    fn a_plan_that_changed_is_seen() {
        let record =
            |revision| CallRecord { route_revision: revision, ..record([("par-0", "answered", ""); 2]) };
        let states = [("par-0".to_owned(), LinkState::Up)].into();
        let snapshot = Snapshot { states, revision: Some(7), ..Snapshot::default() };
        assert!(other_plan(&snapshot, &record(Some(7))).is_empty());
        assert_eq!(other_plan(&snapshot, &record(Some(8))).len(), 1);
        assert_eq!(other_plan(&Snapshot::default(), &record(None)).len(), 2);
    }

    #[test]
    fn a_record_that_never_came_and_one_that_was_lost_are_seen() {
        let mut judge = Judge::default();
        judge.began(0, "c", Snapshot::default());
        judge.shelf(0, 10);
        judge.offered(0, Worth::CallRecord, "d", &Offer::Kept { sequence: Sequence(1), displaced: vec![] });
        assert_eq!(judge.unwritten().len(), 1);
        assert_eq!(judge.lost(|_, _| false).len(), 1);
        assert!(judge.lost(|_, call| call == "d").is_empty());
        judge.fell(0);
        assert!(judge.unwritten().is_empty(), "what a box had not written when it fell may be lost");
    }
}

//! The reference model: what must hold whatever happens.
//!
//! | rule | seen by |
//! | --- | --- |
//! | no link that is known to be dead, or has been dead for long, is tried before one of the same route that is up | the call's record, against the links as they were when it began |
//! | no call rings over two links at once, and none is tried elsewhere once it is answered | what the engine sends and hears |
//! | a call for help gets out if a carrier could be reached all the while | the caller |
//! | every call has one record; no acknowledged one is lost; each is accounted once | flash, and the books of ops |
//! | caches agree after healing, tables are empty and engines quiet at the end | `ending` |

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::call::CallRecord;
use crate::engine::routing::LinkState;
use crate::sip::{HeaderName, Message, Method, Request};

/// The links of an office when a call began.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// As the engine sees them.
    pub(super) states: BTreeMap<String, LinkState>,
    /// Those that have not worked for longer than finding out takes.
    pub(super) dead: BTreeSet<String>,
}

/// A call of an engine over a link.
#[derive(Debug)]
struct Leg {
    caller: String,
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
        let snapshot = self.begun.get(&id).map(|snapshot| wrong_order(snapshot, record));
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

    /// A record is on flash, and the engine knows it.
    pub(super) fn acknowledged(&mut self, office: usize, call: &str) {
        self.acknowledged.insert((office, call.to_owned()));
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

    /// Records that were acknowledged, and that ops do not know.
    pub(super) fn lost(&self, knows: impl Fn(usize, &str) -> bool) -> Vec<String> {
        let lost = self.acknowledged.iter().filter(|(office, call)| !knows(*office, call));
        lost.map(|(office, call)| format!("call {call} of office {office} is lost")).collect()
    }

    /// An engine says something over a link.
    pub(super) fn said(&mut self, office: usize, name: &str, connection: Option<u64>, message: &Message) {
        let Message::Request(request) = message else { return };
        let Some(call_id) = request.call_id().map(ToString::to_string) else { return };
        let id = (office, call_id);
        match request.method {
            Method::Cancel | Method::Bye => drop(self.legs.remove(&id)),
            Method::Invite if request.to_tag().is_none() && !self.legs.contains_key(&id) => {
                let caller = caller(name, request);
                let others = self.legs.iter().filter(|(key, leg)| key.0 == office && leg.caller == caller);
                let bad: Vec<_> = others
                    .filter(|(_, leg)| leg.rang || leg.answered)
                    .map(|(key, _)| key.1.clone())
                    .collect();
                let target = request.uri.to_string();
                self.require(bad.is_empty(), || {
                    format!("{name} calls {target} for {caller} while {bad:?} rings or is answered")
                });
                self.legs.insert(id, Leg { caller, connection, rang: false, answered: false });
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

/// Who calls, told apart from other users of an office whatever a link is told.
fn caller(office: &str, request: &Request) -> String {
    let from =
        request.from().and_then(|from| from.uri.user().map(|user| user.to_string())).unwrap_or_default();
    from.strip_prefix(&format!("{office}-")).unwrap_or(&from).to_owned()
        + &request
            .headers
            .get(&HeaderName::from_static("Priority"))
            .map(ToString::to_string)
            .unwrap_or_default()
}

/// Links of the same route share what stands before the dash.
fn route(link: &str) -> &str {
    link.split('-').next().unwrap_or_default()
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

    fn invite(call: &str, from: &str) -> Message {
        message(&format!(
            "INVITE sip:PAR-1001@par SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n\
             From: <sip:{from}@branchline>;tag=a\r\nTo: <sip:PAR-1001@par>\r\nCall-ID: {call}\r\n\
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
            judge.said(0, "BRU", Some(1), &invite("one", "BRU-1001"));
            judge.heard(0, &answer("one", status));
            judge.said(0, "BRU", Some(2), &invite("other", "BRU-1002"));
            judge.said(0, "BRU", Some(2), &invite("two", "1001"));
            assert_eq!(!judge.violations.is_empty(), is_wrong, "{status}");
        }
    }

    #[test]
    fn a_link_that_is_down_before_one_that_is_up_is_seen() {
        let record = |links: [(&str, &'static str, &str); 2]| CallRecord {
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
        };
        let states = [("par-0", LinkState::Down), ("par-1", LinkState::Up)];
        let states = states.map(|(link, state)| (link.to_owned(), state)).into();
        let snapshot = Snapshot { states, dead: BTreeSet::new() };
        let wrong = |links| !wrong_order(&snapshot, &record(links)).is_empty();
        assert!(wrong([("par-0", "failed", "refused"), ("par-1", "answered", "")]));
        assert!(wrong([("par-0", "answered", ""), ("par-1", "skipped", "down")]));
        assert!(!wrong([("par-1", "failed", "refused"), ("par-0", "answered", "")]));
        assert!(!wrong([("par-0", "answered", ""), ("par-1", "skipped", "full")]));
    }

    #[test]
    fn a_record_that_never_came_and_one_that_was_lost_are_seen() {
        let mut judge = Judge::default();
        judge.began(0, "c", Snapshot::default());
        judge.acknowledged(0, "d");
        assert_eq!(judge.unwritten().len(), 1);
        assert_eq!(judge.lost(|_, _| false).len(), 1);
        assert!(judge.lost(|_, call| call == "d").is_empty());
        judge.fell(0);
        assert!(judge.unwritten().is_empty(), "what a box had not written when it fell may be lost");
    }
}

//! The documents that we publish, made of what the shell knows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ground::Ground;
use super::outbox::{Accounts, Outgoing};
use crate::config::OfficeId;
use crate::observe::ConditionReport;
use crate::shell::clock;
use crate::shell::engine_task::Overview;
use crate::time::WallTime;
use crate::uplink::probation::Vitals;
use crate::uplink::{
    ConditionEntry, Document, Event, EventKind, HealthReport, Moment, Presence, Sequence, Status, Unknown,
    V1, Worth,
};

/// The status while a session is up.
pub(super) fn online(ground: &Ground) -> Vec<u8> {
    status(ground, Presence::Online, Unknown::new())
}

/// The status afterwards: `lost` in the last will, `stopped` in the farewell.
pub(super) fn offline(ground: &Ground, why: &str) -> Vec<u8> {
    status(ground, Presence::Offline, Unknown::from_iter([("reason".to_owned(), why.into())]))
}

fn status(ground: &Ground, state: Presence, unknown: Unknown) -> Vec<u8> {
    let status = Status {
        v: V1,
        office: ground.office,
        state,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot: ground.boot.clone(),
        at: now(),
        unknown,
    };
    status.write()
}

/// The health document, of which [`is_news`] tells whether it must go out at once.
pub(super) fn health(ground: &Ground, overview: &Overview) -> HealthReport {
    let broker = ground.broker_in_use().map(|broker| ("broker".to_owned(), broker.into()));
    HealthReport {
        v: V1,
        office: ground.office,
        boot: ground.boot.clone(),
        at: now(),
        conditions: ground.health.snapshot().into_iter().map(condition).collect(),
        counts: counts(overview, &ground.links.vitals(), &ground.outbox.accounts()),
        links: ground.links.named(),
        unknown: broker.into_iter().collect(),
    }
}

/// Whether `new` says something that should not wait: a condition that came or went, a link that changed.
pub(super) fn is_news(new: &HealthReport, old: &HealthReport) -> bool {
    let raised = |report: &HealthReport| {
        report.conditions.iter().map(|one| (one.name.clone(), one.raised, one.count)).collect::<Vec<_>>()
    };
    raised(new) != raised(old) || new.links != old.links || new.unknown != old.unknown
}

fn condition(report: ConditionReport) -> ConditionEntry {
    ConditionEntry {
        name: report.name.to_owned(),
        raised: report.raised,
        since: WallTime(report.since_ms).into(),
        count: report.count,
        last_error: report.last_error,
        unknown: Unknown::new(),
    }
}

fn counts(overview: &Overview, links: &Vitals, accounts: &Accounts) -> BTreeMap<String, u64> {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let mut counts: BTreeMap<String, u64> = [
        ("calls", number(overview.calls)),
        ("registrations", number(overview.registrations)),
        ("connections", number(overview.connections)),
        ("links", links.links),
        ("links-up", links.links_up),
        ("calls-over-links", links.calls),
        ("calls-over-links-failed", links.calls_failed),
        ("events-put", accounts.put),
        ("events-sent", accounts.sent),
        ("events-acknowledged", accounts.acknowledged),
        ("events-waiting", accounts.waiting),
        ("events-waiting-bytes", accounts.bytes),
    ]
    .into_iter()
    .map(|(name, count)| (name.to_owned(), count))
    .collect();
    for worth in Worth::ALL {
        counts.insert(format!("events-lost-{}", worth.as_str()), accounts.lost[worth as usize]);
    }
    counts
}

/// An event as it is put into the outbox, which numbers it.
pub(super) fn new_event(office: OfficeId, boot: &str, kind: EventKind, body: Value) -> String {
    let event = Event {
        v: V1,
        office,
        boot: boot.to_owned(),
        seq: Sequence(0),
        at: now(),
        kind,
        historical: false,
        body,
        unknown: Unknown::new(),
    };
    String::from_utf8(event.write()).unwrap_or_default()
}

/// An event as it is published: with its number, its stream, and whether it is history. `None` if it cannot be read.
pub(super) fn event(ground: &Ground, outgoing: &Outgoing) -> Option<Vec<u8>> {
    let mut event = Event::read(outgoing.document.as_bytes()).ok()?;
    event.seq = outgoing.sequence;
    event.historical = outgoing.historical;
    event.unknown.insert("stream".to_owned(), ground.outbox.accounts().stream.into());
    Some(event.write())
}

pub(super) fn now() -> Moment {
    clock::wall().into()
}

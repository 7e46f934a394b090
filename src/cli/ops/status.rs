//! `branchline ops status`: a table of all offices.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::arguments::Status;
use super::fleet::{Fleet, OfficeView};
use super::session::Session;
use crate::cli::{Failure, table};
use crate::time::WallTime;
use crate::uplink::route_set::RouteSet;
use crate::uplink::{Moment, OfficeId, Outcome, Presence, Reported, Whose};

/// Changes that come together are shown together.
const GATHER: Duration = Duration::from_millis(200);
/// Clears a terminal and goes to its top left corner (ECMA-48).
const CLEAR: &str = "\x1b[2J\x1b[H";
/// Characters of a digest in the table.
const SHORT_DIGEST: std::ops::Range<usize> = 7..19;

pub(super) fn status(wish: &Status, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let mut session = Session::open(&wish.broker, &Fleet::filters(Whose::All))?;
    let mut fleet = Fleet::default();
    session.retained(|message| _ = fleet.take(&message))?;
    if !wish.follow {
        return if json { table::print_json(out, &to_json(&fleet)) } else { print(&fleet, out) };
    }
    let clear = if std::io::stdout().is_terminal() { CLEAR } else { "" };
    loop {
        if json {
            writeln!(out, "{}", to_json(&fleet))?;
        } else {
            write!(out, "{clear}")?;
            print(&fleet, out)?;
        }
        out.flush()?;
        let Some(first) = session.next(None)? else { continue };
        fleet.take(&first);
        let until = Instant::now() + GATHER;
        while let Some(message) = session.next(Some(until))? {
            fleet.take(&message);
        }
    }
}

fn print(fleet: &Fleet, out: &mut dyn Write) -> Result<(), Failure> {
    let now = table::now();
    let rows: Vec<_> = fleet.iter().map(|(office, view)| row(*office, view, now)).collect();
    let head = ["OFFICE", "BOX", "REVISION", "DIGEST", "ROUTES", "HEALTH", "LAST CONTACT", "VERSION"];
    table::print_table(out, head, &rows)
}

/// An office in a row.
pub(super) fn row(office: OfficeId, view: &OfficeView, now: WallTime) -> [String; 8] {
    let unknown = || "-".to_owned();
    let presence = view.status.as_ref().map_or("unknown", |status| status.state.as_str());
    let revision = view.reported.as_ref().and_then(Reported::revision);
    let digest = view.in_force().map(|digest| digest.to_string());
    let health = match view.raised().as_slice() {
        _ if !view.unreadable.is_empty() => unreadable(view).join("; "),
        [] if view.health.is_none() => unknown(),
        [] => "ok".to_owned(),
        raised => raised.join(" "),
    };
    let contact = view.last_contact();
    [
        office.to_string(),
        presence.to_owned(),
        revision.map_or_else(unknown, |revision| revision.to_string()),
        digest.and_then(|text| text.get(SHORT_DIGEST).map(str::to_owned)).unwrap_or_else(unknown),
        routes(view),
        health,
        contact.map_or_else(unknown, |at| format!("{} ago", table::span(now.since(at)))),
        view.status.as_ref().map_or_else(unknown, |status| status.version.clone()),
    ]
}

/// Which documents of an office could not be read, and why.
fn unreadable(view: &OfficeView) -> Vec<String> {
    view.unreadable.iter().map(|(topic, why)| format!("{topic}: {why}")).collect()
}

/// How the office's route set is.
fn routes(view: &OfficeView) -> String {
    let Some(reported) = &view.reported else { return "-".to_owned() };
    let wanted = view.desired.as_ref().map(RouteSet::revision);
    let because = reported.because.as_ref().map_or("unknown", |because| because.reason.as_str());
    match (reported.outcome, wanted) {
        (Outcome::Refused | Outcome::RolledBack, _) => {
            let asked = reported.asked.as_ref().and_then(|asked| asked.revision);
            let asked = asked.map_or_else(|| "a set".to_owned(), |revision| revision.to_string());
            format!("{asked} {}: {because}", reported.outcome.as_str())
        }
        (_, Some(wanted)) if reported.revision() != Some(wanted) => format!("{wanted} is on its way"),
        (Outcome::None, _) => "none".to_owned(),
        (Outcome::Applied, _) if reported.probation_until.is_some() => "on probation".to_owned(),
        (Outcome::Applied, _) => "applied".to_owned(),
    }
}

pub(super) fn to_json(fleet: &Fleet) -> Value {
    fleet.iter().map(|(office, view)| office_json(*office, view)).collect()
}

fn office_json(office: OfficeId, view: &OfficeView) -> Value {
    let status = view.status.as_ref();
    let reported = view.reported.as_ref();
    let health = view.health.as_ref();
    json!({
        "office": office.as_str(),
        "state": status.map_or("unknown", |status| status.state.as_str()),
        "online": status.is_some_and(|status| status.state == Presence::Online),
        "version": status.map(|status| &status.version),
        "boot": status.map(|status| &status.boot),
        "in-force": reported.map(|reported| &reported.in_force),
        "outcome": reported.map(|reported| reported.outcome.as_str()),
        "asked": reported.map(|reported| &reported.asked),
        "because": reported.map(|reported| &reported.because),
        "probation-until": reported.map(|reported| reported.probation_until),
        "desired": view.desired.as_ref().map(|set| json!({ "revision": set.revision(), "digest": set.digest().ok() })),
        "routes": routes(view),
        "conditions": view.raised(),
        "counts": health.map(|health| &health.counts),
        "links": health.map(|health| &health.links),
        "last-contact": view.last_contact().map(Moment),
        "unreadable": unreadable(view),
    })
}

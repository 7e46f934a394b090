//! `branchline ops diff`: what a file would change at its office.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::arguments::Diff;
use super::fleet::{Fleet, OfficeView};
use super::session::Session;
use super::sets;
use crate::cli::{Failure, table};
use crate::uplink::Whose;
use crate::uplink::route_set::RouteSet;

/// A part that differs.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Change {
    /// Its path; links by id, routes by pattern.
    pub(super) part: String,
    /// What it is; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Value>,
    /// What it would be; absent if it would go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Value>,
}

pub(super) fn diff(wish: &Diff, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let office = super::office(&wish.office)?;
    let file = sets::read(&wish.file)?;
    if file.office() != office {
        let name = wish.file.display();
        return Err(Failure::BadInput(format!("{name}: it is for {}, not for {office}", file.office())));
    }
    let mut session = Session::open(&wish.broker, &Fleet::filters(Whose::Office(office)))?;
    let mut fleet = Fleet::default();
    session.retained(|message| _ = fleet.take(&message))?;
    let view = fleet.of(office);
    let desired = view.and_then(|view| view.desired.as_ref());
    let nothing = Map::new();
    let old = desired.map_or(nothing, sets::content);
    let changes = changes(&Value::Object(old), &Value::Object(sets::content(&file)));
    if json {
        let of = |set: &RouteSet| json!({ "revision": set.revision(), "digest": set.digest().ok() });
        let value = json!({
            "office": office.as_str(), "desired": desired.map(of), "file": of(&file), "changes": changes,
            "in-force": view.and_then(|view| view.reported.as_ref()).map(|reported| &reported.in_force),
        });
        table::print_json(out, &value)?;
    } else {
        print(view, desired, &file, &changes, out)?;
    }
    out.flush()?;
    match changes.len() {
        0 => Ok(()),
        count => Err(Failure::Finding(format!("{count} parts differ"))),
    }
}

fn print(
    view: Option<&OfficeView>,
    desired: Option<&RouteSet>,
    file: &RouteSet,
    changes: &[Change],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match desired {
        None => writeln!(out, "nothing is desired yet -> revision {} of the file", file.revision())?,
        Some(set) => {
            writeln!(out, "revision {} of the broker -> {} of the file", set.revision(), file.revision())?;
        }
    }
    let reported = view.and_then(|view| view.reported.as_ref());
    let desired = desired.and_then(|set| set.digest().ok());
    if let Some(reported) = reported.filter(|_| view.and_then(OfficeView::in_force) != desired) {
        let revision = reported.revision().map_or_else(|| "none".to_owned(), |revision| revision.to_string());
        writeln!(out, "in force is another: {revision} ({})", reported.outcome.as_str())?;
    }
    for change in changes {
        let part = &change.part;
        match (&change.from, &change.to) {
            (Some(from), Some(to)) => writeln!(out, "~ {part}: {from} -> {to}")?,
            (None, Some(to)) => writeln!(out, "+ {part}: {to}")?,
            (Some(from), None) => writeln!(out, "- {part}: {from}")?,
            (None, None) => {}
        }
    }
    Ok(())
}

/// The parts in which two values differ, in the order of their paths.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(String::new(), Some(old), Some(new), &mut found);
    found
}

fn compare(part: String, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Change>) {
    let (Some(from), Some(to)) = (old, new) else {
        found.push(Change { part, from: old.cloned(), to: new.cloned() });
        return;
    };
    if from == to {
        return;
    }
    let (Some(from_parts), Some(to_parts)) = (parts(from), parts(to)) else {
        found.push(Change { part, from: Some(from.clone()), to: Some(to.clone()) });
        return;
    };
    let keys: BTreeSet<&String> = from_parts.keys().chain(to_parts.keys()).collect();
    for key in keys {
        let dot = if part.is_empty() || key.starts_with('[') { "" } else { "." };
        let inner = format!("{part}{dot}{key}");
        compare(inner, from_parts.get(key).copied(), to_parts.get(key).copied(), found);
    }
}

/// The parts of an object or a list, by what names them; of anything else, none.
fn parts(value: &Value) -> Option<BTreeMap<String, &Value>> {
    match value {
        Value::Object(fields) => Some(fields.iter().map(|(key, field)| (key.clone(), field)).collect()),
        Value::Array(items) => {
            let mut named = BTreeMap::new();
            for (place, item) in items.iter().enumerate() {
                let name =
                    ["id", "pattern"].into_iter().find_map(|key| item.get(key).and_then(Value::as_str));
                let mut key = name.map_or_else(|| format!("[{place:04}]"), |name| format!("[{name}]"));
                // Several routes may have one pattern: they are told apart by their order.
                for again in 2.. {
                    if !named.contains_key(&key) {
                        break;
                    }
                    key = format!("[{}#{again}]", name.unwrap_or_default());
                }
                named.insert(key, item);
            }
            Some(named)
        }
        _ => None,
    }
}

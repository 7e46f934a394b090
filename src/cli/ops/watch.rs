//! `branchline ops watch`: what happens, a line for each thing.

use std::io::Write;
use std::time::Instant;

use serde_json::{Value, json};

use super::arguments::Watch;
use super::session::{Message, Session};
use crate::cli::{Failure, table};
use crate::uplink::{Document, Event, Filter, Reported, Status, Topic, Whose};

pub(super) fn watch(wish: &Watch, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let offices = wish.offices.iter().map(|text| super::office(text)).collect::<Result<Vec<_>, _>>()?;
    let whose: Vec<Whose> =
        if offices.is_empty() { vec![Whose::All] } else { offices.into_iter().map(Whose::Office).collect() };
    let filters: Vec<Filter> = whose
        .into_iter()
        .flat_map(|whose| [Filter::Events(whose), Filter::Status(whose), Filter::RoutesReported(whose)])
        .collect();
    let mut session = Session::open(&wish.broker, &filters)?;
    let until = wish.span.map(|span| Instant::now() + span);
    let mut left = wish.count;
    while left != Some(0)
        && let Some(message) = session.next(until)?
    {
        let line = if json { json_line(&message) } else { line(&message) };
        let Some(line) = line else { continue };
        writeln!(out, "{line}")?;
        out.flush()?;
        left = left.map(|left| left - 1);
    }
    Ok(())
}

fn json_line(message: &Message) -> Option<String> {
    let payload: Value = serde_json::from_slice(&message.payload).ok()?;
    let topic = message.topic.to_string();
    Some(json!({ "topic": topic, "retained": message.retained, "payload": payload }).to_string())
}

/// When, where, what.
pub(super) fn line(message: &Message) -> Option<String> {
    let payload = &message.payload;
    let (at, office, what) = match &message.topic {
        Topic::Events(office) => {
            let event = Event::read(payload).ok()?;
            let mark = if event.historical { " (historical)" } else { "" };
            (event.at, office, format!("{}{mark} #{} {}", event.kind.as_str(), event.seq, facts(&event.body)))
        }
        Topic::Status(office) => {
            let status = Status::read(payload).ok()?;
            (status.at, office, format!("box {}, version {}", status.state.as_str(), status.version))
        }
        Topic::RoutesReported(office) => (Reported::read(payload).ok()?.at, office, routes(payload)?),
        _ => return None,
    };
    Some(format!("{}  {office}  {}", table::date(at.0), printable(&what)))
}

fn routes(payload: &[u8]) -> Option<String> {
    let reported = Reported::read(payload).ok()?;
    let asked = reported.asked.as_ref().and_then(|asked| asked.revision);
    let asked = asked.map_or_else(String::new, |revision| format!(" {revision}"));
    let because = reported.because.map_or_else(String::new, |because| {
        let part = if because.part.is_empty() { String::new() } else { format!("{}: ", because.part) };
        format!(": {} ({part}{})", because.reason, because.words)
    });
    Some(format!("routes{asked} {}{because}", reported.outcome.as_str()))
}

/// The plain fields of a record: `from=1001 to=600`.
fn facts(body: &Value) -> String {
    let Value::Object(fields) = body else { return body.to_string() };
    let plain = fields.iter().filter_map(|(key, value)| match value {
        Value::String(text) => Some(format!("{key}={text}")),
        Value::Number(_) | Value::Bool(_) => Some(format!("{key}={value}")),
        _ => None,
    });
    plain.collect::<Vec<_>>().join(" ")
}

/// A device chooses its names: control characters do not go to the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

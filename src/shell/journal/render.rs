//! A line as text for people, as JSON for tools, as the journal's own format.

use std::fmt::Write;
use std::time::SystemTime;

use time::OffsetDateTime;
use tracing::Level;

use super::line::Line;

/// `12:03:04.567 WARN  store: message key=value`: one line, whatever strangers put into it.
pub(super) fn text(line: &Line) -> String {
    let at = OffsetDateTime::from(line.at);
    let (hour, minute, second) = at.to_hms();
    let mut text = format!("{hour:02}:{minute:02}:{second:02}.{:03} ", at.millisecond());
    let _ = write!(text, "{:<5} {}: ", line.level, room(line.target));
    push_printable(&mut text, &line.message);
    for (name, value) in &line.fields {
        let _ = write!(text, " {name}=");
        push_printable(&mut text, value);
    }
    text.push('\n');
    text
}

/// One JSON object; `office` and the fields beside `message`, `level`, `target` and `ts_ms`.
pub(super) fn json(line: &Line, office: &str) -> String {
    let mut object = serde_json::Map::new();
    for (name, value) in &line.fields {
        object.insert((*name).to_owned(), value.as_str().into());
    }
    object.insert("ts_ms".to_owned(), millis(line.at).into());
    object.insert("level".to_owned(), line.level.as_str().into());
    object.insert("target".to_owned(), line.target.into());
    object.insert("office".to_owned(), office.into());
    object.insert("message".to_owned(), line.message.as_str().into());
    let mut text = serde_json::Value::Object(object).to_string();
    text.push('\n');
    text
}

/// The journal's native datagram (systemd.io/JOURNAL_NATIVE_PROTOCOL): a value is written with its length, so
/// nothing in it can begin another field.
pub(super) fn journal(line: &Line, office: &str) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(512);
    put(&mut datagram, "MESSAGE", &line.message);
    put(&mut datagram, "PRIORITY", priority(line.level));
    put(&mut datagram, "SYSLOG_IDENTIFIER", "branchline");
    put(&mut datagram, "TARGET", line.target);
    put(&mut datagram, "OFFICE", office);
    if let Some((file, number)) = line.place {
        put(&mut datagram, "CODE_FILE", file);
        put(&mut datagram, "CODE_LINE", &number.to_string());
    }
    for (name, value) in &line.fields {
        put(&mut datagram, &field_name(name), value);
    }
    datagram
}

/// syslog(3): the journal's levels.
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

fn put(datagram: &mut Vec<u8>, name: &str, value: &str) {
    datagram.extend_from_slice(name.as_bytes());
    datagram.push(b'\n');
    datagram.extend_from_slice(&u64::try_from(value.len()).unwrap_or(0).to_le_bytes());
    datagram.extend_from_slice(value.as_bytes());
    datagram.push(b'\n');
}

/// Upper case, digits and underscores, beginning with a letter: others are ignored by the journal.
fn field_name(name: &str) -> String {
    let upper = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let name: String = upper.take(64).collect();
    if name.starts_with(|c: char| c.is_ascii_uppercase()) { name } else { format!("F{name}") }
}

/// The last part of a module's path.
fn room(target: &str) -> &str {
    target.strip_prefix("branchline::").unwrap_or(target)
}

fn push_printable(into: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            into.extend(c.escape_default());
        } else {
            into.push(c);
        }
    }
}

fn millis(at: SystemTime) -> u64 {
    let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

//! From `tracing` to the queue, and from a line to bytes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, SystemTime};

use tracing::{Level, debug, error, info, info_span, warn};
use tracing_subscriber::layer::SubscriberExt;

use super::layer::{Entry, QueueLayer, Threshold};
use super::line::Line;
use super::render;
use crate::observe::Metrics;

/// Runs `log` with a queue of `room`; returns what went into it, and the metrics.
fn logged(level: Level, room: usize, log: impl FnOnce()) -> (Vec<Line>, String) {
    let (queue, lines) = sync_channel(room);
    let metrics = Metrics::new("BRU");
    let layer = QueueLayer::new(Arc::new(Threshold::new(level)), queue, &metrics);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    (drain(&lines), metrics.encode().unwrap())
}

fn drain(lines: &Receiver<Entry>) -> Vec<Line> {
    let line = |entry| match entry {
        Entry::Line(line) => Some(line),
        Entry::Close => None,
    };
    lines.try_iter().filter_map(line).collect()
}

#[test]
fn a_line_carries_its_fields_and_those_of_its_spans() {
    let (lines, _) = logged(Level::INFO, 10, || {
        let span = info_span!("call", call = "c-1");
        let _in = span.enter();
        info!(reason = "busy", count = 3, "leg {} refused", "B");
        debug!("not at this level");
    });
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].message, "leg B refused");
    let fields = [("reason", "busy"), ("count", "3"), ("call", "c-1")];
    assert_eq!(lines[0].fields, fields.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn libraries_are_heard_only_when_they_warn() {
    let (lines, _) = logged(Level::DEBUG, 10, || {
        info!(target: "rustls::conn", "chatter");
        warn!(target: "rustls::conn", "trouble");
        debug!("our own");
    });
    let messages: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["trouble", "our own"]);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (lines, metrics) = logged(Level::INFO, 2, || {
        for n in 0..10 {
            info!(n, "a call");
        }
    });
    assert_eq!(lines.len(), 2);
    assert!(
        metrics.contains("branchline_journal_dropped_total{office=\"BRU\",reason=\"queue-full\"} 8"),
        "{metrics}"
    );
}

#[test]
fn a_flood_from_one_place_is_cut_off_and_others_are_heard() {
    let (lines, metrics) = logged(Level::INFO, 10_000, || {
        for _ in 0..5000 {
            warn!(reason = "garbage", "a stranger sends garbage");
        }
        error!("the disk is full");
    });
    assert_eq!(lines.len(), 201);
    assert_eq!(lines[200].message, "the disk is full");
    assert!(metrics.contains("reason=\"flood\"} 4800"), "{metrics}");
}

#[test]
fn what_strangers_send_is_bounded() {
    let (lines, _) = logged(Level::INFO, 10, || {
        info!(agent = %"é".repeat(5000), "{}", "m".repeat(10_000));
    });
    assert_eq!(lines[0].message.chars().count(), 4097);
    assert!(lines[0].message.ends_with('…'));
    assert_eq!(lines[0].fields[0].1.len(), 1024 + '…'.len_utf8());
}

fn line() -> Line {
    Line {
        at: SystemTime::UNIX_EPOCH + Duration::from_millis(43_384_567),
        level: Level::WARN,
        target: "branchline::shell::store",
        place: Some(("src/x.rs", 7)),
        message: "two\nlines".to_owned(),
        fields: vec![("reason", "disk\u{1b}full".to_owned()), ("call-id", "x".to_owned())],
    }
}

#[test]
fn text_is_one_line_whatever_is_in_it() {
    assert_eq!(
        render::text(&line()),
        "12:03:04.567 WARN  shell::store: two\\nlines reason=disk\\u{1b}full call-id=x\n"
    );
}

#[test]
fn json_is_an_object_a_line() {
    let text = render::json(&line(), "BRU");
    assert_eq!(text.matches('\n').count(), 1);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["message"], "two\nlines");
    assert_eq!(value["office"], "BRU");
    assert_eq!(value["reason"], "disk\u{1b}full");
    assert_eq!(value["ts_ms"], 43_384_567);
}

#[test]
fn the_journal_gets_lengths_so_that_no_value_becomes_a_field() {
    let bytes = render::journal(&line(), "BRU");
    let message = [b"MESSAGE\n".as_slice(), &9_u64.to_le_bytes(), b"two\nlines\n"].concat();
    assert!(bytes.starts_with(&message));
    let text = String::from_utf8_lossy(&bytes);
    for name in ["PRIORITY\n", "OFFICE\n", "REASON\n", "CALL_ID\n", "CODE_LINE\n", "SYSLOG_IDENTIFIER\n"] {
        assert!(text.contains(name), "{name} in {text:?}");
    }
}

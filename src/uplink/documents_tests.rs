//! Documents: as a person reads them, with fields of a later version, and what is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Reads it and writes it: nothing is lost, nothing is added.
fn comes_back<D: Document>(value: &Value) -> D {
    let document = D::read(value.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&document.write()).unwrap(), *value);
    document
}

fn status() -> Value {
    json!({ "v": 1, "office": "BRU", "state": "online", "version": "0.1.0", "boot": "b1",
            "at": "2026-11-21T09:00:00Z", "mood": { "good": [1] } })
}

#[test]
fn fields_of_later_versions_are_kept() {
    let read: Status = comes_back(&status());
    assert_eq!((read.state, read.unknown.len()), (Presence::Online, 1));
    let health: HealthReport = comes_back(&json!({
        "v": 1, "office": "BRU", "boot": "b1", "at": "2026-11-21T09:00:00.250Z", "later": true,
        "conditions": [
            { "name": "asterisk-down", "raised": true, "since": "2026-11-21T08:00:00Z", "count": 2,
              "last-error": "no answer", "later": 1 },
            { "name": "store-full", "raised": false, "since": "2026-11-21T08:00:00Z", "count": 1 },
        ],
        "counts": { "calls": 3 }, "links": { "par-sip": "up" },
    }));
    assert!(!health.is_well() && health.raised().count() == 1);
    let reported: Reported = comes_back(&json!({
        "v": 1, "office": "BRU", "boot": "b1", "at": "2026-11-21T09:00:00Z", "outcome": "refused",
        "in-force": { "revision": 41, "digest": Digest::of(b"41").to_string() },
        "asked": { "revision": 42, "digest": Digest::of(b"42").to_string() },
        "because": { "reason": "bad-part", "part": "links[2].address", "words": "expected sip:…" }, "later": null,
    }));
    assert!(reported.is_about(&Digest::of(b"42")) && !reported.is_about(&Digest::of(b"41")));
    assert_eq!(reported.revision(), Some(Revision(41)));
    let event: Event = comes_back(&json!({
        "v": 1, "office": "BRU", "boot": "b1", "seq": 7, "at": "2026-11-21T09:00:00Z", "kind": "call",
        "historical": true, "body": { "mos": 4.2 }, "later": 0,
    }));
    assert_eq!((event.seq, event.kind.worth()), (Sequence(7), Worth::CallRecord));
    let command: CommandDocument = comes_back(
        &json!({ "v": 1, "status": "init", "at": "2026-11-21T09:00:00Z", "url": "https://example/1.raucb" }),
    );
    assert_eq!(command.unknown.len(), 1);
}

#[test]
fn what_is_no_document_is_refused_with_words() {
    let with = |field: &str, value: Value| {
        let mut changed = status();
        changed[field] = value;
        Status::read(changed.to_string().as_bytes()).unwrap_err().to_string()
    };
    assert!(with("v", json!(2)).contains("this software reads version 1"));
    assert!(with("office", json!("bru")).contains("capital letters"));
    assert!(with("state", json!("asleep")).contains("asleep"));
    assert!(with("at", json!("yesterday")).contains("2026-11-21T09:00:00Z"));
    assert!(with("later", json!("x".repeat(70_000))).contains("longer than 65536"));
    let deep = format!("{{\"v\":1,\"x\":{}", "[".repeat(200));
    assert!(Status::read(deep.as_bytes()).is_err());
}

#[test]
fn a_command_goes_forward_only() {
    use CommandState::{Executing, Failed, Init, Successful};
    let all = [Init, Executing, Successful, Failed];
    let allowed = [(Init, Executing), (Init, Failed), (Executing, Successful), (Executing, Failed)];
    for from in all {
        for to in all {
            assert_eq!(from.may_become(to), allowed.contains(&(from, to)), "{from:?} to {to:?}");
        }
        assert_eq!(serde_json::to_value(from).unwrap(), from.as_str());
    }
    let at = Moment::parse("2026-11-21T09:00:00Z").unwrap();
    let asked = json!({ "v": 1, "status": "init", "at": at, "level": "debug" });
    let asked = CommandDocument::read(asked.to_string().as_bytes()).unwrap();
    let failed = asked.advanced(Failed, at, Some("no such kind".to_owned())).unwrap();
    assert_eq!(failed.unknown["level"], "debug");
    assert_eq!(failed.advanced(Executing, at, None), None);
}

proptest! {
    #[test]
    fn no_bytes_make_a_document_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Status::read(&bytes);
        let _ = Reported::read(&bytes);
        let _ = Event::read(&bytes);
        let _ = CommandDocument::read(&bytes);
        let _ = HealthReport::read(&bytes);
    }

    #[test]
    fn events_come_back(seq: u64, at in 0..4_000_000_000_000_u64, historical: bool, body: String, later: i64) {
        let event = Event {
            v: V1,
            office: "PAR".parse().unwrap(),
            boot: "b".to_owned(),
            seq: Sequence(seq),
            at: Moment(crate::time::WallTime(at)),
            kind: EventKind::Emergency,
            historical,
            body: body.into(),
            unknown: [("later".to_owned(), later.into())].into_iter().collect(),
        };
        prop_assert_eq!(Event::read(&event.write()).unwrap(), event);
    }
}

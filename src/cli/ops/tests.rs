//! Parts of `branchline ops` that need no broker.

use clap::Parser;
use serde_json::{Value, json};

use super::arguments::StateArguments;
use super::diff::{Change, changes};
use super::fleet::Fleet;
use super::session::Message;
use super::sets::{Archive, content};
use super::{status, watch};
use crate::cli::Arguments;
use crate::time::WallTime;
use crate::uplink::route_set::RouteSet;
use crate::uplink::{Digest, OfficeId, Revision};

const NOW: &str = "2026-11-21T09:00:00Z";

fn message(topic: &str, payload: &Value) -> Message {
    let payload = if payload.is_null() { Vec::new() } else { payload.to_string().into_bytes() };
    Message { topic: topic.parse().unwrap(), payload, retained: true }
}

fn set(revision: u64, cost: u64) -> RouteSet {
    let value = json!({
        "v": 1, "office": "BRU", "revision": revision, "issued": NOW,
        "links": [{ "id": "pstn", "kind": "PstnGateway", "address": "sip:carrier.example", "cost": cost }],
        "routes": [{ "pattern": "0*", "links": ["pstn"] }, { "pattern": "0*", "links": ["pstn"], "priority": 2 }],
        "emergency": ["100", "101"],
    });
    RouteSet::new(value.as_object().unwrap().clone()).unwrap()
}

#[test]
fn every_command_teaches_by_example() {
    for words in [
        &["keygen"][..],
        &["sign"],
        &["push"],
        &["diff"],
        &["status"],
        &["watch"],
        &["roll-out"],
        &["roll-back"],
    ] {
        let typed = ["branchline", "ops"].iter().chain(words).chain(&["--help"]);
        let help = Arguments::try_parse_from(typed).unwrap_err();
        assert!(!help.use_stderr(), "{words:?}");
        assert!(help.to_string().contains("  branchline ops "), "an example in the help of {words:?}");
    }
    let without = Arguments::try_parse_from(["branchline", "ops", "status"]).unwrap_err();
    assert!(without.to_string().contains("--broker"), "the broker must be named");
    let half = ["branchline", "ops", "status", "--broker", "mqtts://x", "--cert", "a"];
    assert!(Arguments::try_parse_from(half).is_err(), "a certificate needs its key");
}

#[test]
fn links_are_compared_by_id_and_routes_by_pattern() {
    let old = Value::Object(content(&set(1, 10)));
    assert_eq!(changes(&old, &Value::Object(content(&set(2, 10)))), [], "the revision is no difference");
    let mut new = Value::Object(content(&set(2, 20)));
    new["links"].as_array_mut().unwrap().insert(0, json!({ "id": "first" }));
    new["routes"][1]["priority"] = 3.into();
    new["emergency"].as_array_mut().unwrap().pop();
    let change =
        |part: &str, from: Option<Value>, to: Option<Value>| Change { part: part.to_owned(), from, to };
    assert_eq!(
        changes(&old, &new),
        [
            change("emergency[0001]", Some(json!("101")), None),
            change("links[first]", None, Some(json!({ "id": "first" }))),
            change("links[pstn].cost", Some(json!(10)), Some(json!(20))),
            change("routes[0*#2].priority", Some(json!(2)), Some(json!(3))),
        ]
    );
    let all = changes(&json!({}), &json!({ "a": [1], "b": { "c": null } }));
    assert_eq!(all.iter().map(|change| change.part.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn an_office_is_shown_in_a_row() {
    let mut fleet = Fleet::default();
    let bru: OfficeId = "BRU".parse().unwrap();
    let row = |fleet: &Fleet| status::row(bru, fleet.of(bru).unwrap(), WallTime(1_795_251_605_000));
    let desired = set(43, 10);
    let digest = Digest::of(b"42");
    fleet.take(&message("branchline/v1/BRU/routes/desired", &Value::Object(desired.fields().clone())));
    assert_eq!(row(&fleet), ["BRU", "unknown", "-", "-", "-", "-", "-", "-"]);
    let online =
        json!({ "v": 1, "office": "BRU", "state": "online", "version": "0.1.0", "boot": "b", "at": NOW });
    fleet.take(&message("branchline/v1/BRU/status", &online));
    let mut reported = json!({ "v": 1, "office": "BRU", "boot": "b", "at": NOW, "outcome": "applied",
                               "in-force": { "revision": 42, "digest": digest } });
    fleet.take(&message("branchline/v1/BRU/routes/reported", &reported));
    let short = &digest.to_string()[7..19];
    assert_eq!(row(&fleet), ["BRU", "online", "42", short, "43 is on its way", "-", "5s ago", "0.1.0"]);
    reported["outcome"] = "refused".into();
    reported["asked"] = json!({ "revision": 43 });
    reported["because"] = json!({ "reason": "bad-part", "part": "links[0].id", "words": "x" });
    fleet.take(&message("branchline/v1/BRU/routes/reported", &reported));
    let health = json!({ "v": 1, "office": "BRU", "boot": "b", "at": NOW, "conditions": [
        { "name": "asterisk-down", "raised": true, "since": NOW },
        { "name": "store-full", "raised": false, "since": NOW },
    ] });
    fleet.take(&message("branchline/v1/BRU/health", &health));
    assert_eq!(row(&fleet)[4..6], ["43 refused: bad-part", "asterisk-down"]);
    let shown = status::to_json(&fleet);
    assert_eq!(shown[0]["conditions"], json!(["asterisk-down"]));
    assert_eq!(shown[0]["last-contact"], NOW);
    for name in ["status", "health", "routes/reported", "routes/desired"] {
        fleet.take(&message(&format!("branchline/v1/BRU/{name}"), &Value::Null));
    }
    assert!(fleet.of(bru).is_none(), "what was cleared is not shown");
}

#[test]
fn what_happens_is_a_line() {
    let event = json!({ "v": 1, "office": "BRU", "boot": "b", "seq": 7, "at": NOW, "kind": "emergency",
                        "body": { "number": "112", "from": "1001", "legs": [] } });
    let line = watch::line(&message("branchline/v1/BRU/events", &event)).unwrap();
    assert_eq!(line, "2026-11-21 09:00 UTC  BRU  emergency #7 from=1001 number=112");
    let reported = json!({ "v": 1, "office": "BRU", "boot": "b", "at": NOW, "outcome": "refused", "asked": { "revision": 3 },
                           "because": { "reason": "bad-part", "part": "links[0].id", "words": "expected\u{7} a text" } });
    let line = watch::line(&message("branchline/v1/BRU/routes/reported", &reported)).unwrap();
    assert!(line.ends_with("routes 3 refused: bad-part (links[0].id: expected. a text)"), "{line}");
    assert_eq!(watch::line(&message("branchline/v1/BRU/events", &json!({}))), None);
}

#[test]
fn what_was_sent_is_kept_and_what_was_refused_is_set_aside() {
    let root = std::env::temp_dir().join(format!("bl-ops-archive-{}", std::process::id()));
    let archive = Archive::open(&StateArguments { state: Some(root.clone()) }).unwrap();
    let bru: OfficeId = "BRU".parse().unwrap();
    assert_eq!(archive.revisions(bru), []);
    for revision in [9, 10, 11] {
        archive.keep(&set(revision, revision)).unwrap();
    }
    archive.set_aside(bru, Revision(11));
    assert_eq!(archive.revisions(bru), [Revision(10), Revision(9)]);
    assert_eq!(archive.get(bru, Revision(10)).unwrap(), Some(set(10, 10)));
    assert_eq!(archive.get(bru, Revision(11)).unwrap(), None);
    std::fs::remove_dir_all(root).unwrap();
}

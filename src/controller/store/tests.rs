//! What is in the database stays there, once.

use serde_json::{Map, json};

use super::desired::{self, DesiredRow};
use super::keys::{self, TokenRow};
use super::observed::{self, Kind};
use super::offices::{self, OfficeRow};
use super::*;
use crate::uplink::{Document, Event, OfficeId, Revision};

fn bru() -> OfficeId {
    "BRU".parse().unwrap()
}

fn office(rows: &Rows<'_>) {
    let row = OfficeRow {
        id: bru(),
        name: "Brussels".into(),
        settings: Map::new(),
        created: WallTime(7),
        content: String::new(),
    };
    assert!(offices::insert(rows, &row).unwrap());
    assert!(!offices::insert(rows, &row).unwrap(), "once");
    assert_eq!(offices::get(rows, bru()).unwrap(), Some(row));
}

fn written(work: impl FnOnce(&Rows<'_>)) {
    let done: Result<(), StoreError> = Store::in_memory().write(|rows| {
        work(rows);
        Ok(())
    });
    done.unwrap();
}

#[test]
fn a_transaction_that_errs_leaves_nothing() {
    let store = Store::in_memory();
    let failed: Result<(), StoreError> = store.write(|rows| {
        office(rows);
        Err(StoreError::Failed("on purpose".into()))
    });
    assert!(failed.is_err());
    assert_eq!(store.write(offices::count).unwrap(), 0);
}

#[test]
fn a_file_keeps_everything_and_is_for_its_owner_alone() {
    use std::os::unix::fs::MetadataExt as _;
    let directory = std::env::temp_dir().join(format!("branchline-controller-{}", std::process::id()));
    let file = directory.join("fed.db");
    let key = Store::open(Database::File(file.clone())).unwrap().add_key("me").unwrap().unwrap();
    let again = Store::open(Database::File(file.clone())).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(again.key_names().unwrap(), ["me"]);
    assert!(again.add_key("me").unwrap().is_none(), "the name is taken");
    assert_eq!(again.write(|rows| keys::key_of(rows, &key.hash())).unwrap().as_deref(), Some("me"));
    assert!(again.remove_key("me").unwrap() && !again.remove_key("me").unwrap());
    assert_eq!(again.write(|rows| keys::key_of(rows, &key.hash())).unwrap(), None);
    assert!(!std::fs::read(&file).unwrap().windows(10).any(|bytes| bytes == &key.reveal().as_bytes()[..10]));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_file_of_the_first_version_is_taken_along() {
    let directory = std::env::temp_dir().join(format!("branchline-schema-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("fed.db");
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch(&schema::steps(0, &schema::EMBEDDED_WORDS).unwrap()[0]).unwrap();
    old.execute_batch("PRAGMA user_version = 1; INSERT INTO event_mark VALUES ('BRU', 's', 7);").unwrap();
    drop(old);
    let store = Store::open(Database::File(file.clone())).unwrap();
    let seq = store.write(|rows| rows.number("SELECT seq FROM event_seen WHERE stream = 's'", &[]));
    assert_eq!(seq, Ok(7));
    drop(store);
    let newer = rusqlite::Connection::open(&file).unwrap();
    newer.execute_batch("PRAGMA user_version = 99;").unwrap();
    let refused = Store::open(Database::File(file)).unwrap_err();
    assert_eq!(refused, StoreError::Newer { found: 99, known: schema::VERSION });
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn revisions_are_given_out_once_and_outlive_their_office() {
    written(|rows| {
        office(rows);
        assert_eq!(desired::next_revision(rows, bru()).unwrap(), Revision(1));
        assert_eq!(desired::next_revision(rows, bru()).unwrap(), Revision(2));
        desired::saw_revision(rows, bru(), Revision(40)).unwrap();
        desired::saw_revision(rows, bru(), Revision(3)).unwrap();
        assert!(
            offices::delete(rows, bru(), WallTime(9)).unwrap()
                && !offices::delete(rows, bru(), WallTime(9)).unwrap()
        );
        assert_eq!(desired::next_revision(rows, bru()).unwrap(), Revision(41));
    });
}

#[test]
fn only_the_newest_set_waits_and_few_are_kept() {
    written(|rows| {
        office(rows);
        let row = |revision| DesiredRow {
            office: bru(),
            revision: Revision(revision),
            digest: "d".into(),
            content: "c".into(),
            document: b"{}".to_vec(),
            created: WallTime(revision),
            acknowledged: None,
        };
        for revision in 1..=60 {
            desired::insert(rows, &row(revision)).unwrap();
        }
        assert_eq!(desired::waiting(rows).unwrap(), [(bru(), Revision(60))]);
        assert_eq!(desired::newest(rows, bru()).unwrap(), Some(row(60)));
        desired::acknowledge(rows, bru(), Revision(59), WallTime(99)).unwrap();
        assert_eq!(desired::waiting(rows).unwrap().len(), 1, "an older one is not the newest");
        desired::acknowledge(rows, bru(), Revision(60), WallTime(99)).unwrap();
        assert!(desired::waiting(rows).unwrap().is_empty());
        assert!(desired::published(rows).unwrap().is_empty(), "none of these revisions was given out");
        desired::saw_revision(rows, bru(), Revision(60)).unwrap();
        assert_eq!(desired::published(rows).unwrap(), [(bru(), Revision(60))]);
        desired::saw_revision(rows, bru(), Revision(61)).unwrap();
        assert!(desired::published(rows).unwrap().is_empty(), "somebody has issued a newer one");
        assert_eq!(desired::newest(rows, bru()).unwrap().unwrap().acknowledged, Some(WallTime(99)));
        assert_eq!(rows.number("SELECT count(*) FROM desired", &[]).unwrap(), 50);
    });
}

#[test]
fn a_token_is_found_by_its_hash_and_dies_with_its_office() {
    written(|rows| {
        office(rows);
        let row = TokenRow {
            id: 0,
            name: "box".into(),
            office: bru(),
            permissions: "read".into(),
            created: WallTime(1),
            expires: WallTime(2),
            revoked: None,
        };
        let id = keys::add_token(rows, &row, &[7; 32]).unwrap();
        assert_eq!(keys::token_of(rows, &[7; 32]).unwrap(), Some(TokenRow { id, ..row }));
        assert!(keys::revoke_token(rows, id, WallTime(5)).unwrap());
        assert!(keys::revoke_token(rows, id, WallTime(6)).unwrap());
        assert_eq!(keys::token_of(rows, &[7; 32]).unwrap().unwrap().revoked, Some(WallTime(5)));
        offices::delete(rows, bru(), WallTime(9)).unwrap();
        assert_eq!(keys::token_of(rows, &[7; 32]).unwrap(), None);
    });
}

#[test]
fn documents_take_the_place_of_older_ones_and_empty_ones_clear() {
    written(|rows| {
        let keep = |kind, text: &[u8], at| observed::keep(rows, bru(), kind, text, WallTime(at)).unwrap();
        assert!(keep(Kind::Status, b"one", 1));
        assert!(keep(Kind::Status, b"one", 9), "the same again is not news");
        assert_eq!(observed::of(rows, bru()).unwrap().unwrap().heard, Some(WallTime(1)));
        assert!(keep(Kind::Status, b"two", 10) && keep(Kind::Health, b"h", 5));
        let seen = observed::of(rows, bru()).unwrap().unwrap();
        assert_eq!((seen.status.as_deref(), seen.heard), (Some(&b"two"[..]), Some(WallTime(10))));
        assert!(keep(Kind::Status, b"", 11));
        assert_eq!(observed::of(rows, bru()).unwrap().unwrap().status, None);
    });
}

#[test]
fn offices_that_are_heard_are_bounded() {
    written(|rows| {
        for number in 0..observed::MOST_OFFICES {
            let office = format!("O{number}").parse().unwrap();
            assert!(observed::keep(rows, office, Kind::Status, b"x", WallTime(1)).unwrap());
        }
        assert!(!observed::keep(rows, bru(), Kind::Status, b"x", WallTime(1)).unwrap());
        assert!(observed::keep(rows, "O1".parse().unwrap(), Kind::Status, b"y", WallTime(1)).unwrap());
    });
}

#[test]
fn an_event_counts_once_however_often_it_comes() {
    let event = |seq: u64, kind: &str| {
        let text = json!({ "v": 1, "office": "BRU", "boot": "b", "seq": seq, "at": "2026-11-21T09:00:00Z",
            "kind": kind, "body": {} });
        Event::read(text.to_string().as_bytes()).unwrap()
    };
    written(|rows| {
        let count = |event: &Event, stream| observed::count(rows, event, stream, b"{}", now()).unwrap();
        assert!(count(&event(1, "call"), "s") && count(&event(2, "call"), "s"));
        assert!(!count(&event(1, "call"), "s") && !count(&event(2, "call"), "s"), "repeated");
        assert!(count(&event(3, "emergency"), "s"));
        assert!(count(&event(1, "call"), "another"), "the box lost its flash and began anew");
        assert!(
            !count(&event(3, "emergency"), "s"),
            "a controller that was away hears the former stream again"
        );
        let counts = observed::counts(rows, bru()).unwrap();
        let told: Vec<_> = counts.iter().map(|one| (one.kind.as_str(), one.count)).collect();
        assert_eq!(told, [("call", 3), ("emergency", 1)]);
    });
}

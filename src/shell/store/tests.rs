//! The store on a good disk, a full one, a forbidden one and a damaged one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::*;
use crate::observe::{Condition, Redacted};
use crate::time::WallTime;

/// A directory of the test's own, gone afterwards.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("branchline-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn options(directory: &Path) -> StoreOptions {
    StoreOptions {
        directory: directory.to_owned(),
        queue: 4096,
        keep_calls: 50,
        max_call_age: Duration::from_secs(3600 * 24 * 365 * 100),
        metrics: Metrics::new("BRU"),
        health: Health::new(),
    }
}

pub(super) fn account(extension: &str) -> AccountRow {
    AccountRow {
        extension: extension.to_owned(),
        username: extension.to_owned(),
        display_name: "Ann".to_owned(),
        ha1_md5: Redacted("0".repeat(32)),
        ha1_sha256: Redacted("1".repeat(64)),
        realm: "branchline".to_owned(),
        token_sha256: Redacted("2".repeat(64)),
        created: WallTime(7),
    }
}

pub(super) fn binding(extension: &str, key: &str) -> BindingRow {
    BindingRow {
        used: None,
        extension: extension.to_owned(),
        key: key.to_owned(),
        contact: format!("sip:{extension}@192.0.2.1:5062;transport=tls"),
        instance: Some("urn:uuid:1".to_owned()),
        reg_id: Some(1),
        flow: FlowRow {
            transport: "tls".to_owned(),
            local: "192.0.2.9:5061".to_owned(),
            remote: "192.0.2.1:5062".to_owned(),
            connection: Some(4),
        },
        path: Vec::new(),
        user_agent: Some("baresip".to_owned()),
        call_id: "c1".to_owned(),
        cseq: 2,
        q_thousandths: 1000,
        expires: WallTime(99),
        created: WallTime(9),
    }
}

fn call_record(id: u64) -> CallRow {
    CallRow { id: format!("call-{id}"), ended: WallTime(id), document: format!("{{\"n\":{id}}}") }
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let scratch = Scratch::new("again");
    let store = Store::open(options(&scratch.0));
    store.write(Write::PutAccount(account("1001"))).wait().unwrap();
    store.write(Write::PutBinding(binding("1001", "a"))).wait().unwrap();
    store.write(Write::PutBinding(binding("1001", "b"))).wait().unwrap();
    let gone = Write::RemoveBinding { extension: "1001".to_owned(), key: "a".to_owned() };
    store.write(gone).wait().unwrap();
    store.write(Write::PutCall(call_record(1))).wait().unwrap();
    store.write(Write::PutMeta { name: "boot".to_owned(), value: "42".to_owned() }).wait().unwrap();
    store.close();
    assert_eq!(store.accounts().wait(), Err(StoreError::Closed));

    let store = Store::open_strictly(options(&scratch.0)).unwrap();
    assert_eq!(store.accounts().wait().unwrap(), [account("1001")]);
    assert_eq!(store.bindings().wait().unwrap(), [binding("1001", "b")]);
    assert_eq!(store.call("call-1").wait().unwrap(), Some(call_record(1)));
    assert_eq!(store.call("call-2").wait().unwrap(), None);
    assert_eq!(store.meta("boot").wait().unwrap().as_deref(), Some("42"));
    store.write(Write::RemoveAccount { extension: "1001".to_owned() }).wait().unwrap();
    assert!(store.bindings().wait().unwrap().is_empty(), "an account takes its bindings along");
}

#[test]
fn files_are_for_the_daemon_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("mode");
    let store = Store::open(options(&scratch.0));
    store.write(Write::PutAccount(account("1001"))).wait().unwrap();
    for entry in fs::read_dir(&scratch.0).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn secrets_are_not_in_the_debug_text() {
    let text = format!("{:?}", Write::PutAccount(account("1001")));
    assert!(!text.contains("0000") && !text.contains("1111") && !text.contains("2222"), "{text}");
}

#[test]
fn a_storm_shares_its_commits() {
    let scratch = Scratch::new("storm");
    let options = options(&scratch.0);
    let metrics = options.metrics.clone();
    let store = Store::open(options);
    let receipts: Vec<_> =
        (0..2000).map(|n| store.write(Write::PutBinding(binding(&format!("{n:04}"), "a")))).collect();
    for receipt in receipts {
        receipt.wait().unwrap();
    }
    assert_eq!(store.bindings().wait().unwrap().len(), 2000);
    let text = metrics.encode().unwrap();
    let commits = text.lines().find(|line| line.contains("store_commit_seconds_count")).unwrap();
    let commits: u64 = commits.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(commits < 500, "{commits} commits for 2000 writes");
}

#[test]
fn a_full_queue_refuses_at_once() {
    let (jobs, _queue) = sync_channel(1);
    let metrics = Metrics::new("BRU");
    let store = Store { jobs, thread: Arc::default(), metrics: metrics.clone() };
    let _waits = store.write(Write::PutAccount(account("1001")));
    assert_eq!(store.write(Write::PutAccount(account("1002"))).wait(), Err(StoreError::QueueFull));
    assert!(metrics.encode().unwrap().contains("result=\"queue-full\"} 1"));
}

#[test]
fn call_records_are_bounded_by_count_and_age() {
    let scratch = Scratch::new("calls");
    let store = Store::open(options(&scratch.0));
    for n in 0..130 {
        store.write(Write::PutCall(call_record(n))).wait().unwrap();
    }
    let kept = store.calls(1000).wait().unwrap();
    assert_eq!(kept.len(), 80, "trimmed to 50 at the 100th, 30 since");
    assert_eq!(kept[0], call_record(129), "newest first");
    assert_eq!(store.calls(3).wait().unwrap().len(), 3);
    store.close();
    let brief = StoreOptions { max_call_age: Duration::from_secs(1), ..options(&scratch.0) };
    assert!(Store::open(brief).calls(1000).wait().unwrap().is_empty());
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost_once_there_is_room() {
    let scratch = Scratch::new("full");
    let options = options(&scratch.0);
    let health = options.health.clone();
    let database = database::open_or_go_on_in_memory(&scratch.0, &health);
    database.connection.pragma_update(None, "max_page_count", 12).unwrap();
    let file = scratch.0.join("branchline.db");
    let store = Store::run(options, database);
    let failed = (0..200).find_map(|n| {
        store.write(Write::PutBinding(binding(&format!("{n:04}"), "a"))).wait().err().map(|e| (n, e))
    });
    let (n, error) = failed.expect("twelve pages are soon full");
    assert_eq!(error, StoreError::DiskFull);
    assert!(health.is_raised(Condition::StoreFull));

    let emptied = (0..n).map(|n| Write::RemoveAccount { extension: format!("{n:04}") }).collect();
    let _ = store.write_all(emptied).wait();
    store.close();
    let rows =
        Store::open_strictly(self::options(file.parent().unwrap())).unwrap().bindings().wait().unwrap();
    assert!(rows.len() <= 1, "what waited was carried out in its order: {}", rows.len());
}

#[test]
fn a_directory_that_cannot_be_used_leaves_a_store_in_memory() {
    let scratch = Scratch::new("forbidden");
    let file = scratch.0.join("not-a-directory");
    fs::write(&file, "").unwrap();
    let options = options(&file);
    let health = options.health.clone();
    assert!(Store::open_strictly(options.clone()).is_err());
    let store = Store::open(options);
    assert!(health.is_raised(Condition::StoreFailed));
    store.write(Write::PutAccount(account("1001"))).wait().unwrap();
    assert_eq!(store.accounts().wait().unwrap().len(), 1);
    assert!(health.is_raised(Condition::StoreFailed), "in memory is not durable");
}

#[test]
fn a_damaged_file_is_set_aside_and_what_can_be_read_is_kept() {
    let scratch = Scratch::new("damaged");
    let store = Store::open(options(&scratch.0));
    store.write(Write::PutAccount(account("1001"))).wait().unwrap();
    for n in 0..500 {
        store.write(Write::PutCall(call_record(n))).wait().unwrap();
    }
    store.write(Write::PutMeta { name: "clean".to_owned(), value: "no".to_owned() }).wait().unwrap();
    store.close();
    let file = scratch.0.join("branchline.db");
    let mut bytes = fs::read(&file).unwrap();
    let last_pages = bytes.len() - 8192;
    bytes[last_pages..].fill(0xa5);
    fs::write(&file, bytes).unwrap();
    mark_unclean(&file);

    let options = options(&scratch.0);
    let health = options.health.clone();
    let store = Store::open(options);
    assert!(health.is_raised(Condition::StoreCorrupt));
    assert_eq!(store.accounts().wait().unwrap(), [account("1001")]);
    assert!(aside(&scratch.0), "the damaged file is kept");
}

#[test]
fn garbage_instead_of_a_database_is_set_aside() {
    let scratch = Scratch::new("garbage");
    fs::write(scratch.0.join("branchline.db"), vec![0x5a; 10_000]).unwrap();
    assert!(
        matches!(Store::open_strictly(options(&scratch.0)), Err(StoreError::Failed(why)) if why.contains("damaged"))
    );
    let options = options(&scratch.0);
    let health = options.health.clone();
    let store = Store::open(options);
    store.write(Write::PutAccount(account("1001"))).wait().unwrap();
    assert!(health.is_raised(Condition::StoreCorrupt) && !health.is_raised(Condition::StoreFailed));
    assert!(aside(&scratch.0));
}

#[test]
fn a_newer_schema_is_left_alone() {
    let scratch = Scratch::new("newer");
    Store::open(options(&scratch.0)).close();
    let connection = rusqlite::Connection::open(scratch.0.join("branchline.db")).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let error = Store::open_strictly(options(&scratch.0)).unwrap_err();
    assert_eq!(error, StoreError::Newer { found: 2, known: 1 });
    let options = options(&scratch.0);
    let health = options.health.clone();
    let _in_memory = Store::open(options);
    assert!(health.is_raised(Condition::StoreFailed));
}

#[tokio::test]
async fn receipts_are_futures() {
    let scratch = Scratch::new("async");
    let store = Store::open(options(&scratch.0));
    store.write(Write::PutAccount(account("1001"))).await.unwrap();
    assert_eq!(store.accounts().await.unwrap().len(), 1);
    tokio::task::spawn_blocking(move || store.close()).await.unwrap();
}

fn mark_unclean(file: &Path) {
    if let Ok(connection) = rusqlite::Connection::open(file) {
        let _ = connection.execute("UPDATE meta SET value = 'no' WHERE name = 'clean-shutdown'", []);
    }
}

fn aside(directory: &Path) -> bool {
    fs::read_dir(directory)
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("branchline.db.damaged-"))
}

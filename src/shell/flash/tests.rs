use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_svc::storage::{RawStorage, StorageBase};

use super::*;
use crate::engine::roaming::{
    Aor, Keyring, Presence, RoamingChange, RoamingEntry, SealedVerifier, Second, Standing, Version,
};
use crate::observe::Metrics;
use crate::shell::store::StoreError;

/// A directory of its own, removed at the end.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("branchline-flash-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn path(&self) -> PathBuf {
        self.0.join("log")
    }

    fn open(&self) -> FlashLog {
        open(&self.path())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options(path: &Path) -> FlashOptions {
    FlashOptions { path: path.to_owned(), max_bytes: 1 << 20, renew_above: 1 << 20 }
}

fn open(path: &Path) -> FlashLog {
    FlashLog::open(options(path)).unwrap()
}

fn get(log: &FlashLog, name: &str) -> Option<Vec<u8>> {
    let mut buffer = [0; 64];
    log.get_raw(name, &mut buffer).unwrap().map(<[u8]>::to_vec)
}

fn all(log: &FlashLog) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    log.for_each(|name, value| all.push((name.to_owned(), value.to_vec()))).unwrap();
    all
}

#[test]
fn values_are_set_replaced_removed_and_there_after_a_restart() {
    let scratch = Scratch::new("values");
    let mut log = scratch.open();
    assert!(!log.set_raw("a", b"one").unwrap());
    assert!(log.set_raw("a", b"two").unwrap());
    assert!(!log.set_raw("b", b"").unwrap());
    assert!(!log.set_raw("c", b"gone").unwrap());
    assert!(log.remove("c").unwrap());
    assert!(!log.remove("c").unwrap());
    let expected = [("a".to_owned(), b"two".to_vec()), ("b".to_owned(), Vec::new())];
    assert_eq!(all(&log), expected, "in force before the commit");
    log.commit().unwrap();
    log.set_raw("d", b"not committed").unwrap();
    drop(log);
    let log = scratch.open();
    assert_eq!(all(&log), expected);
    assert_eq!((log.len("a").unwrap(), log.len("c").unwrap()), (Some(3), None));
    assert!(log.contains("b").unwrap() && !log.contains("d").unwrap());
    assert_eq!(log.counters().figures().damaged, 0);
}

#[test]
fn a_commit_is_one_write_and_one_sync_however_much_was_set() {
    let scratch = Scratch::new("commit");
    let mut log = scratch.open();
    let before = log.counters().figures();
    for number in 0..100 {
        log.set_raw(&format!("{number}"), b"value").unwrap();
    }
    log.commit().unwrap();
    log.commit().unwrap();
    let after = log.counters().figures();
    assert_eq!((after.writes - before.writes, after.syncs - before.syncs), (1, 1));
    assert_eq!(after.bytes - before.bytes, fs::metadata(scratch.path()).unwrap().len() - 8);
    assert_eq!((after.names, after.live, after.size), (100, after.bytes - 8, after.bytes));
}

/// A file in which `kept` was committed, then `torn`: each time with its value.
fn two_commits(path: &Path) -> (usize, usize) {
    let mut log = open(path);
    log.set_raw("kept", b"old").unwrap();
    log.set_raw("other", b"same").unwrap();
    log.commit().unwrap();
    let first = fs::metadata(path).unwrap().len();
    log.set_raw("kept", b"new").unwrap();
    log.set_raw("torn", b"value").unwrap();
    log.remove("other").unwrap();
    log.commit().unwrap();
    (usize::try_from(first).unwrap(), usize::try_from(fs::metadata(path).unwrap().len()).unwrap())
}

#[test]
fn a_write_torn_at_any_byte_costs_nothing_that_was_committed() {
    let scratch = Scratch::new("torn");
    let (first, last) = two_commits(&scratch.path());
    let whole = fs::read(scratch.path()).unwrap();
    for rest in [None, Some(0x00), Some(0xff), Some(0xb7)] {
        for cut in first..last {
            // What was not written is absent, or holds what lay on the flash before.
            let mut torn = whole[..cut].to_vec();
            torn.extend(rest.iter().flat_map(|byte| std::iter::repeat_n(*byte, last - cut)));
            fs::write(scratch.path(), &torn).unwrap();
            let mut log = scratch.open();
            let kept = get(&log, "kept").unwrap();
            assert!(kept == b"old" || kept == b"new", "cut at {cut}: {kept:?}");
            assert!(get(&log, "other").is_none_or(|value| value == b"same"));
            assert!(get(&log, "torn").is_none_or(|value| value == b"value"));
            log.set_raw("after", b"works").unwrap();
            log.commit().unwrap();
            drop(log);
            let log = scratch.open();
            assert_eq!(get(&log, "after").unwrap(), b"works", "cut at {cut}");
            assert_eq!(get(&log, "kept").unwrap(), kept, "cut at {cut}");
            assert_eq!(log.counters().figures().damaged, 0, "the torn end is gone");
        }
    }
}

#[test]
fn every_committed_record_but_the_flipped_one_survives_any_bit() {
    let scratch = Scratch::new("flipped");
    let mut log = scratch.open();
    let names = ["first", "second", "third"];
    for name in names {
        log.set_raw(name, name.as_bytes()).unwrap();
    }
    log.commit().unwrap();
    drop(log);
    let whole = fs::read(scratch.path()).unwrap();
    for bit in 8 * 8..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(scratch.path(), &flipped).unwrap();
        let log = scratch.open();
        let there = names.iter().filter(|name| get(&log, name).is_some_and(|value| value == name.as_bytes()));
        assert_eq!((there.count(), log.names()), (2, 2), "bit {bit}");
        assert!(log.counters().figures().damaged > 0);
    }
    for bit in 0..8 * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(scratch.path(), &flipped).unwrap();
        match FlashLog::open(options(&scratch.path())) {
            Ok(mut log) => {
                assert_eq!(log.names(), 3, "bit {bit}");
                log.set_raw("fourth", b"").unwrap();
                log.commit().unwrap();
                assert_eq!(log.counters().figures().renewals, 1, "written anew with a sound beginning");
            }
            Err(error) => assert!(matches!(error, FlashError::Newer(_)), "{error}"),
        }
    }
}

#[test]
fn a_value_damaged_after_the_start_is_said_to_be() {
    let scratch = Scratch::new("decay");
    let mut log = scratch.open();
    log.set_raw("a", b"value").unwrap();
    log.commit().unwrap();
    let mut bytes = fs::read(scratch.path()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(scratch.path(), bytes).unwrap();
    assert!(matches!(log.get_raw("a", &mut [0; 64]), Err(FlashError::Damaged)));
    assert_eq!(all(&log), []);
}

#[test]
fn the_file_is_written_anew_when_most_of_it_is_out_of_date() {
    let scratch = Scratch::new("renewal");
    let small = FlashOptions { renew_above: 1000, ..options(&scratch.path()) };
    let mut log = FlashLog::open(small.clone()).unwrap();
    for number in 0..500 {
        log.set_raw(&format!("name {}", number % 7), format!("{number:020}").as_bytes()).unwrap();
        log.remove("name 3").unwrap();
        log.commit().unwrap();
    }
    let figures = log.counters().figures();
    assert!(figures.renewals > 10 && figures.failed_renewals == 0, "{figures:?}");
    assert!(fs::metadata(scratch.path()).unwrap().len() < 1500);
    let before = all(&log);
    drop(log);
    fs::write(scratch.0.join("log.new"), "left by a crash").unwrap();
    let log = FlashLog::open(small).unwrap();
    assert_eq!(all(&log), before);
    assert_eq!(log.names(), 6);
    assert_eq!(get(&log, "name 2").unwrap(), format!("{:020}", 499).as_bytes());
    assert!(!scratch.0.join("log.new").exists());
}

#[test]
fn a_renewal_that_fails_leaves_the_old_file_in_use() {
    let scratch = Scratch::new("renewal-fails");
    let mut log = FlashLog::open(FlashOptions { renew_above: 500, ..options(&scratch.path()) }).unwrap();
    fs::create_dir(scratch.0.join("log.new")).unwrap();
    for number in 0..100 {
        log.set_raw("a", format!("{number:020}").as_bytes()).unwrap();
        log.commit().unwrap();
    }
    let figures = log.counters().figures();
    assert!((1..10).contains(&figures.failed_renewals), "{figures:?}");
    drop(log);
    fs::remove_dir(scratch.0.join("log.new")).unwrap();
    assert_eq!(get(&scratch.open(), "a").unwrap(), format!("{:020}", 99).as_bytes());
}

#[test]
fn limits_are_named_and_nothing_is_taken_beyond_them() {
    let scratch = Scratch::new("limits");
    let mut log = FlashLog::open(FlashOptions { max_bytes: 100, ..options(&scratch.path()) }).unwrap();
    assert!(matches!(log.set_raw("", b""), Err(FlashError::Name(0))));
    assert!(matches!(log.set_raw(&"n".repeat(256), b""), Err(FlashError::Name(256))));
    assert!(matches!(log.set_raw("a", &vec![0; 65_536]), Err(FlashError::Value(65_536))));
    log.set_raw("a", &[1; 64]).unwrap();
    assert!(matches!(log.set_raw("b", &[1; 64]), Err(FlashError::Full)));
    log.set_raw("a", &[2; 64]).unwrap();
    log.remove("a").unwrap();
    log.set_raw("b", &[3; 64]).unwrap();
    assert!(matches!(log.get_raw("b", &mut [0; 63]), Err(FlashError::Buffer(64))));

    let other = Scratch::new("uncommitted");
    let mut log = other.open();
    let refused = (0..40).find_map(|_| log.set_raw("a", &vec![0; 65_000]).err());
    assert!(matches!(refused, Some(FlashError::Uncommitted)));
    log.commit().unwrap();
    log.set_raw("a", &vec![0; 65_000]).unwrap();
}

#[test]
fn one_process_at_a_time_and_newer_files_are_left_alone() {
    let scratch = Scratch::new("lock");
    let log = scratch.open();
    assert!(matches!(FlashLog::open(options(&scratch.path())), Err(FlashError::InUse)));
    drop(log);
    fs::write(scratch.path(), b"brlogs\x00\x02what comes next").unwrap();
    assert!(matches!(FlashLog::open(options(&scratch.path())), Err(FlashError::Newer(2))));
    assert_eq!(fs::read(scratch.path()).unwrap(), b"brlogs\x00\x02what comes next");
}

pub(super) fn entry(number: u64) -> RoamingEntry {
    RoamingEntry {
        aor: Aor {
            home: "BRU".parse().unwrap(),
            extension: format!("32-{}", 10_000 + number).parse().unwrap(),
        },
        version: Version { counter: number + 1, registered: Second(7), office: "PAR".parse().unwrap() },
        presence: if number.is_multiple_of(3) { Presence::Gone } else { Presence::Here },
        expires: Second(9),
    }
}

pub(super) fn store_options(directory: &Path) -> RoamingStoreOptions {
    RoamingStoreOptions {
        directory: directory.to_owned(),
        queue: 1000,
        max_bytes: 1 << 20,
        gather: Duration::from_millis(1),
        metrics: Metrics::new("BRU"),
    }
}

#[test]
fn the_cache_is_read_back_as_it_was_written() {
    let scratch = Scratch::new("store");
    let (store, stored) = RoamingStore::open(store_options(&scratch.0)).unwrap();
    assert!(stored.entries.is_empty());
    let put = |number, heard| RoamingChange::Put { entry: entry(number), heard: Second(heard) };
    let receipts: Vec<_> = (0..100).map(|number| store.change(put(number, 8))).collect();
    for receipt in receipts {
        receipt.wait().unwrap();
    }
    store.change(put(1, 11)).wait().unwrap();
    store.change(RoamingChange::Forget(entry(2).aor)).wait().unwrap();
    let figures = store.counters().figures();
    assert!(figures.syncs < 50, "commits are shared: {figures:?}");
    store.close();
    assert_eq!(store.change(put(5, 1)).wait(), Err(StoreError::Closed));

    let (_store, mut stored) = RoamingStore::open(store_options(&scratch.0)).unwrap();
    stored.entries.sort_by_key(|(entry, _)| entry.version.counter);
    let expected: Vec<_> =
        (0..100).filter(|n| *n != 2).map(|n| (entry(n), Second(if n == 1 { 11 } else { 8 }))).collect();
    assert_eq!((stored.entries, stored.unreadable), (expected, 0));
}

#[test]
fn of_two_sealed_records_the_newer_stays() {
    let scratch = Scratch::new("verifiers");
    let (store, _) = RoamingStore::open(store_options(&scratch.0)).unwrap();
    let keyring = Keyring::parse(&format!("1:{}", "ab".repeat(32))).unwrap();
    let sealed = |generation| {
        let about = (generation, Second(9));
        SealedVerifier::seal(&entry(1).aor, &Standing::Revoked, about, keyring.sealing(), [1; 12]).unwrap()
    };
    for generation in [2, 3, 1] {
        store.put_verifier(sealed(generation)).wait().unwrap();
    }
    assert_eq!(store.verifier(entry(1).aor.extension).wait().unwrap(), Some(sealed(3)));
    assert_eq!(store.verifier(entry(2).aor.extension).wait().unwrap(), None);
}

#[test]
fn more_than_a_batch_is_written_too() {
    let scratch = Scratch::new("batches");
    let options = RoamingStoreOptions { queue: 20_000, ..store_options(&scratch.0) };
    let (store, _) = RoamingStore::open(options).unwrap();
    let put = |number| RoamingChange::Put { entry: entry(number), heard: Second(1) };
    let receipts: Vec<_> = (0..10_000).map(|number| store.change(put(number))).collect();
    for receipt in receipts {
        receipt.wait().unwrap();
    }
    assert_eq!(store.counters().figures().names, 10_000);
}

#[test]
fn a_full_queue_refuses() {
    let scratch = Scratch::new("queue");
    let options =
        RoamingStoreOptions { queue: 1, gather: Duration::from_millis(300), ..store_options(&scratch.0) };
    let (store, _) = RoamingStore::open(options).unwrap();
    let put = || RoamingChange::Put { entry: entry(1), heard: Second(1) };
    let receipts: Vec<_> = (0..10).map(|_| store.change(put())).collect();
    let outcomes: Vec<_> = receipts.into_iter().map(crate::shell::store::Receipt::wait).collect();
    assert!(outcomes.contains(&Ok(())) && outcomes.contains(&Err(StoreError::QueueFull)), "{outcomes:?}");
}

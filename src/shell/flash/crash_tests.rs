//! Killed in the middle of writing, and out of room: what was acknowledged is there afterwards.
//!
//! The tests start themselves again as the writer (by [`WRITER`]), which prints each number that it got a receipt for.

use std::collections::BTreeSet;
use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::tests::{Scratch, entry, store_options};
use super::*;
use crate::engine::roaming::{RoamingChange, Second};
use crate::shell::store::StoreError;
use crate::shell::store::crash_tests::next_number;

/// Names the directory in which the child writes.
const WRITER: &str = "BRANCHLINE_TEST_FLASH_WRITER";
/// Rounds of writing and killing.
const ROUNDS: usize = 12;
/// Blocks of 512 bytes that the child may write to a file.
const BLOCKS: u32 = 40;

#[test]
fn every_acknowledged_entry_survives_kill_9() {
    if let Some(directory) = std::env::var_os(WRITER) {
        write_until_killed(directory.as_ref());
    }
    let scratch = Scratch::new("crash");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut child = writer("every_acknowledged_entry_survives_kill_9", &scratch.0, "");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // A different moment each round: somewhere after the round's n-th receipt.
        for _ in 0..20 + round * 61 {
            acknowledged = acknowledged.max(next_number(&mut lines).expect("the writer goes on"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(number) = next_number(&mut lines) {
            acknowledged = acknowledged.max(number);
        }
        assert_there(&scratch.0, acknowledged);
    }
    assert!(acknowledged > 1000, "{acknowledged}");
}

#[test]
fn a_full_disk_is_named_and_nothing_acknowledged_is_lost() {
    if let Some(directory) = std::env::var_os(WRITER) {
        write_until_full(directory.as_ref());
    }
    let scratch = Scratch::new("full");
    let limit = format!("trap '' XFSZ; ulimit -S -f {BLOCKS};");
    let mut child = writer("a_full_disk_is_named_and_nothing_acknowledged_is_lost", &scratch.0, &limit);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let acknowledged = std::iter::from_fn(|| next_number(&mut lines)).last().expect("some were written");
    assert_eq!(child.wait().unwrap().code(), Some(0), "the writer met a full disk and then had room again");
    assert!(acknowledged > 100, "{acknowledged}");
    assert_there(&scratch.0, acknowledged);
}

fn assert_there(directory: &Path, acknowledged: u64) {
    let (store, stored) = RoamingStore::open(store_options(directory)).expect("the log can be read");
    let counters: BTreeSet<u64> = stored.entries.iter().map(|(entry, _)| entry.version.counter - 1).collect();
    for number in 0..=acknowledged {
        assert!(counters.contains(&number), "entry {number} of {acknowledged} is lost");
    }
    store.close();
}

/// This test again, in a process of its own, begun by `shell`.
fn writer(test: &str, directory: &Path, shell: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("shell::flash::crash_tests::{test}"), "--nocapture"])
        .env(WRITER, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn change(number: u64) -> RoamingChange {
    RoamingChange::Put { entry: entry(number), heard: Second(1) }
}

fn write_until_killed(directory: &Path) -> ! {
    let (store, stored) = RoamingStore::open(store_options(directory)).unwrap();
    let mut number = u64::try_from(stored.entries.len()).unwrap();
    let mut out = std::io::stdout();
    loop {
        let batch: Vec<_> = (number..number + 5).map(|n| (n, store.change(change(n)))).collect();
        for (n, receipt) in batch {
            receipt.wait().unwrap();
            writeln!(out, "durable {n}").unwrap();
            out.flush().unwrap();
        }
        number += 5;
    }
}

/// Writes until the limit on the file's size, then has room again: what waited is written with the next change.
fn write_until_full(directory: &Path) -> ! {
    let (store, _) = RoamingStore::open(store_options(directory)).unwrap();
    let mut out = std::io::stdout();
    for number in 0..10_000 {
        let outcome = store.change(change(number)).wait();
        if outcome.is_ok() {
            writeln!(out, "durable {number}").unwrap();
            continue;
        }
        assert_eq!(outcome, Err(StoreError::DiskFull));
        assert_eq!(store.change(change(number + 1)).wait(), Err(StoreError::DiskFull), "still");
        let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
        setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
        store.change(change(number + 2)).wait().unwrap();
        writeln!(out, "durable {}", number + 2).unwrap();
        out.flush().unwrap();
        std::process::exit(0);
    }
    std::process::exit(1)
}

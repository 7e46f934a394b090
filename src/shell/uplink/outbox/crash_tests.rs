//! `kill -9` in the middle of putting and sending: nothing that was on flash is lost, no number means two events.
//!
//! The test starts itself again as the writer (by [`WRITER`]), which prints each event that it knows to be on flash and
//! each that it acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::tests::{Scratch, open};
use super::*;

/// Names the directory in which the child writes.
const WRITER: &str = "BRANCHLINE_TEST_OUTBOX_WRITER";
const ROUNDS: usize = 6;
const LIMITS: OutboxLimits = OutboxLimits { events: 100_000, bytes: 10_000_000, in_flight: 64 };

#[test]
fn everything_on_flash_survives_kill_9_and_comes_once() {
    if let Some(directory) = std::env::var_os(WRITER) {
        write_until_killed(directory.as_ref());
    }
    let scratch = Scratch::new("crash");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut durable = BTreeSet::new();
    let mut delivered = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut child = start_writer(&scratch.0, round);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..20 + round * 31 {
            note(&next_line(&mut lines).expect("the writer goes on"), &mut durable, &mut delivered);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(line) = next_line(&mut lines) {
            note(&line, &mut durable, &mut delivered);
        }
    }
    let waiting = runtime.block_on(rest(&scratch.0));
    for document in &durable {
        let is_there = waiting.values().chain(delivered.values()).any(|one| one == document);
        assert!(is_there, "{document} is lost");
    }
    for (number, document) in &delivered {
        assert!(waiting.get(number).is_none_or(|again| again == document), "{number} means two events");
    }
    assert!(durable.len() > 200 && delivered.len() > 50, "{} {}", durable.len(), delivered.len());
}

/// What the file still has.
async fn rest(directory: &Path) -> BTreeMap<u64, String> {
    let outbox = open(directory, LIMITS, &Health::new());
    outbox.session_began().await;
    let mut waiting = BTreeMap::new();
    loop {
        let taken = outbox.take(64).await;
        if taken.is_empty() {
            break;
        }
        outbox.acknowledged(taken.iter().map(|one| one.sequence).collect()).await;
        waiting.extend(taken.into_iter().map(|one| (one.sequence.0, one.document)));
    }
    outbox.flush().await;
    let accounts = outbox.accounts();
    assert_eq!(accounts.put, accounts.acknowledged, "every event is accounted for");
    outbox.close();
    waiting
}

fn start_writer(directory: &Path, round: usize) -> Child {
    let name = "shell::uplink::outbox::crash_tests::everything_on_flash_survives_kill_9_and_comes_once";
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(WRITER, directory)
        .env("ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The next whole line; `None` when the writer is dead.
fn next_line(lines: &mut impl BufRead) -> Option<String> {
    loop {
        let mut line = String::new();
        if lines.by_ref().take(4096).read_line(&mut line).ok()? == 0 || !line.ends_with('\n') {
            return None;
        }
        if line.starts_with("durable ") || line.starts_with("taken ") {
            return Some(line.trim().to_owned());
        }
    }
}

fn note(line: &str, durable: &mut BTreeSet<String>, delivered: &mut BTreeMap<u64, String>) {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some("durable"), Some(document), None) => drop(durable.insert(document.to_owned())),
        (Some("taken"), Some(number), Some(document)) => {
            let former = delivered.insert(number.parse().unwrap(), document.to_owned());
            assert!(former.is_none_or(|former| former == document), "{number} means two events");
        }
        _ => panic!("{line}"),
    }
}

fn write_until_killed(directory: &Path) -> ! {
    let round = std::env::var("ROUND").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let outbox = open(directory, LIMITS, &Health::new());
        outbox.session_began().await;
        let mut out = std::io::stdout();
        for batch in 0.. {
            let documents: Vec<String> = (0..5).map(|n| format!("{round}-{batch}-{n}")).collect();
            for document in &documents {
                outbox.put(Worth::CallRecord, document.clone());
            }
            assert!(outbox.flush().await);
            for document in &documents {
                writeln!(out, "durable {document}").unwrap();
            }
            // A broker slower than the office.
            let taken = outbox.take(3).await;
            for one in &taken {
                writeln!(out, "taken {} {}", one.sequence, one.document).unwrap();
            }
            out.flush().unwrap();
            outbox.acknowledged(taken.into_iter().map(|one| one.sequence).collect()).await;
        }
    });
    unreachable!("the writer is killed")
}

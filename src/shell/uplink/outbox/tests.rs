//! The outbox on a real disk.

use std::path::{Path, PathBuf};

use super::*;
use crate::observe::Condition;

/// A directory that goes with the test.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bl-outbox-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn open(directory: &Path, limits: OutboxLimits, health: &Health) -> Outbox {
    let loss_report: LossReport = Box::new(|losses| format!("lost {}", losses.total()));
    Outbox::open(OutboxOptions {
        directory: directory.to_owned(),
        limits,
        health: health.clone(),
        loss_report,
    })
}

fn documents(taken: &[Outgoing]) -> Vec<&str> {
    taken.iter().map(|one| one.document.as_str()).collect()
}

fn numbers(taken: &[Outgoing]) -> Vec<u64> {
    taken.iter().map(|one| one.sequence.0).collect()
}

const LIMITS: OutboxLimits = OutboxLimits { events: 1000, bytes: 100_000, in_flight: 64 };

#[tokio::test]
async fn events_come_out_in_order_over_a_restart_and_go_when_acknowledged() {
    let scratch = Scratch::new("order");
    let health = Health::new();
    let outbox = open(&scratch.0, LIMITS, &health);
    for (worth, document) in
        [(Worth::CallRecord, "one"), (Worth::Emergency, "two"), (Worth::Registration, "three")]
    {
        outbox.put(worth, document.to_owned());
    }
    assert!(outbox.take(10).await.is_empty(), "without a session nothing is given out");
    outbox.session_began().await;
    let taken = outbox.take(2).await;
    assert_eq!((documents(&taken), numbers(&taken)), (vec!["one", "two"], vec![1, 2]));
    outbox.acknowledged(vec![taken[0].sequence]).await;
    assert!(outbox.flush().await);
    let before = outbox.accounts();
    outbox.close();

    let outbox = open(&scratch.0, LIMITS, &health);
    outbox.put(Worth::Audit, "four".to_owned());
    outbox.session_began().await;
    outbox.put(Worth::Audit, "five".to_owned());
    let taken = outbox.take(10).await;
    assert_eq!(documents(&taken), ["two", "three", "four", "five"]);
    assert_eq!(numbers(&taken), [2, 3, 4, 5]);
    assert_eq!(taken.iter().map(|one| one.historical).collect::<Vec<_>>(), [true, true, true, false]);
    outbox.acknowledged(taken.iter().map(|one| one.sequence).collect()).await;
    assert!(outbox.flush().await);
    let accounts = outbox.accounts();
    assert_eq!((accounts.put, accounts.sent, accounts.acknowledged, accounts.waiting), (5, 6, 5, 0));
    assert_eq!(accounts.stream, before.stream);
    outbox.close();
    assert!(!health.is_raised(Condition::OutboxFailed));
}

#[tokio::test]
async fn what_a_broken_session_had_comes_again_as_history() {
    let scratch = Scratch::new("again");
    let outbox = open(&scratch.0, LIMITS, &Health::new());
    outbox.session_began().await;
    outbox.put(Worth::CallRecord, "one".to_owned());
    assert!(!outbox.take(1).await[0].historical);
    outbox.session_ended().await;
    outbox.session_began().await;
    let again = outbox.take(1).await;
    assert_eq!((again[0].sequence.0, again[0].historical), (1, true));
    outbox.close();
}

#[tokio::test]
async fn losses_are_counted_by_worth_and_reported_and_survive() {
    let scratch = Scratch::new("full");
    let health = Health::new();
    let narrow = OutboxLimits { events: 3, ..LIMITS };
    let outbox = open(&scratch.0, narrow, &health);
    for number in 0..5 {
        outbox.put(Worth::Registration, format!("registration {number}"));
    }
    outbox.put(Worth::Emergency, "emergency".to_owned());
    outbox.put(Worth::Emergency, "x".repeat(LONGEST_EVENT + 1));
    assert!(outbox.flush().await);
    assert_eq!(outbox.accounts().lost, [3, 0, 0, 1]);
    assert!(health.is_raised(Condition::OutboxFull));
    outbox.close();

    let health = Health::new();
    let outbox = open(&scratch.0, narrow, &health);
    assert_eq!(outbox.accounts().lost, [3, 0, 0, 1]);
    outbox.session_began().await;
    let taken = outbox.take(10).await;
    assert_eq!(documents(&taken), ["registration 3", "registration 4", "emergency"]);
    outbox.acknowledged(taken.iter().map(|one| one.sequence).collect()).await;
    assert!(outbox.flush().await);
    let report = outbox.take(10).await;
    assert_eq!(documents(&report), ["lost 4"]);
    outbox.acknowledged(vec![report[0].sequence]).await;
    assert!(outbox.flush().await);
    let accounts = outbox.accounts();
    assert_eq!(accounts.put, accounts.acknowledged + accounts.lost_in_all() + accounts.waiting);
    assert!(!health.is_raised(Condition::OutboxFull));
    outbox.close();
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_a_new_stream_begins() {
    let scratch = Scratch::new("damaged");
    let outbox = open(&scratch.0, LIMITS, &Health::new());
    outbox.put(Worth::Audit, "one".to_owned());
    assert!(outbox.flush().await);
    let stream = outbox.accounts().stream;
    outbox.close();
    std::fs::write(scratch.0.join("outbox.db"), b"this is no database, and longer than a header of one is")
        .unwrap();
    let health = Health::new();
    let outbox = open(&scratch.0, LIMITS, &health);
    outbox.put(Worth::Audit, "two".to_owned());
    assert!(outbox.flush().await);
    assert_ne!(outbox.accounts().stream, stream);
    let kept = std::fs::read_dir(&scratch.0).unwrap().flatten();
    assert!(kept.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("damaged-")));
    outbox.close();
}

#[tokio::test]
async fn without_a_directory_it_goes_on_in_memory_and_says_so() {
    let health = Health::new();
    let outbox = open(Path::new("/proc/nowhere"), LIMITS, &health);
    outbox.put(Worth::CallRecord, "one".to_owned());
    outbox.session_began().await;
    assert_eq!(documents(&outbox.take(1).await), ["one"]);
    assert!(health.is_raised(Condition::OutboxFailed));
    outbox.close();
}

#[tokio::test]
async fn whoever_waits_is_woken_by_a_new_event() {
    let scratch = Scratch::new("wake");
    let outbox = open(&scratch.0, LIMITS, &Health::new());
    outbox.session_began().await;
    assert!(outbox.take(1).await.is_empty());
    let quiet = tokio::time::timeout(Duration::from_millis(50), outbox.wake()).await;
    assert!(quiet.is_err(), "nobody is woken for nothing");
    outbox.put(Worth::CallRecord, "one".to_owned());
    outbox.wake().await;
    assert_eq!(documents(&outbox.take(1).await), ["one"]);
    outbox.close();
}

/// An hour of calls, two a second, with the broker away and the box started anew in the middle.
#[tokio::test]
async fn an_hour_of_calls_waits_and_arrives() {
    let scratch = Scratch::new("hour");
    let limits = OutboxLimits { events: 41_943, bytes: 16 << 20, in_flight: 64 };
    let record = |number: u32| format!("{number:06} {}", "x".repeat(900));
    for half in 0..2 {
        let outbox = open(&scratch.0, limits, &Health::new());
        for number in half * 3600..(half + 1) * 3600 {
            outbox.put(Worth::CallRecord, record(number));
            if number % 600 == 0 {
                // The queue holds 8,192: nobody offers as many at once.
                assert!(outbox.flush().await);
            }
        }
        outbox.close();
    }
    let outbox = open(&scratch.0, limits, &Health::new());
    outbox.session_began().await;
    let mut next = 0;
    loop {
        let taken = outbox.take(19).await;
        if taken.is_empty() {
            break;
        }
        for one in &taken {
            assert_eq!((one.sequence.0, one.historical), (u64::from(next) + 1, true));
            assert_eq!(one.document, record(next));
            next += 1;
        }
        outbox.acknowledged(taken.iter().map(|one| one.sequence).collect()).await;
    }
    assert!(outbox.flush().await);
    let accounts = outbox.accounts();
    assert_eq!((next, accounts.put, accounts.acknowledged, accounts.lost_in_all()), (7200, 7200, 7200, 0));
    outbox.close();
}

//! An hour of calls as the engine tells them, with no broker; `kill -9` in the middle; then all of it arrives, each once.
//!
//! The test starts itself again as the first half of the hour (by [`WRITER`]), which prints how much is on flash.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::tests::{Scratch, open};
use super::*;
use crate::engine::Observation;
use crate::engine::scenarios::simulation::hour::{self, Told};
use crate::shell::uplink::events::EventDesk;

/// Names the directory in which the child writes.
const WRITER: &str = "BRANCHLINE_TEST_HOUR_WRITER";
const NAME: &str =
    "shell::uplink::outbox::hour_tests::an_hour_of_calls_survives_kill_9_and_arrives_once_in_order";
const LIMITS: OutboxLimits = OutboxLimits { events: 20_000, bytes: 16 << 20, in_flight: 64 };

#[test]
fn an_hour_of_calls_survives_kill_9_and_arrives_once_in_order() {
    if let Some(directory) = std::env::var_os(WRITER) {
        first_half(directory.as_ref());
    }
    let scratch = Scratch::new("hour-killed");
    let told = hour::of_events();
    let printed = killed_in_the_middle(&scratch.0, told.len() / 2);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let arrived = runtime.block_on(async {
        let outbox = open(&scratch.0, LIMITS, &Health::new());
        let kept = usize::try_from(outbox.accounts().put).unwrap();
        assert!(
            kept >= printed && kept < told.len(),
            "{kept} of {} on flash, {printed} were said to be",
            told.len()
        );
        let desk = EventDesk::new("BRU".parse().unwrap(), "second".to_owned(), outbox.clone());
        for batch in told[kept..].chunks(1000) {
            for one in batch {
                tell(&desk, one);
            }
            assert!(outbox.flush().await);
        }
        let arrived = everything(&outbox).await;
        let accounts = outbox.accounts();
        let all = told.len() as u64;
        assert_eq!(
            (accounts.put, accounts.acknowledged, accounts.lost_in_all(), accounts.waiting),
            (all, all, 0, 0)
        );
        outbox.close();
        arrived
    });
    assert_eq!(arrived.len(), told.len());
    for (place, (one, told)) in arrived.iter().zip(&told).enumerate() {
        assert_eq!((one.sequence.0, one.historical), (place as u64 + 1, true));
        assert_eq!(meaning(&one.document), expected(told), "event {place}");
    }
}

/// The first half is told by a child that is killed. How much it said was on flash.
fn killed_in_the_middle(directory: &Path, half: usize) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(WRITER, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let durable = lines.filter_map(|line| line.ok()?.strip_prefix("durable ")?.parse::<usize>().ok());
    let printed = durable.into_iter().find(|count| *count >= half).expect("the writer goes on");
    child.kill().unwrap();
    child.wait().unwrap();
    printed
}

fn first_half(directory: &Path) -> ! {
    let told = hour::of_events();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let outbox = open(directory, LIMITS, &Health::new());
        let desk = EventDesk::new("BRU".parse().unwrap(), "first".to_owned(), outbox.clone());
        for (place, one) in told[..told.len() - 100].iter().enumerate() {
            tell(&desk, one);
            if place % 20 == 19 {
                assert!(outbox.flush().await);
                println!("durable {}", place + 1);
            }
        }
        std::future::pending::<()>().await;
    });
    unreachable!("the writer is killed")
}

fn tell(desk: &EventDesk, told: &Told) {
    match told {
        Told::Call(record) => desk.call(record),
        Told::Seen(observation) => desk.observe(observation),
    }
}

async fn everything(outbox: &Outbox) -> Vec<Outgoing> {
    outbox.session_began().await;
    let mut arrived = Vec::new();
    loop {
        let taken = outbox.take(64).await;
        if taken.is_empty() {
            break;
        }
        outbox.acknowledged(taken.iter().map(|one| one.sequence).collect()).await;
        arrived.extend(taken);
    }
    assert!(outbox.flush().await);
    arrived
}

/// What a document is about: its kind, and whose.
fn meaning(document: &str) -> (String, String) {
    let event: Value = serde_json::from_str(document).unwrap();
    let kind = event["kind"].as_str().unwrap().to_owned();
    let whose = match kind.as_str() {
        "call" => &event["body"]["id"],
        "emergency" => &event["body"]["call"],
        _ => &event["body"]["extension"],
    };
    (kind, whose.as_str().unwrap().to_owned())
}

fn expected(told: &Told) -> (String, String) {
    let (kind, whose) = match told {
        Told::Call(record) => ("call", &record.id),
        Told::Seen(Observation::Emergency { call, .. }) => ("emergency", call),
        Told::Seen(Observation::Registration { extension, .. }) => ("registration", extension),
        Told::Seen(other) => panic!("{other:?} is no event"),
    };
    (kind.to_owned(), whose.clone())
}

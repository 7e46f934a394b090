//! Calls between every kind of device, through the daemon and a real Asterisk, with tones measured.
//!
//! Each test opens one office and plays its cases side by side; `CASE=part-of-a-name` picks some of them.

mod changes;
mod pages;
mod plain;
mod secured;
mod trouble;

use std::time::Duration;

use peers::Outcome;
use peers::asterisk;
use peers::cases::Cases;
use peers::office::{Office, Setup};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
const SOON: Duration = Duration::from_secs(5);
/// How long each tone is measured.
const CALL: Duration = Duration::from_secs(10);
/// The gap that issue 2 allows.
const GAP: Duration = Duration::from_millis(60);
/// A shorter listen, where the tone is not the point.
const LISTEN: Duration = Duration::from_secs(2);
/// Until media flow after an answer.
const SETTLE: Duration = Duration::from_millis(400);

/// Extensions ring for eight seconds, phones are missed after ten, sessions are refreshed after 45.
fn setup() -> Setup {
    let setup = Setup::default();
    let asterisk = setup
        .asterisk
        .clone()
        .map(|asterisk| asterisk::Setup { ring_time: Duration::from_secs(8), ..asterisk });
    Setup { asterisk, ..setup }
        .with("media", "silence-timeout = \"10s\"\nrest = \"5s\"")
        .with("calls", "session-expires = \"90s\"\nmin-session-expires = \"90s\"")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_plain_phones() -> Outcome {
    let office = Office::open(BINARY, setup()).await?;
    let mut cases = Cases::default();
    cases.add("a UDP phone hears Asterisk's echo", plain::echo(&office));
    cases.add("UDP phones talk through Asterisk", plain::talk(&office));
    cases.add("SIPp registers and calls", plain::sipp(&office));
    cases.add("numbers that lead nowhere", plain::refusals(&office));
    cases.add("busy, rejected, missed", plain::unanswered(&office));
    cases.add("a caller gives up", plain::cancelled(&office));
    cases.add("both hang up at once", plain::glare(&office));
    cases.add("digits reach Asterisk", plain::digits(&office));
    cases.add("digits of a phone that has only tones reach Asterisk", plain::tones(&office));
    cases.add("a late offer", changes::late_offer(&office));
    cases.add("early media", changes::early_media(&office));
    cases.add("hold and resume", changes::hold(&office));
    cases.add("a change of codec", changes::codec(&office));
    cases.add("sessions are refreshed", changes::refresh(&office));
    cases.add("lost and repeated datagrams", trouble::lost_datagrams(&office));
    cases.add("a phone vanishes", trouble::vanished(&office));
    cases.play(5).await?;
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_secured_devices() -> Outcome {
    let office = Office::open(BINARY, setup()).await?;
    let (high, low) = (office.browser(740).await?, office.browser(530).await?);
    let mut cases = Cases::default();
    secured::add(&mut cases, &office, &high, &low);
    pages::add(&mut cases, &office, &high);
    cases.play(3).await?;
    office.close().await
}

//! What strangers send to the daemon: torture, garbage, floods, guesses, forgeries. It answers or counts, and lives.
//!
//! Each case attacks from a loopback address of its own, so that limits by source do not mix; all run at the same
//! time in one office, and afterwards a normal call works.

#![expect(clippy::format_collect, reason = "attacks are written as they will look")]
#![expect(clippy::print_stdout, reason = "the figures and reasons are the result")]

mod forged;
mod guesses;
mod idle;
mod streams;
mod torture;
mod wire;

use std::time::Duration;

use peers::Outcome;
use peers::cases::Cases;
use peers::office::{Office, Setup};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
/// The most resident memory, in KiB, that an unoptimised daemon may have after all this.
const MOST_MEMORY: u64 = 160 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_traffic_is_answered_or_counted() -> Outcome {
    let setup = Setup::without_asterisk()
        .with("sip.limits", "handshake-time = \"3s\"\nmessage-time = \"2s\"\nconnections = 4000")
        .with("sip.limits", "connections-per-source = 2500\nlockout-failures = 5\nlockout-time = \"1m\"")
        .with("sip.limits", "message-size = \"16KiB\"");
    let office = Office::open(BINARY, setup).await?;
    let mut cases = Cases::default();
    cases.add("RFC 4475 over UDP", torture::over_udp(&office));
    cases.add("RFC 4475 over TCP", torture::over_tcp(&office));
    cases.add("RFC 4475 over TLS", torture::over_tls(&office));
    cases.add("garbage on every listener", streams::garbage(&office));
    cases.add("a message split at every byte", streams::split(&office));
    cases.add("oversized and truncated messages", streams::oversized(&office));
    cases.add("slow clients", streams::slow(&office));
    cases.add("SIP over WebSocket, broken", streams::websocket(&office));
    cases.add("guessed passwords", guesses::passwords(&office));
    cases.add("a flood from one source", guesses::flood(&office));
    cases.add("forged tags, Via, Contact and Route", forged::headers(&office));
    cases.add("SDP with hundreds of lines", forged::descriptions(&office));
    cases.add("STUN, DTLS and RTP from strangers", forged::media(&office));
    cases.play(5).await?;
    let mut cases = Cases::default();
    cases.add("two thousand idle TLS connections", idle::connections(&office));
    cases.play(1).await?;
    println!("{}", counted(&office).await?);
    after(&office).await?;
    office.close().await
}

/// The reasons that were counted.
async fn counted(office: &Office) -> Outcome<String> {
    let text = office.metrics().await?;
    let is_reason =
        |line: &&str| line.contains("_total{") && line.contains("reason=") && !line.ends_with(" 0");
    Ok(text.lines().filter(is_reason).map(|line| format!("  {line}\n")).collect())
}

async fn after(office: &Office) -> Outcome {
    assert!(office.is_running());
    let ((_, alice), (b, mut bob)) = (office.phone().await?, office.phone().await?);
    let mut call = alice.call(&b.extension)?;
    let mut answered = bob.called().await?.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    answered.media().send_tone(700.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let time = Duration::from_secs(2);
    let (at_alice, at_bob) = tokio::join!(call.media().hear(time), answered.media().hear(time));
    at_alice.expect_tone(700.0, Duration::from_millis(60))?;
    at_bob.expect_tone(440.0, Duration::from_millis(60))?;
    call.hang_up().await?;
    answered.ended().await?;
    let memory = office.memory()?;
    println!("  afterwards: a normal call, {memory} KiB resident");
    assert!(memory < MOST_MEMORY, "{memory} KiB resident");
    Ok(())
}

//! Calls with media through a relay: what a packet costs the server, how long it is under way, how many are lost.
//!
//! ```text
//! load media --server branchline|asterisk|rtpengine|floor|none --case sdes|dtls --calls N [--seconds S] --pid PID
//!   branchline, asterisk:  --udp ADDR --tls ADDR [--https ADDR] --realm R --passwords FILE --first N
//!   rtpengine:             --ng ADDR
//! ```
//! Each call joins a protected phone (SDES on TLS, or a browser's DTLS-SRTP) and a plain UDP phone, who send each
//! other 160 bytes every 20 ms.

mod bare;
mod browser;
mod description;
mod ng;
mod sip;
mod traffic;

use std::io;

use crate::cpu;
use crate::order::{number, value};
use traffic::{End, Outcome};

/// The ends of a call, the protected one first.
type Pair = [End; 2];

/// Calls that are up.
struct SetUp {
    pairs: Vec<Pair>,
    /// Whatever must live as long as they do.
    hold: Hold,
    /// What the server had in memory before them, in KiB.
    memory: u64,
}

enum Hold {
    Nothing,
    Sip(sip::Up),
    Ng(ng::Up),
    Bare(bare::Loop),
}

/// The protected side of the calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protection {
    Sdes,
    Dtls,
}

/// Does what the command line orders.
pub(crate) fn run() -> io::Result<String> {
    let server =
        value("--server").ok_or_else(|| io::Error::other("see the head of benches/load/media/mod.rs"))?;
    let calls = number("--calls", 50);
    let pid = number("--pid", 0);
    let protection =
        if value("--case").as_deref() == Some("dtls") { Protection::Dtls } else { Protection::Sdes };
    let SetUp { mut pairs, hold, memory } = match server.as_str() {
        "branchline" | "asterisk" => sip::set_up(calls, protection, server == "asterisk", pid)?,
        "rtpengine" => ng::set_up(calls, protection, pid)?,
        "floor" => bare::set_up(calls)?,
        "none" => bare::without_relay(calls)?,
        other => return Err(io::Error::other(format!("no such server: {other}"))),
    };
    let up = cpu::memory_of_tree(pid);
    let spent = || match &hold {
        Hold::Bare(_) => cpu::of_threads("floor"),
        _ => cpu::of_tree(pid),
    };
    let outcome = traffic::run(&mut pairs, number("--seconds", 10), spent)?;
    drop(pairs);
    let ended = match hold {
        Hold::Sip(up) => up.end(),
        Hold::Ng(up) => up.end(),
        Hold::Bare(bare) => bare.end(),
        Hold::Nothing => Ok(()),
    };
    if let Err(error) = ended {
        eprintln!("media: {server}: ending the calls: {error}");
    }
    Ok(report(&server, calls, [memory, up], &outcome))
}

fn report(server: &str, calls: u16, [before, up]: [u64; 2], outcome: &Outcome) -> String {
    let relayed = outcome.received.max(1) as f64;
    let micros = outcome.cpu * 1e6 / relayed;
    format!(
        "{{\"server\":\"{server}\",\"calls\":{calls},\"done\":{},\"failed\":{},\"loss_percent\":{:.3},\
         \"cpu_seconds\":{:.3},\"us_per_packet\":{micros:.2},\"per_core_second\":{:.0},\"p50_us\":{:.0},\
         \"p99_us\":{:.0},\"kib_each\":{:.1},\"sender_late_ms\":{:.1}}}",
        outcome.received,
        outcome.sent - outcome.received.min(outcome.sent),
        100.0 * (outcome.sent.saturating_sub(outcome.received)) as f64 / outcome.sent.max(1) as f64,
        outcome.cpu,
        if micros > 0.0 { 1e6 / micros } else { 0.0 },
        outcome.p50_us,
        outcome.p99_us,
        up.saturating_sub(before) as f64 / f64::from(calls.max(1)),
        outcome.late_ms,
    )
}

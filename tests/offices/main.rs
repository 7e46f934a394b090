//! Several offices on a network of their own, each a host with a Branchline and an Asterisk: calls over links, failover
//! when links fail in every way that they can, and life without Asterisk.
//!
//! Each test enters a network namespace before its runtime is built, so that nothing of it is seen outside.

mod apart;
mod emergencies;
mod failing;
mod failover;
mod federation;
#[cfg(feature = "controller")]
mod gateway;
mod over_links;
mod permissions;
mod records;
mod registering;
mod roaming;
mod surviving;
mod two_brokers;
mod words;

use std::future::Future;
use std::time::Duration;

use peers::Outcome;
use peers::wan::Wan;

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
/// How long each tone is measured.
const CALL: Duration = Duration::from_secs(3);
const GAP: Duration = Duration::from_millis(60);
/// Until media flow after an answer.
const SETTLE: Duration = Duration::from_millis(400);

/// Plays a script in a network of its own.
fn in_a_network<F: Future<Output = Outcome>>(script: impl FnOnce(Wan) -> F) -> Outcome {
    let wan = Wan::enter()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(script(wan))
}

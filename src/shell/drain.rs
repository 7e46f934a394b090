//! The graceful stop: calls that are up may end by themselves, for a while.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::info;

use super::signals::{Signals, Wish};
use super::systemd;

/// How often systemd is asked for more time.
const TICK: Duration = Duration::from_secs(2);
/// How much more each time: enough for what comes after the drain.
const MORE: Duration = Duration::from_secs(15);

/// How the drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// No call is left.
    Empty,
    /// The time was over first.
    TimeOver,
    /// Somebody asked again to stop: at once.
    AskedAgain,
}

/// Waits until `calls` is zero, `time` is over or another signal asks to stop, whichever is first. systemd is
/// told all the while.
pub async fn drain(signals: &mut Signals, calls: &mut watch::Receiver<usize>, time: Duration) -> Drained {
    let deadline = Instant::now() + time;
    let now_up = calls.clone();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let outcome = loop {
        tokio::select! {
            biased;
            wish = signals.next() => if wish == Wish::Stop { break Drained::AskedAgain },
            // Without an engine there are no calls.
            _ = calls.wait_for(|count| *count == 0) => break Drained::Empty,
            () = sleep_until(deadline) => break Drained::TimeOver,
            _ = tick.tick() => {
                let count = *now_up.borrow();
                systemd::extend_stop(MORE);
                systemd::status(&format!("stopping: {count} calls are still up"));
            }
        }
    };
    info!(calls = *now_up.borrow(), ?outcome, "drained");
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_drain_ends_with_the_last_call_or_the_time() {
        let mut signals = Signals::install().unwrap();
        let (up, mut calls) = watch::channel(0);
        let hour = Duration::from_secs(3600);
        assert_eq!(drain(&mut signals, &mut calls, hour).await, Drained::Empty, "nothing to wait for");
        up.send_replace(2);
        let brief = Duration::from_millis(20);
        assert_eq!(drain(&mut signals, &mut calls, brief).await, Drained::TimeOver);
        let ending = tokio::spawn(async move {
            up.send_replace(1);
            up.send_replace(0);
        });
        assert_eq!(drain(&mut signals, &mut calls, hour).await, Drained::Empty);
        ending.await.unwrap();
    }

    #[tokio::test]
    async fn a_second_request_stops_at_once() {
        let mut signals = Signals::install().unwrap();
        let (_up, mut calls) = watch::channel(1);
        let own = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &own]).status().unwrap().success());
        assert_eq!(drain(&mut signals, &mut calls, Duration::from_secs(3600)).await, Drained::AskedAgain);
    }
}

//! sd_notify(3): READY, STATUS, RELOADING, STOPPING and the descriptor store.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use systemd::daemon;
use tracing::debug;

/// Longest status text, in characters.
const LONGEST_STATUS: usize = 200;

/// Everything is bound and loaded: calls can come.
pub fn ready(status: &str) {
    send(&[("READY", "1"), ("STATUS", &clean(status))]);
}

/// A sentence for `systemctl status`.
pub fn status(status: &str) {
    send(&[("STATUS", &clean(status))]);
}

/// A reload begins; [`ready`] ends it. systemd (`Type=notify-reload`) wants the moment.
pub fn reloading(status: &str) {
    send(&[("RELOADING", "1"), ("MONOTONIC_USEC", &monotonic_micros()), ("STATUS", &clean(status))]);
}

/// The stop begins; calls may be draining.
pub fn stopping(status: &str) {
    send(&[("STOPPING", "1"), ("STATUS", &clean(status))]);
}

/// The stop goes on for as long as this: systemd shall not lose patience.
pub fn extend_stop(by: Duration) {
    send(&[("EXTEND_TIMEOUT_USEC", &by.as_micros().to_string())]);
}

/// All parts turned since the last time.
pub(super) fn feed_watchdog() {
    send(&[("WATCHDOG", "1")]);
}

/// Leaves a descriptor with systemd under `name`, to be found again by [`super::Activated`] after a restart
/// or crash. Returns whether systemd took it.
pub fn store_descriptor(name: &str, descriptor: BorrowedFd<'_>) -> bool {
    let state = [("FDSTORE", "1"), ("FDNAME", name)];
    daemon::pid_notify_with_fds(0, state.iter(), &[descriptor.as_raw_fd()]).unwrap_or(false)
}

/// Takes what was stored under `name` out of the store.
pub fn forget_descriptor(name: &str) {
    send(&[("FDSTOREREMOVE", "1"), ("FDNAME", name)]);
}

fn send(state: &[(&str, &str)]) {
    if let Err(error) = daemon::notify(state.iter()) {
        debug!(reason = "notify", "systemd was not told: {error}");
    }
}

/// One line without control characters: a newline would begin another variable.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_STATUS).collect()
}

fn monotonic_micros() -> String {
    let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) else { return "0".to_owned() };
    (i128::from(now.tv_sec()) * 1_000_000 + i128::from(now.tv_nsec()) / 1000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_cannot_smuggle_another_variable_in() {
        assert_eq!(clean("3 calls\nMAINPID=1\0"), "3 callsMAINPID=1");
        assert_eq!(clean(&"x".repeat(500)).len(), LONGEST_STATUS);
    }

    #[test]
    fn the_monotonic_moment_is_in_microseconds() {
        let first: u128 = monotonic_micros().parse().unwrap();
        assert!(first > 1_000_000, "more than a second since boot: {first}");
        assert!(monotonic_micros().parse::<u128>().unwrap() >= first);
    }
}

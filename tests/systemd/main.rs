//! The shipped units and the real daemon under a real systemd, in a container of each test's own.
//!
//! Needs root and `scripts/prerequisites systemd`; the first run makes the root (`scripts/systemd-root`).

#![expect(clippy::print_stdout, reason = "figures are printed")]

mod calls;
mod installed;
mod life;
mod sandbox;
mod secrets;
mod sockets;
mod units;

//! What systemd and we tell each other.
//!
//! | file | what is there |
//! | --- | --- |
//! | `notify` | READY, STATUS, RELOADING, STOPPING; the descriptor store |
//! | `watchdog` | fed only while every part of the daemon turns |
//! | `activation` | sockets handed over by systemd, by name |
//!
//! Outside systemd all of it does nothing.

mod activation;
mod notify;
mod watchdog;

pub use activation::{Activated, ActivationError};
pub use notify::{extend_stop, forget_descriptor, ready, reloading, status, stopping, store_descriptor};
pub use watchdog::{Heartbeat, Watchdog};

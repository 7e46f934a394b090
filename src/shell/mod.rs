//! All I/O: listeners, the engine task, the media worker, store, systemd, journal, certificates.

pub mod durable;
pub mod hex;
pub mod journal;
pub mod pki;
pub mod store;
pub mod systemd;

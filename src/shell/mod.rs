//! All I/O: listeners, the engine task, the media worker, store, systemd, journal, certificates.

pub mod store;

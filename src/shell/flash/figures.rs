//! What was written, for metrics: flash wears by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the log was opened. Cloning gives another handle on the same counts.
#[derive(Clone, Debug, Default)]
pub struct FlashCounters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    writes: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    renewals: AtomicU64,
    failed_renewals: AtomicU64,
    damaged: AtomicU64,
    live: AtomicU64,
    size: AtomicU64,
    names: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlashFigures {
    /// Writes to the file.
    pub writes: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Waits for the flash: fdatasync, fsync.
    pub syncs: u64,
    /// Times that the file was written anew.
    pub renewals: u64,
    /// Times that this failed.
    pub failed_renewals: u64,
    /// Bytes that belonged to no whole record, or to one that was damaged.
    pub damaged: u64,
    /// Bytes of records that count.
    pub live: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Names that have a value.
    pub names: u64,
}

impl FlashCounters {
    /// The counts now.
    pub fn figures(&self) -> FlashFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &*self.0;
        FlashFigures {
            writes: read(&counts.writes),
            bytes: read(&counts.bytes),
            syncs: read(&counts.syncs),
            renewals: read(&counts.renewals),
            failed_renewals: read(&counts.failed_renewals),
            damaged: read(&counts.damaged),
            live: read(&counts.live),
            size: read(&counts.size),
            names: read(&counts.names),
        }
    }

    pub(super) fn wrote(&self, bytes: u64) {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn synced(&self) {
        self.0.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn renewed(&self, is_done: bool) {
        let count = if is_done { &self.0.renewals } else { &self.0.failed_renewals };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn damaged(&self, bytes: u64) {
        self.0.damaged.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_sizes(&self, live: u64, size: u64, names: usize) {
        self.0.live.store(live, Ordering::Relaxed);
        self.0.size.store(size, Ordering::Relaxed);
        self.0.names.store(names as u64, Ordering::Relaxed);
    }
}

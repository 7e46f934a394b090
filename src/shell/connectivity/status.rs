//! What the watchdog and the metrics see of connectivity.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::media::webrtc::{CandidateVerdict, PacketDrop};

/// Counters shared with the thread; all monotonic but [`ConnectivityStatus::ends`].
#[derive(Debug, Default)]
pub struct ConnectivityStatus {
    turns: AtomicU64,
    ends: AtomicUsize,
    unsent: AtomicU64,
    drops: [AtomicU64; PacketDrop::ALL.len()],
    candidates: [AtomicU64; CandidateVerdict::ALL.len()],
    stopping: AtomicBool,
}

impl ConnectivityStatus {
    /// Turns of the thread: it lives if this grows within two seconds.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Open ends.
    pub fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }

    /// Datagrams that the socket would not take.
    pub fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }

    /// Packets dropped for `reason`.
    pub fn drops(&self, reason: PacketDrop) -> u64 {
        self.drops.get(reason as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Remote candidates judged `verdict`.
    pub fn candidates(&self, verdict: CandidateVerdict) -> u64 {
        self.candidates.get(verdict as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn beat(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_ends(&self, ends: usize) {
        self.ends.store(ends, Ordering::Relaxed);
    }

    pub(super) fn count_unsent(&self) {
        self.unsent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_drop(&self, reason: PacketDrop) {
        if let Some(count) = self.drops.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_candidate(&self, verdict: CandidateVerdict) {
        if let Some(count) = self.candidates.get(verdict as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn request_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

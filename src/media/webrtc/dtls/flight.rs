//! The datagrams that we sent last in the handshake, and when to send them again (RFC 6347 §4.2.4).

use std::time::{Duration, Instant};

use super::record::{HELLO_VERIFY_REQUEST, summarize};

const FIRST_REPEAT: Duration = Duration::from_millis(150);
const LONGEST_REPEAT: Duration = Duration::from_secs(2);
/// Between repeats that the peer provokes.
const PROVOKED_REPEAT: Duration = Duration::from_millis(50);
/// Repeats of the last flight, once established.
const MAX_LATE_REPEATS: u8 = 10;

/// One flight; empty before the first.
#[derive(Default)]
pub(super) struct Flight {
    datagrams: Vec<Vec<u8>>,
    sent: Option<Instant>,
    repeat_at: Option<Instant>,
    interval: Duration,
    late_repeats: u8,
}

impl Flight {
    /// Just sent. A HelloVerifyRequest is not repeated by a timer: the client repeats its hello.
    pub(super) fn new(now: Instant, datagrams: Vec<Vec<u8>>) -> Self {
        let first = datagrams.first().and_then(|datagram| summarize(datagram)?.first_message);
        let repeats = first != Some(HELLO_VERIFY_REQUEST);
        let repeat_at = repeats.then(|| now + FIRST_REPEAT);
        Self { datagrams, sent: Some(now), repeat_at, interval: FIRST_REPEAT, late_repeats: 0 }
    }

    /// When it is to be sent again if the peer stays silent.
    pub(super) fn repeat_at(&self) -> Option<Instant> {
        self.repeat_at
    }

    /// The handshake is over: only the peer can provoke a repeat.
    pub(super) fn finish(&mut self) {
        self.repeat_at = None;
    }

    /// The timer has come: what to send again.
    pub(super) fn repeat(&mut self, now: Instant) -> impl Iterator<Item = Vec<u8>> {
        self.sent = Some(now);
        if self.repeat_at.is_some() {
            self.interval = (self.interval * 2).min(LONGEST_REPEAT);
            self.repeat_at = Some(now + self.interval);
        }
        self.datagrams.iter().cloned()
    }

    /// The peer repeated itself in the handshake: whether to answer, at most every 50 ms.
    pub(super) fn may_be_provoked(&self, now: Instant) -> bool {
        self.sent.is_some_and(|sent| now.saturating_duration_since(sent) >= PROVOKED_REPEAT)
    }

    /// The peer repeated its last flight although we are done: whether to answer, at most ten times.
    pub(super) fn may_be_provoked_late(&mut self, now: Instant) -> bool {
        let may = self.late_repeats < MAX_LATE_REPEATS && self.may_be_provoked(now);
        self.late_repeats += u8::from(may);
        may
    }
}

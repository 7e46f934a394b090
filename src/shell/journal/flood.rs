//! How many lines one place in the code may write.
//!
//! Whatever strangers make us say at INFO and above is bounded: [`MOST`] lines in [`WINDOW`], for each place in
//! the code. The first line after says how many were left out. DEBUG and TRACE are for people who look on,
//! and bounded by the queue.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// Lines of one place within a window.
const MOST: u32 = 200;
/// The window.
const WINDOW: Duration = Duration::from_secs(10);

/// The places that have written, as many as there are in the code.
#[derive(Debug, Default)]
pub(super) struct Floods {
    places: HashMap<Identifier, Place>,
}

#[derive(Debug)]
struct Place {
    since: Instant,
    written: u32,
    left_out: u32,
}

/// What is to become of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written; so many were left out before it.
    Write {
        /// Lines of this place left out since the last that was written.
        left_out: u32,
    },
    /// It is left out.
    LeaveOut,
}

impl Floods {
    /// Judges a line of `place` at `now`.
    pub(super) fn judge(&mut self, place: Identifier, now: Instant) -> Verdict {
        let place = self.places.entry(place).or_insert(Place { since: now, written: 0, left_out: 0 });
        if now.saturating_duration_since(place.since) >= WINDOW {
            place.since = now;
            place.written = 0;
        }
        if place.written >= MOST {
            place.left_out = place.left_out.saturating_add(1);
            return Verdict::LeaveOut;
        }
        place.written += 1;
        Verdict::Write { left_out: std::mem::take(&mut place.left_out) }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Callsite;

    use super::*;

    struct Nowhere;

    impl Callsite for Nowhere {
        fn set_interest(&self, _: tracing::subscriber::Interest) {}

        fn metadata(&self) -> &tracing::Metadata<'_> {
            unreachable!("only its address is used")
        }
    }

    static HERE: Nowhere = Nowhere;

    #[test]
    fn a_flood_is_cut_off_and_its_end_says_how_long_it_was() {
        let mut floods = Floods::default();
        let place = || Identifier(&HERE);
        let start = Instant::now();
        for _ in 0..MOST {
            assert_eq!(floods.judge(place(), start), Verdict::Write { left_out: 0 });
        }
        for _ in 0..5000 {
            assert_eq!(floods.judge(place(), start), Verdict::LeaveOut);
        }
        assert_eq!(floods.judge(place(), start + WINDOW), Verdict::Write { left_out: 5000 });
        assert_eq!(floods.judge(place(), start + WINDOW), Verdict::Write { left_out: 0 });
    }
}

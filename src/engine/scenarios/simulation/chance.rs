//! The only source of chance of a run: a seed repeats everything.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// Chance, by seed.
pub(super) struct Chance(ChaCha20Rng);

impl Chance {
    /// Of this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// A number below `limit`; 0 when there is none.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let drawn = self.0.next_u32() as usize;
        if limit == 0 { 0 } else { drawn % limit }
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A span of whole milliseconds from `least` to `most`.
    pub(super) fn millis(&mut self, least: u64, most: u64) -> Duration {
        let width = usize::try_from(most.saturating_sub(least)).unwrap_or(0);
        Duration::from_millis(least + self.below(width + 1) as u64)
    }

    /// A seed for an engine.
    pub(super) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}

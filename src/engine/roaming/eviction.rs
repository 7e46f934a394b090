//! Who goes when the cache is full, and what is forgotten in time.
//!
//! | order | who | oldest by |
//! | --- | --- | --- |
//! | 1 | entries whose user is not there: expired or gone, and no device here | expiry |
//! | 2 | users of other offices who are in other offices | when last heard |
//! | never | this office's users, visitors in this office | |
//!
//! A search looks at every entry, so it makes room for a 256th of the capacity at once.

use std::collections::BinaryHeap;

use super::cache::Roaming;
use super::entry::{Presence, Second};
use super::index::Slot;

/// A search makes room for this part of the capacity.
const PART: usize = 256;

impl Roaming {
    /// Forgets what expired longer ago than entries are kept.
    pub(super) fn purge(&mut self, now: Second) {
        let keep = self.settings().skew + self.settings().keep;
        let old: Vec<Slot> = self
            .index
            .iter()
            .filter(|slot| now.since(Second(slot.expires)) > keep)
            .copied()
            .filter(|slot| !self.is_signed_in_slot(slot))
            .collect();
        for slot in &old {
            self.forget(slot);
            self.counts.purged += 1;
        }
    }

    /// Makes room for at least one more, if anything may go.
    pub(super) fn make_room(&mut self, now: Second) {
        let batch = (self.settings().capacity / PART).max(1);
        let mut going = BinaryHeap::with_capacity(batch + 1);
        for slot in self.index.iter() {
            if let Some(rank) = self.rank(slot, now) {
                going.push((rank, slot.extension, slot.home));
                if going.len() > batch {
                    going.pop();
                }
            }
        }
        for ((foreign, _), extension, home) in going {
            let Some(slot) = self.index.get(extension, home).copied() else { continue };
            self.forget(&slot);
            if foreign {
                self.counts.evicted_foreign += 1;
            } else {
                self.counts.evicted_expired += 1;
            }
        }
    }

    /// Smaller goes first; `None` stays.
    fn rank(&self, slot: &Slot, now: Second) -> Option<(bool, u32)> {
        let entry = self.entry(slot)?;
        if self.is_signed_in(&entry.aor) {
            return None;
        }
        if entry.presence == Presence::Gone || !entry.is_present(now, self.settings().skew) {
            return Some((false, slot.expires));
        }
        let is_ours = entry.aor.home == self.own() || entry.version.office == self.own();
        (!is_ours).then_some((true, slot.heard))
    }

    fn is_signed_in_slot(&self, slot: &Slot) -> bool {
        self.entry(slot).is_some_and(|entry| self.is_signed_in(&entry.aor))
    }
}

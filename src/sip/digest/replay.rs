//! Nonce counts: each (nonce, count) is accepted once (RFC 7616 §3.4, §5.12).
//!
//! Only nonces of users who proved their password come in, so strangers cannot fill the table. When it is
//! full the oldest nonce is forgotten, and from then on any unknown nonce as old or older counts as stale:
//! its user is challenged anew, and nothing that was forgotten can be replayed.

use std::collections::BTreeMap;

use super::NonceId;

/// How far a count may lag behind the highest one seen: requests sent together may arrive out of order.
const WINDOW: u32 = 64;

/// The counts seen of each nonce in use.
#[derive(Debug)]
pub struct NonceCounts {
    seen: BTreeMap<NonceId, Seen>,
    capacity: usize,
    /// The youngest nonce forgotten.
    forgotten: Option<NonceId>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    highest: u32,
    /// Bit n: `highest - n` was seen.
    window: u64,
}

/// Whether a count is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountVerdict {
    /// Not seen before; now it is.
    New,
    /// Seen before, or too far behind to know, or zero.
    Repeated,
    /// The nonce was, or may have been, forgotten: challenge anew.
    Forgotten,
}

impl NonceCounts {
    /// For at most `capacity` nonces (at least one); about 48 bytes each.
    pub fn new(capacity: usize) -> Self {
        Self { seen: BTreeMap::new(), capacity: capacity.max(1), forgotten: None }
    }

    /// How many nonces are known.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Notes `count` of `nonce`.
    pub fn note(&mut self, nonce: NonceId, count: u32) -> CountVerdict {
        if count == 0 {
            return CountVerdict::Repeated;
        }
        if let Some(seen) = self.seen.get_mut(&nonce) {
            return seen.note(count);
        }
        if self.forgotten.is_some_and(|forgotten| nonce <= forgotten) {
            return CountVerdict::Forgotten;
        }
        if self.seen.len() >= self.capacity {
            let oldest = self.seen.first_key_value().map(|(id, _)| *id);
            if oldest.is_some_and(|oldest| nonce <= oldest) {
                return CountVerdict::Forgotten;
            }
            self.seen.pop_first();
            self.forgotten = self.forgotten.max(oldest);
        }
        self.seen.insert(nonce, Seen { highest: count, window: 1 });
        CountVerdict::New
    }

    /// Forgets nonces that have expired: those issued before `time`.
    pub fn forget_before(&mut self, time: crate::time::WallTime) {
        let kept = self.seen.split_off(&NonceId { issued: time, salt: 0 });
        let dropped = std::mem::replace(&mut self.seen, kept);
        self.forgotten = self.forgotten.max(dropped.last_key_value().map(|(id, _)| *id));
    }
}

impl Seen {
    fn note(&mut self, count: u32) -> CountVerdict {
        if count > self.highest {
            let step = count - self.highest;
            self.window = if step < WINDOW { self.window << step | 1 } else { 1 };
            self.highest = count;
            return CountVerdict::New;
        }
        let behind = self.highest - count;
        if behind >= WINDOW || self.window & (1 << behind) != 0 {
            return CountVerdict::Repeated;
        }
        self.window |= 1 << behind;
        CountVerdict::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::WallTime;
    use CountVerdict::{Forgotten, New, Repeated};

    fn id(ms: u64) -> NonceId {
        NonceId { issued: WallTime(ms), salt: 1 }
    }

    #[test]
    fn each_count_once_in_any_near_order() {
        let mut counts = NonceCounts::new(4);
        let run: Vec<_> = [0, 1, 1, 3, 2, 2, 3, 100, 37, 36, 37].map(|n| counts.note(id(1), n)).into();
        let want = [Repeated, New, Repeated, New, New, Repeated, Repeated, New, New, Repeated, Repeated];
        assert_eq!(run, want);
        assert_eq!(counts.note(id(1), u32::MAX), New);
        assert_eq!(counts.note(id(1), u32::MAX), Repeated);
    }

    #[test]
    fn what_is_forgotten_cannot_come_back() {
        let mut counts = NonceCounts::new(2);
        assert_eq!(counts.note(id(1), 1), New);
        assert_eq!(counts.note(id(2), 1), New);
        assert_eq!(counts.note(id(3), 1), New);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts.note(id(1), 1), Forgotten);
        assert_eq!(counts.note(id(2), 1), Repeated);
        counts.forget_before(WallTime(4));
        assert!(counts.is_empty());
        assert_eq!(counts.note(id(3), 1), Forgotten);
        assert_eq!(counts.note(id(4), 1), New);
    }

    #[test]
    fn an_older_one_does_not_push_out_a_younger() {
        let mut counts = NonceCounts::new(2);
        counts.note(id(5), 1);
        counts.note(id(6), 1);
        assert_eq!(counts.note(id(4), 1), Forgotten);
        assert_eq!(counts.note(id(5), 1), Repeated);
    }
}

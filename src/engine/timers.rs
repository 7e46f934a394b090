//! A set of timers for a sans-IO machine: each key has at most one deadline.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Deadlines by key. Setting a key again moves its deadline; expired keys come out in order of time.
///
/// Bounded by its owner: there are no more live entries than keys, and stale heap entries are swept when they
/// outnumber the live ones.
#[derive(Debug)]
pub struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, u64, K)>>,
    live: HashMap<K, (Instant, u64)>,
    sequence: u64,
}

impl<K: Copy + Eq + Hash + Ord> Default for Timers<K> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), live: HashMap::new(), sequence: 0 }
    }
}

impl<K: Copy + Eq + Hash + Ord> Timers<K> {
    /// Wakes `key` at `at`, instead of any deadline that it had.
    pub fn set(&mut self, key: K, at: Instant) {
        self.sequence += 1;
        self.live.insert(key, (at, self.sequence));
        self.heap.push(Reverse((at, self.sequence, key)));
        if self.heap.len() > 64 && self.heap.len() > self.live.len() * 4 {
            self.sweep();
        }
    }

    /// Forgets the deadline of `key`.
    pub fn cancel(&mut self, key: &K) {
        self.live.remove(key);
    }

    /// Whether `key` has a deadline.
    pub fn is_set(&self, key: &K) -> bool {
        self.live.contains_key(key)
    }

    /// The next key whose deadline is not after `now`.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        while let Some(Reverse((at, sequence, key))) = self.heap.peek().copied() {
            if !self.is_current(&key, sequence) {
                self.heap.pop();
            } else if at <= now {
                self.heap.pop();
                self.live.remove(&key);
                return Some(key);
            } else {
                return None;
            }
        }
        None
    }

    /// When [`Timers::pop`] will next have something.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, sequence, key))) = self.heap.peek().copied() {
            if self.is_current(&key, sequence) {
                return Some(at);
            }
            self.heap.pop();
        }
        None
    }

    fn is_current(&self, key: &K, sequence: u64) -> bool {
        self.live.get(key).is_some_and(|(_, current)| *current == sequence)
    }

    fn sweep(&mut self) {
        let live = &self.live;
        self.heap.retain(|Reverse((_, sequence, key))| live.get(key).is_some_and(|(_, s)| s == sequence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn come_out_in_order_of_time_and_once() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.set('b', start + Duration::from_secs(2));
        timers.set('a', start + Duration::from_secs(1));
        assert_eq!(timers.next_deadline(), Some(start + Duration::from_secs(1)));
        assert_eq!(timers.pop(start), None);
        let later = start + Duration::from_secs(5);
        assert_eq!((timers.pop(later), timers.pop(later), timers.pop(later)), (Some('a'), Some('b'), None));
    }

    #[test]
    fn setting_again_moves_and_cancel_forgets() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for second in 1..1000 {
            timers.set('a', start + Duration::from_secs(second));
        }
        assert!(timers.heap.len() < 100, "stale entries are swept");
        assert_eq!(timers.pop(start + Duration::from_secs(998)), None);
        timers.cancel(&'a');
        assert_eq!(timers.next_deadline(), None);
    }
}

//! Bounded storage of transactions, by ids that are never reused.

use std::collections::VecDeque;

/// A slab. An id is a slot and the number of transactions that lived in it before, so an old id never finds a
/// new transaction.
#[derive(Debug)]
pub(super) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Ids in the order in which they fell quiet; those that ended since are skipped.
    quiet: VecDeque<u64>,
    live: usize,
    limit: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Table<T> {
    /// An empty table for `limit` values, at most `u32::MAX`.
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(u32::MAX as usize);
        Self { slots: Vec::new(), free: Vec::new(), quiet: VecDeque::new(), live: 0, limit }
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn is_full(&self) -> bool {
        self.live >= self.limit
    }

    /// The id that [`Table::insert`] will give next; `None` when full.
    pub(super) fn next_id(&self) -> Option<u64> {
        if self.is_full() {
            return None;
        }
        let index = self.free.last().copied().unwrap_or(self.slots.len() as u32);
        let generation = self.slots.get(index as usize).map_or(0, |slot| slot.generation);
        Some(id_of(index, generation))
    }

    /// Stores `value`; gives it back when the table is full.
    pub(super) fn insert(&mut self, value: T) -> Result<u64, T> {
        let Some(id) = self.next_id() else { return Err(value) };
        let (index, _) = parts(id);
        if self.free.pop().is_some() {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.value = Some(value);
            }
        } else {
            self.slots.push(Slot { generation: 0, value: Some(value) });
        }
        self.live += 1;
        Ok(id)
    }

    pub(super) fn get(&self, id: u64) -> Option<&T> {
        let (index, generation) = parts(id);
        self.slots.get(index).filter(|slot| slot.generation == generation)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let (index, generation) = parts(id);
        self.slots.get_mut(index).filter(|slot| slot.generation == generation)?.value.as_mut()
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<T> {
        let (index, generation) = parts(id);
        let slot = self.slots.get_mut(index).filter(|slot| slot.generation == generation)?;
        let value = slot.value.take()?;
        self.live -= 1;
        // A slot whose generations are used up rests for ever rather than repeat an id.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(index as u32);
        }
        Some(value)
    }

    /// From now on `id` may be displaced by a new transaction when the table is full.
    pub(super) fn fell_quiet(&mut self, id: u64) {
        self.quiet.push_back(id);
        if self.quiet.len() > 64 && self.quiet.len() > 2 * self.live {
            let slots = &self.slots;
            self.quiet.retain(|id| {
                let (index, generation) = parts(*id);
                slots.get(index).is_some_and(|slot| slot.generation == generation && slot.value.is_some())
            });
        }
    }

    /// The id that has been quiet for longest, lives and is quiet `still`; it is the caller's to remove.
    pub(super) fn quietest(&mut self, still: impl Fn(&T) -> bool) -> Option<u64> {
        while let Some(id) = self.quiet.pop_front() {
            if self.get(id).is_some_and(&still) {
                return Some(id);
            }
        }
        None
    }
}

fn id_of(index: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(index)
}

fn parts(id: u64) -> (usize, u32) {
    ((id & u64::from(u32::MAX)) as usize, (id >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_never_finds_a_new_value() {
        let mut table = Table::new(2);
        let a = table.insert('a').unwrap();
        assert_eq!(table.remove(a), Some('a'));
        assert_eq!(table.next_id(), table.insert('b').ok());
        assert_eq!((table.get(a), table.len()), (None, 1));
        assert_eq!(table.remove(a), None);
    }

    #[test]
    fn full_is_full_and_the_longest_quiet_goes_first() {
        let mut table = Table::new(3);
        let ids: Vec<_> = "abc".chars().map(|c| table.insert(c).unwrap()).collect();
        assert_eq!(table.insert('d'), Err('d'));
        assert_eq!(table.quietest(|_| true), None);
        table.fell_quiet(ids[1]);
        table.fell_quiet(ids[0]);
        table.remove(ids[1]);
        assert_eq!(table.quietest(|_| true), Some(ids[0]));
        assert_eq!(table.quietest(|_| true), None);
    }

    #[test]
    fn the_queue_of_the_quiet_does_not_grow_with_what_has_ended() {
        let mut table = Table::new(10);
        for _ in 0..10_000 {
            let id = table.insert(()).unwrap();
            table.fell_quiet(id);
            table.remove(id);
        }
        assert!(table.quiet.len() <= 65);
        assert_eq!(table.slots.len(), 1);
    }
}

//! The index: a fixed number of entries of 32 bytes, found by extension.
//!
//! Entries lie side by side; a table of their places, open-addressed with linear probing, is at most two thirds full.
//! A removed place is closed by moving up what was probed past it, so there are no marks to sweep. The hash is keyed:
//! nobody can choose extensions that fall together. Memory grows with use, up to the capacity.

use super::aor::PackedExtension;

/// One entry. `office` is the version's; its highest bit says that the user is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) extension: PackedExtension,
    pub(super) counter: u64,
    pub(super) registered: u32,
    pub(super) expires: u32,
    /// When this box last heard it.
    pub(super) heard: u32,
    pub(super) home: u16,
    pub(super) office: u16,
}

/// A place in the table that is empty.
const EMPTY: u32 = u32::MAX;
/// The smallest table.
const SMALLEST: usize = 64;

/// All entries.
#[derive(Debug)]
pub(super) struct Index {
    slots: Vec<Slot>,
    table: Vec<u32>,
    capacity: usize,
    key: [u64; 2],
}

impl Index {
    /// Room for `capacity` entries; `key` is random.
    pub(super) fn new(capacity: usize, key: [u64; 2]) -> Self {
        let most = usize::try_from(EMPTY).unwrap_or(usize::MAX);
        Self { slots: Vec::new(), table: Vec::new(), capacity: capacity.min(most), key }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= self.capacity
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.table.capacity() * size_of::<u32>()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub(super) fn get(&self, extension: PackedExtension, home: u16) -> Option<&Slot> {
        self.of(extension).find(|slot| slot.home == home)
    }

    pub(super) fn get_mut(&mut self, extension: PackedExtension, home: u16) -> Option<&mut Slot> {
        let (_, at) = self.place(extension, home)?;
        self.slots.get_mut(at)
    }

    /// The entries of that extension, whatever their home: more than one only if offices gave out one number twice.
    pub(super) fn of(&self, extension: PackedExtension) -> impl Iterator<Item = &Slot> {
        self.probe(extension)
            .filter_map(move |(_, at)| self.slots.get(at))
            .filter(move |slot| slot.extension == extension)
    }

    /// Adds an entry whose key is not there. `false` when it is full.
    pub(super) fn insert(&mut self, slot: Slot) -> bool {
        let Ok(at) = u32::try_from(self.slots.len()) else { return false };
        if self.is_full() {
            return false;
        }
        self.grow();
        self.slots.push(slot);
        self.enter(slot.extension, at);
        true
    }

    pub(super) fn remove(&mut self, extension: PackedExtension, home: u16) -> Option<Slot> {
        let (place, at) = self.place(extension, home)?;
        self.close(place);
        let removed = self.slots.swap_remove(at);
        let from = u32::try_from(self.slots.len()).unwrap_or(EMPTY);
        if let Some(moved) = self.slots.get(at).copied() {
            self.redirect(moved.extension, from, u32::try_from(at).unwrap_or(EMPTY));
        }
        Some(removed)
    }

    /// The places probed for an extension up to the first empty one: place in the table, place among the slots.
    fn probe(&self, extension: PackedExtension) -> impl Iterator<Item = (usize, usize)> {
        let mask = self.table.len().wrapping_sub(1);
        let first = self.home_place(extension);
        let places = (0..self.table.len()).map(move |step| (first + step) & mask);
        places.map_while(|place| {
            let at = self.table.get(place).copied().filter(|at| *at != EMPTY)?;
            Some((place, usize::try_from(at).ok()?))
        })
    }

    fn place(&self, extension: PackedExtension, home: u16) -> Option<(usize, usize)> {
        self.probe(extension).find(|(_, at)| {
            self.slots.get(*at).is_some_and(|slot| slot.extension == extension && slot.home == home)
        })
    }

    /// Where probing begins.
    fn home_place(&self, extension: PackedExtension) -> usize {
        let [first, second] = self.key;
        let mixed = (extension.0 ^ first).wrapping_mul(second | 1);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(first | 1);
        let hash = mixed ^ mixed >> 29;
        usize::try_from(hash & (self.table.len() as u64).wrapping_sub(1)).unwrap_or(0)
    }

    fn enter(&mut self, extension: PackedExtension, at: u32) {
        let mask = self.table.len().wrapping_sub(1);
        let mut place = self.home_place(extension);
        for _ in 0..self.table.len() {
            match self.table.get_mut(place) {
                Some(free) if *free == EMPTY => {
                    *free = at;
                    return;
                }
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// The slot that lay at `from` lies at `to`.
    fn redirect(&mut self, extension: PackedExtension, from: u32, to: u32) {
        let mask = self.table.len().wrapping_sub(1);
        let mut place = self.home_place(extension);
        for _ in 0..self.table.len() {
            match self.table.get_mut(place) {
                Some(at) if *at == from => {
                    *at = to;
                    return;
                }
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// Empties a place and moves up those behind it that were probed past it.
    fn close(&mut self, place: usize) {
        let mask = self.table.len().wrapping_sub(1);
        let mut hole = place;
        let mut next = (place + 1) & mask;
        for _ in 0..self.table.len() {
            let at = self.table.get(next).copied().unwrap_or(EMPTY);
            let Some(slot) = usize::try_from(at).ok().and_then(|at| self.slots.get(at)) else { break };
            let wanted = self.home_place(slot.extension);
            if next.wrapping_sub(wanted) & mask >= next.wrapping_sub(hole) & mask {
                self.set(hole, at);
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.set(hole, EMPTY);
    }

    fn set(&mut self, place: usize, at: u32) {
        if let Some(entry) = self.table.get_mut(place) {
            *entry = at;
        }
    }

    /// Makes room for one more.
    fn grow(&mut self) {
        if self.slots.len() == self.slots.capacity() {
            let wanted = (self.slots.len() * 2).max(SMALLEST / 2).min(self.capacity);
            self.slots.reserve_exact(wanted.saturating_sub(self.slots.len()).max(1));
        }
        if (self.slots.len() + 1) * 3 <= self.table.len() * 2 {
            return;
        }
        let size = (self.table.len() * 2).max(SMALLEST);
        self.table.clear();
        self.table.reserve_exact(size);
        self.table.resize(size, EMPTY);
        for at in 0..self.slots.len() {
            if let (Some(slot), Ok(number)) = (self.slots.get(at).copied(), u32::try_from(at)) {
                self.enter(slot.extension, number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn slot(extension: u64, home: u16, counter: u64) -> Slot {
        Slot {
            extension: PackedExtension(extension),
            counter,
            registered: 0,
            expires: 0,
            heard: 0,
            home,
            office: 0,
        }
    }

    #[test]
    fn an_entry_takes_32_bytes() {
        assert_eq!(size_of::<Slot>(), 32);
    }

    #[test]
    fn it_holds_its_capacity_and_no_more() {
        let mut index = Index::new(100, [1, 2]);
        for extension in 0..100 {
            assert!(index.insert(slot(extension, 0, 1)));
        }
        assert!(index.is_full() && !index.insert(slot(100, 0, 1)));
        assert!(index.remove(PackedExtension(7), 0).is_some());
        assert!(index.insert(slot(100, 0, 1)));
        assert_eq!(index.len(), 100);
    }

    proptest! {
        #[test]
        fn it_is_a_map(
            steps in prop::collection::vec((any::<bool>(), 0..40_u64, 0..3_u16), 0..400),
            key in any::<[u64; 2]>(),
        ) {
            let mut index = Index::new(64, key);
            let mut model = BTreeMap::new();
            for (counter, (puts, extension, home)) in (1_u64..).zip(steps) {
                let packed = PackedExtension(extension);
                if puts && !model.contains_key(&(extension, home)) {
                    if index.insert(slot(extension, home, counter)) {
                        model.insert((extension, home), counter);
                    } else {
                        prop_assert_eq!(model.len(), 64);
                    }
                } else if !puts {
                    let removed = index.remove(packed, home).map(|slot| slot.counter);
                    prop_assert_eq!(removed, model.remove(&(extension, home)));
                }
                prop_assert_eq!(index.len(), model.len());
            }
            for extension in 0..40 {
                for home in 0..3 {
                    let found = index.get(PackedExtension(extension), home).map(|slot| slot.counter);
                    prop_assert_eq!(found, model.get(&(extension, home)).copied());
                }
                let all = index.of(PackedExtension(extension)).count();
                prop_assert_eq!(all, (0..3).filter(|home| model.contains_key(&(extension, *home))).count());
            }
        }
    }
}

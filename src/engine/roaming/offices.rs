//! Offices by a number of two bytes, so that an entry need not spell them.

use std::collections::BTreeMap;

use crate::engine::numbering::OfficeId;

/// Most offices that a cache can be made for: one bit of the number is the entry's.
pub(super) const MOST: usize = 1 << 15;

/// The offices that entries name. Bounded; numbers that no entry uses any more are given out again.
#[derive(Debug)]
pub(super) struct Offices {
    ids: Vec<Option<OfficeId>>,
    numbers: BTreeMap<OfficeId, u16>,
    capacity: usize,
}

impl Offices {
    pub(super) fn new(capacity: usize) -> Self {
        Self { ids: Vec::new(), numbers: BTreeMap::new(), capacity: capacity.min(MOST) }
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn number(&self, office: OfficeId) -> Option<u16> {
        self.numbers.get(&office).copied()
    }

    pub(super) fn id(&self, number: u16) -> Option<OfficeId> {
        self.ids.get(usize::from(number)).copied().flatten()
    }

    /// The office's number, a new one if need be; `None` when there is no room.
    pub(super) fn add(&mut self, office: OfficeId) -> Option<u16> {
        if let Some(number) = self.number(office) {
            return Some(number);
        }
        let free = self.ids.iter().position(Option::is_none).unwrap_or(self.ids.len());
        if free >= self.capacity {
            return None;
        }
        let number = u16::try_from(free).ok()?;
        match self.ids.get_mut(free) {
            Some(place) => *place = Some(office),
            None => self.ids.push(Some(office)),
        }
        self.numbers.insert(office, number);
        Some(number)
    }

    /// How many more can be added.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.numbers.len())
    }

    /// Frees the numbers that are not among `used`.
    pub(super) fn retain(&mut self, used: impl Iterator<Item = u16>) {
        let mut is_used = vec![false; self.ids.len()];
        for number in used {
            if let Some(place) = is_used.get_mut(usize::from(number)) {
                *place = true;
            }
        }
        for (place, is_used) in self.ids.iter_mut().zip(is_used) {
            if !is_used && let Some(office) = place.take() {
                self.numbers.remove(&office);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_bounded_and_given_out_again() {
        let id = |text: &str| text.parse::<OfficeId>().unwrap();
        let mut offices = Offices::new(2);
        assert_eq!(offices.add(id("BRU")), Some(0));
        assert_eq!(offices.add(id("PAR")), Some(1));
        assert_eq!(offices.add(id("BRU")), Some(0));
        assert_eq!(offices.add(id("NYC")), None);
        assert_eq!(offices.room(), 0);
        offices.retain([1].into_iter());
        assert_eq!(offices.add(id("NYC")), Some(0));
        assert_eq!((offices.id(0), offices.id(1), offices.id(2)), (Some(id("NYC")), Some(id("PAR")), None));
        assert_eq!((offices.number(id("BRU")), offices.len()), (None, 2));
    }
}

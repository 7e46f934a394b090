//! Places for connections: so many in all, so many per source.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::Source;

/// Counts connections. The table holds at most one entry per connection, so it is bounded by the limit.
#[derive(Debug, Default)]
pub struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_source: HashMap<Source, usize>,
}

/// One place; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    source: Source,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoPlace {
    /// All are taken.
    Full,
    /// The source has as many as one source may have.
    SourceFull,
}

impl NoPlace {
    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "connections-full",
            Self::SourceFull => "connections-of-source",
        }
    }
}

impl Places {
    /// Takes a place for `address`.
    pub fn take(
        self: &Arc<Self>,
        address: IpAddr,
        total: usize,
        per_source: usize,
    ) -> Result<Place, NoPlace> {
        let source = Source::of(address);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= total {
            return Err(NoPlace::Full);
        }
        let count = taken.by_source.entry(source).or_insert(0);
        if *count >= per_source {
            return Err(NoPlace::SourceFull);
        }
        *count += 1;
        taken.total += 1;
        Ok(Place { places: Arc::clone(self), source })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total = taken.total.saturating_sub(1);
        if let Entry::Occupied(mut entry) = taken.by_source.entry(self.source) {
            match entry.get().checked_sub(1) {
                Some(left) if left > 0 => *entry.get_mut() = left,
                _ => drop(entry.remove()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_per_source() {
        let places = Arc::new(Places::default());
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = places.take(a, 3, 2).unwrap();
        let _second = places.take(a, 3, 2).unwrap();
        assert_eq!(places.take(a, 3, 2).unwrap_err(), NoPlace::SourceFull);
        let third = places.take(b, 3, 2).unwrap();
        assert_eq!(places.take(b, 3, 2).unwrap_err(), NoPlace::Full);
        drop((first, third));
        assert_eq!(places.taken(), 1);
        assert_eq!(places.0.lock().unwrap().by_source.len(), 1, "nothing is kept of who is gone");
    }
}

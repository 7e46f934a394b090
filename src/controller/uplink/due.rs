//! What is to be published, and what to be cleared: read from the database, compared with what the broker has.

use std::collections::{BTreeMap, BTreeSet};

use crate::controller::store::desired::{self, DesiredRow};
use crate::controller::store::{Rows, StoreError, offices};
use crate::uplink::{OfficeId, Revision};

/// One thing to do at the broker.
#[derive(Debug)]
pub(super) enum Due {
    /// A set is to be kept there.
    Set(DesiredRow),
    /// A removed office's set is to be kept no longer.
    Clearing(OfficeId),
}

/// What is known of the broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Offices with a set or a clearing on its way.
    pub(super) busy: BTreeSet<OfficeId>,
    /// Sets that it would not have; it is asked again after the next connection.
    pub(super) refused: BTreeMap<OfficeId, Revision>,
    /// The revisions of the sets that it keeps, as far as we signed them.
    pub(super) held: BTreeMap<OfficeId, Revision>,
    /// Whether it has had the time to show all that it keeps.
    pub(super) has_shown_all: bool,
}

/// What to do now, at most `most` things: sets that wait, sets that the broker lacks, sets of offices that are no more.
pub(super) fn due(rows: &Rows<'_>, known: &Known, most: usize) -> Result<Vec<Due>, StoreError> {
    let mut names = desired::waiting(rows)?;
    if known.has_shown_all {
        let published = desired::published(rows)?.into_iter();
        names.extend(published.filter(|(office, revision)| known.lacks(*office, *revision)));
    }
    let mut due = Vec::new();
    for (office, _) in
        names.into_iter().filter(|(office, revision)| known.may_go(*office, *revision)).take(most)
    {
        due.extend(desired::newest(rows, office)?.map(Due::Set));
    }
    if known.has_shown_all {
        let gone = offices::removed(rows)?.into_iter().filter(|gone| known.is_to_clear(gone));
        due.extend(gone.map(|gone| Due::Clearing(gone.office)).take(most.saturating_sub(due.len())));
    }
    Ok(due)
}

impl Known {
    fn lacks(&self, office: OfficeId, revision: Revision) -> bool {
        self.held.get(&office).is_none_or(|held| *held < revision)
    }

    fn may_go(&self, office: OfficeId, revision: Revision) -> bool {
        !self.busy.contains(&office) && self.refused.get(&office) != Some(&revision)
    }

    /// Nothing is cleared that somebody else issued after the office was removed here.
    fn is_to_clear(&self, gone: &offices::RemovedRow) -> bool {
        let is_ours = self.held.get(&gone.office).map(|held| *held <= gone.revision);
        is_ours.unwrap_or(!gone.is_cleared) && !self.busy.contains(&gone.office)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::controller::store::Store;
    use crate::controller::store::offices::OfficeRow;
    use crate::time::WallTime;

    const NOW: WallTime = WallTime(1);

    fn store_with_a_published_set() -> (Store, OfficeId) {
        let (store, id) = (Store::in_memory(), "BRU".parse().unwrap());
        let made: Result<(), StoreError> = store.write(|rows| {
            let (name, content) = ("Brussels".to_owned(), String::new());
            offices::insert(rows, &OfficeRow { id, name, settings: Map::new(), created: NOW, content })?;
            let revision = desired::next_revision(rows, id)?;
            let (digest, content, document) = (String::new(), String::new(), b"{}".to_vec());
            let row = DesiredRow {
                office: id,
                revision,
                digest,
                content,
                document,
                created: NOW,
                acknowledged: None,
            };
            desired::insert(rows, &row)?;
            desired::acknowledge(rows, id, revision, NOW)
        });
        made.unwrap();
        (store, id)
    }

    fn told(store: &Store, known: &Known) -> Vec<String> {
        let due = store.write(|rows| due(rows, known, 9)).unwrap();
        let words = due.into_iter().map(|one| match one {
            Due::Set(row) => format!("set {}", row.revision),
            Due::Clearing(office) => format!("clear {office}"),
        });
        words.collect()
    }

    #[test]
    fn a_set_that_the_broker_lost_or_somebody_cleared_goes_out_again() {
        let (store, office) = store_with_a_published_set();
        let mut known = Known::default();
        assert!(told(&store, &known).is_empty(), "it has not shown what it keeps yet");
        known.has_shown_all = true;
        assert_eq!(told(&store, &known), ["set 1"]);
        known.held.insert(office, Revision(1));
        assert!(told(&store, &known).is_empty());
    }

    #[test]
    fn the_set_of_a_removed_office_is_cleared_unless_it_is_somebody_elses() {
        let (store, office) = store_with_a_published_set();
        assert!(store.write(|rows| offices::delete(rows, office, NOW)).unwrap());
        let mut known = Known { has_shown_all: true, ..Known::default() };
        assert_eq!(told(&store, &known), ["clear BRU"]);
        known.held.insert(office, Revision(2));
        assert!(told(&store, &known).is_empty(), "ops issued a set by hand since");
        known.held.insert(office, Revision(1));
        store.write(|rows| offices::cleared(rows, office, NOW)).unwrap();
        assert_eq!(told(&store, &known), ["clear BRU"], "another broker kept it");
        known.held.clear();
        assert!(told(&store, &known).is_empty());
        let (name, content) = ("Brussels".to_owned(), String::new());
        let again = OfficeRow { id: office, name, settings: Map::new(), created: NOW, content };
        known.held.insert(office, Revision(1));
        assert!(store.write(|rows| offices::insert(rows, &again)).unwrap());
        assert!(told(&store, &known).is_empty(), "the office is there again");
    }
}

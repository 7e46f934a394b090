//! What waits for the uplink at one office, by a model that is slow and plain: what [`crate::uplink::Outbox`] must do.

use std::collections::BTreeSet;

use crate::uplink::{Dispatch, Losses, Offer, Sequence, Worth};

/// An event that waits, or is on its way.
#[derive(Clone, Debug)]
struct Row {
    number: Sequence,
    worth: Worth,
    name: String,
    on_its_way: bool,
}

/// What waits at one office.
#[derive(Debug)]
pub(super) struct Shelf {
    most: usize,
    rows: Vec<Row>,
    next: Sequence,
    live_from: Sequence,
    /// Lost and not reported, by worth.
    unreported: [u64; 4],
    /// Lost in all, by worth.
    pub(super) lost: [u64; 4],
    /// What was lost.
    pub(super) gone: BTreeSet<String>,
    /// What its reports said that was lost, by worth, as far as they arrived.
    pub(super) heard_of: [u64; 4],
    /// Whether a report was lost itself; then what it said is not known.
    pub(super) lost_a_report: bool,
}

impl Shelf {
    /// An empty one, with room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            rows: Vec::new(),
            next: Sequence(1),
            live_from: Sequence(1),
            unreported: [0; 4],
            lost: [0; 4],
            gone: BTreeSet::new(),
            heard_of: [0; 4],
            lost_a_report: false,
        }
    }

    fn loses(&mut self, worth: Worth, name: &str) {
        self.lost[worth as usize] += 1;
        self.unreported[worth as usize] += 1;
        self.gone.insert(name.to_owned());
        self.lost_a_report |= name.starts_with("loss ");
    }

    /// The least that waits: the oldest of the least worth.
    fn least(&self) -> Option<usize> {
        let waits = |place: &usize| !self.rows[*place].on_its_way;
        (0..self.rows.len())
            .filter(waits)
            .min_by_key(|place| (self.rows[*place].worth, self.rows[*place].number))
    }

    /// An event was offered, and this became of it. What is wrong with that.
    pub(super) fn offered(&mut self, worth: Worth, name: &str, offer: &Offer) -> Option<String> {
        let number = self.next;
        self.next = number.next();
        let mut displaced = Vec::new();
        if self.rows.len() >= self.most {
            let Some(place) = self.least().filter(|place| self.rows[*place].worth <= worth) else {
                self.loses(worth, name);
                let expected = Offer::Lost { sequence: number };
                return (*offer != expected).then(|| format!("{name}: {offer:?}, not {expected:?}"));
            };
            let row = self.rows.remove(place);
            self.loses(row.worth, &row.name);
            displaced.push(row.number);
        }
        self.rows.push(Row { number, worth, name: name.to_owned(), on_its_way: false });
        let expected = Offer::Kept { sequence: number, displaced };
        (*offer != expected).then(|| format!("{name}: {offer:?}, not {expected:?}"))
    }

    /// Losses were reported, under this number.
    pub(super) fn reports(&mut self, number: Sequence, losses: Losses, name: &str) -> Option<String> {
        let expected = std::mem::take(&mut self.unreported);
        self.rows.push(Row { number, worth: Worth::Audit, name: name.to_owned(), on_its_way: false });
        let is_next = number == self.next && self.rows.len() <= self.most;
        self.next = number.next();
        let said = Worth::ALL.map(|worth| losses.of(worth));
        (said != expected || !is_next).then(|| format!("{name} as {number} says {said:?}, not {expected:?}"))
    }

    /// A session begins or ends.
    pub(super) fn session(&mut self, begins: bool) {
        self.rows.iter_mut().for_each(|row| row.on_its_way = false);
        if begins {
            self.live_from = self.next;
        }
    }

    /// An event goes out: the oldest that waits, as history if it was there before the session.
    pub(super) fn dispatched(&mut self, dispatch: Dispatch) -> Option<String> {
        let oldest = self.rows.iter_mut().filter(|row| !row.on_its_way).min_by_key(|row| row.number);
        let Some(row) = oldest else { return Some(format!("{dispatch:?}, and nothing waits")) };
        row.on_its_way = true;
        let expected = Dispatch { sequence: row.number, historical: row.number < self.live_from };
        (dispatch != expected).then(|| format!("{dispatch:?} goes out, not {expected:?}"))
    }

    /// The broker has it.
    pub(super) fn acknowledged(&mut self, number: Sequence) {
        self.rows.retain(|row| row.number != number);
    }

    /// The box fell, and this is on flash; of these there was one too many.
    pub(super) fn fell(
        &mut self,
        kept: Vec<(Sequence, Worth, String)>,
        next: Sequence,
        displaced: &[Sequence],
    ) -> Option<String> {
        self.rows = kept
            .into_iter()
            .map(|(number, worth, name)| Row { number, worth, name, on_its_way: false })
            .collect();
        self.next = next;
        self.live_from = next;
        let mut expected = Vec::new();
        while self.rows.len() > self.most {
            let Some(place) = self.least() else { break };
            let row = self.rows.remove(place);
            self.loses(row.worth, &row.name);
            expected.push(row.number);
        }
        (expected != displaced).then(|| format!("{displaced:?} had no room, not {expected:?}"))
    }

    /// A report of losses arrived.
    pub(super) fn is_heard_of(&mut self, losses: [u64; 4]) {
        for (sum, count) in self.heard_of.iter_mut().zip(losses) {
            *sum += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uplink::{Outbox, OutboxLimits};

    #[test]
    fn a_box_that_keeps_the_wrong_event_is_seen() {
        let limits = OutboxLimits { events: 1, ..OutboxLimits::default() };
        let (mut outbox, mut shelf) = (Outbox::new(limits), Shelf::new(1));
        for (worth, name) in [(Worth::CallRecord, "a"), (Worth::Registration, "b"), (Worth::Emergency, "c")] {
            assert_eq!(shelf.offered(worth, name, &outbox.offer(worth, 1)), None);
        }
        assert_eq!((shelf.lost, shelf.gone.len()), ([1, 1, 0, 0], 2));
        let wrong = Offer::Kept { sequence: Sequence(4), displaced: vec![] };
        assert!(shelf.offered(Worth::Emergency, "d", &wrong).is_some(), "c had to go");
        let wrong = Dispatch { sequence: Sequence(3), historical: false };
        assert!(shelf.dispatched(wrong).is_some(), "c is not there any more");
    }
}

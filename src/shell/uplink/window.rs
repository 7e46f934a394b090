//! What was published and not acknowledged.
//!
//! The MQTT library gives out packet ids in the order in which it takes publications from its queue, tells each id by an
//! event, and begins again at 1 after as many as may be in flight. If an id comes round while its former publication is
//! still not acknowledged, the library stalls (`#1056` upstream). So no publication is handed to it while the oldest
//! unacknowledged one is as far back as that; the id can then never meet itself.

use std::collections::{BTreeMap, VecDeque};

/// Publications in flight at most, whatever the broker allows.
pub(super) const MOST: u16 = 64;

/// The publications of one session that are not acknowledged; `T` says what each was.
#[derive(Debug)]
pub(super) struct Window<T> {
    size: u64,
    /// Handed to the library, with their places in the row of all.
    queued: VecDeque<(u64, T)>,
    /// On the wire, by packet id.
    sent: BTreeMap<u16, (u64, T)>,
    next: u64,
}

impl<T> Window<T> {
    /// For a broker that takes `receive_maximum` publications at once (MQTT 5 §3.2.2.3.3), 65,535 unless it says less.
    /// One less is used, so that the library's queue never blocks what does not count.
    pub(super) fn new(receive_maximum: Option<u16>) -> Self {
        let size = receive_maximum.unwrap_or(u16::MAX).min(MOST).saturating_sub(1).max(1);
        Self { size: u64::from(size), queued: VecDeque::new(), sent: BTreeMap::new(), next: 0 }
    }

    /// Whether one more may be handed over.
    pub(super) fn has_room(&self) -> bool {
        self.next.saturating_sub(self.oldest()) < self.size
    }

    /// How many more.
    pub(super) fn room(&self) -> usize {
        usize::try_from(self.size.saturating_sub(self.next.saturating_sub(self.oldest()))).unwrap_or(0)
    }

    /// Nothing is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.sent.is_empty()
    }

    /// `what` was handed over.
    pub(super) fn queued(&mut self, what: T) {
        self.queued.push_back((self.next, what));
        self.next += 1;
    }

    /// The library sent the next one under this packet id.
    pub(super) fn sent(&mut self, packet: u16) {
        if let Some(what) = self.queued.pop_front() {
            self.sent.insert(packet, what);
        }
    }

    /// The broker acknowledged this packet id; what it was.
    pub(super) fn acknowledged(&mut self, packet: u16) -> Option<T> {
        self.sent.remove(&packet).map(|(_, what)| what)
    }

    fn oldest(&self) -> u64 {
        let queued = self.queued.front().map(|(place, _)| *place);
        let sent = self.sent.values().map(|(place, _)| *place);
        sent.chain(queued).min().unwrap_or(self.next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_acknowledgement_out_of_turn_makes_no_room_behind_the_oldest() {
        let mut window = Window::new(Some(4));
        for what in 0..3 {
            assert!(window.has_room());
            window.queued(what);
            window.sent(u16::try_from(what + 1).unwrap());
        }
        assert!(!window.has_room());
        assert_eq!(window.acknowledged(3), Some(2));
        assert_eq!((window.has_room(), window.room()), (false, 0), "the first is still out");
        assert_eq!(window.acknowledged(1), Some(0));
        assert_eq!(window.room(), 1);
        assert_eq!(window.acknowledged(9), None);
    }

    #[test]
    fn a_broker_that_takes_one_at_a_time_gets_one_at_a_time() {
        for maximum in [0, 1, 2] {
            let mut window = Window::new(Some(maximum));
            assert_eq!(window.room(), 1);
            window.queued(());
            assert!(!window.has_room() && !window.is_empty());
        }
        assert_eq!(Window::<()>::new(None).room(), usize::from(MOST) - 1);
    }

    proptest! {
        /// As the library does it: ids from 1 to the maximum, round and round.
        #[test]
        fn no_packet_id_meets_itself(maximum in 1_u16..8, acks in prop::collection::vec(0_usize..8, 0..200)) {
            let mut window = Window::new(Some(maximum));
            let (mut id, mut out) = (0, Vec::new());
            for pick in acks {
                while window.has_room() {
                    window.queued(());
                    id = id % maximum + 1;
                    prop_assert!(!out.contains(&id));
                    out.push(id);
                    window.sent(id);
                }
                if !out.is_empty() {
                    let acked = out.remove(pick % out.len());
                    prop_assert!(window.acknowledged(acked).is_some());
                }
            }
        }
    }
}

//! The outbox's policy, row by row, and its accounts under any sequence of verbs.

use proptest::prelude::*;

use super::outbox::*;

const SMALL: OutboxLimits = OutboxLimits { events: 4, bytes: 400, in_flight: 2 };

fn kept(offer: Offer) -> (u64, Vec<u64>) {
    match offer {
        Offer::Kept { sequence, displaced } => (sequence.0, displaced.into_iter().map(|one| one.0).collect()),
        Offer::Lost { sequence } => panic!("{sequence} was lost"),
    }
}

#[test]
fn events_go_out_in_order_and_leave_when_acknowledged() {
    let mut outbox = Outbox::new(SMALL);
    outbox.offer(Worth::Emergency, 10);
    outbox.offer(Worth::Registration, 10);
    assert_eq!(outbox.dispatch(), None, "no session");
    outbox.session_began();
    outbox.offer(Worth::CallRecord, 10);
    assert_eq!(outbox.dispatch(), Some(Dispatch { sequence: Sequence(1), historical: true }));
    assert_eq!(outbox.dispatch(), Some(Dispatch { sequence: Sequence(2), historical: true }));
    assert_eq!(outbox.dispatch(), None, "two in flight");
    assert!(outbox.acknowledged(Sequence(1)) && !outbox.acknowledged(Sequence(1)));
    assert_eq!(outbox.dispatch(), Some(Dispatch { sequence: Sequence(3), historical: false }));
    assert_eq!((outbox.len(), outbox.bytes()), (2, 20));
}

#[test]
fn what_was_in_flight_when_the_session_ended_goes_again_as_historical() {
    let mut outbox = Outbox::new(SMALL);
    outbox.session_began();
    outbox.offer(Worth::CallRecord, 10);
    assert!(!outbox.dispatch().unwrap().historical);
    outbox.session_ended();
    assert!(!outbox.acknowledged(Sequence(1)), "an acknowledgement of the former session counts no more");
    outbox.session_began();
    assert_eq!(outbox.dispatch(), Some(Dispatch { sequence: Sequence(1), historical: true }));
}

#[test]
fn the_oldest_of_the_least_worth_goes_first() {
    let mut outbox = Outbox::new(SMALL);
    for worth in [Worth::CallRecord, Worth::Registration, Worth::Registration, Worth::Emergency] {
        outbox.offer(worth, 10);
    }
    assert_eq!(kept(outbox.offer(Worth::Registration, 10)), (5, vec![2]));
    assert_eq!(kept(outbox.offer(Worth::Audit, 10)), (6, vec![3]));
    assert_eq!(kept(outbox.offer(Worth::Audit, 10)), (7, vec![5]));
    assert_eq!(outbox.offer(Worth::Registration, 10), Offer::Lost { sequence: Sequence(8) });
    assert_eq!(outbox.losses(), Losses { registration: 4, ..Losses::default() });
    assert_eq!(kept(outbox.offer(Worth::CallRecord, 10)), (9, vec![1]));
}

#[test]
fn a_large_event_displaces_several_or_none() {
    let mut outbox = Outbox::new(SMALL);
    outbox.offer(Worth::Registration, 100);
    outbox.offer(Worth::Emergency, 150);
    outbox.offer(Worth::CallRecord, 100);
    assert_eq!(outbox.offer(Worth::CallRecord, 300), Offer::Lost { sequence: Sequence(4) });
    assert_eq!(outbox.len(), 3, "nothing went for an event that would still not fit");
    assert_eq!(kept(outbox.offer(Worth::CallRecord, 250)), (5, vec![1, 3]));
    assert_eq!(outbox.offer(Worth::Emergency, 401), Offer::Lost { sequence: Sequence(6) });
}

#[test]
fn events_in_flight_are_not_displaced() {
    let mut outbox = Outbox::new(OutboxLimits { events: 2, ..SMALL });
    outbox.session_began();
    outbox.offer(Worth::Registration, 10);
    outbox.offer(Worth::Registration, 10);
    outbox.dispatch();
    assert_eq!(kept(outbox.offer(Worth::Emergency, 10)), (3, vec![2]));
    outbox.dispatch();
    assert_eq!(outbox.offer(Worth::Emergency, 10), Offer::Lost { sequence: Sequence(4) });
    assert!(outbox.acknowledged(Sequence(1)) && outbox.acknowledged(Sequence(3)));
}

#[test]
fn losses_are_reported_once_when_somebody_listens_and_there_is_room() {
    let mut outbox = Outbox::new(OutboxLimits { events: 2, ..SMALL });
    for _ in 0..5 {
        outbox.offer(Worth::CallRecord, 10);
    }
    assert_eq!(outbox.losses_to_report(), None, "nobody listens");
    outbox.session_began();
    assert_eq!((outbox.losses_to_report(), outbox.offer_loss_report(50)), (None, None), "no room");
    let first = outbox.dispatch().unwrap();
    outbox.acknowledged(first.sequence);
    let losses = outbox.losses_to_report().unwrap();
    assert_eq!((losses.call_record, losses.total()), (3, 3));
    assert_eq!(outbox.offer_loss_report(50), Some(Sequence(6)));
    assert_eq!(outbox.losses(), Losses::default());
}

#[test]
fn what_was_on_flash_is_taken_up_and_narrower_limits_are_obeyed() {
    let stored = |number, worth| Stored { sequence: Sequence(number), worth, size: 10 };
    let found = [
        stored(9, Worth::Registration),
        stored(3, Worth::Emergency),
        stored(5, Worth::Registration),
        stored(9, Worth::Registration),
    ];
    let limits = OutboxLimits { events: 2, ..SMALL };
    let lost = Losses { audit: 1, ..Losses::default() };
    let (mut outbox, displaced) = Outbox::restore(limits, Sequence(4), lost, found);
    assert_eq!(displaced, [Sequence(5)]);
    assert_eq!(outbox.losses(), Losses { registration: 1, audit: 1, ..Losses::default() });
    assert_eq!(outbox.next_sequence(), Sequence(10));
    outbox.session_began();
    assert_eq!(outbox.dispatch(), Some(Dispatch { sequence: Sequence(3), historical: true }));
    assert_eq!(outbox.dispatch(), Some(Dispatch { sequence: Sequence(9), historical: true }));
}

#[derive(Clone, Debug)]
enum Verb {
    Offer(Worth, u32),
    Dispatch,
    Acknowledge,
    Begin,
    End,
    Restart,
}

fn verbs() -> impl Strategy<Value = Vec<Verb>> {
    let worth = prop::sample::select(Worth::ALL.to_vec());
    let verb = prop_oneof![
        6 => (worth, 1_u32..200).prop_map(|(worth, size)| Verb::Offer(worth, size)),
        4 => Just(Verb::Dispatch),
        3 => Just(Verb::Acknowledge),
        1 => Just(Verb::Begin),
        1 => Just(Verb::End),
        1 => Just(Verb::Restart),
    ];
    prop::collection::vec(verb, 0..200)
}

proptest! {
    /// Offered = delivered + lost + there, whatever happens; limits hold; deliveries of a session are in order.
    #[test]
    fn every_event_is_accounted_exactly_once(verbs in verbs()) {
        let mut outbox = Outbox::new(SMALL);
        let mut flash = std::collections::BTreeMap::new();
        let (mut offered, mut delivered) = (0_u64, 0_u64);
        let mut in_flight = Vec::new();
        for verb in verbs {
            match verb {
                Verb::Offer(worth, size) => {
                    offered += 1;
                    if let Offer::Kept { sequence, displaced } = outbox.offer(worth, size) {
                        prop_assert_eq!(sequence.0, offered);
                        for one in displaced {
                            let gone: Stored = flash.remove(&one).unwrap();
                            prop_assert!(gone.worth <= worth);
                        }
                        flash.insert(sequence, Stored { sequence, worth, size });
                    }
                }
                Verb::Dispatch => if let Some(dispatch) = outbox.dispatch() {
                    prop_assert!(in_flight.last().is_none_or(|last| *last < dispatch.sequence));
                    in_flight.push(dispatch.sequence);
                },
                Verb::Acknowledge => if !in_flight.is_empty() {
                    let sequence = in_flight.remove(0);
                    prop_assert!(outbox.acknowledged(sequence));
                    flash.remove(&sequence).unwrap();
                    delivered += 1;
                },
                Verb::Begin => { outbox.session_began(); in_flight.clear(); }
                Verb::End => { outbox.session_ended(); in_flight.clear(); }
                Verb::Restart => {
                    let (next, losses) = (outbox.next_sequence(), outbox.losses());
                    let (fresh, displaced) = Outbox::restore(SMALL, next, losses, flash.values().copied());
                    prop_assert!(displaced.is_empty());
                    outbox = fresh;
                    in_flight.clear();
                }
            }
            prop_assert!(outbox.len() <= SMALL.events && outbox.bytes() <= SMALL.bytes);
            prop_assert_eq!(outbox.len(), flash.len());
            prop_assert_eq!(offered, delivered + outbox.losses().total() + outbox.len() as u64);
        }
    }
}

use std::time::Duration;

use super::*;
use crate::engine::numbering::OfficeId;
use crate::time::WallTime;

const START: u32 = 1_000_000;

fn office(text: &str) -> OfficeId {
    text.parse().unwrap()
}

fn at(second: u32) -> WallTime {
    Second(START + second).wall()
}

fn aor(home: &str, extension: &str) -> Aor {
    Aor { home: office(home), extension: extension.parse().unwrap() }
}

fn ann() -> Aor {
    aor("BRU", "32-1001")
}

fn cache(own: &str) -> Roaming {
    Roaming::new(office(own), RoamingSettings::default(), [7, 11])
}

fn small(own: &str, capacity: usize, offices: usize) -> Roaming {
    Roaming::new(office(own), RoamingSettings { capacity, offices, ..RoamingSettings::default() }, [7, 11])
}

fn here(aor: &Aor, counter: u64, at_office: &str, registered: u32) -> RoamingEntry {
    let registered = Second(START + registered);
    RoamingEntry {
        aor: aor.clone(),
        version: Version { counter, registered, office: office(at_office) },
        presence: Presence::Here,
        expires: registered.plus(Duration::from_secs(7200)),
    }
}

fn gone(entry: &RoamingEntry, registered: u32) -> RoamingEntry {
    let counter = entry.version.counter + 1;
    let version = Version { counter, registered: Second(START + registered), ..entry.version };
    RoamingEntry { version, presence: Presence::Gone, ..entry.clone() }
}

/// What it published; the changes for the flash are taken too.
fn published(cache: &mut Roaming) -> Vec<RoamingEntry> {
    while cache.poll_change().is_some() {}
    std::iter::from_fn(|| cache.poll_publication()).collect()
}

#[test]
fn a_user_who_signs_in_elsewhere_is_found_there_and_then_at_home() {
    let (mut bru, mut par) = (cache("BRU"), cache("PAR"));
    assert_eq!(par.locate(&ann(), at(0)), Whereabouts::Home { office: office("BRU"), age: None });
    assert_eq!(bru.locate(&ann(), at(0)), Whereabouts::Local);

    par.sign_in(&ann(), at(0)).unwrap();
    let said = published(&mut par);
    assert_eq!(said, [here(&ann(), 1, "PAR", 0)]);
    assert_eq!(par.locate(&ann(), at(1)), Whereabouts::Local);
    assert_eq!(bru.merge(&said[0], at(1)), Merged::New);
    let there = Whereabouts::Visiting { office: office("PAR"), age: Duration::from_secs(9) };
    assert_eq!(bru.locate(&ann(), at(10)), there);

    bru.sign_in(&ann(), at(20)).unwrap();
    let said = published(&mut bru);
    assert_eq!(said, [here(&ann(), 2, "BRU", 20)]);
    assert_eq!(par.merge(&said[0], at(21)), Merged::Newer { from: office("PAR") });
    let home = Whereabouts::Home { office: office("BRU"), age: Some(Duration::ZERO) };
    assert_eq!(par.locate(&ann(), at(21)), home, "although the device in Paris has not gone yet");
    assert_eq!(published(&mut par), [], "the loser has nothing to say");
}

#[test]
fn an_entry_is_renewed_when_half_of_its_lease_is_left() {
    let mut par = cache("PAR");
    par.sign_in(&ann(), at(0)).unwrap();
    published(&mut par);
    par.handle_time(at(3_600));
    assert_eq!(published(&mut par), []);
    par.handle_time(at(3_601));
    let renewed = RoamingEntry { expires: Second(START + 10_801), ..here(&ann(), 1, "PAR", 0) };
    assert_eq!(published(&mut par), std::slice::from_ref(&renewed));
    let mut nyc = cache("NYC");
    nyc.merge(&here(&ann(), 1, "PAR", 0), at(1));
    assert_eq!(nyc.merge(&renewed, at(3_601)), Merged::Newer { from: office("PAR") });
}

#[test]
fn the_end_of_a_visit_sends_calls_home() {
    let (mut par, mut nyc) = (cache("PAR"), cache("NYC"));
    par.sign_in(&ann(), at(0)).unwrap();
    par.sign_out(&ann(), at(30)).unwrap();
    for entry in published(&mut par) {
        nyc.merge(&entry, at(31));
    }
    let home = |age| Whereabouts::Home { office: office("BRU"), age: Some(Duration::from_secs(age)) };
    assert_eq!(nyc.locate(&ann(), at(40)), home(9));
    assert_eq!(par.locate(&ann(), at(40)), home(10));
    par.sign_out(&ann(), at(50)).unwrap();
    assert_eq!(published(&mut par), [], "nobody to sign out");
}

#[test]
fn an_entry_expires_with_the_allowance_for_clocks() {
    let mut nyc = cache("NYC");
    nyc.merge(&here(&ann(), 1, "PAR", 0), at(0));
    assert!(matches!(nyc.locate(&ann(), at(7_500)), Whereabouts::Visiting { .. }));
    assert!(matches!(nyc.locate(&ann(), at(7_501)), Whereabouts::Home { .. }));
}

#[test]
fn the_age_is_from_when_the_uplink_last_confirmed_it() {
    let mut nyc = cache("NYC");
    nyc.merge(&here(&ann(), 1, "PAR", 0), at(0));
    nyc.confirm(at(100));
    nyc.confirm(at(90));
    assert_eq!(nyc.locate(&ann(), at(150)).age(), Some(Duration::from_secs(50)));
    nyc.merge(&here(&ann(), 1, "PAR", 0), at(140));
    assert_eq!(nyc.locate(&ann(), at(150)).age(), Some(Duration::from_secs(10)), "heard again");
}

#[test]
fn whoever_knows_better_says_so() {
    let newer = here(&ann(), 5, "PAR", 50);
    let older = here(&ann(), 4, "NYC", 60);
    for (own, at_once) in [("BRU", true), ("PAR", true), ("ROM", false)] {
        let mut cache = cache(own);
        if own == "PAR" {
            cache.resume(&ann(), at(50));
        }
        cache.merge(&newer, at(50));
        assert_eq!(cache.merge(&older, at(60)), Merged::Older);
        assert_eq!(published(&mut cache).len(), usize::from(at_once), "{own}");
        cache.handle_time(at(60 + 9 * 60));
        assert_eq!(published(&mut cache).len(), usize::from(!at_once), "{own}, nobody else did");
    }
    let mut rome = cache("ROM");
    rome.merge(&newer, at(50));
    rome.merge(&older, at(60));
    assert_eq!(rome.merge(&newer, at(61)), Merged::Same, "somebody did");
    rome.handle_time(at(3_600));
    assert_eq!(published(&mut rome), []);
}

#[test]
fn a_later_sign_in_that_knew_too_little_is_said_again() {
    let mut bru = cache("BRU");
    bru.sign_in(&ann(), at(1_000)).unwrap();
    published(&mut bru);
    bru.merge(&here(&ann(), 5, "NYC", 699), at(1_100));
    assert_eq!(
        published(&mut bru)[0].version,
        Version { counter: 6, ..here(&ann(), 6, "BRU", 1_000).version }
    );
    assert_eq!(bru.figures().reclaimed, 1);

    bru.merge(&here(&ann(), 7, "NYC", 700), at(1_100));
    assert_eq!(published(&mut bru), [], "within the allowance the counter decides");
    assert_eq!(
        bru.locate(&ann(), at(1_100)),
        Whereabouts::Visiting { office: office("NYC"), age: Duration::ZERO }
    );
}

#[test]
fn a_device_that_is_still_here_is_claimed_when_the_other_office_lets_go() {
    let mut bru = cache("BRU");
    bru.sign_in(&ann(), at(0)).unwrap();
    let elsewhere = here(&ann(), 2, "PAR", 100);
    bru.merge(&elsewhere, at(100));
    published(&mut bru);
    bru.handle_time(at(200));
    assert_eq!(published(&mut bru), [], "to be here is no reason to take a user back");
    bru.merge(&gone(&elsewhere, 300), at(300));
    assert_eq!(published(&mut bru)[0].version.counter, 4);
    assert_eq!(bru.locate(&ann(), at(300)), Whereabouts::Local);

    bru.merge(&here(&ann(), 5, "PAR", 400), at(400));
    published(&mut bru);
    bru.handle_time(at(7_900));
    assert_eq!(published(&mut bru), []);
    bru.handle_time(at(7_901));
    assert_eq!(published(&mut bru)[0].version.counter, 6, "the other's entry expired");
}

#[test]
fn after_a_restart_who_has_no_device_any_more_is_signed_out() {
    let mut par = cache("PAR");
    let (ann, bob) = (ann(), aor("BRU", "32-1002"));
    par.restore(&here(&ann, 3, "PAR", 0), Second(START)).unwrap();
    par.restore(&here(&bob, 3, "PAR", 0), Second(START)).unwrap();
    par.restore(&here(&bob, 2, "NYC", 0), Second(START)).unwrap();
    par.resume(&bob, at(0));
    par.settle(at(500));
    let said = published(&mut par);
    assert_eq!(said.len(), 1);
    assert_eq!((&said[0].aor, said[0].presence, said[0].version.counter), (&ann, Presence::Gone, 4));
    assert_eq!(par.locate(&bob, at(500)), Whereabouts::Local);
}

#[test]
fn an_entry_of_ours_that_is_not_true_any_more_is_put_right() {
    let mut par = cache("PAR");
    assert_eq!(par.merge(&here(&ann(), 3, "PAR", 0), at(10)), Merged::New);
    assert_eq!(
        published(&mut par),
        [RoamingEntry { expires: Second(START + 10 + 7_200), ..gone(&here(&ann(), 3, "PAR", 0), 10) }]
    );
}

#[test]
fn what_is_not_taken_is_named() {
    let mut nyc = cache("NYC");
    let counter = |counter| here(&ann(), counter, "PAR", 0);
    assert_eq!(nyc.merge(&counter(0), at(0)), Merged::Refused(Refusal::Counter));
    assert_eq!(nyc.merge(&counter(MAX_COUNTER + 1), at(0)), Merged::Refused(Refusal::Counter));
    let long_after = at(7_200 + 300 + 7 * 86_400 + 1);
    assert_eq!(nyc.merge(&counter(1), long_after), Merged::Refused(Refusal::LongExpired));
    assert_eq!(nyc.merge(&counter(MAX_COUNTER), at(0)), Merged::New);
    assert_eq!(nyc.sign_in(&ann(), at(0)), Err(Refusal::CounterExhausted));
}

#[test]
fn when_full_the_expired_go_then_other_offices_users_never_ours() {
    let mut bru = small("BRU", 4, 8);
    let number = |n: u32| aor("PAR", &format!("33-{n}"));
    bru.sign_in(&ann(), at(0)).unwrap();
    bru.merge(&here(&aor("BRU", "32-1002"), 1, "NYC", 8_000), at(8_000));
    bru.merge(&here(&number(2001), 1, "NYC", 0), at(8_000));
    bru.merge(&here(&number(2002), 1, "NYC", 8_000), at(8_000));
    let flash = |cache: &mut Roaming| std::iter::from_fn(|| cache.poll_change()).last();
    flash(&mut bru);

    assert_eq!(bru.merge(&here(&number(2003), 1, "NYC", 8_001), at(8_001)), Merged::New);
    assert!(bru.known(&number(2001)).is_none(), "it had expired");
    assert_eq!(bru.merge(&here(&number(2004), 1, "NYC", 8_002), at(8_002)), Merged::New);
    assert!(bru.known(&number(2002)).is_none(), "it was heard longest ago");
    let figures = bru.figures();
    assert_eq!((figures.evicted_expired, figures.evicted_foreign, figures.entries), (1, 1, 4));
    assert!(bru.known(&ann()).is_some() && bru.known(&aor("BRU", "32-1002")).is_some());

    let mut crowded = small("BRU", 1, 8);
    crowded.sign_in(&ann(), at(0)).unwrap();
    let refused = crowded.merge(&here(&number(2001), 1, "NYC", 0), at(0));
    assert_eq!(refused, Merged::Refused(Refusal::Full));
    crowded.sign_in(&aor("BRU", "32-1002"), at(0)).unwrap_err();
    assert_eq!(published(&mut crowded).len(), 2, "the others hear it all the same");
}

#[test]
fn offices_are_bounded_and_unused_ones_make_room() {
    let mut bru = small("BRU", 10, 3);
    let rome = aor("ROM", "39-3001");
    assert_eq!(bru.merge(&here(&ann(), 1, "PAR", 0), at(0)), Merged::New);
    assert_eq!(bru.merge(&here(&rome, 1, "NYC", 0), at(0)), Merged::Refused(Refusal::TooManyOffices));
    assert_eq!(bru.merge(&here(&ann(), 2, "NYC", 0), at(0)), Merged::Newer { from: office("PAR") });
    assert_eq!(bru.merge(&here(&rome, 1, "BRU", 0), at(0)), Merged::New, "nobody is in Paris any more");
    assert_eq!(bru.figures().offices, 3);
}

#[test]
fn long_expired_entries_are_forgotten_also_on_flash() {
    let mut nyc = cache("NYC");
    nyc.merge(&here(&ann(), 1, "PAR", 0), at(0));
    published(&mut nyc);
    let last = 7_200 + 300 + 7 * 86_400;
    nyc.handle_time(at(last));
    assert_eq!(nyc.len(), 1);
    nyc.handle_time(at(last + 1));
    assert_eq!(nyc.poll_change(), Some(RoamingChange::Forget(ann())));
    assert!(nyc.is_empty());
}

#[test]
fn a_number_finds_its_owner() {
    let mut nyc = cache("NYC");
    assert_eq!(nyc.find(&ann().extension), None);
    nyc.merge(&here(&ann(), 1, "PAR", 0), at(0));
    nyc.merge(&here(&aor("ANR", "32-1001"), 9, "ANR", 10), at(10));
    assert_eq!(nyc.find(&ann().extension), Some(aor("ANR", "32-1001")), "the later sign-in");
}

#[test]
fn a_hundred_thousand_entries_of_five_hundred_offices_fit_in_64_bytes_each() {
    let mut nyc = small("NYC", 100_000, 501);
    for n in 0..100_000_u32 {
        let home = format!("O{}", n % 500);
        let entry = here(&aor(&home, &format!("32-{:05}", n + 10_000)), 1, &home, 0);
        assert_eq!(nyc.merge(&entry, at(0)), Merged::New);
        nyc.poll_change();
    }
    let figures = nyc.figures();
    assert_eq!((figures.entries, figures.offices), (100_000, 501));
    assert!(figures.memory <= 64 * 100_000, "{}", figures.memory);
}

//! Masks, permissions, rules and counts by themselves.

use std::time::{Duration, Instant};

use super::*;
use crate::time::{Now, WallTime};

fn mask(text: &str) -> Mask {
    text.parse().unwrap()
}

fn at(seconds: u64) -> Now {
    Now { instant: Instant::now(), wall: WallTime(1_700_006_400_000 + seconds * 1000) }
}

fn rule(minutes: Option<u32>, calls: Option<u32>, per: Per) -> Rule {
    Rule {
        name: "abroad".parse().unwrap(),
        numbers: vec![],
        from: vec![],
        action: Action::Limit,
        per,
        calls_per_hour: calls,
        minutes_per_day: minutes,
        spend_per_day: None,
        max_duration: None,
    }
}

const ANN: Caller<'_> = Caller { number: "1001", office: None, visits: false };

#[test]
fn a_star_stands_for_any_characters() {
    for (text, yes, no) in [
        ("+33*", vec!["+33", "+33155"], vec!["+32155", "33155"]),
        ("00*900*", vec!["00900", "0033900123", "00900900"], vec!["0033155", "0900"]),
        ("*5", vec!["5", "15", "555"], vec!["", "51"]),
        ("par-*", vec!["PAR-1001", "par-1"], vec!["PARI"]),
        ("1001", vec!["1001"], vec!["10011", "100"]),
        ("*", vec!["", "anything"], vec![]),
        ("a**b", vec!["ab", "aXb"], vec!["a"]),
    ] {
        for (numbers, fit) in [(yes, true), (no, false)] {
            for number in numbers {
                assert_eq!(mask(text).matches(number), fit, "{text} {number}");
            }
        }
    }
    let worst = "1".repeat(64);
    assert!(!mask("*1*1*1*2").matches(&worst));
    for bad in ["", "0 1", "*****", &"1".repeat(41), "+33x!"] {
        assert!(bad.parse::<Mask>().is_err(), "{bad}");
    }
}

#[test]
fn an_entry_of_an_office_counts_before_the_one_for_all_others() {
    let entry = |office: Option<&str>, may: &[Destination]| Permission {
        office: office.map(|office| office.parse().unwrap()),
        may: may.iter().copied().collect(),
        numbers: vec![],
        visitors: [Destination::Extensions].into_iter().collect(),
    };
    let entries = vec![entry(None, &[]), entry(Some("PAR"), &[Destination::Pstn])];
    let all = Permissions::new("BRU".parse().unwrap(), entries).unwrap();
    let guest = |office: &str, visits| Guest { office: office.parse().unwrap(), visits };
    let may = |guests: &[Guest], there| all.judge(guests, there, "021").is_ok();
    assert!(may(&[guest("PAR", false)], Destination::Pstn));
    assert!(!may(&[guest("PAR", false)], Destination::Extensions));
    assert!(!may(&[guest("NYC", false)], Destination::Extensions));
    assert!(!may(&[guest("PAR", false), guest("NYC", false)], Destination::Pstn));
    assert!(may(&[guest("NYC", false)], Destination::Emergency));
    assert!(may(&[guest("NYC", true)], Destination::Extensions));
    assert!(!may(&[guest("PAR", true)], Destination::Pstn));
    assert!(may(&[], Destination::Pstn), "our own");
}

#[test]
fn hours_and_days_begin_anew_and_a_clock_set_back_changes_nothing() {
    let mut tally = Tally::default();
    let rule = rule(Some(1), Some(1), Per::Caller);
    let key = tally.key(&rule, &ANN, at(0).wall);
    tally.begin(&key, at(0));
    assert_eq!(tally.check(&rule, &key, at(1).wall), Err(Barrier::Calls));
    tally.charge(&key, Duration::from_secs(60), 5, at(2));
    assert_eq!(tally.check(&rule, &key, at(3600).wall), Err(Barrier::Minutes), "another hour, the same day");
    assert_eq!(tally.left(&rule, &key, 5, at(10).wall), Some((Duration::ZERO, Barrier::Minutes)));
    assert!(tally.check(&rule, &key, at(86_400).wall).is_ok());
    tally.begin(&key, at(86_400));
    assert_eq!(tally.check(&rule, &key, at(0).wall), Err(Barrier::Calls), "yesterday grants nothing");
}

#[test]
fn a_flood_of_callers_shares_one_count() {
    let mut tally = Tally::default();
    let rule = rule(None, Some(1), Per::Caller);
    let office = "PAR".parse().ok();
    for number in 0..=MOST_COUNTS {
        let number = format!("PAR-{number}");
        let key = tally.key(&rule, &Caller { number: &number, office, visits: false }, at(0).wall);
        tally.begin(&key, at(0));
    }
    assert_eq!(tally.len(), MOST_COUNTS + 1);
    let key = tally.key(&rule, &Caller { number: "PAR-x", office, visits: false }, at(1).wall);
    assert_eq!(tally.check(&rule, &key, at(1).wall), Err(Barrier::Calls));
    let key = tally.key(&rule, &ANN, at(2 * 86_400).wall);
    assert!(tally.is_empty() && tally.check(&rule, &key, at(2 * 86_400).wall).is_ok(), "all have passed");
}

#[test]
fn what_is_written_is_read_again() {
    let mut tally = Tally::default();
    let rule = rule(Some(2), None, Per::Office);
    let caller = Caller { number: "x", office: "PAR".parse().ok(), visits: true };
    let key = tally.key(&rule, &caller, at(0).wall);
    tally.charge(&key, Duration::from_secs(90), 7, at(0));
    assert!(tally.rows(at(0), false).is_empty(), "not yet");
    let rows = tally.rows(at(0), true);
    assert_eq!(rows[0].key, "abroad/office:PAR");
    let stored = rows.into_iter().map(|row| (row.key, row.counts.unwrap()));
    let mut again = Tally::default();
    assert!(again.restore(stored, at(10)).is_empty());
    let left = again.left(&rule, &key, 7, at(10).wall);
    assert_eq!(left, Some((Duration::from_secs(30), Barrier::Minutes)));
}

//! Limits and rules of calls that go out: counted, spent, ended, kept over a restart.

use std::sync::Arc;
use std::time::Duration;

use super::descriptions::{audio, secured};
use super::far_ends::{pushed, pushed_with};
use super::permissions::{CARRIER, ruled};
use super::phones::Line;
use super::world::{Peer, World, seconds};
use crate::engine::policy::{Action, Per, Rule};
use crate::engine::routing::{Limits, Rewrite, RouteTable};
use crate::engine::settings::Settings;
use crate::engine::{Change, Input};
use crate::media::{EndId, MediaEvent};
use crate::sip::HeaderName;

const PAR: &str = "par SipTrunk PAR sips:par.example";

/// A rule about these numbers that limits nothing yet.
fn rule(name: &str, numbers: &str) -> Rule {
    Rule {
        name: name.parse().unwrap(),
        numbers: numbers.split(',').map(|mask| mask.parse().unwrap()).collect(),
        from: Vec::new(),
        action: Action::Limit,
        per: Per::Caller,
        calls_per_hour: None,
        minutes_per_day: None,
        spend_per_day: None,
        max_duration: None,
    }
}

/// BRU with a carrier at 20 thousandths a minute, under these rules.
fn site(rules: Vec<Rule>) -> (World, Peer) {
    let mut w = World::alone();
    let carrier = w.far_end("carrier", "");
    push(&mut w, rules);
    (w, carrier)
}

fn push(w: &mut World, rules: Vec<Rule>) {
    let table = pushed(&[CARRIER], &["0* carrier", "+* carrier"]);
    w.push(ruled(&table, vec![], rules, |link| link.price = 20));
}

fn up(w: &mut World, caller: Peer, number: &str, carrier: Peer) -> (Line, Line) {
    let mut a = w.calls(caller, number, &audio(4000));
    let mut b = w.rung(carrier);
    w.far_answers(&b, 200);
    w.asked(&mut b, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    (a, b)
}

fn down(w: &mut World, mut a: Line, mut b: Line) {
    w.hangs_up(&mut a);
    w.is_hung_up(&mut b);
}

fn barred(w: &mut World, caller: Peer, number: &str, reason: &str) {
    let mut a = w.calls(caller, number, &audio(4000));
    let refusal = w.refused(&mut a, 403);
    assert!(refusal.headers.get(&HeaderName::Reason).unwrap().contains(reason), "{reason}");
    assert_eq!(w.records().last().unwrap().cause, reason);
    assert!(w.records().last().unwrap().rule.is_some());
}

fn ended_by(w: &mut World, a: &mut Line, b: &mut Line, reason: &str) {
    let bye = w.is_hung_up(a);
    assert!(bye.headers.get(&HeaderName::Reason).unwrap().contains(reason));
    w.is_hung_up(b);
    assert_eq!(w.records().last().unwrap().cause, reason);
}

#[test]
fn a_number_is_refused_as_dialled_and_as_sent() {
    let premium = Rule { action: Action::Refuse, ..rule("no-premium", "+3289*,00*900*") };
    let mut w = World::alone();
    let carrier = w.far_end("carrier", "");
    let table = pushed(&[CARRIER], &["0* carrier", "+* carrier"]);
    let mut routes = table.routes().to_vec();
    routes[0].rewrite = Rewrite::Edit { strip: 1, prefix: "+32".into() };
    let mut parts = crate::engine::routing::tests::parts(vec![], routes);
    parts.links = table.links().iter().map(|link| (**link).clone()).collect();
    w.push(ruled(&Arc::new(RouteTable::new(parts).unwrap()), vec![], vec![premium], |_| {}));
    let ann = w.udp_phone("1001");
    for number in ["+3289123456", "089123456", "0033900555"] {
        barred(&mut w, ann, number, "rule-refused");
        assert_eq!(w.records().last().unwrap().rule.as_deref(), Some("no-premium"));
    }
    let (a, b) = up(&mut w, ann, "025551234", carrier);
    down(&mut w, a, b);
    w.closes();
}

#[test]
fn what_is_permitted_first_is_not_refused_after() {
    let hotline = Rule { action: Action::Permit, ..rule("hotline", "0900123") };
    let premium = Rule { action: Action::Refuse, ..rule("no-premium", "0900*") };
    let (mut w, carrier) = site(vec![hotline, premium]);
    let ann = w.udp_phone("1001");
    barred(&mut w, ann, "0900124", "rule-refused");
    let (a, b) = up(&mut w, ann, "0900123", carrier);
    down(&mut w, a, b);
    w.closes();
}

#[test]
fn so_many_calls_an_hour_for_each_caller() {
    let (mut w, carrier) = site(vec![Rule { calls_per_hour: Some(2), ..rule("abroad", "00*") }]);
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    for _ in 0..2 {
        let (a, b) = up(&mut w, ann, "0033155512345", carrier);
        down(&mut w, a, b);
    }
    barred(&mut w, ann, "0033155512345", "rule-calls");
    let (a, b) = up(&mut w, ann, "025551234", carrier);
    down(&mut w, a, b);
    let (a, b) = up(&mut w, bob, "0033155512345", carrier);
    down(&mut w, a, b);
    w.wait(seconds(3600));
    let (a, b) = up(&mut w, ann, "0033155512345", carrier);
    down(&mut w, a, b);
    w.closes();
}

#[test]
fn the_day_s_minutes_end_a_call_and_refuse_the_next() {
    let (mut w, carrier) = site(vec![Rule { minutes_per_day: Some(10), ..rule("abroad", "00*") }]);
    let ann = w.udp_phone("1001");
    let (a, b) = up(&mut w, ann, "0033155512345", carrier);
    w.wait(seconds(300));
    down(&mut w, a, b);
    let (mut a, mut b) = up(&mut w, ann, "0033155512345", carrier);
    w.wait(seconds(299));
    assert_eq!(w.engine.calls().active(), 1);
    w.wait(seconds(2));
    ended_by(&mut w, &mut a, &mut b, "rule-minutes");
    barred(&mut w, ann, "0033155512345", "rule-minutes");
    w.wait(seconds(86_400));
    let (a, b) = up(&mut w, ann, "0033155512345", carrier);
    down(&mut w, a, b);
    w.closes();
}

#[test]
fn callers_share_what_is_granted_to_all_and_two_calls_at_once_use_it_twice_as_fast() {
    let shared = Rule { minutes_per_day: Some(4), per: Per::All, ..rule("abroad", "00*") };
    let (mut w, carrier) = site(vec![shared]);
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let calls = [ann, bob].map(|caller| up(&mut w, caller, "0033155512345", carrier));
    w.wait(seconds(110));
    assert_eq!(w.engine.calls().active(), 2);
    w.wait(seconds(31));
    for (mut near, mut far) in calls {
        ended_by(&mut w, &mut near, &mut far, "rule-minutes");
    }
    w.closes();
}

#[test]
fn money_is_spent_by_the_price_of_the_way() {
    let (mut w, carrier) = site(vec![Rule { spend_per_day: Some(100), ..rule("money", "*") }]);
    let ann = w.udp_phone("1001");
    let (mut a, mut b) = up(&mut w, ann, "025551234", carrier);
    w.wait(seconds(299));
    assert_eq!(w.engine.calls().active(), 1);
    w.wait(seconds(2));
    ended_by(&mut w, &mut a, &mut b, "rule-spend");
    barred(&mut w, ann, "025551234", "rule-spend");
    w.closes();
}

#[test]
fn a_call_is_as_long_as_its_rule_lets_it_be() {
    let longest = Rule { max_duration: Some(seconds(90)), ..rule("short", "00*") };
    let (mut w, carrier) = site(vec![longest]);
    let ann = w.udp_phone("1001");
    let (mut a, mut b) = up(&mut w, ann, "0033155512345", carrier);
    w.wait(seconds(89));
    assert_eq!(w.engine.calls().active(), 1);
    w.wait(seconds(2));
    ended_by(&mut w, &mut a, &mut b, "rule-duration");
    w.closes();
}

#[test]
fn rules_are_for_whom_they_name() {
    let from = |text: &str| vec![text.parse().unwrap()];
    let offices = Rule { action: Action::Refuse, from: from("office:PAR"), ..rule("par", "PAR-*,NYC-*") };
    let ann_only = Rule { action: Action::Refuse, from: from("1001"), ..rule("ann", "00*") };
    let mut w = World::alone();
    let (carrier, par, nyc) = (w.far_end("carrier", ""), w.far_end("par", "PAR"), w.far_end("nyc", "NYC"));
    let nyc_link = "nyc SipTrunk NYC sips:nyc.example";
    let table = pushed(&[CARRIER, PAR, nyc_link], &["0* carrier", "NYC-* nyc"]);
    w.push(ruled(&table, vec![], vec![offices, ann_only], |_| {}));
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    barred(&mut w, ann, "0033155512345", "rule-refused");
    let (a, b) = up(&mut w, bob, "0033155512345", carrier);
    down(&mut w, a, b);
    let mut a = w.calls(par, "NYC-1001", &secured(7000));
    w.refused(&mut a, 403);
    let mut a = w.calls(bob, "NYC-1001", &audio(4000));
    let mut b = w.rung(nyc);
    w.answers(&b, 486, "");
    w.asked(&mut b, "ACK");
    w.refused(&mut a, 486);
    w.closes();
}

/// What is on flash of the counts, the newest of each.
fn on_flash(w: &World) -> Vec<(String, String)> {
    let mut rows = std::collections::BTreeMap::new();
    for change in &w.persisted {
        if let Change::Tally(row) = change {
            match &row.counts {
                Some(counts) => drop(rows.insert(row.key.clone(), counts.clone())),
                None => drop(rows.remove(&row.key)),
            }
        }
    }
    rows.into_iter().collect()
}

#[test]
fn a_restart_grants_nothing_anew() {
    let rules = || vec![Rule { minutes_per_day: Some(5), calls_per_hour: Some(9), ..rule("abroad", "00*") }];
    let (mut w, carrier) = site(rules());
    let ann = w.udp_phone("1001");
    let (_a, _b) = up(&mut w, ann, "0033155512345", carrier);
    w.wait(seconds(185));
    let (rows, now) = (on_flash(&w), w.now);
    assert_eq!(rows.len(), 1, "written once a minute, in mid-call too: {rows:?}");

    // kill -9: what was used in the last minute is forgotten.
    let settings = Settings { asterisk: None, ..super::super::testing::settings() };
    let mut w = World::restored(settings, super::world::accounts(), vec![], now);
    let carrier = w.far_end("carrier", "");
    w.feed(Input::Tally(rows));
    push(&mut w, rules());
    let ann = w.udp_phone("1001");
    let (mut a, mut b) = up(&mut w, ann, "0033155512345", carrier);
    w.wait(seconds(119));
    assert_eq!(w.engine.calls().active(), 1);
    w.wait(seconds(62));
    ended_by(&mut w, &mut a, &mut b, "rule-minutes");
    barred(&mut w, ann, "0033155512345", "rule-minutes");
    w.closes();
}

#[test]
fn a_stop_writes_all_that_was_used() {
    let (mut w, carrier) = site(vec![Rule { minutes_per_day: Some(5), ..rule("abroad", "00*") }]);
    let ann = w.udp_phone("1001");
    let (mut a, mut b) = up(&mut w, ann, "0033155512345", carrier);
    w.wait(seconds(17));
    w.feed(Input::Stop);
    w.is_hung_up(&mut a);
    w.is_hung_up(&mut b);
    let rows = on_flash(&w);
    let used = rows[0].1.split(' ').nth(3).unwrap().to_owned();
    assert_eq!((rows[0].0.as_str(), used.as_str()), ("abroad/caller:1001", "17000"));
    w.closes();
}

#[test]
fn counts_whose_time_has_passed_are_taken_off_the_flash() {
    let mut w = World::alone();
    let row = |key: &str, counts: &str| (key.to_owned(), counts.to_owned());
    w.feed(Input::Tally(vec![row("old/caller:1001", "1 1 1 1 1"), row("no key", "x"), row("a/b", "words")]));
    let gone = w.persisted.iter().filter(|one| matches!(one, Change::Tally(row) if row.counts.is_none()));
    assert_eq!(gone.count(), 3);
    w.finish();
}

#[test]
fn help_is_not_limited_by_any_rule() {
    let refuse = Rule { action: Action::Refuse, ..rule("nothing", "*") };
    let (mut w, carrier) = site(vec![refuse]);
    let ann = w.udp_phone("1001");
    barred(&mut w, ann, "025551234", "rule-refused");
    let (a, b) = up(&mut w, ann, "112", carrier);
    w.wait(seconds(30));
    down(&mut w, a, b);
    w.closes();
}

#[test]
fn a_full_link_gives_way_to_the_next_at_once() {
    let mut w = World::alone();
    let (one, two) = (w.far_end("one", ""), w.far_end("two", ""));
    let links = ["one PstnGateway - sip:one.example", "two PstnGateway - sip:two.example"];
    let table = pushed_with(&links, &["0* one,two"], |link| {
        link.max_calls = Some(1);
        link.priority = u16::from(link.id.as_str() == "two");
    });
    w.push(table);
    let (ann, bob, cid) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1003"));
    let before = w.now;
    let calls = [(ann, one), (bob, two)].map(|(caller, there)| up(&mut w, caller, "025551234", there));
    assert_eq!(w.now, before, "no time passes");
    let mut third = w.calls(cid, "025551234", &audio(4000));
    let refusal = w.refused(&mut third, 503);
    assert!(refusal.headers.get(&HeaderName::Reason).unwrap().contains("limit-link"));
    for (near, far) in calls {
        down(&mut w, near, far);
    }
    w.closes();
}

/// A link that filled up after the call was planned.
#[test]
fn a_link_that_has_filled_up_meanwhile_is_left_out() {
    let mut w = World::alone();
    let (one, two, three) = (w.far_end("one", ""), w.far_end("two", ""), w.far_end("three", ""));
    let links = ["one", "two", "three"].map(|name| format!("{name} PstnGateway - sip:{name}.example"));
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    let table = pushed_with(&links, &["0* one,two,three", "9* two"], |link| {
        link.max_calls = Some(1);
        link.priority =
            ["one", "two", "three"].iter().position(|name| *name == link.id.as_str()).unwrap() as u16;
    });
    w.push(table);
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let a = w.calls(ann, "025551234", &audio(4000));
    let mut first = w.rung(one);
    let (c, d) = up(&mut w, bob, "9123456", two);
    w.answers(&first, 503, "");
    w.asked(&mut first, "ACK");
    let third = w.rung(three);
    down(&mut w, c, d);
    w.talks_and_ends(a, third);
}

#[test]
fn an_office_with_as_many_calls_as_it_may_is_left_out_of_the_plan() {
    let mut w = World::alone();
    let (par, nyc) = (w.far_end("par", "PAR"), w.far_end("nyc", "NYC"));
    let links = [PAR, "nyc SipTrunk NYC sips:nyc.example"];
    let table = pushed_with(&links, &["PAR-* par,nyc"], |link| {
        link.priority = u16::from(link.id.as_str() == "nyc");
    });
    let mut parts = crate::engine::routing::tests::parts(vec![], table.routes().to_vec());
    parts.links = table.links().iter().map(|link| (**link).clone()).collect();
    parts.limits = Limits { calls_per_office: Some(1), ..Limits::default() };
    w.push(Arc::new(RouteTable::new(parts).unwrap()));
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let [first, second] =
        [(ann, par), (bob, nyc)].map(|(caller, there)| up(&mut w, caller, "PAR-1001", there));
    assert_eq!(w.engine.calls().active(), 2);
    down(&mut w, second.0, second.1);
    let skipped = ("par".to_owned(), "skipped", "office-full".to_owned());
    assert!(w.attempts().contains(&skipped));
    down(&mut w, first.0, first.1);
    w.closes();
}

fn silent(w: &mut World, end: EndId) {
    let since = w.now.instant;
    w.feed(Input::Media(MediaEvent::Silent { end, since }));
}

#[test]
fn two_pages_of_which_nothing_is_heard_are_not_connected_for_ever() {
    let mut w = World::alone();
    let (ann, bob) = (w.page("1001", "a"), w.page("1002", "b"));
    w.dials(&ann, "1002");
    let (view, _) = w.page_rings(&bob);
    w.accepts(&bob, view.id);
    let ends = w.ledger.browser_ends();
    assert_eq!(ends.len(), 2);
    for end in &ends {
        silent(&mut w, *end);
    }
    w.wait(Duration::from_secs(599));
    assert_eq!(w.engine.calls().active(), 1);
    w.feed(Input::Media(MediaEvent::Resumed { end: ends[0] }));
    w.wait(Duration::from_secs(599));
    assert_eq!(w.engine.calls().active(), 1, "something was heard");
    silent(&mut w, ends[0]);
    w.wait(Duration::from_secs(601));
    assert_eq!(w.engine.calls().active(), 0);
    assert_eq!(w.records().last().unwrap().cause, "idle");
}

//! REGISTER: every row of the registrar's tables.

use super::proof::{proof, proof_of};
use super::world::{Store, World, account, accounts, seconds};
use crate::engine::registrar::{Accounts, Binding};
use crate::engine::{Change, Input, Observation};
use crate::sip::digest::Algorithm;
use crate::sip::{HeaderName, Message, Response, Transport};

fn contacts(response: &Response) -> usize {
    response.headers.get_all(&HeaderName::Contact).count()
}

fn changes(w: &World) -> Vec<&'static str> {
    let change = |one: &Observation| match one {
        Observation::Registration { change, .. } => Some(*change),
        _ => None,
    };
    w.observed.iter().filter_map(change).collect()
}

#[test]
fn register_refresh_unregister() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    let ok = w.registers(ann, 3600);
    assert_eq!((ok.status.code(), contacts(&ok)), (200, 1));
    assert!(ok.headers.get(&HeaderName::Contact).unwrap().contains("expires=3600"));
    w.wait(seconds(100));
    assert_eq!(contacts(&w.registers(ann, 600)), 1);
    let gone = w.registers(ann, 0);
    assert_eq!((gone.status.code(), contacts(&gone)), (200, 0));
    assert_eq!(changes(&w), ["registered", "refreshed", "unregistered"]);
    assert!(w.engine.registrar().is_empty());
    w.finish();
}

#[test]
fn both_algorithms_are_offered_the_better_one_first_and_both_work() {
    for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
        let mut w = World::alone();
        let ann = w.phone("1001", Transport::Udp);
        let name = "User-Agent: Deskphone 2\r\n";
        let first = w.register_text(ann, "1001", "<sip:1001@192.0.2.101>", name);
        w.wire(ann, &first);
        let challenge = w.last_response(ann);
        let offered = challenge.headers.challenges(&HeaderName::WwwAuthenticate);
        assert_eq!(offered[0].algorithm(), Some(Algorithm::Sha256));
        let chosen = offered.iter().find(|one| one.algorithm() == Some(algorithm)).unwrap();
        let proof = proof_of(chosen, "REGISTER", "sip:branchline", "1001", "pw-1001", 1);
        let more = format!("Authorization: {proof}\r\n");
        let second = w.register_text(ann, "1001", "<sip:1001@192.0.2.101>", &more);
        w.wire(ann, &second);
        let ok = w.last_response(ann);
        assert_eq!(ok.status.code(), 200);
        assert!(ok.headers.has(&HeaderName::AuthenticationInfo));
        w.finish();
    }
}

#[test]
fn an_unknown_user_and_a_wrong_password_look_the_same() {
    let mut w = World::alone();
    let phone = w.phone("1001", Transport::Udp);
    let mut answers = Vec::new();
    for (user, password) in [("1001", "wrong"), ("1777", "pw-1777")] {
        w.peers[phone.0].number = user.to_owned();
        w.peers[phone.0].sequence = 10;
        w.branches = 0;
        let refusal = w.registers_as(phone, user, password, "<sip:x@192.0.2.101>", "");
        let text = String::from_utf8(refusal.to_bytes().to_vec()).unwrap();
        w.wait(seconds(40));
        answers.push(without_chance(&text, user));
    }
    assert!(answers[0].contains("401"), "{}", answers[0]);
    assert_eq!(answers[0], answers[1]);
    assert!(w.was_refused("wrong-password"));
    w.finish();
}

/// The answer without nonce, tag and the user's own number.
fn without_chance(text: &str, user: &str) -> String {
    let cut = |text: String, from: &str, to: &str| match text.split_once(from) {
        Some((head, rest)) => format!("{head}{from}*{}", rest.split_once(to).map_or("", |(_, tail)| tail)),
        None => text,
    };
    let lines = text.lines().map(|line| cut(cut(line.to_owned(), "nonce=\"", "\""), "tag=", ";"));
    lines.collect::<Vec<_>>().join("\n").replace(user, "USER")
}

#[test]
fn a_stale_nonce_is_told_so_and_does_not_count() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    let first = w.register_text(ann, "1001", "<sip:1001@192.0.2.101>", "");
    w.wire(ann, &first);
    let challenge = w.last_response(ann);
    w.wait(seconds(301));
    for _ in 0..10 {
        let proof = proof(&challenge, "REGISTER", "sip:branchline", "1001", "pw-1001", 1);
        let more = format!("Authorization: {proof}\r\n");
        let late = w.register_text(ann, "1001", "<sip:1001@192.0.2.101>", &more);
        w.wire(ann, &late);
        let again = w.last_response(ann);
        assert!(again.headers.challenges(&HeaderName::WwwAuthenticate)[0].stale);
    }
    assert_eq!(w.registers(ann, 600).status.code(), 200);
    w.finish();
}

#[test]
fn a_replayed_answer_is_refused() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    let first = w.register_text(ann, "1001", "<sip:1001@192.0.2.101>", "");
    w.wire(ann, &first);
    let challenge = w.last_response(ann);
    let proof = proof(&challenge, "REGISTER", "sip:branchline", "1001", "pw-1001", 1);
    let more = format!("Authorization: {proof}\r\n");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let text = w.register_text(ann, "1001", "<sip:1001@192.0.2.101>", &more);
        w.wire(ann, &text);
        seen.push(w.last_response(ann).status.code());
    }
    assert_eq!(seen, [200, 401]);
    w.finish();
}

#[test]
fn another_extensions_credentials_do_not_register_this_one() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    let refusal = w.registers_as(ann, "1002", "pw-1002", "<sip:1001@192.0.2.101>", "");
    assert_eq!(refusal.status.code(), 403);
    assert!(w.was_refused("identity-mismatch"));
    w.finish();
}

#[test]
fn rows_of_refusals() {
    let rows = [
        ("*", "", 400),
        ("*", "Expires: 60\r\n", 400),
        ("<sip:1001@192.0.2.101>;expires=30", "", 423),
        ("<sip:1001@192.0.2.101", "", 400),
    ];
    for (contact, more, status) in rows {
        let mut w = World::alone();
        let ann = w.phone("1001", Transport::Udp);
        for _ in 0..6 {
            let refusal = w.registers_contact(ann, contact, more);
            assert_eq!(refusal.status.code(), status, "{contact} {more}");
            assert_eq!(refusal.headers.has(&HeaderName::MinExpires), status == 423);
        }
        assert_eq!(w.registers(ann, 600).status.code(), 200, "a refusal is no guess: nobody is locked out");
        w.finish();
    }
}

#[test]
fn a_query_without_contact_lists_the_devices() {
    let mut w = World::alone();
    let (ann, _other) = (w.udp_phone("1001"), w.udp_phone("1001"));
    let ok = w.registers_contact(ann, "", "");
    assert_eq!((ok.status.code(), contacts(&ok)), (200, 2));
    w.finish();
}

#[test]
fn a_star_removes_all_devices() {
    let mut w = World::alone();
    let (ann, _other) = (w.udp_phone("1001"), w.udp_phone("1001"));
    let ok = w.registers_contact(ann, "*", "Expires: 0\r\n");
    assert_eq!((ok.status.code(), contacts(&ok)), (200, 0));
    assert_eq!(w.persisted.iter().filter(|one| matches!(one, Change::RemoveBinding(_))).count(), 2);
    w.finish();
}

#[test]
fn several_contacts_in_one_request() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    let two = "<sip:1001@192.0.2.101>;q=0.5, <sip:1001@192.0.2.101:5062>;q=0.9;expires=120";
    let ok = w.registers_contact(ann, two, "");
    assert_eq!((ok.status.code(), contacts(&ok)), (200, 2));
    let extension = World::extension("1001");
    assert_eq!(w.engine.registrar().location(&extension)[0].q, 900, "the preferred one first");
    let mixed = "<sip:1001@192.0.2.101>;expires=0, <sip:1001@192.0.2.101:5064>";
    assert_eq!(contacts(&w.registers_contact(ann, mixed, "")), 2);
    w.finish();
}

#[test]
fn longer_than_permitted_is_shortened() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    let ok = w.registers(ann, 99_999);
    assert!(ok.headers.get(&HeaderName::Contact).unwrap().contains("expires=7200"));
    w.finish();
}

#[test]
fn it_expires() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    w.registers(ann, 600);
    w.wait(seconds(599));
    assert_eq!(w.engine.registrar().len(), 1);
    w.wait(seconds(2));
    assert!(w.engine.registrar().is_empty());
    assert_eq!(changes(&w), ["registered", "expired"]);
    assert!(matches!(w.persisted.last(), Some(Change::RemoveBinding(_))));
    w.finish();
}

#[test]
fn an_older_request_of_the_same_call_does_not_undo_a_newer_one() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    w.peers[ann.0].sequence -= 2;
    let late = w.registers(ann, 0);
    assert_eq!(late.status.code(), 500);
    assert_eq!(w.engine.registrar().len(), 1);
    w.finish();
}

#[test]
fn one_device_too_many() {
    let mut w = World::alone();
    for _ in 0..5 {
        w.udp_phone("1001");
    }
    let sixth = w.phone("1001", Transport::Udp);
    assert_eq!(w.registers(sixth, 600).status.code(), 403);
    assert!(w.was_refused("too-many-devices"));
    w.finish();
}

#[test]
fn devices_that_wait_for_the_flash_count_too() {
    let mut w = World::alone();
    w.store = Store::Held;
    let phones: Vec<_> = (0..7).map(|_| w.phone("1001", Transport::Udp)).collect();
    for phone in &phones {
        w.registers_unanswered(*phone, "1001");
    }
    w.store_catches_up();
    let statuses: Vec<_> = phones.iter().map(|phone| w.last_response(*phone).status.code()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 403, 403]);
    w.finish();
}

#[test]
fn the_table_is_full() {
    let mut settings = crate::engine::testing::settings();
    settings.asterisk = None;
    settings.registrar.max_bindings = 1;
    let mut w = World::with(settings);
    let ann = w.udp_phone("1001");
    let bob = w.phone("1002", Transport::Udp);
    let refusal = w.registers(bob, 600);
    assert_eq!(refusal.status.code(), 503);
    assert!(refusal.headers.has(&HeaderName::RetryAfter));
    assert_eq!(w.registers(ann, 600).status.code(), 200, "who is in may refresh");
    w.finish();
}

#[test]
fn guessing_locks_the_source_out() {
    let mut w = World::alone();
    let thief = w.phone("1001", Transport::Udp);
    for _ in 0..5 {
        let refusal = w.registers_as(thief, "1001", "guess", "<sip:1001@192.0.2.101>", "");
        assert_eq!(refusal.status.code(), 401);
    }
    let text = w.register_text(thief, "1001", "<sip:1001@192.0.2.101>", "");
    w.wire(thief, &text);
    assert!(w.peers[thief.0].inbox.is_empty(), "dropped without a word");
    assert!(w.was_refused("locked-out"));
    let honest = w.udp_phone("1002");
    w.wait(seconds(301));
    assert_eq!(w.registers(thief, 600).status.code(), 200);
    let _ = honest;
    w.finish();
}

#[test]
fn a_changed_password_ends_the_registration() {
    let mut w = World::with_asterisk();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1001", "1002"]);
    let changed: Accounts = accounts()
        .iter()
        .filter(|&one| one.extension.to_string() != "1001")
        .cloned()
        .chain([account("1001", "Ann", "new")])
        .collect();
    w.feed(Input::Accounts(changed));
    assert_eq!(w.engine.registrar().len(), 1);
    w.wait(seconds(1));
    assert_eq!(w.contacts(), ["1002"]);
    assert_eq!(w.registers(ann, 600).status.code(), 401);
    assert_eq!(w.registers_as(ann, "1001", "new", "<sip:1001@192.0.2.101>", "").status.code(), 200);
    assert_eq!(w.registers(bob, 600).status.code(), 200);
    w.finish();
}

#[test]
fn registrations_survive_a_restart() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.registered("1002", Transport::Tls));
    let kept: Vec<Binding> = w
        .persisted
        .iter()
        .filter_map(|change| match change {
            Change::PutBinding(binding) => Some(binding.as_ref().clone()),
            _ => None,
        })
        .collect();
    assert_eq!(kept.len(), 2);
    let (settings, now) = (w.settings.clone(), w.now.plus(seconds(5)));
    let (ann_flow, bob_flow) = (w.peers[ann.0].flow, w.peers[bob.0].flow);
    let mut w = World::restored(settings, accounts(), kept, now);
    let ann = w.peer("1001", ann_flow);
    let bob = w.peer("1002", bob_flow);
    w.peers[bob.0].gone = true;
    // The phone on UDP is reached at once.
    let cid = w.udp_phone("1003");
    let (mut c, mut a) = w.talk(cid, ann);
    w.hangs_up(&mut c);
    w.is_hung_up(&mut a);
    // The one on a connection when it is back, as the same device.
    let mut line = w.calls(cid, "1002", &super::descriptions::audio(4000));
    w.refused(&mut line, 480);
    w.reconnects(bob);
    w.peers[bob.0].sequence = 100;
    w.registers_contact(bob, "<sip:1002@device2.invalid;transport=tcp>;expires=3600", "");
    assert_eq!(w.engine.registrar().location(&World::extension("1002")).len(), 1);
    w.finish();
}

#[test]
fn two_thousand_devices_at_once() {
    let accounts: Accounts = (0..2000).map(|n| account(&format!("{}", 3000 + n), "X", "pw")).collect();
    let mut w = World::restored(
        crate::engine::testing::settings(),
        accounts,
        Vec::new(),
        crate::engine::testing::now(),
    );
    let phones: Vec<_> = (0..2000u32)
        .map(|n| {
            let remote = format!("10.1.{}.{}:5060", n / 250, n % 250 + 1);
            w.phone_at(&format!("{}", 3000 + n), Transport::Udp, crate::engine::testing::address(&remote))
        })
        .collect();
    for phone in phones {
        let number = w.peers[phone.0].number.clone();
        let contact = w.contact_of(phone);
        assert_eq!(w.registers_as(phone, &number, "pw", &contact, "").status.code(), 200);
    }
    let in_the_first_second = |w: &World| w.mirrored.len();
    w.wait(seconds(1));
    assert!((90..=110).contains(&in_the_first_second(&w)), "{} in a second", in_the_first_second(&w));
    w.wait(seconds(20));
    assert_eq!(w.engine.mirror().told(), (2000, 2000));
    w.finish();
}

#[test]
fn nothing_is_answered_to_what_is_no_request_for_us() {
    let mut w = World::alone();
    let ann = w.phone("1001", Transport::Udp);
    w.wire(ann, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n");
    w.wire(ann, "garbage\r\n\r\n");
    assert!(w.peers[ann.0].inbox.iter().all(|message| matches!(message, Message::Response(_))));
    w.peers[ann.0].inbox.clear();
    w.finish();
}

//! Users of other offices sign in here, ours sign in elsewhere. This office is PAR, in country 33.

use super::world::{Peer, Store, World, accounts, seconds};
use crate::engine::numbering::{CountryCode, EmergencyNumbers, NumberPlan};
use crate::engine::registrar::Binding;
use crate::engine::roaming::{
    Aor, KeyId, Keyring, Presence, RoamingChange, RoamingEntry, SealedVerifier, Second, Standing, Verifier,
    Version, Whereabouts,
};
use crate::engine::settings::Settings;
use crate::engine::{Change, Input, Observation, Publication, RoamingInput, RoamingWrite, testing};
use crate::sip::digest::UserKeys;
use crate::sip::{HeaderName, Message, Transport};

pub(super) fn paris() -> Settings {
    let settings = testing::settings();
    let emergency = EmergencyNumbers::default();
    let numbers = NumberPlan::new(CountryCode::new(33), 2..=5, emergency, []).unwrap();
    let numbers = numbers.of_office("PAR".parse().unwrap());
    Settings { office: "PAR".to_owned(), numbers, asterisk: None, ..settings }
}

fn keyring(id: u32) -> Keyring {
    Keyring::parse(&format!("{id}:{}", "c4".repeat(32))).unwrap()
}

/// Ann of Brussels, who has the extension 1001 there.
pub(super) fn ann() -> Aor {
    Aor { home: "BRU".parse().unwrap(), extension: "32-1001".parse().unwrap() }
}

fn verifier(password: &str, realm: &str) -> Standing {
    Standing::Good(Box::new(Verifier {
        realm: realm.to_owned(),
        username: "1001".to_owned(),
        display_name: Some("Ann of BRU".to_owned()),
        keys: UserKeys::new("1001", realm, password),
    }))
}

fn sealed(standing: &Standing, generation: u64) -> SealedVerifier {
    let about = (generation, Second(u32::MAX));
    SealedVerifier::seal(&ann(), standing, about, keyring(1).sealing(), [generation as u8; 12]).unwrap()
}

/// Ann's record with this password.
pub(super) fn record_of(password: &str, generation: u64) -> SealedVerifier {
    sealed(&verifier(password, "branchline"), generation)
}

pub(super) fn entry(aor: &Aor, counter: u64, office: &str, now: Second) -> RoamingEntry {
    RoamingEntry {
        aor: aor.clone(),
        version: Version { counter, registered: now, office: office.parse().unwrap() },
        presence: Presence::Here,
        expires: now.plus(seconds(7200)),
    }
}

impl World {
    /// PAR, which keeps Ann's record.
    pub(super) fn paris() -> Self {
        let mut world = Self::with(paris());
        world.roams(Vec::new());
        world.told_of(RoamingInput::Verifier(sealed(&verifier("secret", "branchline"), 1)));
        world
    }

    pub(super) fn roams(&mut self, entries: Vec<(RoamingEntry, Second)>) {
        self.told_of(RoamingInput::Stored(entries));
        self.told_of(RoamingInput::Keyring(keyring(1)));
    }

    pub(super) fn told_of(&mut self, input: RoamingInput) {
        self.feed(Input::Roaming(input));
    }

    pub(super) fn second(&self) -> Second {
        Second::of(self.now.wall)
    }

    /// A phone signs in as Ann; the status of the answer.
    pub(super) fn ann_signs_in(&mut self, phone: Peer, password: &str) -> u16 {
        let contact = format!("{};expires=3600", self.contact_of(phone));
        self.registers_as(phone, "1001", password, &contact, "").status.code()
    }

    fn whereabouts(&self, aor: &Aor) -> Whereabouts {
        self.engine.roaming().unwrap().locate(aor, self.now.wall)
    }

    /// What was published of entries since the last call.
    fn said(&mut self) -> Vec<(String, u64, Presence)> {
        let published = std::mem::take(&mut self.published).into_iter();
        let entries = published.filter_map(|one| match one {
            Publication::Entry(entry) => Some(entry),
            Publication::Verifier(_) => None,
        });
        entries.map(|one| (one.aor.to_string(), one.version.counter, one.presence)).collect()
    }

    fn refusals(&mut self) -> Vec<&'static str> {
        let seen = std::mem::take(&mut self.observed).into_iter();
        seen.filter_map(|one| match one {
            Observation::Refused { reason, .. } => Some(reason),
            _ => None,
        })
        .collect()
    }
}

#[test]
fn a_visitor_signs_in_although_the_home_office_is_not_there() {
    let mut world = World::paris();
    let phone = world.phone("32-1001", Transport::Tls);
    assert_eq!(world.ann_signs_in(phone, "secret"), 200);
    assert_eq!(world.said(), [("BRU/32-1001".to_owned(), 1, Presence::Here)]);
    assert_eq!(world.whereabouts(&ann()), Whereabouts::Local);
    let registrar = world.engine.registrar();
    assert_eq!(registrar.display_name(&ann().extension).as_deref(), Some("Ann of BRU"));
    assert_eq!(registrar.location(&ann().extension).len(), 1);
    assert!(registrar.serves(&ann().extension) && !registrar.has_account(&ann().extension));
    assert!(world.mirrored.is_empty(), "Asterisk knows no visitors");

    let contact = format!("{};expires=0", world.contact_of(phone));
    assert_eq!(world.registers_as(phone, "1001", "secret", &contact, "").status.code(), 200);
    assert_eq!(world.said(), [("BRU/32-1001".to_owned(), 2, Presence::Gone)]);
    assert!(!world.engine.registrar().serves(&ann().extension));
    assert!(matches!(world.whereabouts(&ann()), Whereabouts::Home { .. }));
}

#[test]
fn a_visitor_may_write_the_home_office_before_the_extension() {
    let mut world = World::paris();
    let phone = world.phone("BRU-1001", Transport::Tls);
    assert_eq!(world.ann_signs_in(phone, "secret"), 200);
    assert_eq!(world.said(), [("BRU/32-1001".to_owned(), 1, Presence::Here)]);
}

#[test]
fn a_visitor_with_a_wrong_password_or_without_a_record_is_refused_alike() {
    let mut world = World::paris();
    let ann = world.phone("32-1001", Transport::Tls);
    let nobody = world.phone("32-1999", Transport::Tls);
    for phone in [ann, nobody] {
        let contact = world.contact_of(phone);
        let response = world.registers_as(phone, "1001", "guess", &contact, "");
        assert_eq!(response.status.code(), 401);
        assert!(response.headers.get(&HeaderName::WwwAuthenticate).is_some());
        assert_eq!(world.refusals(), ["wrong-password"]);
    }
    assert!(world.said().is_empty());
    let ours = world.phone("1001", Transport::Tls);
    assert_eq!(world.registers(ours, 3600).status.code(), 200, "our own 1001 is somebody else");
    assert_eq!(world.said(), [("PAR/33-1001".to_owned(), 1, Presence::Here)]);
}

#[test]
fn a_record_that_does_not_open_or_is_of_another_realm_lets_nobody_in() {
    let mut world = World::with(paris());
    world.roams(Vec::new());
    let mut forged = sealed(&verifier("secret", "branchline"), 2);
    forged.generation = 3;
    world.told_of(RoamingInput::Verifier(forged));
    world.told_of(RoamingInput::Verifier(SealedVerifier { key: KeyId(9), ..sealed(&Standing::Revoked, 4) }));
    assert_eq!(world.refusals(), ["visitor-record-forged", "visitor-key-unknown"]);
    assert!(world.records.is_empty(), "neither is kept");
    world.told_of(RoamingInput::Verifier(sealed(&verifier("secret", "elsewhere"), 5)));
    let phone = world.phone("32-1001", Transport::Tls);
    assert_eq!(world.ann_signs_in(phone, "secret"), 401);
    assert_eq!(world.refusals(), ["visitor-of-another-realm", "wrong-password"]);
}

#[test]
fn a_visitor_whose_password_changed_or_whose_account_is_gone_must_go() {
    let mut world = World::paris();
    let phone = world.phone("32-1001", Transport::Tls);
    assert_eq!(world.ann_signs_in(phone, "secret"), 200);
    world.told_of(RoamingInput::Verifier(sealed(&verifier("secret", "branchline"), 2)));
    assert!(world.engine.registrar().serves(&ann().extension), "nothing changed");
    world.told_of(RoamingInput::Verifier(sealed(&verifier("better", "branchline"), 3)));
    assert!(!world.engine.registrar().serves(&ann().extension));
    assert_eq!(world.ann_signs_in(phone, "secret"), 401);
    assert_eq!(world.ann_signs_in(phone, "better"), 200);
    world.said();
    world.told_of(RoamingInput::Verifier(sealed(&Standing::Revoked, 4)));
    assert_eq!(world.said(), [("BRU/32-1001".to_owned(), 4, Presence::Gone)]);
    assert_eq!(world.ann_signs_in(phone, "better"), 401);
}

#[test]
fn a_visitor_calls_and_other_accounts_changing_do_not_matter() {
    let mut world = World::paris();
    let phone = world.phone("32-1001", Transport::Tls);
    assert_eq!(world.ann_signs_in(phone, "secret"), 200);
    world.feed(Input::Accounts(accounts()));
    assert!(world.engine.registrar().serves(&ann().extension));
    let bob = world.udp_phone("1002");
    let (a, b) = world.talk(phone, bob);
    let from = b.invite.from().unwrap();
    assert_eq!(from.uri.user().unwrap().to_string(), "32-1001");
    assert_eq!(from.display_name().unwrap().to_string(), "Ann of BRU");
    world.ends(a, b);
}

#[test]
fn a_refresh_takes_nobody_back_but_a_new_sign_in_does() {
    let mut world = World::with(paris());
    world.roams(Vec::new());
    let desk = world.registered("1001", Transport::Tls);
    let own = Aor { home: "PAR".parse().unwrap(), extension: "33-1001".parse().unwrap() };
    assert_eq!(world.said(), [("PAR/33-1001".to_owned(), 1, Presence::Here)]);
    world.wait(seconds(600));
    world.told_of(RoamingInput::Entry(entry(&own, 2, "NYC", world.second())));
    assert!(matches!(world.whereabouts(&own), Whereabouts::Visiting { .. }));
    assert_eq!(world.registers_again(desk).status.code(), 200);
    assert!(world.said().is_empty());
    assert!(matches!(world.whereabouts(&own), Whereabouts::Visiting { .. }));
    let moved = |one: &Observation| matches!(one, Observation::Roaming { change: "moved-away", .. });
    assert!(world.observed.iter().any(moved), "this office is told");
    assert_eq!(world.engine.registrar().location(&"1001".parse().unwrap()).len(), 1, "the desk phone stays");

    world.registered("1001", Transport::Tls);
    assert_eq!(world.said(), [("PAR/33-1001".to_owned(), 3, Presence::Here)]);
    assert_eq!(world.whereabouts(&own), Whereabouts::Local);
}

#[test]
fn the_lease_is_renewed_as_long_as_a_device_is_here() {
    let mut world = World::with(paris());
    world.roams(Vec::new());
    let phone = world.registered("1001", Transport::Tls);
    world.said();
    world.wait(seconds(3500));
    world.registers_again(phone);
    world.wait(seconds(300));
    assert_eq!(world.said(), [("PAR/33-1001".to_owned(), 1, Presence::Here)], "renewed");
    world.wait(seconds(3600));
    assert_eq!(world.said(), [("PAR/33-1001".to_owned(), 2, Presence::Gone)], "the binding expired");
}

#[test]
fn visitors_survive_a_restart() {
    let mut world = World::paris();
    let phone = world.phone("32-1001", Transport::Udp);
    assert_eq!(world.ann_signs_in(phone, "secret"), 200);
    let is_binding = |change: &Change| match change {
        Change::PutBinding(binding) => Some((**binding).clone()),
        _ => None,
    };
    let bindings: Vec<Binding> = world.persisted.iter().filter_map(is_binding).collect();
    let stored: Vec<_> = world
        .roaming_writes
        .iter()
        .filter_map(|write| match write {
            RoamingWrite::Change(RoamingChange::Put { entry, heard }) => Some((entry.clone(), *heard)),
            _ => None,
        })
        .collect();
    let records = world.records.clone();

    let mut world = World::restored(paris(), accounts(), bindings.clone(), world.now);
    world.records = records;
    assert!(!world.engine.registrar().serves(&ann().extension), "whose binding it is, is not known yet");
    world.roams(stored);
    assert!(world.engine.registrar().serves(&ann().extension));
    assert_eq!(world.whereabouts(&ann()), Whereabouts::Local);
    assert!(world.said().is_empty(), "nothing new to tell");
    let phone = world.phone("32-1001", Transport::Tls);
    assert_eq!(world.ann_signs_in(phone, "secret"), 200);

    let mut world = World::restored(paris(), accounts(), bindings, world.now);
    world.roams(Vec::new());
    assert!(!world.engine.registrar().serves(&ann().extension));
    assert!(world.persisted.iter().any(|change| matches!(change, Change::RemoveBinding(_))), "a stranger's");
}

#[test]
fn who_left_during_the_restart_is_signed_out() {
    let mut world = World::with(paris());
    let now = world.second();
    world.roams(vec![(entry(&ann(), 5, "PAR", now), now)]);
    assert_eq!(world.said(), [("BRU/32-1001".to_owned(), 6, Presence::Gone)]);
}

#[test]
fn a_new_session_says_again_what_we_said_and_issues_the_records_of_our_users() {
    let mut world = World::with(paris());
    world.roams(Vec::new());
    world.registered("1001", Transport::Tls);
    world.said();
    world.told_of(RoamingInput::Connected);
    let issued = |world: &mut World| {
        let published = std::mem::take(&mut world.published).into_iter();
        published
            .filter_map(|one| match one {
                Publication::Verifier(record) => Some(*record),
                Publication::Entry(_) => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(world.said(), [("PAR/33-1001".to_owned(), 1, Presence::Here)]);
    world.wait(seconds(70));
    let records = issued(&mut world);
    assert_eq!(records.len(), 6, "one for each account");
    let first = records.iter().find(|one| one.aor.extension.as_str() == "33-1001").unwrap();
    let Ok(Standing::Good(opened)) = first.open(&keyring(1), world.now.wall, seconds(0)) else {
        panic!("it opens")
    };
    assert_eq!((opened.username.as_str(), opened.realm.as_str()), ("1001", "branchline"));
    assert_eq!(*opened.keys.md5.to_hex(), *UserKeys::new("1001", "branchline", "pw-1001").md5.to_hex());

    world.wait(seconds(3600));
    assert!(issued(&mut world).is_empty(), "the broker has them");
    let fewer = accounts().iter().filter(|one| one.extension.as_str() != "1006").cloned().collect();
    world.feed(Input::Accounts(fewer));
    world.wait(seconds(70));
    let records = issued(&mut world);
    assert_eq!(records.len(), 1);
    assert!(matches!(records[0].open(&keyring(1), world.now.wall, seconds(0)), Ok(Standing::Revoked)));
}

#[test]
fn a_flood_of_visitors_that_must_be_looked_up_is_bounded() {
    let mut world = World::paris();
    world.fetches = Store::Held;
    let mut statuses = Vec::new();
    for number in 0..260 {
        let place = format!("10.0.{}.{}:5060", number / 200, 1 + number % 200);
        let phone =
            world.phone_at(&format!("32-{}", 20_000 + number), Transport::Tls, testing::address(&place));
        let contact = world.contact_of(phone);
        let first = world.register_text(phone, &format!("32-{}", 20_000 + number), &contact, "");
        world.wire(phone, &first);
        let challenge = world.last_response(phone);
        let proof = super::proof::proof(&challenge, "REGISTER", "sip:branchline", "1001", "x", 1);
        let more = format!("Authorization: {proof}\r\n");
        let second = world.register_text(phone, &format!("32-{}", 20_000 + number), &contact, &more);
        world.wire(phone, &second);
        if let Some(Message::Response(response)) = world.peers[phone.0].inbox.pop_back() {
            statuses.push(response.status.code());
        }
    }
    assert_eq!(statuses, [503; 4]);
    assert!(world.refusals().iter().all(|reason| *reason == "too-many-visitors-waiting"));
}

//! The best device of a user: presence, preference, last use; and that `resolve` says what calls do.

use super::descriptions::audio;
use super::world::{ASTERISK, Peer, World, seconds};
use crate::engine::call::Resolution;
use crate::engine::registrar::{Availability, AvailabilityChange, DeviceId, Preferred, PresenceStatus};
use crate::engine::web::{WebReply, WebRequest};
use crate::engine::{Change, Input};
use crate::sip::Transport;

impl World {
    fn says(&mut self, number: &str, presence: PresenceStatus) -> Availability {
        self.changes(number, AvailabilityChange { presence: Some(presence), ..AvailabilityChange::default() })
    }

    fn changes(&mut self, number: &str, change: AvailabilityChange) -> Availability {
        match self.asks_as(number, None, WebRequest::SetAvailability(change)) {
            WebReply::Availability(says) => says,
            other => panic!("{other:?}"),
        }
    }

    /// What `resolve` tells of a number.
    pub(super) fn resolves(&mut self, number: &str) -> Resolution {
        match self.asks_as("1001", None, WebRequest::Resolve { to: number.to_owned() }) {
            WebReply::Resolution(found) => *found,
            other => panic!("{other:?}"),
        }
    }

    /// `kind:why` of each device that rings, attempt by attempt.
    fn order(&mut self, number: &str) -> Vec<Vec<String>> {
        let attempts = self.resolves(number).attempts.into_iter();
        let names = |one: crate::engine::call::AttemptView| {
            one.devices.iter().map(|device| format!("{}:{}", device.kind, one.why)).collect()
        };
        attempts.map(names).collect()
    }

    fn device_id(&self, phone: Peer) -> DeviceId {
        let number = self.peers[phone.0].number.parse().unwrap();
        let device = self.engine.registrar().device_on(&number, self.peers[phone.0].flow).unwrap();
        DeviceId::of(&device.device)
    }

    fn rings_now(&self, phone: Peer) -> bool {
        !self.peers[phone.0].inbox.is_empty()
    }
}

#[test]
fn away_from_the_desk_the_device_used_last_rings_and_the_desk_phone_is_the_last_resort() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let desk = w.udp_phone("1002");
    let soft = w.registered("1002", Transport::Wss);
    w.wait(seconds(1));
    let other = w.registered("1002", Transport::Wss);
    w.says("1002", PresenceStatus::Away);
    let order = [["soft-phone:used-last"], ["soft-phone:by-q"], ["desk-phone:desk-phone-fallback"]];
    assert_eq!(w.order("1002"), order);
    let mut a = w.calls(ann, "1002", &audio(4000));
    assert!(w.rings_now(other) && !w.rings_now(soft) && !w.rings_now(desk), "registered last");
    let mut first = w.rung(other);
    w.answers(&first, 486, "");
    w.asked(&mut first, "ACK");
    let mut second = w.rung(soft);
    w.answers(&second, 180, "");
    w.hears(&mut a, 180);
    w.wait(seconds(20));
    w.is_cancelled(&mut second);
    let mut last = w.rung(desk);
    w.answers(&last, 200, &audio(5000));
    w.asked(&mut last, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, last);
}

#[test]
fn a_device_that_takes_a_call_is_the_one_used_last() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let (soft, page) = (w.registered("1002", Transport::Tls), w.page("1002", "tab"));
    w.says("1002", PresenceStatus::Away);
    assert_eq!(w.order("1002")[0], ["page:used-last"]);
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.hears(&mut a, 180);
    let (view, _) = w.page_rings(&page);
    w.wait(seconds(5));
    let used = |w: &mut World| w.resolves("1002").attempts[0].devices[0].used;
    assert_eq!(used(&mut w), None);
    w.accepts(&page, view.id);
    w.sees(&page, "up");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    assert_eq!(used(&mut w), Some(w.now.wall.0));
    assert!(!w.rings_now(soft));
    w.hangs_up(&mut a);
    w.sees(&page, "ended");
    w.leaves(&page);
    w.finish();
}

#[test]
fn who_does_not_want_to_be_disturbed_is_not() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.says("1002", PresenceStatus::DoNotDisturb);
    let mut a = w.calls(ann, "1002", &audio(4000));
    w.refused(&mut a, 486);
    assert_eq!(w.records()[0].cause, "do-not-disturb");
    let found = w.resolves("1002");
    assert_eq!((found.outcome.as_str(), found.attempts.len()), ("do-not-disturb", 0));
    assert_eq!(found.left_out[0].why, "do-not-disturb");
    w.says("1002", PresenceStatus::Offline);
    assert_eq!(w.order("1002"), [["desk-phone:by-q"]], "offline, the desk phone rings");
    w.says("1002", PresenceStatus::Online);
    let (a, b) = w.talk(ann, bob);
    w.ends(a, b);
}

#[test]
fn asterisk_is_asked_all_the_same_and_told_busy() {
    let mut w = World::with_asterisk();
    let (ann, _bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    w.says("1002", PresenceStatus::DoNotDisturb);
    let found = w.resolves("1002");
    let by: Vec<_> = found.attempts.iter().map(|one| (one.by.as_str(), one.why.as_str())).collect();
    assert_eq!(by, [("asterisk", "dialplan")]);
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut pbx = w.rung(ASTERISK);
    let mut back = w.asterisk_calls(&pbx, "1002");
    w.refused(&mut back, 486);
    w.answers(&pbx, 486, "");
    w.asked(&mut pbx, "ACK");
    w.refused(&mut a, 486);
    w.finish();
}

#[test]
fn the_preferred_device_rings_first_and_alone() {
    let mut w = World::alone();
    let (ann, one, two) = (w.udp_phone("1001"), w.udp_phone("1002"), w.udp_phone("1002"));
    let change = AvailabilityChange { presence: None, preferred: Preferred::Device(w.device_id(one)) };
    w.changes("1002", change);
    assert_eq!(w.order("1002"), [["desk-phone:preferred"], ["desk-phone:by-q"]]);
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut first = w.rung(one);
    w.answers(&first, 180, "");
    w.hears(&mut a, 180);
    assert!(!w.rings_now(two));
    w.wait(seconds(20));
    w.is_cancelled(&mut first);
    let mut second = w.rung(two);
    w.answers(&second, 486, "");
    w.asked(&mut second, "ACK");
    w.refused(&mut a, 486);
    w.finish();
}

#[test]
fn what_users_say_survives_a_restart_and_goes_with_the_account() {
    let mut w = World::alone();
    let says = w.says("1002", PresenceStatus::Busy);
    assert_eq!((says.presence, says.since), (PresenceStatus::Busy, w.now.wall.0));
    w.says("1002", PresenceStatus::Busy);
    let kept: Vec<_> = w
        .persisted
        .iter()
        .filter_map(|change| match change {
            Change::Availability { extension, says } => Some((extension.clone(), *says)),
            _ => None,
        })
        .collect();
    assert_eq!(kept, [(World::extension("1002"), says)], "written once");
    w.says("32-1999", PresenceStatus::Busy);
    assert_eq!(w.engine.registrar().availability(&World::extension("32-1999")), Availability::default());

    let mut w = World::alone();
    w.feed(Input::Availability(kept));
    assert_eq!(w.engine.registrar().availability(&World::extension("1002")), says);
    let fewer = super::world::accounts();
    let fewer = fewer.iter().filter(|one| one.extension.as_str() != "1002").cloned().collect();
    w.feed(Input::Accounts(fewer));
    assert_eq!(w.engine.registrar().availability(&World::extension("1002")), Availability::default());
}

#[test]
fn the_command_line_asks_the_same() {
    let mut w = World::alone();
    w.udp_phone("1002");
    let page = w.page("1002", "tab");
    let by_rest = w.resolves("1002");
    assert_eq!(w.engine.resolve(w.now, "1002"), Some(by_rest.clone()));
    assert_eq!((by_rest.outcome.as_str(), by_rest.text.as_str()), ("rings", "2 devices together."));
    assert_eq!(by_rest.attempts[0].rings_for, 60);
    assert_eq!(by_rest.user.unwrap().place, "here");
    assert_eq!(w.resolves("1999").outcome, "no-such-number");
    assert_eq!(w.resolves("1003").outcome, "not-registered");
    assert_eq!(w.engine.resolve(w.now, "!!"), None);
    w.leaves(&page);
}

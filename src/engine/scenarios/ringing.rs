//! All devices of a user: together, or in the order of their preference; the first to answer wins.

use super::descriptions::audio;
use super::phones::Line;
use super::world::{Peer, World, seconds};
use crate::sip::{HeaderName, Transport};

impl World {
    /// A UDP phone that has registered with this q value.
    fn preferred(&mut self, number: &str, q: &str) -> Peer {
        let phone = self.phone(number, Transport::Udp);
        let contact = format!("{};q={q};expires=3600", self.contact_of(phone));
        assert_eq!(self.registers_contact(phone, &contact, "").status.code(), 200);
        phone
    }

    /// The phone is called and rings.
    fn rings(&mut self, phone: Peer) -> Line {
        let line = self.rung(phone);
        self.answers(&line, 180, "");
        line
    }

    /// The phone is told why it stops.
    fn stops(&mut self, line: &mut Line, reason: &str) {
        let cancel = self.is_cancelled(line);
        let told = cancel.headers.get(&HeaderName::Reason).map(ToString::to_string);
        assert!(told.as_deref().unwrap_or_default().contains(reason), "{told:?}");
    }

    /// Nobody has called the phone.
    fn is_silent(&self, phone: Peer) {
        assert!(self.peers[phone.0].inbox.is_empty(), "{:?}", self.peers[phone.0].inbox);
    }
}

#[test]
fn three_devices_ring_at_once_and_two_stop_when_the_third_answers() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let phones = [w.udp_phone("1002"), w.udp_phone("1002"), w.udp_phone("1002")];
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut lines = phones.map(|phone| w.rings(phone));
    w.hears(&mut a, 180);
    w.answers(&lines[2], 200, &audio(5000));
    w.asked(&mut lines[2], "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    let [mut first, mut second, winner] = lines;
    w.stops(&mut first, "Call completed elsewhere");
    w.stops(&mut second, "Call completed elsewhere");
    w.ends(a, winner);
}

#[test]
fn the_preferred_devices_ring_first_and_together() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let last = w.preferred("1002", "0.2");
    let phones = [w.preferred("1002", "0.9"), w.preferred("1002", "0.9")];
    let middle = w.preferred("1002", "0.5");
    let mut a = w.calls(ann, "1002", &audio(4000));
    let [mut one, mut two] = phones.map(|phone| w.rings(phone));
    w.hears(&mut a, 180);
    w.wait(seconds(19));
    w.is_silent(middle);
    w.wait(seconds(1));
    w.stops(&mut one, "No answer");
    w.stops(&mut two, "No answer");
    let mut third = w.rings(middle);
    w.is_silent(last);
    w.answers(&third, 200, &audio(5000));
    w.asked(&mut third, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.wait(seconds(60));
    w.is_silent(last);
    w.ends(a, third);
}

#[test]
fn the_last_ones_ring_for_the_whole_time_then_nobody_answered() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let (desk, mobile) = (w.preferred("1002", "1.0"), w.preferred("1002", "0.5"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut first = w.rings(desk);
    w.hears(&mut a, 180);
    w.wait(seconds(20));
    w.stops(&mut first, "No answer");
    let mut second = w.rings(mobile);
    w.wait(seconds(59));
    w.hears_nothing(&second);
    w.wait(seconds(1));
    w.stops(&mut second, "No answer");
    w.refused(&mut a, 480);
    assert_eq!(w.records()[0].cause, "no-answer");
    w.finish();
}

#[test]
fn a_busy_device_speaks_for_itself_and_one_that_declines_for_its_user() {
    for (status, goes_on) in [(486, true), (480, true), (503, true), (603, false)] {
        let mut w = World::alone();
        let ann = w.udp_phone("1001");
        let (desk, mobile) = (w.preferred("1002", "1.0"), w.preferred("1002", "0.5"));
        let mut a = w.calls(ann, "1002", &audio(4000));
        let mut first = w.rings(desk);
        w.hears(&mut a, 180);
        w.answers(&first, status, "");
        w.asked(&mut first, "ACK");
        if goes_on {
            let mut second = w.rings(mobile);
            w.answers(&second, 486, "");
            w.asked(&mut second, "ACK");
            w.refused(&mut a, 486);
        } else {
            w.refused(&mut a, status);
        }
        w.finish();
    }
}

#[test]
fn an_answer_that_crosses_the_step_is_hung_up_and_the_next_device_rings_on() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let (desk, mobile) = (w.preferred("1002", "1.0"), w.preferred("1002", "0.5"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut late = w.rings(desk);
    w.hears(&mut a, 180);
    w.wait(seconds(20));
    let cancel = w.asked(&mut late, "CANCEL");
    w.answers(&late, 200, &audio(5000));
    w.asked(&mut late, "ACK");
    w.is_hung_up(&mut late);
    w.responds(&late, &cancel, 481, "", "");
    let mut second = w.rings(mobile);
    w.answers(&second, 200, &audio(6000));
    w.asked(&mut second, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    w.ends(a, second);
}

#[test]
fn the_caller_gives_up_between_the_steps() {
    let mut w = World::alone();
    let ann = w.udp_phone("1001");
    let (desk, mobile) = (w.preferred("1002", "1.0"), w.preferred("1002", "0.5"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut first = w.rings(desk);
    w.hears(&mut a, 180);
    w.wait(seconds(20));
    w.stops(&mut first, "No answer");
    let mut second = w.rings(mobile);
    w.cancels(&mut a);
    w.refused(&mut a, 487);
    w.is_cancelled(&mut second);
    w.wait(seconds(60));
    w.is_silent(desk);
    w.finish();
}

#[test]
fn asterisk_that_rings_is_not_bypassed() {
    let mut w = World::with_asterisk();
    let (ann, _bob) = (w.udp_phone("1001"), w.preferred("1002", "0.5"));
    let mut a = w.calls(ann, "1002", &audio(4000));
    let mut pbx = w.rings(super::world::ASTERISK);
    w.hears(&mut a, 180);
    w.wait(seconds(60));
    w.stops(&mut pbx, "No answer");
    w.refused(&mut a, 480);
    w.finish();
}

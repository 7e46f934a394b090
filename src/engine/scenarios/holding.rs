//! Hold and resume, by either end.

use super::descriptions::{audio, directed, zeroed};
use super::phones::Line;
use super::world::World;
use crate::sdp::{Direction, SessionDescription};
use crate::sip::Request;

fn direction(bytes: &[u8]) -> Direction {
    let text = String::from_utf8_lossy(bytes);
    assert!(SessionDescription::parse(bytes).is_ok(), "{text}");
    let line = text.lines().find_map(|line| Direction::parse(line.strip_prefix("a=")?));
    line.unwrap_or_default()
}

/// `holder` sends this offer and hears `answer`; `held` is offered `told`.
fn offers(
    w: &mut World,
    holder: &mut Line,
    held: &mut Line,
    offer: &str,
    answer: Direction,
    told: Direction,
) {
    w.invites(holder, offer, "");
    let ok = w.hears(holder, 200);
    assert_eq!(direction(&ok.body), answer, "answer to the holder");
    w.acks(holder, "");
    let asked = w.asked(held, "INVITE");
    assert_eq!(direction(&asked.body), told, "offer to the held party");
    let back = directed(5000, told.reversed().as_str());
    w.responds(held, &asked, 200, &back, "");
    w.asked(held, "ACK");
}

fn hold_and_resume(hold: &str, answer: Direction, told: Direction, by_caller: bool) {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (a, b) = w.talk(ann, bob);
    let (mut holder, mut held) = if by_caller { (a, b) } else { (b, a) };
    offers(&mut w, &mut holder, &mut held, hold, answer, told);
    offers(&mut w, &mut holder, &mut held, &audio(4000), Direction::SendRecv, Direction::SendRecv);
    offers(&mut w, &mut holder, &mut held, hold, answer, told);
    assert_eq!(w.ledger.phone_ports(), 2);
    w.ends(holder, held);
}

#[test]
fn by_sendonly() {
    for by_caller in [true, false] {
        hold_and_resume(&directed(4000, "sendonly"), Direction::RecvOnly, Direction::SendOnly, by_caller);
    }
}

#[test]
fn by_inactive() {
    for by_caller in [true, false] {
        hold_and_resume(&directed(4000, "inactive"), Direction::Inactive, Direction::Inactive, by_caller);
    }
}

#[test]
fn by_an_address_of_zeros() {
    for by_caller in [true, false] {
        hold_and_resume(&zeroed(4000), Direction::RecvOnly, Direction::SendOnly, by_caller);
    }
}

#[test]
fn both_hold_and_resume_in_turn() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    offers(&mut w, &mut a, &mut b, &directed(4000, "sendonly"), RecvOnly, SendOnly);
    // Bob holds too: he is not heard and hears nothing, and Ann is told.
    w.invites(&mut b, &directed(5000, "inactive"), "");
    assert_eq!(direction(&w.hears(&mut b, 200).body), Inactive);
    w.acks(&mut b, "");
    let asked = w.asked(&mut a, "INVITE");
    assert_eq!(direction(&asked.body), SendOnly);
    w.responds(&a, &asked, 200, &directed(4000, "inactive"), "");
    w.asked(&mut a, "ACK");
    // Bob resumes while Ann still holds.
    w.invites(&mut b, &directed(5000, "sendrecv"), "");
    assert_eq!(direction(&w.hears(&mut b, 200).body), SendOnly);
    w.acks(&mut b, "");
    let asked = w.asked(&mut a, "INVITE");
    assert_eq!(direction(&asked.body), SendRecv);
    w.responds(&a, &asked, 200, &directed(4000, "sendonly"), "");
    w.asked(&mut a, "ACK");
    // Ann resumes.
    offers(&mut w, &mut a, &mut b, &audio(4000), SendRecv, SendRecv);
    w.ends(a, b);
}

#[test]
fn a_held_phone_that_refreshes_does_not_hold() {
    use Direction::{RecvOnly, SendOnly, SendRecv};
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    offers(&mut w, &mut a, &mut b, &directed(4000, "sendonly"), RecvOnly, SendOnly);
    w.invites(&mut b, &directed(5000, "recvonly"), "");
    assert_eq!(direction(&w.hears(&mut b, 200).body), SendOnly);
    w.acks(&mut b, "");
    w.hears_nothing(&a);
    offers(&mut w, &mut a, &mut b, &audio(4000), SendRecv, SendRecv);
    w.ends(a, b);
}

#[test]
fn the_holders_media_end_stops_and_goes_on() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    let flows = |w: &World| {
        let mut flows: Vec<_> =
            w.ledger.ends.values().filter_map(|end| end.flow).map(|flow| (flow.send, flow.receive)).collect();
        flows.sort_unstable();
        flows
    };
    assert_eq!(flows(&w), [(true, true), (true, true)]);
    offers(&mut w, &mut a, &mut b, &directed(4000, "inactive"), Direction::Inactive, Direction::Inactive);
    assert_eq!(flows(&w), [(false, false), (false, false)]);
    offers(&mut w, &mut a, &mut b, &audio(4000), Direction::SendRecv, Direction::SendRecv);
    assert_eq!(flows(&w), [(true, true), (true, true)]);
    w.ends(a, b);
}

#[test]
fn hold_by_update() {
    let mut w = World::alone();
    let (ann, bob) = (w.udp_phone("1001"), w.udp_phone("1002"));
    let (mut a, mut b) = w.talk(ann, bob);
    w.sends(&mut a, "UPDATE", &directed(4000, "sendonly"), "");
    assert_eq!(direction(&w.hears(&mut a, 200).body), Direction::RecvOnly);
    let asked: Request = w.asked(&mut b, "INVITE");
    w.responds(&b, &asked, 200, &directed(5000, "recvonly"), "");
    w.asked(&mut b, "ACK");
    w.ends(a, b);
}

#[test]
fn a_hold_through_asterisk_reaches_asterisk() {
    let mut w = World::with_asterisk();
    let ann = w.udp_phone("1001");
    let mut a = w.calls(ann, "600", &audio(4000));
    let mut echo = w.rung(super::world::ASTERISK);
    w.answers(&echo, 200, &audio(5000));
    w.asked(&mut echo, "ACK");
    w.hears(&mut a, 200);
    w.acks(&mut a, "");
    offers(&mut w, &mut a, &mut echo, &directed(4000, "sendonly"), Direction::RecvOnly, Direction::SendOnly);
    w.ends(a, echo);
}

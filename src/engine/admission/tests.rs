use super::*;
use crate::engine::flow::ConnectionId;
use crate::engine::testing;
use crate::sip::Transport;

fn request() -> Message {
    testing::message(
        "OPTIONS sip:gateway SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:gateway>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n",
    )
}

fn bare(message: &Message) -> &Request {
    match message {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn admission() -> Admission {
    Admission::new(&testing::settings())
}

#[test]
fn a_source_has_its_burst_and_then_its_rate() {
    let (mut admission, now, flow) = (admission(), testing::now(), testing::udp("192.0.2.9:5060"));
    let burst = testing::settings().rate.burst;
    for _ in 0..burst {
        assert_eq!(admission.admit(now, flow, &request()), Admit::Pass);
    }
    assert_eq!(admission.admit(now, flow, &request()), Admit::Drop("rate"));
    let other = testing::udp("192.0.2.10:5060");
    assert_eq!(admission.admit(now, other, &request()), Admit::Pass, "another source is not affected");
    assert_eq!(admission.admit(now.plus(Duration::from_secs(1)), flow, &request()), Admit::Pass);
}

#[test]
fn guessing_locks_the_source_out_and_time_lets_it_in() {
    let (mut admission, now) = (admission(), testing::now());
    let mut flow = testing::udp("192.0.2.9:5060");
    let rule = testing::settings().lock_out;
    for _ in 0..rule.failures {
        assert_eq!(admission.admit(now, flow, &request()), Admit::Pass);
        admission.note_failure(now, flow, bare(&request()));
    }
    assert_eq!(admission.admit(now, flow, &request()), Admit::Drop("locked-out"));
    flow.transport = Transport::Tls;
    flow.connection = Some(ConnectionId(1));
    let refused = admission.admit(now, flow, &request());
    assert!(matches!(refused, Admit::Refuse { status: StatusCode::FORBIDDEN, reason: "locked-out", .. }));
    let later = now.plus(rule.duration + Duration::from_secs(1));
    assert_eq!(admission.admit(later, flow, &request()), Admit::Pass);
}

#[test]
fn failures_far_apart_lock_nobody_out() {
    let (mut admission, mut now, flow) = (admission(), testing::now(), testing::udp("192.0.2.9:5060"));
    let rule = testing::settings().lock_out;
    for _ in 0..rule.failures * 3 {
        admission.note_failure(now, flow, bare(&request()));
        now = now.plus(rule.window + Duration::from_secs(1));
    }
    assert_eq!(admission.admit(now, flow, &request()), Admit::Pass);
}

#[test]
fn asterisk_is_never_limited() {
    let (mut admission, now) = (admission(), testing::now());
    let mut flow = testing::udp("127.0.0.1:5080");
    flow.side = Side::Asterisk;
    for _ in 0..testing::settings().rate.burst * 3 {
        assert_eq!(admission.admit(now, flow, &request()), Admit::Pass);
    }
}

#[test]
fn the_table_of_sources_is_bounded() {
    let (mut admission, now) = (admission(), testing::now());
    for number in 0..(MOST_SOURCES as u32 + 100) {
        let address = format!("10.{}.{}.{}:5060", number >> 16, (number >> 8) & 255, number & 255);
        admission.admit(now, testing::udp(&address), &request());
    }
    assert!(admission.len() <= MOST_SOURCES);
}

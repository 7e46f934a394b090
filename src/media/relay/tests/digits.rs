//! DTMF: passed on, told to the engine, and sent.

use super::*;
use crate::media::dtmf::{Digit, DtmfReceiver, EVENT_PAYLOAD};
use crate::media::event::RefusalReason;

/// One digit's packets, as a phone sends them: event `code` for 100 ms.
fn press(phone: &mut Peer, code: u8) -> Vec<Packet> {
    phone.payload_type = 101;
    let timestamp = phone.timestamp;
    let durations = [160_u16, 320, 480, 640, 800, 800, 800, 800];
    let packets = durations.iter().enumerate().map(|(n, duration)| {
        phone.timestamp = timestamp;
        let [high, low] = duration.to_be_bytes();
        phone.packet(&[code, if n >= 5 { 0x8A } else { 0x0A }, high, low])
    });
    let packets = packets.collect();
    phone.timestamp = timestamp + 960;
    phone.payload_type = 8;
    packets
}

fn told(bench: &mut Bench) -> Vec<(char, Duration)> {
    let digits = bench.events().into_iter().filter_map(|event| match event {
        MediaEvent::Dtmf { digit, duration, .. } => Some((digit.as_char(), duration)),
        _ => None,
    });
    digits.collect()
}

#[test]
fn a_key_is_passed_on_and_told_once() {
    let mut bench = Bench::phone_call(None);
    let mut phone = Peer::new(1);
    for mut packet in press(&mut phone, 5) {
        bench.wait(Duration::from_millis(20));
        assert!(matches!(bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet), Verdict::Send(_)));
        assert_eq!(RtpHeader::parse(packet.as_slice()).unwrap().payload_type, pt(101));
    }
    assert_eq!(told(&mut bench), [('5', Duration::from_millis(100))]);
}

#[test]
fn a_key_for_a_side_without_events_is_told_and_consumed() {
    let mut bench = Bench::phone_call(None);
    bench.command(MediaCommand::SetCodec { end: TRUNK, codec: EndCodec::default() });
    let audio = || PayloadMap::identity(&[pt(8)]);
    bench.command(MediaCommand::Bridge { a: PHONE, b: TRUNK, a_to_b: audio(), b_to_a: audio() });
    let mut phone = Peer::new(1);
    for mut packet in press(&mut phone, 11) {
        assert_eq!(bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet), Verdict::Consumed);
    }
    assert_eq!(told(&mut bench), [('#', Duration::from_millis(100))]);
}

#[test]
fn a_key_whose_end_is_lost_is_told_by_the_timer() {
    let mut bench = Bench::phone_call(None);
    let mut phone = Peer::new(1);
    let mut first = press(&mut phone, 1).remove(0);
    bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut first);
    bench.run(Duration::from_secs(1));
    assert_eq!(told(&mut bench), [('1', Duration::from_millis(20))]);
}

#[test]
fn durations_are_told_in_the_other_sides_clock() {
    let mut bench = Bench::phone_call(None);
    let event = DtmfPayload { payload_type: pt(101), clock_rate: 48000 };
    let codec = EndCodec {
        kind: CodecKind::Opus,
        clock_rate: 48000,
        dtmf: [event].into_iter().collect(),
        ..EndCodec::default()
    };
    bench.command(MediaCommand::SetCodec { end: TRUNK, codec });
    let mut packet = press(&mut Peer::new(1), 1).remove(0);
    bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet);
    assert_eq!(packet.as_slice()[14..16], 960_u16.to_be_bytes());
}

#[test]
fn digits_of_ours_reach_the_peer_in_one_unbroken_stream() {
    let phone_keys = keys(1);
    let mut bench = Bench::phone_call(Some(&phone_keys));
    let (mut phone, mut asterisk) = (Peer::with_keys(1, &phone_keys), Peer::new(2));
    let to_phone = (PHONE_SOCKET, PHONE_ADDRESS);
    let before = phone.open(bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), to_phone)).0;
    let digits = "9*".chars().filter_map(Digit::from_char).collect();
    bench.command(MediaCommand::SendDtmf { end: PHONE, digits });
    let waiting = bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
    assert_eq!(waiting, Verdict::Drop(DropReason::DtmfTurn));

    let mut heard = String::new();
    let mut receiver = DtmfReceiver::default();
    let mut sequence = before.sequence;
    for (transmit, packet) in bench.run(Duration::from_millis(600)) {
        assert_eq!(transmit, Transmit { socket: PHONE_SOCKET, to: at(PHONE_ADDRESS) });
        let (header, payload) = phone.open(packet);
        assert_eq!((header.ssrc, header.payload_type, payload.len()), (before.ssrc, pt(101), EVENT_PAYLOAD));
        sequence = sequence.wrapping_add(1);
        assert_eq!(header.sequence, sequence);
        let presses = receiver.handle_packet(bench.now, header.timestamp, &payload, 8000);
        heard.extend(presses.iter().map(|press| press.digit.as_char()));
    }
    assert_eq!(heard, "9*");
    let after = phone.open(bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), to_phone)).0;
    assert_eq!(after.sequence, sequence.wrapping_add(1));
    assert!(after.timestamp.wrapping_sub(before.timestamp) > 160 * 25, "time went on");
}

#[test]
fn digits_that_cannot_be_sent_are_refused() {
    let mut bench = Bench::phone_call(None);
    bench.command(MediaCommand::SetCodec { end: PHONE, codec: EndCodec::default() });
    let one = Digit::from_char('1').unwrap();
    let many = || [one; 32].into_iter().collect();
    bench.command(MediaCommand::SendDtmf { end: PHONE, digits: many() });
    bench.command(MediaCommand::SendDtmf { end: TRUNK, digits: many() });
    bench.command(MediaCommand::SendDtmf { end: TRUNK, digits: many() });
    let reasons: Vec<_> = bench
        .events()
        .into_iter()
        .map(|event| match event {
            MediaEvent::Refused { reason, .. } => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, [RefusalReason::NoDtmfPayload, RefusalReason::DtmfQueueFull]);
}

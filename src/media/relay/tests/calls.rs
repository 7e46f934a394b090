//! Bridged calls: what is carried, what is held, what a change of source does.

use super::*;
use crate::media::end::Flow;
use crate::media::event::RefusalReason;

#[test]
fn a_plain_phone_and_asterisk_hear_each_other() {
    let mut bench = Bench::phone_call(None);
    let (mut phone, mut asterisk) = (Peer::new(1), Peer::new(2));
    for _ in 0..3 {
        let out = bench.carried((PHONE_SOCKET, PHONE_ADDRESS, &mut phone), (SocketId::Trunk, TRUNK_ADDRESS));
        let (header, payload) = asterisk.open(out);
        assert_eq!((header.payload_type, &payload[..]), (pt(8), &b"audio"[..]));
        assert_ne!(header.ssrc, Ssrc(1), "a stream of our own");
        bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), (PHONE_SOCKET, PHONE_ADDRESS));
    }
    let events = bench.events();
    assert!(
        matches!(
            events[..],
            [MediaEvent::FirstPacket { end: PHONE }, MediaEvent::FirstPacket { end: TRUNK }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_phone_with_sdes_and_asterisk_hear_each_other() {
    let phone_keys = keys(1);
    let mut bench = Bench::phone_call(Some(&phone_keys));
    let (mut phone, mut asterisk) = (Peer::with_keys(1, &phone_keys), Peer::new(2));
    for _ in 0..3 {
        let out = bench.carried((PHONE_SOCKET, PHONE_ADDRESS, &mut phone), (SocketId::Trunk, TRUNK_ADDRESS));
        assert_eq!(asterisk.open(out).1, b"audio");
        let out =
            bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), (PHONE_SOCKET, PHONE_ADDRESS));
        assert_eq!(phone.open(out).1, b"audio");
    }
}

#[test]
fn a_browser_and_a_phone_with_other_keys_and_types_hear_each_other() {
    let (browser_keys, phone_keys) = (keys(3), keys(9));
    let mut bench = Bench::new();
    bench.open(PHONE, LocalPort::Phone(PortPair(1)), PHONE_ADDRESS, Some(&phone_keys));
    bench.open(BROWSER, LocalPort::WebRtc, BROWSER_ADDRESS, Some(&browser_keys));
    let map = |from, to| PayloadMap::new().with(pt(from), pt(to));
    bench.command(MediaCommand::Bridge { a: PHONE, b: BROWSER, a_to_b: map(96, 111), b_to_a: map(111, 96) });
    let (mut phone, mut browser) = (Peer::with_keys(1, &phone_keys), Peer::with_keys(2, &browser_keys));
    (phone.payload_type, browser.payload_type) = (96, 111);
    let phone_socket = SocketId::PhoneRtp(PortPair(1));
    let out = bench.carried((phone_socket, PHONE_ADDRESS, &mut phone), (SocketId::WebRtc, BROWSER_ADDRESS));
    assert_eq!(browser.open(out).0.payload_type, pt(111));
    let out = bench.carried((SocketId::WebRtc, BROWSER_ADDRESS, &mut browser), (phone_socket, PHONE_ADDRESS));
    assert_eq!(phone.open(out).0.payload_type, pt(96));
    phone.payload_type = 97;
    let verdict = bench.speak(phone_socket, PHONE_ADDRESS, &mut phone);
    assert_eq!(verdict, Verdict::Drop(DropReason::PayloadType));
}

#[test]
fn extensions_of_one_side_never_reach_the_other() {
    let mut bench = Bench::phone_call(None);
    let mut packet = Packet::new();
    packet.fill(&[0x91, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4, 0xBE, 0xDE, 0, 1, 5, 6, 7, 8, 0xAA]);
    bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet);
    assert_eq!((packet.len(), packet.as_slice()[0], packet.as_slice()[12]), (13, 0x80, 0xAA));
}

#[test]
fn nothing_is_carried_without_a_bridge_or_before_the_peer_is_ready() {
    let mut bench = Bench::new();
    let mut phone = Peer::new(1);
    bench.open(PHONE, LocalPort::Phone(PortPair(0)), PHONE_ADDRESS, None);
    assert_eq!(bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone), Verdict::Drop(DropReason::NotBridged));
    bench.command(MediaCommand::Open { end: BROWSER, local: LocalPort::WebRtc, security: Security::Srtp });
    bench.bridge(PHONE, BROWSER);
    let not_ready = Verdict::Drop(DropReason::PeerNotReady);
    assert_eq!(bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone), not_ready);
    let remote = Remote::muxed(at(BROWSER_ADDRESS));
    bench.command(MediaCommand::SetRemote { end: BROWSER, remote, source: SourceRule::Exact });
    assert_eq!(bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone), not_ready, "never in clear");
    bench.command(MediaCommand::SetCrypto { end: BROWSER, keys: Box::new(keys(1)) });
    assert!(matches!(bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone), Verdict::Send(_)));
}

#[test]
fn hold_stops_either_direction_and_resume_brings_it_back() {
    let mut bench = Bench::phone_call(None);
    let (mut phone, mut asterisk) = (Peer::new(1), Peer::new(2));
    let held = Verdict::Drop(DropReason::OnHold);
    let flow = |send, receive| MediaCommand::SetFlow { end: PHONE, flow: Flow { send, receive } };
    bench.command(flow(true, false));
    assert_eq!(bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone), held);
    assert!(matches!(bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), Verdict::Send(_)));
    bench.command(flow(false, true));
    assert!(matches!(bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone), Verdict::Send(_)));
    assert_eq!(bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), held);
    bench.command(flow(true, true));
    assert!(matches!(bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), Verdict::Send(_)));
}

#[test]
fn a_transfer_does_not_break_the_receivers_stream() {
    let phone_keys = keys(1);
    let mut bench = Bench::phone_call(Some(&phone_keys));
    let mut phone = Peer::with_keys(1, &phone_keys);
    let (mut asterisk, mut music) = (Peer::new(2), Peer::new(2));
    music.sequence = 50_000;
    music.timestamp = 7;
    let to_phone = (PHONE_SOCKET, PHONE_ADDRESS);
    let before = bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), to_phone);
    let (before, _) = phone.open(before);
    bench.open(OTHER, LocalPort::Trunk, "127.0.0.1:10002", None);
    bench.bridge(PHONE, OTHER);
    let after = bench.carried((SocketId::Trunk, "127.0.0.1:10002", &mut music), to_phone);
    let (after, _) = phone.open(after);
    assert_eq!(after.ssrc, before.ssrc);
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(160));
    assert!(after.marker);
    let left = bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
    assert_eq!(left, Verdict::Drop(DropReason::NotBridged), "the old side is parted");
}

#[test]
fn equal_keys_keep_their_indices_and_new_keys_begin_a_new_stream() {
    let phone_keys = keys(1);
    let mut bench = Bench::phone_call(Some(&phone_keys));
    let mut phone = Peer::with_keys(1, &phone_keys);
    let mut asterisk = Peer::new(2);
    let to_phone = (PHONE_SOCKET, PHONE_ADDRESS);
    let (first, _) = phone.open(bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), to_phone));
    bench.command(MediaCommand::SetCrypto { end: PHONE, keys: Box::new(phone_keys) });
    let (second, _) = phone.open(bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), to_phone));
    assert_eq!((second.ssrc, second.sequence), (first.ssrc, first.sequence.wrapping_add(1)));
    let new_keys = keys(2);
    bench.command(MediaCommand::SetCrypto { end: PHONE, keys: Box::new(new_keys.clone()) });
    phone.set_keys(&new_keys);
    let (third, _) = phone.open(bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), to_phone));
    assert_ne!(third.ssrc, first.ssrc);
}

#[test]
fn a_closed_end_says_goodbye_reports_and_frees_its_port() {
    let mut bench = Bench::phone_call(None);
    let mut phone = Peer::new(1);
    for _ in 0..20 {
        bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    }
    bench.events();
    bench.command(MediaCommand::Close { end: PHONE });
    let Some(MediaEvent::Closed { end: PHONE, report }) = bench.events().pop() else { panic!() };
    assert_eq!((report.received.packets, report.received.lost), (20, 0));
    assert_eq!(report.received.bytes, 20 * 17);
    assert!(report.received.mos.unwrap() > 4.0);
    let sent = bench.run(Duration::ZERO);
    let goodbye = sent.iter().find(|(transmit, _)| transmit.to == at(PHONE_ADDRESS)).unwrap();
    assert!(goodbye.1.as_slice().windows(2).any(|pair| pair == [0x81, 203]));
    let resting = Verdict::Drop(DropReason::PortResting);
    assert_eq!(bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone), resting);
    let mut asterisk = Peer::new(2);
    let parted = Verdict::Drop(DropReason::NotBridged);
    assert_eq!(bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk), parted);
    bench.command(MediaCommand::Sample { end: PHONE });
    let refused = bench.events().pop();
    assert!(matches!(refused, Some(MediaEvent::Refused { reason: RefusalReason::UnknownEnd, .. })));
    bench.open(EndId::new(0, 1), LocalPort::Phone(PortPair(0)), PHONE_ADDRESS, None);
    assert!(bench.events().is_empty());
    assert_eq!(bench.relay.open_ends(), 2);
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let mut bench = Bench::phone_call(None);
    let open = |end, local| MediaCommand::Open { end, local, security: Security::Plain };
    let map = PayloadMap::new;
    let unknown = EndId::new(6, 0);
    for (command, want) in [
        (open(PHONE, LocalPort::Trunk), RefusalReason::AlreadyOpen),
        (open(EndId::new(8, 0), LocalPort::Trunk), RefusalReason::TableFull),
        (open(unknown, LocalPort::Phone(PortPair(0))), RefusalReason::PortInUse),
        (open(unknown, LocalPort::Phone(PortPair(2))), RefusalReason::NoSuchPort),
        (MediaCommand::Close { end: unknown }, RefusalReason::UnknownEnd),
        (MediaCommand::Bridge { a: PHONE, b: PHONE, a_to_b: map(), b_to_a: map() }, RefusalReason::SameEnd),
        (
            MediaCommand::Bridge { a: PHONE, b: unknown, a_to_b: map(), b_to_a: map() },
            RefusalReason::UnknownEnd,
        ),
    ] {
        bench.command(command);
        let events = bench.events();
        let [MediaEvent::Refused { reason, .. }] = events[..] else { panic!("{events:?}") };
        assert_eq!(reason, want);
    }
    let mut phone = Peer::new(1);
    let verdict = bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    assert!(matches!(verdict, Verdict::Send(_)), "the call was left alone");
}

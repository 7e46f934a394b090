//! Whose packets are taken, and how the others are dropped and counted.

use proptest::prelude::*;

use super::*;

fn plain_call_with(source: SourceRule) -> Bench {
    let mut bench = Bench::phone_call(None);
    let remote = Remote::muxed(at(PHONE_ADDRESS));
    bench.command(MediaCommand::SetRemote { end: PHONE, remote, source });
    bench
}

fn dropped(bench: &mut Bench, socket: SocketId, from: &str, peer: &mut Peer) -> DropReason {
    match bench.speak(socket, from, peer) {
        Verdict::Drop(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn strangers_are_dropped_and_counted_everywhere() {
    let mut bench = Bench::phone_call(None);
    let mut peer = Peer::new(66);
    for (socket, want) in [
        (PHONE_SOCKET, DropReason::WrongSource),
        (SocketId::PhoneRtp(PortPair(1)), DropReason::PortResting),
        (SocketId::PhoneRtp(PortPair(99)), DropReason::PortResting),
        (SocketId::Trunk, DropReason::UnknownSource),
        (SocketId::WebRtc, DropReason::UnknownSource),
    ] {
        assert_eq!(dropped(&mut bench, socket, STRANGER, &mut peer), want);
    }
    let counts = bench.relay.counts();
    assert_eq!((counts.received, counts.sent, counts.drops.total()), (5, 0, 5));
    assert_eq!(bench.sample(PHONE).drops.get(DropReason::WrongSource), 1);
}

#[test]
fn stun_and_dtls_go_to_connectivity_from_the_webrtc_socket_only() {
    let mut bench = Bench::phone_call(None);
    for first in [0_u8, 22] {
        let mut packet = Packet::new();
        packet.fill(&[first, 1, 0, 0]);
        let verdict = bench.arrive(SocketId::WebRtc, STRANGER, &mut packet);
        assert_eq!(verdict, Verdict::ToConnectivity);
        assert_eq!(packet.as_slice(), [first, 1, 0, 0]);
        let not_media = Verdict::Drop(DropReason::NotMedia);
        assert_eq!(bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet), not_media);
        assert_eq!(bench.arrive(SocketId::Trunk, TRUNK_ADDRESS, &mut packet), not_media);
    }
}

#[test]
fn a_plain_phone_is_latched_by_port_only_when_asked_and_never_by_host() {
    let mut phone = Peer::new(1);
    let moved = "192.0.2.10:40044";
    let mut exact = plain_call_with(SourceRule::Exact);
    assert_eq!(dropped(&mut exact, PHONE_SOCKET, moved, &mut phone), DropReason::WrongSource);
    let mut authenticated = plain_call_with(SourceRule::Authenticated);
    let reason = dropped(&mut authenticated, PHONE_SOCKET, moved, &mut phone);
    assert_eq!(reason, DropReason::WrongSource, "nothing authenticates in clear");

    let mut bench = plain_call_with(SourceRule::SameHost);
    assert_eq!(dropped(&mut bench, PHONE_SOCKET, STRANGER, &mut phone), DropReason::WrongSource);
    bench.carried((PHONE_SOCKET, moved, &mut phone), (SocketId::Trunk, TRUNK_ADDRESS));
    bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut Peer::new(2)), (PHONE_SOCKET, moved));
    let reason = dropped(&mut bench, PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    assert_eq!(reason, DropReason::WrongSource, "the first that spoke is latched");
    bench.wait(Duration::from_secs(1));
    bench.carried((PHONE_SOCKET, PHONE_ADDRESS, &mut phone), (SocketId::Trunk, TRUNK_ADDRESS));
}

#[test]
fn an_authenticated_packet_latches_its_source_and_a_forged_one_does_not() {
    let phone_keys = keys(1);
    let mut bench = Bench::phone_call(Some(&phone_keys));
    let remote = Remote::muxed(at(PHONE_ADDRESS));
    let source = SourceRule::Authenticated;
    bench.command(MediaCommand::SetRemote { end: PHONE, remote, source });
    let mut forger = Peer::with_keys(1, &keys(2));
    assert_eq!(dropped(&mut bench, PHONE_SOCKET, STRANGER, &mut forger), DropReason::AuthFailed);
    let mut phone = Peer::with_keys(1, &phone_keys);
    let behind_nat = "203.0.113.1:1024";
    bench.carried((PHONE_SOCKET, behind_nat, &mut phone), (SocketId::Trunk, TRUNK_ADDRESS));
    bench.carried((SocketId::Trunk, TRUNK_ADDRESS, &mut Peer::new(2)), (PHONE_SOCKET, behind_nat));
    let elsewhere = "203.0.113.1:2048";
    let reason = dropped(&mut bench, PHONE_SOCKET, elsewhere, &mut phone);
    assert_eq!(reason, DropReason::WrongSource, "a copy sent from elsewhere moves nothing");
    bench.wait(Duration::from_secs(1));
    bench.carried((PHONE_SOCKET, elsewhere, &mut phone), (SocketId::Trunk, TRUNK_ADDRESS));
}

#[test]
fn a_plain_end_that_becomes_srtp_latches_as_it_was_told() {
    let mut bench = plain_call_with(SourceRule::Authenticated);
    let phone_keys = keys(1);
    bench.command(MediaCommand::SetCrypto { end: PHONE, keys: Box::new(phone_keys.clone()) });
    let mut phone = Peer::with_keys(1, &phone_keys);
    bench.carried((PHONE_SOCKET, STRANGER, &mut phone), (SocketId::Trunk, TRUNK_ADDRESS));
}

#[test]
fn an_srtp_end_takes_nothing_in_clear_nothing_twice_and_nothing_before_its_keys() {
    let phone_keys = keys(1);
    let mut bench = Bench::phone_call(Some(&phone_keys));
    let mut clear = Peer::new(1);
    assert_eq!(bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut clear.packet(&[0; 160])), {
        Verdict::Drop(DropReason::AuthFailed)
    });
    let mut packet = Peer::with_keys(1, &phone_keys).packet(b"audio");
    let mut again = packet.clone();
    assert!(matches!(bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet), Verdict::Send(_)));
    let replayed = Verdict::Drop(DropReason::Replayed);
    assert_eq!(bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut again), replayed);

    let mut early = Bench::new();
    early.command(MediaCommand::Open {
        end: PHONE,
        local: LocalPort::Phone(PortPair(0)),
        security: Security::Srtp,
    });
    assert_eq!(dropped(&mut early, PHONE_SOCKET, PHONE_ADDRESS, &mut clear), DropReason::UnknownSource);
    let remote = Remote::muxed(at(PHONE_ADDRESS));
    early.command(MediaCommand::SetRemote { end: PHONE, remote, source: SourceRule::Exact });
    assert_eq!(dropped(&mut early, PHONE_SOCKET, PHONE_ADDRESS, &mut clear), DropReason::NoKeys);
}

#[test]
fn a_flood_with_other_ssrcs_from_the_right_address_does_not_silence_the_phone() {
    let mut bench = Bench::phone_call(None);
    let mut phone = Peer::new(1);
    bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    for ssrc in 100..1000 {
        let mut flood = Peer::new(ssrc).packet(b"noise");
        let verdict = bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut flood);
        assert_eq!(verdict, Verdict::Drop(DropReason::Probation));
    }
    assert!(matches!(bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone), Verdict::Send(_)));
}

#[test]
fn a_shared_address_belongs_to_the_end_that_named_it_last() {
    let mut bench = Bench::phone_call(None);
    bench.open(OTHER, LocalPort::Trunk, TRUNK_ADDRESS, None);
    let mut asterisk = Peer::new(2);
    let verdict = bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
    assert_eq!(verdict, Verdict::Drop(DropReason::NotBridged));
    assert_eq!(bench.sample(OTHER).received.packets, 1);
    bench.command(MediaCommand::Close { end: TRUNK });
    bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
    assert_eq!(bench.sample(OTHER).received.packets, 2, "closing the old owner takes nothing away");
}

#[test]
fn overlong_packets_are_dropped() {
    let mut bench = Bench::phone_call(None);
    let mut packet = Packet::new();
    packet.space()[0] = 0x80;
    packet.received(MAX_PACKET + 1);
    let verdict = bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet);
    assert_eq!(verdict, Verdict::Drop(DropReason::TooLong));
}

proptest! {
    #[test]
    fn no_packet_makes_the_relay_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        first in prop::sample::select(vec![0_u8, 20, 0x80, 0x90, 0xA0, 0xBF]),
        second in prop::sample::select(vec![8_u8, 101, 200, 201, 203, 0xE5]),
        with_keys in any::<bool>(),
    ) {
        let phone_keys = keys(1);
        let mut bench = Bench::phone_call(with_keys.then_some(&phone_keys));
        let mut content = vec![first, second];
        content.extend(&bytes);
        for (socket, from) in
            [(PHONE_SOCKET, PHONE_ADDRESS), (SocketId::Trunk, TRUNK_ADDRESS), (SocketId::WebRtc, STRANGER)]
        {
            for _ in 0..2 {
                let mut packet = Packet::new();
                packet.fill(&content);
                bench.arrive(socket, from, &mut packet);
            }
        }
        bench.run(Duration::from_secs(12));
    }
}

#[test]
fn a_browser_is_heard_from_every_address_that_ice_has_validated_and_from_no_other() {
    let (browser_keys, phone_keys) = (keys(3), keys(9));
    let mut bench = Bench::new();
    bench.open(PHONE, LocalPort::Phone(PortPair(1)), PHONE_ADDRESS, Some(&phone_keys));
    bench.open(BROWSER, LocalPort::WebRtc, BROWSER_ADDRESS, Some(&browser_keys));
    let map = PayloadMap::new().with(pt(0), pt(0));
    bench.command(MediaCommand::Bridge { a: PHONE, b: BROWSER, a_to_b: map.clone(), b_to_a: map });
    let (wifi, cable) = ("198.51.100.7:50002", "203.0.113.7:50004");
    let mut browser = Peer::with_keys(2, &browser_keys);
    browser.payload_type = 0;
    assert_eq!(dropped(&mut bench, SocketId::WebRtc, wifi, &mut browser), DropReason::UnknownSource);
    bench.command(MediaCommand::AllowSource { end: BROWSER, address: at(wifi) });
    let phone = (SocketId::PhoneRtp(PortPair(1)), PHONE_ADDRESS);
    bench.carried((SocketId::WebRtc, wifi, &mut browser), phone);
    bench.carried((SocketId::WebRtc, BROWSER_ADDRESS, &mut browser), phone);
    // A nomination moves what we send; the former addresses stay good.
    let remote = Remote::muxed(at(cable));
    bench.command(MediaCommand::AllowSource { end: BROWSER, address: at(BROWSER_ADDRESS) });
    bench.command(MediaCommand::SetRemote { end: BROWSER, remote, source: SourceRule::Exact });
    for from in [cable, wifi, BROWSER_ADDRESS] {
        bench.carried((SocketId::WebRtc, from, &mut browser), phone);
    }
    bench.command(MediaCommand::Close { end: BROWSER });
    assert_eq!(dropped(&mut bench, SocketId::WebRtc, wifi, &mut browser), DropReason::UnknownSource);
}

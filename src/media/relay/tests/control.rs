//! RTCP, quality and signs of life.

use super::*;
use crate::media::end::Flow;
use crate::media::rtcp::{Compound, OwnReport, ReportBlock, RtcpPacket, SenderInfo, write_report};

/// The peer's report as it would send it.
fn peer_report(peer: &mut Peer, sender: Option<SenderInfo>, block: Option<ReportBlock>) -> Packet {
    let mut packet = Packet::new();
    let report = OwnReport { ssrc: Ssrc(peer.ssrc), sender, block, cname: "peer", goodbye: false };
    assert!(write_report(&mut packet, &report));
    peer.protect_rtcp(&mut packet);
    packet
}

/// Our report to the peer at `address`, opened by it.
fn our_report(
    sent: Vec<(Transmit, Packet)>,
    address: &str,
    peer: &mut Peer,
) -> (Option<SenderInfo>, Vec<ReportBlock>, Ssrc) {
    let (_, mut packet) = sent.into_iter().find(|(transmit, _)| transmit.to == at(address)).unwrap();
    peer.open_rtcp(&mut packet);
    match Compound::new(packet.as_slice()).next() {
        Some(Ok(RtcpPacket::Report { ssrc, sender, blocks })) => (sender, blocks.collect(), ssrc),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_side_gets_reports_about_its_own_stream() {
    let phone_keys = keys(1);
    let mut bench = Bench::phone_call(Some(&phone_keys));
    let (mut phone, mut asterisk) = (Peer::with_keys(1, &phone_keys), Peer::new(2));
    for n in 0..50 {
        if n % 10 == 5 {
            phone.packet(b"lost");
        }
        bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
        bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
    }
    let sent = bench.run(Duration::from_millis(250));
    let (sender, blocks, _) = our_report(sent.clone(), PHONE_ADDRESS, &mut phone);
    assert_eq!(sender.map(|sender| (sender.packets, sender.octets)), Some((50, 250)));
    assert_eq!((blocks[0].ssrc, blocks[0].lost, blocks[0].fraction_lost), (1, 5, 23));
    let (_, blocks, _) = our_report(sent, TRUNK_ADDRESS, &mut asterisk);
    assert_eq!((blocks[0].ssrc, blocks[0].lost, blocks[0].fraction_lost), (2, 0, 0));
}

#[test]
fn reports_repeat_and_an_idle_side_gets_a_receiver_report() {
    let mut bench = Bench::phone_call(None);
    let (mut phone, mut asterisk) = (Peer::new(1), Peer::new(2));
    bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    bench.run(Duration::from_secs(2));
    let sent = bench.run(Duration::from_secs(5));
    let (sender, blocks, _) = our_report(sent.clone(), PHONE_ADDRESS, &mut phone);
    assert_eq!((sender, blocks.len()), (None, 1));
    assert!(!sent.iter().any(|(transmit, _)| transmit.to == at(TRUNK_ADDRESS)), "nothing new to say");
    asterisk.sequence = 1;
}

#[test]
fn the_round_trip_and_the_peers_view_come_from_its_reports() {
    let mut bench = Bench::phone_call(None);
    let (mut phone, mut asterisk) = (Peer::new(1), Peer::new(2));
    for _ in 0..50 {
        bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
        bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
    }
    let sent = bench.run(Duration::from_millis(250));
    let (sender, _, ssrc) = our_report(sent, PHONE_ADDRESS, &mut phone);
    // Answered 500 ms after it came, on a network of 80 ms there and back.
    bench.wait(Duration::from_millis(580));
    let block = ReportBlock {
        ssrc: ssrc.0,
        fraction_lost: 51,
        lost: 20,
        jitter: 80,
        last_report: (sender.unwrap().ntp >> 16) as u32,
        delay: 32_768,
        ..ReportBlock::default()
    };
    // The report left on a tick of at most 250 ms before `now - 580 ms`; the clock in it is the tick's.
    let mut packet = peer_report(&mut phone, None, Some(block));
    assert_eq!(bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet), Verdict::Consumed);
    let report = bench.sample(PHONE);
    let round_trip = report.round_trip.unwrap();
    assert!((80..=330).contains(&round_trip.as_millis()), "{round_trip:?}");
    assert_eq!(report.sent.lost, 20);
    assert!((report.sent.interval_loss.unwrap() - 0.2).abs() < 0.001);
    assert!((report.sent.jitter_ms - 10.0).abs() < 0.001);
    assert!(report.sent.mos.unwrap() < report.received.mos.unwrap_or(4.4));
}

#[test]
fn our_report_answers_the_peers_clock() {
    let mut bench = Bench::phone_call(None);
    let mut phone = Peer::new(1);
    bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    let sender = SenderInfo { ntp: 0x0000_AAAA_BBBB_0000, timestamp: 0, packets: 1, octets: 5 };
    bench.wait(Duration::from_millis(480));
    let mut packet = peer_report(&mut phone, Some(sender), None);
    bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet);
    let (_, blocks, _) = our_report(bench.run(Duration::from_secs(1)), PHONE_ADDRESS, &mut phone);
    assert_eq!(blocks[0].last_report, 0xAAAA_BBBB);
    assert!((32_000..=50_000).contains(&blocks[0].delay), "{}", blocks[0].delay);
}

#[test]
fn known_loss_shows_in_the_interval_and_goes_when_it_is_over() {
    let mut bench = Bench::phone_call(None);
    let mut phone = Peer::new(1);
    bench.run(Duration::from_secs(1));
    for n in 0..250 {
        if n % 10 == 0 {
            phone.packet(b"lost");
            bench.wait(Duration::from_millis(20));
        } else {
            bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
        }
    }
    bench.run(Duration::from_millis(250));
    let bad = bench.sample(PHONE).received;
    assert!((bad.interval_loss.unwrap() - 0.1).abs() < 0.01, "{bad:?}");
    assert!(bad.mos.unwrap() < 3.8);
    for _ in 0..250 {
        bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    }
    bench.run(Duration::from_millis(250));
    let good = bench.sample(PHONE).received;
    assert_eq!(good.interval_loss, Some(0.0));
    assert!(good.mos.unwrap() > 4.3);
    assert_eq!(good.mos_worst, bad.mos);
    assert!((24..=25).contains(&good.lost));
}

#[test]
fn rtcp_is_taken_from_the_named_address_and_answered_there() {
    let mut bench = Bench::phone_call(None);
    let remote = Remote::paired(at(PHONE_ADDRESS));
    bench.command(MediaCommand::SetRemote { end: PHONE, remote, source: SourceRule::Exact });
    let mut phone = Peer::new(1);
    bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    let odd = SocketId::PhoneRtcp(PortPair(0));
    let mut packet = peer_report(&mut phone, None, None);
    assert_eq!(bench.arrive(odd, "192.0.2.10:4001", &mut packet), Verdict::Consumed);
    let mut packet = peer_report(&mut phone, None, None);
    assert_eq!(bench.arrive(odd, STRANGER, &mut packet), Verdict::Drop(DropReason::WrongSource));
    let sent = bench.run(Duration::from_secs(2));
    assert!(
        sent.iter().any(|(transmit, _)| *transmit == Transmit { socket: odd, to: at("192.0.2.10:4001") })
    );
}

fn life(bench: &mut Bench) -> String {
    let told = bench.events().into_iter().filter_map(|event| match event {
        MediaEvent::Silent { end, .. } => Some(format!("silent {end} ")),
        MediaEvent::Resumed { end } => Some(format!("resumed {end} ")),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_phone_that_vanishes_is_told_once_and_so_is_its_return() {
    let mut bench = Bench::phone_call(None);
    let (mut phone, mut asterisk) = (Peer::new(1), Peer::new(2));
    bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    for _ in 0..290 {
        bench.run(Duration::from_millis(100));
        bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
        let mut report = peer_report(&mut phone, None, None);
        bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut report);
    }
    assert_eq!(life(&mut bench), "silent 0.0 ", "its RTCP does not count while it should talk");
    bench.run(Duration::from_secs(5));
    assert_eq!(life(&mut bench), "");
    bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
    assert_eq!(life(&mut bench), "resumed 0.0 ");
}

#[test]
fn on_hold_rtcp_is_life_and_the_time_out_is_longer() {
    let mut bench = Bench::phone_call(None);
    let mut phone = Peer::new(1);
    bench.command(MediaCommand::SetFlow { end: PHONE, flow: Flow { send: true, receive: false } });
    let mut asterisk = Peer::new(2);
    for _ in 0..40 {
        bench.run(Duration::from_secs(20));
        bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
        let mut report = peer_report(&mut phone, None, None);
        bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut report);
    }
    assert_eq!(life(&mut bench), "");
    for _ in 0..16 {
        bench.run(Duration::from_secs(20));
        bench.speak(SocketId::Trunk, TRUNK_ADDRESS, &mut asterisk);
    }
    assert_eq!(life(&mut bench), "silent 0.0 ");
}

#[test]
fn asterisk_lives_by_rtcp_and_an_unbridged_end_is_not_missed() {
    let mut bench = Bench::phone_call(None);
    let (mut phone, mut asterisk) = (Peer::new(1), Peer::new(2));
    for _ in 0..10 {
        bench.run(Duration::from_secs(10));
        bench.speak(PHONE_SOCKET, PHONE_ADDRESS, &mut phone);
        let mut report = peer_report(&mut asterisk, None, None);
        bench.arrive(SocketId::Trunk, TRUNK_ADDRESS, &mut report);
    }
    assert_eq!(life(&mut bench), "");
    bench.command(MediaCommand::Unbridge { end: PHONE });
    bench.run(Duration::from_secs(1000));
    assert_eq!(life(&mut bench), "");
}

#[test]
fn nothing_is_due_when_nothing_is_open() {
    let mut bench = Bench::new();
    assert_eq!(bench.relay.poll_timeout(bench.now), None);
    bench.open(PHONE, LocalPort::Trunk, PHONE_ADDRESS, None);
    assert!(bench.relay.poll_timeout(bench.now).is_some());
    bench.command(MediaCommand::Close { end: PHONE });
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.relay.poll_timeout(bench.now), None);
}

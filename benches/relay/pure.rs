//! The packet path without sockets.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use branchline::media::end::{
    EndCodec, EndId, PayloadMap, PayloadType, Remote, Security, SourceRule, SrtpKeys,
};
use branchline::media::packet::Packet;
use branchline::media::ports::{LocalPort, SocketId};
use branchline::media::relay::{Relay, RelaySettings, Verdict};
use branchline::media::rtp::{FIXED_HEADER, RtpHeader, Ssrc};
use branchline::media::srtp::{SrtpProfile, SrtpReceiver, SrtpSender};
use branchline::media::{MediaCommand, SrtpKey};
use branchline::time::{Now, WallTime};

use crate::{CASES, Case, key};

const PACKETS: u16 = 20_000;
const ROUNDS: usize = 9;

/// Prints the table.
pub(super) fn run() {
    println!("one 160-byte packet, ns (best of {ROUNDS} rounds of {PACKETS})");
    println!("{:24} {:>8} {:>8} {:>8}", "", "cipher", "relay", "ratio");
    for case in &CASES {
        let cipher = cipher_alone(case);
        let relay = relayed(case);
        let ratio = if cipher > 0.5 { format!("{:.2}", relay / cipher) } else { "-".to_owned() };
        println!("{:24} {cipher:8.0} {relay:8.0} {ratio:>8}", case.name);
    }
    println!();
}

pub(super) fn packet(ssrc: u32, sequence: u16) -> (RtpHeader, Packet) {
    let header = RtpHeader {
        padding: false,
        marker: false,
        payload_type: PayloadType::new(8).expect("invariant: below 128"),
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: Ssrc(ssrc),
        payload_offset: FIXED_HEADER,
    };
    let mut packet = Packet::new();
    packet.fill(&header.to_bytes());
    packet.extend(&[0x55; 160]);
    (header, packet)
}

/// What a sender with this profile puts on the wire, packet by packet.
fn wire(profile: Option<SrtpProfile>) -> Vec<Packet> {
    let mut sender = profile.map(|profile| SrtpSender::new(key(profile, 1)));
    let protected = |sequence| {
        let (header, mut packet) = packet(1, sequence);
        if let Some(sender) = &mut sender {
            sender.protect_rtp(&mut packet, &header).expect("invariant: each index once");
        }
        packet
    };
    (0..PACKETS).map(protected).collect()
}

/// The best round's nanoseconds a packet. Packets are copied outside the measured time.
fn best(packets: &[Packet], mut each: impl FnMut() -> Box<dyn FnMut(&mut Packet)>) -> f64 {
    let round = |_| {
        let mut work = each();
        let mut spent = 0;
        for chunk in packets.chunks(500) {
            let mut copies = chunk.to_vec();
            let start = Instant::now();
            copies.iter_mut().for_each(&mut work);
            spent += start.elapsed().as_nanos();
        }
        spent as f64 / packets.len() as f64
    };
    (0..ROUNDS).map(round).fold(f64::MAX, f64::min)
}

fn cipher_alone(case: &Case) -> f64 {
    let (from, to) = (case.from, case.to);
    best(&wire(from), || {
        let mut receiver = from.map(|profile| SrtpReceiver::new(key(profile, 1)));
        let mut sender = to.map(|profile| SrtpSender::new(key(profile, 2)));
        Box::new(move |packet| {
            let header = RtpHeader::parse(packet.as_slice()).expect("invariant: our own packet");
            if let Some(receiver) = &mut receiver {
                receiver.unprotect_rtp(packet, &header).expect("invariant: sealed with this key");
            }
            if let Some(sender) = &mut sender {
                sender.protect_rtp(packet, &header).expect("invariant: each index once");
            }
            black_box(packet);
        })
    })
}

fn relayed(case: &Case) -> f64 {
    let address: SocketAddr = "192.0.2.1:4000".parse().expect("invariant: an address");
    best(&wire(case.from), || {
        let now = Instant::now();
        let settings = RelaySettings { port_pairs: 1, ..RelaySettings::default() };
        let mut relay = Relay::new(settings, Now { instant: now, wall: WallTime(0) }, [1; 32]);
        commands(case, 0, [address, address]).for_each(|command| relay.handle_command(now, command));
        let socket = match (case.ports)(0) {
            [LocalPort::WebRtc, _] => SocketId::WebRtc,
            [LocalPort::Trunk, _] => SocketId::Trunk,
            [LocalPort::Phone(pair), _] => SocketId::PhoneRtp(pair),
        };
        Box::new(move |packet| {
            let verdict = relay.relay(now, socket, address, packet);
            assert!(matches!(verdict, Verdict::Send(_)), "{verdict:?}");
            black_box(packet);
        })
    })
}

/// The orders that make the nth call.
pub(super) fn commands(
    case: &Case,
    call: u16,
    addresses: [SocketAddr; 2],
) -> impl Iterator<Item = MediaCommand> {
    let keys = |profile: Option<SrtpProfile>, send: u8, receive: u8| {
        let key = |seed| -> Option<SrtpKey> { profile.map(|profile| key(profile, seed)) };
        Some(SrtpKeys { send: key(send)?, receive: key(receive)? })
    };
    let ends = [EndId::new(2 * u32::from(call), 0), EndId::new(2 * u32::from(call) + 1, 0)];
    let ports = (case.ports)(call);
    let sides = [
        (ends[0], ports[0], addresses[0], keys(case.from, 3, 1)),
        (ends[1], ports[1], addresses[1], keys(case.to, 2, 4)),
    ];
    let set_up = sides.into_iter().flat_map(|(end, local, address, keys)| {
        let security = if keys.is_some() { Security::Srtp } else { Security::Plain };
        let remote = Remote::muxed(address);
        [
            Some(MediaCommand::Open { end, local, security }),
            Some(MediaCommand::SetRemote { end, remote, source: SourceRule::Exact }),
            keys.map(|keys| MediaCommand::SetCrypto { end, keys: Box::new(keys) }),
            Some(MediaCommand::SetCodec { end, codec: EndCodec::default() }),
        ]
    });
    let map = || PayloadMap::identity(&[PayloadType::new(8).expect("invariant: below 128")]);
    let bridge = MediaCommand::Bridge { a: ends[0], b: ends[1], a_to_b: map(), b_to_a: map() };
    set_up.flatten().chain([bridge])
}

//! The packet path with three ends: a plain phone, an SRTP phone, a browser behind the shared port.
//!
//! The input is a list of steps. A step's packet comes in clear, as it stands, or protected with the key that
//! the end expects, so that what lies behind authentication is reached too.

use std::time::{Duration, Instant};

use branchline::media::dtmf::{Digit, Digits};
use branchline::media::end::{
    CodecKind, DtmfPayload, EndCodec, Flow, G711Payload, PayloadType, Security, SourceRule, SrtpKeys,
};
use branchline::media::g711::Law;
use branchline::media::packet::Packet;
use branchline::media::ports::{PortPair, SocketId};
use branchline::media::relay::{Relay, RelaySettings, Verdict};
use branchline::media::rtp::RtpHeader;
use branchline::media::srtp::SrtpSender;
use branchline::media::{EndId, LocalPort, MediaCommand, PayloadMap, Remote, SrtpKey, SrtpProfile};
use branchline::time::{Now, WallTime};

use crate::bytes_in::BytesIn;

/// Steps of one run, so that a run stays short.
const MOST_STEPS: usize = 200;
/// The plain phone, the SRTP phone, the browser: their sockets and addresses.
const SOCKETS: [SocketId; 4] = [
    SocketId::PhoneRtp(PortPair(0)),
    SocketId::PhoneRtp(PortPair(1)),
    SocketId::WebRtc,
    SocketId::PhoneRtcp(PortPair(0)),
];
const REMOTES: [&str; 4] = ["192.0.2.10:4000", "192.0.2.11:4000", "192.0.2.12:5000", "198.51.100.9:9"];
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

/// See the module.
pub fn run(data: &[u8]) {
    let mut input = BytesIn::new(data);
    let mut world = World::new();
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.settle();
    }
    for end in 0..3 {
        world.relay.handle_command(world.now, MediaCommand::Close { end: id(end) });
    }
    world.settle();
    assert_eq!(world.relay.open_ends(), 0, "every end is closed");
}

/// The ends, by their index, with their sockets.
const PLAIN: u32 = 0;
const SDES: u32 = 1;
const BROWSER: u32 = 2;

struct World {
    relay: Relay,
    now: Instant,
    /// What the SRTP phone and the browser protect with.
    senders: [SrtpSender; 2],
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let settings = RelaySettings { max_ends: 8, port_pairs: 4, event_capacity: 32, ..Default::default() };
        let wall = WallTime(1_700_000_000_000);
        let senders = [sender(1), sender(2)];
        let mut world =
            Self { relay: Relay::new(settings, Now { instant: now, wall }, [1; 32]), now, senders };
        world.open(PLAIN, LocalPort::Phone(PortPair(0)), Security::Plain);
        world.open(SDES, LocalPort::Phone(PortPair(1)), Security::Srtp);
        world.open(BROWSER, LocalPort::WebRtc, Security::Srtp);
        world.bridge(PLAIN, SDES);
        world
    }

    fn open(&mut self, end: u32, local: LocalPort, security: Security) {
        let remote = Remote::muxed(REMOTES[end as usize].parse().expect("an address"));
        let mut codec = EndCodec { kind: CodecKind::Pcmu, clock_rate: 8000, ..EndCodec::default() };
        if end == BROWSER {
            let _ = codec.g711.push(G711Payload { law: Law::Mu, sent: payload(0), received: payload(0) });
        } else {
            let _ = codec.dtmf.push(DtmfPayload { payload_type: payload(101), clock_rate: 8000 });
        }
        let source =
            if security == Security::Srtp { SourceRule::Authenticated } else { SourceRule::SameHost };
        self.order(MediaCommand::Open { end: id(end), local, security });
        self.order(MediaCommand::SetRemote { end: id(end), remote, source });
        if security == Security::Srtp {
            let keys = Box::new(SrtpKeys { send: key(end as u8 + 100), receive: key(end as u8) });
            self.order(MediaCommand::SetCrypto { end: id(end), keys });
        }
        self.order(MediaCommand::SetCodec { end: id(end), codec });
    }

    fn bridge(&mut self, a: u32, b: u32) {
        let map = PayloadMap::identity(&[payload(0), payload(8), payload(9), payload(101), payload(111)]);
        self.order(MediaCommand::Bridge { a: id(a), b: id(b), a_to_b: map.clone(), b_to_a: map });
    }

    fn order(&mut self, command: MediaCommand) {
        self.relay.handle_command(self.now, command);
    }

    fn step(&mut self, input: &mut BytesIn<'_>) {
        match input.byte() % 16 {
            0..=6 => self.packet(input, None),
            7..=10 => self.packet(input, Some(0)),
            11..=12 => self.packet(input, Some(1)),
            13 => self.now += Duration::from_millis(u64::from(input.short())),
            _ => self.signalling(input),
        }
    }

    /// A packet as it stands, or protected by the phone's or the browser's key.
    fn packet(&mut self, input: &mut BytesIn<'_>, protected: Option<usize>) {
        let (socket, from) = (input.one_of(&SOCKETS), input.one_of(&REMOTES));
        let bytes = input.piece(1600);
        let mut packet = Packet::new();
        packet.fill(bytes);
        if let Some(sender) = protected.and_then(|which| self.senders.get_mut(which)) {
            let sealed = match RtpHeader::parse(packet.as_slice()) {
                Some(_) if is_rtcp(bytes) => sender.protect_rtcp(&mut packet),
                Some(header) => sender.protect_rtp(&mut packet, &header),
                None => sender.protect_rtcp(&mut packet),
            };
            if sealed.is_err() {
                return;
            }
        }
        let verdict = self.relay.relay(self.now, socket, from.parse().expect("an address"), &mut packet);
        if let Verdict::Send(_) = verdict {
            assert!(!packet.is_empty(), "nothing empty is sent");
        }
    }

    fn signalling(&mut self, input: &mut BytesIn<'_>) {
        let end = u32::from(input.byte() % 4);
        match input.byte() % 8 {
            0 => self.bridge(end, u32::from(input.byte() % 4)),
            1 => self.order(MediaCommand::Unbridge { end: id(end) }),
            2 => {
                let flow = Flow { send: input.byte() & 1 == 0, receive: input.byte() & 1 == 0 };
                self.order(MediaCommand::SetFlow { end: id(end), flow });
            }
            3 => {
                let mut digits = Digits::new();
                let keys = input.take(4).iter().filter_map(|key| Digit::from_char(char::from(*key)));
                for digit in keys {
                    let _ = digits.push(digit);
                }
                self.order(MediaCommand::SendDtmf { end: id(end), digits });
            }
            4 => self.order(MediaCommand::Sample { end: id(end) }),
            5 => {
                let keys = Box::new(SrtpKeys { send: key(input.byte()), receive: key(end as u8) });
                self.order(MediaCommand::SetCrypto { end: id(end), keys });
            }
            _ => {
                let remote = Remote::paired(input.one_of(&REMOTES).parse().expect("an address"));
                self.order(MediaCommand::SetRemote { end: id(end), remote, source: SourceRule::SameHost });
            }
        }
    }

    /// Drains what the relay wants to send and tell, and lets its timers run.
    fn settle(&mut self) {
        for _ in 0..100 {
            if self.relay.poll_timeout(self.now).is_none_or(|at| at > self.now) {
                break;
            }
            self.relay.handle_timer(self.now);
        }
        let mut packet = Packet::new();
        let sent = std::iter::from_fn(|| self.relay.poll_transmit(self.now, &mut packet)).take(1000).count();
        let told = std::iter::from_fn(|| self.relay.poll_event()).take(1000).count();
        assert!(sent < 1000 && told < 1000, "{sent} packets and {told} events at once");
    }
}

fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

fn id(end: u32) -> EndId {
    EndId::new(end, 0)
}

fn payload(number: u8) -> PayloadType {
    PayloadType::new(number).expect("a payload type")
}

fn sender(owner: u8) -> SrtpSender {
    SrtpSender::new(key(owner))
}

fn key(owner: u8) -> SrtpKey {
    SrtpKey::new(PROFILE, &[owner; 16], &[owner; 12]).expect("a key of the right length")
}

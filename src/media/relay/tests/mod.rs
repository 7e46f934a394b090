//! The packet path in virtual time: who sends what, what must come out.

mod calls;
mod control;
mod conversion;
mod digits;
mod sources;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::media::command::MediaCommand;
use crate::media::end::{
    CodecKind, DtmfPayload, EndCodec, EndId, PayloadMap, PayloadType, Remote, Security, SourceRule, SrtpKeys,
};
use crate::media::ports::{LocalPort, PortPair};
use crate::media::srtp::{SrtpKey, SrtpProfile, SrtpReceiver, SrtpSender};
use crate::time::WallTime;

pub(super) const PHONE: EndId = EndId::new(0, 0);
pub(super) const TRUNK: EndId = EndId::new(1, 0);
pub(super) const BROWSER: EndId = EndId::new(2, 0);
pub(super) const OTHER: EndId = EndId::new(3, 0);

pub(super) const PHONE_SOCKET: SocketId = SocketId::PhoneRtp(PortPair(0));
pub(super) const PHONE_ADDRESS: &str = "192.0.2.10:4000";
pub(super) const TRUNK_ADDRESS: &str = "127.0.0.1:10000";
pub(super) const BROWSER_ADDRESS: &str = "198.51.100.7:50000";
pub(super) const STRANGER: &str = "203.0.113.66:6666";

pub(super) fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

pub(super) fn pt(number: u8) -> PayloadType {
    PayloadType::new(number).unwrap()
}

pub(super) fn keys(seed: u8) -> SrtpKeys {
    let profile = SrtpProfile::AesCm128HmacSha1_80;
    let key = |seed: u8| SrtpKey::from_joined(profile, &[seed; 30]).unwrap();
    SrtpKeys { send: key(seed), receive: key(seed ^ 0xFF) }
}

/// A peer that sends one stream.
pub(super) struct Peer {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) payload_type: u8,
    crypto: Option<(SrtpSender, SrtpReceiver)>,
}

impl Peer {
    pub(super) fn new(ssrc: u32) -> Self {
        Self { ssrc, sequence: 1000, timestamp: 160_000, payload_type: 8, crypto: None }
    }

    /// The other side of an end with these keys.
    pub(super) fn with_keys(ssrc: u32, keys: &SrtpKeys) -> Self {
        let mut peer = Self::new(ssrc);
        peer.set_keys(keys);
        peer
    }

    pub(super) fn set_keys(&mut self, keys: &SrtpKeys) {
        self.crypto = Some((SrtpSender::new(keys.receive.clone()), SrtpReceiver::new(keys.send.clone())));
    }

    /// Its next packet.
    pub(super) fn packet(&mut self, payload: &[u8]) -> Packet {
        let header = RtpHeader {
            padding: false,
            marker: false,
            payload_type: pt(self.payload_type),
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: Ssrc(self.ssrc),
            payload_offset: FIXED_HEADER,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        let mut packet = Packet::new();
        packet.fill(&header.to_bytes());
        packet.extend(payload);
        if let Some((sender, _)) = &mut self.crypto {
            sender.protect_rtp(&mut packet, &header).unwrap();
        }
        packet
    }

    pub(super) fn protect_rtcp(&mut self, packet: &mut Packet) {
        if let Some((sender, _)) = &mut self.crypto {
            sender.protect_rtcp(packet).unwrap();
        }
    }

    /// Opens what came for it.
    pub(super) fn open(&mut self, mut packet: Packet) -> (RtpHeader, Vec<u8>) {
        let header = RtpHeader::parse(packet.as_slice()).unwrap();
        if let Some((_, receiver)) = &mut self.crypto {
            receiver.unprotect_rtp(&mut packet, &header).unwrap();
        }
        let payload = header.payload(packet.as_slice()).unwrap().to_vec();
        (header, payload)
    }

    pub(super) fn open_rtcp(&mut self, packet: &mut Packet) {
        if let Some((_, receiver)) = &mut self.crypto {
            receiver.unprotect_rtcp(packet).unwrap();
        }
    }
}

/// A relay with a clock of its own.
pub(super) struct Bench {
    pub(super) relay: Relay,
    pub(super) now: Instant,
}

impl Bench {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let settings = RelaySettings { max_ends: 8, port_pairs: 2, ..RelaySettings::default() };
        let clocks = Now { instant: now, wall: WallTime(1_800_000_000_000) };
        Self { relay: Relay::new(settings, clocks, [7; 32]), now }
    }

    pub(super) fn wait(&mut self, span: Duration) {
        self.now += span;
    }

    pub(super) fn command(&mut self, command: MediaCommand) {
        self.relay.handle_command(self.now, command);
    }

    /// Opens an end whose peer is at `address`.
    pub(super) fn open(&mut self, end: EndId, local: LocalPort, address: &str, keys: Option<&SrtpKeys>) {
        let security = if keys.is_some() { Security::Srtp } else { Security::Plain };
        self.command(MediaCommand::Open { end, local, security });
        let remote = Remote::muxed(at(address));
        self.command(MediaCommand::SetRemote { end, remote, source: SourceRule::Exact });
        if let Some(keys) = keys {
            self.command(MediaCommand::SetCrypto { end, keys: Box::new(keys.clone()) });
        }
        let event = |number, clock_rate| DtmfPayload { payload_type: pt(number), clock_rate };
        let dtmf = [event(101, 8000)].into_iter().collect();
        self.command(MediaCommand::SetCodec {
            end,
            codec: EndCodec { kind: CodecKind::Pcma, clock_rate: 8000, dtmf, ..EndCodec::default() },
        });
    }

    pub(super) fn bridge(&mut self, a: EndId, b: EndId) {
        let map = || PayloadMap::identity(&[pt(0), pt(8), pt(101)]);
        self.command(MediaCommand::Bridge { a, b, a_to_b: map(), b_to_a: map() });
    }

    /// A phone (with keys: SDES) bridged to the trunk.
    pub(super) fn phone_call(keys: Option<&SrtpKeys>) -> Self {
        let mut bench = Self::new();
        bench.open(PHONE, LocalPort::Phone(PortPair(0)), PHONE_ADDRESS, keys);
        bench.open(TRUNK, LocalPort::Trunk, TRUNK_ADDRESS, None);
        bench.bridge(PHONE, TRUNK);
        bench
    }

    pub(super) fn arrive(&mut self, socket: SocketId, from: &str, packet: &mut Packet) -> Verdict {
        self.relay.relay(self.now, socket, at(from), packet)
    }

    /// The peer's next packet arrives 20 ms later.
    pub(super) fn speak(&mut self, socket: SocketId, from: &str, peer: &mut Peer) -> Verdict {
        self.wait(Duration::from_millis(20));
        self.arrive(socket, from, &mut peer.packet(b"audio"))
    }

    /// Sends from `peer` and gives what comes out, which must go to `to` by `socket`.
    pub(super) fn carried(&mut self, from: (SocketId, &str, &mut Peer), to: (SocketId, &str)) -> Packet {
        self.wait(Duration::from_millis(20));
        let (socket, address, peer) = from;
        let mut packet = peer.packet(b"audio");
        let verdict = self.arrive(socket, address, &mut packet);
        assert_eq!(verdict, Verdict::Send(Transmit { socket: to.0, to: at(to.1) }));
        packet
    }

    pub(super) fn events(&mut self) -> Vec<MediaEvent> {
        std::iter::from_fn(|| self.relay.poll_event()).collect()
    }

    /// Lets time pass, doing what falls due; gives the packets that were sent.
    pub(super) fn run(&mut self, span: Duration) -> Vec<(Transmit, Packet)> {
        let until = self.now + span;
        let mut sent = Vec::new();
        loop {
            let mut packet = Packet::new();
            while let Some(transmit) = self.relay.poll_transmit(self.now, &mut packet) {
                sent.push((transmit, packet.clone()));
            }
            match self.relay.poll_timeout(self.now).filter(|due| *due <= until) {
                Some(due) => self.now = due.max(self.now),
                None => break,
            }
            self.relay.handle_timer(self.now);
        }
        self.now = until;
        sent
    }

    pub(super) fn sample(&mut self, end: EndId) -> crate::media::Report {
        self.events();
        self.command(MediaCommand::Sample { end });
        match self.events().pop() {
            Some(MediaEvent::Sample { report, .. }) => *report,
            other => panic!("{other:?}"),
        }
    }
}

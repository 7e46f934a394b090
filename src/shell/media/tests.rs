//! The worker with real sockets on loopback.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use super::*;
use crate::media::end::{EndCodec, EndId, PayloadMap, PayloadType, Remote, Security, SourceRule, SrtpKeys};
use crate::media::packet::Packet;
use crate::media::ports::{LocalPort, PortPair};
use crate::media::rtp::{FIXED_HEADER, RtpHeader, Ssrc};
use crate::media::srtp::{SrtpKey, SrtpProfile, SrtpReceiver, SrtpSender};

struct Running {
    worker: MediaWorker,
    events: Receiver<MediaEvent>,
    stray: Receiver<(SocketAddr, Vec<u8>)>,
    webrtc: SocketAddr,
    trunk: SocketAddr,
    phones: Vec<SocketAddr>,
}

impl Running {
    /// A worker with two pairs of ports, wherever the system has them free.
    fn start() -> Self {
        let any = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let phone = |_| {
            let numbers = crate::media::ports::PortNumbers { rtp: 0, rtcp: 0 };
            PhoneSockets { rtp: any(), rtcp: any(), numbers }
        };
        let phones = (0..2).map(phone).collect();
        let sockets = MediaSockets { webrtc: any(), trunk: any(), phones, pairs_left_out: 0 };
        let address = |socket: &UdpSocket| socket.local_addr().unwrap();
        let (webrtc, trunk) = (address(&sockets.webrtc), address(&sockets.trunk));
        let phones = sockets.phones.iter().map(|pair| address(&pair.rtp)).collect();
        let (event_queue, events) = sync_channel(64);
        let (stray_queue, stray) = sync_channel(64);
        let worker = MediaWorker::start(
            sockets,
            RelaySettings::default(),
            [1; 32],
            Box::new(move |event| {
                event_queue.try_send(event).map_err(|full| match full {
                    TrySendError::Full(event) | TrySendError::Disconnected(event) => event,
                })
            }),
            Box::new(move |from, bytes| stray_queue.try_send((from, bytes.to_vec())).is_ok()),
        )
        .unwrap();
        Self { worker, events, stray, webrtc, trunk, phones }
    }

    fn command(&self, command: MediaCommand) {
        self.worker.commands().send(command).unwrap();
    }

    fn open(&self, end: EndId, local: LocalPort, peer: &UdpSocket, keys: Option<&SrtpKeys>) {
        let security = if keys.is_some() { Security::Srtp } else { Security::Plain };
        self.command(MediaCommand::Open { end, local, security });
        let remote = Remote::muxed(peer.local_addr().unwrap());
        self.command(MediaCommand::SetRemote { end, remote, source: SourceRule::Exact });
        if let Some(keys) = keys {
            self.command(MediaCommand::SetCrypto { end, keys: Box::new(keys.clone()) });
        }
        self.command(MediaCommand::SetCodec { end, codec: EndCodec::default() });
    }

    fn event(&self) -> MediaEvent {
        self.events.recv_timeout(Duration::from_secs(5)).unwrap()
    }
}

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn rtp(sequence: u16) -> (RtpHeader, Packet) {
    let header = RtpHeader {
        padding: false,
        marker: false,
        payload_type: PayloadType::new(8).unwrap(),
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: Ssrc(7),
        payload_offset: FIXED_HEADER,
    };
    let mut packet = Packet::new();
    packet.fill(&header.to_bytes());
    packet.extend(&[sequence as u8; 160]);
    (header, packet)
}

/// The next RTP packet at `socket`; reports are skipped.
fn next_rtp(socket: &UdpSocket) -> (RtpHeader, Packet) {
    loop {
        let mut packet = Packet::new();
        let length = socket.recv(packet.space()).unwrap();
        packet.received(length);
        if crate::media::demux::classify(packet.as_slice()) == crate::media::demux::PacketKind::Rtp {
            return (RtpHeader::parse(packet.as_slice()).unwrap(), packet);
        }
    }
}

fn keys(profile: SrtpProfile) -> SrtpKeys {
    let key = |seed| {
        SrtpKey::from_joined(profile, &vec![seed; profile.key_length() + profile.salt_length()]).unwrap()
    };
    SrtpKeys { send: key(1), receive: key(2) }
}

const PHONE: EndId = EndId::new(0, 0);
const TRUNK: EndId = EndId::new(1, 0);
const COUNT: u16 = 200;

/// Both sides speak at once; each must hear all of it in order.
fn speak_both_ways(
    port: SocketAddr,
    trunk: SocketAddr,
    phone: &UdpSocket,
    asterisk: &UdpSocket,
    keys: &SrtpKeys,
) {
    let mut sender = SrtpSender::new(keys.receive.clone());
    let mut receiver = SrtpReceiver::new(keys.send.clone());
    for sequence in 0..COUNT {
        let (header, mut packet) = rtp(sequence);
        sender.protect_rtp(&mut packet, &header).unwrap();
        phone.send_to(packet.as_slice(), port).unwrap();
        asterisk.send_to(rtp(sequence).1.as_slice(), trunk).unwrap();
        if sequence % 20 == 19 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    for sequence in 0..COUNT {
        let (_, packet) = next_rtp(asterisk);
        assert_eq!(packet.as_slice()[FIXED_HEADER..], [sequence as u8; 160]);
        let (header, mut packet) = next_rtp(phone);
        receiver.unprotect_rtp(&mut packet, &header).unwrap();
        assert_eq!(packet.as_slice()[FIXED_HEADER..], [sequence as u8; 160]);
    }
}

#[test]
fn sdes_and_plain_rtp_are_relayed_both_ways() {
    for (profile, local) in [
        (SrtpProfile::AesCm128HmacSha1_80, LocalPort::Phone(PortPair(1))),
        (SrtpProfile::AeadAes128Gcm, LocalPort::WebRtc),
    ] {
        let running = Running::start();
        let (phone, asterisk) = (peer(), peer());
        let phone_keys = keys(profile);
        running.open(PHONE, local, &phone, Some(&phone_keys));
        running.open(TRUNK, LocalPort::Trunk, &asterisk, None);
        let map = || PayloadMap::identity(&[PayloadType::new(8).unwrap()]);
        running.command(MediaCommand::Bridge { a: PHONE, b: TRUNK, a_to_b: map(), b_to_a: map() });
        running.command(MediaCommand::Sample { end: PHONE });
        running.event();
        let port = if local == LocalPort::WebRtc { running.webrtc } else { running.phones[1] };
        speak_both_ways(port, running.trunk, &phone, &asterisk, &phone_keys);
        running.command(MediaCommand::Close { end: PHONE });
        let closed = loop {
            if let MediaEvent::Closed { end: PHONE, report } = running.event() {
                break report;
            }
        };
        assert_eq!((closed.received.packets, closed.sent.packets), (200, 200));
        assert_eq!(closed.drops.total(), 0);
    }
}

#[test]
fn stun_reaches_connectivity_with_its_source() {
    let running = Running::start();
    let browser = peer();
    browser.send_to(&[0, 1, 0, 0], running.webrtc).unwrap();
    let (from, bytes) = running.stray.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!((from, &bytes[..]), (browser.local_addr().unwrap(), &[0, 1, 0, 0][..]));
}

#[test]
fn the_worker_beats_counts_and_stops() {
    let running = Running::start();
    peer().send_to(&[0x80; 40], running.trunk).unwrap();
    let pulse = running.worker.pulse();
    let until = Instant::now() + Duration::from_secs(5);
    while pulse.counts().drops.total() == 0 {
        assert!(Instant::now() < until, "the drop was not published");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(pulse.turns() > 0);
    let commands = running.worker.commands();
    running.worker.stop();
    assert_eq!(commands.send(MediaCommand::Close { end: PHONE }), Err(CommandRefused::Stopped));
}

#[test]
fn pairs_are_bound_even_and_odd_and_what_others_use_is_left_out() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port() & !1;
    let end = port.saturating_add(9);
    let settings = SocketSettings {
        webrtc: "127.0.0.1:0".parse().unwrap(),
        trunk: "127.0.0.1:0".parse().unwrap(),
        phone_address: "127.0.0.1".parse().unwrap(),
        phone_ports: port..=end,
        dscp: 46,
    };
    let sockets = MediaSockets::bind(&settings).unwrap();
    assert!(sockets.pairs_left_out >= 1);
    assert!(!sockets.phones.is_empty());
    for (pair, bound) in sockets.pairs().iter().zip(&sockets.phones) {
        assert_eq!((pair.rtp % 2, pair.rtcp), (0, pair.rtp + 1));
        assert_eq!(bound.rtp.local_addr().unwrap().port(), pair.rtp);
    }
    let only_taken = SocketSettings { phone_ports: port..=port + 1, ..settings.clone() };
    assert!(matches!(MediaSockets::bind(&only_taken), Err(BindFailure::NoPhonePorts { .. })));
    let busy = SocketSettings { trunk: taken.local_addr().unwrap(), ..settings };
    let refused = MediaSockets::bind(&busy).unwrap_err();
    assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
}

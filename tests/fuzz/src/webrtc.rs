//! STUN and DTLS at the table of WebRTC ends, with a real browser's end on the other side.
//!
//! The input is what the network does: it delivers, drops, repeats, reorders and changes the datagrams of two
//! real ends, adds its own, and lets time pass. The handshake's own randomness is the system's, so one input
//! does not always take quite the same path.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use branchline::media::EndId;
use branchline::media::webrtc::{
    DtlsIdentity, EndSetup, EndTable, IceMode, MAX_PACKET, RemoteSetup, Transmit, credentials_from_random,
};
use branchline::sdp::{Candidate, IceCredentials, SetupRole};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

use crate::bytes_in::BytesIn;

const MOST_STEPS: usize = 300;
/// Datagrams on their way to one side.
const ON_THE_WAY: usize = 64;
const OURS: &str = "192.0.2.1:19000";
const THEIRS: &str = "192.0.2.12:5000";
const STRANGER: &str = "198.51.100.9:9";

static IDENTITIES: LazyLock<[Arc<DtlsIdentity>; 2]> = LazyLock::new(|| [identity(), identity()]);

/// See the module.
pub fn run(data: &[u8]) {
    let mut input = BytesIn::new(data);
    let mut world = World::new(input.byte());
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    for side in &mut world.sides {
        side.table.close_all(world.now);
        assert!(side.table.is_empty(), "every end is closed");
    }
}

struct Side {
    table: EndTable,
    address: SocketAddr,
    /// On their way to this side.
    arriving: VecDeque<Vec<u8>>,
}

struct World {
    now: Instant,
    sides: [Side; 2],
}

impl World {
    /// `choice` says who is lite, who offers, who is the DTLS client.
    fn new(choice: u8) -> Self {
        let now = Instant::now();
        let seed = |side: u8| [side; 32];
        let (ours, theirs) = match choice & 1 {
            0 => (IceMode::Lite, IceMode::Full { controlling: true, seed: seed(2) }),
            _ => (
                IceMode::Full { controlling: choice & 2 == 0, seed: seed(1) },
                IceMode::Full { controlling: choice & 4 == 0, seed: seed(2) },
            ),
        };
        let modes = [ours, theirs];
        let addresses = [OURS, THEIRS].map(|text| text.parse().expect("an address"));
        let setup = if choice & 8 == 0 { SetupRole::Active } else { SetupRole::Passive };
        let side = |which: usize| {
            let mut table = EndTable::new(4);
            let other = 1 - which;
            let local = credentials(which);
            let identity = Arc::clone(&IDENTITIES[which]);
            let mode = modes[which];
            let opened = EndSetup { local, mode, identity, addresses: vec![addresses[which]] };
            table.open(now, id(), opened).expect("an empty table");
            let remote = RemoteSetup {
                credentials: credentials(other),
                ice_lite: other == 0 && choice & 1 == 0,
                fingerprints: vec![IDENTITIES[other].fingerprint().clone()],
                setup: if which == 0 { setup } else { opposite(setup) },
            };
            table.set_remote(now, id(), remote).expect("a usable description");
            let candidate = Candidate::host(addresses[other], "1", 1);
            let _ = table.add_remote_candidate(id(), &candidate);
            Side { table, address: addresses[which], arriving: VecDeque::new() }
        };
        Self { now, sides: [side(0), side(1)] }
    }

    fn step(&mut self, input: &mut BytesIn<'_>) {
        let choice = input.byte();
        let to = usize::from(choice & 1);
        match (choice >> 1) % 16 {
            0..=5 => self.deliver(to, None),
            6..=7 => self.deliver(to, Some((input.short(), input.byte()))),
            8 => drop(self.sides[to].arriving.pop_front()),
            9 => self.repeat(to),
            10 => self.sides[to].arriving.rotate_left(usize::from(!self.sides[to].arriving.is_empty())),
            11 => self.pass(u64::from(input.short())),
            12 => self.cut(to, usize::from(input.short())),
            13 => {
                let from = if input.byte() & 1 == 0 { STRANGER } else { [THEIRS, OURS][to] };
                let packet = input.piece(MAX_PACKET + 10).to_vec();
                self.give(to, from.parse().expect("an address"), &packet);
            }
            14 => {
                let local = credentials_from_random(&[input.byte(); 36]).expect("credentials");
                let _ = self.sides[to].table.restart(self.now, id(), local);
            }
            _ => self.pass(20),
        }
        self.collect();
    }

    /// Delivers the next datagram, with one byte changed if so wished.
    fn deliver(&mut self, to: usize, change: Option<(u16, u8)>) {
        let Some(mut packet) = self.sides[to].arriving.pop_front() else { return };
        if let Some((at, mask)) = change {
            let at = usize::from(at) % packet.len().max(1);
            packet[at] ^= mask;
        }
        let from = self.sides[1 - to].address;
        self.give(to, from, &packet);
    }

    fn repeat(&mut self, to: usize) {
        if let Some(packet) = self.sides[to].arriving.front().cloned() {
            let from = self.sides[1 - to].address;
            self.give(to, from, &packet);
        }
    }

    /// Delivers only the front of the next datagram.
    fn cut(&mut self, to: usize, length: usize) {
        if let Some(mut packet) = self.sides[to].arriving.pop_front() {
            packet.truncate(length % packet.len().max(1));
            let from = self.sides[1 - to].address;
            self.give(to, from, &packet);
        }
    }

    fn give(&mut self, to: usize, from: SocketAddr, packet: &[u8]) {
        let _ = self.sides[to].table.handle_packet(self.now, from, packet);
    }

    fn pass(&mut self, milliseconds: u64) {
        let until = self.now + Duration::from_millis(milliseconds);
        let mut turns = 0;
        while let Some(at) = self.sides.iter().filter_map(|side| side.table.poll_timeout()).min() {
            if at > until {
                break;
            }
            turns += 1;
            assert!(turns < 20_000, "time does not stand still");
            self.now = self.now.max(at);
            for side in &mut self.sides {
                side.table.handle_timeout(self.now);
            }
            self.collect();
        }
        self.now = until;
    }

    /// Puts what the ends send on its way.
    fn collect(&mut self) {
        for from in 0..2 {
            let mut sent = 0;
            while let Some(Transmit { to, bytes }) = self.sides[from].table.poll_transmit() {
                sent += 1;
                assert!(sent < 1000, "no endless sending");
                assert!(bytes.len() <= MAX_PACKET, "{} bytes in one datagram", bytes.len());
                let other = &mut self.sides[1 - from];
                if to == other.address && other.arriving.len() < ON_THE_WAY {
                    other.arriving.push_back(bytes.clone());
                }
            }
            while self.sides[from].table.poll_event().is_some() {}
        }
    }
}

const fn opposite(setup: SetupRole) -> SetupRole {
    match setup {
        SetupRole::Active => SetupRole::Passive,
        _ => SetupRole::Active,
    }
}

fn id() -> EndId {
    EndId::new(0, 0)
}

fn credentials(side: usize) -> IceCredentials {
    credentials_from_random(&[side as u8 + 1; 36]).expect("credentials")
}

fn identity() -> Arc<DtlsIdentity> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let certificate = CertificateParams::default().self_signed(&key).expect("a certificate");
    Arc::new(DtlsIdentity::new(certificate.der().to_vec(), &key.serialize_der()).expect("a usable key"))
}

//! What a relayed packet costs, as a ratio to what cannot be avoided.
//!
//! 1. The cipher alone against the pure packet path (`Relay::relay`), in ns a packet.
//! 2. Listening for keys in the audio, which only ends without telephone events need.
//! 3. A bare loop of batched receive, cipher, batched send (the floor) against the media worker, in ns of
//!    CPU time a packet, sockets and kernel included, on the same load in the same run.
//!
//! `cargo bench --bench relay [-- LEGS SECONDS]`; compare figures of one run only.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::cast_precision_loss, reason = "figures to be read, not counted with")]

#[path = "relay/floor.rs"]
mod floor;
#[path = "relay/keys.rs"]
mod keys;
#[path = "relay/load.rs"]
mod load;
#[path = "relay/pure.rs"]
mod pure;

use branchline::media::ports::{LocalPort, PortPair};
use branchline::media::srtp::{SrtpKey, SrtpProfile};

/// What the two sides of a call speak, and where.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    from: Option<SrtpProfile>,
    to: Option<SrtpProfile>,
    /// Our ports of the nth call: where it sends, where it is sent from.
    ports: fn(u16) -> [LocalPort; 2],
}

const CM: Option<SrtpProfile> = Some(SrtpProfile::AesCm128HmacSha1_80);
const GCM: Option<SrtpProfile> = Some(SrtpProfile::AeadAes128Gcm);

/// Both sides on shared sockets, as browsers and Asterisk are.
const SHARED: fn(u16) -> [LocalPort; 2] = |_| [LocalPort::WebRtc, LocalPort::Trunk];

/// A phone, with a socket of its own, speaks; and hears.
const SPEAKS: fn(u16) -> [LocalPort; 2] = |n| [LocalPort::Phone(PortPair(n)), LocalPort::Trunk];
const HEARS: fn(u16) -> [LocalPort; 2] = |n| [LocalPort::Trunk, LocalPort::Phone(PortPair(n))];

const CASES: [Case; 8] = [
    Case { name: "RTP to RTP", from: None, to: None, ports: SHARED },
    Case { name: "SRTP AES-CM to RTP", from: CM, to: None, ports: SHARED },
    Case { name: "RTP to SRTP AES-CM", from: None, to: CM, ports: SHARED },
    Case { name: "SRTP AES-GCM to RTP", from: GCM, to: None, ports: SHARED },
    Case { name: "RTP to SRTP AES-GCM", from: None, to: GCM, ports: SHARED },
    Case { name: "SRTP AES-GCM to AES-CM", from: GCM, to: CM, ports: SHARED },
    Case { name: "SDES phone to RTP", from: CM, to: None, ports: SPEAKS },
    Case { name: "RTP to SDES phone", from: None, to: CM, ports: HEARS },
];

fn key(profile: SrtpProfile, seed: u8) -> SrtpKey {
    let joined = vec![seed; profile.key_length() + profile.salt_length()];
    SrtpKey::from_joined(profile, &joined).expect("invariant: the profile's own lengths")
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let legs = numbers.next().unwrap_or(200);
    let seconds = numbers.next().unwrap_or(4);
    pure::run();
    keys::run();
    load::run(u16::try_from(legs).unwrap_or(u16::MAX), seconds);
}

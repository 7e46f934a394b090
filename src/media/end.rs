//! What a media end is made of, as plain values.

use std::fmt;
use std::net::SocketAddr;

use super::g711::Law;
use super::srtp::SrtpKey;

/// Names one media end, from [`EndIds::allocate`] to [`EndIds::release`].
///
/// The generation makes a late command or event for a closed end harmless: it no longer matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndId {
    index: u32,
    generation: u32,
}

impl EndId {
    /// An id from its parts; for tests and for restoring a stored call.
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// Position in the worker's table of ends, below the table's capacity.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// How often that position was used before.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for EndId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// The engine's stock of [`EndId`]s; the worker's table has the same capacity.
///
/// When all are in use [`allocate`](Self::allocate) gives `None` and the call is refused (503).
#[derive(Debug)]
pub struct EndIds {
    generations: Vec<u32>,
    in_use: Vec<bool>,
    free: Vec<u32>,
}

impl EndIds {
    /// A stock of `capacity` ids.
    pub fn new(capacity: u32) -> Self {
        Self {
            generations: vec![0; capacity as usize],
            in_use: vec![false; capacity as usize],
            free: (0..capacity).rev().collect(),
        }
    }

    /// An id that no open end has; `None` when all are in use.
    pub fn allocate(&mut self) -> Option<EndId> {
        let index = self.free.pop()?;
        *self.in_use.get_mut(index as usize)? = true;
        Some(EndId { index, generation: *self.generations.get(index as usize)? })
    }

    /// Gives `end` back; call it when [`MediaEvent::Closed`](super::MediaEvent::Closed) has come.
    /// False (and nothing happens) when `end` is not in use.
    pub fn release(&mut self, end: EndId) -> bool {
        let (Some(generation), Some(in_use)) =
            (self.generations.get_mut(end.index()), self.in_use.get_mut(end.index()))
        else {
            return false;
        };
        if !*in_use || *generation != end.generation {
            return false;
        }
        *in_use = false;
        *generation = generation.wrapping_add(1);
        self.free.push(end.index);
        true
    }

    /// How many ids are in use.
    pub fn in_use(&self) -> usize {
        self.generations.len() - self.free.len()
    }
}

/// Whether an end speaks RTP in clear or protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// RTP/AVP: the loopback side, and old phones on named networks.
    Plain,
    /// RTP/SAVP(F): nothing passes before [`SetCrypto`](super::MediaCommand::SetCrypto).
    Srtp,
}

/// Where the peer of an end sends from and wants to be sent to, as SDP or ICE named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The peer's RTP address.
    pub rtp: SocketAddr,
    /// The peer's RTCP address when it has one of its own; `None` means rtcp-mux (RFC 5761).
    pub rtcp: Option<SocketAddr>,
}

impl Remote {
    /// RTP and RTCP on one address (RFC 5761).
    pub const fn muxed(address: SocketAddr) -> Self {
        Self { rtp: address, rtcp: None }
    }

    /// RTP on `rtp`, RTCP on the next port (RFC 3550 §11) of the same host.
    pub fn paired(rtp: SocketAddr) -> Self {
        Self { rtp, rtcp: Some(SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))) }
    }

    /// Where RTCP goes.
    pub fn rtcp_address(&self) -> SocketAddr {
        self.rtcp.unwrap_or(self.rtp)
    }
}

/// From whom an end takes packets.
///
/// Ends on the shared sockets (WebRTC, trunk) are found by remote address, so they are always `Exact`
/// whatever is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceRule {
    /// Only from the addresses in [`Remote`].
    Exact,
    /// From the host in [`Remote`] on any port: the first packet's port is latched, for sending too.
    /// For plain phones behind a NAT that keeps the host's address.
    SameHost,
    /// From anywhere, once a packet authenticates: its source is latched, for sending too. When the
    /// latched source has been silent for a second another may take over (a NAT that forgot its mapping).
    /// Only for SRTP ends; on a plain end it means [`SourceRule::Exact`].
    Authenticated,
}

/// Which way audio flows, as the SDP direction says (RFC 3264 §8.4); `sendrecv` by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// We send to the peer.
    pub send: bool,
    /// We take what the peer sends.
    pub receive: bool,
}

impl Default for Flow {
    fn default() -> Self {
        Self { send: true, receive: true }
    }
}

/// The keys of an SRTP end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Protects what we send.
    pub send: SrtpKey,
    /// Opens what we receive.
    pub receive: SrtpKey,
}

/// A 7-bit RTP payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// `None` above 127.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 128 { Some(Self(value)) } else { None }
    }

    /// Its number, 0 to 127.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The codecs whose quality the E-model knows; it changes figures, never packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodecKind {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    #[default]
    Pcma,
    /// G.722 at 64 kbit/s (its RTP clock is 8000).
    G722,
    /// Opus (its RTP clock is 48000).
    Opus,
    /// Any other: rated as G.711.
    Other,
}

/// One `telephone-event` payload type of an end (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtmfPayload {
    /// Its payload type at this end.
    pub payload_type: PayloadType,
    /// Its clock rate, in Hz.
    pub clock_rate: u32,
}

/// From how many validated addresses a browser's media may come.
pub const MAX_SOURCES: usize = 24;

/// How many `telephone-event` rates one end may have.
pub const MAX_DTMF_PAYLOADS: usize = 4;

/// One G.711 payload type of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct G711Payload {
    /// Which law.
    pub law: Law,
    /// The payload type of what we send.
    pub sent: PayloadType,
    /// The payload type of what we receive.
    pub received: PayloadType,
}

/// How many G.711 payload types one end may have.
pub const MAX_G711_PAYLOADS: usize = 2;

/// What an end's session agreed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndCodec {
    /// The main codec.
    pub kind: CodecKind,
    /// Its RTP clock rate in Hz: the unit of timestamps and jitter. Zero is taken as 8000.
    pub clock_rate: u32,
    /// The `telephone-event` types; digits are sent with the first whose rate is the codec's, else the first.
    pub dtmf: heapless::Vec<DtmfPayload, MAX_DTMF_PAYLOADS>,
    /// The G.711 types, best first. Without telephone events, keys are heard as tones in these and sent as tones in
    /// the first.
    pub g711: heapless::Vec<G711Payload, MAX_G711_PAYLOADS>,
}

/// Which payload type of one end becomes which of the other; all not named are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadMap {
    to: [u8; 128],
}

/// Marks a payload type that is not passed on.
const NOT_MAPPED: u8 = 0xFF;

impl PayloadMap {
    /// Passes nothing.
    pub const fn new() -> Self {
        Self { to: [NOT_MAPPED; 128] }
    }

    /// Passes these unchanged.
    pub fn identity(types: &[PayloadType]) -> Self {
        types.iter().fold(Self::new(), |map, &one| map.with(one, one))
    }

    /// The same map that also turns `from` into `to`.
    pub fn with(mut self, from: PayloadType, to: PayloadType) -> Self {
        self.insert(from, to);
        self
    }

    /// Makes `from` become `to`.
    pub fn insert(&mut self, from: PayloadType, to: PayloadType) {
        if let Some(slot) = self.to.get_mut(usize::from(from.0)) {
            *slot = to.0;
        }
    }

    /// What `from` becomes; `None` when it is not passed.
    pub fn get(&self, from: PayloadType) -> Option<PayloadType> {
        self.to.get(usize::from(from.0)).copied().and_then(PayloadType::new)
    }
}

impl Default for PayloadMap {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PayloadMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mapped = self.to.iter().enumerate().filter(|(_, to)| **to != NOT_MAPPED);
        f.debug_map().entries(mapped).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded_and_a_released_id_no_longer_matches() {
        let mut ids = EndIds::new(2);
        let first = ids.allocate().unwrap();
        let second = ids.allocate().unwrap();
        assert_ne!(first, second);
        assert_eq!(ids.allocate(), None);
        assert!(ids.release(first));
        assert!(!ids.release(first), "released twice");
        let third = ids.allocate().unwrap();
        assert_eq!(third.index(), first.index());
        assert_ne!(third, first);
        assert!(!ids.release(first), "an old generation");
        assert_eq!(ids.in_use(), 2);
        assert!(!ids.release(EndId::new(7, 0)));
    }

    #[test]
    fn a_payload_map_passes_what_it_names_and_nothing_else() {
        let pt = |n| PayloadType::new(n).unwrap();
        let map = PayloadMap::identity(&[pt(0)]).with(pt(101), pt(96));
        assert_eq!(map.get(pt(0)), Some(pt(0)));
        assert_eq!(map.get(pt(101)), Some(pt(96)));
        assert_eq!(map.get(pt(8)), None);
        assert_eq!(PayloadType::new(128), None);
        assert_eq!(format!("{map:?}"), "{0: 0, 101: 96}");
    }

    #[test]
    fn a_remote_without_rtcp_address_is_muxed() {
        let address: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        assert_eq!(Remote::muxed(address).rtcp_address(), address);
        assert_eq!(Remote::paired(address).rtcp_address().port(), 4001);
    }
}

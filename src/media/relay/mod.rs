//! Walk 3, the path of a packet: from the socket it came to, to the socket it leaves by.
//!
//! ```text
//! relay(packet)
//!   classify (demux) ─ STUN, DTLS ─► ToConnectivity
//!   find the end     (table: by address on shared sockets, by port pair for phones)
//!   ─ RTP:  source → unprotect → stream → keys → bridge → payload type → continuity → protect ─► Send
//!   ─ RTCP: source → unprotect → read reports ─► Consumed
//! ```
//!
//! Whoever owns a [`Relay`] gives it packets and commands, and after each batch drains
//! [`poll_transmit`](Relay::poll_transmit) (reports, digits, goodbyes) and [`poll_event`](Relay::poll_event);
//! at [`poll_timeout`](Relay::poll_timeout) it calls [`handle_timer`](Relay::handle_timer). Nothing on the
//! packet path allocates.

mod commands;
mod control;
mod digits;
mod events;
mod media_end;
mod own_packets;
mod rating;
mod table;
#[cfg(test)]
mod tests;
mod timer;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use self::control::NtpClock;
use self::events::EventQueue;
use self::media_end::MediaEnd;
use self::table::EndTable;
use super::demux::{PacketKind, classify};
use super::dtmf::EventPayload;
use super::event::{DropCounts, DropReason, MediaEvent};
use super::outgoing::{Source, StreamStart};
use super::packet::{MAX_PACKET, Packet};
use super::ports::SocketId;
use super::rtp::{FIXED_HEADER, RtpHeader, Ssrc};
use crate::time::Now;

/// What a relay needs to know from the start.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// Capacity of the table of ends; that of the engine's [`EndIds`](super::EndIds).
    pub max_ends: u32,
    /// How many port pairs for phones were bound.
    pub port_pairs: u16,
    /// How long a live end may be without audio before [`MediaEvent::Silent`].
    pub silence: Duration,
    /// The same on hold, where RTCP counts too.
    pub silence_on_hold: Duration,
    /// Time between RTCP reports, which is also the interval of loss and MOS.
    pub report_interval: Duration,
    /// How many events may wait to be polled.
    pub event_capacity: usize,
    /// Our canonical name in RTCP (RFC 3550 §6.5.1); nothing personal.
    pub cname: String,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            max_ends: 1024,
            port_pairs: 0,
            silence: Duration::from_secs(30),
            silence_on_hold: Duration::from_secs(300),
            report_interval: Duration::from_secs(5),
            event_capacity: 4096,
            cname: "branchline".to_owned(),
        }
    }
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The socket of ours it leaves by.
    pub socket: SocketId,
    /// To whom.
    pub to: SocketAddr,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send what the buffer now holds.
    Send(Transmit),
    /// STUN or DTLS, unchanged in the buffer: hand it to connectivity.
    ToConnectivity,
    /// It served its purpose here (RTCP, a digit that is not passed on).
    Consumed,
    /// Dropped, and counted by the relay.
    Drop(DropReason),
}

/// What the relay did in all, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayCounts {
    /// Packets given to [`Relay::relay`].
    pub received: u64,
    /// Packets to be sent: relayed and made here.
    pub sent: u64,
    /// Dropped, by reason, those of no end included.
    pub drops: DropCounts,
    /// Events that found the queue full.
    pub events_lost: u64,
}

/// All media ends and what joins them.
pub struct Relay {
    settings: RelaySettings,
    table: EndTable,
    events: EventQueue,
    clock: NtpClock,
    randomness: ChaCha12Rng,
    counts: RelayCounts,
    /// Ends whose report is due.
    reports_due: VecDeque<usize>,
    /// Ends that have digits to send.
    digits_due: Vec<usize>,
    /// Last words of ends that are gone.
    goodbyes: VecDeque<(Transmit, Box<Packet>)>,
    next_tick: Option<Instant>,
}

impl Relay {
    /// A relay without ends. `seed` must come from the system's random source: SSRCs and the first sequence
    /// numbers and timestamps are drawn from it.
    pub fn new(settings: RelaySettings, now: Now, seed: [u8; 32]) -> Self {
        Self {
            table: EndTable::new(settings.max_ends, settings.port_pairs),
            events: EventQueue::new(settings.event_capacity),
            clock: NtpClock::new(now),
            randomness: ChaCha12Rng::from_seed(seed),
            counts: RelayCounts::default(),
            reports_due: VecDeque::new(),
            digits_due: Vec::new(),
            goodbyes: VecDeque::new(),
            next_tick: None,
            settings,
        }
    }

    /// Takes a packet that came to `socket` from `from`; changes it in place when it is to be sent on.
    pub fn relay(
        &mut self,
        now: Instant,
        socket: SocketId,
        from: SocketAddr,
        packet: &mut Packet,
    ) -> Verdict {
        self.counts.received += 1;
        match self.route(now, socket, from, packet) {
            Ok(verdict) => {
                self.counts.sent += u64::from(matches!(verdict, Verdict::Send(_)));
                verdict
            }
            Err(reason) => {
                self.counts.drops.add(reason);
                Verdict::Drop(reason)
            }
        }
    }

    /// Counts a packet that was lost outside: a socket or connectivity's queue would not take it.
    pub fn count_drop(&mut self, reason: DropReason) {
        self.counts.drops.add(reason);
    }

    /// The next event for the engine.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop()
    }

    /// Puts back an event that could not be delivered; it comes first again.
    pub fn return_event(&mut self, event: MediaEvent) {
        self.events.put_back(event);
    }

    /// What was done so far.
    pub fn counts(&self) -> RelayCounts {
        RelayCounts { events_lost: self.events.lost(), ..self.counts.clone() }
    }

    /// How many ends are open.
    pub fn open_ends(&self) -> usize {
        self.table.open()
    }

    fn route(
        &mut self,
        now: Instant,
        socket: SocketId,
        from: SocketAddr,
        packet: &mut Packet,
    ) -> Result<Verdict, DropReason> {
        if packet.len() > MAX_PACKET {
            return Err(DropReason::TooLong);
        }
        match classify(packet.as_slice()) {
            PacketKind::Stun | PacketKind::Dtls if socket == SocketId::WebRtc => Ok(Verdict::ToConnectivity),
            PacketKind::Stun | PacketKind::Dtls | PacketKind::Other => Err(DropReason::NotMedia),
            PacketKind::Rtp => {
                let index = self.table.find(socket, from)?;
                let verdict = self.relay_rtp(now, index, from, packet);
                self.count_at_end(index, verdict)
            }
            PacketKind::Rtcp => {
                let index = self.table.find(socket, from)?;
                let verdict = self.read_rtcp(now, index, from, packet);
                self.count_at_end(index, verdict)
            }
        }
    }

    fn relay_rtp(
        &mut self,
        now: Instant,
        index: usize,
        from: SocketAddr,
        packet: &mut Packet,
    ) -> Result<Verdict, DropReason> {
        let mut end = self.table.at(index).ok_or(DropReason::UnknownSource)?;
        let wire_length = packet.len();
        let header = end.open_rtp(now, from, packet, wire_length)?;
        end.note_life(now, true).into_iter().flatten().for_each(|event| self.events.push(event));
        let event_rate = end.event_rate(header.payload_type);
        if event_rate.is_some() || end.tones.is_some() {
            self.hear_keys(now, index, &header, packet);
            end = self.table.at(index).ok_or(DropReason::UnknownSource)?;
        }
        let bridge = end.bridge.as_ref().ok_or(DropReason::NotBridged)?;
        let Some(payload_type) = bridge.map.get(header.payload_type) else {
            return if event_rate.is_some() { Ok(Verdict::Consumed) } else { Err(DropReason::PayloadType) };
        };
        let source = Source { end: end.id, ssrc: header.ssrc };
        let (receive, peer) = (end.flow.receive, bridge.peer);
        let peer = self.table.get(peer).ok_or(DropReason::NotBridged)?;
        if !receive || !peer.flow.send {
            return Err(DropReason::OnHold);
        }
        let header = RtpHeader { payload_type, ..header };
        let transmit = forward(now, peer, source, header, packet, event_rate)?;
        Ok(Verdict::Send(transmit))
    }

    fn read_rtcp(
        &mut self,
        now: Instant,
        index: usize,
        from: SocketAddr,
        packet: &mut Packet,
    ) -> Result<Verdict, DropReason> {
        let end = self.table.at(index).ok_or(DropReason::UnknownSource)?;
        end.open_rtcp(from, packet)?;
        end.note_life(now, false).into_iter().flatten().for_each(|event| self.events.push(event));
        end.read_reports(now, &self.clock, packet.as_slice())?;
        Ok(Verdict::Consumed)
    }

    fn count_at_end(
        &mut self,
        index: usize,
        verdict: Result<Verdict, DropReason>,
    ) -> Result<Verdict, DropReason> {
        if let (Err(reason), Some(end)) = (verdict, self.table.at(index)) {
            end.drops.add(reason);
        }
        verdict
    }

    fn draw_stream(&mut self) -> StreamStart {
        StreamStart {
            ssrc: Ssrc(self.randomness.next_u32()),
            sequence: self.randomness.next_u32() as u16,
            timestamp: self.randomness.next_u32(),
        }
    }
}

/// Makes a packet one of `peer`'s own stream and protects it.
fn forward(
    now: Instant,
    peer: &mut MediaEnd,
    source: Source,
    mut header: RtpHeader,
    packet: &mut Packet,
    event_rate: Option<u32>,
) -> Result<Transmit, DropReason> {
    let transmit = peer.rtp_destination().ok_or(DropReason::PeerNotReady)?;
    if peer.dtmf_sent.is_active() {
        return Err(DropReason::DtmfTurn);
    }
    if let (Some(from_rate), Some(to_rate)) = (event_rate, peer.event_rate(header.payload_type))
        && from_rate != to_rate
    {
        rescale_event(packet, header.payload_offset, from_rate, to_rate);
    }
    peer.outgoing.translate(now, source, &mut header, peer.clock_rate());
    header.rewrite(packet);
    header.payload_offset = FIXED_HEADER;
    peer.protect_rtp(packet, &header)?;
    Ok(transmit)
}

/// Changes the duration of a telephone event to another clock rate.
fn rescale_event(packet: &mut Packet, payload_offset: usize, from_rate: u32, to_rate: u32) {
    let Some(payload) = packet.as_mut_slice().get_mut(payload_offset..) else { return };
    let Some(event) = EventPayload::parse(payload) else { return };
    let rescaled = event.rescaled(from_rate, to_rate).to_bytes();
    payload.iter_mut().zip(rescaled).for_each(|(to, from)| *to = from);
}

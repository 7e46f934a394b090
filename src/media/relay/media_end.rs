//! One media end: what it takes from its peer and what it sends there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Transmit;
use super::control::Control;
use super::digits::HeardTones;
use super::rating::Ratings;
use crate::media::dtmf::{Digit, DtmfReceiver, DtmfSender};
use crate::media::end::{
    DtmfPayload, EndCodec, EndId, Flow, G711Payload, PayloadMap, PayloadType, Remote, Security, SourceRule,
    SrtpKeys,
};
use crate::media::event::{DropCounts, DropReason, MediaEvent};
use crate::media::g711::SAMPLE_RATE;
use crate::media::incoming::{IncomingStreams, Taken};
use crate::media::outgoing::{OutgoingStream, StreamStart};
use crate::media::packet::Packet;
use crate::media::ports::{LocalPort, SocketId};
use crate::media::rtp::RtpHeader;
use crate::media::srtp::{SrtpReceiver, SrtpSender};

/// A latched source this long silent may be replaced.
const LATCH_HOLDS: Duration = Duration::from_secs(1);

/// How digits of ours are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DigitPayload {
    /// As telephone events.
    Event(DtmfPayload),
    /// As tones.
    Tone(G711Payload),
}

impl DigitPayload {
    /// The unit of the digits' durations, in Hz.
    pub(super) const fn clock_rate(self) -> u32 {
        match self {
            Self::Event(event) => event.clock_rate,
            Self::Tone(_) => SAMPLE_RATE,
        }
    }
}

/// Where an end's audio goes.
#[derive(Clone, Debug)]
pub(super) struct Bridged {
    pub(super) peer: EndId,
    pub(super) map: PayloadMap,
}

/// The source that a rule other than `Exact` found.
#[derive(Clone, Copy, Debug)]
struct Latched {
    address: SocketAddr,
    last: Instant,
}

/// Signs of life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// The last RTP packet, or when the end came into use.
    pub(super) rtp: Instant,
    /// The last packet of any kind.
    pub(super) any: Instant,
    /// Whether `Silent` was told.
    pub(super) silent: bool,
}

pub(super) struct MediaEnd {
    pub(super) id: EndId,
    pub(super) local: LocalPort,
    pub(super) security: Security,
    pub(super) remote: Option<Remote>,
    pub(super) codec: EndCodec,
    pub(super) flow: Flow,
    pub(super) bridge: Option<Bridged>,
    pub(super) incoming: IncomingStreams,
    pub(super) outgoing: OutgoingStream,
    pub(super) dtmf_received: DtmfReceiver,
    /// The payload type of the latest event packet.
    pub(super) event_type: Option<PayloadType>,
    /// Keys in the audio; only of an end that has G.711 and no telephone events.
    pub(super) tones: Option<Box<HeardTones>>,
    pub(super) dtmf_sent: DtmfSender,
    pub(super) control: Control,
    pub(super) received_ratings: Ratings,
    pub(super) life: Life,
    pub(super) drops: DropCounts,
    /// Further addresses of a browser that ICE has validated; the table finds the end by them.
    pub(super) sources: Vec<SocketAddr>,
    source: SourceRule,
    latched: Option<Latched>,
    latched_rtcp: Option<SocketAddr>,
    sender: Option<SrtpSender>,
    receiver: Option<SrtpReceiver>,
}

impl MediaEnd {
    pub(super) fn new(
        id: EndId,
        local: LocalPort,
        security: Security,
        start: StreamStart,
        now: Instant,
    ) -> Self {
        Self {
            id,
            local,
            security,
            remote: None,
            codec: EndCodec::default(),
            flow: Flow::default(),
            bridge: None,
            incoming: IncomingStreams::default(),
            outgoing: OutgoingStream::new(start),
            dtmf_received: DtmfReceiver::default(),
            event_type: None,
            tones: None,
            dtmf_sent: DtmfSender::default(),
            control: Control::new(now),
            received_ratings: Ratings::default(),
            life: Life { rtp: now, any: now, silent: false },
            drops: DropCounts::default(),
            sources: Vec::new(),
            source: SourceRule::Exact,
            latched: None,
            latched_rtcp: None,
            sender: None,
            receiver: None,
        }
    }

    /// The peer, as signalling or ICE names it now.
    pub(super) fn set_remote(&mut self, remote: Remote, source: SourceRule) {
        if self.remote != Some(remote) {
            self.latched = None;
            self.latched_rtcp = None;
        }
        self.remote = Some(remote);
        self.source = source;
    }

    /// What the session agreed now.
    pub(super) fn set_codec(&mut self, codec: EndCodec) {
        let listens = codec.dtmf.is_empty() && !codec.g711.is_empty();
        self.tones = listens.then(|| self.tones.take().unwrap_or_default());
        self.codec = codec;
    }

    /// New keys; equal ones keep their state. `start` begins a new stream when the send key changed after use.
    pub(super) fn set_crypto(&mut self, keys: &SrtpKeys, start: StreamStart) {
        self.security = Security::Srtp;
        if self.sender.as_ref().is_none_or(|sender| *sender.key() != keys.send) {
            self.sender = Some(SrtpSender::new(keys.send.clone()));
            if self.outgoing.packets > 0 {
                self.outgoing.restart(start);
            }
        }
        if self.receiver.as_ref().is_none_or(|receiver| *receiver.key() != keys.receive) {
            self.receiver = Some(SrtpReceiver::new(keys.receive.clone()));
        }
    }

    /// RTP clock rate of the main codec, in Hz.
    pub(super) fn clock_rate(&self) -> u32 {
        if self.codec.clock_rate == 0 { 8000 } else { self.codec.clock_rate }
    }

    /// The clock rate of a telephone-event payload type; `None` when it is none.
    pub(super) fn event_rate(&self, payload_type: PayloadType) -> Option<u32> {
        self.codec.dtmf.iter().find(|one| one.payload_type == payload_type).map(|one| one.clock_rate)
    }

    /// How digits of ours are sent; `None` when the session has no way for them.
    pub(super) fn digit_payload(&self) -> Option<DigitPayload> {
        let rate = self.clock_rate();
        let dtmf = &self.codec.dtmf;
        let event = dtmf.iter().find(|one| one.clock_rate == rate).or(dtmf.first()).copied();
        let tone = || self.codec.g711.first().copied().map(DigitPayload::Tone);
        event.map(DigitPayload::Event).or_else(tone)
    }

    /// Whether this digit of ours can be sent.
    pub(super) fn can_send(&self, digit: Digit) -> bool {
        match self.digit_payload() {
            Some(DigitPayload::Event(_)) => true,
            Some(DigitPayload::Tone(_)) => digit.has_tone(),
            None => false,
        }
    }

    /// Takes an RTP packet in: source, protection, stream. What is left in the packet is in clear.
    pub(super) fn open_rtp(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &mut Packet,
        wire_length: usize,
    ) -> Result<RtpHeader, DropReason> {
        let latch = self.admit_rtp(now, from)?;
        let header = RtpHeader::parse(packet.as_slice()).ok_or(DropReason::Malformed)?;
        if self.security == Security::Srtp {
            let receiver = self.receiver.as_mut().ok_or(DropReason::NoKeys)?;
            receiver.unprotect_rtp(packet, &header)?;
        }
        if header.padding && header.payload(packet.as_slice()).is_none() {
            return Err(DropReason::Malformed);
        }
        let authenticated = self.security == Security::Srtp;
        let clock_rate = self.clock_rate();
        let taken = self.incoming.take(now, &header, authenticated, clock_rate, wire_length)?;
        if latch {
            self.latched = Some(Latched { address: from, last: now });
        } else if let Some(latched) = &mut self.latched {
            latched.last = now;
        }
        if taken == Taken::Begins {
            self.control.stream_began();
        }
        Ok(header)
    }

    /// Takes an RTCP packet in: source and protection.
    pub(super) fn open_rtcp(&mut self, from: SocketAddr, packet: &mut Packet) -> Result<(), DropReason> {
        let remote = self.remote.ok_or(DropReason::UnknownSource)?;
        let named = from == remote.rtcp_address() || from == remote.rtp || self.sources.contains(&from);
        let admitted = named
            || match self.rule() {
                SourceRule::Exact => false,
                SourceRule::SameHost => from.ip() == remote.rtp.ip(),
                SourceRule::Authenticated => true,
            };
        if !admitted {
            return Err(DropReason::WrongSource);
        }
        if self.security == Security::Srtp {
            let receiver = self.receiver.as_mut().ok_or(DropReason::NoKeys)?;
            receiver.unprotect_rtcp(packet)?;
        }
        if !named {
            self.latched_rtcp = Some(from);
        }
        Ok(())
    }

    /// Notes that a valid packet came, and says what is news about it.
    pub(super) fn note_life(&mut self, now: Instant, rtp: bool) -> [Option<MediaEvent>; 2] {
        self.life.any = now;
        let end = self.id;
        if rtp {
            self.life.rtp = now;
        } else if self.flow.receive && self.local != LocalPort::Trunk {
            return [None, None];
        }
        let resumed = std::mem::take(&mut self.life.silent);
        let first = rtp && self.incoming.packets == 1;
        [first.then_some(MediaEvent::FirstPacket { end }), resumed.then_some(MediaEvent::Resumed { end })]
    }

    /// Where RTP goes; `None` while the peer's address or the keys are not known.
    pub(super) fn rtp_destination(&self) -> Option<Transmit> {
        let remote = self.remote?;
        if self.security == Security::Srtp && self.sender.is_none() {
            return None;
        }
        let to = self.latched.map_or(remote.rtp, |latched| latched.address);
        Some(Transmit { socket: self.rtp_socket(), to })
    }

    /// Where RTCP goes.
    pub(super) fn rtcp_destination(&self) -> Option<Transmit> {
        let muxed = self.rtp_destination()?;
        let Some(separate) = self.remote.and_then(|remote| remote.rtcp) else { return Some(muxed) };
        let socket = match self.local {
            LocalPort::Phone(pair) => SocketId::PhoneRtcp(pair),
            LocalPort::WebRtc | LocalPort::Trunk => muxed.socket,
        };
        Some(Transmit { socket, to: self.latched_rtcp.unwrap_or(separate) })
    }

    /// Counts and protects an RTP packet of the outgoing stream.
    pub(super) fn protect_rtp(&mut self, packet: &mut Packet, header: &RtpHeader) -> Result<(), DropReason> {
        let length = packet.len();
        if self.security == Security::Srtp {
            let sender = self.sender.as_mut().ok_or(DropReason::PeerNotReady)?;
            sender.protect_rtp(packet, header)?;
        }
        self.outgoing.count(length);
        Ok(())
    }

    /// Protects an RTCP packet of ours.
    pub(super) fn protect_rtcp(&mut self, packet: &mut Packet) -> Result<(), DropReason> {
        if self.security == Security::Srtp {
            self.sender.as_mut().ok_or(DropReason::PeerNotReady)?.protect_rtcp(packet)?;
        }
        Ok(())
    }

    /// The source rule as far as it makes sense here: shared sockets find ends by address, and in clear
    /// nothing authenticates.
    fn rule(&self) -> SourceRule {
        match (self.local, self.security, self.source) {
            (LocalPort::WebRtc | LocalPort::Trunk, _, _)
            | (_, Security::Plain, SourceRule::Authenticated) => SourceRule::Exact,
            (LocalPort::Phone(_), _, rule) => rule,
        }
    }

    fn rtp_socket(&self) -> SocketId {
        match self.local {
            LocalPort::WebRtc => SocketId::WebRtc,
            LocalPort::Trunk => SocketId::Trunk,
            LocalPort::Phone(pair) => SocketId::PhoneRtp(pair),
        }
    }

    /// Whether RTP from there may be looked at; true inside when it would latch.
    fn admit_rtp(&self, now: Instant, from: SocketAddr) -> Result<bool, DropReason> {
        let remote = self.remote.ok_or(DropReason::UnknownSource)?;
        let current = self.latched.map_or(remote.rtp, |latched| latched.address);
        let movable =
            self.latched.is_none_or(|latched| now.saturating_duration_since(latched.last) >= LATCH_HOLDS);
        match self.rule() {
            SourceRule::Exact if from == remote.rtp || self.sources.contains(&from) => Ok(false),
            SourceRule::Exact => Err(DropReason::WrongSource),
            _ if from == current => Ok(self.latched.is_none()),
            SourceRule::SameHost if movable && from.ip() == remote.rtp.ip() => Ok(true),
            SourceRule::Authenticated if movable => Ok(true),
            SourceRule::SameHost | SourceRule::Authenticated => Err(DropReason::WrongSource),
        }
    }
}

//! Cryptographic contexts (RFC 3711 §3.2): the keys of one direction with the state of its streams.

use std::fmt;

use super::key::SrtpKey;
use super::replay::ReplayWindow;
use super::suite::Suite;
use crate::media::DropReason;
use crate::media::packet::Packet;
use crate::media::rtp::{RtpHeader, Ssrc};

/// How many streams of one peer are told apart; the one silent for longest makes way.
pub const MAX_STREAMS: usize = 4;

/// SRTCP indices have 31 bits (RFC 3711 §3.4).
const LAST_RTCP_INDEX: u32 = (1 << 31) - 1;

/// Protects what we send. It owns the index of the stream: nothing else may send with its key.
pub struct SrtpSender {
    key: SrtpKey,
    suite: Suite,
    rtp: ReplayWindow,
    next_rtcp: u32,
}

impl SrtpSender {
    /// A context in which no packet was sent yet.
    pub fn new(key: SrtpKey) -> Self {
        let suite = Suite::new(&key);
        Self { key, suite, rtp: ReplayWindow::default(), next_rtcp: 1 }
    }

    /// The master key it was made from.
    pub fn key(&self) -> &SrtpKey {
        &self.key
    }

    /// Protects an RTP packet in place. All packets must be of one stream; a sequence number used before
    /// is refused, because its key stream would be used twice.
    pub fn protect_rtp(&mut self, packet: &mut Packet, header: &RtpHeader) -> Result<(), DropReason> {
        let index = self.rtp.rtp_index(header.sequence)?;
        self.rtp.check(index)?;
        self.suite.seal_rtp(packet, header.payload_offset, header.ssrc, index)?;
        self.rtp.record(index);
        Ok(())
    }

    /// Protects a compound RTCP packet of ours in place.
    pub fn protect_rtcp(&mut self, packet: &mut Packet) -> Result<(), DropReason> {
        let index = self.next_rtcp;
        if index > LAST_RTCP_INDEX {
            return Err(DropReason::KeyExhausted);
        }
        let ssrc = rtcp_ssrc(packet.as_slice()).ok_or(DropReason::Malformed)?;
        self.suite.seal_rtcp(packet, ssrc, index)?;
        self.next_rtcp = index + 1;
        Ok(())
    }
}

/// Opens what we receive.
pub struct SrtpReceiver {
    key: SrtpKey,
    suite: Suite,
    rtp: Streams,
    rtcp: Streams,
}

impl SrtpReceiver {
    /// A context in which no packet was received yet.
    pub fn new(key: SrtpKey) -> Self {
        let suite = Suite::new(&key);
        Self { key, suite, rtp: Streams::default(), rtcp: Streams::default() }
    }

    /// The master key it was made from.
    pub fn key(&self) -> &SrtpKey {
        &self.key
    }

    /// Opens an RTP packet in place: index, replay, authentication, decryption (RFC 3711 §3.3). A refused
    /// packet changes no state.
    pub fn unprotect_rtp(&mut self, packet: &mut Packet, header: &RtpHeader) -> Result<(), DropReason> {
        let window = self.rtp.window(header.ssrc);
        let index = window.rtp_index(header.sequence)?;
        window.check(index)?;
        self.suite.open_rtp(packet, header.payload_offset, header.ssrc, index)?;
        self.rtp.record(header.ssrc, index);
        Ok(())
    }

    /// Opens a compound RTCP packet in place.
    pub fn unprotect_rtcp(&mut self, packet: &mut Packet) -> Result<(), DropReason> {
        let ssrc = rtcp_ssrc(packet.as_slice()).ok_or(DropReason::Malformed)?;
        let index = self.suite.rtcp_index(packet).ok_or(DropReason::Malformed)?;
        self.rtcp.window(ssrc).check(u64::from(index))?;
        self.suite.open_rtcp(packet, ssrc, index)?;
        self.rtcp.record(ssrc, u64::from(index));
        Ok(())
    }
}

impl fmt::Debug for SrtpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpSender").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for SrtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpReceiver").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The replay windows of the latest streams, most recently used last.
#[derive(Default)]
struct Streams {
    windows: heapless::Vec<(Ssrc, ReplayWindow), MAX_STREAMS>,
}

impl Streams {
    /// The window of `ssrc`; that of a stream never seen before is empty.
    fn window(&self, ssrc: Ssrc) -> &ReplayWindow {
        static EMPTY: ReplayWindow = ReplayWindow::new();
        self.windows.iter().find(|(one, _)| *one == ssrc).map_or(&EMPTY, |(_, window)| window)
    }

    /// Notes an authenticated packet.
    fn record(&mut self, ssrc: Ssrc, index: u64) {
        if let Some((last, window)) = self.windows.last_mut()
            && *last == ssrc
        {
            window.record(index);
            return;
        }
        let mut window = match self.windows.iter().position(|(one, _)| *one == ssrc) {
            Some(at) => self.windows.remove(at).1,
            None => ReplayWindow::default(),
        };
        window.record(index);
        if self.windows.is_full() {
            self.windows.remove(0);
        }
        self.windows.extend([(ssrc, window)]);
    }
}

/// The SSRC of the first packet in a compound RTCP packet, which is in clear.
fn rtcp_ssrc(packet: &[u8]) -> Option<Ssrc> {
    Some(Ssrc(u32::from_be_bytes(*packet.get(4..)?.first_chunk()?)))
}

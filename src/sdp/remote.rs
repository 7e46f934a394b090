//! What a peer's description says about its audio: where it wants packets, which codecs, how protected.

use std::net::{IpAddr, SocketAddr};

use super::codec::{Codec, Encoding};
use super::crypto::CryptoAttribute;
use super::direction::Direction;
use super::fingerprint::Fingerprint;
use super::ice::{Candidate, IceCredentials};
use super::media_description::{MediaDescription, MediaKind, TransportProtocol};
use super::reason::MediaRefusal;
use super::session_description::SessionDescription;
use super::setup::SetupRole;

/// Which kinds of protection this side takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaPolicy {
    /// Plain RTP.
    pub plain: bool,
    /// SRTP with keys in SDP.
    pub sdes: bool,
    /// SRTP with keys from DTLS, over ICE.
    pub dtls: bool,
}

impl MediaPolicy {
    /// All three.
    pub const ANY: Self = Self { plain: true, sdes: true, dtls: true };
}

/// How a peer protects its media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteSecurity {
    /// Not at all.
    Plain,
    /// By keys in SDP: the `a=crypto` lines that can be honoured, in the peer's order, at least one.
    Sdes(Vec<CryptoAttribute>),
    /// By keys from DTLS.
    DtlsSrtp(RemoteDtls),
}

/// A peer's side of DTLS-SRTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteDtls {
    /// The strongest of its certificate's fingerprints.
    pub fingerprint: Fingerprint,
    /// Its role in the handshake; `actpass` in an offer that does not say (RFC 5763 §5).
    pub setup: SetupRole,
    /// Its side of ICE.
    pub ice: RemoteIce,
}

/// A peer's side of ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteIce {
    /// User fragment and password.
    pub credentials: IceCredentials,
    /// It only answers checks (RFC 8445 §2.5): we are controlling.
    pub lite: bool,
    /// It can take candidates later (RFC 8838).
    pub trickle: bool,
    /// The candidates it has given so far; those for RTP only when muxed or not, component 1 first as they stood.
    pub candidates: Vec<Candidate>,
    /// No more will come (RFC 8840 §8.2).
    pub end_of_candidates: bool,
}

/// A peer's audio section, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// Which media section it is, from 0.
    pub section: usize,
    /// Its `a=mid`.
    pub mid: Option<String>,
    /// Its transport protocol.
    pub protocol: TransportProtocol,
    /// Where the peer wants RTP. `None` when only ICE will tell, or when it is on hold by an address of zeros.
    pub rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP if it is not multiplexed: `a=rtcp`, or the port above RTP's.
    pub rtcp: Option<SocketAddr>,
    /// It can, or in an answer will, multiplex RTP and RTCP.
    pub rtcp_mux: bool,
    /// All its codecs in its order of preference, telephone events among them.
    pub codecs: Vec<Codec>,
    /// What the peer says it does: [`Direction::SendOnly`] and [`Direction::Inactive`] are holds.
    pub direction: Direction,
    /// How it protects its media.
    pub security: RemoteSecurity,
    /// Milliseconds of audio per packet that it wants.
    pub ptime: Option<u16>,
    /// The sources it announced by `a=ssrc`, at most 16.
    pub sources: Vec<u32>,
}

impl RemoteMedia {
    /// The codecs that are sound, in order.
    pub fn audio_codecs(&self) -> impl Iterator<Item = &Codec> {
        self.codecs.iter().filter(|codec| codec.encoding().is_audio())
    }

    /// The telephone events, one per clock rate, in order.
    pub fn telephone_events(&self) -> impl Iterator<Item = &Codec> {
        self.codecs.iter().filter(|codec| codec.is_telephone_event())
    }

    /// Whether the peer does not want to hear us now.
    pub const fn is_hold(&self) -> bool {
        !self.direction.receives()
    }
}

/// Reads the first audio section of `description` that `policy` allows and that is sound in itself.
///
/// # Errors
/// The reason the first live audio section could not be used, when none could.
pub fn remote_audio(
    description: &SessionDescription,
    policy: MediaPolicy,
) -> Result<RemoteMedia, MediaRefusal> {
    let _ = (description, policy, IpAddr::is_ipv4, Encoding::Opus, MediaKind::Audio, MediaDescription::new);
    todo!()
}

//! What a peer's description says about its audio: where it wants packets, which codecs, how protected.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::attribute::Attribute;
use super::codec::{Codec, Encoding};
use super::crypto::CryptoAttribute;
use super::direction::Direction;
use super::fingerprint::Fingerprint;
use super::ice::{Candidate, IceCredentials};
use super::media_description::{MediaDescription, MediaKind, TransportProtocol, direction_of};
use super::reason::MediaRefusal;
use super::session_description::SessionDescription;
use super::setup::SetupRole;
use super::source::SsrcAttribute;

/// The port that browsers write while they have no candidate.
const DISCARD_PORT: u16 = 9;

/// Most announced sources kept of one section.
const MAX_SOURCES: usize = 16;

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
    /// The candidates it has given so far, of all components, as they stood.
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

/// Reads the first audio section of `description` that `policy` allows, that is sound in itself, and that has at
/// least one sound codec Branchline knows.
///
/// # Errors
/// The reason the first live audio section could not be used, when none could.
pub fn remote_audio(
    description: &SessionDescription,
    policy: MediaPolicy,
) -> Result<RemoteMedia, MediaRefusal> {
    first_audio(description, |section, media| {
        let remote = read_section(description, section, media, policy)?;
        let known = remote.audio_codecs().any(|codec| codec.encoding() != Encoding::Other);
        if known { Ok(remote) } else { Err(MediaRefusal::NoCommonCodec) }
    })
}

/// The first live audio section that `accept` takes, or the reason the first of them was refused.
pub(super) fn first_audio<T>(
    description: &SessionDescription,
    accept: impl Fn(usize, &MediaDescription) -> Result<T, MediaRefusal>,
) -> Result<T, MediaRefusal> {
    let mut refusal = None;
    for (section, media) in description.media.iter().enumerate() {
        if media.kind != MediaKind::Audio {
            continue;
        }
        if media.is_disabled() {
            refusal = refusal.or(Some(MediaRefusal::AudioDisabled));
            continue;
        }
        match accept(section, media) {
            Ok(accepted) => return Ok(accepted),
            Err(reason) => {
                refusal = refusal.filter(|first| *first != MediaRefusal::AudioDisabled).or(Some(reason));
            }
        }
    }
    Err(refusal.unwrap_or(MediaRefusal::NoAudio))
}

/// Reads one live section, whatever its codecs.
pub(super) fn read_section(
    description: &SessionDescription,
    section: usize,
    media: &MediaDescription,
    policy: MediaPolicy,
) -> Result<RemoteMedia, MediaRefusal> {
    let level = Level { description, media, tagged: tagged_section(description, media) };
    let security = level.security(policy)?;
    let over_ice = matches!(security, RemoteSecurity::DtlsSrtp(_));
    let ip = level.address(over_ice)?;
    let on_hold = !over_ice && ip.is_none();
    let port = level.transport().port;
    let rtp = ip.filter(|_| port != 0).map(|ip| SocketAddr::new(ip, port));
    let stated = media.direction().or_else(|| direction_of(&description.attributes)).unwrap_or_default();
    Ok(RemoteMedia {
        section,
        mid: media.mid().map(str::to_owned),
        protocol: media.protocol.clone(),
        rtp,
        rtcp: rtp.and_then(|rtp| rtcp_address(media, rtp)),
        rtcp_mux: media.rtcp_mux(),
        codecs: media.codecs(),
        direction: if on_hold { Direction::new(stated.sends(), false) } else { stated },
        security,
        ptime: media.ptime(),
        sources: sources(media),
    })
}

/// The section that carries the transport of a bundle-only one (RFC 9143 §7.1.3).
fn tagged_section<'a>(
    description: &'a SessionDescription,
    media: &MediaDescription,
) -> Option<&'a MediaDescription> {
    if media.port != 0 {
        return None;
    }
    let group = description.bundle_of(media.mid()?)?;
    let tagged = group.mids.first()?;
    description.media.iter().find(|other| other.mid() == Some(tagged.as_str()) && other.port != 0)
}

fn rtcp_address(media: &MediaDescription, rtp: SocketAddr) -> Option<SocketAddr> {
    match media.rtcp().filter(|apart| apart.port != 0) {
        Some(apart) => {
            let ip = apart.address.and_then(|address| address.ip()).filter(|ip| !ip.is_unspecified());
            Some(SocketAddr::new(ip.unwrap_or(rtp.ip()), apart.port))
        }
        None => rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port)),
    }
}

fn sources(media: &MediaDescription) -> Vec<u32> {
    let mut sources: Vec<u32> = Vec::new();
    for source in media.all::<SsrcAttribute>("ssrc") {
        if !sources.contains(&source.ssrc) && sources.len() < MAX_SOURCES {
            sources.push(source.ssrc);
        }
    }
    sources
}

/// A section with the levels above it, where attributes missing in it may stand.
struct Level<'a> {
    description: &'a SessionDescription,
    media: &'a MediaDescription,
    tagged: Option<&'a MediaDescription>,
}

impl<'a> Level<'a> {
    const fn transport(&self) -> &'a MediaDescription {
        match self.tagged {
            Some(tagged) => tagged,
            None => self.media,
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        self.description.attribute_for(self.transport(), name)
    }

    fn security(&self, policy: MediaPolicy) -> Result<RemoteSecurity, MediaRefusal> {
        use TransportProtocol as P;
        let has_keys = self.media.has("crypto");
        let allowed = |allowed| if allowed { Ok(()) } else { Err(MediaRefusal::ProtocolNotAllowed) };
        match self.media.protocol {
            P::RtpAvp | P::RtpAvpf => allowed(policy.plain).map(|()| RemoteSecurity::Plain),
            P::RtpSavp | P::RtpSavpf if !has_keys && self.attribute("fingerprint").is_some() => {
                allowed(policy.dtls).and_then(|()| self.dtls())
            }
            P::RtpSavp | P::RtpSavpf => allowed(policy.sdes).and_then(|()| self.sdes()),
            P::UdpTlsRtpSavp | P::UdpTlsRtpSavpf => allowed(policy.dtls).and_then(|()| self.dtls()),
            P::Other(_) => Err(MediaRefusal::UnsupportedProtocol),
        }
    }

    fn sdes(&self) -> Result<RemoteSecurity, MediaRefusal> {
        if !self.media.has("crypto") {
            return Err(MediaRefusal::MissingCrypto);
        }
        let lines: Vec<CryptoAttribute> = self.media.crypto().filter_map(Result::ok).collect();
        if lines.is_empty() { Err(MediaRefusal::NoAcceptableCrypto) } else { Ok(RemoteSecurity::Sdes(lines)) }
    }

    fn dtls(&self) -> Result<RemoteSecurity, MediaRefusal> {
        let strongest = |attributes: &[Attribute]| {
            let read = attributes.iter().filter(|a| a.name == "fingerprint");
            read.filter_map(|a| a.text().parse::<Fingerprint>().ok()).max_by_key(Fingerprint::function)
        };
        let fingerprint = strongest(&self.transport().attributes)
            .or_else(|| strongest(&self.description.attributes))
            .ok_or(MediaRefusal::MissingFingerprint)?;
        let setup = match self.attribute("setup") {
            Some(setup) => setup.text().parse().map_err(|()| MediaRefusal::SetupConflict)?,
            None => SetupRole::ActPass,
        };
        Ok(RemoteSecurity::DtlsSrtp(RemoteDtls { fingerprint, setup, ice: self.ice()? }))
    }

    fn ice(&self) -> Result<RemoteIce, MediaRefusal> {
        let text = |name| self.attribute(name).map_or("", |attribute| attribute.text().trim_ascii());
        let credentials =
            IceCredentials::new(text("ice-ufrag"), text("ice-pwd")).ok_or(MediaRefusal::MissingIce)?;
        Ok(RemoteIce {
            credentials,
            lite: self.description.attribute("ice-lite").is_some(),
            trickle: text("ice-options").split_ascii_whitespace().any(|option| option == "trickle"),
            candidates: self.transport().candidates().collect(),
            end_of_candidates: self.attribute("end-of-candidates").is_some(),
        })
    }

    /// The address media goes to; `None` for one of zeros, and for a name when ICE will say.
    fn address(&self, over_ice: bool) -> Result<Option<IpAddr>, MediaRefusal> {
        let ip = match self.description.connection_for(self.transport()) {
            Some(connection) => connection.address.ip().ok_or(MediaRefusal::AddressNotNumeric),
            None => Err(MediaRefusal::MissingAddress),
        };
        let ip = match ip {
            Ok(ip) => ip.to_canonical(),
            Err(_) if over_ice => return Ok(None),
            Err(reason) => return Err(reason),
        };
        if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(MediaRefusal::AddressNotUnicast);
        }
        let placeholder = ip.is_unspecified() || (over_ice && self.transport().port == DISCARD_PORT);
        Ok(if placeholder { None } else { Some(ip) })
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;

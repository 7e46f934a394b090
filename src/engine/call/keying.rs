//! From what SDP agreed to what the media worker and the owner of ICE are told.

use std::net::SocketAddr;

use super::effects::Effects;
use crate::media::end::{
    CodecKind, DtmfPayload, EndCodec, Flow as MediaFlow, G711Payload, PayloadType, Remote, SourceRule,
    SrtpKeys,
};
use crate::media::g711::Law;
use crate::media::webrtc::{RemoteSetup, credentials_from_random};
use crate::media::{ConnectivityCommand, EndId, PayloadMap, SrtpKey, SrtpProfile};
use crate::sdp::{
    AgreedCodec, AgreedMedia, AgreedSecurity, Candidate, CryptoAttribute, Direction, DtlsRole, Encoding,
    IceCredentials, SetupRole, SrtpSuite, payload_map,
};

/// The profile that a suite of SDP names.
const fn profile(suite: SrtpSuite) -> SrtpProfile {
    match suite {
        SrtpSuite::AesCm128HmacSha1_32 => SrtpProfile::AesCm128HmacSha1_32,
        SrtpSuite::AesCm128HmacSha1_80 => SrtpProfile::AesCm128HmacSha1_80,
        SrtpSuite::AeadAes256Gcm => SrtpProfile::AeadAes256Gcm,
        SrtpSuite::AeadAes128Gcm => SrtpProfile::AeadAes128Gcm,
    }
}

/// The keys of both directions; `None` only if the parser let a key of a wrong length through.
pub(super) fn sdes_keys(local: &CryptoAttribute, remote: &CryptoAttribute) -> Option<SrtpKeys> {
    let key =
        |line: &CryptoAttribute| SrtpKey::from_joined(profile(line.suite), line.key.key_and_salt()).ok();
    Some(SrtpKeys { send: key(local)?, receive: key(remote)? })
}

/// Clock rate, codec, telephone events and G.711 of what was agreed.
pub(super) fn end_codec(agreed: &AgreedMedia) -> EndCodec {
    let audio = agreed.audio().map(|audio| &audio.codec);
    let kind = match audio.map(crate::sdp::Codec::encoding) {
        Some(Encoding::Opus) => CodecKind::Opus,
        Some(Encoding::G722) => CodecKind::G722,
        Some(Encoding::Pcmu) => CodecKind::Pcmu,
        Some(Encoding::Pcma) => CodecKind::Pcma,
        _ => CodecKind::Other,
    };
    let mut codec =
        EndCodec { kind, clock_rate: audio.map_or(8000, |codec| codec.clock_rate), ..EndCodec::default() };
    for event in agreed.codecs.iter().filter(|agreed| agreed.codec.is_telephone_event()) {
        let Some(payload_type) = PayloadType::new(event.codec.payload_type.number()) else { continue };
        let payload = DtmfPayload { payload_type, clock_rate: event.codec.clock_rate };
        if codec.dtmf.push(payload).is_err() {
            break;
        }
    }
    for payload in agreed.codecs.iter().filter_map(g711_payload) {
        if codec.g711.push(payload).is_err() {
            break;
        }
    }
    codec
}

fn g711_payload(agreed: &AgreedCodec) -> Option<G711Payload> {
    let law = match agreed.codec.encoding() {
        Encoding::Pcmu => Law::Mu,
        Encoding::Pcma => Law::A,
        _ => return None,
    };
    let sent = PayloadType::new(agreed.codec.payload_type.number())?;
    Some(G711Payload { law, sent, received: PayloadType::new(agreed.receive_type.number())? })
}

/// The peer's address and from where it may send; `None` when only ICE will tell, or on hold by zeros.
pub(super) fn remote(agreed: &AgreedMedia, symmetric: bool) -> Option<(Remote, SourceRule)> {
    let rtp = agreed.remote.rtp?;
    let source = match agreed.security {
        AgreedSecurity::DtlsSrtp { .. } => return None,
        AgreedSecurity::Sdes { .. } => SourceRule::Authenticated,
        AgreedSecurity::Plain if symmetric => SourceRule::SameHost,
        AgreedSecurity::Plain => SourceRule::Exact,
    };
    let rtcp = if agreed.rtcp_mux { None } else { agreed.remote.rtcp.or_else(|| next_port(rtp)) };
    Some((Remote { rtp, rtcp }, source))
}

fn next_port(rtp: SocketAddr) -> Option<SocketAddr> {
    rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port))
}

/// What flows, from our own direction.
pub(super) const fn flow(direction: Direction) -> MediaFlow {
    MediaFlow { send: direction.sends(), receive: direction.receives() }
}

/// How payload types of one session become those of the other.
pub(super) fn bridge_map(from: &[AgreedCodec], to: &[AgreedCodec]) -> PayloadMap {
    let mut map = PayloadMap::new();
    for (received, sent) in payload_map(from, to).iter() {
        if let (Some(received), Some(sent)) =
            (PayloadType::new(received.number()), PayloadType::new(sent.number()))
        {
            map.insert(received, sent);
        }
    }
    map
}

/// Fresh credentials for ICE.
pub(super) fn ice_credentials(fx: &mut Effects<'_>) -> Option<IceCredentials> {
    credentials_from_random(&fx.random_bytes())
}

/// Begins ICE for an end.
pub(super) fn open_browser_end(end: EndId, local: &IceCredentials, offerer: bool) -> ConnectivityCommand {
    ConnectivityCommand::Open { end, local: local.clone(), offerer }
}

/// New credentials for the same association.
pub(super) fn restart_ice(end: EndId, local: &IceCredentials) -> ConnectivityCommand {
    ConnectivityCommand::Restart { end, local: local.clone() }
}

/// What a browser's description tells the owner of ICE; nothing for other peers.
pub(super) fn set_browser_remote(end: EndId, agreed: &AgreedMedia) -> Vec<ConnectivityCommand> {
    let AgreedSecurity::DtlsSrtp { role, fingerprint, ice } = &agreed.security else { return Vec::new() };
    let remote = RemoteSetup {
        credentials: ice.credentials.clone(),
        ice_lite: ice.lite,
        fingerprints: vec![fingerprint.clone()],
        setup: match role {
            DtlsRole::Client => SetupRole::Passive,
            DtlsRole::Server => SetupRole::Active,
        },
    };
    let first = ConnectivityCommand::SetRemote { end, remote: Box::new(remote) };
    let candidates = ice
        .candidates
        .iter()
        .map(|candidate| ConnectivityCommand::AddCandidate { end, candidate: Box::new(candidate.clone()) });
    std::iter::once(first).chain(candidates).collect()
}

/// A candidate that came by itself.
pub(super) fn add_candidate(end: EndId, candidate: Candidate) -> ConnectivityCommand {
    ConnectivityCommand::AddCandidate { end, candidate: Box::new(candidate) }
}

/// Reads `candidate:…`; `None` for the end of the list, and for what is no candidate.
pub(super) fn candidate(text: &str) -> Option<Candidate> {
    let text = text.trim();
    let text = text.strip_prefix("a=").unwrap_or(text);
    text.strip_prefix("candidate:").unwrap_or(text).parse().ok()
}

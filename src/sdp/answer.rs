//! The answerer's half of RFC 3264 §6, with BUNDLE (RFC 9143 §7.3), SDES (RFC 4568 §5.1.2) and DTLS (RFC 8842 §5.3).

use super::agreed::{AgreedCodec, AgreedMedia, AgreedSecurity, Answer};
use super::codec::Codec;
use super::crypto::CryptoAttribute;
use super::direction::Direction;
use super::limits::MAX_AGREED_CODECS;
use super::local::{LocalCapabilities, LocalDtls, LocalMedia, LocalSecurity};
use super::local_section::{describe, live_section, rejected_section};
use super::media_description::MediaDescription;
use super::office::retain_usable_events;
use super::origin::Origin;
use super::reason::MediaRefusal;
use super::remote::{RemoteDtls, RemoteSecurity, first_audio, read_section};
use super::session_description::SessionDescription;
use super::setup::DtlsRole;

/// Answers `offer` with what `local` can do. Every section of the offer has one in the answer, in order; the first
/// audio section that works is accepted, all others are rejected with port 0.
///
/// # Errors
/// Why no audio section could be accepted: reply `488 Not Acceptable Here`.
pub fn answer(
    offer: &SessionDescription,
    local: &LocalCapabilities,
    origin: Origin,
) -> Result<Answer, MediaRefusal> {
    let (ours, agreed) = first_audio(offer, |section, media| accept(offer, section, media, local))?;
    let sections = offer.media.iter().enumerate().map(|(section, theirs)| {
        if section == agreed.remote.section {
            live_section(&ours, theirs.protocol.clone())
        } else {
            rejected_section(theirs)
        }
    });
    let bundle = ours.mid.as_deref().is_some_and(|mid| offer.bundle_of(mid).is_some());
    Ok(Answer { description: describe(&ours, sections.collect(), bundle, origin), agreed })
}

/// What we say and what is agreed, if this section is the one.
fn accept(
    offer: &SessionDescription,
    section: usize,
    media: &MediaDescription,
    local: &LocalCapabilities,
) -> Result<(LocalMedia, AgreedMedia), MediaRefusal> {
    let remote = read_section(offer, section, media, local.policy)?;
    let (ours, agreed_codecs) = common_codecs(&remote.codecs, &local.codecs)?;
    let over_ice = matches!(remote.security, RemoteSecurity::DtlsSrtp(_));
    if over_ice && !remote.rtcp_mux {
        return Err(MediaRefusal::MissingRtcpMux);
    }
    let (our_security, security) = match &remote.security {
        RemoteSecurity::Plain => (LocalSecurity::Plain, AgreedSecurity::Plain),
        RemoteSecurity::Sdes(lines) => answer_sdes(lines, local)?,
        RemoteSecurity::DtlsSrtp(dtls) => answer_dtls(dtls, local)?,
    };
    let rtcp_mux = remote.rtcp_mux && (local.rtcp_mux || over_ice);
    let ours = LocalMedia {
        rtp: local.rtp,
        rtcp_port: if rtcp_mux { local.rtp.port().saturating_add(1) } else { local.rtcp_port },
        rtcp_mux,
        codecs: ours,
        direction: Direction::answer_to(remote.direction, local.direction),
        ptime: local.ptime,
        security: our_security,
        mid: remote.mid.clone(),
        source: local.source.clone(),
    };
    let direction = ours.direction;
    Ok((ours, AgreedMedia { remote, codecs: agreed_codecs, direction, rtcp_mux, security }))
}

/// The codecs both have: in the offer's order and under its numbers, with our parameters for what we receive and
/// theirs for what we send.
fn common_codecs(offered: &[Codec], ours: &[Codec]) -> Result<(Vec<Codec>, Vec<AgreedCodec>), MediaRefusal> {
    let mut described: Vec<Codec> = Vec::new();
    for theirs in offered {
        let repeated = described.iter().any(|codec| codec.matches(theirs));
        if let Some(ours) = ours.iter().find(|ours| ours.matches(theirs))
            && !repeated
            && described.len() < MAX_AGREED_CODECS
        {
            described.push(Codec { fmtp: ours.fmtp.clone(), ..theirs.clone() });
        }
    }
    retain_usable_events(&mut described);
    if !described.iter().any(|codec| codec.encoding().is_audio()) {
        return Err(MediaRefusal::NoCommonCodec);
    }
    let agreed = offered
        .iter()
        .filter(|theirs| described.iter().any(|codec| codec.payload_type == theirs.payload_type))
        .map(|theirs| AgreedCodec { codec: theirs.clone(), receive_type: theirs.payload_type });
    let agreed = agreed.collect();
    Ok((described, agreed))
}

fn answer_sdes(
    offered: &[CryptoAttribute],
    local: &LocalCapabilities,
) -> Result<(LocalSecurity, AgreedSecurity), MediaRefusal> {
    let best = local.suites.iter().find_map(|suite| offered.iter().find(|line| line.suite == *suite));
    let theirs = best.ok_or(MediaRefusal::NoAcceptableCrypto)?;
    let ours = CryptoAttribute::new(theirs.tag, local.key_seed.key(theirs.suite));
    let agreed = AgreedSecurity::Sdes { local: ours.clone(), remote: theirs.clone() };
    Ok((LocalSecurity::Sdes(vec![ours]), agreed))
}

fn answer_dtls(
    offered: &RemoteDtls,
    local: &LocalCapabilities,
) -> Result<(LocalSecurity, AgreedSecurity), MediaRefusal> {
    let ours = local.dtls.as_ref().ok_or(MediaRefusal::ProtocolNotAllowed)?;
    let role = DtlsRole::answering(offered.setup, local.dtls_role).ok_or(MediaRefusal::SetupConflict)?;
    let agreed =
        AgreedSecurity::DtlsSrtp { role, fingerprint: offered.fingerprint.clone(), ice: offered.ice.clone() };
    Ok((LocalSecurity::DtlsSrtp(LocalDtls { setup: role.setup(), ..ours.clone() }), agreed))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;

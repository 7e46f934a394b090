//! The offerer's half of RFC 3264 §5, §7 and §8.

use super::agreed::{AgreedCodec, AgreedMedia, AgreedSecurity};
use super::codec::Codec;
use super::crypto::CryptoAttribute;
use super::group::Group;
use super::limits::MAX_AGREED_CODECS;
use super::local::{LocalMedia, LocalSecurity};
use super::local_section::{describe, live_section, rejected_section};
use super::media_description::{MediaDescription, MediaKind, TransportProtocol};
use super::origin::Origin;
use super::reason::MediaRefusal;
use super::remote::{MediaPolicy, RemoteMedia, RemoteSecurity, read_section};
use super::session_description::SessionDescription;
use super::setup::DtlsRole;

/// Describes `local` as an offer. In a session that was described before, `previous` is our last description:
/// its sections keep their number, order and mids, and those that are not the audio stay rejected.
pub fn offer(
    local: &LocalMedia,
    previous: Option<&SessionDescription>,
    origin: Origin,
) -> SessionDescription {
    let before: &[MediaDescription] = previous.map_or(&[], |previous| &previous.media);
    let place = audio_place(before);
    let mut local = local.clone();
    local.rtcp_mux |= matches!(local.security, LocalSecurity::DtlsSrtp(_));
    if let Some(mid) = place.and_then(|place| before.get(place)).and_then(MediaDescription::mid) {
        local.mid = Some(mid.to_owned());
    }
    let live = live_section(&local, protocol_of(&local.security));
    let mut sections: Vec<MediaDescription> = before.iter().map(rejected_section).collect();
    match place.and_then(|place| sections.get_mut(place)) {
        Some(section) => *section = live,
        None => sections.push(live),
    }
    describe(&local, sections, true, origin)
}

/// Reads the `answer` to our `offer`, which described `local`.
///
/// # Errors
/// What in the answer does not fit the offer: acknowledge it and end the dialog.
pub fn read_answer(
    offer: &SessionDescription,
    local: &LocalMedia,
    answer: &SessionDescription,
) -> Result<AgreedMedia, MediaRefusal> {
    let section = audio_place(&offer.media).ok_or(MediaRefusal::NoAudio)?;
    let ours = offer.media.get(section).ok_or(MediaRefusal::NoAudio)?;
    if answer.media.len() != offer.media.len() {
        return Err(MediaRefusal::SectionCountDiffers);
    }
    let theirs = answer.media.get(section).ok_or(MediaRefusal::SectionCountDiffers)?;
    check_section(ours, theirs)?;
    check_bundle(offer, answer)?;
    let remote = read_section(answer, section, theirs, MediaPolicy::ANY)?;
    let rtcp_mux = ours.rtcp_mux() && remote.rtcp_mux;
    let security = agree_security(local, &remote, rtcp_mux)?;
    let codecs = agree_codecs(&local.codecs, &remote.codecs)?;
    let direction = local.direction.and(remote.direction.reversed());
    Ok(AgreedMedia { remote, codecs, direction, rtcp_mux, security })
}

/// Where the audio is among our own sections: the live one, or else one that can be revived (RFC 3264 §8.1).
fn audio_place(sections: &[MediaDescription]) -> Option<usize> {
    let audio = |media: &MediaDescription| media.kind == MediaKind::Audio;
    sections
        .iter()
        .position(|media| audio(media) && media.port != 0)
        .or_else(|| sections.iter().position(audio))
}

const fn protocol_of(security: &LocalSecurity) -> TransportProtocol {
    match security {
        LocalSecurity::Plain => TransportProtocol::RtpAvp,
        LocalSecurity::Sdes(_) => TransportProtocol::RtpSavp,
        LocalSecurity::DtlsSrtp(_) => TransportProtocol::UdpTlsRtpSavpf,
    }
}

fn check_section(ours: &MediaDescription, theirs: &MediaDescription) -> Result<(), MediaRefusal> {
    if theirs.kind != ours.kind {
        Err(MediaRefusal::KindDiffers)
    } else if theirs.port == 0 {
        Err(MediaRefusal::Rejected)
    } else if theirs.protocol != ours.protocol {
        Err(MediaRefusal::ProtocolDiffers)
    } else {
        Ok(())
    }
}

/// An answer may leave sections out of our groups, never put others in (RFC 9143 §7.3).
fn check_bundle(offer: &SessionDescription, answer: &SessionDescription) -> Result<(), MediaRefusal> {
    let grouped = answer.groups().filter(Group::is_bundle).flat_map(|group| group.mids);
    let mut strangers = grouped.filter(|mid| offer.bundle_of(mid).is_none());
    if strangers.next().is_some() { Err(MediaRefusal::BundleDiffers) } else { Ok(()) }
}

fn agree_security(
    local: &LocalMedia,
    remote: &RemoteMedia,
    rtcp_mux: bool,
) -> Result<AgreedSecurity, MediaRefusal> {
    match (&local.security, &remote.security) {
        (LocalSecurity::Plain, RemoteSecurity::Plain) => Ok(AgreedSecurity::Plain),
        (LocalSecurity::Sdes(ours), RemoteSecurity::Sdes(theirs)) => {
            let pair = theirs.iter().find_map(|theirs| {
                let same = |ours: &&_| same_line(ours, theirs);
                Some((ours.iter().find(same)?, theirs))
            });
            let (ours, theirs) = pair.ok_or(MediaRefusal::UnknownCryptoTag)?;
            Ok(AgreedSecurity::Sdes { local: ours.clone(), remote: theirs.clone() })
        }
        (LocalSecurity::DtlsSrtp(_), RemoteSecurity::DtlsSrtp(_)) if !rtcp_mux => {
            Err(MediaRefusal::MissingRtcpMux)
        }
        (LocalSecurity::DtlsSrtp(ours), RemoteSecurity::DtlsSrtp(theirs)) => {
            let role = DtlsRole::after_answer(ours.setup, theirs.setup).ok_or(MediaRefusal::SetupConflict)?;
            let (fingerprint, ice) = (theirs.fingerprint.clone(), theirs.ice.clone());
            Ok(AgreedSecurity::DtlsSrtp { role, fingerprint, ice })
        }
        _ => Err(MediaRefusal::ProtocolDiffers),
    }
}

fn same_line(ours: &CryptoAttribute, theirs: &CryptoAttribute) -> bool {
    ours.tag == theirs.tag && ours.suite == theirs.suite
}

/// What of the answer we offered, in the answer's order. A codec is known by our number first, and by its name when
/// the answerer gave it a number of its own. What we did not offer is left out.
fn agree_codecs(ours: &[Codec], theirs: &[Codec]) -> Result<Vec<AgreedCodec>, MediaRefusal> {
    let mut agreed: Vec<AgreedCodec> = Vec::new();
    for codec in theirs {
        let same_number = |ours: &&Codec| ours.payload_type == codec.payload_type && ours.matches(codec);
        let known = ours.iter().find(same_number).or_else(|| ours.iter().find(|ours| ours.matches(codec)));
        let Some(known) = known else { continue };
        let repeated = agreed.iter().any(|agreed| agreed.receive_type == known.payload_type);
        if !repeated && agreed.len() < MAX_AGREED_CODECS {
            agreed.push(AgreedCodec { codec: codec.clone(), receive_type: known.payload_type });
        }
    }
    if agreed.iter().any(|agreed| agreed.codec.encoding().is_audio()) {
        Ok(agreed)
    } else {
        Err(MediaRefusal::NoCommonCodec)
    }
}

#[cfg(test)]
#[path = "offer_tests.rs"]
mod tests;

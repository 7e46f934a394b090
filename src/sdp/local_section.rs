//! Our own sections as text: the live one, and those that stay rejected.

use super::attribute::Attribute;
use super::codec::Codec;
use super::connection::Connection;
use super::crypto::CryptoAttribute;
use super::group::Group;
use super::local::{LocalDtls, LocalMedia, LocalSecurity};
use super::media_description::{MediaDescription, MediaKind, TransportProtocol};
use super::origin::Origin;
use super::session_description::SessionDescription;
use super::source::LocalSource;

/// A description of these sections, one of which describes `local`.
pub(super) fn describe(
    local: &LocalMedia,
    sections: Vec<MediaDescription>,
    bundle: bool,
    origin: Origin,
) -> SessionDescription {
    let mut description = SessionDescription::new(origin);
    description.connection = Some(Connection::new(local.rtp.ip()));
    if let (true, Some(mid)) = (bundle, &local.mid) {
        description.attributes.push(Attribute::new("group", Group::bundle([mid.clone()])));
    }
    if let LocalSecurity::DtlsSrtp(LocalDtls { ice, .. }) = &local.security
        && ice.lite
    {
        description.attributes.push(Attribute::flag("ice-lite"));
    }
    description.media = sections;
    description
}

/// The live audio section.
pub(super) fn live_section(local: &LocalMedia, protocol: TransportProtocol) -> MediaDescription {
    let mut media = MediaDescription::new(MediaKind::Audio, local.rtp.port(), protocol);
    let attributes = &mut media.attributes;
    attributes.extend(local.mid.iter().map(|mid| Attribute::new("mid", mid)));
    attributes.push(Attribute::flag(local.direction.as_str()));
    push_rtcp(local, attributes);
    for codec in &local.codecs {
        media.formats.push(codec.payload_type.to_string());
        push_codec(codec, attributes);
    }
    attributes.extend(local.ptime.map(|ptime| Attribute::new("ptime", ptime)));
    match &local.security {
        LocalSecurity::Plain => {}
        LocalSecurity::Sdes(lines) => attributes.extend(lines.iter().map(CryptoAttribute::to_attribute)),
        LocalSecurity::DtlsSrtp(dtls) => push_dtls(dtls, attributes),
    }
    if let Some(source) = &local.source {
        push_source(source, attributes);
    }
    media
}

/// A section that says no to `theirs`: same kind, protocol and formats, port 0 (RFC 3264 §6).
pub(super) fn rejected_section(theirs: &MediaDescription) -> MediaDescription {
    let mut media = MediaDescription::new(theirs.kind.clone(), 0, theirs.protocol.clone());
    media.formats.clone_from(&theirs.formats);
    media.attributes.extend(theirs.mid().map(|mid| Attribute::new("mid", mid)));
    media.attributes.push(Attribute::flag("inactive"));
    media
}

fn push_rtcp(local: &LocalMedia, attributes: &mut Vec<Attribute>) {
    if local.rtcp_mux {
        attributes.push(Attribute::flag("rtcp-mux"));
    }
    let over_ice = matches!(local.security, LocalSecurity::DtlsSrtp(_));
    if !over_ice && local.rtp.port().checked_add(1) != Some(local.rtcp_port) {
        attributes.push(Attribute::new("rtcp", local.rtcp_port));
    }
}

fn push_codec(codec: &Codec, attributes: &mut Vec<Attribute>) {
    /// The sixteen DTMF events (RFC 4733 §3.2), when nobody said more.
    const DTMF_EVENTS: &str = "0-15";
    attributes.push(Attribute::new("rtpmap", codec.rtpmap()));
    let events = codec.is_telephone_event().then_some(DTMF_EVENTS);
    if let Some(fmtp) = codec.fmtp.as_deref().or(events) {
        attributes.push(Attribute::new("fmtp", format_args!("{} {fmtp}", codec.payload_type)));
    }
}

fn push_dtls(dtls: &LocalDtls, attributes: &mut Vec<Attribute>) {
    let LocalDtls { fingerprint, setup, ice } = dtls;
    attributes.push(Attribute::new("ice-ufrag", ice.credentials.ufrag()));
    attributes.push(Attribute::new("ice-pwd", ice.credentials.password()));
    if ice.trickle {
        attributes.push(Attribute::new("ice-options", "trickle"));
    }
    attributes.push(Attribute::new("fingerprint", fingerprint));
    attributes.push(Attribute::new("setup", setup.as_str()));
    attributes.extend(ice.candidates.iter().map(|candidate| Attribute::new("candidate", candidate)));
    if ice.end_of_candidates {
        attributes.push(Attribute::flag("end-of-candidates"));
    }
}

fn push_source(source: &LocalSource, attributes: &mut Vec<Attribute>) {
    let LocalSource { ssrc, cname, msid } = source;
    attributes.push(Attribute::new("msid", msid));
    attributes.push(Attribute::new("ssrc", format_args!("{ssrc} cname:{cname}")));
    attributes.push(Attribute::new("ssrc", format_args!("{ssrc} msid:{msid}")));
}

//! `m=` and what belongs to it: one media section (RFC 8866 §5.14), with typed readings of its attributes.

use std::fmt;
use std::str::FromStr;

use super::attribute::Attribute;
use super::codec::{Codec, PayloadType};
use super::connection::Connection;
use super::crypto::{CryptoAttribute, CryptoRefusal};
use super::direction::Direction;
use super::ice::Candidate;
use super::rtcp::RtcpAttribute;
use super::session_description::Line;

/// What a section carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `application`: data channels, floor control.
    Application,
    /// `text`, `image`, `message` and what is yet to come.
    Other(String),
}

impl MediaKind {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Other(name) => name,
        }
    }

    /// Reads the name on the wire.
    pub fn parse(name: &str) -> Self {
        match name {
            "audio" => Self::Audio,
            "video" => Self::Video,
            "application" => Self::Application,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A section's transport protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TransportProtocol {
    /// `RTP/AVP` (RFC 3551): plain.
    RtpAvp,
    /// `RTP/AVPF` (RFC 4585): plain, early feedback.
    RtpAvpf,
    /// `RTP/SAVP` (RFC 3711): SRTP, keys by SDES or, from older peers, DTLS.
    RtpSavp,
    /// `RTP/SAVPF` (RFC 5124): SRTP with feedback.
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764): DTLS-SRTP.
    UdpTlsRtpSavp,
    /// `UDP/TLS/RTP/SAVPF` (RFC 5764): DTLS-SRTP with feedback; what browsers offer.
    UdpTlsRtpSavpf,
    /// Anything else, kept for the answer that rejects it.
    Other(String),
}

impl TransportProtocol {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RtpAvp => "RTP/AVP",
            Self::RtpAvpf => "RTP/AVPF",
            Self::RtpSavp => "RTP/SAVP",
            Self::RtpSavpf => "RTP/SAVPF",
            Self::UdpTlsRtpSavp => "UDP/TLS/RTP/SAVP",
            Self::UdpTlsRtpSavpf => "UDP/TLS/RTP/SAVPF",
            Self::Other(name) => name,
        }
    }

    /// Reads the name on the wire.
    pub fn parse(name: &str) -> Self {
        match name {
            "RTP/AVP" => Self::RtpAvp,
            "RTP/AVPF" => Self::RtpAvpf,
            "RTP/SAVP" => Self::RtpSavp,
            "RTP/SAVPF" => Self::RtpSavpf,
            "UDP/TLS/RTP/SAVP" => Self::UdpTlsRtpSavp,
            "UDP/TLS/RTP/SAVPF" => Self::UdpTlsRtpSavpf,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether RTCP feedback of RFC 4585 may be used.
    pub const fn has_feedback(&self) -> bool {
        matches!(self, Self::RtpAvpf | Self::RtpSavpf | Self::UdpTlsRtpSavpf)
    }

    /// Whether this is RTP of any kind, so that formats are payload types.
    pub const fn is_rtp(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

/// One media section. Attributes stay as they stood; the methods read them.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// What the section carries.
    pub kind: MediaKind,
    /// The port, 0 for a section that is rejected, disabled or bundle-only.
    pub port: u16,
    /// The number of ports after `/`, when given (RFC 8866 §5.14); not used.
    pub port_count: Option<u16>,
    /// The transport protocol.
    pub protocol: TransportProtocol,
    /// The formats in the writer's order of preference: payload types if the protocol is RTP.
    pub formats: Vec<String>,
    /// This section's own `c=` line.
    pub connection: Option<Connection>,
    /// Lines `i=`, `b=`, `k=` and further `c=` ones, in order.
    pub lines: Vec<Line>,
    /// The attributes in order.
    pub attributes: Vec<Attribute>,
}

impl MediaDescription {
    /// A section with no attribute yet.
    pub const fn new(kind: MediaKind, port: u16, protocol: TransportProtocol) -> Self {
        Self {
            kind,
            port,
            port_count: None,
            protocol,
            formats: Vec::new(),
            connection: None,
            lines: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// The first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// All attributes of that name, in order.
    pub fn attributes_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Attribute> {
        self.attributes.iter().filter(move |attribute| attribute.name == name)
    }

    /// Whether an attribute of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// Whether port 0 here means "no": a bundle-only section has port 0 and lives (RFC 9143 §6).
    pub fn is_disabled(&self) -> bool {
        self.port == 0 && !self.has("bundle-only")
    }

    /// The direction this section itself states; the last one wins, as in most peers.
    pub fn direction(&self) -> Option<Direction> {
        direction_of(&self.attributes)
    }

    /// `a=mid` (RFC 5888).
    pub fn mid(&self) -> Option<&str> {
        self.attribute("mid").map(Attribute::text).map(str::trim_ascii).filter(|mid| !mid.is_empty())
    }

    /// Whether `a=rtcp-mux` is there (RFC 5761), or `a=rtcp-mux-only` (RFC 8858).
    pub fn rtcp_mux(&self) -> bool {
        self.has("rtcp-mux") || self.has("rtcp-mux-only")
    }

    /// `a=rtcp` (RFC 3605).
    pub fn rtcp(&self) -> Option<RtcpAttribute> {
        self.first("rtcp")
    }

    /// `a=ptime`: milliseconds of audio per packet that the writer wants; fractions are cut, 0 and above 1000 ignored.
    pub fn ptime(&self) -> Option<u16> {
        self.milliseconds("ptime")
    }

    /// `a=maxptime`: most milliseconds of audio per packet, read as [`Self::ptime`].
    pub fn maxptime(&self) -> Option<u16> {
        self.milliseconds("maxptime")
    }

    /// The codecs, in the order of the formats: from `a=rtpmap` and `a=fmtp`, and RFC 3551's table where there is
    /// no `a=rtpmap`. Formats that are neither are left out.
    pub fn codecs(&self) -> Vec<Codec> {
        let types = self.formats.iter().filter_map(|format| format.parse::<PayloadType>().ok());
        let mut codecs: Vec<Codec> = Vec::with_capacity(self.formats.len());
        for payload_type in types {
            if codecs.iter().all(|codec| codec.payload_type != payload_type)
                && let Some(codec) = self.codec(payload_type)
            {
                codecs.push(codec);
            }
        }
        codecs
    }

    /// The `a=crypto` lines in order, each read or refused with its reason.
    pub fn crypto(&self) -> impl Iterator<Item = Result<CryptoAttribute, CryptoRefusal>> {
        self.attributes_named("crypto").map(|attribute| CryptoAttribute::parse(attribute.text()))
    }

    /// The `a=candidate` lines that could be read, in order. Others (new transports, bad text) are skipped, as
    /// RFC 8839 §5.1 demands.
    pub fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.attributes_named("candidate").filter_map(|attribute| attribute.text().parse().ok())
    }

    /// The first attribute of that name that can be read as `T`.
    pub fn first<T: FromStr>(&self, name: &str) -> Option<T> {
        self.attributes.iter().filter(|a| a.name == name).find_map(|a| a.text().parse().ok())
    }

    /// All attributes of that name that can be read as `T`, in order.
    pub fn all<T: FromStr>(&self, name: &str) -> Vec<T> {
        self.attributes.iter().filter(|a| a.name == name).filter_map(|a| a.text().parse().ok()).collect()
    }

    fn codec(&self, payload_type: PayloadType) -> Option<Codec> {
        let number = payload_type.to_string();
        let of_type = |attribute: &&Attribute| {
            attribute.text().split_ascii_whitespace().next() == Some(number.as_str())
        };
        let rest = |attribute: &Attribute| {
            attribute
                .text()
                .trim_ascii_start()
                .split_once([' ', '\t'])
                .map(|(_, rest)| rest.trim_ascii().to_owned())
        };
        let mut codec = match self.attributes_named("rtpmap").find(of_type) {
            Some(rtpmap) => Codec::from_rtpmap(payload_type, &rest(rtpmap)?)?,
            None => Codec::of_static_type(payload_type)?,
        };
        codec.fmtp = self.attributes_named("fmtp").find(of_type).and_then(rest);
        Some(codec)
    }

    fn milliseconds(&self, name: &str) -> Option<u16> {
        let text = self.attribute(name)?.text().trim_ascii();
        let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
        whole.parse().ok().filter(|value| (1..=1000).contains(value))
    }
}

/// The last direction among some attributes.
pub(super) fn direction_of(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().rev().filter(|a| a.value.is_none()).find_map(|a| Direction::parse(&a.name))
}

impl fmt::Debug for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "m={} {} {} {}",
            self.kind.as_str(),
            self.port,
            self.protocol.as_str(),
            self.formats.join(" ")
        )?;
        f.debug_list().entries(&self.attributes).finish()
    }
}

//! Codecs as SDP names them: `a=rtpmap`, `a=fmtp` (RFC 8866 §6.6, §6.15) and the static payload types of RFC 3551.

use std::fmt;
use std::str::FromStr;

/// An RTP payload type, 0 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// A payload type; `None` above 127.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The number, 0 to 127.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether it is of the dynamic range, 96 to 127 (RFC 3551 §6).
    pub const fn is_dynamic(self) -> bool {
        self.0 >= 96
    }

    /// Whether packets of this type, with the marker bit, look like RTCP on a shared port (RFC 5761 §4).
    pub const fn collides_with_rtcp(self) -> bool {
        self.0 >= 64 && self.0 < 96
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PayloadType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.starts_with('+') {
            return Err(());
        }
        text.parse().ok().and_then(Self::new).ok_or(())
    }
}

/// The encodings Branchline knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Opus (RFC 7587): always `opus/48000/2`.
    Opus,
    /// G.722 (RFC 3551 §4.5.2): says 8000, samples at 16000.
    G722,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// DTMF as events (RFC 4733), at its codec's clock rate.
    TelephoneEvent,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
    /// Any other.
    Other,
}

impl Encoding {
    /// Reads an encoding name, case-insensitively.
    pub fn parse(name: &str) -> Self {
        const NAMES: [(&str, Encoding); 6] = [
            ("opus", Encoding::Opus),
            ("G722", Encoding::G722),
            ("PCMU", Encoding::Pcmu),
            ("PCMA", Encoding::Pcma),
            ("telephone-event", Encoding::TelephoneEvent),
            ("CN", Encoding::ComfortNoise),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(Self::Other, |(_, encoding)| *encoding)
    }

    /// Whether this is sound, and not events or silence that go with it.
    pub const fn is_audio(self) -> bool {
        !matches!(self, Self::TelephoneEvent | Self::ComfortNoise)
    }
}

/// One codec under one payload type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// The number it has in its description.
    pub payload_type: PayloadType,
    /// The encoding name as written.
    pub name: String,
    /// RTP clock rate in Hz, as written: G.722 says 8000.
    pub clock_rate: u32,
    /// Channels: 1 when not written.
    pub channels: u8,
    /// `a=fmtp`'s parameters, as written.
    pub fmtp: Option<String>,
}

impl Codec {
    /// A codec without parameters.
    pub fn new(payload_type: PayloadType, name: &str, clock_rate: u32, channels: u8) -> Self {
        Self { payload_type, name: name.to_owned(), clock_rate, channels, fmtp: None }
    }

    /// The same codec with format parameters.
    #[must_use]
    pub fn with_fmtp(mut self, fmtp: &str) -> Self {
        self.fmtp = Some(fmtp.to_owned());
        self
    }

    /// The same codec under another number.
    #[must_use]
    pub const fn with_payload_type(mut self, payload_type: PayloadType) -> Self {
        self.payload_type = payload_type;
        self
    }

    /// Reads `name/rate[/channels]`; `None` if the name is empty or a number is bad or 0.
    pub fn from_rtpmap(payload_type: PayloadType, text: &str) -> Option<Self> {
        let mut parts = text.trim_ascii().split('/');
        let name = parts.next().filter(|name| !name.is_empty() && !name.contains([' ', '\t']))?;
        let clock_rate = parts.next()?.trim_ascii().parse().ok().filter(|rate| *rate > 0)?;
        let channels = match parts.next() {
            Some(channels) => channels.trim_ascii().parse().ok().filter(|channels| *channels > 0)?,
            None => 1,
        };
        Some(Self::new(payload_type, name, clock_rate, channels))
    }

    /// The codec that RFC 3551 gives a static payload type (§6); `None` for others.
    pub fn of_static_type(payload_type: PayloadType) -> Option<Self> {
        let (name, clock_rate, channels) = match payload_type.number() {
            0 => ("PCMU", 8_000, 1),
            3 => ("GSM", 8_000, 1),
            4 => ("G723", 8_000, 1),
            5 => ("DVI4", 8_000, 1),
            6 => ("DVI4", 16_000, 1),
            7 => ("LPC", 8_000, 1),
            8 => ("PCMA", 8_000, 1),
            9 => ("G722", 8_000, 1),
            10 => ("L16", 44_100, 2),
            11 => ("L16", 44_100, 1),
            12 => ("QCELP", 8_000, 1),
            13 => ("CN", 8_000, 1),
            14 => ("MPA", 90_000, 1),
            15 => ("G728", 8_000, 1),
            16 => ("DVI4", 11_025, 1),
            17 => ("DVI4", 22_050, 1),
            18 => ("G729", 8_000, 1),
            25 => ("CelB", 90_000, 1),
            26 => ("JPEG", 90_000, 1),
            28 => ("nv", 90_000, 1),
            31 => ("H261", 90_000, 1),
            32 => ("MPV", 90_000, 1),
            33 => ("MP2T", 90_000, 1),
            34 => ("H263", 90_000, 1),
            _ => return None,
        };
        Some(Self::new(payload_type, name, clock_rate, channels))
    }

    /// Which encoding this is.
    pub fn encoding(&self) -> Encoding {
        Encoding::parse(&self.name)
    }

    /// Whether this is DTMF as events.
    pub fn is_telephone_event(&self) -> bool {
        self.encoding() == Encoding::TelephoneEvent
    }

    /// Whether two descriptions mean the same codec, whatever its number: name without case, clock rate, channels.
    /// Telephone events differ by clock rate. G.722 is one codec, though some peers write its true 16000.
    /// Opus is one codec, though some peers leave out its `/2`.
    pub fn matches(&self, other: &Self) -> bool {
        let encoding = self.encoding();
        if !self.name.eq_ignore_ascii_case(&other.name) {
            return false;
        }
        match encoding {
            Encoding::G722 => self.is_g722_rate() && other.is_g722_rate(),
            Encoding::Opus => self.clock_rate == other.clock_rate,
            _ => self.clock_rate == other.clock_rate && self.channels == other.channels,
        }
    }

    /// The value of `a=rtpmap`.
    pub fn rtpmap(&self) -> String {
        let Self { payload_type, name, clock_rate, channels, .. } = self;
        if *channels > 1 {
            format!("{payload_type} {name}/{clock_rate}/{channels}")
        } else {
            format!("{payload_type} {name}/{clock_rate}")
        }
    }

    /// One parameter of `a=fmtp`, `name=value` separated by `;`, the name without case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.as_deref()?.split(';').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim_ascii().eq_ignore_ascii_case(name).then_some(value.trim_ascii())
        })
    }

    const fn is_g722_rate(&self) -> bool {
        matches!(self.clock_rate, 8_000 | 16_000) && self.channels == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(number: u8, rtpmap: &str) -> Codec {
        Codec::from_rtpmap(PayloadType::new(number).unwrap(), rtpmap).unwrap()
    }

    #[test]
    fn rtpmaps_read_and_written() {
        for text in ["opus/48000/2", "PCMU/8000", "telephone-event/48000"] {
            assert_eq!(codec(96, text).rtpmap(), format!("96 {text}"));
        }
        assert_eq!(codec(0, "PCMU/8000/1").rtpmap(), "0 PCMU/8000");
        for text in ["", "opus", "/8000", "opus/0", "opus/x/2", "opus/48000/0", "a b/8000", "opus/48000/300"]
        {
            assert_eq!(Codec::from_rtpmap(PayloadType(96), text), None, "{text}");
        }
    }

    #[test]
    fn static_types() {
        let of = |number| Codec::of_static_type(PayloadType(number));
        assert_eq!(of(0), Some(codec(0, "PCMU/8000")));
        assert_eq!(of(9), Some(codec(9, "G722/8000")));
        assert_eq!(of(101), None);
    }

    #[test]
    fn matching() {
        assert!(codec(0, "PCMU/8000").matches(&codec(97, "pcmu/8000")));
        assert!(codec(9, "G722/8000").matches(&codec(97, "G722/16000")));
        assert!(codec(96, "opus/48000/2").matches(&codec(111, "OPUS/48000")));
        assert!(!codec(101, "telephone-event/8000").matches(&codec(110, "telephone-event/48000")));
        assert!(!codec(96, "L16/8000/2").matches(&codec(97, "L16/8000")));
    }

    #[test]
    fn parameters() {
        let opus = codec(111, "opus/48000/2").with_fmtp("minptime=10; useinbandfec=1");
        assert_eq!(opus.parameter("UseInbandFEC"), Some("1"));
        assert_eq!(opus.parameter("stereo"), None);
    }

    #[test]
    fn payload_types_are_bounded() {
        assert_eq!("128".parse::<PayloadType>(), Err(()));
        assert_eq!("+1".parse::<PayloadType>(), Err(()));
        assert!(PayloadType(96).is_dynamic() && !PayloadType(95).is_dynamic());
        assert!(PayloadType(72).collides_with_rtcp() && !PayloadType(96).collides_with_rtcp());
    }
}

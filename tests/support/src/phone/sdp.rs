//! Session descriptions of a phone with one audio stream (RFC 8866, RFC 3264).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::g711;

/// The payload type under which this phone offers telephone-event.
pub const TELEPHONE_EVENT: u8 = 101;

/// A codec that the phone speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 µ-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// The static payload type.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The codec of a static payload type.
    pub fn of(payload_type: u8) -> Option<Self> {
        [Self::Pcmu, Self::Pcma].into_iter().find(|codec| codec.payload_type() == payload_type)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// One sample encoded.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => g711::encode_ulaw(sample),
            Self::Pcma => g711::encode_alaw(sample),
        }
    }

    /// One sample decoded.
    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcmu => g711::decode_ulaw(byte),
            Self::Pcma => g711::decode_alaw(byte),
        }
    }
}

/// Which way media flows, seen from the one who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// Only from the speaker.
    SendOnly,
    /// Only to the speaker.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// What one answers who agrees to everything.
    pub fn answered(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }

    /// Whether the speaker sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
}

/// This phone's description, to offer or to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Where RTP is received.
    pub address: SocketAddr,
    /// `o=`'s version, which grows with every change.
    pub version: u32,
    /// The codecs, best first.
    pub codecs: Vec<Codec>,
    /// The payload type of telephone-event, if digits are spoken of.
    pub telephone_event: Option<u8>,
    /// Which way media flows.
    pub direction: Direction,
}

impl Local {
    /// The text of it.
    pub fn to_text(&self) -> String {
        let host = self.address.ip();
        let family = if host.is_ipv4() { "IP4" } else { "IP6" };
        let mut types: Vec<u8> = self.codecs.iter().map(|codec| codec.payload_type()).collect();
        types.extend(self.telephone_event);
        let types: Vec<String> = types.iter().map(u8::to_string).collect();
        let mut text = format!(
            "v=0\r\no=peer 4711 {} IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\nm=audio {} RTP/AVP {}\r\n",
            self.version,
            self.address.port(),
            types.join(" ")
        );
        for codec in &self.codecs {
            let _ = write!(text, "a=rtpmap:{} {}/8000\r\n", codec.payload_type(), codec.name());
        }
        if let Some(number) = self.telephone_event {
            let _ = write!(text, "a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n");
        }
        let _ = write!(text, "a=ptime:20\r\na={}\r\n", self.direction.as_str());
        text
    }
}

/// What the phone takes from the far end's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where to send RTP; `None` if the stream was refused (port 0) or nothing usable was named.
    pub address: Option<SocketAddr>,
    /// Codecs that this phone speaks too, in the far end's order.
    pub codecs: Vec<Codec>,
    /// The payload type of telephone-event at 8000 Hz.
    pub telephone_event: Option<u8>,
    /// Which way media flows, as the far end sees it.
    pub direction: Direction,
}

impl Remote {
    /// Reads the first audio stream.
    pub fn parse(text: &str) -> Option<Self> {
        let line = |prefix: &'static str| text.lines().find_map(move |l| l.strip_prefix(prefix));
        let mut media = line("m=audio ")?.split_whitespace();
        let port: u16 = media.next()?.split('/').next()?.parse().ok()?;
        let after = text.split_once("m=audio ")?.1;
        let section = after.split("\nm=").next()?;
        let in_section = |prefix: &'static str| section.lines().find_map(move |l| l.strip_prefix(prefix));
        let host: Option<IpAddr> = in_section("c=IN ")
            .or_else(|| line("c=IN "))
            .and_then(|c| c.split_whitespace().nth(1)?.trim().parse().ok());
        let directions = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        let said = |part: &str| {
            directions.into_iter().find(|d| part.lines().any(|l| l.trim_end() == format!("a={}", d.as_str())))
        };
        let session = text.split("m=audio ").next().unwrap_or_default();
        Some(Self {
            address: host.filter(|_| port != 0).map(|host| SocketAddr::new(host, port)),
            codecs: media.skip(1).filter_map(|number| Codec::of(number.parse().ok()?)).collect(),
            telephone_event: section.lines().find_map(|l| {
                let (number, name) = l.strip_prefix("a=rtpmap:")?.split_once(' ')?;
                name.trim().eq_ignore_ascii_case("telephone-event/8000").then(|| number.parse().ok())?
            }),
            direction: said(section).or_else(|| said(session)).unwrap_or(Direction::SendRecv),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_back_as_it_was_meant() {
        let local = Local {
            address: "127.0.0.1:4000".parse().unwrap(),
            version: 1,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            telephone_event: Some(101),
            direction: Direction::SendOnly,
        };
        let remote = Remote::parse(&local.to_text()).unwrap();
        assert_eq!(remote.address, Some(local.address));
        assert_eq!((remote.codecs, remote.telephone_event), (local.codecs, local.telephone_event));
        assert_eq!(remote.direction, Direction::SendOnly);
    }

    #[test]
    fn a_refused_stream_has_no_address() {
        let text = "v=0\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\nm=audio 0 RTP/AVP 0\r\n";
        let remote = Remote::parse(text).unwrap();
        assert_eq!((remote.address, remote.direction), (None, Direction::Inactive));
    }
}

//! Hosts, with and without port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sip::{Flaw, Text, scan};

/// The host of a URI or a Via.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, as written.
    Name(Text),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; in brackets on the wire.
    V6(Ipv6Addr),
}

/// A host and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port, if one is written.
    pub port: Option<u16>,
}

impl Host {
    /// Reads a host: a name, an IPv4 address, or an IPv6 address with or without brackets (`received=`
    /// has none).
    pub fn parse(text: &Text) -> Result<Self, Flaw> {
        Self::parse_slice(text, text.as_str())
    }

    fn parse_slice(whole: &Text, part: &str) -> Result<Self, Flaw> {
        if let Some(inner) = part.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(Flaw::Host)?;
            return inner.parse().map(Self::V6).map_err(|_| Flaw::Host);
        }
        if part.starts_with(|c: char| c.is_ascii_digit())
            && let Ok(address) = part.parse()
        {
            return Ok(Self::V4(address));
        }
        if part.contains(':') {
            return part.parse().map(Self::V6).map_err(|_| Flaw::Host);
        }
        // Underscores are not in the grammar, but in real networks' names.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if part.is_empty() || part.len() > 253 || part.starts_with('.') || !part.bytes().all(allowed) {
            return Err(Flaw::Host);
        }
        Ok(Self::Name(whole.slice_of(part)))
    }

    /// The address, if it is not a name.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// Whether both mean the same host: names without regard to case or a final dot.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                a.strip_suffix('.').unwrap_or(a).eq_ignore_ascii_case(b.strip_suffix('.').unwrap_or(b))
            }
            (a, b) => a == b,
        }
    }
}

impl HostPort {
    /// Reads `host` or `host:port`.
    pub fn parse(text: &Text) -> Result<Self, Flaw> {
        Self::parse_slice(text, text.as_str())
    }

    /// Reads `text`, a piece of `whole`. White space around the colon is allowed (RFC 3261 §25.1 COLON).
    pub(crate) fn parse_slice(whole: &Text, text: &str) -> Result<Self, Flaw> {
        let colon = match text.strip_prefix('[') {
            Some(inner) => {
                let close = inner.find(']').ok_or(Flaw::Host)?;
                text.get(close + 2..).and_then(|tail| tail.find(':')).map(|at| close + 2 + at)
            }
            None => text.find(':'),
        };
        let (host, port) = match colon {
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
            None => (text, None),
        };
        let port = port.map(read_port).transpose()?;
        Ok(Self { host: Host::parse_slice(whole, scan::trim(host))?, port })
    }
}

fn read_port(text: &str) -> Result<u16, Flaw> {
    let number = scan::number(scan::trim(text), u64::from(u16::MAX)).ok_or(Flaw::Port)?;
    u16::try_from(number).map_err(|_| Flaw::Port)
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl From<&str> for Host {
    /// An address if `text` is one, and a name otherwise: for text that is known to be good.
    fn from(text: &str) -> Self {
        let text = Text::from(text);
        Self::parse(&text).unwrap_or(Self::Name(text))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HostPort, Flaw> {
        HostPort::parse(&Text::from(text))
    }

    #[test]
    fn names_and_both_addresses_with_ports() {
        for text in ["example.com", "example.com:5060", "192.0.2.1:1", "[2001:db8::1]", "[2001:db8::1]:5061"]
        {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("[::1] : 5060").unwrap().port, Some(5060));
        assert_eq!(Host::parse(&Text::from("2001:db8::1")).unwrap().ip(), "2001:db8::1".parse().ok());
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "[::1", "[::1]x:1", "a b", "a:99999", "a:", "a:-1", ".a", "256.1.1.1.1:x", "ä.de"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_the_same_in_any_case() {
        assert!(Host::from("Example.COM.").same(&Host::from("example.com")));
        assert!(!Host::from("192.0.2.1").same(&Host::from("192.0.2.2")));
    }
}

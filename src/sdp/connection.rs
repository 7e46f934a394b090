//! `c=`: where media is wanted (RFC 8866 §5.7).

use std::fmt;
use std::net::IpAddr;

/// Network type, address type and address, as in `IN IP4 192.0.2.1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionAddress {
    /// A numeric address whose family agrees with its address type.
    Ip(IpAddr),
    /// A domain name, a multicast address with TTL, another network: kept, never used.
    Other {
        /// `IN` in practice.
        network: String,
        /// `IP4` or `IP6` in practice.
        family: String,
        /// The address's text.
        address: String,
    },
}

impl ConnectionAddress {
    /// Makes an address of its three fields; `None` if one is empty.
    pub fn parse(network: &str, family: &str, address: &str) -> Option<Self> {
        if network.is_empty() || family.is_empty() || address.is_empty() {
            return None;
        }
        let ip = address.parse::<IpAddr>().ok().filter(|ip| {
            network.eq_ignore_ascii_case("IN")
                && family.eq_ignore_ascii_case(if ip.is_ipv4() { "IP4" } else { "IP6" })
        });
        Some(match ip {
            Some(ip) => Self::Ip(ip),
            None => Self::Other {
                network: network.to_owned(),
                family: family.to_owned(),
                address: address.to_owned(),
            },
        })
    }

    /// The numeric address, if it is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Other { .. } => None,
        }
    }
}

impl fmt::Display for ConnectionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => write!(f, "IN IP4 {ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "IN IP6 {ip}"),
            Self::Other { network, family, address } => write!(f, "{network} {family} {address}"),
        }
    }
}

/// The `c=` line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Where media is wanted.
    pub address: ConnectionAddress,
}

impl Connection {
    /// A numeric connection address.
    pub const fn new(ip: IpAddr) -> Self {
        Self { address: ConnectionAddress::Ip(ip) }
    }

    /// Reads the value of a `c=` line; `None` if it has not three fields.
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let address = ConnectionAddress::parse(fields.next()?, fields.next()?, fields.next()?)?;
        fields.next().is_none().then_some(Self { address })
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_numeric() {
        for text in ["IN IP4 192.0.2.1", "IN IP6 2001:db8::1"] {
            let connection = Connection::parse(text).unwrap();
            assert!(connection.address.ip().is_some());
            assert_eq!(connection.to_string(), text);
        }
    }

    #[test]
    fn names_multicast_and_wrong_families_are_kept_but_not_numeric() {
        for text in ["IN IP4 pbx.example.com", "IN IP4 224.2.1.1/127", "IN IP4 2001:db8::1", "ATM NSAP 47"] {
            let connection = Connection::parse(text).unwrap();
            assert_eq!(connection.address.ip(), None);
            assert_eq!(connection.to_string(), text);
        }
    }

    #[test]
    fn missing_and_extra_fields_are_refused() {
        assert_eq!(Connection::parse("IN IP4"), None);
        assert_eq!(Connection::parse("IN IP4 10.0.0.1 10.0.0.2"), None);
    }
}

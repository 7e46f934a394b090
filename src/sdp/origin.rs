//! `o=`: who made a description, which session it is of, and which version of it (RFC 8866 §5.2).

use std::fmt;
use std::net::IpAddr;

use super::connection::ConnectionAddress;

/// The `o=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name, or `-`.
    pub username: String,
    /// Session id: digits. Kept as text, because peers send more than 64 bits.
    pub session_id: String,
    /// Session version: digits. Kept as text for the same reason; equal text means an unchanged description.
    pub session_version: String,
    /// Address of the describing machine. Never used as a destination.
    pub address: ConnectionAddress,
}

impl Origin {
    /// Our own origin: `- id version` at `address`.
    pub fn new(session_id: u64, session_version: u64, address: IpAddr) -> Self {
        Self {
            username: "-".to_owned(),
            session_id: session_id.to_string(),
            session_version: session_version.to_string(),
            address: ConnectionAddress::Ip(address),
        }
    }

    /// Reads the value of an `o=` line; `None` if it has not six fields.
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let origin = Self {
            username: fields.next()?.to_owned(),
            session_id: fields.next()?.to_owned(),
            session_version: fields.next()?.to_owned(),
            address: ConnectionAddress::parse(fields.next()?, fields.next()?, fields.next()?)?,
        };
        fields.next().is_none().then_some(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, session_id, session_version, address } = self;
        write!(f, "{username} {session_id} {session_version} {address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_fields_read_and_written() {
        let text = "- 4611731400430051336 2 IN IP4 127.0.0.1";
        let origin = Origin::parse(text).unwrap();
        assert_eq!(origin.session_version, "2");
        assert_eq!(origin.to_string(), text);
    }

    #[test]
    fn wide_numbers_and_names_are_kept() {
        let text = "jdoe 99999999999999999999999999 1 IN IP6 host.example.com";
        assert_eq!(Origin::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn five_or_seven_fields_are_refused() {
        assert_eq!(Origin::parse("- 1 2 IN IP4"), None);
        assert_eq!(Origin::parse("- 1 2 IN IP4 10.0.0.1 x"), None);
    }
}

//! Who is at the other end of an HTTP connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// The connection that a request came on; the shell puts it into each request's extensions.
#[derive(Clone)]
pub struct Peer {
    /// The client's end, as the socket saw it.
    pub remote: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
    /// The client's verified certificate (DER), when it showed one.
    pub certificate: Option<Arc<[u8]>>,
    /// Whatever must live as long as somebody uses the connection: the shell's count of connections. An
    /// upgraded WebSocket keeps it too.
    pub slot: Option<Arc<dyn Send + Sync>>,
}

impl Peer {
    /// What limits are counted by: the IPv4 address, or the IPv6 /64 that one client usually owns.
    pub fn source(&self) -> Source {
        Source::of(self.remote.ip())
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer")
            .field("remote", &self.remote)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

/// A client as limits see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The client behind an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => Self(IpAddr::V4(v4)),
                None => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))),
            },
        }
    }

    /// The client that stands for all whose connection is not known.
    pub const fn unknown() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_network_is_one_source() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }
}

//! Transports that SIP runs on here.

use std::fmt;

/// How a SIP message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// One message per datagram.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream in TLS.
    Tls,
    /// One message per WebSocket frame (RFC 7118).
    Ws,
    /// WebSocket in TLS.
    Wss,
}

impl Transport {
    /// Reads the token of a Via or of a `transport` parameter, in any case.
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|known| known.via_token().eq_ignore_ascii_case(token))
    }

    /// The token in a Via header.
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The value of a URI's `transport` parameter. RFC 7118 §5.2.3 writes `ws` for both WebSockets; the
    /// scheme or the connection tells them apart.
    pub const fn uri_token(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// Whether the transport itself repeats what was lost (RFC 3261 §17: no retransmission timers).
    pub const fn reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether it is encrypted.
    pub const fn secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether it is a WebSocket: such a peer can be reached by its connection only.
    pub const fn websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The port when none is named (RFC 3261 §19.1.2, RFC 7118 §10).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via_token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_in_any_case() {
        assert_eq!(Transport::from_token("wSs"), Some(Transport::Wss));
        assert_eq!(Transport::from_token("sctp"), None);
        assert!(!Transport::Udp.reliable() && Transport::Ws.reliable());
        assert_eq!(Transport::Tls.default_port(), 5061);
    }
}

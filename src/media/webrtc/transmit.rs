//! A datagram to send.

use std::net::SocketAddr;

/// Sent from the shared, announced socket, to `to`.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// STUN or DTLS.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Transmit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transmit({} bytes to {})", self.bytes.len(), self.to)
    }
}

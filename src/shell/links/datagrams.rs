//! Carriers reached by UDP: one socket for all of them, which takes nothing from anybody else.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::flow::{Flow, Side};
use crate::engine::routing::{DialFailure, LinkId, MOST_LINKS};
use crate::shell::listen::canonical;
use crate::sip::Transport;

/// The addresses of the carriers that have been looked up, by link. Cheap to clone; bounded by the links there can be.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Mutex<HashMap<LinkId, Vec<IpAddr>>>>);

impl Known {
    /// Whether an address is a carrier's.
    pub fn contains(&self, address: IpAddr) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().any(|addresses| addresses.contains(&address))
    }

    fn set(&self, link: &LinkId, addresses: &[SocketAddr]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST_LINKS || known.contains_key(link) {
            known.insert(link.clone(), addresses.iter().map(|address| canonical(*address).ip()).collect());
        }
    }
}

/// The way to carriers by UDP.
#[derive(Clone, Debug)]
pub struct Carriers {
    /// Where the socket is bound.
    pub local: SocketAddr,
    /// From whom the socket takes datagrams.
    pub known: Known,
}

impl Carriers {
    /// The flows to a link's addresses, the first apart. From now on the socket takes datagrams from them.
    pub(super) fn flows(
        &self,
        link: &LinkId,
        addresses: &[SocketAddr],
    ) -> Result<(Flow, Vec<Flow>), DialFailure> {
        let mut flows: Vec<Flow> = addresses.iter().filter_map(|address| self.flow(*address)).collect();
        if flows.is_empty() {
            return Err(DialFailure::Refused);
        }
        self.known.set(link, addresses);
        let first = flows.remove(0);
        Ok((first, flows))
    }

    fn flow(&self, remote: SocketAddr) -> Option<Flow> {
        let remote = canonical(remote);
        let local = SocketAddr::new(self.facing(remote)?, self.local.port());
        Some(Flow { transport: Transport::Udp, local, remote, connection: None, side: Side::Gateway })
    }

    /// The address of this box that faces a peer: what the peer answers to. Nothing is sent.
    fn facing(&self, remote: SocketAddr) -> Option<IpAddr> {
        let own = self.local.ip().to_canonical();
        if !own.is_unspecified() {
            return (own.is_ipv4() == remote.is_ipv4()).then_some(own);
        }
        let any: SocketAddr =
            if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let probe = UdpSocket::bind(any).ok()?;
        probe.connect(remote).ok()?;
        probe.local_addr().ok().map(|local| local.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_is_known_once_it_was_looked_up() {
        let known = Known::default();
        let carriers = Carriers { local: ([0, 0, 0, 0], 5064).into(), known: known.clone() };
        let link: LinkId = "carrier".parse().unwrap();
        let remote: SocketAddr = ([127, 0, 0, 9], 5060).into();
        assert!(!known.contains(remote.ip()));
        let (flow, others) = carriers.flows(&link, &[remote, ([127, 0, 0, 8], 5060).into()]).unwrap();
        assert_eq!((flow.local, flow.remote), (([127, 0, 0, 1], 5064).into(), remote));
        assert_eq!(others.len(), 1);
        assert!(known.contains(remote.ip()) && known.contains([127, 0, 0, 8].into()));
        carriers.flows(&link, &[([127, 0, 0, 8], 5060).into()]).unwrap();
        assert!(!known.contains(remote.ip()), "an address that the name no longer has is forgotten");
    }

    #[test]
    fn a_socket_of_one_family_does_not_reach_the_other() {
        let carriers = Carriers { local: ([127, 0, 0, 1], 5064).into(), known: Known::default() };
        let link: LinkId = "carrier".parse().unwrap();
        let v6: SocketAddr = "[::1]:5060".parse().unwrap();
        assert_eq!(carriers.flows(&link, &[v6]).unwrap_err(), DialFailure::Refused);
    }
}

//! Phones' connections: made, broken, made again.

use std::net::SocketAddr;

use super::world::{Peer, World};
use crate::engine::Input;
use crate::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use crate::engine::testing::address;
use crate::sip::Transport;

impl World {
    /// A phone that has not registered. Each has a host of its own.
    pub(super) fn phone(&mut self, number: &str, transport: Transport) -> Peer {
        let place = self.peers.len();
        let remote = format!("192.0.2.{}:5060", 100 + place);
        self.phone_at(number, transport, address(&remote))
    }

    /// The same at this address.
    pub(super) fn phone_at(&mut self, number: &str, transport: Transport, remote: SocketAddr) -> Peer {
        let place = self.peers.len() as u64;
        let port = if transport == Transport::Udp { 5060 } else { 5061 };
        let flow = Flow {
            transport,
            local: SocketAddr::new("192.0.2.1".parse().unwrap(), port),
            remote,
            connection: transport.reliable().then_some(ConnectionId(place)),
            side: Side::Site,
        };
        if flow.connection.is_some() {
            self.feed(Input::FlowOpened { flow, identity: None });
        }
        self.peer(number, flow)
    }

    /// Its connection breaks.
    pub(super) fn breaks(&mut self, peer: Peer) {
        self.peers[peer.0].gone = true;
        let flow = self.peers[peer.0].flow;
        self.feed(Input::FlowFailed { flow, reason: FlowFailure::Closed });
    }

    /// It connects again, from another port.
    pub(super) fn reconnects(&mut self, peer: Peer) {
        let wire = &mut self.peers[peer.0];
        let old = wire.flow.connection.unwrap();
        wire.gone = false;
        wire.flow.connection = Some(ConnectionId(old.0 + 1000));
        wire.flow.remote.set_port(wire.flow.remote.port() + 1);
        let flow = wire.flow;
        self.feed(Input::FlowOpened { flow, identity: None });
    }
}

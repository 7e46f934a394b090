//! Which connections an office has. The newest counts: an office that lost one connects again before we know.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::engine::flow::ConnectionId;
use crate::uplink::OfficeId;

/// Connections of one office; with one more the oldest is closed.
pub(super) const MOST_OF_OFFICE: usize = 4;

/// An office's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Whose it is.
    pub(super) office: OfficeId,
    /// Its name in this process.
    pub(super) connection: ConnectionId,
    /// The office's end.
    pub(super) remote: SocketAddr,
}

/// All connections; bounded by those that the door lets in.
#[derive(Debug, Default)]
pub(super) struct Flows {
    peers: HashMap<ConnectionId, Peer>,
    /// The newest last.
    offices: HashMap<OfficeId, Vec<ConnectionId>>,
}

impl Flows {
    /// A connection is there. Returns the one that is to be closed for it.
    pub(super) fn opened(&mut self, peer: Peer) -> Option<ConnectionId> {
        self.peers.insert(peer.connection, peer);
        let of_office = self.offices.entry(peer.office).or_default();
        of_office.push(peer.connection);
        (of_office.len() > MOST_OF_OFFICE).then(|| {
            let oldest = of_office.remove(0);
            self.peers.remove(&oldest);
            oldest
        })
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, connection: ConnectionId) {
        let Some(peer) = self.peers.remove(&connection) else { return };
        if let Some(of_office) = self.offices.get_mut(&peer.office) {
            of_office.retain(|one| *one != connection);
            if of_office.is_empty() {
                self.offices.remove(&peer.office);
            }
        }
    }

    /// Whose a connection is.
    pub(super) fn peer(&self, connection: ConnectionId) -> Option<Peer> {
        self.peers.get(&connection).copied()
    }

    /// The newest connection of an office.
    pub(super) fn newest(&self, office: OfficeId) -> Option<ConnectionId> {
        self.offices.get(&office).and_then(|of_office| of_office.last()).copied()
    }

    /// How many connections each office has.
    pub(super) fn count(&self) -> impl Iterator<Item = (OfficeId, usize)> {
        self.offices.iter().map(|(office, of_office)| (*office, of_office.len()))
    }
}

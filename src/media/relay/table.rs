//! The table of ends: found by id, by remote address on shared sockets, by port pair for phones.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::media_end::MediaEnd;
use crate::media::end::{EndId, MAX_SOURCES, Remote};
use crate::media::event::{DropReason, RefusalReason};
use crate::media::ports::{LocalPort, PortPair, SocketId};

/// Bounded by its capacity; addresses only by what signalling and ICE named, a few for each end.
///
/// The maps are keyed by what peers may choose, so they hash with the standard library's keyed hash.
pub(super) struct EndTable {
    ends: Vec<Option<Box<MediaEnd>>>,
    webrtc: HashMap<SocketAddr, usize>,
    trunk: HashMap<SocketAddr, usize>,
    phones: Vec<Option<usize>>,
    open: usize,
}

impl EndTable {
    pub(super) fn new(capacity: u32, port_pairs: u16) -> Self {
        Self {
            ends: (0..capacity).map(|_| None).collect(),
            webrtc: HashMap::new(),
            trunk: HashMap::new(),
            phones: vec![None; usize::from(port_pairs)],
            open: 0,
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn capacity(&self) -> usize {
        self.ends.len()
    }

    /// The position of the end that a packet belongs to.
    pub(super) fn find(&self, socket: SocketId, from: SocketAddr) -> Result<usize, DropReason> {
        match socket {
            SocketId::WebRtc => self.webrtc.get(&from).copied().ok_or(DropReason::UnknownSource),
            SocketId::Trunk => self.trunk.get(&from).copied().ok_or(DropReason::UnknownSource),
            SocketId::PhoneRtp(PortPair(pair)) | SocketId::PhoneRtcp(PortPair(pair)) => {
                self.phones.get(usize::from(pair)).copied().flatten().ok_or(DropReason::PortResting)
            }
        }
    }

    /// The end at a position.
    pub(super) fn at(&mut self, index: usize) -> Option<&mut MediaEnd> {
        self.ends.get_mut(index)?.as_deref_mut()
    }

    /// The end of that id, unless it was closed meanwhile.
    pub(super) fn get(&mut self, end: EndId) -> Option<&mut MediaEnd> {
        self.at(end.index()).filter(|open| open.id == end)
    }

    pub(super) fn insert(&mut self, end: MediaEnd) -> Result<(), RefusalReason> {
        let index = end.id.index();
        let place = self.ends.get_mut(index).ok_or(RefusalReason::TableFull)?;
        if place.is_some() {
            return Err(RefusalReason::AlreadyOpen);
        }
        if let LocalPort::Phone(PortPair(pair)) = end.local {
            let phone = self.phones.get_mut(usize::from(pair)).ok_or(RefusalReason::NoSuchPort)?;
            if phone.is_some() {
                return Err(RefusalReason::PortInUse);
            }
            *phone = Some(index);
        }
        *place = Some(Box::new(end));
        self.open += 1;
        Ok(())
    }

    /// Takes an end out, with its addresses and its port pair.
    pub(super) fn remove(&mut self, end: EndId) -> Option<Box<MediaEnd>> {
        self.get(end)?;
        let removed = self.ends.get_mut(end.index())?.take()?;
        self.open -= 1;
        if let Some(remote) = removed.remote {
            self.forget_addresses(removed.local, &remote, end.index());
        }
        for address in &removed.sources {
            if self.webrtc.get(address) == Some(&end.index()) {
                self.webrtc.remove(address);
            }
        }
        if let LocalPort::Phone(PortPair(pair)) = removed.local
            && let Some(phone) = self.phones.get_mut(usize::from(pair))
        {
            *phone = None;
        }
        Some(removed)
    }

    /// From now on packets from `remote` on the end's shared socket are its own, whoever named them before.
    pub(super) fn name_remote(&mut self, end: EndId, remote: Remote) -> Option<&mut MediaEnd> {
        let (local, old, sources) =
            self.get(end).map(|open| (open.local, open.remote, open.sources.clone()))?;
        if let Some(old) = old {
            self.forget_addresses(local, &old, end.index());
        }
        let addresses = match local {
            LocalPort::WebRtc => Some(&mut self.webrtc),
            LocalPort::Trunk => Some(&mut self.trunk),
            LocalPort::Phone(_) => None,
        };
        if let Some(addresses) = addresses {
            // A former remote stays a source if ICE has validated it.
            addresses.extend(sources.into_iter().map(|source| (source, end.index())));
            addresses.insert(remote.rtp, end.index());
            addresses.insert(remote.rtcp_address(), end.index());
        }
        self.get(end)
    }

    /// Packets from `address` on the browsers' socket are the end's too.
    pub(super) fn allow_source(&mut self, end: EndId, address: SocketAddr) -> Result<(), RefusalReason> {
        let open = self.get(end).ok_or(RefusalReason::UnknownEnd)?;
        if open.local != LocalPort::WebRtc || open.sources.len() >= MAX_SOURCES {
            return Err(RefusalReason::NoMoreSources);
        }
        if !open.sources.contains(&address) {
            open.sources.push(address);
        }
        self.webrtc.insert(address, end.index());
        Ok(())
    }

    fn forget_addresses(&mut self, local: LocalPort, remote: &Remote, index: usize) {
        let addresses = match local {
            LocalPort::WebRtc => &mut self.webrtc,
            LocalPort::Trunk => &mut self.trunk,
            LocalPort::Phone(_) => return,
        };
        for address in [remote.rtp, remote.rtcp_address()] {
            if addresses.get(&address) == Some(&index) {
                addresses.remove(&address);
            }
        }
    }
}

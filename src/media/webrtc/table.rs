//! All WebRTC ends behind the one shared port, and which of them a packet is for (RFC 7983).
//!
//! | packet | goes to |
//! | --- | --- |
//! | STUN request | the end whose fragment stands first in USERNAME |
//! | STUN response | the end that drew the transaction id |
//! | DTLS | the end for which ICE validated the source address; the latest, if several did |
//! | anything else | dropped and counted |
//!
//! Bounded: at most `limit` ends, and [`MAX_ADDRESSES`] validated addresses each; when an end has more, its
//! oldest is forgotten until the next check from there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use crate::media::EndId;
use crate::sdp::{Candidate, IceCredentials};

use super::dtls::is_dtls;
use super::end::{EndEvent, EndSetup, MAX_PACKET, RemoteRefused, RemoteSetup, WebRtcEnd};
use super::ice::transaction_owner;
use super::reason::{CandidateVerdict, DropCounts, PacketDrop};
use super::stun::{BindingClass, BindingMessage, is_stun};
use super::transmit::Transmit;

/// Validated addresses by which one end is found.
const MAX_ADDRESSES: usize = 32;

/// Why an end was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefused {
    /// As many ends as allowed are open.
    #[error("as many WebRTC ends as allowed are open")]
    TooMany,
    /// An end of that id, or of that position in the table of ends, is open.
    #[error("that WebRTC end is open already")]
    Open,
    /// Another end has the same user name fragment.
    #[error("another WebRTC end has the same ICE user name fragment")]
    Ufrag,
}

/// Why a command about an end was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableRefused {
    /// There is no such end.
    #[error("there is no such WebRTC end")]
    Unknown,
    /// Another end has the same user name fragment.
    #[error("another WebRTC end has the same ICE user name fragment")]
    Ufrag,
    /// The peer's description cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteRefused),
}

#[derive(Debug)]
struct Entry {
    id: EndId,
    end: WebRtcEnd,
    timer: Option<Instant>,
    ufrags: Vec<String>,
    addresses: VecDeque<SocketAddr>,
}

/// The ends, found by fragment, address or id.
#[derive(Debug)]
pub struct EndTable {
    limit: usize,
    entries: BTreeMap<u32, Entry>,
    by_ufrag: BTreeMap<String, u32>,
    by_address: BTreeMap<SocketAddr, u32>,
    timers: BTreeSet<(Instant, u32)>,
    out: VecDeque<Transmit>,
    events: VecDeque<(EndId, EndEvent)>,
    drops: DropCounts,
}

impl EndTable {
    /// An empty table for at most `limit` ends.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: BTreeMap::new(),
            by_ufrag: BTreeMap::new(),
            by_address: BTreeMap::new(),
            timers: BTreeSet::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            drops: DropCounts::default(),
        }
    }

    /// Adds an end.
    ///
    /// # Errors
    /// When the table is full, or the id or the fragment is taken.
    pub fn open(&mut self, now: Instant, id: EndId, setup: EndSetup) -> Result<(), OpenRefused> {
        let key = key(id);
        if self.entries.contains_key(&key) {
            return Err(OpenRefused::Open);
        }
        if self.entries.len() >= self.limit {
            return Err(OpenRefused::TooMany);
        }
        let ufrag = setup.local.ufrag().to_owned();
        if self.by_ufrag.contains_key(&ufrag) {
            return Err(OpenRefused::Ufrag);
        }
        let end = WebRtcEnd::new(now, key, setup);
        self.by_ufrag.insert(ufrag.clone(), key);
        let entry = Entry { id, end, timer: None, ufrags: vec![ufrag], addresses: VecDeque::new() };
        self.entries.insert(key, entry);
        Ok(())
    }

    /// See [`WebRtcEnd::set_remote`].
    ///
    /// # Errors
    /// When the end is unknown or the description unusable.
    pub fn set_remote(&mut self, now: Instant, id: EndId, remote: RemoteSetup) -> Result<(), TableRefused> {
        self.entry(id)?.end.set_remote(now, remote)?;
        self.settle(key(id));
        Ok(())
    }

    /// See [`WebRtcEnd::add_remote_candidate`].
    ///
    /// # Errors
    /// When the end is unknown.
    pub fn add_remote_candidate(
        &mut self,
        id: EndId,
        candidate: &Candidate,
    ) -> Result<CandidateVerdict, TableRefused> {
        let verdict = self.entry(id)?.end.add_remote_candidate(candidate);
        self.settle(key(id));
        Ok(verdict)
    }

    /// See [`WebRtcEnd::restart`].
    ///
    /// # Errors
    /// When the end is unknown or the fragment is another's.
    pub fn restart(&mut self, now: Instant, id: EndId, local: IceCredentials) -> Result<(), TableRefused> {
        if self.by_ufrag.get(local.ufrag()).is_some_and(|owner| *owner != key(id)) {
            return Err(TableRefused::Ufrag);
        }
        self.entry(id)?.end.restart(now, local);
        self.settle(key(id));
        Ok(())
    }

    /// Closes an end; its goodbye is in [`EndTable::poll_transmit`]. False if there is none.
    pub fn close(&mut self, now: Instant, id: EndId) -> bool {
        if self.entry(id).is_err() {
            return false;
        }
        let Some(mut entry) = self.entries.remove(&key(id)) else { return false };
        entry.end.close(now);
        self.out.extend(std::iter::from_fn(|| entry.end.poll_transmit()));
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, key(id)));
        }
        for ufrag in &entry.ufrags {
            self.by_ufrag.remove(ufrag);
        }
        for address in &entry.addresses {
            if self.by_address.get(address) == Some(&key(id)) {
                self.by_address.remove(address);
            }
        }
        true
    }

    /// Closes every end, as [`EndTable::close`] does.
    pub fn close_all(&mut self, now: Instant) {
        let ids: Vec<EndId> = self.entries.values().map(|entry| entry.id).collect();
        for id in ids {
            self.close(now, id);
        }
    }

    /// A packet from the shared port. Dropped packets are counted.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &[u8],
    ) -> Result<EndId, PacketDrop> {
        let taken = self.route(now, from, packet);
        if let Err(reason) = taken {
            self.drops.add(reason);
        }
        taken
    }

    /// Carries out what is due for all ends.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, owner)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            if let Some(entry) = self.entries.get_mut(&owner) {
                entry.timer = None;
                entry.end.handle_timeout(now);
            }
            self.settle(owner);
        }
    }

    /// When [`EndTable::handle_timeout`] is next needed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// The next event of any end.
    pub fn poll_event(&mut self) -> Option<(EndId, EndEvent)> {
        self.events.pop_front()
    }

    /// How many ends are open.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no end is open.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Dropped packets by reason.
    pub fn drops(&self) -> &DropCounts {
        &self.drops
    }

    fn route(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> Result<EndId, PacketDrop> {
        let first = *packet.first().filter(|_| packet.len() <= MAX_PACKET).ok_or(PacketDrop::NotForUs)?;
        if is_stun(first) {
            let message = BindingMessage::decode(packet)?;
            let owner = self.stun_owner(from, &message)?;
            let entry = self.entries.get_mut(&owner).ok_or(PacketDrop::UnknownUfrag)?;
            let (id, taken) = (entry.id, entry.end.handle_stun(now, from, &message));
            if taken.is_ok() {
                self.note_address(owner, from);
            }
            self.settle(owner);
            return taken.map(|()| id);
        }
        if !is_dtls(first) {
            return Err(PacketDrop::NotForUs);
        }
        let owner = *self.by_address.get(&from).ok_or(PacketDrop::DtlsStranger)?;
        let entry = self.entries.get_mut(&owner).ok_or(PacketDrop::DtlsStranger)?;
        let (id, taken) = (entry.id, entry.end.handle_dtls(now, from, packet));
        self.settle(owner);
        taken.map(|()| id)
    }

    fn stun_owner(&self, from: SocketAddr, message: &BindingMessage<'_>) -> Result<u32, PacketDrop> {
        match message.class {
            BindingClass::Request => {
                let (ours, _) = message.fragments().ok_or(PacketDrop::UnknownUfrag)?;
                let ours = std::str::from_utf8(ours).map_err(|_| PacketDrop::UnknownUfrag)?;
                self.by_ufrag.get(ours).copied().ok_or(PacketDrop::UnknownUfrag)
            }
            BindingClass::Success | BindingClass::Error(_) => {
                let owner = transaction_owner(message.transaction);
                self.entries.contains_key(&owner).then_some(owner).ok_or(PacketDrop::UnknownTransaction)
            }
            BindingClass::Indication => self.by_address.get(&from).copied().ok_or(PacketDrop::UnknownUfrag),
        }
    }

    /// ICE validated `from` for this end: DTLS from there is its.
    fn note_address(&mut self, owner: u32, from: SocketAddr) {
        let Some(entry) = self.entries.get_mut(&owner).filter(|entry| entry.end.is_validated(from)) else {
            return;
        };
        if self.by_address.insert(from, owner) == Some(owner) {
            return;
        }
        entry.addresses.retain(|address| *address != from);
        entry.addresses.push_back(from);
        if entry.addresses.len() > MAX_ADDRESSES
            && let Some(oldest) = entry.addresses.pop_front()
            && self.by_address.get(&oldest) == Some(&owner)
        {
            self.by_address.remove(&oldest);
        }
    }

    /// After anything happened to an end: takes its output and sets its timer and its fragments.
    fn settle(&mut self, owner: u32) {
        let Some(entry) = self.entries.get_mut(&owner) else { return };
        self.out.extend(std::iter::from_fn(|| entry.end.poll_transmit()));
        let id = entry.id;
        self.events.extend(std::iter::from_fn(|| entry.end.poll_event()).map(|event| (id, event)));
        let timer = entry.end.poll_timeout();
        if timer != entry.timer {
            if let Some(before) = std::mem::replace(&mut entry.timer, timer) {
                self.timers.remove(&(before, owner));
            }
            self.timers.extend(timer.map(|at| (at, owner)));
        }
        if !entry.end.ufrags().eq(entry.ufrags.iter().map(String::as_str)) {
            let ufrags: Vec<String> = entry.end.ufrags().map(str::to_owned).collect();
            for gone in entry.ufrags.iter().filter(|ufrag| !ufrags.contains(ufrag)) {
                self.by_ufrag.remove(gone);
            }
            self.by_ufrag.extend(ufrags.iter().map(|ufrag| (ufrag.clone(), owner)));
            entry.ufrags = ufrags;
        }
    }

    fn entry(&mut self, id: EndId) -> Result<&mut Entry, TableRefused> {
        self.entries.get_mut(&key(id)).filter(|entry| entry.id == id).ok_or(TableRefused::Unknown)
    }
}

/// Ends are kept by position; the generation is compared in [`EndTable::entry`].
fn key(id: EndId) -> u32 {
    u32::try_from(id.index()).unwrap_or(u32::MAX)
}

//! The remote addresses an end knows: candidates from signalling, and those that its peer's checks revealed.
//!
//! All of an end's traffic leaves one socket, so a candidate pair (RFC 8445 §6.1.2) is a remote address, and
//! pairs sort as the remote candidates' priorities do.

use std::net::SocketAddr;
use std::time::Instant;

use super::super::stun::TransactionId;

/// Most paths of one end; signalled candidates may fill [`MAX_SIGNALLED`] of them.
pub(crate) const MAX_PATHS: usize = 24;
/// Most candidates taken from signalling.
pub(super) const MAX_SIGNALLED: usize = 16;

/// Our check of a path; ICE-lite leaves it [`CheckState::Idle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckState {
    /// Not wanted.
    Idle,
    /// To be sent when its turn comes.
    Waiting,
    /// Sent in the role of then, and repeated at `next` under the same transaction.
    InProgress { transaction: TransactionId, sends: u8, next: Instant, nominates: bool, controlling: bool },
    /// Answered.
    Succeeded,
    /// Never answered.
    Failed,
}

/// One remote address.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) remote: SocketAddr,
    pub(super) priority: u32,
    pub(super) signalled: bool,
    /// When its last authentic request or response came; `Some` means that ICE has validated it.
    pub(super) heard: Option<Instant>,
    /// When the peer last nominated it.
    pub(super) nominated: Option<Instant>,
    pub(super) check: CheckState,
}

/// A bounded table of paths.
#[derive(Debug, Default)]
pub(super) struct Paths(Vec<Path>);

impl Paths {
    pub(super) fn get(&self, remote: SocketAddr) -> Option<&Path> {
        self.0.iter().find(|path| path.remote == remote)
    }

    pub(super) fn get_mut(&mut self, remote: SocketAddr) -> Option<&mut Path> {
        self.0.iter_mut().find(|path| path.remote == remote)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Path> {
        self.0.iter_mut()
    }

    pub(super) fn is_validated(&self, remote: SocketAddr) -> bool {
        self.get(remote).is_some_and(|path| path.heard.is_some())
    }

    pub(super) fn is_full_of_signalled(&self) -> bool {
        self.0.len() >= MAX_PATHS || self.0.iter().filter(|path| path.signalled).count() >= MAX_SIGNALLED
    }

    /// Adds a path for a signalled candidate. The caller has asked [`Paths::is_full_of_signalled`].
    pub(super) fn add_signalled(&mut self, remote: SocketAddr, priority: u32) {
        let check = CheckState::Waiting;
        self.0.push(Path { remote, priority, signalled: true, heard: None, nominated: None, check });
    }

    /// Notes an authentic request from `remote`. When the table is full the peer-reflexive path that has
    /// been silent longest makes room; false when there is none but `keep`.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        priority: u32,
        keep: Option<SocketAddr>,
    ) -> bool {
        if let Some(path) = self.get_mut(remote) {
            path.heard = Some(now);
            return true;
        }
        if self.0.len() >= MAX_PATHS && !self.evict(keep) {
            return false;
        }
        let check = CheckState::Idle;
        self.0.push(Path { remote, priority, signalled: false, heard: Some(now), nominated: None, check });
        true
    }

    /// For a restart: forgets candidates that were never heard from, and every check and nomination.
    pub(super) fn begin_generation(&mut self) {
        self.0.retain(|path| path.heard.is_some());
        for path in &mut self.0 {
            (path.signalled, path.nominated, path.check) = (false, None, CheckState::Idle);
        }
    }

    fn evict(&mut self, keep: Option<SocketAddr>) -> bool {
        let oldest = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, path)| !path.signalled && Some(path.remote) != keep)
            .min_by_key(|(_, path)| path.heard)
            .map(|(index, _)| index);
        oldest.map(|index| self.0.swap_remove(index)).is_some()
    }
}

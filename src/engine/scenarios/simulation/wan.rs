//! The network between offices, and to carriers: paths that work, swallow everything, or refuse.
//!
//! | path | a dial | what is sent on a connection | datagrams |
//! | --- | --- | --- | --- |
//! | `Open` | a connection, after the way there and back | arrives, in order | arrive, less those lost |
//! | `Silent` | nothing is said | waits, and arrives when the path opens again (TCP repeats), or breaks after 30 s | lost |
//! | `Refusing` | refused | the connection breaks when the path becomes so | lost, and the sender is told |
//!
//! An end that closes a connection is told to the other one behind all that was sent. One that resets it throws away what
//! waits; over a silent path the other end does not hear of it, until what it says itself is answered by a reset.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::flow::Flow;

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// It works.
    Open,
    /// It swallows everything, without a word.
    Silent,
    /// It refuses, or resets, at once.
    Refusing,
}

/// One way between two places; a link leads over exactly one.
#[derive(Debug)]
pub(super) struct Path {
    /// What it does.
    pub(super) mood: Mood,
    /// Since when.
    pub(super) since: Instant,
    /// One way.
    pub(super) delay: Duration,
    /// Datagrams lost, in percent.
    pub(super) loss: usize,
}

/// One end of a connection: an office as it was started for the n-th time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Which office.
    pub(super) office: usize,
    /// Which start of it.
    pub(super) boot: u32,
    /// The connection as this end knows it.
    pub(super) flow: Flow,
}

/// A connection between two offices.
#[derive(Debug)]
pub(super) struct Connection {
    /// Who dialled, and who was dialled.
    pub(super) ends: [End; 2],
    /// Over which path.
    pub(super) path: PathId,
    /// What waits for a silent path: to which end, what; nothing is its close.
    pub(super) waiting: VecDeque<(usize, Option<Bytes>)>,
    /// Which ends are gone.
    pub(super) gone: [bool; 2],
}

impl Connection {
    /// Which end a start of an office is, if it is still one.
    pub(super) fn place(&self, office: usize, boot: u32) -> Option<usize> {
        let place = self.ends.iter().position(|end| end.office == office && end.boot == boot)?;
        (!self.gone[place]).then_some(place)
    }
}

/// A path: between two offices (the lower first), or of an office to its carrier; and which of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathId {
    /// Between offices.
    Offices(usize, usize, usize),
    /// To a carrier.
    Carrier(usize),
}

impl PathId {
    /// Between two offices, in either direction.
    pub(super) fn between(a: usize, b: usize, which: usize) -> Self {
        Self::Offices(a.min(b), a.max(b), which)
    }
}

/// All paths and connections.
#[derive(Debug, Default)]
pub(super) struct Wan {
    /// By id.
    pub(super) paths: BTreeMap<PathId, Path>,
    /// By the number in their flows.
    pub(super) connections: BTreeMap<u64, Connection>,
    last: u64,
}

impl Wan {
    /// The number of the next connection.
    pub(super) const fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// How a path is; one that nobody made refuses.
    pub(super) fn mood(&self, id: PathId) -> Mood {
        self.paths.get(&id).map_or(Mood::Refusing, |path| path.mood)
    }

    /// How long one way takes.
    pub(super) fn delay(&self, id: PathId) -> Duration {
        self.paths.get(&id).map_or(Duration::ZERO, |path| path.delay)
    }

    /// Whether it works, and did at `since`.
    pub(super) fn is_open_since(&self, id: PathId, since: Instant) -> bool {
        self.paths
            .get(&id)
            .is_some_and(|path| path.mood == Mood::Open && path.loss == 0 && path.since <= since)
    }

    /// Whether it does not work, and did not at `since`.
    pub(super) fn is_dead_since(&self, id: PathId, since: Instant) -> bool {
        self.paths.get(&id).is_some_and(|path| path.mood != Mood::Open && path.since <= since)
    }
}

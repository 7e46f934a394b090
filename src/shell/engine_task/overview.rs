//! A glance at the engine, published by its task for status, health and the drain.

use tokio::sync::watch;

use crate::engine::Engine;
use crate::engine::call::AsteriskState;
use crate::engine::roaming::{Roaming, RoamingFigures};
use crate::engine::transaction::DropReason;

/// Counts and states; cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Calls up or being set up.
    pub calls: usize,
    /// Whether calls that are over are still being cleaned up.
    pub lingering: bool,
    /// Bindings.
    pub registrations: usize,
    /// Server and client transactions.
    pub transactions: (usize, usize),
    /// What the transaction layer dropped since the start, in the order of [`DropReason::ALL`].
    pub transaction_drops: [u64; DropReason::ALL.len()],
    /// Port pairs that carry a call, and all.
    pub ports: (usize, usize),
    /// SIP connections.
    pub connections: usize,
    /// Whether Asterisk answers.
    pub asterisk: AsteriskState,
    /// What the roaming cache holds and did.
    pub roaming: RoamingFigures,
    /// Until when the other offices were heard, in seconds since 1970.
    pub roaming_confirmed: Option<u32>,
}

impl Overview {
    pub(super) fn of(engine: &Engine, connections: usize) -> Self {
        Self {
            calls: engine.calls().active(),
            lingering: !engine.calls().is_empty(),
            registrations: engine.registrar().len(),
            transactions: engine.transactions(),
            transaction_drops: DropReason::ALL.map(|reason| engine.transaction_drops().of(reason)),
            ports: engine.ports(),
            connections,
            asterisk: engine.mirror().state(),
            roaming: engine.roaming().map(Roaming::figures).unwrap_or_default(),
            roaming_confirmed: engine.roaming().and_then(Roaming::confirmed).map(|second| second.0),
        }
    }

    /// Before the first turn.
    pub const fn empty() -> Self {
        Self {
            calls: 0,
            lingering: false,
            registrations: 0,
            transactions: (0, 0),
            transaction_drops: [0; DropReason::ALL.len()],
            ports: (0, 0),
            connections: 0,
            asterisk: AsteriskState::Absent,
            roaming: RoamingFigures::NONE,
            roaming_confirmed: None,
        }
    }

    /// Asterisk's state as a stable word.
    pub const fn asterisk_word(&self) -> &'static str {
        match self.asterisk {
            AsteriskState::Absent => "off",
            AsteriskState::Up => "up",
            AsteriskState::Down => "down",
        }
    }
}

/// The engine's task's end of what it publishes.
#[derive(Debug)]
pub struct Glance {
    overview: watch::Sender<Overview>,
    calls: watch::Sender<usize>,
}

impl Glance {
    /// All zero; with the ends for whoever looks: the overview, and the number of calls alone.
    pub fn new() -> (Self, watch::Receiver<Overview>, watch::Receiver<usize>) {
        let (overview, seen) = watch::channel(Overview::empty());
        let (calls, counted) = watch::channel(0);
        (Self { overview, calls }, seen, counted)
    }

    /// Publishes what changed.
    pub(super) fn show(&self, now: &Overview) {
        self.overview.send_if_modified(|old| std::mem::replace(old, *now) != *now);
        self.calls.send_if_modified(|old| std::mem::replace(old, now.calls) != now.calls);
    }
}

//! A glance at the engine, published by its task for status, health and the drain.

use crate::engine::Engine;
use crate::engine::call::AsteriskState;

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
    /// Port pairs that carry a call, and all.
    pub ports: (usize, usize),
    /// SIP connections.
    pub connections: usize,
    /// Whether Asterisk answers.
    pub asterisk: AsteriskState,
}

impl Overview {
    pub(super) fn of(engine: &Engine, connections: usize) -> Self {
        Self {
            calls: engine.calls().active(),
            lingering: !engine.calls().is_empty(),
            registrations: engine.registrar().len(),
            transactions: engine.transactions(),
            ports: engine.ports(),
            connections,
            asterisk: engine.mirror().state(),
        }
    }

    /// Before the first turn.
    pub const fn empty() -> Self {
        Self {
            calls: 0,
            lingering: false,
            registrations: 0,
            transactions: (0, 0),
            ports: (0, 0),
            connections: 0,
            asterisk: AsteriskState::Absent,
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

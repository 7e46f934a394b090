//! What links want done, and how they are seen.

use std::sync::Arc;
use std::time::Duration;

use super::dial::{Dial, DialFailure};
use super::health::{LinkFailure, LinkState};
use super::link::Link;
use super::name::LinkId;
use crate::engine::flow::Flow;
use crate::time::WallTime;

/// Matches a probe's outcome with its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeToken(pub(super) u64);

/// Matches a registration's outcome with its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterToken(pub(super) u64);

/// What a link wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOrder {
    /// Find a way to the peer.
    Dial(Box<Dial>),
    /// Send OPTIONS.
    Probe {
        /// For its outcome.
        token: ProbeToken,
        /// The link.
        link: Arc<Link>,
        /// On which flow.
        flow: Flow,
        /// How long to wait for any answer.
        patience: Duration,
    },
    /// Register with the carrier.
    Register {
        /// For its outcome.
        token: RegisterToken,
        /// The link.
        link: Arc<Link>,
        /// On which flow.
        flow: Flow,
        /// For how long.
        expires: Duration,
    },
    /// Close a connection that no link uses any more.
    Close(Flow),
    /// Reset a connection on which nothing is heard: nothing of what waits on it may arrive late.
    Reset(Flow),
}

/// A link's state changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkChange {
    /// The link.
    pub link: LinkId,
    /// How it is now.
    pub state: LinkState,
    /// What failed last.
    pub failure: Option<LinkFailure>,
}

/// Whether a link can be used at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On this flow.
    Flow(Flow),
    /// It is being dialled; [`Links::dialled`] will tell.
    Wait,
    /// By asking Asterisk.
    Asterisk,
    /// Not now: the last dial failed a moment ago.
    Failed(DialFailure),
    /// The link is not there any more.
    Gone,
}

/// A link as ops see it.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// The link.
    pub link: Arc<Link>,
    /// How it is.
    pub state: LinkState,
    /// Since when.
    pub since: WallTime,
    /// What failed last.
    pub failure: Option<LinkFailure>,
    /// Calls on it.
    pub calls: u32,
}

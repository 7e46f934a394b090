//! What waits to be taken by the user and the shell.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{DropReason, Drops, Event};
use crate::engine::flow::Flow;

/// Events, bytes to send, and counts. Bounded by being drained after every call: one message or deadline
/// makes a handful of them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) transmits: VecDeque<(Flow, Bytes)>,
    pub(super) events: VecDeque<Event>,
    pub(super) drops: Drops,
}

impl Outbox {
    pub(super) fn send(&mut self, flow: Flow, bytes: &Bytes) {
        self.transmits.push_back((flow, bytes.clone()));
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn count(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }
}

//! The checker: what the engine orders of media must balance, at every step.

use std::collections::{HashMap, HashSet};

use crate::media::end::{EndCodec, Flow as MediaFlow};
use crate::media::{ConnectivityCommand, EndId, LocalPort, MediaCommand, PayloadMap};

/// What is known of an open end.
#[derive(Debug, Default)]
pub(in crate::engine) struct OpenEnd {
    port: Option<LocalPort>,
    /// What flows.
    pub(in crate::engine) flow: Option<MediaFlow>,
    /// What its session agreed.
    pub(in crate::engine) codec: EndCodec,
    /// Which payload types it passes on, as which.
    pub(in crate::engine) map: PayloadMap,
    /// To whom it is bridged.
    pub(in crate::engine) peer: Option<EndId>,
    /// Whether it was told where its peer is.
    pub(in crate::engine) has_remote: bool,
    /// Digits that it was asked to send.
    pub(in crate::engine) digits: String,
}

/// The books of a media worker and an owner of ICE that take every order literally.
#[derive(Debug, Default)]
pub(in crate::engine) struct Ledger {
    /// Open ends.
    pub(in crate::engine) ends: HashMap<EndId, OpenEnd>,
    ice: HashSet<EndId>,
    /// Candidates that were passed on.
    pub(in crate::engine) candidates: usize,
    opened: usize,
    closed: usize,
}

impl Ledger {
    /// Takes an order of the engine; returns the end that it closes.
    pub(in crate::engine) fn media(&mut self, command: &MediaCommand) -> Option<EndId> {
        if let MediaCommand::Open { end, local, .. } = command {
            let taken = matches!(local, LocalPort::Phone(_))
                && self.ends.values().any(|open| open.port == Some(*local));
            assert!(!taken, "{local:?} carries two ends");
            let open = OpenEnd { port: Some(*local), ..OpenEnd::default() };
            assert!(self.ends.insert(*end, open).is_none(), "{end:?} opened twice");
            self.opened += 1;
            return None;
        }
        let end = command.end();
        let known =
            self.ends.get_mut(&end).unwrap_or_else(|| panic!("{command:?} for an end that is not open"));
        match command {
            MediaCommand::SetRemote { .. } => known.has_remote = true,
            MediaCommand::SetFlow { flow, .. } => known.flow = Some(*flow),
            MediaCommand::SetCodec { codec, .. } => known.codec = codec.clone(),
            MediaCommand::SendDtmf { digits, .. } => {
                known.digits.extend(digits.iter().map(|digit| digit.as_char()));
            }
            MediaCommand::Bridge { b, a_to_b, b_to_a, .. } => {
                known.peer = Some(*b);
                known.map = a_to_b.clone();
                let other =
                    self.ends.get_mut(b).unwrap_or_else(|| panic!("bridged to {b:?}, which is not open"));
                other.peer = Some(end);
                other.map = b_to_a.clone();
            }
            MediaCommand::Close { .. } => {
                self.ends.remove(&end);
                self.closed += 1;
                return Some(end);
            }
            _ => {}
        }
        None
    }

    /// Takes an order about ICE and DTLS.
    pub(in crate::engine) fn connectivity(&mut self, command: &ConnectivityCommand) {
        match command {
            ConnectivityCommand::Open { end, .. } => {
                assert!(self.ice.insert(*end), "ICE of {end:?} opened twice");
            }
            ConnectivityCommand::Close { end } => {
                assert!(self.ice.remove(end), "ICE of {end:?} closed twice");
            }
            ConnectivityCommand::SetRemote { end, .. }
            | ConnectivityCommand::AddCandidate { end, .. }
            | ConnectivityCommand::Restart { end, .. } => {
                assert!(self.ice.contains(end), "{command:?} for an end without ICE");
                self.candidates += usize::from(matches!(command, ConnectivityCommand::AddCandidate { .. }));
            }
        }
    }

    /// Phone port pairs that carry an end.
    pub(in crate::engine) fn phone_ports(&self) -> usize {
        self.ends.values().filter(|open| matches!(open.port, Some(LocalPort::Phone(_)))).count()
    }

    /// Ends with ICE.
    pub(in crate::engine) fn browser_ends(&self) -> Vec<EndId> {
        self.ice.iter().copied().collect()
    }

    /// Everything opened was closed, once.
    pub(in crate::engine) fn is_settled(&self) -> bool {
        self.ends.is_empty() && self.ice.is_empty() && self.opened == self.closed
    }
}

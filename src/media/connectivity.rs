//! The boundary between the engine and the owner of ICE and DTLS.

use super::end::EndId;
use super::webrtc::{EndEvent, OpenRefused, RemoteSetup, TableRefused};
use crate::sdp::{Candidate, IceCredentials};

/// What the engine asks for.
#[derive(Clone, Debug)]
pub enum ConnectivityCommand {
    /// Opens an end; its checks are answered from now on.
    Open {
        /// The media end's id.
        end: EndId,
        /// Our user name fragment and password, as SDP announces them.
        local: IceCredentials,
        /// Whether we offered: a full agent then controls.
        offerer: bool,
    },
    /// What the peer's offer or answer says; repeats are harmless.
    SetRemote {
        /// Which end.
        end: EndId,
        /// The peer's credentials, fingerprints and setup role.
        remote: Box<RemoteSetup>,
    },
    /// A candidate, from a description or trickled.
    AddCandidate {
        /// Which end.
        end: EndId,
        /// The candidate.
        candidate: Box<Candidate>,
    },
    /// ICE restart with new credentials of ours; `SetRemote` follows.
    Restart {
        /// Which end.
        end: EndId,
        /// Our new credentials.
        local: IceCredentials,
    },
    /// Says goodbye and forgets the end.
    Close {
        /// Which end.
        end: EndId,
    },
}

/// What the engine hears; it gives address and keys to the media worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectivityEvent {
    /// An end connected, moved, was left, or failed.
    End {
        /// Which end.
        end: EndId,
        /// What happened.
        event: EndEvent,
    },
    /// A command could not be carried out and changed nothing.
    Refused {
        /// Which end.
        end: EndId,
        /// Why.
        why: CommandRefused,
    },
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// The end was not opened.
    #[error(transparent)]
    Open(#[from] OpenRefused),
    /// There is no such end, or its peer's description is unusable.
    #[error(transparent)]
    End(#[from] TableRefused),
}

impl ConnectivityEvent {
    /// The end it is about.
    pub const fn end(&self) -> EndId {
        match self {
            Self::End { end, .. } | Self::Refused { end, .. } => *end,
        }
    }
}

impl CommandRefused {
    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open(_) => "end-not-opened",
            Self::End(_) => "end-unknown",
        }
    }
}

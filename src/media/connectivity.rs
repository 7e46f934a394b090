//! The boundary between the engine and the owner of ICE and DTLS.

use super::end::EndId;
use super::webrtc::{EndFailure, RemoteSetup};
use crate::sdp::{Candidate, IceCredentials};

/// One order to the owner of ICE and DTLS; carried out in the order sent.
#[derive(Clone, Debug)]
pub enum ConnectivityCommand {
    /// Begins ICE for an end of a browser.
    Open {
        /// The media end.
        end: EndId,
        /// Ours.
        local: IceCredentials,
    },
    /// The browser's description.
    SetRemote {
        /// The media end.
        end: EndId,
        /// What its SDP says.
        remote: Box<RemoteSetup>,
    },
    /// A candidate of the browser, trickled or from its SDP.
    AddCandidate {
        /// The media end.
        end: EndId,
        /// The candidate.
        candidate: Box<Candidate>,
    },
    /// New credentials of ours for the same DTLS association (RFC 8445 §9).
    Restart {
        /// The media end.
        end: EndId,
        /// Ours.
        local: IceCredentials,
    },
    /// The end is over.
    Close {
        /// The media end.
        end: EndId,
    },
}

/// News of ICE and DTLS.
#[derive(Clone, Debug)]
pub enum ConnectivityEvent {
    /// Media can flow; the media worker has address and keys.
    Connected {
        /// The media end.
        end: EndId,
    },
    /// The browser ended DTLS: its page was closed or reloaded.
    PeerClosed {
        /// The media end.
        end: EndId,
    },
    /// There is no media, or none any more.
    Failed {
        /// The media end.
        end: EndId,
        /// Why.
        failure: EndFailure,
    },
}

impl ConnectivityEvent {
    /// The end it is about.
    pub const fn end(&self) -> EndId {
        match self {
            Self::Connected { end } | Self::PeerClosed { end } | Self::Failed { end, .. } => *end,
        }
    }
}

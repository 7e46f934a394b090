//! `branchline/v1/{office}/events`: what happened, one document for each.
//!
//! Events are kept on flash until the broker has them, so one may come late or twice, never out of its order within a
//! session. A receiver counts each (`office`, `seq`) once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::{Document, Unknown, V1};
use super::moment::Moment;
use super::outbox::{Sequence, Worth};
use crate::engine::numbering::OfficeId;

/// An event with its envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// Version of this document.
    pub v: V1,
    /// The office.
    #[serde(with = "super::document::office")]
    pub office: OfficeId,
    /// The run of the daemon in which it happened.
    pub boot: String,
    /// Its number: counts on through restarts; a gap is a loss that a `loss` event accounts for.
    pub seq: Sequence,
    /// When it happened.
    pub at: Moment,
    /// What happened.
    pub kind: EventKind,
    /// It happened while nobody could be told, or may have been told already.
    #[serde(default, skip_serializing_if = "is_false")]
    pub historical: bool,
    /// The record: of a call, a registration, an emergency, an action, or how many events of which worth were lost.
    pub body: Value,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A device came or went.
    Registration,
    /// A call ended.
    Call,
    /// Something changed what the box does: routes, an update, an administrator.
    Audit,
    /// Events were lost; the body counts them by worth.
    Loss,
    /// Somebody called an emergency number.
    Emergency,
}

impl EventKind {
    /// What an event of this kind is worth when there is no room.
    pub const fn worth(self) -> Worth {
        match self {
            Self::Registration => Worth::Registration,
            Self::Call => Worth::CallRecord,
            Self::Audit | Self::Loss => Worth::Audit,
            Self::Emergency => Worth::Emergency,
        }
    }

    /// The word in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Call => "call",
            Self::Audit => "audit",
            Self::Loss => "loss",
            Self::Emergency => "emergency",
        }
    }
}

impl Document for Event {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(it: &bool) -> bool {
    !*it
}

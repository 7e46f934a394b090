//! The uplink's contract as values: what goes over MQTT between boxes, central ops and the controller.
//!
//! | file | what is there |
//! | --- | --- |
//! | `topic` | who says what to whom |
//! | `document` | what all documents have in common; [`Refusal`] |
//! | `status`, `health`, `reported`, `event`, `roaming`, `command` | the documents |
//! | [`route_set`] | the route set: document, check, and the way of a pushed one |
//! | `json`, `canonical`, `digest`, `signature` | bounded JSON, its canonical form, digest and signature |
//! | `revision` | which set is newer, and which must not come again |
//! | `outbox` | what waits to be told, and what goes when there is no room |
//! | `moment` | times as documents write them |
//! | [`backoff`] | which broker is tried next, and when |
//! | [`probation`] | whether a set that went into force makes things worse |
//!
//! Documents are JSON with kebab-case keys and a version `v`. A field that this software does not know is kept and no
//! error. Nothing here reads a clock, a file or a socket: `shell/uplink` does.

pub mod backoff;
mod base64url;
mod canonical;
mod command;
mod digest;
mod document;
mod event;
mod health;
mod json;
mod moment;
mod outbox;
pub mod probation;
mod reported;
mod revision;
mod roaming;
pub mod route_set;
mod signature;
mod status;
mod topic;

#[cfg(test)]
mod documents_tests;
#[cfg(test)]
mod outbox_tests;
#[cfg(test)]
mod signature_tests;

pub use crate::engine::numbering::OfficeId;
pub use crate::engine::routing::Revision;
pub use canonical::canonical;
pub use command::{CommandDocument, CommandState};
pub use digest::Digest;
pub use document::{Document, LONGEST_DOCUMENT, Refusal, Unknown, V1};
pub use event::{Event, EventKind};
pub use health::{ConditionEntry, HealthReport};
pub use json::{JsonBounds, parse as parse_json};
pub use moment::Moment;
pub use outbox::{Dispatch, Losses, Offer, Outbox, OutboxLimits, Sequence, Stored, Worth};
pub use reported::{Because, Outcome, Reported, SetName};
pub use revision::{LAST_REVISION, Verdict, Watermark, next_revision};
pub use roaming::{Place, RoamingDocument, VisitorDocument};
pub use signature::{KeyError, KeyId, SignatureFlaw, SigningKey, TrustedKeys, VerifyingKey};
pub use status::{Presence, Status};
pub use topic::{CommandId, CommandKind, Filter, ROOT, Topic, TopicError, Whose};

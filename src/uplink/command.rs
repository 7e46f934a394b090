//! `branchline/v1/{office}/cmd/{kind}/{id}`: a request, and how far it is.
//!
//! | state | written by | may become |
//! | --- | --- | --- |
//! | `init` | the requester | `executing`; `failed` if the box will not do it |
//! | `executing` | the box | `successful`, `failed` |
//! | `successful`, `failed` | the box | cleared by the requester (an empty retained message) |

use serde::{Deserialize, Serialize};

use super::document::{Document, Unknown, V1};
use super::moment::Moment;

/// A request. What it needs to know stands in further fields, which are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommandDocument {
    /// Version of this document.
    pub v: V1,
    /// How far it is.
    pub status: CommandState,
    /// When it came so far.
    pub at: Moment,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was asked for, what came out, and fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandState {
    /// Asked for.
    Init,
    /// The box does it.
    Executing,
    /// It is done.
    Successful,
    /// It is not done; `reason` says why.
    Failed,
}

impl CommandState {
    /// The word in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Executing => "executing",
            Self::Successful => "successful",
            Self::Failed => "failed",
        }
    }

    /// Whether this state may become `next`.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Init, Self::Executing | Self::Failed) | (Self::Executing, Self::Successful | Self::Failed)
        )
    }
}

impl CommandDocument {
    /// The same request, so far. `None` if it cannot come there from where it is.
    pub fn advanced(&self, to: CommandState, at: Moment, reason: Option<String>) -> Option<Self> {
        self.status.may_become(to).then(|| Self { status: to, at, reason, ..self.clone() })
    }
}

impl Document for CommandDocument {}

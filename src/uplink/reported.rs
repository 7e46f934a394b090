//! `branchline/v1/{office}/routes/reported`: what is in force, and what became of the set that ops want.
//!
//! | outcome | in force | asked |
//! | --- | --- | --- |
//! | `none` | nothing: no set was ever applied | absent |
//! | `applied` | the set asked for; on probation while `probation-until` is there | the same |
//! | `refused` | the former one | the refused one, as far as it could be read |
//! | `rolled-back` | the former one | the one that made health fall |

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::document::{Document, Unknown, V1};
use super::moment::Moment;
use crate::engine::numbering::OfficeId;
use crate::engine::routing::Revision;

/// The reported document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reported {
    /// Version of this document.
    pub v: V1,
    /// The office.
    #[serde(with = "super::document::office")]
    pub office: OfficeId,
    /// This run of the daemon.
    pub boot: String,
    /// When this was written.
    pub at: Moment,
    /// What became of the last set that came.
    pub outcome: Outcome,
    /// What is in force, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<SetName>,
    /// What the outcome is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<SetName>,
    /// Until when a fall of health rolls the applied set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation_until: Option<Moment>,
    /// Why it was refused or rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What became of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// None came yet.
    None,
    /// It is in force.
    Applied,
    /// It was refused; nothing changed.
    Refused,
    /// It was in force and health fell; the former one is in force again.
    RolledBack,
}

impl Outcome {
    /// The word in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Applied => "applied",
            Self::Refused => "refused",
            Self::RolledBack => "rolled-back",
        }
    }
}

/// Which set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SetName {
    /// Its revision, if that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Its digest, if it was JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// Why a set is not in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Because {
    /// The reason's name, stable: those of [`super::route_set::RejectReason`], or a health condition after a roll-back.
    pub reason: String,
    /// The part as a path, such as `links[2].address`; absent where the whole is meant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// In words.
    pub words: String,
}

impl Reported {
    /// Whether it is about the set with this digest.
    pub fn is_about(&self, digest: &Digest) -> bool {
        self.asked.as_ref().and_then(|asked| asked.digest.as_ref()) == Some(digest)
    }

    /// The revision in force.
    pub fn revision(&self) -> Option<Revision> {
        self.in_force.as_ref()?.revision
    }
}

impl Document for Reported {}

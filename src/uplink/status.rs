//! `branchline/v1/{office}/status`: is the box there?

use serde::{Deserialize, Serialize};

use super::document::{Document, Unknown, V1};
use super::moment::Moment;
use crate::engine::numbering::OfficeId;

/// The status document. The one that says `offline` is the box's last will, or its farewell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Version of this document.
    pub v: V1,
    /// The office.
    #[serde(with = "super::document::office")]
    pub office: OfficeId,
    /// Whether the box is there.
    pub state: Presence,
    /// The software's version.
    pub version: String,
    /// This run of the daemon.
    pub boot: String,
    /// When this was written; in a last will, when the session began.
    pub at: Moment,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Whether a box is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It has a session with a broker.
    Online,
    /// It had one.
    Offline,
}

impl Presence {
    /// The word in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

impl Document for Status {}

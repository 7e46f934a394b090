//! `branchline/v1/roaming/{extension}`: where an extension is now, as the office says where it signed in or out.
//!
//! Of two documents of one extension, `engine/roaming` says which counts.

use serde::{Deserialize, Serialize};

use super::document::{Document, Unknown, V1};
use super::moment::Moment;
use crate::engine::numbering::OfficeId;

/// Where an extension is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RoamingDocument {
    /// Version of this document.
    pub v: V1,
    /// The extension, in canonical form.
    pub extension: String,
    /// The office that gave it out.
    #[serde(with = "super::document::office")]
    pub home: OfficeId,
    /// The office that says this, and where the user is or was.
    #[serde(with = "super::document::office")]
    pub office: OfficeId,
    /// Whether the user is there.
    pub place: Place,
    /// One more than the greatest counter that the office knew of.
    pub counter: u64,
    /// When the user signed in or out, by the office's clock; whole seconds.
    pub registered: Moment,
    /// When it ends unless renewed; whole seconds.
    pub expires: Moment,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Whether a user is where the document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At least one device is registered there.
    Here,
    /// The last one is gone.
    Gone,
}

impl Document for RoamingDocument {}

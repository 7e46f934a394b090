//! What all documents have in common: JSON, a version `v`, a limit, unknown fields kept.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Fields of a document that this software does not know; written back as they were read.
pub type Unknown = Map<String, Value>;

/// Most fields kept in [`Unknown`] cannot exceed this, because the document cannot: bytes of any document but a route set.
pub const LONGEST_DOCUMENT: usize = 64 << 10;

/// Why a document was refused: which part of it, and what is wrong with that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    /// The part as a path, such as `links[2].address`; empty where the document as a whole is meant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// What is wrong, and what was expected.
    pub reason: String,
}

impl Refusal {
    /// A refusal of `part`.
    pub fn new(part: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { part: part.into(), reason: reason.into() }
    }

    /// A refusal of the document as a whole.
    pub fn whole(reason: impl Into<String>) -> Self {
        Self::new("", reason)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.part.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.part, self.reason)
        }
    }
}

impl std::error::Error for Refusal {}

/// The version of a document, of which there is one: 1. Another is refused with words that say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(1)
    }
}

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format!(
                "version {other} of this document; this software reads version 1"
            ))),
        }
    }
}

/// A document of at most [`LONGEST_DOCUMENT`] bytes.
pub trait Document: Serialize + DeserializeOwned {
    /// Reads one. Nesting is limited by the parser to 128 levels.
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > LONGEST_DOCUMENT {
            return Err(Refusal::whole(format!("longer than {LONGEST_DOCUMENT} bytes")));
        }
        serde_json::from_slice(bytes).map_err(|error| Refusal::whole(error.to_string()))
    }

    /// Writes it, on one line.
    fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// `OfficeId` in documents.
pub(super) mod office {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::engine::numbering::OfficeId;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(in crate::uplink) fn serialize<S: Serializer>(office: &OfficeId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(office.as_str())
    }

    pub(in crate::uplink) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OfficeId, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

//! `branchline/v1/{office}/health`: what is wrong, since when, and figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::document::{Document, Unknown, V1};
use super::moment::Moment;
use crate::engine::numbering::OfficeId;

/// The health document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HealthReport {
    /// Version of this document.
    pub v: V1,
    /// The office.
    #[serde(with = "super::document::office")]
    pub office: OfficeId,
    /// This run of the daemon.
    pub boot: String,
    /// When this was written.
    pub at: Moment,
    /// Everything that was ever wrong in this run.
    #[serde(default)]
    pub conditions: Vec<ConditionEntry>,
    /// How many calls, registrations, waiting events and so on there are, by name.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// The states of federation links, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A condition of a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConditionEntry {
    /// Its name: those of `observe::Condition`, or one of a later version.
    pub name: String,
    /// Whether it holds now.
    pub raised: bool,
    /// Since when it has held, or has been gone.
    pub since: Moment,
    /// How often it was raised in this run.
    #[serde(default)]
    pub count: u64,
    /// The newest error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl HealthReport {
    /// What is wrong now.
    pub fn raised(&self) -> impl Iterator<Item = &ConditionEntry> {
        self.conditions.iter().filter(|condition| condition.raised)
    }

    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        self.raised().next().is_none()
    }
}

impl Document for HealthReport {}

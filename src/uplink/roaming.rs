//! `branchline/v1/roaming/{extension}`: where an extension is now, as the office says where it signed in or out; and
//! `branchline/v1/visitors/{extension}`: what other offices verify its user with, sealed by the home office.
//!
//! Of two documents of one extension, `engine/roaming` says which counts. Who may publish an office's word is the
//! broker's access list to say; a sealed record proves itself.

use serde::{Deserialize, Serialize};

use super::base64url;
use super::document::{Document, Refusal, Unknown, V1};
use super::moment::Moment;
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::roaming::{
    Aor, KeyId, LONGEST_SEALED, MAX_COUNTER, Presence, RoamingEntry, SealedVerifier, Second, Version,
};

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

/// What verifies a user who visits, sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VisitorDocument {
    /// Version of this document.
    pub v: V1,
    /// The extension, in canonical form.
    pub extension: String,
    /// The office that gave it out, and sealed this.
    #[serde(with = "super::document::office")]
    pub home: OfficeId,
    /// The number of the federation's key that seals it.
    pub key: u32,
    /// Of two documents of one user the one with the greater generation counts.
    pub generation: u64,
    /// When it ends; whole seconds.
    pub not_after: Moment,
    /// Nonce, sealed record and tag, in base64url without padding.
    pub sealed: String,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Document for RoamingDocument {}
impl Document for VisitorDocument {}

impl From<&RoamingEntry> for RoamingDocument {
    fn from(entry: &RoamingEntry) -> Self {
        Self {
            v: V1,
            extension: entry.aor.extension.to_string(),
            home: entry.aor.home,
            office: entry.version.office,
            place: match entry.presence {
                Presence::Here => Place::Here,
                Presence::Gone => Place::Gone,
            },
            counter: entry.version.counter,
            registered: Moment(entry.version.registered.wall()),
            expires: Moment(entry.expires.wall()),
            unknown: Unknown::new(),
        }
    }
}

impl RoamingDocument {
    /// What it says, when it came on the topic of `extension`.
    pub fn entry(&self, extension: &Extension) -> Result<RoamingEntry, Refusal> {
        let aor = aor(&self.extension, self.home, extension)?;
        if !(1..=MAX_COUNTER).contains(&self.counter) {
            return Err(Refusal::new("counter", format!("expected an integer from 1 to {MAX_COUNTER}")));
        }
        let registered = Second::of(self.registered.0);
        Ok(RoamingEntry {
            aor,
            version: Version { counter: self.counter, registered, office: self.office },
            presence: match self.place {
                Place::Here => Presence::Here,
                Place::Gone => Presence::Gone,
            },
            expires: Second::of(self.expires.0),
        })
    }
}

impl From<&SealedVerifier> for VisitorDocument {
    fn from(record: &SealedVerifier) -> Self {
        Self {
            v: V1,
            extension: record.aor.extension.to_string(),
            home: record.aor.home,
            key: record.key.0,
            generation: record.generation,
            not_after: Moment(record.not_after.wall()),
            sealed: base64url::encode(&record.sealed),
            unknown: Unknown::new(),
        }
    }
}

impl VisitorDocument {
    /// The record, when it came on the topic of `extension`. It is not opened here.
    pub fn record(&self, extension: &Extension) -> Result<SealedVerifier, Refusal> {
        let aor = aor(&self.extension, self.home, extension)?;
        let sealed = base64url::decode(&self.sealed).filter(|sealed| sealed.len() <= LONGEST_SEALED);
        let expected =
            || Refusal::new("sealed", format!("expected base64url of at most {LONGEST_SEALED} bytes"));
        Ok(SealedVerifier {
            aor,
            key: KeyId(self.key),
            generation: self.generation,
            not_after: Second::of(self.not_after.0),
            sealed: sealed.ok_or_else(expected)?,
        })
    }
}

fn aor(written: &str, home: OfficeId, topic: &Extension) -> Result<Aor, Refusal> {
    if written != topic.as_str() {
        return Err(Refusal::new("extension", format!("expected {topic}, as in the topic")));
    }
    Ok(Aor { home, extension: topic.clone() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extension(text: &str) -> Extension {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn entries_and_records_come_back(
            counter in 1..=MAX_COUNTER, registered: u32, expires: u32, gone: bool, sealed in prop::collection::vec(any::<u8>(), 0..640),
        ) {
            let aor = Aor { home: "BRU".parse().unwrap(), extension: extension("32-1001") };
            let version = Version { counter, registered: Second(registered), office: "PAR".parse().unwrap() };
            let presence = if gone { Presence::Gone } else { Presence::Here };
            let entry = RoamingEntry { aor: aor.clone(), version, presence, expires: Second(expires) };
            let written = RoamingDocument::from(&entry).write();
            prop_assert!(written.len() < 300, "what every registration costs");
            let read = RoamingDocument::read(&written).unwrap();
            prop_assert_eq!(read.entry(&aor.extension).unwrap(), entry);

            let record = SealedVerifier { aor, key: KeyId(7), generation: counter, not_after: Second(expires), sealed };
            let read = VisitorDocument::read(&VisitorDocument::from(&record).write()).unwrap();
            prop_assert_eq!(read.record(&extension("32-1001")).unwrap(), record);
        }
    }

    #[test]
    fn what_does_not_fit_its_topic_or_its_bounds_is_refused() {
        let text = r#"{"v":1,"extension":"32-1001","home":"BRU","office":"PAR","place":"here","counter":0,
            "registered":"2026-11-21T09:00:00Z","expires":"2026-11-21T10:00:00Z"}"#;
        let read = RoamingDocument::read(text.as_bytes()).unwrap();
        assert_eq!(read.entry(&extension("32-1002")).unwrap_err().part, "extension");
        assert_eq!(read.entry(&extension("32-1001")).unwrap_err().part, "counter");
        for sealed in ["+", &"A".repeat(1000)] {
            let document = serde_json::json!({ "v": 1, "extension": "32-1001", "home": "BRU", "key": 1, "generation": 1,
                "not-after": "2026-11-21T09:00:00Z", "sealed": sealed });
            let document = VisitorDocument::read(document.to_string().as_bytes()).unwrap();
            assert_eq!(document.record(&extension("32-1001")).unwrap_err().part, "sealed");
        }
    }
}

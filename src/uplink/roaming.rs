//! `branchline/v1/roaming/{extension}`: where an extension is now, as the office says where it signed in or out.
//!
//! Of two documents of one extension, `engine/roaming` says which counts.

use serde::{Deserialize, Serialize};

use super::base64url;
use super::document::{Document, Refusal, Unknown, V1};
use super::moment::Moment;
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::roaming::{
    Aor, KeyId, LONGEST_SEALED, Presence, RoamingEntry, SealedVerifier, Second, Version,
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

impl Document for RoamingDocument {}

impl RoamingDocument {
    /// The document of an entry.
    pub fn of(entry: &RoamingEntry) -> Self {
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

    /// The entry that it says.
    pub fn entry(&self) -> Result<RoamingEntry, Refusal> {
        Ok(RoamingEntry {
            aor: aor(self.home, &self.extension)?,
            version: Version {
                counter: self.counter,
                registered: Second::of(self.registered.0),
                office: self.office,
            },
            presence: match self.place {
                Place::Here => Presence::Here,
                Place::Gone => Presence::Gone,
            },
            expires: Second::of(self.expires.0),
        })
    }
}

/// `branchline/v1/roaming-credentials/{extension}`: what verifies a roaming user, sealed by the home office with the key
/// that all boxes of the federation have (`docs/decisions/0007`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CredentialsDocument {
    /// Version of this document.
    pub v: V1,
    /// The extension, in canonical form.
    pub extension: String,
    /// The office that gave it out.
    #[serde(with = "super::document::office")]
    pub home: OfficeId,
    /// The number of the key.
    pub key: u32,
    /// Of two documents of one extension the one with the greater generation counts.
    pub generation: u64,
    /// When it ends; whole seconds.
    pub not_after: Moment,
    /// Nonce, what was sealed, and its tag, in Base64url.
    pub sealed: String,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Document for CredentialsDocument {}

impl CredentialsDocument {
    /// The document of a record.
    pub fn of(record: &SealedVerifier) -> Self {
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

    /// The record that it carries.
    pub fn record(&self) -> Result<SealedVerifier, Refusal> {
        let sealed = base64url::decode(&self.sealed).filter(|sealed| sealed.len() <= LONGEST_SEALED);
        Ok(SealedVerifier {
            aor: aor(self.home, &self.extension)?,
            key: KeyId(self.key),
            generation: self.generation,
            not_after: Second::of(self.not_after.0),
            sealed: sealed
                .ok_or_else(|| Refusal::new("sealed", "expected Base64url of at most 640 bytes"))?,
        })
    }
}

fn aor(home: OfficeId, extension: &str) -> Result<Aor, Refusal> {
    let expected = || Refusal::new("extension", "expected an extension in canonical form, as in \"32-1001\"");
    let read: Extension = extension.parse().map_err(|_| expected())?;
    if read.as_str() == extension { Ok(Aor { home, extension: read }) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::roaming::{Keyring, Standing};

    fn entry() -> RoamingEntry {
        RoamingEntry {
            aor: aor("BRU".parse().unwrap(), "32-1001").unwrap(),
            version: Version {
                counter: 7,
                registered: Second(1_795_000_000),
                office: "PAR".parse().unwrap(),
            },
            presence: Presence::Gone,
            expires: Second(1_795_007_200),
        }
    }

    #[test]
    fn an_entry_comes_back_from_its_document() {
        let document = RoamingDocument::of(&entry());
        let bytes = document.write();
        assert!(bytes.len() < 200, "{}", bytes.len());
        assert_eq!(RoamingDocument::read(&bytes).unwrap().entry().unwrap(), entry());
        let other = RoamingDocument { extension: "+321001".to_owned(), ..document };
        assert_eq!(other.entry().unwrap_err().part, "extension");
    }

    #[test]
    fn a_sealed_record_comes_back_from_its_document() {
        let keyring = Keyring::parse(&format!("3:{}", "5a".repeat(32))).unwrap();
        let about = (9, Second(1_795_000_000));
        let record =
            SealedVerifier::seal(&entry().aor, &Standing::Revoked, about, keyring.sealing(), [8; 12])
                .unwrap();
        let document = CredentialsDocument::of(&record);
        assert_eq!(CredentialsDocument::read(&document.write()).unwrap().record().unwrap(), record);
        for bad in ["*".to_owned(), "A".repeat(900)] {
            let bad = CredentialsDocument { sealed: bad, ..document.clone() };
            assert_eq!(bad.record().unwrap_err().part, "sealed");
        }
    }
}

//! The document of a route set, with every field it came with: what is signed is signed as it was written.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::engine::numbering::OfficeId;
use crate::engine::routing::Revision;
use crate::uplink::canonical::canonical;
use crate::uplink::digest::Digest;
use crate::uplink::document::Refusal;
use crate::uplink::json::{self, JsonBounds};
use crate::uplink::moment::Moment;
use crate::uplink::revision::LAST_REVISION;
use crate::uplink::signature::{KeyId, SignatureFlaw, SigningKey, TrustedKeys};

/// Longest route set, in bytes.
pub const LONGEST_SET: usize = 4 << 20;
const BOUNDS: JsonBounds = JsonBounds { bytes: LONGEST_SET, depth: 16, values: 400_000 };
const SIGNATURE: &str = "signature";

/// A route set as a document: version, office and revision can be read, everything else is as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSet {
    fields: Map<String, Value>,
    office: OfficeId,
    revision: Revision,
}

impl RouteSet {
    /// Reads a document of at most 4 MiB: JSON without fractions or keys twice, with a `v` of 1.
    pub fn read(text: &[u8]) -> Result<Self, Refusal> {
        Self::new(Self::read_fields(text)?)
    }

    /// Its fields, when nothing more is known of it.
    pub(super) fn read_fields(text: &[u8]) -> Result<Map<String, Value>, Refusal> {
        match json::parse(text, &BOUNDS)? {
            Value::Object(fields) => Ok(fields),
            _ => Err(Refusal::whole("expected an object")),
        }
    }

    /// A set of these fields.
    pub fn new(fields: Map<String, Value>) -> Result<Self, Refusal> {
        let read = Fields::of_document(&fields);
        if read.number("v", 0..=u64::MAX)? != Some(1) {
            return Err(read.refuse("v", "expected 1, the version of route sets that this software reads"));
        }
        let office = read.parsed("office")?;
        let revision = read.number("revision", 1..=LAST_REVISION.0)?;
        let revision = revision.ok_or_else(|| read.refuse("revision", "expected an integer from 1"))?;
        Ok(Self { fields, office, revision: Revision(revision) })
    }

    /// The office it is for.
    pub const fn office(&self) -> OfficeId {
        self.office
    }

    /// Its revision.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// Its fields, unknown ones too.
    pub const fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The same set under another revision and date of issue, not signed.
    pub fn reissued(&self, revision: Revision, issued: Moment) -> Result<Self, Refusal> {
        let mut fields = self.fields.clone();
        fields.remove(SIGNATURE);
        fields.insert("revision".to_owned(), revision.0.into());
        fields.insert("issued".to_owned(), issued.to_text().into());
        Self::new(fields)
    }

    /// What is signed: the canonical form without the signature.
    pub fn payload(&self) -> Result<String, Refusal> {
        payload(&self.fields)
    }

    /// The digest of what is signed: equal sets have equal ones, whoever signed them.
    pub fn digest(&self) -> Result<Digest, Refusal> {
        digest(&self.fields)
    }

    /// The set with a signature by `key`, in place of an older one.
    pub fn signed(mut self, key: &SigningKey) -> Result<Self, Refusal> {
        let signature = key.sign(self.payload()?.as_bytes());
        self.fields.insert(SIGNATURE.to_owned(), signature.into());
        Ok(self)
    }

    /// Which trusted key signed it.
    pub fn verify<'k>(&self, trusted: &'k TrustedKeys) -> Result<&'k KeyId, SignatureFlaw> {
        let signature = self.fields.get(SIGNATURE).ok_or(SignatureFlaw::Missing)?;
        let signature = signature.as_str().ok_or(SignatureFlaw::Malformed)?;
        let payload = self.payload().map_err(|_| SignatureFlaw::Malformed)?;
        trusted.verify(signature, payload.as_bytes())
    }

    /// Whether it has a signature, good or not.
    pub fn is_signed(&self) -> bool {
        self.fields.contains_key(SIGNATURE)
    }

    /// Its text, on one line, keys in order.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(&self.fields).unwrap_or_default()
    }
}

/// The digest of fields that may be no good set.
pub(super) fn digest(fields: &Map<String, Value>) -> Result<Digest, Refusal> {
    Ok(Digest::of(payload(fields)?.as_bytes()))
}

fn payload(fields: &Map<String, Value>) -> Result<String, Refusal> {
    let mut fields = fields.clone();
    fields.remove(SIGNATURE);
    canonical(&Value::Object(fields))
}

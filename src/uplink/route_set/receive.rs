//! The way of a set that came, as in the table of [`super`].

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::check::check;
use super::document::{self, LONGEST_SET, RouteSet};
use crate::engine::numbering::OfficeId;
use crate::engine::routing::{Revision, RouteTable};
use crate::time::WallTime;
use crate::uplink::digest::Digest;
use crate::uplink::document::Refusal;
use crate::uplink::moment::Moment;
use crate::uplink::reported::{Because, SetName};
use crate::uplink::revision::{Verdict, Watermark};
use crate::uplink::signature::{SignatureFlaw, TrustedKeys};

/// What the box holds a set that came against.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance<'a> {
    /// The box's office.
    pub office: OfficeId,
    /// Whose signatures it takes.
    pub trusted: &'a TrustedKeys,
    /// Which sets it had.
    pub watermark: &'a Watermark,
    /// The time, for `not-after`.
    pub now: WallTime,
}

/// A set that is good.
#[derive(Debug)]
pub enum Accepted {
    /// It is to go into force.
    New {
        /// The document, to be kept on flash.
        set: Box<RouteSet>,
        /// What it means.
        table: Box<RouteTable>,
        /// Its digest.
        digest: Digest,
        /// How long a fall of health rolls it back.
        probation: Duration,
    },
    /// It is in force already: a retained message came again.
    InForce,
}

/// A set that is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why, by name.
    pub reason: RejectReason,
    /// Which part, and in words.
    pub refusal: Refusal,
    /// Which set, as far as that could be read.
    pub asked: SetName,
}

/// Why a set is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// Longer than 4 MiB.
    TooLarge,
    /// No JSON within bounds.
    Malformed,
    /// Not of version 1.
    Version,
    /// Its signature.
    Signature(SignatureFlaw),
    /// It is for another office.
    Foreign,
    /// A higher revision was in force already.
    Stale,
    /// It was in force and was rolled back.
    Replayed,
    /// Another set of the same revision was in force.
    Conflict,
    /// It came after its `not-after`.
    Expired,
    /// A part is bad; the refusal says which.
    BadPart,
}

impl RejectReason {
    /// The name in reports and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Signature(flaw) => flaw.as_str(),
            Self::Foreign => "foreign",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::BadPart => "bad-part",
        }
    }
}

impl Rejection {
    /// As the reported document says it.
    pub fn because(&self) -> Because {
        let Refusal { part, reason } = self.refusal.clone();
        Because { reason: self.reason.as_str().to_owned(), part, words: reason }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.refusal)
    }
}

impl std::error::Error for Rejection {}

/// Judges what came on `routes/desired`.
pub fn receive(text: &[u8], acceptance: &Acceptance<'_>) -> Result<Accepted, Box<Rejection>> {
    let nameless = SetName { revision: None, digest: None };
    let fields = RouteSet::read_fields(text).map_err(|refusal| {
        let reason = if text.len() > LONGEST_SET { RejectReason::TooLarge } else { RejectReason::Malformed };
        Box::new(Rejection { reason, refusal, asked: nameless })
    })?;
    let digest = document::digest(&fields);
    let revision = fields.get("revision").and_then(Value::as_u64).map(Revision);
    let asked = SetName { revision, digest: digest.as_ref().ok().copied() };
    let reject = |reason, refusal| Box::new(Rejection { reason, refusal, asked: asked.clone() });
    let digest = digest.map_err(|refusal| reject(RejectReason::Malformed, refusal))?;
    let set = RouteSet::new(fields).map_err(|refusal| {
        let reason = if refusal.part == "v" { RejectReason::Version } else { RejectReason::BadPart };
        reject(reason, refusal)
    })?;
    set.verify(acceptance.trusted)
        .map_err(|flaw| reject(RejectReason::Signature(flaw), Refusal::new("signature", flaw.to_string())))?;
    let verdict = acceptance.watermark.judge(acceptance.office, set.office(), set.revision(), &digest);
    if let Some((reason, refusal)) = objection(verdict, acceptance.office) {
        return Err(reject(reason, refusal));
    }
    if verdict == Verdict::InForce {
        return Ok(Accepted::InForce);
    }
    let (table, probation) = check(&set).map_err(|refusal| reject(RejectReason::BadPart, refusal))?;
    if let Some(end) = table.not_after().filter(|end| *end < acceptance.now) {
        let words = format!("it should not go into force after {}", Moment(end).to_text());
        return Err(reject(RejectReason::Expired, Refusal::new("not-after", words)));
    }
    Ok(Accepted::New { set: Box::new(set), table: Box::new(table), digest, probation })
}

/// What office and revision have against a set.
fn objection(verdict: Verdict, own: OfficeId) -> Option<(RejectReason, Refusal)> {
    let revision = |words: &str| Refusal::new("revision", words);
    match verdict {
        Verdict::Newer | Verdict::InForce => None,
        Verdict::Foreign => Some((
            RejectReason::Foreign,
            Refusal::new("office", format!("expected {own}, this box's office")),
        )),
        Verdict::Stale(highest) => Some((
            RejectReason::Stale,
            revision(&format!("revision {highest} was in force already; expected a higher one")),
        )),
        Verdict::Replayed => Some((
            RejectReason::Replayed,
            revision("this set was in force and was rolled back; expected a higher revision"),
        )),
        Verdict::Conflict => Some((
            RejectReason::Conflict,
            revision("another set of this revision was in force; expected a higher revision"),
        )),
    }
}

//! Route sets: what central ops push to a box, and the way of one that came.
//!
//! ```json
//! { "v": 1, "office": "BRU", "revision": 42, "issued": "2026-11-21T09:00:00Z", "probation": "60s",
//!   "links": [ { "id": "par-sip", "kind": "SipTrunk", "office": "PAR", "address": "sip:par.example:5061;transport=tls",
//!                "cost": 10, "priority": 1, "weight": 50, "max-calls": 30, "location": "headers",
//!                "health": { "probe": "5s", "timeout": "1s", "fail-after": 2, "recover-after": 3 } } ],
//!   "routes": [ { "pattern": "PAR-*", "office": "PAR", "links": ["par-sip"] } ],
//!   "emergency": ["100"], "emergency-links": [], "limits": { "calls": 200 },
//!   "signature": "…" }
//! ```
//!
//! The way of a set that came ([`receive`]); the first that does not hold refuses it as a whole:
//!
//! | step | reasons |
//! | --- | --- |
//! | bounded JSON without fractions or keys twice | `too-large`, `malformed` |
//! | `v` is 1, office and revision can be read | `version`, `bad-part` |
//! | signed by a trusted key | `unsigned`, `signature-malformed`, `signature-unsupported`, `unknown-key`, `forged` |
//! | for this office | `foreign` |
//! | newer than all before it | `stale`, `replayed`, `conflict` |
//! | not too late | `expired` |
//! | every part is good, and fits the others | `bad-part`, with the part's path |
//!
//! | file | what is there |
//! | --- | --- |
//! | `document` | [`RouteSet`]: the document with all its fields, its payload, digest and signature |
//! | `fields` | reading of fields, with their paths in refusals |
//! | `check` | [`check`]: document → `RouteTable` |
//! | `receive` | [`receive`] |

mod check;
mod document;
mod fields;
mod policy;
mod receive;

#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;

pub use check::check;
pub use document::{LONGEST_SET, RouteSet};
pub use receive::{Acceptance, Accepted, RejectReason, Rejection, receive};

//! Numbers: what an extension is, which country codes there are, and what a dialled text means.
//!
//! An extension is written in many ways and has one canonical form, `LOCAL` or `COUNTRY-LOCAL`:
//!
//! | written | country | local part | canonical |
//! | --- | --- | --- | --- |
//! | `1001` | none | `1001` | `1001` |
//! | `32-1001`, `+32-1001`, `+321001` | 32 | `1001` | `32-1001` |
//! | `32-001-00-00-00` | 32 | `001000000` | `32-001000000` |
//! | `1-800-123-4567`, `+1 (800) 123-4567` | 1 | `8001234567` | `1-8001234567` |
//!
//! With a `+`, the country code is found by the digits; without, it is the first group of digits, and there must be
//! a separator behind it. Separators are `-`, `.`, space and parentheses (RFC 3966 §5.1.1).
//!
//! A number of another office has that office's id before it: `PAR-1001` ([`OfficeNumber`]).
//!
//! A dialled user part is sorted by [`NumberPlan::classify`]: emergency first, whatever else the text may be.

mod country;
mod dialled;
mod emergency;
mod extension;
mod meaning;
mod office;
mod reason;

pub use country::{Country, CountryCode, list_country_codes};
pub use dialled::{Dialled, ExternalNumber, FeatureCode, NumberPlan};
pub use emergency::{EmergencyNumber, EmergencyNumbers};
pub use extension::{Extension, list_by_country};
pub use meaning::{Meaning, TakenApart};
pub use office::{OfficeId, OfficeNumber};
pub use reason::NumberError;

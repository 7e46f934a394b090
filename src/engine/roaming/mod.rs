//! Where extensions are that roam: the cache of what all offices say, and how visitors prove who they are.
//!
//! | file | what |
//! | --- | --- |
//! | `aor` | [`Aor`]: home office and extension |
//! | `entry` | [`RoamingEntry`], [`Version`]: which of two counts |
//! | `offices`, `index` | the fixed-capacity index: 32 bytes an entry |
//! | `eviction` | who goes when it is full |
//! | `doubts` | older entries that were heard, and who puts them right |
//! | `cache` | [`Roaming`]: merge, sign in, renew, sign out |
//! | `keyring` | [`Keyring`]: the federation's keys |
//! | `verifier` | [`SealedVerifier`]: what verifies a visitor |
//! | `issuer` | [`Issuer`]: which of this office's users need a new record |
//! | `named` | [`Named`]: whom a text names, one of ours or a visitor |
//! | `terms` | limits, verdicts, changes, figures |
//! | `repair` | what is said again, renewed, or claimed back |
//! | `whereabouts` | [`Whereabouts`]: where to call, and how old that knowledge is |
//!
//! # States of an extension, as this office sees them
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | any | a device signs in here | publish counter + 1 | here |
//! | here | less than half of the lease is left | publish a later expiry | here |
//! | here | the last device is gone | publish a tombstone, counter + 1 | gone |
//! | here | another office's newer entry | told; the devices stay | elsewhere |
//! | here | the same, but the sign-in here is later by more than the allowance for clocks | publish counter + 1 | here |
//! | elsewhere, devices still here | the other's tombstone, or its expiry | publish counter + 1 | here |
//! | any | an older entry, and this office wrote the newer one or is home | publish the newer one | same |
//! | elsewhere, gone | expired for longer than entries are kept | forget | unknown |

mod aor;
mod cache;
mod doubts;
mod entry;
mod eviction;
mod index;
mod issuer;
mod keyring;
mod named;
mod offices;
mod repair;
mod terms;
mod verifier;
mod whereabouts;

#[cfg(test)]
mod cache_tests;
#[cfg(test)]
mod model_tests;

pub use aor::Aor;
pub use cache::Roaming;
pub use entry::{MAX_COUNTER, Presence, RoamingEntry, Second, Version};
pub use issuer::{Issuer, ToIssue};
pub use keyring::{GroupKey, KeyId, Keyring, KeyringError};
pub use named::{Named, is_known, named};
pub use terms::{Merged, Refusal, RoamingChange, RoamingFigures, RoamingSettings};
pub use verifier::{LONGEST_SEALED, SealedVerifier, Standing, TooLong, Unopened, Verifier};
pub use whereabouts::Whereabouts;

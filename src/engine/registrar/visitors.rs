//! Users of other offices who sign in here: as ours, but for where their keys come from.
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | REGISTER with credentials, and their record opens | [`Registrar::admit_visitor`] | admitted |
//! | admitted | it is refused | [`Registrar::tidy_visitor`] | – |
//! | admitted | it is accepted | a binding, as for ours | here |
//! | here | another password, or revoked | the bindings go | – |
//! | here | the last binding is gone | [`Registrar::tidy_visitor`] | – |
//! | here | restart | [`Registrar::adopt`]: the bindings come back, the keys with the next REGISTER | here, without keys |

use std::collections::HashMap;

use super::account::Accounts;
use super::binding::{Binding, Reach};
use super::{Changed, Registrar, What, forgotten};
use crate::engine::numbering::Extension;
use crate::engine::roaming::{Aor, Verifier};
use crate::sip::digest::UserKeys;
use crate::sip::header::Credentials;
use crate::time::{Now, WallTime};

/// Whom a request's To or From names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// One of our extensions, by its form or by an account.
    Own(Extension),
    /// A user of another office.
    Visitor(Extension),
    /// Nobody.
    Nobody,
}

impl Claimed {
    /// The extension.
    pub const fn extension(&self) -> Option<&Extension> {
        match self {
            Self::Own(extension) | Self::Visitor(extension) => Some(extension),
            Self::Nobody => None,
        }
    }
}

/// A user of another office.
#[derive(Debug)]
struct Visitor {
    aor: Aor,
    /// What verifies them; none between a restart and their next REGISTER.
    verifier: Option<Verifier>,
}

/// The visitors that are here or just being verified. No more than there are bindings and requests under way.
#[derive(Debug, Default)]
pub(super) struct Visitors(HashMap<Extension, Visitor>);

impl Visitors {
    pub(super) fn keys(&self, extension: &Extension) -> Option<&UserKeys> {
        self.0.get(extension)?.verifier.as_ref().map(|verifier| &verifier.keys)
    }

    pub(super) fn has(&self, extension: &Extension) -> bool {
        self.0.contains_key(extension)
    }

    pub(super) fn display_name(&self, extension: &Extension) -> Option<&str> {
        self.0.get(extension)?.verifier.as_ref()?.display_name.as_deref()
    }

    fn keys_of_user(&self, extension: &Extension, username: &str) -> Option<&UserKeys> {
        let verifier = self.0.get(extension)?.verifier.as_ref()?;
        (verifier.username == username).then_some(&verifier.keys)
    }
}

/// Whom credentials speak for, given whom the request names; and their keys, if there are any.
pub(super) fn prover<'a>(
    accounts: &'a Accounts,
    visitors: &'a Visitors,
    claimed: &Claimed,
    credentials: &Credentials,
) -> (Option<Extension>, Option<&'a UserKeys>) {
    let username = credentials.username.as_str();
    if let Claimed::Visitor(extension) = claimed {
        return (Some(extension.clone()), visitors.keys_of_user(extension, username));
    }
    let user = username.parse::<Extension>().ok();
    let keys = user.as_ref().and_then(|user| accounts.get(user)).map(|account| &account.keys);
    (user, keys)
}

impl Registrar {
    /// Whose visitor's extension this is.
    pub fn visitor(&self, extension: &Extension) -> Option<&Aor> {
        self.visitors.0.get(extension).map(|visitor| &visitor.aor)
    }

    /// Whether a visitor's credentials can be verified without asking for the record.
    pub fn can_verify(&self, extension: &Extension) -> bool {
        self.visitors.keys(extension).is_some()
    }

    /// Whether calls to the extension are for devices here: it has an account, or visits.
    pub fn serves(&self, extension: &Extension) -> bool {
        self.has_account(extension) || self.visitors.has(extension) && self.is_registered(extension)
    }

    /// A visitor's record was opened. Bindings that were made with another password go.
    pub fn admit_visitor(&mut self, aor: Aor, verifier: Verifier) -> Vec<Changed> {
        let extension = aor.extension.clone();
        let hex = |keys: &UserKeys| keys.sha256.to_hex();
        let is_other = self.visitors.keys(&extension).is_some_and(|known| hex(known) != hex(&verifier.keys));
        let changes = if is_other { self.drop_all(&extension) } else { Vec::new() };
        self.visitors.0.insert(extension, Visitor { aor, verifier: Some(verifier) });
        changes
    }

    /// The home office says that the user may not sign in any more.
    pub fn expel_visitor(&mut self, extension: &Extension) -> Vec<Changed> {
        if self.visitors.has(extension) { self.drop_all(extension) } else { Vec::new() }
    }

    /// Forgets a visitor who has no device here and makes none.
    pub fn tidy_visitor(&mut self, extension: &Extension) {
        if !self.table.has(extension) && !self.reserved.contains_key(extension) {
            self.visitors.0.remove(extension);
            self.availability.remove(extension);
        }
    }

    /// Takes back the visitors' bindings that survived a restart; `whose` says whose they are, `None` if nobody's any more.
    /// Those that are not taken back are returned.
    pub fn adopt(&mut self, now: Now, whose: impl Fn(&Extension) -> Option<Aor>) -> Vec<Changed> {
        let mut changes = Vec::new();
        for binding in std::mem::take(&mut self.orphans) {
            match whose(&binding.key.extension) {
                Some(aor) => {
                    let visitor = Visitor { aor, verifier: None };
                    self.visitors.0.entry(binding.key.extension.clone()).or_insert(visitor);
                    self.table.put(binding, now);
                }
                None => changes.push(forgotten(binding.key, What::Unregistered)),
            }
        }
        changes
    }

    /// Who has devices here, and since when the newest of them.
    pub fn present(&self) -> Vec<(Extension, WallTime)> {
        let newest = |extension| self.table.of(extension).map(|binding| binding.created).max();
        let mut present: Vec<_> = self
            .table
            .extensions()
            .map(|extension| (extension.clone(), newest(extension).unwrap_or_default()))
            .collect();
        present.sort();
        present
    }

    fn drop_all(&mut self, extension: &Extension) -> Vec<Changed> {
        let keys: Vec<_> = self.table.of(extension).map(|binding| binding.key.clone()).collect();
        keys.into_iter().filter_map(|key| self.drop_binding(&key, What::CredentialsChanged)).collect()
    }
}

/// Whether a REGISTER says that the user came here, and not merely that the device is still here: the device is new, has
/// been started anew (another Call-ID, RFC 3261 §10.2.4), or is in another place of the network.
pub(super) fn is_sign_in(known: Option<&Binding>, new: &Binding) -> bool {
    let Some(known) = known else { return true };
    let same_place = match (&known.reach, &new.reach) {
        (Reach::Sip { flow: a, .. }, Reach::Sip { flow: b, .. }) => a.remote.ip() == b.remote.ip(),
        _ => true,
    };
    known.call_id != new.call_id || !same_place
}

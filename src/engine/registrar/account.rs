//! Accounts: who may register, and how they prove it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::numbering::Extension;
use crate::sip::digest::UserKeys;

/// One extension's account. Passwords are never kept, only their digests (RFC 8760 §2).
#[derive(Clone, Debug)]
pub struct Account {
    /// The extension, which is the user name too.
    pub extension: Extension,
    /// Shown to the called party.
    pub display_name: Option<String>,
    /// H(user:realm:password), by both algorithms.
    pub keys: UserKeys,
    /// SHA-256 of the bearer token of the REST interface.
    pub token_hash: [u8; 32],
}

impl Account {
    /// Whether passwords of both are the same.
    pub fn same_keys(&self, other: &Self) -> bool {
        self.keys.sha256.to_hex() == other.keys.sha256.to_hex()
    }
}

/// All accounts. Cheap to copy; replaced as a whole when one changes.
#[derive(Clone, Debug, Default)]
pub struct Accounts(Arc<HashMap<Extension, Account>>);

impl Accounts {
    /// The account of `extension`.
    pub fn get(&self, extension: &Extension) -> Option<&Account> {
        self.0.get(extension)
    }

    /// All, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.values()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Account> for Accounts {
    fn from_iter<I: IntoIterator<Item = Account>>(accounts: I) -> Self {
        Self(Arc::new(accounts.into_iter().map(|account| (account.extension.clone(), account)).collect()))
    }
}

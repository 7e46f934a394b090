//! The accounts as the HTTP room asks for them: from memory, at any time.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::api::{Authenticate, Directory, Entry, WebAccount};
use crate::engine::numbering::Extension;
use crate::engine::registrar::{Account, Accounts};

/// The accounts in force; replaced as a whole.
#[derive(Debug, Default)]
pub struct AccountBook(RwLock<Arc<Page>>);

#[derive(Debug, Default)]
struct Page {
    accounts: Accounts,
    entries: Arc<[Entry]>,
    by_token: HashMap<[u8; 32], Extension>,
}

impl AccountBook {
    /// Puts other accounts in force.
    pub fn replace(&self, accounts: Accounts) {
        let by_token = accounts.iter().map(|one| (one.token_hash, one.extension.clone())).collect();
        let mut entries: Vec<_> = accounts.iter().map(entry).collect();
        entries.sort_by(|one, other| one.extension.cmp(&other.extension));
        let page = Arc::new(Page { accounts, entries: entries.into(), by_token });
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = page;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.page().accounts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.page().accounts.is_empty()
    }

    fn page(&self) -> Arc<Page> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Authenticate for AccountBook {
    fn by_extension(&self, extension: &str) -> Option<WebAccount> {
        let extension: Extension = extension.parse().ok()?;
        self.page().accounts.get(&extension).map(web_account)
    }

    fn by_token(&self, sha256: &[u8; 32]) -> Option<WebAccount> {
        let page = self.page();
        page.by_token.get(sha256).and_then(|extension| page.accounts.get(extension)).map(web_account)
    }
}

impl Directory for AccountBook {
    fn entries(&self) -> Arc<[Entry]> {
        Arc::clone(&self.page().entries)
    }
}

fn entry(account: &Account) -> Entry {
    let name = account.display_name.clone().unwrap_or_default();
    Entry { extension: account.extension.clone(), name }
}

fn web_account(account: &Account) -> WebAccount {
    let bytes = |text: &str| -> Option<Vec<u8>> {
        let digits = text.as_bytes().chunks(2).map(std::str::from_utf8);
        digits.map(|two| two.ok().and_then(|two| u8::from_str_radix(two, 16).ok())).collect()
    };
    let (sha256, md5) = (account.keys.sha256.to_hex(), account.keys.md5.to_hex());
    WebAccount {
        extension: account.extension.clone(),
        username: account.extension.to_string(),
        name: account.display_name.clone().unwrap_or_default(),
        ha1_sha256: bytes(&sha256).and_then(|bytes| bytes.try_into().ok()).map(Zeroizing::new),
        ha1_md5: bytes(&md5).and_then(|bytes| bytes.try_into().ok()).map(Zeroizing::new),
    }
}

//! What lies on flash: accounts, registrations, revocation lists. Read at the start and at a reload.
//!
//! A store that does not answer ends the start; at a reload what is in force stays, because an empty list would take
//! every account away.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};

use super::failure::Failure;
use crate::engine::numbering::Extension;
use crate::engine::registrar::{Accounts, Availability, Binding};
use crate::shell::daemon::Daemon;
use crate::shell::listen::{Revocations, revocations};
use crate::shell::pki::TlsEndpoint;
use crate::shell::settings::{self, AccountBook};
use crate::shell::store::StoreError;

/// What survived.
pub(super) struct Loaded {
    pub(super) accounts: Accounts,
    pub(super) bindings: Vec<Binding>,
    /// What was used of rules' limits.
    pub(super) tally: Vec<(String, String)>,
    /// What users said of how to be reached.
    pub(super) availability: Vec<(Extension, Availability)>,
}

impl Loaded {
    pub(super) async fn read(daemon: &Daemon) -> Result<Self, Failure> {
        let unread = |error| Failure::system(format!("the store: {error}; look at [paths] state-dir"));
        let accounts = accounts(daemon).await.map_err(unread)?;
        let bindings = bindings(daemon).await.map_err(unread)?;
        let tally = daemon.store.metas(settings::TALLY).await.map_err(unread)?;
        let said = daemon.store.metas(settings::AVAILABILITY).await.map_err(unread)?;
        let said = said.iter().filter_map(|(extension, value)| settings::availability(extension, value));
        let availability = said.collect();
        info!(extensions = accounts.len(), bindings = bindings.len(), "loaded");
        Ok(Self { accounts, bindings, tally, availability })
    }

    /// The accounts as the HTTP room asks for them.
    pub(super) fn book(&self) -> Arc<AccountBook> {
        let book = AccountBook::default();
        book.replace(self.accounts.clone());
        Arc::new(book)
    }
}

/// The accounts that can be used; the others are named and left out.
pub(super) async fn accounts(daemon: &Daemon) -> Result<Accounts, StoreError> {
    let rows = daemon.store.accounts().await?;
    let realm = &daemon.config.sip.realm;
    let read = rows.iter().filter_map(|row| match settings::account(row, realm) {
        Ok(account) => Some(account),
        Err(flaw) => {
            warn!(reason = flaw.as_str(), "an extension is left out; give it a new password");
            None
        }
    });
    Ok(read.collect())
}

async fn bindings(daemon: &Daemon) -> Result<Vec<Binding>, StoreError> {
    let rows = daemon.store.bindings().await?;
    let read = rows.into_iter().filter_map(|row| match settings::binding(row) {
        Ok(binding) => Some(binding),
        Err(flaw) => {
            warn!(reason = flaw.as_str(), "a registration is left out");
            None
        }
    });
    Ok(read.collect())
}

/// What the lists in force revoke; open connections follow.
pub(super) struct RevocationLists {
    pub(super) sip: watch::Sender<Revocations>,
    pub(super) https: watch::Sender<Revocations>,
    pub(super) offices: watch::Sender<Revocations>,
}

impl RevocationLists {
    pub(super) fn read(daemon: &Daemon) -> Self {
        let lists = Self {
            sip: watch::Sender::default(),
            https: watch::Sender::default(),
            offices: watch::Sender::default(),
        };
        lists.reload(daemon);
        lists
    }

    /// Reads the lists again; connections whose certificates they name are closed. A list that cannot be read
    /// leaves the former in force.
    pub(super) fn reload(&self, daemon: &Daemon) {
        reload(&self.sip, daemon.sip_tls.as_ref());
        reload(&self.https, daemon.https_tls.as_ref());
        reload(&self.offices, daemon.offices_tls.as_ref());
    }
}

fn reload(lists: &watch::Sender<Revocations>, endpoint: Option<&TlsEndpoint>) {
    let path = endpoint.and_then(|endpoint| endpoint.files().crl.as_deref());
    match path.map(revocations).transpose() {
        Ok(read) => drop(lists.send_replace(read.unwrap_or_default())),
        Err(error) => warn!(reason = "revocation-list", "the former list stays in force: {error}"),
    }
}

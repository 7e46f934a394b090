//! Accounts and bindings: who may register, and where each device is (RFC 3261 §10, RFC 5626, RFC 8760).
//!
//! | file | what |
//! | --- | --- |
//! | `account` | [`Accounts`]: digests of passwords, names, tokens |
//! | `binding` | [`Binding`]: one device |
//! | `table` | all bindings, bounded, with their expiry |
//! | `register` | REGISTER: challenge, refuse, or prepare and commit |
//! | `challenge` | which digests a device is offered |
//! | `authenticate` | requests other than REGISTER |
//! | `pages` | browsers as devices |
//! | `availability`, `best` | what users say of how to be reached; which devices ring, in which order, and why |
//! | `visitors` | users of other offices |
//!
//! # States of a binding
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | REGISTER accepted and on flash | put; `registered` | reachable |
//! | reachable | REGISTER of the same device | put; `refreshed`, or `replaced` on another flow | reachable |
//! | reachable | its connection closed | `flow-lost` | away |
//! | away | REGISTER of the same device | put; `replaced`; its calls follow it | reachable |
//! | any | expires 0, `*` | remove; `unregistered` | – |
//! | any | its time has come | remove; `expired` | – |
//! | any | the password changed, the account is gone | remove; `credentials-changed` | – |
//!
//! A REGISTER is answered 200 only after its changes are on flash: [`Registrar::register`] prepares,
//! [`Registrar::commit`] puts in force and answers.

mod account;
mod authenticate;
mod availability;
mod best;
mod binding;
mod challenge;
mod pages;
mod register;
mod table;
mod visitors;

use std::collections::HashMap;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use serde::Serialize;

pub use account::{Account, Accounts};
pub use authenticate::Allowed;
pub use availability::{Availability, AvailabilityChange, DeviceId, Preferred, PresenceStatus};
pub use best::{DeviceKind, LeftOut, Ranked, RingOrder, Why};
pub use binding::{Binding, BindingKey, DeviceKey, Reach};
pub use register::{PendingRegistration, Registered};
pub use visitors::Claimed;

use super::flow::{ClientIdentity, ConnectionId, Flow};
use super::numbering::Extension;
use super::output::Change;
use super::settings::{RegistrarSettings, Settings};
use super::web::WebSession;
use crate::sip::StatusCode;
use crate::sip::digest::{Authenticator, NonceKey};
use crate::time::Now;
use table::Table;
use visitors::Visitors;

/// What became of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// New.
    Registered,
    /// The same device on the same flow.
    Refreshed,
    /// The same device on another flow.
    Replaced,
    /// The device took it back.
    Unregistered,
    /// Its time had come.
    Expired,
    /// Its connection closed; it is kept until it expires.
    FlowLost,
    /// The password changed or the account is gone.
    CredentialsChanged,
}

impl What {
    /// The stable word in metrics, events and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Refreshed => "refreshed",
            Self::Replaced => "replaced",
            Self::Unregistered => "unregistered",
            Self::Expired => "expired",
            Self::FlowLost => "flow-lost",
            Self::CredentialsChanged => "credentials-changed",
        }
    }
}

/// A change to tell.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Whose device.
    pub extension: Extension,
    /// What happened.
    pub what: What,
    /// What is to be removed from flash, if anything still lies there.
    pub forget: Option<Change>,
    /// Whether the user came here with it, and was not merely still here.
    pub signs_in: bool,
}

/// All accounts and bindings.
pub struct Registrar {
    realm: String,
    limits: RegistrarSettings,
    accounts: Accounts,
    authenticator: Authenticator,
    random: ChaCha20Rng,
    table: Table,
    identities: HashMap<ConnectionId, ClientIdentity>,
    /// New bindings that were accepted and wait for the flash, by extension.
    reserved: HashMap<Extension, usize>,
    visitors: Visitors,
    /// What users with an account or a device here say of how to be reached.
    availability: HashMap<Extension, Availability>,
    /// Bindings that survived a restart and are none of our accounts': visitors', perhaps.
    orphans: Vec<Binding>,
}

/// One line of `branchline registrations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegistrationView {
    /// The extension.
    pub extension: String,
    /// `udp`, `tcp`, `tls`, `ws`, `wss`, or `web`.
    pub transport: &'static str,
    /// Where the device is, when it is reached by SIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its contact; empty for a page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// Its user agent.
    pub user_agent: String,
    /// Milliseconds since 1970.
    pub since: u64,
    /// Milliseconds since 1970.
    pub expires: u64,
    /// Whether a call can be offered to it now.
    pub reachable: bool,
}

impl Registrar {
    /// A registrar with what survived a restart: devices on UDP are reachable at once, those on connections when they
    /// come back.
    pub fn new(
        settings: &Settings,
        accounts: Accounts,
        bindings: Vec<Binding>,
        mut random: ChaCha20Rng,
        now: Now,
    ) -> Self {
        let mut secret = [0; 32];
        random.fill_bytes(&mut secret);
        let limits = settings.registrar.clone();
        let capacity = limits.max_bindings.saturating_mul(2);
        let authenticator =
            Authenticator::new(&settings.realm, NonceKey::new(secret), limits.nonce_lifetime, capacity);
        let mut table = Table::default();
        let mut orphans = Vec::new();
        for mut binding in bindings.into_iter().take(limits.max_bindings) {
            // A connection's number means nothing in another process.
            if let Reach::Sip { flow, .. } = &mut binding.reach {
                flow.connection = None;
            }
            if binding.expires <= now.wall {
                continue;
            }
            if accounts.get(&binding.key.extension).is_some() {
                table.put(binding, now);
            } else {
                orphans.push(binding);
            }
        }
        let realm = settings.realm.clone();
        Self {
            realm,
            limits,
            accounts,
            authenticator,
            random,
            table,
            identities: HashMap::new(),
            reserved: HashMap::new(),
            visitors: Visitors::default(),
            availability: HashMap::new(),
            orphans,
        }
    }

    /// Whether the extension is one of ours.
    pub fn has_account(&self, extension: &Extension) -> bool {
        self.accounts.get(extension).is_some()
    }

    /// The name shown to called parties.
    pub fn display_name(&self, extension: &Extension) -> Option<String> {
        match self.accounts.get(extension) {
            Some(account) => account.display_name.clone(),
            None => self.visitors.display_name(extension).map(str::to_owned),
        }
    }

    /// The devices that can be rung now, the preferred and then the newest first.
    pub fn location(&self, extension: &Extension) -> Vec<&Binding> {
        let mut reachable: Vec<_> = self.table.of(extension).filter(|one| is_reachable(one)).collect();
        reachable.sort_by_key(|binding| std::cmp::Reverse((binding.q, binding.created)));
        reachable
    }

    /// The device of this extension that is reached on this flow.
    pub fn device_on(&self, extension: &Extension, flow: Flow) -> Option<BindingKey> {
        let is_there = |binding: &&Binding| match &binding.reach {
            Reach::Sip { flow: known, .. } if flow.connection.is_some() => {
                known.connection == flow.connection
            }
            Reach::Sip { flow: known, .. } => {
                known.remote == flow.remote && known.transport == flow.transport
            }
            Reach::Web(_) => false,
        };
        self.table.of(extension).find(is_there).map(|binding| binding.key.clone())
    }

    /// The device that this page is.
    pub fn page_device(&self, session: WebSession) -> Option<BindingKey> {
        self.table.of_page(session)
    }

    /// On which flow a device is reached now.
    pub fn flow_of(&self, device: &BindingKey) -> Option<Flow> {
        match &self.table.get(device)?.reach {
            Reach::Sip { flow, .. } => Some(*flow),
            Reach::Web(_) => None,
        }
    }

    /// Whether the extension has a device, reachable or for the moment away.
    pub fn is_registered(&self, extension: &Extension) -> bool {
        self.table.has(extension)
    }

    /// Whether the extension has a device that can be rung now: what Asterisk is told.
    pub fn is_there(&self, extension: &Extension) -> bool {
        self.table.of(extension).any(is_reachable)
    }

    /// All extensions, in their order, and whether each has such a device.
    pub fn extensions(&self) -> Vec<(Extension, bool)> {
        let mut extensions: Vec<_> = self
            .accounts
            .iter()
            .map(|account| (account.extension.clone(), self.is_there(&account.extension)))
            .collect();
        extensions.sort();
        extensions
    }

    /// Bindings in all.
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no binding.
    pub const fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// What to tell Asterisk when it asks (OPTIONS) whether an extension can be reached.
    pub fn qualify(&self, user: &str) -> StatusCode {
        let Ok(extension) = user.parse::<Extension>() else { return StatusCode::OK };
        if self.is_there(&extension) { StatusCode::OK } else { StatusCode::NOT_FOUND }
    }

    /// All bindings, for people.
    pub fn overview(&self) -> Vec<RegistrationView> {
        let mut views: Vec<_> = self.table.iter().map(view).collect();
        views.sort_by(|a, b| (&a.extension, a.since).cmp(&(&b.extension, b.since)));
        views
    }

    /// A connection was accepted; its certificate, if it showed one, counts for what comes on it.
    pub fn flow_opened(&mut self, flow: Flow, identity: Option<ClientIdentity>) {
        if let (Some(connection), Some(identity)) = (flow.connection, identity) {
            self.identities.insert(connection, identity);
        }
    }

    /// A connection is gone: its devices are away until they come back or expire.
    pub fn flow_closed(&mut self, _now: Now, flow: Flow) -> Vec<Changed> {
        let Some(connection) = flow.connection else { return Vec::new() };
        self.identities.remove(&connection);
        let mut changes = Vec::new();
        for key in self.table.leave_connection(connection) {
            if let Some(Binding { reach: Reach::Sip { flow, .. }, .. }) = self.table.get_mut(&key) {
                flow.connection = None;
                changes.push(Changed {
                    extension: key.extension,
                    what: What::FlowLost,
                    forget: None,
                    signs_in: false,
                });
            }
        }
        changes
    }

    /// The accounts.
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The realm of our digests.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The accounts changed: bindings whose password is another now, or whose account is gone, go.
    pub fn set_accounts(&mut self, accounts: Accounts, _now: Now) -> Vec<Changed> {
        let is_stale = |extension: &Extension| match (self.accounts.get(extension), accounts.get(extension)) {
            (Some(old), Some(new)) => !old.same_keys(new),
            (None, None) => !self.visitors.has(extension),
            _ => true,
        };
        let stale: Vec<_> =
            self.table.iter().filter(|one| is_stale(&one.key.extension)).map(|one| one.key.clone()).collect();
        self.accounts = accounts;
        let (accounts, visitors) = (&self.accounts, &self.visitors);
        self.availability.retain(|extension, _| accounts.get(extension).is_some() || visitors.has(extension));
        stale.into_iter().filter_map(|key| self.drop_binding(&key, What::CredentialsChanged)).collect()
    }

    /// The limits changed. Bindings that are there stay.
    pub fn set_limits(&mut self, limits: RegistrarSettings) {
        self.limits = limits;
    }

    /// Lets every deadline pass that is not after `now`.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<Changed> {
        let mut changes = Vec::new();
        while let Some(binding) = self.table.expire(now.instant) {
            changes.push(forgotten(binding.key, What::Expired));
        }
        changes
    }

    /// When to call [`Registrar::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.table.next_expiry()
    }

    fn drop_binding(&mut self, key: &BindingKey, what: What) -> Option<Changed> {
        self.table.remove(key).map(|binding| forgotten(binding.key, what))
    }
}

fn view(binding: &Binding) -> RegistrationView {
    let (transport, address, contact) = match &binding.reach {
        Reach::Sip { flow, contact, .. } => {
            (flow.transport.uri_token(), Some(flow.remote.to_string()), contact.to_string())
        }
        Reach::Web(_) => ("web", None, String::new()),
    };
    RegistrationView {
        extension: binding.key.extension.to_string(),
        transport,
        address,
        contact,
        user_agent: binding.user_agent.clone(),
        since: binding.created.0,
        expires: binding.expires.0,
        reachable: is_reachable(binding),
    }
}

fn forgotten(key: BindingKey, what: What) -> Changed {
    let extension = key.extension.clone();
    let forget = !matches!(key.device, DeviceKey::Web(_));
    Changed { extension, what, forget: forget.then_some(Change::RemoveBinding(key)), signs_in: false }
}

/// Whether a call can be offered to it now.
fn is_reachable(binding: &Binding) -> bool {
    match &binding.reach {
        Reach::Sip { flow, .. } => !flow.transport.reliable() || flow.connection.is_some(),
        Reach::Web(session) => session.is_some(),
    }
}

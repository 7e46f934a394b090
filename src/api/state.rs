//! What all paths share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::auth::Authenticate;
use super::extensions::Directory;
use super::idempotency::Idempotency;
use super::line::EngineLine;
use super::lockout::{Lockout, LockoutRule};
use super::metrics::ApiMetrics;
use super::rate::{RateRule, Rates};
use super::records::Records;
use super::sip_socket::SipSocket;
use super::status::Vitals;
use super::token::Revoked;
use super::visitors::Visitors;
use crate::engine::numbering::NumberPlan;

/// A STUN or TURN server for browsers, as `RTCIceServer` wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// `stun:…`, `turn:…` or `turns:…` URIs.
    pub urls: Vec<String>,
    /// TURN user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// How much of ICE the gateway does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IceMode {
    /// It answers checks only (RFC 8445 §2.5).
    Lite,
    /// It checks too.
    #[default]
    Full,
}

/// The key that signs session tokens. Kept by the shell, so that sessions outlive a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key; it should come from the system's randomness.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(<redacted>)")
    }
}

/// What the configuration says about this room.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The digest realm: password hashes depend on it.
    pub realm: String,
    /// Origins that may open our WebSockets besides our own: `https://intranet.example`.
    pub origins: Vec<String>,
    /// Given to browsers.
    pub ice_servers: Vec<IceServer>,
    /// Told to browsers.
    pub ice: IceMode,
    /// Told to browsers, best first: `opus`, `G722`, `PCMU`, `PCMA`.
    pub codecs: Vec<String>,
    /// Signs session tokens.
    pub session_key: SessionKey,
    /// How the office's numbers look.
    pub numbers: NumberPlan,
    /// What strangers may ask of us.
    pub limits: Limits,
}

/// What strangers may ask of us.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Longest request body and longest WebSocket message, in bytes.
    pub body: usize,
    /// A body must be complete this long after its head.
    pub body_time: Duration,
    /// Requests of one client.
    pub rate: RateRule,
    /// Messages of one page on `/ws/auth`.
    pub message_rate: RateRule,
    /// Password guesses.
    pub lockout: LockoutRule,
    /// Life of a session token.
    pub session_life: Duration,
    /// Life of a session token when the person asked to stay signed in.
    pub remembered_life: Duration,
    /// Interval of pings on `/ws/auth`; after two without a sign of life the page is closed.
    pub ping: Duration,
    /// A WebSocket message must be taken by the page in this time.
    pub send_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 * 1024,
            body_time: Duration::from_secs(10),
            rate: RateRule { per_second: 40.0, burst: 160.0, capacity: 4096 },
            message_rate: RateRule { per_second: 10.0, burst: 40.0, capacity: 1 },
            lockout: LockoutRule {
                failures: 5,
                window: Duration::from_secs(300),
                time: Duration::from_secs(300),
                capacity: 8192,
            },
            session_life: Duration::from_secs(24 * 3600),
            remembered_life: Duration::from_secs(30 * 24 * 3600),
            ping: Duration::from_secs(20),
            send_time: Duration::from_secs(10),
        }
    }
}

/// What the shell gives this room.
pub struct Parts {
    /// What the configuration says.
    pub settings: Settings,
    /// Accounts.
    pub accounts: Arc<dyn Authenticate>,
    /// Who has an account.
    pub directory: Arc<dyn Directory>,
    /// Calls that are over.
    pub records: Arc<dyn Records>,
    /// Health, status and metrics of the daemon.
    pub vitals: Arc<dyn Vitals>,
    /// The engine.
    pub line: EngineLine,
    /// Where SIP WebSockets go; `None` when SIP over WebSocket is off.
    pub sip: Option<mpsc::Sender<SipSocket>>,
    /// Counters of this room.
    pub metrics: ApiMetrics,
    /// Turns `true` when the daemon stops: pages are told to come back.
    pub shutdown: watch::Receiver<bool>,
}

/// What all paths share. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    parts: Parts,
    lockout: Mutex<Lockout>,
    rates: Mutex<Rates>,
    revoked: Mutex<Revoked>,
    idempotency: Mutex<Idempotency>,
    visitors: Mutex<Visitors>,
}

impl Api {
    /// The shared state of a router.
    pub fn new(parts: Parts) -> Self {
        let limits = parts.settings.limits;
        Self(Arc::new(Shared {
            parts,
            lockout: Mutex::new(Lockout::new(limits.lockout)),
            rates: Mutex::new(Rates::new(limits.rate)),
            revoked: Mutex::default(),
            idempotency: Mutex::default(),
            visitors: Mutex::default(),
        }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.parts.settings
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.parts.settings.limits
    }

    pub(crate) fn accounts(&self) -> &dyn Authenticate {
        &*self.0.parts.accounts
    }

    pub(crate) fn directory(&self) -> &dyn Directory {
        &*self.0.parts.directory
    }

    pub(crate) fn records(&self) -> &dyn Records {
        &*self.0.parts.records
    }

    pub(crate) fn vitals(&self) -> &dyn Vitals {
        &*self.0.parts.vitals
    }

    pub(crate) fn line(&self) -> &EngineLine {
        &self.0.parts.line
    }

    pub(crate) fn sip(&self) -> Option<&mpsc::Sender<SipSocket>> {
        self.0.parts.sip.as_ref()
    }

    pub(crate) fn metrics(&self) -> &ApiMetrics {
        &self.0.parts.metrics
    }

    pub(crate) fn shutdown(&self) -> watch::Receiver<bool> {
        self.0.parts.shutdown.clone()
    }

    pub(crate) fn lockout(&self) -> MutexGuard<'_, Lockout> {
        lock(&self.0.lockout)
    }

    pub(crate) fn rates(&self) -> MutexGuard<'_, Rates> {
        lock(&self.0.rates)
    }

    pub(crate) fn revoked(&self) -> MutexGuard<'_, Revoked> {
        lock(&self.0.revoked)
    }

    pub(crate) fn visitors(&self) -> MutexGuard<'_, Visitors> {
        lock(&self.0.visitors)
    }

    pub(crate) fn idempotency(&self) -> MutexGuard<'_, Idempotency> {
        lock(&self.0.idempotency)
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("settings", self.settings()).finish_non_exhaustive()
    }
}

/// Every table is consistent between its calls, so one that a panicking task held is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

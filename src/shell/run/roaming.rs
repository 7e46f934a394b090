//! The roaming cache's place in the daemon's life: read before the engine begins, closed after it has ended.

use std::fs;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::config::read_key;
use crate::engine::RoamingInput;
use crate::engine::roaming::Keyring;
use crate::observe::Condition;
use crate::shell::daemon::Daemon;
use crate::shell::flash::{FlashError, RoamingStore, RoamingStoreOptions, Stored};

/// Changes that may wait for the flash: more than a broker tells in the time of a commit.
const QUEUE: usize = 16_384;
/// A hundred thousand entries and as many sealed records, with room to spare.
const MOST_BYTES: u64 = 64 << 20;
/// Nobody who telephones waits for the cache: changes share commits, and the flash lasts longer.
const GATHER: Duration = Duration::from_millis(50);

/// What was on flash, and where changes go.
pub(super) struct RoamingCache {
    pub(super) store: Option<RoamingStore>,
    stored: Stored,
    keyring: Option<Keyring>,
}

impl RoamingCache {
    /// Opens the cache. `None` without `[uplink]`. Where the flash cannot be used extensions roam all the same. Blocks.
    pub(super) fn open(daemon: &Daemon) -> Option<Self> {
        let uplink = daemon.config.uplink.as_ref()?;
        let keyring = uplink.visitor_keys.as_ref().and_then(|path| {
            let text = read_key(path).map_err(|error| error.to_string());
            let keyring = text.and_then(|text| {
                let text = str::from_utf8(&text).map_err(|error| error.to_string())?;
                Keyring::parse(text).map_err(|error| format!("{}: {error}", path.display()))
            });
            keyring
                .inspect_err(|error| warn!(reason = "visitor-keys", "no visitors can be verified: {error}"))
                .ok()
        });
        let (store, stored) = match open_or_begin_anew(daemon) {
            Ok((store, stored)) => (Some(store), stored),
            Err(trouble) => {
                daemon.health.raise(Condition::StoreFailed, trouble.to_string());
                error!(reason = trouble.as_str(), "the roaming cache is not kept on flash: {trouble}");
                (None, Stored::default())
            }
        };
        info!(entries = stored.entries.len(), unreadable = stored.unreadable, "roaming cache loaded");
        Some(Self { store, stored, keyring })
    }

    /// What the engine hears first.
    pub(super) fn inputs(&mut self) -> impl Iterator<Item = RoamingInput> + use<> {
        let stored = RoamingInput::Stored(std::mem::take(&mut self.stored.entries));
        std::iter::once(stored).chain(self.keyring.take().map(RoamingInput::Keyring))
    }
}

/// A log that cannot be read is set aside: what it held is told again by the broker.
fn open_or_begin_anew(daemon: &Daemon) -> Result<(RoamingStore, Stored), FlashError> {
    let options = RoamingStoreOptions {
        directory: daemon.config.paths.state.clone(),
        queue: QUEUE,
        max_bytes: MOST_BYTES,
        gather: GATHER,
        metrics: daemon.metrics.clone(),
    };
    let path = options.path();
    match RoamingStore::open(options.clone()) {
        Err(trouble @ (FlashError::Newer(_) | FlashError::Damaged)) => {
            warn!(reason = trouble.as_str(), "the roaming cache begins anew: {trouble}");
            fs::rename(&path, path.with_extension("log.aside"))?;
            RoamingStore::open(options)
        }
        other => other,
    }
}

//! The database: SQLite in one file, or PostgreSQL for several controllers side by side.
//!
//! Every change is a transaction that is on disk before it is answered. Its statements are written once ([`Rows`]), in
//! short functions that do not know which database it is.
//!
//! | file | what is there |
//! | --- | --- |
//! | `rows` | a transaction, values, rows of either database |
//! | `embedded`, `postgres` | the two databases |
//! | `schema` | tables, from version to version |
//! | `offices` | offices, and those that were removed |
//! | `parts` | links and routes of offices |
//! | `keys` | API keys and federation tokens, as hashes |
//! | `permissions` | which offices an office may call through the gateway |
//! | `desired` | route sets, their revisions, what a broker has acknowledged |
//! | `observed` | what boxes said, and counts of what happened there |

pub(super) mod desired;
mod embedded;
pub(super) mod keys;
pub(super) mod observed;
pub(super) mod offices;
pub(super) mod parts;
pub(super) mod permissions;
mod postgres;
mod rows;
mod schema;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use embedded::Embedded;
use postgres::Postgres;

pub use postgres::Address;
pub(super) use rows::Rows;

use super::secret::{KEY, Secret};
use crate::time::WallTime;

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// SQLite in this file, for one controller.
    File(PathBuf),
    /// PostgreSQL, for any number of them.
    Server(Address),
}

/// An open database.
#[derive(Debug)]
pub struct Store {
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Embedded(Embedded),
    Postgres(Box<Postgres>),
}

/// Why the database did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A newer Branchline wrote it.
    #[error("the database has schema {found}, this software knows {known}: use the newer software")]
    Newer {
        /// What was found.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// The server cannot be reached, or serves nobody at present. Nothing was done.
    #[error("the database is away: {0}")]
    Away(String),
    /// Somebody else was in the way for too long. Nothing was done.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The server went away while it was to keep what was done: perhaps it did.
    #[error("the database went away, and perhaps kept what was done: {0}")]
    Uncertain(String),
    /// Anything else. Nothing was done.
    #[error("the database: {0}")]
    Failed(String),
}

impl StoreError {
    /// What it was, for an error that says itself whose it is.
    pub(super) fn words(self) -> String {
        match self {
            Self::Away(words) | Self::Busy(words) | Self::Uncertain(words) | Self::Failed(words) => words,
            newer @ Self::Newer { .. } => newer.to_string(),
        }
    }
}

impl Store {
    /// Opens a file, or makes it; a server need not be there yet.
    pub fn open(database: Database) -> Result<Self, StoreError> {
        let backend = match database {
            Database::File(file) => Backend::Embedded(Embedded::open(&file)?),
            Database::Server(address) => Backend::Postgres(Box::new(Postgres::new(address)?)),
        };
        Ok(Self { backend })
    }

    #[cfg(test)]
    pub(super) fn in_memory() -> Self {
        Self { backend: Backend::Embedded(Embedded::in_memory().expect("SQLite opens in memory")) }
    }

    /// A new API key of this name; its text is nowhere else. `None` when the name is taken.
    pub fn add_key(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let secret = Secret::make(KEY).ok_or_else(|| StoreError::Failed("no random numbers".to_owned()))?;
        let added = self.write(|rows| keys::add_key(rows, name, &secret.hash(), now()))?;
        Ok(added.then_some(secret))
    }

    /// The names of all API keys.
    pub fn key_names(&self) -> Result<Vec<String>, StoreError> {
        self.write(keys::key_names)
    }

    /// Takes an API key out of use; false when there is none of this name.
    pub fn remove_key(&self, name: &str) -> Result<bool, StoreError> {
        self.write(|rows| keys::remove_key(rows, name))
    }

    /// Carries `work` out in one transaction: on disk when this returns `Ok`, nothing of it done otherwise, but for
    /// [`StoreError::Uncertain`]. Waits for disk and network: not for the runtime's threads.
    pub(super) fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Rows<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        match &self.backend {
            Backend::Embedded(embedded) => embedded.transact(work),
            Backend::Postgres(postgres) => postgres.transact(work),
        }
    }

    /// The same, off the runtime's threads.
    pub(super) async fn run<T, E>(
        self: &Arc<Self>,
        work: impl FnOnce(&Rows<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let store = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || store.write(work)).await;
        done.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string()).into()))
    }
}

/// Now.
pub(super) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;

//! The database: SQLite in one file, every change a transaction that is on disk before it is answered.
//!
//! A transaction takes the write lock at its beginning (`BEGIN IMMEDIATE`), so what it reads is still so when it writes,
//! also beside the command line or another process on the same file. The SQL keeps to what PostgreSQL knows too
//! (`ON CONFLICT`, `RETURNING`); docs/decisions/0008 says what is missing for that.
//!
//! | file | what is there |
//! | --- | --- |
//! | `schema` | tables, and opening a file |
//! | `offices` | offices |
//! | `parts` | links and routes of offices |
//! | `keys` | API keys and federation tokens, as hashes |
//! | `permissions` | which offices an office may call through the gateway |
//! | `desired` | route sets, their revisions, what a broker has acknowledged |
//! | `observed` | what boxes said, and counts of what happened there |

pub(super) mod desired;
pub(super) mod keys;
pub(super) mod observed;
pub(super) mod offices;
pub(super) mod parts;
pub(super) mod permissions;
mod schema;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::secret::{KEY, Secret};
use crate::time::WallTime;

/// The rows of the database, in one transaction.
pub(super) type Rows<'a> = Transaction<'a>;

/// An open database.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
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
    /// Anything else.
    #[error("the database: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Store {
    /// Opens the file, or makes it, readable by its owner alone.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: Mutex::new(schema::open(file)?) })
    }

    #[cfg(test)]
    pub(super) fn in_memory() -> Self {
        Self { connection: Mutex::new(schema::in_memory().expect("SQLite opens in memory")) }
    }

    /// A new API key of this name; its text is nowhere else. `None` when the name is taken.
    pub fn add_key(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let secret = Secret::make(KEY).ok_or_else(|| StoreError::Failed("no random numbers".to_owned()))?;
        let added = self.write(|rows| keys::add_key(rows, name, &secret.hash(), now()))?;
        Ok(added.then_some(secret))
    }

    /// The names of all API keys.
    pub fn key_names(&self) -> Result<Vec<String>, StoreError> {
        self.write(|rows| keys::key_names(rows))
    }

    /// Takes an API key out of use; false when there is none of this name.
    pub fn remove_key(&self, name: &str) -> Result<bool, StoreError> {
        self.write(|rows| keys::remove_key(rows, name))
    }

    /// Carries `work` out in one transaction: on disk when this returns `Ok`, nothing of it done otherwise. Waits for the
    /// disk: not for the runtime's threads.
    pub(super) fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic in a transaction rolled it back when it was dropped: the connection is good.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let rows =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let done = work(&rows)?;
        rows.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    /// The same, off the runtime's threads.
    pub(super) async fn run<T, E>(
        self: &Arc<Self>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
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

/// Times and revisions are below 2^63; SQLite has no larger integers.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// What stands in a column that only we write, read back; a row that somebody else changed is an error, not a panic.
fn column<T, E: std::fmt::Display>(read: Result<T, E>) -> rusqlite::Result<T> {
    read.map_err(|error| {
        let error = Box::<dyn std::error::Error + Send + Sync>::from(error.to_string());
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error)
    })
}

#[cfg(test)]
mod tests;

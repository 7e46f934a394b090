//! Opening the database: schema, checks, setting a damaged file aside.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use tracing::{error, warn};

use super::StoreError;
use super::tables;
use crate::observe::{Condition, Health};

/// The file in the state directory.
const FILE: &str = "branchline.db";
/// The schema that this code writes (`PRAGMA user_version`).
const SCHEMA: i64 = 1;
/// Its value is `no` while the database is open, so that the next opening knows whether to look for damage.
const CLEAN: &str = "clean-shutdown";
/// How long we wait for another process (the command line) that writes.
const BUSY: Duration = Duration::from_secs(5);

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    /// The directory of its file; `None` for a database in memory.
    pub(super) directory: Option<PathBuf>,
    /// Whether it is the daemon's, which marks how it was closed. The command line comes and goes beside it.
    marks: bool,
}

/// Why a file could not be opened.
#[derive(Debug)]
enum Trouble {
    /// It is not a database, or no longer one.
    Damaged(String),
    /// Anything else; the file is left alone.
    Other(StoreError),
}

impl Database {
    /// Marks the file as properly closed and folds the log back into it.
    pub(super) fn close(self) {
        if !self.marks {
            return;
        }
        let marked = tables::put_meta(&self.connection, CLEAN, "yes");
        let folded = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(trouble) = marked.and(folded) {
            warn!(reason = "store-close", "the database was not closed cleanly: {trouble}");
        }
    }
}

/// Opens the file in `directory`, or says why not. Changes nothing about a damaged file.
pub(super) fn open_strictly(directory: &Path) -> Result<Database, StoreError> {
    open_file(directory, false).map_err(|trouble| match trouble {
        Trouble::Damaged(reason) => StoreError::Failed(format!("damaged: {reason}")),
        Trouble::Other(error) => error,
    })
}

/// Opens the file in `directory`; sets it aside if it is damaged; goes on in memory if nothing else helps.
pub(super) fn open_or_go_on_in_memory(directory: &Path, health: &Health) -> Database {
    let opened = match open_file(directory, true) {
        Err(Trouble::Damaged(reason)) => {
            replace_damaged(directory, &reason, health);
            open_file(directory, true)
        }
        other => other,
    };
    opened.unwrap_or_else(|trouble| {
        let reason = match trouble {
            Trouble::Damaged(reason) => reason,
            Trouble::Other(error) => error.to_string(),
        };
        error!(reason = "store-failed", "no database on disk, going on in memory: {reason}");
        health.raise(Condition::StoreFailed, reason);
        in_memory()
    })
}

/// Sets the damaged file in `directory` aside under a dated name and begins a fresh one with the accounts
/// and bindings that can still be read.
pub(super) fn replace_damaged(directory: &Path, reason: &str, health: &Health) {
    let aside = directory.join(format!("{FILE}.damaged-{}", seconds_since_epoch()));
    error!(reason = "store-corrupt", aside = %aside.display(), "the database is damaged: {reason}");
    health.raise(Condition::StoreCorrupt, reason);
    for suffix in ["", "-wal", "-shm"] {
        let from = directory.join(format!("{FILE}{suffix}"));
        let to = PathBuf::from(format!("{}{suffix}", aside.display()));
        if let Err(trouble) = fs::rename(&from, &to)
            && from.exists()
        {
            error!(reason = "store-corrupt", "cannot set {} aside: {trouble}", from.display());
        }
    }
    if let (Ok(damaged), Ok(fresh)) = (Connection::open(&aside), open_file(directory, true)) {
        let saved = tables::salvage(&damaged, &fresh.connection);
        warn!(reason = "store-corrupt", rows = saved, "rows saved from the damaged database");
    }
}

/// A database that lives as long as the process.
///
/// SQLite opens one without touching a disk; where even that fails there is no memory left.
fn in_memory() -> Database {
    let connection = Connection::open_in_memory().expect("invariant: SQLite opens a database in memory");
    connection.execute_batch(tables::SCHEMA_1).expect("invariant: the schema is valid SQL");
    Database { connection, directory: None, marks: false }
}

fn open_file(directory: &Path, marks: bool) -> Result<Database, Trouble> {
    let file = directory.join(FILE);
    prepare_directory(directory, &file).map_err(|error| {
        Trouble::Other(StoreError::Failed(format!("cannot use {}: {error}", directory.display())))
    })?;
    let connection = Connection::open(&file).map_err(|error| trouble(&error))?;
    connection.busy_timeout(BUSY).map_err(|error| trouble(&error))?;
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")
        .map_err(|error| trouble(&error))?;
    migrate(&connection)?;
    refuse_damage(&connection)?;
    if marks {
        tables::put_meta(&connection, CLEAN, "no").map_err(|error| trouble(&error))?;
    }
    Ok(Database { connection, directory: Some(directory.to_owned()), marks })
}

/// Makes the directory and, before SQLite does, the file: readable by its owner alone, and owned by the
/// directory's owner even if root (the command line) is first.
fn prepare_directory(directory: &Path, file: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
    if !file.exists() {
        let created = fs::File::create(file)?;
        created.set_permissions(fs::Permissions::from_mode(0o600))?;
        let owner = fs::metadata(directory)?;
        let own = created.metadata()?;
        if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
            std::os::unix::fs::chown(file, Some(owner.uid()), Some(owner.gid()))?;
        }
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn migrate(connection: &Connection) -> Result<(), Trouble> {
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|error| trouble(&error))?;
    match found {
        0 => {
            let all = format!("BEGIN; {} PRAGMA user_version={SCHEMA}; COMMIT;", tables::SCHEMA_1);
            connection.execute_batch(&all).map_err(|error| trouble(&error))
        }
        SCHEMA => Ok(()),
        newer => Err(Trouble::Other(StoreError::Newer { found: newer, known: SCHEMA })),
    }
}

/// Looks through the whole file unless it was closed properly.
fn refuse_damage(connection: &Connection) -> Result<(), Trouble> {
    if tables::meta(connection, CLEAN).map_err(|error| trouble(&error))?.as_deref() == Some("yes") {
        return Ok(());
    }
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| trouble(&error))?;
    if verdict == "ok" { Ok(()) } else { Err(Trouble::Damaged(verdict)) }
}

fn trouble(error: &rusqlite::Error) -> Trouble {
    if is_damage(error) {
        Trouble::Damaged(error.to_string())
    } else {
        Trouble::Other(StoreError::Failed(error.to_string()))
    }
}

/// Whether `error` says that the file itself is bad.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

fn seconds_since_epoch() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

//! SQLite in one file: one writer at a time, everything on disk before it is answered.
//!
//! A transaction takes the write lock at its beginning (`BEGIN IMMEDIATE`), so what it reads is still so when it writes,
//! also beside the command line or another process on the same file.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, TransactionBehavior, params_from_iter};

use super::StoreError;
use super::rows::{Cell, Row, Rows, Value};
use super::schema::{self, EMBEDDED_WORDS, VERSION};

/// How long we wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// An open file.
#[derive(Debug)]
pub(super) struct Embedded(Mutex<Connection>);

impl Embedded {
    /// Opens the file, or makes it, readable by its owner alone.
    pub(super) fn open(file: &Path) -> Result<Self, StoreError> {
        prepare(file).map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))?;
        Self::begin(Connection::open(file)?)
    }

    #[cfg(test)]
    pub(super) fn in_memory() -> Result<Self, StoreError> {
        Self::begin(Connection::open_in_memory()?)
    }

    /// Carries `work` out in one transaction.
    pub(super) fn transact<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Rows<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic in a transaction rolled it back when it was dropped: the connection is good.
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let done = work(&Rows::Embedded(&transaction))?;
        transaction.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    fn begin(mut connection: Connection) -> Result<Self, StoreError> {
        connection.busy_timeout(BUSY)?;
        connection
            .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        for step in schema::steps(found, &EMBEDDED_WORDS)? {
            transaction.execute_batch(&step)?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
        Ok(Self(Mutex::new(connection)))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        match error.sqlite_error_code() {
            Some(DatabaseBusy | DatabaseLocked) => Self::Busy(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

pub(super) fn change(connection: &Connection, sql: &str, cells: &[Cell<'_>]) -> Result<u64, StoreError> {
    let changed = connection.prepare_cached(sql)?.execute(params_from_iter(cells))?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

pub(super) fn list(connection: &Connection, sql: &str, cells: &[Cell<'_>]) -> Result<Vec<Row>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.column_count();
    let found = statement.query_map(params_from_iter(cells), |row| {
        (0..columns).map(|column| row.get_ref(column).map(value)).collect::<Result<_, _>>().map(Row)
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Nothing => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Our tables have no fractions, and their texts are UTF-8.
fn value(read: ValueRef<'_>) -> Value {
    match read {
        ValueRef::Null | ValueRef::Real(_) => Value::Nothing,
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

fn prepare(file: &Path) -> std::io::Result<()> {
    if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
    }
    if !file.exists() {
        let created = fs::File::create(file)?;
        created.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

//! Tables, and opening a file.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::StoreError;

/// The schema that this code writes (`PRAGMA user_version`).
const SCHEMA: i64 = 2;
/// How long we wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// `revision` outlives its office, so that a revision never comes again; what boxes said needs no office either.
const SCHEMA_1: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE api_key (name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, created INTEGER NOT NULL) STRICT;
CREATE TABLE office (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL, created INTEGER NOT NULL,
  content TEXT NOT NULL DEFAULT '') STRICT;
CREATE TABLE link (
  office TEXT NOT NULL REFERENCES office(id) ON DELETE CASCADE, id TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (office, id)) STRICT;
CREATE TABLE route (
  id INTEGER PRIMARY KEY AUTOINCREMENT, office TEXT NOT NULL REFERENCES office(id) ON DELETE CASCADE,
  body TEXT NOT NULL) STRICT;
CREATE INDEX route_of_office ON route (office, id);
CREATE TABLE token (
  id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL,
  office TEXT NOT NULL REFERENCES office(id) ON DELETE CASCADE, permissions TEXT NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER) STRICT;
CREATE TABLE revision (office TEXT PRIMARY KEY, highest INTEGER NOT NULL) STRICT;
CREATE TABLE desired (
  office TEXT NOT NULL REFERENCES office(id) ON DELETE CASCADE, revision INTEGER NOT NULL, digest TEXT NOT NULL,
  content TEXT NOT NULL,
  document BLOB NOT NULL, created INTEGER NOT NULL, acknowledged INTEGER, PRIMARY KEY (office, revision)) STRICT;
CREATE TABLE observed (
  office TEXT NOT NULL, kind TEXT NOT NULL, document BLOB NOT NULL, heard INTEGER NOT NULL,
  PRIMARY KEY (office, kind)) STRICT;
CREATE TABLE event_count (
  office TEXT NOT NULL, kind TEXT NOT NULL, count INTEGER NOT NULL, last_at INTEGER NOT NULL,
  last_document BLOB NOT NULL, PRIMARY KEY (office, kind)) STRICT;
CREATE TABLE event_mark (office TEXT PRIMARY KEY, stream TEXT NOT NULL, seq INTEGER NOT NULL) STRICT;
";

/// Which offices an office may call through the gateway, as words; an office without a row may call all.
const SCHEMA_2: &str = "
CREATE TABLE permission (
  office TEXT PRIMARY KEY REFERENCES office(id) ON DELETE CASCADE, may_call TEXT NOT NULL) STRICT;
";

pub(super) fn open(file: &Path) -> Result<Connection, StoreError> {
    prepare(file).map_err(|error| StoreError::Failed(format!("{}: {error}", file.display())))?;
    let connection = Connection::open(file)?;
    begin(&connection)?;
    Ok(connection)
}

#[cfg(test)]
pub(super) fn in_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory()?;
    begin(&connection)?;
    Ok(connection)
}

fn begin(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")?;
    match connection.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        0 => {
            let all = format!("BEGIN; {SCHEMA_1} {SCHEMA_2} PRAGMA user_version={SCHEMA}; COMMIT;");
            Ok(connection.execute_batch(&all)?)
        }
        1 => {
            let all = format!("BEGIN; {SCHEMA_2} PRAGMA user_version={SCHEMA}; COMMIT;");
            Ok(connection.execute_batch(&all)?)
        }
        SCHEMA => Ok(()),
        found => Err(StoreError::Newer { found, known: SCHEMA }),
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

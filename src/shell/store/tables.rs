//! The tables and their statements. Every statement is prepared once per connection (cached).

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::Write;
use super::rows::{AccountRow, BindingRow, CallRow};
use crate::observe::Redacted;
use crate::shell::settings::AVAILABILITY;
use crate::time::WallTime;

/// The first schema.
pub(super) const SCHEMA_1: &str = "
    CREATE TABLE account (
        extension TEXT PRIMARY KEY, username TEXT NOT NULL, display_name TEXT NOT NULL, realm TEXT NOT NULL,
        ha1_md5 TEXT NOT NULL, ha1_sha256 TEXT NOT NULL, token_sha256 TEXT NOT NULL, created INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE binding (
        extension TEXT NOT NULL, key TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (extension, key)
    ) WITHOUT ROWID;
    CREATE TABLE call (id TEXT PRIMARY KEY, ended INTEGER NOT NULL, document TEXT NOT NULL);
    CREATE INDEX call_by_end ON call (ended);
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
";

const PUT_ACCOUNT: &str = "INSERT OR REPLACE INTO account
    (extension, username, display_name, realm, ha1_md5, ha1_sha256, token_sha256, created)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const ACCOUNTS: &str = "SELECT extension, username, display_name, realm, ha1_md5, ha1_sha256, token_sha256,
    created FROM account ORDER BY extension";

/// Carries out one change.
pub(super) fn apply(connection: &Connection, write: &Write) -> Result<()> {
    match write {
        Write::PutAccount(account) => put_account(connection, account),
        Write::RemoveAccount { extension } => {
            connection.prepare_cached("DELETE FROM account WHERE extension = ?1")?.execute([extension])?;
            connection.prepare_cached("DELETE FROM binding WHERE extension = ?1")?.execute([extension])?;
            let name = format!("{AVAILABILITY}{extension}");
            connection.prepare_cached("DELETE FROM meta WHERE name = ?1")?.execute([name])?;
            Ok(())
        }
        Write::PutBinding(binding) => put_binding(connection, binding),
        Write::RemoveBinding { extension, key } => {
            let sql = "DELETE FROM binding WHERE extension = ?1 AND key = ?2";
            connection.prepare_cached(sql)?.execute([extension, key]).map(drop)
        }
        Write::PutCall(call) => {
            let sql = "INSERT OR REPLACE INTO call (id, ended, document) VALUES (?1, ?2, ?3)";
            let ended = to_sql(call.ended);
            connection.prepare_cached(sql)?.execute(params![call.id, ended, call.document]).map(drop)
        }
        Write::PutMeta { name, value } => put_meta(connection, name, value),
        Write::RemoveMeta { name } => {
            connection.prepare_cached("DELETE FROM meta WHERE name = ?1")?.execute([name]).map(drop)
        }
    }
}

/// Removes the call records that are too many or too old. Returns how many.
pub(super) fn trim_calls(
    connection: &Connection,
    now: WallTime,
    keep: usize,
    age: Duration,
) -> Result<usize> {
    let oldest = WallTime(now.0.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
    let mut removed =
        connection.prepare_cached("DELETE FROM call WHERE ended < ?1")?.execute([to_sql(oldest)])?;
    let sql = "DELETE FROM call WHERE rowid IN
        (SELECT rowid FROM call ORDER BY ended DESC, rowid DESC LIMIT -1 OFFSET ?1)";
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    removed += connection.prepare_cached(sql)?.execute([keep])?;
    Ok(removed)
}

/// All accounts, by extension.
pub(super) fn accounts(connection: &Connection) -> Result<Vec<AccountRow>> {
    connection.prepare_cached(ACCOUNTS)?.query_map([], account_from)?.collect()
}

/// All bindings, by extension; a document that cannot be read is left out.
pub(super) fn bindings(connection: &Connection) -> Result<Vec<BindingRow>> {
    let mut statement = connection.prepare_cached("SELECT document FROM binding ORDER BY extension, key")?;
    let documents = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut bindings = Vec::new();
    for document in documents {
        bindings.extend(serde_json::from_str::<BindingRow>(&document?).ok());
    }
    Ok(bindings)
}

/// The newest call records, newest first.
pub(super) fn calls(connection: &Connection, at_most: usize) -> Result<Vec<CallRow>> {
    let sql = "SELECT id, ended, document FROM call ORDER BY ended DESC, rowid DESC LIMIT ?1";
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.query_map([at_most], call_from)?.collect()
}

/// One call's record.
pub(super) fn call(connection: &Connection, id: &str) -> Result<Option<CallRow>> {
    let sql = "SELECT id, ended, document FROM call WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id], call_from).optional()
}

/// A named value.
pub(super) fn meta(connection: &Connection, name: &str) -> Result<Option<String>> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
}

/// The named values whose names begin with `prefix`, by the rest of their names.
pub(super) fn metas(connection: &Connection, prefix: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT substr(name, length(?1) + 1), value FROM meta WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name";
    connection.prepare_cached(sql)?.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Sets a named value.
pub(super) fn put_meta(connection: &Connection, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute([name, value]).map(drop)
}

/// Copies what can still be read of accounts and bindings. Returns how many rows were saved.
pub(super) fn salvage(damaged: &Connection, fresh: &Connection) -> usize {
    let mut saved = 0;
    if let Ok(mut statement) = damaged.prepare(ACCOUNTS)
        && let Ok(rows) = statement.query_map([], account_from)
    {
        saved += rows.map_while(Result::ok).filter(|row| put_account(fresh, row).is_ok()).count();
    }
    if let Ok(mut statement) = damaged.prepare("SELECT document FROM binding")
        && let Ok(rows) = statement.query_map([], |row| row.get::<_, String>(0))
    {
        saved += rows
            .map_while(Result::ok)
            .filter_map(|document| serde_json::from_str::<BindingRow>(&document).ok())
            .filter(|row| put_binding(fresh, row).is_ok())
            .count();
    }
    saved
}

fn put_account(connection: &Connection, account: &AccountRow) -> Result<()> {
    connection
        .prepare_cached(PUT_ACCOUNT)?
        .execute(params![
            account.extension,
            account.username,
            account.display_name,
            account.realm,
            account.ha1_md5.0,
            account.ha1_sha256.0,
            account.token_sha256.0,
            to_sql(account.created),
        ])
        .map(drop)
}

fn put_binding(connection: &Connection, binding: &BindingRow) -> Result<()> {
    let document = serde_json::to_string(binding)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let sql = "INSERT OR REPLACE INTO binding (extension, key, document) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute([&binding.extension, &binding.key, &document]).map(drop)
}

fn account_from(row: &Row<'_>) -> Result<AccountRow> {
    Ok(AccountRow {
        extension: row.get(0)?,
        username: row.get(1)?,
        display_name: row.get(2)?,
        realm: row.get(3)?,
        ha1_md5: Redacted(row.get(4)?),
        ha1_sha256: Redacted(row.get(5)?),
        token_sha256: Redacted(row.get(6)?),
        created: from_sql(row.get(7)?),
    })
}

fn call_from(row: &Row<'_>) -> Result<CallRow> {
    Ok(CallRow { id: row.get(0)?, ended: from_sql(row.get(1)?), document: row.get(2)? })
}

fn to_sql(time: WallTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

fn from_sql(millis: i64) -> WallTime {
    WallTime(u64::try_from(millis).unwrap_or(0))
}

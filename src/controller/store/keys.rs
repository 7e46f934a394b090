//! API keys and federation tokens, as hashes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, column, signed, unsigned};
use crate::time::WallTime;
use crate::uplink::OfficeId;

/// A token of an office, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct TokenRow {
    pub(in crate::controller) id: i64,
    pub(in crate::controller) name: String,
    pub(in crate::controller) office: OfficeId,
    /// Words, separated by spaces.
    pub(in crate::controller) permissions: String,
    pub(in crate::controller) created: WallTime,
    pub(in crate::controller) expires: WallTime,
    pub(in crate::controller) revoked: Option<WallTime>,
}

const COLUMNS: &str = "id, name, office, permissions, created, expires, revoked";

/// False when the name is taken.
pub(in crate::controller) fn add_key(
    rows: &Connection,
    name: &str,
    hash: &[u8; 32],
    now: WallTime,
) -> Result<bool, StoreError> {
    let changed = rows.execute(
        "INSERT INTO api_key (name, hash, created) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![name, hash, signed(now.0)],
    )?;
    Ok(changed == 1)
}

pub(in crate::controller) fn key_names(rows: &Connection) -> Result<Vec<String>, StoreError> {
    let mut query = rows.prepare("SELECT name FROM api_key ORDER BY name")?;
    let found = query.query_map([], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(in crate::controller) fn remove_key(rows: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(rows.execute("DELETE FROM api_key WHERE name = ?1", [name])? == 1)
}

/// The name of the API key with this hash.
pub(in crate::controller) fn key_of(
    rows: &Connection,
    hash: &[u8; 32],
) -> Result<Option<String>, StoreError> {
    let mut query = rows.prepare_cached("SELECT name FROM api_key WHERE hash = ?1")?;
    Ok(query.query_row([hash], |row| row.get(0)).optional()?)
}

/// Stores a token; `row.id` is not looked at, the new one is returned.
pub(in crate::controller) fn add_token(
    rows: &Connection,
    row: &TokenRow,
    hash: &[u8; 32],
) -> Result<i64, StoreError> {
    rows.execute(
        "INSERT INTO token (hash, name, office, permissions, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            hash,
            row.name,
            row.office.as_str(),
            row.permissions,
            signed(row.created.0),
            signed(row.expires.0)
        ],
    )?;
    Ok(rows.last_insert_rowid())
}

/// The token with this hash, in force or not.
pub(in crate::controller) fn token_of(
    rows: &Connection,
    hash: &[u8; 32],
) -> Result<Option<TokenRow>, StoreError> {
    let mut query = rows.prepare_cached(&format!("SELECT {COLUMNS} FROM token WHERE hash = ?1"))?;
    Ok(query.query_row([hash], read).optional()?)
}

pub(in crate::controller) fn tokens(rows: &Connection) -> Result<Vec<TokenRow>, StoreError> {
    let mut query = rows.prepare(&format!("SELECT {COLUMNS} FROM token ORDER BY id"))?;
    let found = query.query_map([], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(in crate::controller) fn token_count(rows: &Connection) -> Result<u64, StoreError> {
    Ok(unsigned(rows.query_row("SELECT count(*) FROM token", [], |row| row.get(0))?))
}

/// Takes a token out of use for ever. False when there is none; a second time changes nothing.
pub(in crate::controller) fn revoke_token(
    rows: &Connection,
    id: i64,
    now: WallTime,
) -> Result<bool, StoreError> {
    let changed = rows.execute(
        "UPDATE token SET revoked = coalesce(revoked, ?2) WHERE id = ?1",
        params![id, signed(now.0)],
    )?;
    Ok(changed == 1)
}

fn read(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        id: row.get(0)?,
        name: row.get(1)?,
        office: column(row.get::<_, String>(2)?.parse())?,
        permissions: row.get(3)?,
        created: WallTime(unsigned(row.get(4)?)),
        expires: WallTime(unsigned(row.get(5)?)),
        revoked: row.get::<_, Option<i64>>(6)?.map(|at| WallTime(unsigned(at))),
    })
}

//! API keys and federation tokens, as hashes.

use super::StoreError;
use super::rows::{Cell, Row, Rows};
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
    rows: &Rows<'_>,
    name: &str,
    hash: &[u8; 32],
    now: WallTime,
) -> Result<bool, StoreError> {
    let changed = rows.change(
        "INSERT INTO api_key (name, hash, created) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        &[name.into(), hash.into(), now.into()],
    )?;
    Ok(changed == 1)
}

pub(in crate::controller) fn key_names(rows: &Rows<'_>) -> Result<Vec<String>, StoreError> {
    rows.list("SELECT name FROM api_key ORDER BY name", &[], |row| row.text(0))
}

pub(in crate::controller) fn remove_key(rows: &Rows<'_>, name: &str) -> Result<bool, StoreError> {
    Ok(rows.change("DELETE FROM api_key WHERE name = ?1", &[name.into()])? == 1)
}

/// The name of the API key with this hash.
pub(in crate::controller) fn key_of(rows: &Rows<'_>, hash: &[u8; 32]) -> Result<Option<String>, StoreError> {
    rows.find("SELECT name FROM api_key WHERE hash = ?1", &[hash.into()], |row| row.text(0))
}

/// Stores a token; `row.id` is not looked at, the new one is returned.
pub(in crate::controller) fn add_token(
    rows: &Rows<'_>,
    row: &TokenRow,
    hash: &[u8; 32],
) -> Result<i64, StoreError> {
    rows.number(
        "INSERT INTO token (hash, name, office, permissions, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         RETURNING id",
        &[
            hash.into(),
            (&row.name).into(),
            (&row.office).into(),
            (&row.permissions).into(),
            row.created.into(),
            row.expires.into(),
        ],
    )
}

/// The token with this hash, in force or not.
pub(in crate::controller) fn token_of(
    rows: &Rows<'_>,
    hash: &[u8; 32],
) -> Result<Option<TokenRow>, StoreError> {
    rows.find(&format!("SELECT {COLUMNS} FROM token WHERE hash = ?1"), &[hash.into()], read)
}

/// The token of this number.
pub(in crate::controller) fn token(rows: &Rows<'_>, id: i64) -> Result<Option<TokenRow>, StoreError> {
    rows.find(&format!("SELECT {COLUMNS} FROM token WHERE id = ?1"), &[id.into()], read)
}

/// The tokens of one office or of all, in the order they were issued in.
pub(in crate::controller) fn tokens(
    rows: &Rows<'_>,
    office: Option<OfficeId>,
) -> Result<Vec<TokenRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM token WHERE ?1 IS NULL OR office = ?1 ORDER BY id");
    rows.list(&sql, &[office.as_ref().map_or(Cell::Nothing, Cell::from)], read)
}

pub(in crate::controller) fn token_count(rows: &Rows<'_>) -> Result<u64, StoreError> {
    Ok(u64::try_from(rows.number("SELECT count(*) FROM token", &[])?).unwrap_or(0))
}

/// Takes a token out of use for ever. False when there is none; a second time changes nothing.
pub(in crate::controller) fn revoke_token(
    rows: &Rows<'_>,
    id: i64,
    now: WallTime,
) -> Result<bool, StoreError> {
    let changed = rows
        .change("UPDATE token SET revoked = coalesce(revoked, ?2) WHERE id = ?1", &[id.into(), now.into()])?;
    Ok(changed == 1)
}

/// Takes every token of an office out of use for ever.
pub(in crate::controller) fn revoke_tokens_of(
    rows: &Rows<'_>,
    office: OfficeId,
    now: WallTime,
) -> Result<(), StoreError> {
    rows.change(
        "UPDATE token SET revoked = ?2 WHERE office = ?1 AND revoked IS NULL",
        &[(&office).into(), now.into()],
    )?;
    Ok(())
}

fn read(row: &mut Row) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        id: row.id(0)?,
        name: row.text(1)?,
        office: row.parsed(2)?,
        permissions: row.text(3)?,
        created: row.time(4)?,
        expires: row.time(5)?,
        revoked: row.time_if_any(6)?,
    })
}

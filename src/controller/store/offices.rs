//! Offices.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::{StoreError, column, signed, unsigned};
use crate::time::WallTime;
use crate::uplink::OfficeId;

/// An office.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::controller) struct OfficeRow {
    pub(in crate::controller) id: OfficeId,
    /// A name for people.
    pub(in crate::controller) name: String,
    /// What its route set says besides links and routes.
    pub(in crate::controller) settings: Map<String, Value>,
    pub(in crate::controller) created: WallTime,
    /// The digest of what its settings, links and routes say; written by [`set_content`] alone.
    pub(in crate::controller) content: String,
}

/// False when there is one of this id.
pub(in crate::controller) fn insert(rows: &Connection, office: &OfficeRow) -> Result<bool, StoreError> {
    let settings = Value::Object(office.settings.clone()).to_string();
    let changed = rows.execute(
        "INSERT INTO office (id, name, settings, created) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![office.id.as_str(), office.name, settings, signed(office.created.0)],
    )?;
    Ok(changed == 1)
}

/// False when there is none of this id.
pub(in crate::controller) fn update(rows: &Connection, office: &OfficeRow) -> Result<bool, StoreError> {
    let settings = Value::Object(office.settings.clone()).to_string();
    let changed = rows.execute(
        "UPDATE office SET name = ?2, settings = ?3 WHERE id = ?1",
        params![office.id.as_str(), office.name, settings],
    )?;
    Ok(changed == 1)
}

/// Notes what an office's rows say now.
pub(in crate::controller) fn set_content(
    rows: &Connection,
    office: OfficeId,
    content: &str,
) -> Result<(), StoreError> {
    rows.execute("UPDATE office SET content = ?2 WHERE id = ?1", params![office.as_str(), content])?;
    Ok(())
}

/// Removes an office with its links, routes, tokens and sets. False when there is none.
pub(in crate::controller) fn delete(rows: &Connection, office: OfficeId) -> Result<bool, StoreError> {
    for table in ["observed", "event_count", "event_mark"] {
        rows.execute(&format!("DELETE FROM {table} WHERE office = ?1"), [office.as_str()])?;
    }
    Ok(rows.execute("DELETE FROM office WHERE id = ?1", [office.as_str()])? == 1)
}

pub(in crate::controller) fn get(
    rows: &Connection,
    office: OfficeId,
) -> Result<Option<OfficeRow>, StoreError> {
    let mut query =
        rows.prepare_cached("SELECT id, name, settings, created, content FROM office WHERE id = ?1")?;
    Ok(query.query_row([office.as_str()], read).optional()?)
}

/// All, in the order of their ids.
pub(in crate::controller) fn all(rows: &Connection) -> Result<Vec<OfficeRow>, StoreError> {
    let mut query =
        rows.prepare_cached("SELECT id, name, settings, created, content FROM office ORDER BY id")?;
    let found = query.query_map([], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(in crate::controller) fn count(rows: &Connection) -> Result<u64, StoreError> {
    Ok(unsigned(rows.query_row("SELECT count(*) FROM office", [], |row| row.get(0))?))
}

fn read(row: &Row<'_>) -> rusqlite::Result<OfficeRow> {
    Ok(OfficeRow {
        id: column(row.get::<_, String>(0)?.parse())?,
        name: row.get(1)?,
        settings: column(serde_json::from_str(&row.get::<_, String>(2)?))?,
        created: WallTime(unsigned(row.get(3)?)),
        content: row.get(4)?,
    })
}

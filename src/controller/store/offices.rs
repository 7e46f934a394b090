//! Offices, and those that were removed.

use serde_json::{Map, Value};

use super::StoreError;
use super::rows::{Row, Rows};
use crate::time::WallTime;
use crate::uplink::{OfficeId, Revision};

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

/// An office that was removed, whose set no broker should go on keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) struct RemovedRow {
    pub(in crate::controller) office: OfficeId,
    /// The highest revision that it had then: somebody else may issue newer ones, which are not ours to clear.
    pub(in crate::controller) revision: Revision,
    /// Whether a broker has cleared it.
    pub(in crate::controller) is_cleared: bool,
}

const COLUMNS: &str = "id, name, settings, created, content";

/// False when there is one of this id.
pub(in crate::controller) fn insert(rows: &Rows<'_>, office: &OfficeRow) -> Result<bool, StoreError> {
    let settings = Value::Object(office.settings.clone()).to_string();
    let changed = rows.change(
        "INSERT INTO office (id, name, settings, created) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        &[(&office.id).into(), (&office.name).into(), (&settings).into(), office.created.into()],
    )?;
    rows.change("DELETE FROM removed WHERE office = ?1", &[(&office.id).into()])?;
    Ok(changed == 1)
}

/// False when there is none of this id.
pub(in crate::controller) fn update(rows: &Rows<'_>, office: &OfficeRow) -> Result<bool, StoreError> {
    let settings = Value::Object(office.settings.clone()).to_string();
    let cells = [(&office.id).into(), (&office.name).into(), (&settings).into()];
    Ok(rows.change("UPDATE office SET name = ?2, settings = ?3 WHERE id = ?1", &cells)? == 1)
}

/// Notes what an office's rows say now.
pub(in crate::controller) fn set_content(
    rows: &Rows<'_>,
    office: OfficeId,
    content: &str,
) -> Result<(), StoreError> {
    let cells = [(&office).into(), content.into()];
    rows.change("UPDATE office SET content = ?2 WHERE id = ?1", &cells).map(drop)
}

/// Removes an office with its links, routes, tokens and sets. False when there is none. Its revisions stay spent, and its
/// set is to be cleared from brokers.
pub(in crate::controller) fn delete(
    rows: &Rows<'_>,
    office: OfficeId,
    now: WallTime,
) -> Result<bool, StoreError> {
    if lock(rows, office)?.is_none() {
        return Ok(false);
    }
    rows.change(
        "INSERT INTO removed (office, revision, at) SELECT office, highest, ?2 FROM revision WHERE office = ?1 \
         ON CONFLICT (office) DO UPDATE SET revision = excluded.revision, at = excluded.at, acknowledged = NULL",
        &[(&office).into(), now.into()],
    )?;
    for table in ["event_seen", "event_count", "observed"] {
        rows.change(&format!("DELETE FROM {table} WHERE office = ?1"), &[(&office).into()])?;
    }
    Ok(rows.change("DELETE FROM office WHERE id = ?1", &[(&office).into()])? == 1)
}

/// The offices that were removed and are still, in the order of their ids.
pub(in crate::controller) fn removed(rows: &Rows<'_>) -> Result<Vec<RemovedRow>, StoreError> {
    rows.list("SELECT office, revision, acknowledged FROM removed ORDER BY office", &[], |row| {
        let (office, revision) = (row.parsed(0)?, row.revision(1)?);
        Ok(RemovedRow { office, revision, is_cleared: row.time_if_any(2)?.is_some() })
    })
}

/// A broker keeps nothing of a removed office any more.
pub(in crate::controller) fn cleared(
    rows: &Rows<'_>,
    office: OfficeId,
    now: WallTime,
) -> Result<(), StoreError> {
    let cells = [(&office).into(), now.into()];
    rows.change("UPDATE removed SET acknowledged = ?2 WHERE office = ?1", &cells).map(drop)
}

pub(in crate::controller) fn get(rows: &Rows<'_>, office: OfficeId) -> Result<Option<OfficeRow>, StoreError> {
    rows.find(&format!("SELECT {COLUMNS} FROM office WHERE id = ?1"), &[(&office).into()], read)
}

/// The office, which nobody else changes before the transaction ends, nor its links and routes.
pub(in crate::controller) fn lock(
    rows: &Rows<'_>,
    office: OfficeId,
) -> Result<Option<OfficeRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM office WHERE id = ?1{}", rows.for_change());
    rows.find(&sql, &[(&office).into()], read)
}

/// All, in the order of their ids.
pub(in crate::controller) fn all(rows: &Rows<'_>) -> Result<Vec<OfficeRow>, StoreError> {
    rows.list(&format!("SELECT {COLUMNS} FROM office ORDER BY id"), &[], read)
}

pub(in crate::controller) fn count(rows: &Rows<'_>) -> Result<u64, StoreError> {
    Ok(u64::try_from(rows.number("SELECT count(*) FROM office", &[])?).unwrap_or(0))
}

fn read(row: &mut Row) -> Result<OfficeRow, StoreError> {
    Ok(OfficeRow {
        id: row.parsed(0)?,
        name: row.text(1)?,
        settings: row.json(2)?,
        created: row.time(3)?,
        content: row.text(4)?,
    })
}

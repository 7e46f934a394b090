//! Route sets that boxes should have, their revisions, and whether a broker has them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, column, signed, unsigned};
use crate::time::WallTime;
use crate::uplink::{OfficeId, Revision};

/// Sets of an office that are kept, the newest among them.
const KEPT: u64 = 50;

/// A set as it is, or will be, published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct DesiredRow {
    pub(in crate::controller) office: OfficeId,
    pub(in crate::controller) revision: Revision,
    /// Of what is signed.
    pub(in crate::controller) digest: String,
    /// The digest of what the office's rows said.
    pub(in crate::controller) content: String,
    pub(in crate::controller) document: Vec<u8>,
    pub(in crate::controller) created: WallTime,
    /// When a broker said that it has it.
    pub(in crate::controller) acknowledged: Option<WallTime>,
}

const COLUMNS: &str = "office, revision, digest, document, created, acknowledged, content";

/// A revision that the office never had: given out once, by the database.
pub(in crate::controller) fn next_revision(
    rows: &Connection,
    office: OfficeId,
) -> Result<Revision, StoreError> {
    let next = rows.query_row(
        "INSERT INTO revision (office, highest) VALUES (?1, 1) \
         ON CONFLICT (office) DO UPDATE SET highest = highest + 1 RETURNING highest",
        [office.as_str()],
        |row| row.get(0),
    )?;
    Ok(Revision(unsigned(next)))
}

/// The office had this revision, from us or from somebody else who signs.
pub(in crate::controller) fn saw_revision(
    rows: &Connection,
    office: OfficeId,
    seen: Revision,
) -> Result<(), StoreError> {
    rows.execute(
        "INSERT INTO revision (office, highest) VALUES (?1, ?2) \
         ON CONFLICT (office) DO UPDATE SET highest = max(highest, excluded.highest)",
        params![office.as_str(), signed(seen.0)],
    )?;
    Ok(())
}

/// Keeps a set, and forgets those of long ago.
pub(in crate::controller) fn insert(rows: &Connection, row: &DesiredRow) -> Result<(), StoreError> {
    rows.execute(
        "INSERT INTO desired (office, revision, digest, document, created, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![row.office.as_str(), signed(row.revision.0), row.digest, row.document, signed(row.created.0), row.content],
    )?;
    rows.execute(
        "DELETE FROM desired WHERE office = ?1 AND revision <= ?2",
        params![row.office.as_str(), signed(row.revision.0.saturating_sub(KEPT))],
    )?;
    Ok(())
}

/// The newest set of an office.
pub(in crate::controller) fn newest(
    rows: &Connection,
    office: OfficeId,
) -> Result<Option<DesiredRow>, StoreError> {
    let mut query = rows.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM desired WHERE office = ?1 ORDER BY revision DESC LIMIT 1"
    ))?;
    Ok(query.query_row([office.as_str()], read).optional()?)
}

/// The newest set of every office where no broker has acknowledged it: office and revision.
pub(in crate::controller) fn waiting(rows: &Connection) -> Result<Vec<(OfficeId, Revision)>, StoreError> {
    names(
        rows,
        "SELECT office, revision FROM desired AS one WHERE acknowledged IS NULL AND revision = \
         (SELECT max(revision) FROM desired WHERE office = one.office) ORDER BY office",
    )
}

/// The newest set of every office where a broker had it and nobody has issued a newer one: office and revision.
pub(in crate::controller) fn published(rows: &Connection) -> Result<Vec<(OfficeId, Revision)>, StoreError> {
    names(
        rows,
        "SELECT one.office, one.revision FROM desired AS one JOIN revision ON revision.office = one.office \
         AND revision.highest = one.revision WHERE one.acknowledged IS NOT NULL ORDER BY one.office",
    )
}

/// A broker has the set.
pub(in crate::controller) fn acknowledge(
    rows: &Connection,
    office: OfficeId,
    revision: Revision,
    now: WallTime,
) -> Result<(), StoreError> {
    rows.execute(
        "UPDATE desired SET acknowledged = ?3 WHERE office = ?1 AND revision = ?2",
        params![office.as_str(), signed(revision.0), signed(now.0)],
    )?;
    Ok(())
}

fn names(rows: &Connection, sql: &str) -> Result<Vec<(OfficeId, Revision)>, StoreError> {
    let mut query = rows.prepare_cached(sql)?;
    let found = query.query_map([], |row| {
        Ok((column(row.get::<_, String>(0)?.parse())?, Revision(unsigned(row.get(1)?))))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<DesiredRow> {
    Ok(DesiredRow {
        office: column(row.get::<_, String>(0)?.parse())?,
        revision: Revision(unsigned(row.get(1)?)),
        digest: row.get(2)?,
        document: row.get(3)?,
        created: WallTime(unsigned(row.get(4)?)),
        acknowledged: row.get::<_, Option<i64>>(5)?.map(|at| WallTime(unsigned(at))),
        content: row.get(6)?,
    })
}

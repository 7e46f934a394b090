//! Route sets that boxes should have, their revisions, and whether a broker has them.

use super::StoreError;
use super::rows::{Row, Rows};
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
    rows: &Rows<'_>,
    office: OfficeId,
) -> Result<Revision, StoreError> {
    let next = rows.number(
        "INSERT INTO revision (office, highest) VALUES (?1, 1) \
         ON CONFLICT (office) DO UPDATE SET highest = revision.highest + 1 RETURNING highest",
        &[(&office).into()],
    )?;
    Ok(Revision(u64::try_from(next).unwrap_or(0)))
}

/// The office had this revision, from us or from somebody else who signs.
pub(in crate::controller) fn saw_revision(
    rows: &Rows<'_>,
    office: OfficeId,
    seen: Revision,
) -> Result<(), StoreError> {
    rows.change(
        "INSERT INTO revision (office, highest) VALUES (?1, ?2) ON CONFLICT (office) \
         DO UPDATE SET highest = excluded.highest WHERE revision.highest < excluded.highest",
        &[(&office).into(), seen.into()],
    )?;
    Ok(())
}

/// Keeps a set, and forgets those of long ago.
pub(in crate::controller) fn insert(rows: &Rows<'_>, row: &DesiredRow) -> Result<(), StoreError> {
    rows.change(
        "INSERT INTO desired (office, revision, digest, document, created, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            (&row.office).into(),
            row.revision.into(),
            (&row.digest).into(),
            row.document.as_slice().into(),
            row.created.into(),
            (&row.content).into(),
        ],
    )?;
    rows.change(
        "DELETE FROM desired WHERE office = ?1 AND revision <= ?2",
        &[(&row.office).into(), row.revision.0.saturating_sub(KEPT).into()],
    )?;
    Ok(())
}

/// The newest set of an office.
pub(in crate::controller) fn newest(
    rows: &Rows<'_>,
    office: OfficeId,
) -> Result<Option<DesiredRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM desired WHERE office = ?1 ORDER BY revision DESC LIMIT 1");
    rows.find(&sql, &[(&office).into()], read)
}

/// The newest set of every office where no broker has acknowledged it: office and revision.
pub(in crate::controller) fn waiting(rows: &Rows<'_>) -> Result<Vec<(OfficeId, Revision)>, StoreError> {
    names(
        rows,
        "SELECT office, revision FROM desired AS one WHERE acknowledged IS NULL AND revision = \
         (SELECT max(revision) FROM desired WHERE office = one.office) ORDER BY office",
    )
}

/// The newest set of every office where a broker had it and nobody has issued a newer one: office and revision.
pub(in crate::controller) fn published(rows: &Rows<'_>) -> Result<Vec<(OfficeId, Revision)>, StoreError> {
    names(
        rows,
        "SELECT one.office, one.revision FROM desired AS one JOIN revision ON revision.office = one.office \
         AND revision.highest = one.revision WHERE one.acknowledged IS NOT NULL ORDER BY one.office",
    )
}

/// A broker has the set.
pub(in crate::controller) fn acknowledge(
    rows: &Rows<'_>,
    office: OfficeId,
    revision: Revision,
    now: WallTime,
) -> Result<(), StoreError> {
    rows.change(
        "UPDATE desired SET acknowledged = ?3 WHERE office = ?1 AND revision = ?2",
        &[(&office).into(), revision.into(), now.into()],
    )?;
    Ok(())
}

fn names(rows: &Rows<'_>, sql: &str) -> Result<Vec<(OfficeId, Revision)>, StoreError> {
    rows.list(sql, &[], |row| Ok((row.parsed(0)?, row.revision(1)?)))
}

fn read(row: &mut Row) -> Result<DesiredRow, StoreError> {
    Ok(DesiredRow {
        office: row.parsed(0)?,
        revision: row.revision(1)?,
        digest: row.text(2)?,
        document: row.bytes(3)?,
        created: row.time(4)?,
        acknowledged: row.time_if_any(5)?,
        content: row.text(6)?,
    })
}

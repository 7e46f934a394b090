//! What boxes said: the newest document of each kind, and counts of what happened.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{StoreError, column, signed, unsigned};
use crate::time::WallTime;
use crate::uplink::{Event, OfficeId};

/// Offices whose documents are kept, known to us or not; further ones are dropped.
pub(in crate::controller) const MOST_OFFICES: u64 = 1000;

/// A document that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controller) enum Kind {
    Status,
    Health,
    Reported,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Health => "health",
            Self::Reported => "reported",
        }
    }
}

/// The documents of an office, as they came, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::controller) struct ObservedRow {
    pub(in crate::controller) status: Option<Vec<u8>>,
    pub(in crate::controller) health: Option<Vec<u8>>,
    pub(in crate::controller) reported: Option<Vec<u8>>,
    /// When the newest of them came, by our clock. A retained one comes again after each reconnection.
    pub(in crate::controller) heard: Option<WallTime>,
}

/// How often something happened, and the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct EventCount {
    pub(in crate::controller) kind: String,
    pub(in crate::controller) count: u64,
    pub(in crate::controller) last_at: WallTime,
    pub(in crate::controller) last_document: Vec<u8>,
}

/// Keeps a document; an empty one clears. The time changes only with the content. False when there is no room for another
/// office.
pub(in crate::controller) fn keep(
    rows: &Connection,
    office: OfficeId,
    kind: Kind,
    document: &[u8],
    now: WallTime,
) -> Result<bool, StoreError> {
    if document.is_empty() {
        rows.execute(
            "DELETE FROM observed WHERE office = ?1 AND kind = ?2",
            params![office.as_str(), kind.as_str()],
        )?;
        return Ok(true);
    }
    if !has_room(rows, "observed", office)? {
        return Ok(false);
    }
    rows.execute(
        "INSERT INTO observed (office, kind, document, heard) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (office, kind) \
         DO UPDATE SET document = excluded.document, heard = excluded.heard WHERE document <> excluded.document",
        params![office.as_str(), kind.as_str(), document, signed(now.0)],
    )?;
    Ok(true)
}

/// Everything that is kept, by office.
pub(in crate::controller) fn all(rows: &Connection) -> Result<BTreeMap<OfficeId, ObservedRow>, StoreError> {
    let mut query = rows.prepare_cached("SELECT office, kind, document, heard FROM observed")?;
    let mut found = BTreeMap::<OfficeId, ObservedRow>::new();
    let mut cursor = query.query([])?;
    while let Some(row) = cursor.next()? {
        let office: OfficeId = column(row.get::<_, String>(0)?.parse())?;
        let observed = found.entry(office).or_default();
        let (kind, document): (String, Vec<u8>) = (row.get(1)?, row.get(2)?);
        observed.heard = observed.heard.max(Some(WallTime(unsigned(row.get(3)?))));
        match kind.as_str() {
            "status" => observed.status = Some(document),
            "health" => observed.health = Some(document),
            _ => observed.reported = Some(document),
        }
    }
    Ok(found)
}

/// What an office said.
pub(in crate::controller) fn of(
    rows: &Connection,
    office: OfficeId,
) -> Result<Option<ObservedRow>, StoreError> {
    Ok(all(rows)?.remove(&office))
}

/// Counts an event once, however often the broker repeats it; events of an office come in order. False when it was counted
/// before, or there is no room for another office.
pub(in crate::controller) fn count(
    rows: &Connection,
    event: &Event,
    stream: &str,
    document: &[u8],
) -> Result<bool, StoreError> {
    let (office, seq) = (event.office.as_str(), signed(event.seq.0));
    if !has_room(rows, "event_mark", event.office)? {
        return Ok(false);
    }
    let is_new = rows.execute(
        "INSERT INTO event_mark (office, stream, seq) VALUES (?1, ?2, ?3) ON CONFLICT (office) DO UPDATE \
         SET stream = excluded.stream, seq = excluded.seq WHERE stream <> excluded.stream OR seq < excluded.seq",
        params![office, stream, seq],
    )?;
    if is_new == 0 {
        return Ok(false);
    }
    rows.execute(
        "INSERT INTO event_count (office, kind, count, last_at, last_document) VALUES (?1, ?2, 1, ?3, ?4) \
         ON CONFLICT (office, kind) DO UPDATE SET count = count + 1, last_at = excluded.last_at, \
         last_document = excluded.last_document",
        params![office, event.kind.as_str(), signed(event.at.0.0), document],
    )?;
    Ok(true)
}

/// What happened at an office, by kind.
pub(in crate::controller) fn counts(
    rows: &Connection,
    office: OfficeId,
) -> Result<Vec<EventCount>, StoreError> {
    let mut query = rows.prepare_cached(
        "SELECT kind, count, last_at, last_document FROM event_count WHERE office = ?1 ORDER BY kind",
    )?;
    let found = query.query_map([office.as_str()], |row| {
        Ok(EventCount {
            kind: row.get(0)?,
            count: unsigned(row.get(1)?),
            last_at: WallTime(unsigned(row.get(2)?)),
            last_document: row.get(3)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Whether the office has rows of this table, or may have some.
fn has_room(rows: &Connection, table: &'static str, office: OfficeId) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {table} WHERE office = ?1) \
         OR (SELECT count(DISTINCT office) FROM {table}) < ?2"
    );
    let mut query = rows.prepare_cached(&sql)?;
    Ok(query.query_row(params![office.as_str(), signed(MOST_OFFICES)], |row| row.get(0))?)
}

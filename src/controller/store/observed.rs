//! What boxes said: the newest document of each kind, and counts of what happened.

use std::collections::BTreeMap;

use super::StoreError;
use super::rows::{Cell, Rows};
use crate::time::WallTime;
use crate::uplink::{Event, OfficeId};

/// Offices whose documents are kept, known to us or not; further ones are dropped.
pub(in crate::controller) const MOST_OFFICES: u64 = 1000;
/// Streams of an office whose marks are kept, the latest. A box begins another one when it lost its flash, and a controller
/// that was away may hear the former one again.
const STREAMS: u64 = 8;

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
    rows: &Rows<'_>,
    office: OfficeId,
    kind: Kind,
    document: &[u8],
    now: WallTime,
) -> Result<bool, StoreError> {
    let cells = [(&office).into(), kind.as_str().into(), document.into(), now.into()];
    if document.is_empty() {
        let [office, kind, ..] = cells;
        rows.change("DELETE FROM observed WHERE office = ?1 AND kind = ?2", &[office, kind])?;
        return Ok(true);
    }
    if !has_room(rows, "observed", office)? {
        return Ok(false);
    }
    rows.change(
        "INSERT INTO observed (office, kind, document, heard) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (office, kind) DO UPDATE SET document = excluded.document, heard = excluded.heard \
         WHERE observed.document <> excluded.document",
        &cells,
    )?;
    Ok(true)
}

/// Everything that is kept, by office.
pub(in crate::controller) fn all(rows: &Rows<'_>) -> Result<BTreeMap<OfficeId, ObservedRow>, StoreError> {
    let mut found = BTreeMap::<OfficeId, ObservedRow>::new();
    for (office, one) in documents(rows, None)? {
        found.entry(office).or_default().take(one);
    }
    Ok(found)
}

/// What an office said.
pub(in crate::controller) fn of(
    rows: &Rows<'_>,
    office: OfficeId,
) -> Result<Option<ObservedRow>, StoreError> {
    let found = documents(rows, Some(office))?.into_iter().map(|(_, one)| one);
    Ok(found.fold(None, |row, one| {
        let mut row = row.unwrap_or_else(ObservedRow::default);
        row.take(one);
        Some(row)
    }))
}

/// Counts an event once, however often brokers repeat it and however many controllers hear it. Those of a stream come in
/// order to each controller. False when it was counted before, or there is no room for another office.
pub(in crate::controller) fn count(
    rows: &Rows<'_>,
    event: &Event,
    stream: &str,
    document: &[u8],
    now: WallTime,
) -> Result<bool, StoreError> {
    let office = (&event.office).into();
    if !has_room(rows, "event_seen", event.office)? {
        return Ok(false);
    }
    let is_new = rows.change(
        "INSERT INTO event_seen (office, stream, seq, touched) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (office, stream) DO UPDATE SET seq = excluded.seq, touched = excluded.touched \
         WHERE event_seen.seq < excluded.seq",
        &[office, stream.into(), event.seq.0.into(), now.into()],
    )?;
    if is_new == 0 {
        return Ok(false);
    }
    rows.change(
        "DELETE FROM event_seen WHERE office = ?1 AND stream NOT IN \
         (SELECT stream FROM event_seen WHERE office = ?1 ORDER BY touched DESC, stream LIMIT ?2)",
        &[office, STREAMS.into()],
    )?;
    rows.change(
        "INSERT INTO event_count (office, kind, count, last_at, last_document) VALUES (?1, ?2, 1, ?3, ?4) \
         ON CONFLICT (office, kind) DO UPDATE SET count = event_count.count + 1, last_at = excluded.last_at, \
         last_document = excluded.last_document",
        &[office, event.kind.as_str().into(), event.at.0.into(), document.into()],
    )?;
    Ok(true)
}

/// What happened at an office, by kind.
pub(in crate::controller) fn counts(
    rows: &Rows<'_>,
    office: OfficeId,
) -> Result<Vec<EventCount>, StoreError> {
    rows.list(
        "SELECT kind, count, last_at, last_document FROM event_count WHERE office = ?1 ORDER BY kind",
        &[(&office).into()],
        |row| {
            let (kind, count) = (row.text(0)?, row.count(1)?);
            Ok(EventCount { kind, count, last_at: row.time(2)?, last_document: row.bytes(3)? })
        },
    )
}

/// A document, and when it was heard.
type Told = (String, Vec<u8>, WallTime);

impl ObservedRow {
    fn take(&mut self, (kind, document, heard): Told) {
        self.heard = self.heard.max(Some(heard));
        match kind.as_str() {
            "status" => self.status = Some(document),
            "health" => self.health = Some(document),
            _ => self.reported = Some(document),
        }
    }
}

fn documents(rows: &Rows<'_>, office: Option<OfficeId>) -> Result<Vec<(OfficeId, Told)>, StoreError> {
    rows.list(
        "SELECT office, kind, document, heard FROM observed WHERE ?1 IS NULL OR office = ?1",
        &[office.as_ref().map_or(Cell::Nothing, Cell::from)],
        |row| Ok((row.parsed(0)?, (row.text(1)?, row.bytes(2)?, row.time(3)?))),
    )
}

/// Whether the office has rows of this table, or may have some. Two offices that come at once may both find the last place.
fn has_room(rows: &Rows<'_>, table: &'static str, office: OfficeId) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT count(DISTINCT office) FROM {table} \
         WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE office = ?1)"
    );
    Ok(rows.number(&sql, &[(&office).into()])? < i64::try_from(MOST_OFFICES).unwrap_or(i64::MAX))
}

//! Links and routes: each a JSON object as it stands in the route set of the office that uses it.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value};

use super::{StoreError, column};
use crate::uplink::OfficeId;

/// The object that goes into the route set.
pub(in crate::controller) type Body = Map<String, Value>;

/// False when the office has a link of this id.
pub(in crate::controller) fn insert_link(
    rows: &Connection,
    office: OfficeId,
    id: &str,
    body: &Body,
) -> Result<bool, StoreError> {
    let changed = rows.execute(
        "INSERT INTO link (office, id, body) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![office.as_str(), id, text(body)],
    )?;
    Ok(changed == 1)
}

/// False when there is none.
pub(in crate::controller) fn update_link(
    rows: &Connection,
    office: OfficeId,
    id: &str,
    body: &Body,
) -> Result<bool, StoreError> {
    let changed = rows.execute(
        "UPDATE link SET body = ?3 WHERE office = ?1 AND id = ?2",
        params![office.as_str(), id, text(body)],
    )?;
    Ok(changed == 1)
}

/// False when there is none.
pub(in crate::controller) fn delete_link(
    rows: &Connection,
    office: OfficeId,
    id: &str,
) -> Result<bool, StoreError> {
    Ok(rows.execute("DELETE FROM link WHERE office = ?1 AND id = ?2", params![office.as_str(), id])? == 1)
}

/// The links of one office or of all, by office and id.
pub(in crate::controller) fn links(
    rows: &Connection,
    office: Option<OfficeId>,
) -> Result<Vec<(OfficeId, Body)>, StoreError> {
    let mut query = rows.prepare_cached(
        "SELECT office, body FROM link WHERE ?1 IS NULL OR office = ?1 ORDER BY office, id",
    )?;
    let office = office.map(|office| office.to_string());
    let found = query.query_map([office], |row| {
        Ok((
            column(row.get::<_, String>(0)?.parse())?,
            column(serde_json::from_str(&row.get::<_, String>(1)?))?,
        ))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The new route's number.
pub(in crate::controller) fn insert_route(
    rows: &Connection,
    office: OfficeId,
    body: &Body,
) -> Result<i64, StoreError> {
    rows.execute("INSERT INTO route (office, body) VALUES (?1, ?2)", params![office.as_str(), text(body)])?;
    Ok(rows.last_insert_rowid())
}

/// False when there is none.
pub(in crate::controller) fn update_route(
    rows: &Connection,
    id: i64,
    body: &Body,
) -> Result<bool, StoreError> {
    Ok(rows.execute("UPDATE route SET body = ?2 WHERE id = ?1", params![id, text(body)])? == 1)
}

pub(in crate::controller) fn delete_route(rows: &Connection, id: i64) -> Result<(), StoreError> {
    rows.execute("DELETE FROM route WHERE id = ?1", [id])?;
    Ok(())
}

/// The office of a route.
pub(in crate::controller) fn office_of_route(
    rows: &Connection,
    id: i64,
) -> Result<Option<OfficeId>, StoreError> {
    let mut query = rows.prepare_cached("SELECT office FROM route WHERE id = ?1")?;
    Ok(query.query_row([id], |row| column(row.get::<_, String>(0)?.parse())).optional()?)
}

/// The routes of one office or of all, in the order they were made in.
pub(in crate::controller) fn routes(
    rows: &Connection,
    office: Option<OfficeId>,
) -> Result<Vec<(i64, OfficeId, Body)>, StoreError> {
    let mut query = rows
        .prepare_cached("SELECT id, office, body FROM route WHERE ?1 IS NULL OR office = ?1 ORDER BY id")?;
    let office = office.map(|office| office.to_string());
    let found = query.query_map([office], |row| {
        let office = column(row.get::<_, String>(1)?.parse())?;
        Ok((row.get(0)?, office, column(serde_json::from_str(&row.get::<_, String>(2)?))?))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn text(body: &Body) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

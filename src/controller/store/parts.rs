//! Links and routes: each a JSON object as it stands in the route set of the office that uses it.
//!
//! Whoever changes them holds the office's lock (`offices::lock`).

use serde_json::{Map, Value};

use super::StoreError;
use super::rows::{Cell, Row, Rows};
use crate::uplink::OfficeId;

/// The object that goes into the route set.
pub(in crate::controller) type Body = Map<String, Value>;

/// A route with its number and its office.
pub(in crate::controller) type RouteRow = (i64, OfficeId, Body);

/// False when the office has a link of this id.
pub(in crate::controller) fn insert_link(
    rows: &Rows<'_>,
    office: OfficeId,
    id: &str,
    body: &Body,
) -> Result<bool, StoreError> {
    let changed = rows.change(
        "INSERT INTO link (office, id, body) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        &[(&office).into(), id.into(), (&text(body)).into()],
    )?;
    Ok(changed == 1)
}

/// False when there is none.
pub(in crate::controller) fn update_link(
    rows: &Rows<'_>,
    office: OfficeId,
    id: &str,
    body: &Body,
) -> Result<bool, StoreError> {
    let changed = rows.change(
        "UPDATE link SET body = ?3 WHERE office = ?1 AND id = ?2",
        &[(&office).into(), id.into(), (&text(body)).into()],
    )?;
    Ok(changed == 1)
}

/// False when there is none.
pub(in crate::controller) fn delete_link(
    rows: &Rows<'_>,
    office: OfficeId,
    id: &str,
) -> Result<bool, StoreError> {
    let cells = [(&office).into(), id.into()];
    Ok(rows.change("DELETE FROM link WHERE office = ?1 AND id = ?2", &cells)? == 1)
}

/// One link.
pub(in crate::controller) fn link(
    rows: &Rows<'_>,
    office: OfficeId,
    id: &str,
) -> Result<Option<Body>, StoreError> {
    let sql = "SELECT body FROM link WHERE office = ?1 AND id = ?2";
    rows.find(sql, &[(&office).into(), id.into()], |row| row.json(0))
}

/// The links of one office or of all, by office and id.
pub(in crate::controller) fn links(
    rows: &Rows<'_>,
    office: Option<OfficeId>,
) -> Result<Vec<(OfficeId, Body)>, StoreError> {
    rows.list(
        "SELECT office, body FROM link WHERE ?1 IS NULL OR office = ?1 ORDER BY office, id",
        &[office.as_ref().map_or(Cell::Nothing, Cell::from)],
        |row| Ok((row.parsed(0)?, row.json(1)?)),
    )
}

/// The new route's number.
pub(in crate::controller) fn insert_route(
    rows: &Rows<'_>,
    office: OfficeId,
    body: &Body,
) -> Result<i64, StoreError> {
    rows.number(
        "INSERT INTO route (office, body) VALUES (?1, ?2) RETURNING id",
        &[(&office).into(), (&text(body)).into()],
    )
}

/// False when there is none.
pub(in crate::controller) fn update_route(rows: &Rows<'_>, id: i64, body: &Body) -> Result<bool, StoreError> {
    let sql = "UPDATE route SET body = ?2 WHERE id = ?1";
    Ok(rows.change(sql, &[id.into(), (&text(body)).into()])? == 1)
}

/// False when there is none.
pub(in crate::controller) fn delete_route(rows: &Rows<'_>, id: i64) -> Result<bool, StoreError> {
    Ok(rows.change("DELETE FROM route WHERE id = ?1", &[id.into()])? == 1)
}

/// One route.
pub(in crate::controller) fn route(rows: &Rows<'_>, id: i64) -> Result<Option<RouteRow>, StoreError> {
    rows.find("SELECT id, office, body FROM route WHERE id = ?1", &[id.into()], read_route)
}

/// The routes of one office or of all, in the order they were made in.
pub(in crate::controller) fn routes(
    rows: &Rows<'_>,
    office: Option<OfficeId>,
) -> Result<Vec<RouteRow>, StoreError> {
    rows.list(
        "SELECT id, office, body FROM route WHERE ?1 IS NULL OR office = ?1 ORDER BY id",
        &[office.as_ref().map_or(Cell::Nothing, Cell::from)],
        read_route,
    )
}

fn read_route(row: &mut Row) -> Result<RouteRow, StoreError> {
    Ok((row.id(0)?, row.parsed(1)?, row.json(2)?))
}

fn text(body: &Body) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

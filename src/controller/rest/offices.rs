//! Offices.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::body::Fields;
use super::{Desk, office};
use crate::api::{Page, Paging};
use crate::controller::access::{Caller, Permission};
use crate::controller::compose::{self, SETTINGS};
use crate::controller::problem::{Problem, Reason};
use crate::controller::store::now;
use crate::controller::store::observed::MOST_OFFICES;
use crate::controller::store::offices::{self, OfficeRow};
use crate::uplink::{Moment, OfficeId};

const LONGEST_NAME: usize = 100;

pub(super) async fn list(
    State(desk): State<Desk>,
    caller: Caller,
    paging: Paging,
) -> Result<Json<Page<Value>>, Problem> {
    caller.ops()?;
    let after = paging.after(|text| text.parse::<OfficeId>().ok())?;
    let all = desk.store().run(|rows| offices::all(rows).map_err(Problem::from)).await?;
    let Page { items, next } = paging.page(all.into_iter(), |row| row.id, after.as_ref());
    Ok(Json(Page { items: items.iter().map(view).collect(), next }))
}

pub(super) async fn create(
    State(desk): State<Desk>,
    caller: Caller,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.ops()?;
    let id: OfficeId = fields.parsed("id")?;
    let name = fields.optional_text("name", LONGEST_NAME)?.unwrap_or_else(|| id.to_string());
    let row =
        OfficeRow { id, name, settings: fields.rest(&SETTINGS)?, created: now(), content: String::new() };
    let made = desk.store().run(move |rows| {
        if offices::count(rows)? >= MOST_OFFICES {
            return Err(Problem::from(Reason::Full));
        }
        if !offices::insert(rows, &row)? {
            return Err(Reason::Exists.into());
        }
        compose::try_out(rows, id, now())?;
        Ok(view(&row))
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

pub(super) async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
) -> Result<Json<Value>, Problem> {
    let office = office(&path)?;
    caller.may(Permission::Read, office)?;
    let row = desk.store().run(move |rows| offices::get(rows, office).map_err(Problem::from)).await?;
    row.map(|row| Json(view(&row))).ok_or_else(|| Reason::NoSuchOffice.into())
}

/// Replaces name and settings.
pub(super) async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
    mut fields: Fields,
) -> Result<Json<Value>, Problem> {
    caller.ops()?;
    let id = office(&path)?;
    let name = fields.optional_text("name", LONGEST_NAME)?;
    let settings: Map<String, Value> = fields.rest(&SETTINGS)?;
    let changed = desk.store().run(move |rows| {
        let before = offices::lock(rows, id)?.ok_or(Reason::NoSuchOffice)?;
        let row = OfficeRow { name: name.unwrap_or(before.name), settings, ..before };
        offices::update(rows, &row)?;
        compose::try_out(rows, id, now())?;
        Ok::<_, Problem>(view(&row))
    });
    Ok(Json(changed.await?))
}

/// Removes an office with everything of it; brokers stop keeping its set. Its box goes on with the set that it has: an
/// empty message on `routes/desired` changes nothing in force.
pub(super) async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
) -> Result<StatusCode, Problem> {
    caller.ops()?;
    let office = office(&path)?;
    let removed =
        desk.store().run(move |rows| offices::delete(rows, office, now()).map_err(Problem::from)).await?;
    desk.wake();
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(Reason::NoSuchOffice.into()) }
}

fn view(row: &OfficeRow) -> Value {
    let mut view = row.settings.clone();
    view.insert("id".to_owned(), row.id.as_str().into());
    view.insert("name".to_owned(), row.name.clone().into());
    view.insert("created".to_owned(), json!(Moment(row.created)));
    Value::Object(view)
}

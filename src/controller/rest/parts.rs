//! Links and routes. Each is written as in a route set, with the office that uses it in `at`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use super::body::Fields;
use crate::api::{Page, Paging};
use crate::controller::access::{Caller, Permission};
use crate::controller::compose;
use crate::controller::problem::{Problem, Reason};
use crate::controller::store::parts::{self, Body};
use crate::controller::store::{Rows, now, offices};
use crate::uplink::OfficeId;

/// Of which office.
#[derive(Deserialize)]
pub(super) struct Wanted {
    at: Option<String>,
}

impl Wanted {
    /// The office, if the caller may see it; without one, only ops see all.
    fn office(&self, caller: &Caller) -> Result<Option<OfficeId>, Problem> {
        let Some(at) = &self.at else { return caller.ops().map(|()| None) };
        let office =
            at.parse().map_err(|_| Problem::from(Reason::BadParameter).detail("at: an office's id"))?;
        caller.may(Permission::Read, office)?;
        Ok(Some(office))
    }
}

pub(super) async fn links(
    State(desk): State<Desk>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
    paging: Paging,
) -> Result<Json<Page<Value>>, Problem> {
    let office = wanted.office(&caller)?;
    let after = paging.after(|text| Some(text.to_owned()))?;
    let all = desk.store().run(move |rows| parts::links(rows, office).map_err(Problem::from)).await?;
    let page = paging.page(all.into_iter(), |(at, body)| format!("{at}/{}", id_of(body)), after.as_ref());
    let items = page.items.into_iter().map(|(at, body)| link_view(at, body)).collect();
    Ok(Json(Page { items, next: page.next }))
}

pub(super) async fn show_link(
    State(desk): State<Desk>,
    caller: Caller,
    Path((at, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let at: OfficeId = at.parse().map_err(|_| Reason::NoSuchOffice)?;
    caller.may(Permission::Read, at)?;
    let body = desk.store().run(move |rows| parts::link(rows, at, &id).map_err(Problem::from)).await?;
    Ok(Json(link_view(at, body.ok_or(Reason::NoSuchLink)?)))
}

pub(super) async fn create_link(
    State(desk): State<Desk>,
    caller: Caller,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.ops()?;
    let at: OfficeId = fields.parsed("at")?;
    let body = fields.all();
    let made = desk.store().run(move |rows| {
        offices::lock(rows, at)?.ok_or(Reason::NoSuchOffice)?;
        if !parts::insert_link(rows, at, id_of(&body), &body)? {
            return Err(Reason::Exists.into());
        }
        compose::try_out(rows, at, now())?;
        Ok::<_, Problem>(link_view(at, body))
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Replaces a link; its id stays.
pub(super) async fn change_link(
    State(desk): State<Desk>,
    caller: Caller,
    Path((at, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Json<Value>, Problem> {
    caller.ops()?;
    let at: OfficeId = at.parse().map_err(|_| Reason::NoSuchOffice)?;
    let mut body = fields.all();
    body.remove("at");
    body.insert("id".to_owned(), id.into());
    let changed = desk.store().run(move |rows| {
        offices::lock(rows, at)?.ok_or(Reason::NoSuchOffice)?;
        if !parts::update_link(rows, at, id_of(&body), &body)? {
            return Err(Reason::NoSuchLink.into());
        }
        compose::try_out(rows, at, now())?;
        Ok::<_, Problem>(link_view(at, body))
    });
    Ok(Json(changed.await?))
}

pub(super) async fn remove_link(
    State(desk): State<Desk>,
    caller: Caller,
    Path((at, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.ops()?;
    let at: OfficeId = at.parse().map_err(|_| Reason::NoSuchOffice)?;
    let removed = desk.store().run(move |rows| {
        offices::lock(rows, at)?.ok_or(Reason::NoSuchOffice)?;
        if !parts::delete_link(rows, at, &id)? {
            return Err(Reason::NoSuchLink.into());
        }
        Ok::<_, Problem>(compose::try_out(rows, at, now())?)
    });
    removed.await.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn routes(
    State(desk): State<Desk>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
    paging: Paging,
) -> Result<Json<Page<Value>>, Problem> {
    let office = wanted.office(&caller)?;
    let after = paging.after(|text| text.parse::<i64>().ok())?;
    let all = desk.store().run(move |rows| parts::routes(rows, office).map_err(Problem::from)).await?;
    let page = paging.page(all.into_iter(), |(id, ..)| *id, after.as_ref());
    let items = page.items.into_iter().map(|(id, at, body)| route_view(id, at, body)).collect();
    Ok(Json(Page { items, next: page.next }))
}

pub(super) async fn show_route(
    State(desk): State<Desk>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = route_id(&id)?;
    let found = desk.store().run(move |rows| parts::route(rows, id).map_err(Problem::from)).await?;
    // Whoever may not see all offices learns of no route outside of their own.
    let at = found.as_ref().map(|(_, at, _)| *at);
    caller.may_see(at)?;
    let (id, at, body) = found.ok_or(Reason::NoSuchRoute)?;
    Ok(Json(route_view(id, at, body)))
}

pub(super) async fn create_route(
    State(desk): State<Desk>,
    caller: Caller,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.ops()?;
    let at: OfficeId = fields.parsed("at")?;
    let body = without_id(fields.all());
    let made = desk.store().run(move |rows| {
        offices::lock(rows, at)?.ok_or(Reason::NoSuchOffice)?;
        let id = parts::insert_route(rows, at, &body)?;
        compose::try_out(rows, at, now())?;
        Ok::<_, Problem>(route_view(id, at, body))
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Replaces a route; its office stays.
pub(super) async fn change_route(
    State(desk): State<Desk>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<Value>, Problem> {
    caller.ops()?;
    let id = route_id(&id)?;
    let mut body = without_id(fields.all());
    body.remove("at");
    let changed = desk.store().run(move |rows| {
        let at = office_of(rows, id)?;
        if !parts::update_route(rows, id, &body)? {
            return Err(Reason::NoSuchRoute.into());
        }
        compose::try_out(rows, at, now())?;
        Ok::<_, Problem>(route_view(id, at, body))
    });
    Ok(Json(changed.await?))
}

pub(super) async fn remove_route(
    State(desk): State<Desk>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.ops()?;
    let id = route_id(&id)?;
    let removed = desk.store().run(move |rows| {
        let at = office_of(rows, id)?;
        if !parts::delete_route(rows, id)? {
            return Err(Reason::NoSuchRoute.into());
        }
        Ok::<_, Problem>(compose::try_out(rows, at, now())?)
    });
    removed.await.map(|()| StatusCode::NO_CONTENT)
}

fn route_id(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Reason::NoSuchRoute.into())
}

/// The office of a route, locked until the end of the transaction.
fn office_of(rows: &Rows<'_>, id: i64) -> Result<OfficeId, Problem> {
    let (_, at, _) = parts::route(rows, id)?.ok_or(Reason::NoSuchRoute)?;
    offices::lock(rows, at)?.ok_or(Reason::NoSuchRoute)?;
    Ok(at)
}

/// A route's number is the controller's; no box knows of it.
fn without_id(mut body: Body) -> Body {
    body.remove("id");
    body
}

/// The id that a link has in a route set; where it has none, the check says so.
fn id_of(body: &Body) -> &str {
    body.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn link_view(at: OfficeId, mut body: Body) -> Value {
    body.insert("at".to_owned(), at.as_str().into());
    Value::Object(body)
}

fn route_view(id: i64, at: OfficeId, mut body: Body) -> Value {
    body.insert("at".to_owned(), at.as_str().into());
    body.insert("id".to_owned(), json!(id));
    Value::Object(body)
}

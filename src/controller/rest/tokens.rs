//! Federation tokens: issued for an office, shown once, until a date or until they are revoked.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::body::Fields;
use super::{Desk, office};
use crate::api::{Page, Paging};
use crate::config::parse_time;
use crate::controller::access::{Caller, Permission};
use crate::controller::problem::{Problem, Reason};
use crate::controller::secret::{Secret, TOKEN};
use crate::controller::store::keys::{self, TokenRow};
use crate::controller::store::{StoreError, now, offices};
use crate::uplink::{Moment, OfficeId};

const MOST: u64 = 10_000;
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 24 * 3600);
const LONGEST_NAME: usize = 100;

pub(super) async fn list(
    State(desk): State<Desk>,
    caller: Caller,
    paging: Paging,
) -> Result<Json<Page<Value>>, Problem> {
    caller.ops()?;
    page(&desk, &paging, None).await
}

/// Those of one office.
pub(super) async fn of_office(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
    paging: Paging,
) -> Result<Json<Page<Value>>, Problem> {
    caller.ops()?;
    page(&desk, &paging, Some(office(&path)?)).await
}

pub(super) async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    caller.ops()?;
    let id: i64 = id.parse().map_err(|_| Reason::NoSuchToken)?;
    let found = desk.store().run(move |rows| keys::token(rows, id).map_err(Problem::from)).await?;
    Ok(Json(view(&found.ok_or(Reason::NoSuchToken)?)))
}

/// The answer is the only place where the token ever stands.
pub(super) async fn issue(
    State(desk): State<Desk>,
    caller: Caller,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.ops()?;
    let office: OfficeId = fields.parsed("office")?;
    let name = fields.text("name", LONGEST_NAME)?;
    let permissions = permissions(&fields.texts("permissions")?)?;
    let life = parse_time(&fields.text("life", 32)?)
        .ok()
        .filter(|life| (1..=LONGEST_LIFE.as_secs()).contains(&life.as_secs()));
    let bad = || Problem::from(Reason::BadBody).detail("life: expected a time from 1s to 366d, as in 90d");
    let life = life.ok_or_else(bad)?;
    fields.rest(&[])?;
    let created = now();
    let expires = created.plus(life);
    let mut row = TokenRow { id: 0, name, office, permissions, created, expires, revoked: None };
    let secret = Secret::make(TOKEN).ok_or_else(|| StoreError::Failed("no random numbers".to_owned()))?;
    let hash = secret.hash();
    let row = desk.store().run(move |rows| {
        offices::lock(rows, office)?.ok_or(Reason::NoSuchOffice)?;
        if keys::token_count(rows)? >= MOST {
            return Err(Problem::from(Reason::Full));
        }
        row.id = keys::add_token(rows, &row, &hash)?;
        Ok(row)
    });
    let mut shown = view(&row.await?);
    if let Value::Object(fields) = &mut shown {
        fields.insert("token".to_owned(), secret.reveal().into());
    }
    Ok((StatusCode::CREATED, Json(shown)))
}

pub(super) async fn revoke(
    State(desk): State<Desk>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.ops()?;
    let id: i64 = id.parse().map_err(|_| Reason::NoSuchToken)?;
    let revoked = desk.store().run(move |rows| keys::revoke_token(rows, id, now()).map_err(Problem::from));
    if revoked.await? { Ok(StatusCode::NO_CONTENT) } else { Err(Reason::NoSuchToken.into()) }
}

/// All of an office, as when one of its machines was lost.
pub(super) async fn revoke_all(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
) -> Result<StatusCode, Problem> {
    caller.ops()?;
    let office = office(&path)?;
    let revoked = desk.store().run(move |rows| {
        offices::get(rows, office)?.ok_or(Reason::NoSuchOffice)?;
        Ok::<_, Problem>(keys::revoke_tokens_of(rows, office, now())?)
    });
    revoked.await.map(|()| StatusCode::NO_CONTENT)
}

async fn page(desk: &Desk, paging: &Paging, office: Option<OfficeId>) -> Result<Json<Page<Value>>, Problem> {
    let after = paging.after(|text| text.parse::<i64>().ok())?;
    let all = desk.store().run(move |rows| {
        if let Some(office) = office {
            offices::get(rows, office)?.ok_or(Reason::NoSuchOffice)?;
        }
        Ok::<_, Problem>(keys::tokens(rows, office)?)
    });
    let Page { items, next } = paging.page(all.await?.into_iter(), |row| row.id, after.as_ref());
    Ok(Json(Page { items: items.iter().map(view).collect(), next }))
}

/// Each at most once, at least one.
fn permissions(words: &[String]) -> Result<String, Problem> {
    let known = words.iter().map(|word| word.parse::<Permission>()).collect::<Result<BTreeSet<_>, _>>();
    let known = known.ok().filter(|known| !known.is_empty()).ok_or_else(|| {
        Problem::from(Reason::BadBody).detail("permissions: expected a list of read, publish and connect")
    })?;
    Ok(known.into_iter().map(Permission::as_str).collect::<Vec<_>>().join(" "))
}

fn view(row: &TokenRow) -> Value {
    let state = match row.revoked {
        Some(_) => "revoked",
        None if row.expires <= now() => "expired",
        None => "in-force",
    };
    json!({
        "id": row.id, "name": row.name, "office": row.office.as_str(),
        "permissions": row.permissions.split(' ').collect::<Vec<_>>(), "created": Moment(row.created),
        "expires": Moment(row.expires), "revoked": row.revoked.map(Moment), "state": state,
    })
}

//! What an office should have, and what it says it has.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Desk, office};
use crate::controller::access::{Caller, Permission};
use crate::controller::compose;
use crate::controller::diagnosis::Heard;
use crate::controller::problem::{Problem, Reason};
use crate::controller::store::desired::{self, DesiredRow};
use crate::controller::store::{now, observed, offices};
use crate::uplink::{Moment, OfficeId, Revision};

/// How long the answer to a publication waits for the broker.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(500);

/// The newest set, and whether links and routes have changed since.
pub(super) async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
) -> Result<Json<Value>, Problem> {
    let office = office(&path)?;
    caller.may(Permission::Read, office)?;
    let found = desk.store().run(move |rows| {
        let row = offices::get(rows, office)?.ok_or(Reason::NoSuchOffice)?;
        let newest = desired::newest(rows, office)?;
        let differs = compose::differs(&row, newest.as_ref());
        Ok::<_, Problem>((newest, differs))
    });
    let (newest, differs) = found.await?;
    let mut shown = newest.as_ref().map_or_else(|| json!({ "state": "none" }), view);
    if let Value::Object(fields) = &mut shown {
        fields.insert("differs".to_owned(), differs.into());
        let set = newest.and_then(|newest| serde_json::from_slice(&newest.document).ok());
        fields.insert("set".to_owned(), set.unwrap_or(Value::Null));
    }
    Ok(Json(shown))
}

/// Makes the office's links and routes its desired set and publishes it. 200 once a broker has it, else 202: it is kept,
/// and published as soon as one is there.
pub(super) async fn publish(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let office = office(&path)?;
    caller.may(Permission::Publish, office)?;
    let (key, mut link) = (desk.key(), desk.link());
    let issued = desk.store().run(move |rows| Ok::<_, Problem>(compose::issue(rows, office, &key, now())?));
    let revision = issued.await?.revision;
    desk.wake();
    let taken = async {
        loop {
            // A newer set, published meanwhile, takes this one's place.
            let newest = current(&desk, office).await?;
            let is_settled = newest
                .as_ref()
                .is_some_and(|newest| newest.revision != revision || newest.acknowledged.is_some());
            if is_settled {
                return Ok::<_, Problem>(newest);
            }
            // Another controller may be quicker to publish it, which only the database tells.
            if let Ok(Err(_)) = timeout(LOOK, link.changed()).await {
                return Ok(newest);
            }
        }
    };
    let newest = match timeout(PATIENCE, taken).await {
        Ok(newest) => newest?,
        Err(_) => current(&desk, office).await?,
    };
    let newest = newest.ok_or(Reason::NoSuchOffice)?;
    let status = if newest.acknowledged.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(view(&newest))))
}

/// What the box said of its route set last, as it said it.
pub(super) async fn reported(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
) -> Result<Json<Value>, Problem> {
    let office = office(&path)?;
    caller.may(Permission::Read, office)?;
    let found = desk.store().run(move |rows| {
        offices::get(rows, office)?.ok_or(Reason::NoSuchOffice)?;
        let newest = desired::newest(rows, office)?.map(|newest| newest.revision);
        Ok::<_, Problem>((observed::of(rows, office)?, newest))
    });
    let (row, desired) = found.await?;
    let heard = Heard::of(row.as_ref());
    let in_force = heard.reported.as_ref().and_then(crate::uplink::Reported::revision);
    let is_in_force = desired.is_some() && desired == in_force;
    Ok(Json(json!({
        "office": office.as_str(), "online": heard.is_online(), "heard": heard.at.map(Moment),
        "desired-revision": desired, "is-in-force": is_in_force,
        "reported": heard.reported, "status": heard.status, "health": heard.health,
        "unreadable": heard.unreadable,
    })))
}

async fn current(desk: &Desk, office: OfficeId) -> Result<Option<DesiredRow>, Problem> {
    desk.store().run(move |rows| desired::newest(rows, office).map_err(Problem::from)).await
}

fn view(row: &DesiredRow) -> Value {
    let state = if row.acknowledged.is_some() { "published" } else { "waiting" };
    let Revision(revision) = row.revision;
    json!({
        "office": row.office.as_str(), "revision": revision, "digest": row.digest, "state": state,
        "issued": Moment(row.created), "published": row.acknowledged.map(Moment),
    })
}

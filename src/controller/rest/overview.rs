//! Everything that the page shows, in one answer.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Desk;
use crate::controller::access::Caller;
use crate::controller::compose;
use crate::controller::diagnosis::{Heard, examine};
use crate::controller::problem::Problem;
use crate::controller::store::observed::{EventCount, ObservedRow};
use crate::controller::store::offices::OfficeRow;
use crate::controller::store::{Rows, StoreError, desired, now, observed, offices};
use crate::time::WallTime;
use crate::uplink::{Moment, OfficeId, Reported};

pub(super) async fn overview(State(desk): State<Desk>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.ops()?;
    let now = now();
    let offices = desk.store().run(move |rows| all(rows, now)).await?;
    let link = desk.link().borrow().clone();
    Ok(Json(json!({
        "now": Moment(now), "version": env!("CARGO_PKG_VERSION"),
        "broker": {
            "up": link.is_up, "name": link.broker, "since": Moment(link.since), "trouble": link.trouble,
        },
        "offices": offices,
    })))
}

/// Who is connected to the gateway, and what was counted there since it started.
pub(super) async fn gateway(State(desk): State<Desk>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.ops()?;
    Ok(Json(desk.gateway().view()))
}

fn all(rows: &Rows<'_>, now: WallTime) -> Result<Vec<Value>, Problem> {
    let mut observed = observed::all(rows)?;
    let mut views = Vec::new();
    for office in offices::all(rows)? {
        let row = observed.remove(&office.id);
        views.push(view(rows, &office, row.as_ref(), now)?);
    }
    views.extend(strangers(&observed));
    Ok(views)
}

fn view(
    rows: &Rows<'_>,
    office: &OfficeRow,
    row: Option<&ObservedRow>,
    now: WallTime,
) -> Result<Value, StoreError> {
    let desired = desired::newest(rows, office.id)?;
    let differs = compose::differs(office, desired.as_ref());
    let heard = Heard::of(row);
    let diagnosis = examine(&heard, desired.as_ref(), differs, now);
    let in_force = heard.reported.as_ref().and_then(Reported::revision);
    let counts = heard.health.as_ref().map(|health| &health.counts);
    Ok(json!({
        "id": office.id.as_str(), "name": office.name, "glance": diagnosis.glance, "wrong": diagnosis.wrong,
        "in-force": in_force, "desired": desired.map(|desired| desired.revision), "differs": differs,
        "outcome": heard.reported.as_ref().map(|reported| reported.outcome),
        "probation-until": heard.reported.as_ref().and_then(|reported| reported.probation_until),
        "heard": heard.at.map(Moment), "version": heard.status.as_ref().map(|status| &status.version),
        "counts": counts, "events": events(rows, office.id)?,
    }))
}

/// Boxes of offices that nobody made here.
fn strangers(observed: &BTreeMap<OfficeId, ObservedRow>) -> Vec<Value> {
    let strangers = observed.iter().map(|(office, row)| {
        let heard = Heard::of(Some(row));
        json!({
            "id": office.as_str(), "name": office.as_str(), "glance": "stranger",
            "wrong": ["Its box reports, but there is no such office here."],
            "in-force": heard.reported.as_ref().and_then(Reported::revision), "desired": null, "differs": false,
            "heard": heard.at.map(Moment), "version": heard.status.as_ref().map(|status| &status.version),
            "events": [],
        })
    });
    strangers.collect()
}

fn events(rows: &Rows<'_>, office: OfficeId) -> Result<Vec<Value>, StoreError> {
    let view = |one: EventCount| {
        let last: Option<Value> = serde_json::from_slice(&one.last_document).ok();
        json!({ "kind": one.kind, "count": one.count, "last-at": Moment(one.last_at), "last": last })
    };
    Ok(observed::counts(rows, office)?.into_iter().map(view).collect())
}

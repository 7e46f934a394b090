//! Whom an office may call through the gateway: `{"may-call": ["PAR"]}`, or `{"may-call": null}` for all. In force within
//! two seconds.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::body::Fields;
use super::{Desk, office};
use crate::controller::access::{Caller, Permission};
use crate::controller::problem::{Problem, Reason};
use crate::controller::store::{offices, permissions};
use crate::uplink::OfficeId;

pub(super) async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
) -> Result<Json<Value>, Problem> {
    let office = office(&path)?;
    caller.may(Permission::Read, office)?;
    let may_call = desk.store().run(move |rows| {
        offices::get(rows, office)?.ok_or(Reason::NoSuchOffice)?;
        Ok::<_, Problem>(permissions::get(rows, office)?)
    });
    Ok(Json(view(may_call.await?.as_ref())))
}

/// Replaces them.
pub(super) async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    path: Path<String>,
    mut fields: Fields,
) -> Result<Json<Value>, Problem> {
    caller.ops()?;
    let office = office(&path)?;
    let may_call: Option<BTreeSet<OfficeId>> = match fields.nullable_texts("may-call")? {
        None => None,
        Some(words) => {
            let offices = words.iter().map(|word| word.parse::<OfficeId>()).collect::<Result<_, _>>();
            let bad = |error| Problem::from(Reason::BadBody).detail(format!("may-call: {error}"));
            Some(offices.map_err(bad)?)
        }
    };
    fields.rest(&[])?;
    let changed = desk.store().run(move |rows| {
        offices::lock(rows, office)?.ok_or(Reason::NoSuchOffice)?;
        for other in may_call.iter().flatten() {
            if offices::get(rows, *other)?.is_none() {
                return Err(Problem::from(Reason::NoSuchOffice).detail(format!("may-call: {other}")));
            }
        }
        permissions::set(rows, office, may_call.as_ref())?;
        Ok(may_call)
    });
    Ok(Json(view(changed.await?.as_ref())))
}

fn view(may_call: Option<&BTreeSet<OfficeId>>) -> Value {
    let offices = may_call.map(|offices| offices.iter().map(OfficeId::as_str).collect::<Vec<_>>());
    json!({ "may-call": offices })
}

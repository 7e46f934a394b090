//! Calls and registrations as `branchline calls` and `branchline registrations` show them.

use crate::engine::Engine;
use crate::engine::call::{Call, CallState, Leg};
use crate::engine::routing;
use crate::shell::control::{CallView, LegView, LinkView, RegistrationView};

pub(super) fn calls(engine: &Engine) -> Vec<CallView> {
    let active = engine.calls().iter().filter(|call| call.is_active());
    let mut calls: Vec<CallView> = active.map(call).collect();
    calls.sort_by(|a, b| (a.started_ms, &a.id).cmp(&(b.started_ms, &b.id)));
    calls
}

pub(super) fn registrations(engine: &Engine) -> Vec<RegistrationView> {
    let views = engine.registrar().overview().into_iter();
    views
        .map(|view| RegistrationView {
            extension: view.extension,
            transport: view.transport.to_owned(),
            remote: view.address.unwrap_or_default(),
            contact: view.contact,
            user_agent: (!view.user_agent.is_empty()).then_some(view.user_agent),
            expires_ms: view.expires,
            since_ms: view.since,
        })
        .collect()
}

/// A link as `branchline links` shows it.
pub(in crate::shell) fn link(view: &routing::LinkView) -> LinkView {
    LinkView {
        id: view.link.id.to_string(),
        kind: view.link.kind.as_str().to_owned(),
        office: view.link.office.map(|office| office.to_string()),
        address: view.link.address.to_string(),
        state: view.state.as_str().to_owned(),
        since_ms: view.since.0,
        failure: view.failure.map(|failure| failure.as_str().to_owned()),
        calls: view.calls,
    }
}

fn call(call: &Call) -> CallView {
    let state = match call.state {
        CallState::Up if call.legs.iter().any(|leg| leg.state.is_live() && leg.holds()) => "held",
        CallState::Up => "up",
        CallState::Dialling | CallState::Ringing | CallState::Over(_) => "ringing",
    };
    CallView {
        id: call.id.to_string(),
        caller: call.legs.first().map(|leg| leg.party.number.clone()).unwrap_or_default(),
        callee: call.dialled.clone(),
        state: state.to_owned(),
        started_ms: call.started.0,
        legs: call.legs.iter().filter(|leg| leg.state.is_live()).map(leg).collect(),
    }
}

fn leg(leg: &Leg) -> LegView {
    let audio = leg.session.agreed().and_then(|agreed| agreed.audio());
    let quality = leg.quality.map(|quality| quality.from);
    LegView {
        number: leg.party.number.clone(),
        by: leg.by().to_owned(),
        since_ms: leg.answered.unwrap_or(leg.started).0,
        codec: audio.map(|audio| audio.codec.name.clone()),
        mos: quality.and_then(|from| from.mos),
        loss_percent: quality.filter(|from| from.mos.is_some()).map(|from| from.loss_percent),
    }
}

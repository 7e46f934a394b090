//! `POST calls/{id}/signaling`, `GET calls/{id}/signaling`: offer, answer, candidates, hold, digits.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::calls::{Asker, Items, OfCall, answer, fresh};
use super::problem::{Problem, Reason};
use super::router::Body;
use super::state::Api;
use crate::engine::web::{Signal, WebReply, WebRequest};

/// Longest trickled candidate, in bytes.
const CANDIDATE_LIMIT: usize = 1024;
/// Digits in one message.
const DIGITS_LIMIT: usize = 32;

#[derive(Deserialize)]
pub(crate) struct Since {
    #[serde(default)]
    since: u64,
}

#[derive(Serialize)]
struct Sequenced {
    sequence: u64,
    signal: Signal,
}

/// Takes one message from the page.
pub(crate) async fn send(
    State(api): State<Api>,
    asker: Asker,
    OfCall(call): OfCall,
    Body(signal, _): Body<Signal>,
) -> Result<Response, Problem> {
    check(&signal)?;
    answer(asker.ask(&api, WebRequest::Signal { call, signal }).await?)
}

/// What was sent to the page and not seen by it.
pub(crate) async fn missed(
    State(api): State<Api>,
    asker: Asker,
    OfCall(call): OfCall,
    since: Result<Query<Since>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Since { since }) =
        since.map_err(|_| Problem::from(Reason::BadParameter).detail("since: a number"))?;
    match asker.ask(&api, WebRequest::Signals { call, since }).await? {
        WebReply::Signals(signals) => {
            let items =
                signals.into_iter().map(|(sequence, signal)| Sequenced { sequence, signal }).collect();
            Ok(fresh(Json(Items { items })))
        }
        _ => Err(Reason::EngineTimeout.into()),
    }
}

fn check(signal: &Signal) -> Result<(), Problem> {
    let bad = |detail: &str| Err(Problem::from(Reason::BadBody).detail(detail));
    match signal {
        Signal::IceCandidate { candidate, .. } if candidate.len() > CANDIDATE_LIMIT => {
            bad("candidate: at most 1024 bytes")
        }
        Signal::Dtmf { digits }
            if digits.is_empty()
                || digits.len() > DIGITS_LIMIT
                || !digits.bytes().all(|digit| b"0123456789*#ABCDabcd".contains(&digit)) =>
        {
            bad("digits: 1 to 32 of 0-9 * # A-D")
        }
        _ => Ok(()),
    }
}

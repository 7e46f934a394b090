//! `POST calls`, `GET calls`, `GET calls/{id}`, `POST calls/{id}/accept`, `POST calls/{id}/end`.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::idempotency::KEY_LIMIT;
use super::paging::Paging;
use super::problem::{Problem, Reason};
use super::records;
use super::router::Body;
use super::state::Api;
use crate::engine::call::CallId;
use crate::engine::numbering::Extension;
use crate::engine::web::{CallView, WebRefusal, WebReply, WebRequest, WebSession};

/// The header by which a page names its instance, so that events of a call go to it.
const INSTANCE_HEADER: &str = "x-phone-instance";
/// Longest dialled string, in bytes.
const DIALLED_LIMIT: usize = 128;

/// Who asks, and the page it asks from.
pub(crate) struct Asker {
    caller: Caller,
    session: Option<WebSession>,
}

impl FromRequestParts<Api> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let instance = parts.headers.get(INSTANCE_HEADER).and_then(|value| value.to_str().ok());
        let session = api.line().session_of(&caller.account.extension, instance, &caller.token);
        Ok(Self { caller, session })
    }
}

impl Asker {
    /// Who.
    pub(crate) const fn extension(&self) -> &Extension {
        &self.caller.account.extension
    }

    /// Asks the engine; its refusals become problems.
    pub(crate) async fn ask(&self, api: &Api, request: WebRequest) -> Result<WebReply, Problem> {
        let extension = self.caller.account.extension.clone();
        match api.line().ask(extension, self.session, request).await? {
            WebReply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }
}

/// The call in a path. One that cannot be read is one that does not exist.
pub(crate) struct OfCall(pub(crate) CallId);

impl FromRequestParts<Api> for OfCall {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let missing = || Problem::from(WebRefusal::NoSuchCall);
        let Path(id) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| missing())?;
        id.parse().map(Self).map_err(|_| missing())
    }
}

#[derive(Deserialize)]
pub(crate) struct Dial {
    to: String,
    #[serde(default = "audio")]
    r#type: String,
    sdp: String,
}

#[derive(Deserialize)]
pub(crate) struct Accept {
    sdp: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct End {
    #[serde(default)]
    busy: bool,
}

/// A list in an answer.
#[derive(Serialize)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
}

/// Dials. With an `Idempotency-Key` the same request is carried out once.
pub(crate) async fn dial(
    State(api): State<Api>,
    asker: Asker,
    headers: HeaderMap,
    Body(body, digest): Body<Dial>,
) -> Result<Response, Problem> {
    check(&body)?;
    let request = WebRequest::Dial { to: body.to, offer: body.sdp };
    let Some(key) = idempotency_key(&headers)? else {
        return Ok(created(call(asker.ask(&api, request).await?)?));
    };
    let key = (asker.caller.account.extension.clone(), key);
    if let Some(answer) = api.idempotency().begin(Instant::now(), &key, digest)? {
        return Ok(created(answer));
    }
    let pending = Pending { api: &api, key, answer: None };
    let answer = call(asker.ask(&api, request).await?)?;
    Ok(created(pending.finish(answer)))
}

/// The caller's own calls that are in progress, the oldest first.
pub(crate) async fn list(State(api): State<Api>, asker: Asker, paging: Paging) -> Result<Response, Problem> {
    let after = paging.after(|text| text.parse::<Place>().ok())?;
    let WebReply::Calls(mut calls) = asker.ask(&api, WebRequest::Calls).await? else {
        return Err(Reason::EngineTimeout.into());
    };
    let place = |call: &CallView| Place(call.started, call.id);
    calls.sort_by_key(place);
    Ok(fresh(Json(paging.page(calls.into_iter(), place, after.as_ref()))))
}

/// One call, also when it is over.
pub(crate) async fn show(
    State(api): State<Api>,
    asker: Asker,
    OfCall(id): OfCall,
) -> Result<Response, Problem> {
    match asker.ask(&api, WebRequest::Call { call: id }).await {
        Err(problem) if problem.reason == Reason::Engine(WebRefusal::NoSuchCall) => {
            let document = api.records().call(id).await.ok_or_else(|| problem.clone())?;
            let party = &asker.caller.account.extension;
            records::view(id, &document, party).map(|view| fresh(Json(view))).ok_or(problem)
        }
        reply => answer(reply?),
    }
}

/// Answers a call.
pub(crate) async fn accept(
    State(api): State<Api>,
    asker: Asker,
    OfCall(id): OfCall,
    Body(body, _): Body<Accept>,
) -> Result<Response, Problem> {
    answer(asker.ask(&api, WebRequest::Accept { call: id, answer: body.sdp }).await?)
}

/// Hangs up, cancels or rejects.
pub(crate) async fn end(
    State(api): State<Api>,
    asker: Asker,
    OfCall(id): OfCall,
    body: Option<Body<End>>,
) -> Result<Response, Problem> {
    let busy = body.is_some_and(|Body(body, _)| body.busy);
    answer(asker.ask(&api, WebRequest::End { call: id, busy }).await?)
}

/// A call if the engine sent one, else nothing.
pub(crate) fn answer(reply: WebReply) -> Result<Response, Problem> {
    match reply {
        WebReply::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        reply => Ok(fresh(Json(call(reply)?))),
    }
}

/// An answer that must not be kept by caches.
pub(crate) fn fresh(body: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn check(body: &Dial) -> Result<(), Problem> {
    match body.r#type.as_str() {
        "audio" => {}
        "video" | "screen" => {
            return Err(Problem::from(Reason::VideoNotOffered).detail("type: audio"));
        }
        _ => return Err(Problem::from(Reason::CallType).detail("type: audio, video or screen")),
    }
    if body.to.len() > DIALLED_LIMIT {
        let detail = format!("to: at most {DIALLED_LIMIT} bytes");
        return Err(Problem::from(WebRefusal::BadNumber).detail(detail));
    }
    Ok(())
}

fn call(reply: WebReply) -> Result<CallView, Problem> {
    match reply {
        WebReply::Call(view) => Ok(view),
        WebReply::Refused(refusal) => Err(refusal.into()),
        _ => Err(Reason::EngineTimeout.into()),
    }
}

fn created(view: CallView) -> Response {
    let location = HeaderValue::try_from(format!("/api/v1/voip/calls/{}", view.id));
    let mut response = (StatusCode::CREATED, fresh(Json(view))).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_LIMIT => Ok(Some(key.to_owned())),
        _ => Err(Problem::from(Reason::BadParameter).detail("Idempotency-Key: 1 to 64 visible characters")),
    }
}

/// A request under an idempotency key; when it fails or its client goes away, the key is free again.
struct Pending<'a> {
    api: &'a Api,
    key: (Extension, String),
    answer: Option<CallView>,
}

impl Pending<'_> {
    fn finish(mut self, answer: CallView) -> CallView {
        self.answer = Some(answer.clone());
        answer
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.api.idempotency().finish(&self.key, self.answer.as_ref());
    }
}

/// Where a call stands in the list: the oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64, CallId);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (started, id) = text.split_once('.').ok_or(())?;
        Ok(Self(started.parse().map_err(|_| ())?, id.parse().map_err(|_| ())?))
    }
}

fn audio() -> String {
    "audio".to_owned()
}

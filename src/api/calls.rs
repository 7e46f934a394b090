//! `POST calls`, `GET calls`, `GET calls/{id}`, `POST calls/{id}/accept`, `POST calls/{id}/end`.

use std::time::Instant;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::idempotency::KEY_LIMIT;
use super::problem::{Problem, Reason};
use super::router::Body;
use super::state::Api;
use crate::engine::call::CallId;
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
    if body.r#type != "audio" {
        return Err(Reason::CallType.into());
    }
    if body.to.len() > DIALLED_LIMIT {
        return Err(WebRefusal::BadNumber.into());
    }
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

/// The caller's own calls.
pub(crate) async fn list(State(api): State<Api>, asker: Asker) -> Result<Response, Problem> {
    match asker.ask(&api, WebRequest::Calls).await? {
        WebReply::Calls(items) => Ok(fresh(Json(Items { items }))),
        _ => Err(Reason::EngineTimeout.into()),
    }
}

/// One call.
pub(crate) async fn show(
    State(api): State<Api>,
    asker: Asker,
    OfCall(id): OfCall,
) -> Result<Response, Problem> {
    answer(asker.ask(&api, WebRequest::Call { call: id }).await?)
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
    key: (crate::engine::numbering::Extension, String),
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

fn audio() -> String {
    "audio".to_owned()
}

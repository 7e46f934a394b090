//! `GET extensions/{number}/resolve`, `GET presence`, `PUT presence`: where a call would go, and what its user says of it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};

use super::calls::{Asker, fresh};
use super::extensions::Named;
use super::problem::{Problem, Reason};
use super::router::Body;
use super::state::Api;
use crate::engine::registrar::{Availability, AvailabilityChange, DeviceId, Preferred, PresenceStatus};
use crate::engine::web::{WebReply, WebRequest};

/// Where a call to a number would go now, and why.
pub(crate) async fn resolve(
    State(api): State<Api>,
    asker: Asker,
    Named(number): Named,
) -> Result<Response, Problem> {
    let WebReply::Resolution(found) = asker.ask(&api, WebRequest::Resolve { to: number }).await? else {
        return Err(Reason::EngineTimeout.into());
    };
    if found.user.is_none() && found.outcome == "no-such-number" {
        return Err(Problem::from(Reason::NoSuchExtension).detail(found.number));
    }
    Ok(fresh(Json(found)))
}

#[derive(Serialize)]
struct PresenceView {
    extension: String,
    #[serde(flatten)]
    says: Availability,
}

/// What the caller says of how to be reached.
pub(crate) async fn presence(State(api): State<Api>, asker: Asker) -> Result<Response, Problem> {
    say(&api, &asker, WebRequest::Availability).await
}

/// What is absent stays as it is.
#[derive(Deserialize)]
pub(crate) struct Said {
    presence: Option<String>,
    /// `null`: no device is preferred any more.
    #[serde(default)]
    preferred: Given,
}

/// Tells a field that is `null` from one that is absent.
#[derive(Default)]
enum Given {
    #[default]
    Absent,
    Null,
    Text(String),
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(|text| text.map_or(Self::Null, Self::Text))
    }
}

/// The caller says something else.
pub(crate) async fn say_presence(
    State(api): State<Api>,
    asker: Asker,
    Body(body, _): Body<Said>,
) -> Result<Response, Problem> {
    let presence = body.presence.as_deref().map(status).transpose()?;
    let preferred = match &body.preferred {
        Given::Absent => Preferred::Unchanged,
        Given::Null => Preferred::Nothing,
        Given::Text(device) => Preferred::Device(device_id(device)?),
    };
    let change = AvailabilityChange { presence, preferred };
    say(&api, &asker, WebRequest::SetAvailability(change)).await
}

async fn say(api: &Api, asker: &Asker, request: WebRequest) -> Result<Response, Problem> {
    let WebReply::Availability(says) = asker.ask(api, request).await? else {
        return Err(Reason::EngineTimeout.into());
    };
    Ok(fresh(Json(PresenceView { extension: asker.extension().to_string(), says })))
}

fn status(word: &str) -> Result<PresenceStatus, Problem> {
    use PresenceStatus::{Away, Busy, DoNotDisturb, Offline, Online};
    let found = [Online, Away, Busy, Offline, DoNotDisturb].into_iter().find(|one| one.as_str() == word);
    let words = "presence: online, away, busy, offline or do_not_disturb";
    found.ok_or_else(|| Problem::from(Reason::BadParameter).detail(words))
}

fn device_id(text: &str) -> Result<DeviceId, Problem> {
    let words = "preferred: the id of a device, as resolve shows it, or null";
    text.parse().map_err(|_| Problem::from(Reason::BadParameter).detail(words))
}

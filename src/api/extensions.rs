//! `GET extensions…`, `POST extensions/parse`: who is in this office, and what a written number means.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::calls::{Asker, fresh};
use super::paging::{Page, Paging};
use super::problem::{Problem, Reason};
use super::router::Body;
use super::state::Api;
use crate::engine::numbering::{
    CountryCode, Dialled, Extension, NumberError, NumberPlan, list_country_codes,
};
use crate::engine::web::{ReachView, WebRefusal, WebReply, WebRequest};

/// Lists who has an account. Asked for every request, so it must answer from memory.
pub trait Directory: Send + Sync {
    /// All entries, in the order of their extensions.
    fn entries(&self) -> Arc<[Entry]>;
}

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The extension.
    pub extension: Extension,
    /// Name for people; may be empty.
    pub name: String,
}

/// A number, taken apart.
#[derive(Debug, Serialize)]
struct NumberView {
    /// The one canonical form: `1001` or `32-1001`.
    number: String,
    /// Absent where neither the number nor the office's configuration says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    country_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'static str>,
    /// The digits after the country code.
    local: String,
}

#[derive(Serialize)]
struct ExtensionView {
    #[serde(flatten)]
    number: NumberView,
    name: String,
    #[serde(flatten)]
    reach: ReachView,
}

#[derive(Serialize)]
struct ParsedView {
    /// `extension`, `emergency`, `service` or `external`.
    kind: &'static str,
    /// The canonical form.
    number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    country_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<String>,
    /// What is dialled for it in this office.
    dial: String,
    /// Whether it is an extension of this office.
    exists: bool,
}

#[derive(Serialize)]
struct CountryView {
    code: String,
    name: &'static str,
}

#[derive(Deserialize)]
pub(crate) struct Parse {
    number: String,
}

/// The part of a path behind `extensions/`.
pub(crate) struct Named(String);

impl FromRequestParts<Api> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        path.map(|Path(text)| Self(text)).map_err(|_| Reason::NotFound.into())
    }
}

/// Says what a written number means.
pub(crate) async fn parse(
    State(api): State<Api>,
    _caller: Caller,
    Body(body, _): Body<Parse>,
) -> Result<Response, Problem> {
    let numbers = &api.settings().numbers;
    let entries = api.directory().entries();
    let exists = |number: &Extension| find(&entries, number).is_some();
    let dialled = numbers.classify(&body.number).and_then(in_a_country);
    let dialled = dialled.map_err(|error| not_a_number(&error))?;
    let dial = numbers.normalise(&body.number, exists);
    Ok(fresh(Json(parsed(numbers, dialled, &dial, exists))))
}

/// Everybody with an account.
pub(crate) async fn list(State(api): State<Api>, asker: Asker, paging: Paging) -> Result<Response, Problem> {
    page(&api, &asker, &paging, |_| true).await
}

/// The extensions of one country; those written without a country are the office's.
pub(crate) async fn by_country(
    State(api): State<Api>,
    asker: Asker,
    paging: Paging,
    Named(code): Named,
) -> Result<Response, Problem> {
    let code: CountryCode = code.parse().map_err(|error: NumberError| not_a_country(&error))?;
    let home = api.settings().numbers.home();
    page(&api, &asker, &paging, |entry| entry.extension.country().or(home) == Some(code)).await
}

/// One extension, in any of the ways to write it.
pub(crate) async fn show(
    State(api): State<Api>,
    asker: Asker,
    Named(number): Named,
) -> Result<Response, Problem> {
    let written: Extension = number.parse().map_err(|error| not_a_number(&error))?;
    let entries = api.directory().entries();
    let numbers = &api.settings().numbers;
    let number = numbers.in_office(written, |number| find(&entries, number).is_some());
    let entry = find(&entries, &number)
        .ok_or_else(|| Problem::from(Reason::NoSuchExtension).detail(number.to_string()))?;
    let mut views = views(&api, &asker, vec![entry.clone()]).await?;
    views.pop().map(|view| fresh(Json(view))).ok_or_else(|| Reason::EngineTimeout.into())
}

/// All country calling codes.
pub(crate) async fn countries(_caller: Caller) -> Response {
    let view = |country: crate::engine::numbering::Country| CountryView {
        code: country.code.to_string(),
        name: country.name,
    };
    fresh(Json(Page { items: list_country_codes().map(view).collect(), next: None }))
}

async fn page(
    api: &Api,
    asker: &Asker,
    paging: &Paging,
    is_wanted: impl Fn(&Entry) -> bool,
) -> Result<Response, Problem> {
    let after = paging.after(|text| text.parse::<Extension>().ok())?;
    let entries = api.directory().entries();
    let wanted = entries.iter().filter(|entry| is_wanted(entry)).cloned();
    let Page { items, next } = paging.page(wanted, |entry| entry.extension.clone(), after.as_ref());
    Ok(fresh(Json(Page { items: views(api, asker, items).await?, next })))
}

/// Entries with their devices' state, which the engine knows.
async fn views(api: &Api, asker: &Asker, entries: Vec<Entry>) -> Result<Vec<ExtensionView>, Problem> {
    let numbers = entries.iter().map(|entry| entry.extension.clone()).collect();
    let WebReply::Reach(reaches) = asker.ask(api, WebRequest::Reach { numbers }).await? else {
        return Err(Reason::EngineTimeout.into());
    };
    let home = api.settings().numbers.home();
    let view = |(entry, reach): (Entry, ReachView)| ExtensionView {
        number: number_view(&entry.extension, home),
        name: entry.name,
        reach,
    };
    Ok(entries.into_iter().zip(reaches).map(view).collect())
}

fn number_view(extension: &Extension, home: Option<CountryCode>) -> NumberView {
    let country = extension.country().or(home);
    NumberView {
        number: extension.to_string(),
        country_code: country.map(|code| code.to_string()),
        country: country.map(CountryCode::name),
        local: extension.local_part().to_owned(),
    }
}

fn parsed(
    numbers: &NumberPlan,
    dialled: Dialled,
    dial: &str,
    exists: impl Fn(&Extension) -> bool,
) -> ParsedView {
    let plain = |kind, number: String| ParsedView {
        kind,
        number,
        country_code: None,
        country: None,
        local: None,
        dial: dial.to_owned(),
        exists: false,
    };
    match dialled {
        Dialled::Extension(extension) => {
            let NumberView { number, country_code, country, local } = number_view(&extension, numbers.home());
            let exists = dial.parse().is_ok_and(|number| exists(&number));
            ParsedView { country_code, country, local: Some(local), exists, ..plain("extension", number) }
        }
        Dialled::Office(number) => {
            let local = Some(number.number().to_owned());
            ParsedView { local, ..plain("office", number.to_string()) }
        }
        Dialled::Emergency(number) => plain("emergency", number.to_string()),
        Dialled::Service(code) => plain("service", code.to_string()),
        Dialled::External(number) => {
            let digits = number.as_str().strip_prefix('+').unwrap_or_default();
            let split = CountryCode::split(digits);
            ParsedView {
                country_code: split.map(|(code, _)| code.to_string()),
                country: split.map(|(code, _)| code.name()),
                local: split.map(|(_, local)| local.to_owned()),
                ..plain("external", number.to_string())
            }
        }
    }
}

/// A number with a plus must begin with a country code that somebody has.
fn in_a_country(dialled: Dialled) -> Result<Dialled, NumberError> {
    if let Dialled::External(number) = &dialled
        && let Some(digits) = number.as_str().strip_prefix('+')
        && CountryCode::split(digits).is_none()
    {
        return Err(NumberError::UnknownCountryCode(digits.chars().take(3).collect()));
    }
    Ok(dialled)
}

/// The entries are sorted.
fn find<'a>(entries: &'a [Entry], number: &Extension) -> Option<&'a Entry> {
    let place = entries.binary_search_by(|entry| entry.extension.cmp(number)).ok()?;
    entries.get(place)
}

fn not_a_number(error: &NumberError) -> Problem {
    Problem::from(WebRefusal::BadNumber).detail(error.to_string())
}

fn not_a_country(error: &NumberError) -> Problem {
    Problem::from(Reason::UnknownCountry).detail(error.to_string())
}

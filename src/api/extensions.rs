//! `GET extensions…`, `POST extensions/parse`: who is in this office, and what a written number means.
//!
//! Lists are of this office's extensions. One extension of another office is shown as far as the roaming cache knows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::calls::{Asker, fresh};
use super::paging::{Page, Paging};
use super::problem::{Problem, Reason};
use super::router::Body;
use super::state::Api;
use crate::engine::call::UserView;
use crate::engine::numbering::{
    CountryCode, Extension, Meaning, NumberError, TakenApart, list_country_codes,
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

#[derive(Serialize)]
struct ExtensionView {
    #[serde(flatten)]
    number: TakenApart,
    name: String,
    #[serde(flatten)]
    reach: ReachView,
}

#[derive(Serialize)]
struct CountryView {
    code: String,
    name: &'static str,
    /// Extensions of this office in it.
    extensions: usize,
}

/// An extension of another office.
#[derive(Serialize)]
struct AbroadView {
    #[serde(flatten)]
    number: TakenApart,
    /// Where this is known from.
    source: &'static str,
    /// The office that gave it out.
    home: String,
    /// `here`, `visiting` or `home`.
    place: String,
    /// The office where they are.
    office: String,
    /// When they signed in there; milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// How old this is, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct Parse {
    number: String,
}

/// The part of a path behind `extensions/`.
pub(crate) struct Named(pub(crate) String);

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
    meaning(&api, &body.number)
}

/// The same, for `?number=`.
pub(crate) async fn parse_query(
    State(api): State<Api>,
    _caller: Caller,
    query: Result<Query<Parse>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let words = "number: what is to be taken apart, percent-encoded";
    let Query(Parse { number }) = query.map_err(|_| Problem::from(Reason::BadParameter).detail(words))?;
    // A plus that was not encoded arrives as a blank, with which no number begins.
    match number.strip_prefix(' ') {
        Some(rest) => meaning(&api, &format!("+{rest}")),
        None => meaning(&api, &number),
    }
}

fn meaning(api: &Api, number: &str) -> Result<Response, Problem> {
    let entries = api.directory().entries();
    let exists = |number: &Extension| find(&entries, number).is_some();
    let meaning = Meaning::of(number, &api.settings().numbers, exists);
    meaning.map(|meaning| fresh(Json(meaning))).map_err(|error| not_a_number(&error))
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
    let written: Extension = match number.parse() {
        Ok(written) => written,
        Err(error) => return abroad(&api, &asker, number).await?.ok_or_else(|| not_a_number(&error)),
    };
    let entries = api.directory().entries();
    let numbers = &api.settings().numbers;
    let number = numbers.in_office(written.clone(), |number| find(&entries, number).is_some());
    let Some(entry) = find(&entries, &number) else {
        let missing = || Problem::from(Reason::NoSuchExtension).detail(number.to_string());
        return abroad(&api, &asker, written.to_string()).await?.ok_or_else(missing);
    };
    let mut views = views(&api, &asker, vec![entry.clone()]).await?;
    views.pop().map(|view| fresh(Json(view))).ok_or_else(|| Reason::EngineTimeout.into())
}

/// An extension of another office, as far as anybody said where its user is; `None` when nobody did.
async fn abroad(api: &Api, asker: &Asker, number: String) -> Result<Option<Response>, Problem> {
    let found = match asker.ask(api, WebRequest::Resolve { to: number }).await {
        Ok(WebReply::Resolution(found)) => found,
        Ok(_) => return Err(Reason::EngineTimeout.into()),
        Err(problem) if problem.reason == Reason::Engine(WebRefusal::BadNumber) => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let Some(UserView { extension, home, place, office, since, age, .. }) =
        found.user.filter(|user| user.since.is_some() || user.age.is_some())
    else {
        return Ok(None);
    };
    let Ok(number) = extension.parse::<Extension>() else { return Ok(None) };
    let number = TakenApart::of(&number, None);
    let source = "roaming-cache";
    Ok(Some(fresh(Json(AbroadView { number, source, home, place, office, since, age }))))
}

/// All country calling codes, and how many of the office's extensions each has.
pub(crate) async fn countries(State(api): State<Api>, _caller: Caller) -> Response {
    let (entries, home) = (api.directory().entries(), api.settings().numbers.home());
    let mut counts: BTreeMap<CountryCode, usize> = BTreeMap::new();
    for code in entries.iter().filter_map(|entry| entry.extension.country().or(home)) {
        *counts.entry(code).or_default() += 1;
    }
    let view = |country: crate::engine::numbering::Country| CountryView {
        code: country.code.to_string(),
        name: country.name,
        extensions: counts.get(&country.code).copied().unwrap_or_default(),
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
        number: TakenApart::of(&entry.extension, home),
        name: entry.name,
        reach,
    };
    Ok(entries.into_iter().zip(reaches).map(view).collect())
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

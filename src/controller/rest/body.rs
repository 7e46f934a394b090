//! JSON objects of clients: bounded in size and time, fields taken out one by one.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use super::Desk;
use crate::api::{declared_length, is_json};
use crate::controller::problem::{Problem, Reason};
use crate::uplink::{JsonBounds, parse_json};

const LONGEST: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
const BOUNDS: JsonBounds = JsonBounds { bytes: LONGEST, depth: 16, values: 4000 };

/// The fields of a body, of which each is taken once; what nobody takes is an unknown field.
pub(super) struct Fields(Map<String, Value>);

impl FromRequest<Desk> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Desk) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::from(Reason::BadBody).detail("Content-Type: application/json is expected"));
        }
        if declared_length(request.headers()).is_some_and(|length| length > LONGEST as u64) {
            return Err(Reason::BodyTooLarge.into());
        }
        let body = tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), LONGEST)).await;
        let bytes = body.map_err(|_| Reason::BodyTimeout)?.map_err(|_| Reason::BodyTooLarge)?;
        match parse_json(&bytes, &BOUNDS) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(bad("expected an object")),
            Err(refusal) => Err(bad(&refusal)),
        }
    }
}

impl Fields {
    /// A text of at most `longest` bytes with a syntax of its own, that must be there.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, key: &str) -> Result<T, Problem> {
        self.text(key, 64)?.parse().map_err(|error| bad(&format_args!("{key}: {error}")))
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, key: &str, longest: usize) -> Result<String, Problem> {
        let text = self.optional_text(key, longest)?;
        text.ok_or_else(|| bad(&format_args!("{key}: expected a text; it is not there")))
    }

    pub(super) fn optional_text(&mut self, key: &str, longest: usize) -> Result<Option<String>, Problem> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if (1..=longest).contains(&text.len()) => Ok(Some(text)),
            Some(_) => Err(bad(&format_args!("{key}: expected a text of 1 to {longest} bytes"))),
        }
    }

    /// A list of texts that must be there.
    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, Problem> {
        let Some(Value::Array(items)) = self.0.remove(key) else {
            return Err(bad(&format_args!("{key}: expected a list")));
        };
        let texts = items.into_iter().map(|item| match item {
            Value::String(text) => Ok(text),
            _ => Err(bad(&format_args!("{key}: expected a list of texts"))),
        });
        texts.collect()
    }

    /// A list of texts, or null, one of which must be there.
    pub(super) fn nullable_texts(&mut self, key: &str) -> Result<Option<Vec<String>>, Problem> {
        if self.0.get(key) == Some(&Value::Null) {
            self.0.remove(key);
            return Ok(None);
        }
        self.texts(key).map(Some)
    }

    /// What is left, of which every key must be one of `known`.
    pub(super) fn rest(self, known: &[&str]) -> Result<Map<String, Value>, Problem> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(self.0),
            Some(_) if known.is_empty() => Err(bad(&"there is a field too many")),
            Some(_) => Err(bad(&format_args!("an unknown field; known are {}", known.join(", ")))),
        }
    }

    /// What is left, whatever it is: a route set keeps fields of later versions.
    pub(super) fn all(self) -> Map<String, Value> {
        self.0
    }
}

fn bad(detail: &(impl Display + ?Sized)) -> Problem {
    Problem::from(Reason::BadBody).detail(detail.to_string())
}

//! Reading the fields of an object; a refusal names the field by its path.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::config;
use crate::uplink::document::Refusal;
use crate::uplink::moment::Moment;

/// Longest text of any field, in bytes.
const LONGEST_TEXT: usize = 1024;

/// The fields of an object. A field that is `null` counts as absent.
pub(super) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Those of the whole document.
    pub(super) const fn of_document(map: &'a Map<String, Value>) -> Self {
        Self { path: String::new(), map }
    }

    /// A refusal of the field `key`.
    pub(super) fn refuse(&self, key: &str, reason: impl Display) -> Refusal {
        Refusal::new(self.path_of(key), reason.to_string())
    }

    /// Whether there is such a field.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// A text that must be there.
    pub(super) fn text(&self, key: &str) -> Result<&'a str, Refusal> {
        self.optional_text(key)?.ok_or_else(|| self.refuse(key, "expected a text; it is not there"))
    }

    /// A text that may be there.
    pub(super) fn optional_text(&self, key: &str) -> Result<Option<&'a str>, Refusal> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= LONGEST_TEXT => Ok(Some(text)),
            Some(Value::String(_)) => {
                Err(self.refuse(key, format_args!("expected at most {LONGEST_TEXT} bytes")))
            }
            Some(_) => Err(self.refuse(key, "expected a text")),
        }
    }

    /// A text with a syntax of its own that must be there.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Result<T, Refusal> {
        self.text(key)?.parse().map_err(|error| self.refuse(key, error))
    }

    /// The same, if it is there.
    pub(super) fn optional_parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>, Refusal> {
        let text = self.optional_text(key)?;
        text.map(|text| text.parse().map_err(|error| self.refuse(key, error))).transpose()
    }

    /// An integer of `range`, if it is there.
    pub(super) fn number<T>(&self, key: &str, range: RangeInclusive<T>) -> Result<Option<T>, Refusal>
    where
        T: TryFrom<u64> + PartialOrd + Display,
    {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| T::try_from(number).ok());
        number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            self.refuse(key, format_args!("expected an integer from {} to {}", range.start(), range.end()))
        })
    }

    /// Yes or no; no if it is not there.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Refusal> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.refuse(key, "expected true or false")),
        }
    }

    /// A length of time, if it is there.
    pub(super) fn span(&self, key: &str) -> Result<Option<Duration>, Refusal> {
        let text = self.optional_text(key)?;
        text.map(|text| config::parse_time(text).map_err(|error| self.refuse(key, error))).transpose()
    }

    /// A point in time, if it is there.
    pub(super) fn moment(&self, key: &str) -> Result<Option<Moment>, Refusal> {
        let text = self.optional_text(key)?;
        let expected = "expected a time as in 2026-11-21T09:00:00Z";
        text.map(|text| Moment::parse(text).ok_or_else(|| self.refuse(key, expected))).transpose()
    }

    /// The items of a list, at most `most`; none if it is not there.
    pub(super) fn list(&self, key: &str, most: usize) -> Result<&'a [Value], Refusal> {
        match self.value(key) {
            None => Ok(&[]),
            Some(Value::Array(items)) if items.len() <= most => Ok(items),
            Some(Value::Array(_)) => Err(self.refuse(key, format_args!("expected at most {most}"))),
            Some(_) => Err(self.refuse(key, "expected a list")),
        }
    }

    /// The objects of a list, at most `most`, each with its path.
    pub(super) fn objects(&self, key: &str, most: usize) -> Result<Vec<Fields<'a>>, Refusal> {
        let objects = self.list(key, most)?.iter().enumerate().map(|(place, item)| {
            let path = format!("{}[{place}]", self.path_of(key));
            match item {
                Value::Object(map) => Ok(Fields { path, map }),
                _ => Err(Refusal::new(path, "expected an object")),
            }
        });
        objects.collect()
    }

    /// The texts of a list, at most `most`, each read by its syntax.
    pub(super) fn texts<T: FromStr<Err: Display>>(&self, key: &str, most: usize) -> Result<Vec<T>, Refusal> {
        let texts = self.list(key, most)?.iter().enumerate().map(|(place, item)| {
            let refuse = |reason: String| Refusal::new(format!("{}[{place}]", self.path_of(key)), reason);
            let text = item.as_str().ok_or_else(|| refuse("expected a text".to_owned()))?;
            if text.len() > LONGEST_TEXT {
                return Err(refuse(format!("expected at most {LONGEST_TEXT} bytes")));
            }
            text.parse().map_err(|error: T::Err| refuse(error.to_string()))
        });
        texts.collect()
    }

    /// An object, if it is there.
    pub(super) fn object(&self, key: &str) -> Result<Option<Fields<'a>>, Refusal> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields { path: self.path_of(key), map })),
            Some(_) => Err(self.refuse(key, "expected an object")),
        }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

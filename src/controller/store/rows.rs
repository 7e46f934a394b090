//! One transaction, in SQL that both databases read.
//!
//! Statements are written once: parameters as `?1`, which are `$1` to PostgreSQL, and no word that only one of the two
//! knows. A value is one of four kinds, so rows of either are read alike.

use std::fmt::Display;
use std::str::FromStr;

use super::postgres::Conversation;
use super::{StoreError, embedded};
use crate::time::WallTime;
use crate::uplink::{OfficeId, Revision};

/// The rows of the database, in one transaction.
pub(in crate::controller) enum Rows<'a> {
    Embedded(&'a rusqlite::Connection),
    Postgres(Conversation<'a>),
}

/// A value on its way into a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Cell<'a> {
    /// No text.
    Nothing,
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// A value that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Value {
    #[default]
    Nothing,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row that was read; each column is taken once.
#[derive(Debug)]
pub(in crate::controller) struct Row(pub(super) Vec<Value>);

impl Rows<'_> {
    /// Carries out a statement; returns how many rows it changed.
    pub(super) fn change(&self, sql: &str, cells: &[Cell<'_>]) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(connection) => embedded::change(connection, sql, cells),
            Self::Postgres(conversation) => conversation.change(sql, cells),
        }
    }

    /// Every row of the answer, read.
    pub(super) fn list<T>(
        &self,
        sql: &str,
        cells: &[Cell<'_>],
        read: impl Fn(&mut Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = match self {
            Self::Embedded(connection) => embedded::list(connection, sql, cells)?,
            Self::Postgres(conversation) => conversation.list(sql, cells)?,
        };
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// The first row of the answer, read.
    pub(super) fn find<T>(
        &self,
        sql: &str,
        cells: &[Cell<'_>],
        read: impl Fn(&mut Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.list(sql, cells, read)?.into_iter().next())
    }

    /// The number that is the whole answer.
    pub(super) fn number(&self, sql: &str, cells: &[Cell<'_>]) -> Result<i64, StoreError> {
        let found = self.find(sql, cells, |row| row.id(0))?;
        found.ok_or_else(|| StoreError::Failed("a statement answered nothing".to_owned()))
    }

    /// What a `SELECT` ends with so that the rows found stay as they are until the end of the transaction. SQLite's
    /// transactions have all rows to themselves.
    pub(super) const fn for_change(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }
}

impl Row {
    pub(super) fn text(&mut self, column: usize) -> Result<String, StoreError> {
        match self.take(column) {
            Value::Text(text) => Ok(text),
            other => Err(unexpected(column, &other)),
        }
    }

    pub(super) fn bytes(&mut self, column: usize) -> Result<Vec<u8>, StoreError> {
        match self.take(column) {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(unexpected(column, &other)),
        }
    }

    pub(super) fn id(&mut self, column: usize) -> Result<i64, StoreError> {
        match self.take(column) {
            Value::Number(number) => Ok(number),
            other => Err(unexpected(column, &other)),
        }
    }

    pub(super) fn count(&mut self, column: usize) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.id(column)?).unwrap_or(0))
    }

    pub(super) fn time(&mut self, column: usize) -> Result<WallTime, StoreError> {
        self.count(column).map(WallTime)
    }

    pub(super) fn time_if_any(&mut self, column: usize) -> Result<Option<WallTime>, StoreError> {
        if self.0.get(column) == Some(&Value::Nothing) { Ok(None) } else { self.time(column).map(Some) }
    }

    pub(super) fn revision(&mut self, column: usize) -> Result<Revision, StoreError> {
        self.count(column).map(Revision)
    }

    /// A text in the syntax of `T`. Only we write it: a row that somebody else changed is an error, not a panic.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, column: usize) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|error| foreign(column, &error))
    }

    /// A text of words in the syntax of `T`, separated by spaces.
    pub(super) fn words<T, C>(&mut self, column: usize) -> Result<C, StoreError>
    where
        T: FromStr<Err: Display>,
        C: FromIterator<T>,
    {
        let text = self.text(column)?;
        text.split_whitespace().map(|word| word.parse().map_err(|error| foreign(column, &error))).collect()
    }

    /// A text in JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&mut self, column: usize) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| foreign(column, &error))
    }

    fn take(&mut self, column: usize) -> Value {
        self.0.get_mut(column).map(std::mem::take).unwrap_or_default()
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a OfficeId> for Cell<'a> {
    fn from(office: &'a OfficeId) -> Self {
        Self::Text(office.as_str())
    }
}

impl<'a> From<&'a [u8]> for Cell<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a [u8; 32]> for Cell<'a> {
    fn from(bytes: &'a [u8; 32]) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Neither database has integers above 2^63; no count, time or revision comes near.
impl From<u64> for Cell<'_> {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<WallTime> for Cell<'_> {
    fn from(time: WallTime) -> Self {
        time.0.into()
    }
}

impl From<Revision> for Cell<'_> {
    fn from(revision: Revision) -> Self {
        revision.0.into()
    }
}

fn unexpected(column: usize, found: &Value) -> StoreError {
    let kind = match found {
        Value::Nothing => "nothing",
        Value::Number(_) => "a number",
        Value::Text(_) => "a text",
        Value::Bytes(_) => "bytes",
    };
    foreign(column, &kind)
}

fn foreign(column: usize, what: &dyn Display) -> StoreError {
    StoreError::Failed(format!("column {column} of a row holds what we never write: {what}"))
}

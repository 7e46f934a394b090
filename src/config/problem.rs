//! What is wrong with a file, where, and what was expected.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` where the file as a whole is meant or a key is absent.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The key with its sections (`sip.registrar.min-expires`); empty where there is none.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Why a configuration was refused: every problem found, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A file's text and tree: turns places into lines, columns and keys.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) tree: &'a DeTable<'a>,
}

impl Source<'_> {
    /// A problem at `span`.
    pub(super) fn problem_at(&self, span: &Range<usize>, message: String) -> Problem {
        let (line, column) = line_and_column(self.text, span.start);
        let key = key_at(self.tree, span.start).unwrap_or_default();
        Problem { file: self.file.to_owned(), line: Some(line), column: Some(column), key, message }
    }

    /// A problem with a key that is not in the file.
    pub(super) fn problem_without_place(&self, key: &str, message: String) -> Problem {
        Problem { file: self.file.to_owned(), line: None, column: None, key: key.to_owned(), message }
    }
}

/// Line and column of the byte at `offset`, both from 1.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The dotted key at or around `offset`.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref();
        if key.span().contains(&offset) {
            return Some(name.to_string());
        }
        match key_in(value, offset) {
            Some(rest) if rest.is_empty() => Some(name.to_string()),
            Some(rest) => Some(format!("{name}.{rest}")),
            None => None,
        }
    })
}

/// The key inside `value` at `offset`; empty where `value` itself is meant.
fn key_in(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<String> {
    let inner = match value.get_ref() {
        DeValue::Table(table) => key_at(table, offset),
        DeValue::Array(array) => array.iter().find_map(|item| key_in(item, offset)),
        _ => None,
    };
    inner.or_else(|| value.span().contains(&offset).then(String::new))
}

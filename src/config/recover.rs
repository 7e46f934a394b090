//! Reads a file as far as it goes, and finds every problem on the way.
//!
//! serde stops at the first problem. So the entry it stopped at is noted and taken out of the tree, and
//! the rest is read again, until nothing stops it.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::problem::{Problem, Source};
use super::raw;

/// Problems of one file that are looked for at most.
const MOST_PROBLEMS: usize = 50;

/// Reads `text`. Returns what could be read, and what could not.
pub(super) fn read<'a>(file: &'a Path, text: &'a str) -> (raw::File, Spanned<DeTable<'a>>, Vec<Problem>) {
    let (tree, syntax_errors) = DeTable::parse_recoverable(text);
    let source = Source { file, text, tree: tree.get_ref() };
    let mut problems: Vec<Problem> = syntax_errors
        .iter()
        .take(MOST_PROBLEMS)
        .map(|error| source.problem_at(&error.span().unwrap_or(0..0), syntax_message(text, error)))
        .collect();
    let mut rest = tree.clone();
    loop {
        match raw::File::deserialize(Deserializer::from(rest.clone())) {
            Ok(raw) => return (raw, tree, problems),
            Err(error) => {
                problems.push(explain(&source, &error));
                let removed = error.span().is_some_and(|span| remove(rest.get_mut(), &span));
                if !removed || problems.len() >= MOST_PROBLEMS {
                    return (raw::File::default(), tree, problems);
                }
            }
        }
    }
}

fn syntax_message(text: &str, error: &Error) -> String {
    let written = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    match error.message() {
        "duplicate key" => format!("duplicate key `{written}`"),
        other => one_line(other),
    }
}

fn explain(source: &Source<'_>, error: &Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let message = unknown_key(error.message()).unwrap_or_else(|| one_line(error.message()));
    source.problem_at(&span, message)
}

fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(", ")
}

/// The message for a key that serde does not know, with the nearest that it does.
fn unknown_key(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    let (unknown, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    Some(match nearest(unknown, &known) {
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None => format!("unknown key; expected one of {}", known.join(", ")),
    })
}

/// The known key that takes the fewest changes to become `unknown`, if they are few enough.
fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|key| (distance(unknown, key), *key));
    let allowed = 2.max(unknown.chars().count() / 3);
    distances
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= allowed)
        .map(|(_, key)| key)
}

/// Levenshtein's distance, an underscore being a hyphen and case being nothing.
fn distance(left: &str, right: &str) -> usize {
    let fold = |c: char| if c == '_' { '-' } else { c.to_ascii_lowercase() };
    let right: Vec<char> = right.chars().map(fold).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left) in left.chars().map(fold).enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(&right) {
            let changed = diagonal + usize::from(left != *right);
            diagonal = *cell;
            before = changed.min(before + 1).min(diagonal + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Takes the innermost entry around `span` out of the tree. Returns whether there was one.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    for (_, value) in table.iter_mut() {
        if remove_inside(value, span) {
            return true;
        }
    }
    let hit = table
        .iter()
        .find(|(key, value)| key.span().contains(&span.start) || value.span().contains(&span.start))
        .map(|(key, _)| key.clone());
    hit.is_some_and(|key| table.remove(&key).is_some())
}

fn remove_inside(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => {
            if array.iter_mut().any(|item| remove_inside(item, span)) {
                return true;
            }
            let before = array.len();
            let kept = std::mem::replace(array, DeArray::new())
                .into_iter()
                .filter(|item| !item.span().contains(&span.start));
            *array = kept.collect();
            array.len() < before
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested_when_it_is_near() {
        let known = ["default-expires", "min-expires", "max-expires"];
        assert_eq!(nearest("min_expire", &known), Some("min-expires"));
        assert_eq!(nearest("Max-Expires", &known), Some("max-expires"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}

//! Long answers come in pages: `?limit=` so many, `?after=` the `next` of the page before.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

use super::problem::{Problem, Reason};

/// Items in a page when the client does not say.
const USUAL: usize = 50;
/// Most items in a page.
const MOST: usize = 200;
/// Longest cursor, in bytes.
const CURSOR_LIMIT: usize = 64;

/// Which page of a list is wanted.
#[derive(Debug)]
pub(crate) struct Paging {
    limit: usize,
    after: Option<String>,
}

/// One page.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page begins; absent in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

#[derive(Deserialize)]
struct Wanted {
    limit: Option<String>,
    after: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::from(Reason::BadParameter).detail(detail);
        let query = Query::<Wanted>::from_request_parts(parts, state).await;
        let Query(Wanted { limit, after }) = query.map_err(|error| bad(error.body_text()))?;
        let limit = match limit {
            None => USUAL,
            Some(text) => {
                let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
                number.ok_or_else(|| bad(format!("limit: a number from 1 to {MOST}")))?
            }
        };
        if after.as_ref().is_some_and(|after| after.len() > CURSOR_LIMIT) {
            return Err(bad("after: the `next` of the page before".to_owned()));
        }
        Ok(Self { limit, after })
    }
}

impl Paging {
    /// The page of `sorted`, whose order is that of `key`.
    pub(crate) fn page<T, K: Ord + ToString>(
        &self,
        sorted: impl Iterator<Item = T>,
        key: impl Fn(&T) -> K,
        after: Option<&K>,
    ) -> Page<T> {
        let mut rest = sorted.skip_while(|item| after.is_some_and(|after| key(item) <= *after));
        let items: Vec<T> = rest.by_ref().take(self.limit).collect();
        let next = rest.next().and(items.last()).map(|last| key(last).to_string());
        Page { items, next }
    }

    /// Where the page begins, read as `T`.
    pub(crate) fn after<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(after) = &self.after else { return Ok(None) };
        let detail = "after: the `next` of the page before";
        read(after).map(Some).ok_or_else(|| Problem::from(Reason::BadParameter).detail(detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_and_the_last_has_no_next() {
        let mut after = None;
        let mut seen = Vec::new();
        for expected in [Some("3"), Some("6"), None] {
            let paging = Paging { limit: 3, after: after.clone() };
            let cursor = paging.after(|text| text.parse().ok()).unwrap();
            let page = paging.page(1..=8, |item| *item, cursor.as_ref());
            seen.extend(page.items);
            assert_eq!(page.next.as_deref(), expected);
            after = page.next;
        }
        assert_eq!(seen, (1..=8).collect::<Vec<i32>>());
        let paging = Paging { limit: 3, after: Some("x".into()) };
        assert_eq!(paging.after(|text| text.parse::<i32>().ok()).unwrap_err().reason, Reason::BadParameter);
    }
}

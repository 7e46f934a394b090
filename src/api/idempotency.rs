//! `Idempotency-Key` of `POST calls`: a page that repeats a request after a broken connection does not place
//! a second call.
//!
//! Answers are kept for [`LIFE`], at most [`CAPACITY`] of them; when the table is full the oldest gives way. A
//! request without an answer yet is refused when repeated, and one with another body too.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::problem::Reason;
use crate::engine::numbering::Extension;
use crate::engine::web::CallView;

/// How long an answer is kept.
const LIFE: Duration = Duration::from_secs(300);
/// Answers that are kept.
const CAPACITY: usize = 1024;
/// Longest key, in bytes.
pub(crate) const KEY_LIMIT: usize = 64;

type Key = (Extension, String);

#[derive(Debug)]
struct Entry {
    body: [u8; 32],
    at: Instant,
    answer: Option<CallView>,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Idempotency(HashMap<Key, Entry>);

impl Idempotency {
    /// Begins a request, or gives the answer of the same one before it.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        key: &Key,
        body: [u8; 32],
    ) -> Result<Option<CallView>, Reason> {
        self.0.retain(|_, entry| now.saturating_duration_since(entry.at) < LIFE);
        if let Some(entry) = self.0.get(key) {
            return match &entry.answer {
                _ if entry.body != body => Err(Reason::IdempotencyMismatch),
                Some(answer) => Ok(Some(answer.clone())),
                None => Err(Reason::IdempotencyInFlight),
            };
        }
        if self.0.len() >= CAPACITY
            && let Some(oldest) = self.0.iter().min_by_key(|(_, entry)| entry.at).map(|(key, _)| key.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key.clone(), Entry { body, at: now, answer: None });
        Ok(None)
    }

    /// Keeps the answer of a request, or forgets one that failed: it may be tried again.
    pub(crate) fn finish(&mut self, key: &Key, answer: Option<&CallView>) {
        match (answer, self.0.get_mut(key)) {
            (Some(answer), Some(entry)) => entry.answer = Some(answer.clone()),
            (None, _) => drop(self.0.remove(key)),
            (Some(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::CallId;

    fn view() -> CallView {
        CallView {
            id: CallId(7),
            direction: "outgoing",
            state: "dialling",
            peer: "1002".into(),
            peer_name: None,
            held_by_peer: false,
            started: 0,
            answered: None,
            ended_at: None,
            ended: None,
            ended_text: None,
        }
    }

    fn key(name: &str) -> Key {
        ("1001".parse().unwrap(), name.to_owned())
    }

    #[test]
    fn the_same_request_gets_the_same_answer() {
        let (mut table, now) = (Idempotency::default(), Instant::now());
        assert_eq!(table.begin(now, &key("k"), [1; 32]), Ok(None));
        assert_eq!(table.begin(now, &key("k"), [1; 32]), Err(Reason::IdempotencyInFlight));
        table.finish(&key("k"), Some(&view()));
        assert_eq!(table.begin(now, &key("k"), [1; 32]), Ok(Some(view())));
        assert_eq!(table.begin(now, &key("k"), [2; 32]), Err(Reason::IdempotencyMismatch));
        assert_eq!(table.begin(now + LIFE, &key("k"), [2; 32]), Ok(None));
    }

    #[test]
    fn a_failed_request_may_be_repeated_and_the_table_is_bounded() {
        let (mut table, now) = (Idempotency::default(), Instant::now());
        assert_eq!(table.begin(now, &key("k"), [1; 32]), Ok(None));
        table.finish(&key("k"), None);
        assert_eq!(table.begin(now, &key("k"), [1; 32]), Ok(None));
        for n in 0..CAPACITY * 2 {
            assert_eq!(table.begin(now, &key(&n.to_string()), [1; 32]), Ok(None));
        }
        assert!(table.0.len() <= CAPACITY);
    }
}

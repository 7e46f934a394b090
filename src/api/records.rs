//! Calls that are over, as one of their parties sees them.

use std::pin::Pin;

use serde::Deserialize;

use crate::engine::call::{CallId, Cause};
use crate::engine::numbering::Extension;
use crate::engine::web::CallView;

/// A record that is being looked for: its JSON document, if there is one.
pub type FoundRecord<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

/// Where the records of calls that are over are kept.
pub trait Records: Send + Sync {
    /// The record of a call.
    fn call(&self, id: CallId) -> FoundRecord<'_>;
}

/// What is read of a [`CallRecord`](crate::engine::call::CallRecord).
#[derive(Deserialize)]
struct Record {
    from: String,
    to: String,
    started: u64,
    ended: u64,
    answered: Option<u64>,
    cause: String,
    legs: Vec<LegRecord>,
}

#[derive(Deserialize)]
struct LegRecord {
    number: String,
    answered: Option<u64>,
    ended: Option<String>,
}

/// The call as `party` sees it; `None` when it was not one of its calls.
pub(crate) fn view(id: CallId, document: &str, party: &Extension) -> Option<CallView> {
    let record: Record = serde_json::from_str(document).ok()?;
    let party = party.as_str();
    let is_caller = record.from == party;
    // Of several devices the one that answered tells most.
    let own = record.legs.iter().skip(1).filter(|leg| leg.number == party);
    let own = own.max_by_key(|leg| leg.answered.is_some());
    if !is_caller && own.is_none() {
        return None;
    }
    let (answered, ended) = match own.filter(|_| !is_caller) {
        Some(leg) => (leg.answered, leg.ended.as_deref().unwrap_or(&record.cause)),
        None => (record.answered, record.cause.as_str()),
    };
    Some(CallView {
        id,
        direction: if is_caller { "outgoing" } else { "incoming" },
        state: "ended",
        peer: if is_caller { record.to } else { record.from },
        peer_name: None,
        held_by_peer: false,
        started: record.started,
        answered,
        ended_at: Some(record.ended),
        ended: Some(ended.to_owned()),
        ended_text: Cause::words_of(ended).map(ToOwned::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"v":1,"id":"0000000000000007","office":"BRU","from":"1001","to":"1002",
        "started":1000,"answered":2000,"ended":5000,"cause":"hangup","legs":[
        {"number":"1001","by":"tls","answered":2000,"ended":"hangup"},
        {"number":"1002","by":"web","ended":"answered-elsewhere"},
        {"number":"1003","by":"web","answered":2000,"ended":"hangup"}]}"#;

    fn seen_by(party: &str) -> Option<(&'static str, String, Option<u64>, String)> {
        let view = view(CallId(7), DOCUMENT, &party.parse().unwrap())?;
        assert_eq!((view.state, view.started, view.ended_at), ("ended", 1000, Some(5000)));
        Some((view.direction, view.peer, view.answered, view.ended?))
    }

    #[test]
    fn each_party_sees_its_own_side_and_strangers_see_nothing() {
        let seen = seen_by("1001").unwrap();
        assert_eq!(seen, ("outgoing", "1002".to_owned(), Some(2000), "hangup".to_owned()));
        let seen = seen_by("1002").unwrap();
        assert_eq!(seen, ("incoming", "1001".to_owned(), None, "answered-elsewhere".to_owned()));
        let seen = seen_by("1003").unwrap();
        assert_eq!(seen, ("incoming", "1001".to_owned(), Some(2000), "hangup".to_owned()));
        assert_eq!(seen_by("1004"), None);
        assert_eq!(view(CallId(7), "{", &"1001".parse().unwrap()), None);
    }
}

//! What boxes and others of ops say, taken into the database.

use tracing::warn;

use super::store::observed::{self, Kind};
use super::store::{Rows, StoreError, desired, now};
use crate::uplink::route_set::RouteSet;
use crate::uplink::{
    Document, Event, HealthReport, LONGEST_DOCUMENT, Moment, OfficeId, Outcome, Presence, Reported, Revision,
    Status, Topic, TrustedKeys,
};

/// Longest name of a stream of events, in bytes; boxes use 16.
const LONGEST_STREAM: usize = 64;

/// What the broker keeps for an office on `routes/desired`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A set of this revision that we signed.
    Set(OfficeId, Revision),
    /// Nothing any more.
    Nothing(OfficeId),
}

/// Takes a message into the database. Returns what the broker keeps now, where the message says so.
pub(super) fn keep(
    rows: &Rows<'_>,
    topic: &Topic,
    payload: &[u8],
    retained: bool,
    trusted: &TrustedKeys,
) -> Result<Option<Kept>, StoreError> {
    if payload.len() > LONGEST_DOCUMENT && !matches!(topic, Topic::RoutesDesired(_)) {
        warn!(reason = "document-too-long", "{topic}: {} bytes were dropped", payload.len());
        return Ok(None);
    }
    let mut kept = None;
    // A retained message may be old: then its own date says more than its arrival.
    let heard = |at: Option<Moment>| at.filter(|_| retained).map_or_else(now, |at| at.0.min(now()));
    let room = match topic {
        Topic::Status(office) => {
            let status = Status::read(payload).ok();
            // That a box is gone is said by the broker, or with its last word: nothing was heard of it since.
            let gone =
                status.as_ref().filter(|one| one.state == Presence::Offline).map(|one| one.at.0.min(now()));
            let at = gone.unwrap_or_else(|| heard(status.map(|one| one.at)));
            observed::keep(rows, *office, Kind::Status, payload, at)?
        }
        Topic::Health(office) => {
            let at = HealthReport::read(payload).ok().map(|one| one.at);
            observed::keep(rows, *office, Kind::Health, payload, heard(at))?
        }
        Topic::RoutesReported(office) => {
            let reported = Reported::read(payload).ok();
            if let Some(seen) = reported.as_ref().and_then(spent) {
                desired::saw_revision(rows, *office, seen)?;
            }
            let at = reported.map(|one| one.at);
            observed::keep(rows, *office, Kind::Reported, payload, heard(at))?
        }
        Topic::RoutesDesired(office) if payload.is_empty() => {
            kept = Some(Kept::Nothing(*office));
            true
        }
        Topic::RoutesDesired(office) => {
            // Another controller or `branchline ops` may use the same key: its revisions are spent too.
            let set = RouteSet::read(payload).ok().filter(|set| set.office() == *office);
            if let Some(set) = set.filter(|set| set.verify(trusted).is_ok()) {
                desired::saw_revision(rows, *office, set.revision())?;
                kept = Some(Kept::Set(*office, set.revision()));
            }
            true
        }
        Topic::Events(office) => {
            if let Some(event) = Event::read(payload).ok().filter(|event| event.office == *office) {
                let stream = event.unknown.get("stream").and_then(serde_json::Value::as_str);
                let stream = stream.filter(|stream| stream.len() <= LONGEST_STREAM).unwrap_or_default();
                observed::count(rows, &event, stream, payload, now())?;
            }
            true
        }
        _ => true,
    };
    if !room {
        warn!(reason = "offices-full", "more offices than are kept: {topic} was dropped");
    }
    Ok(kept)
}

/// The highest revision that a box says was ever in force: a set that was refused never was, and its revision may be
/// anybody's.
fn spent(reported: &Reported) -> Option<Revision> {
    let asked = reported.asked.as_ref().filter(|_| reported.outcome != Outcome::Refused);
    asked.and_then(|asked| asked.revision).max(reported.revision())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::store::Store;
    use crate::time::WallTime;
    use crate::uplink::SigningKey;

    fn document(more: Value) -> Vec<u8> {
        let mut all = json!({ "v": 1, "office": "BRU", "boot": "b", "at": "2026-11-21T09:00:00Z" });
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        all.to_string().into_bytes()
    }

    fn hear(store: &Store, topic: &str, text: &[u8], retained: bool) -> Option<Kept> {
        let topic = format!("branchline/v1/{topic}").parse().unwrap();
        let heard: Result<_, StoreError> =
            store.write(|rows| keep(rows, &topic, text, retained, &TrustedKeys::new()));
        heard.unwrap()
    }

    fn contact(store: &Store) -> Option<WallTime> {
        let seen = store.write(|rows| observed::of(rows, "BRU".parse().unwrap())).unwrap();
        seen.and_then(|seen| seen.heard)
    }

    fn next(store: &Store) -> Revision {
        store.write(|rows| desired::next_revision(rows, "BRU".parse().unwrap())).unwrap()
    }

    #[test]
    fn an_old_message_and_a_last_will_are_no_contact_of_now() {
        let (store, then) = (Store::in_memory(), WallTime(1_795_251_600_000));
        let health = document(json!({ "conditions": [] }));
        hear(&store, "BRU/health", &health, true);
        assert_eq!(contact(&store), Some(then.min(now())));
        let gone = document(json!({ "state": "offline", "version": "1", "reason": "lost" }));
        hear(&store, "BRU/status", &gone, false);
        assert_eq!(contact(&store), Some(then.min(now())));
        let here = document(json!({ "state": "online", "version": "1" }));
        let before = now();
        hear(&store, "BRU/status", &here, false);
        assert!(contact(&store).unwrap() >= before);
    }

    #[test]
    fn a_revision_that_was_in_force_is_spent_and_a_refused_one_is_not() {
        let store = Store::in_memory();
        let told = |outcome: &str, force: u64, asked: u64| {
            document(
                json!({ "outcome": outcome, "in-force": { "revision": force }, "asked": { "revision": asked } }),
            )
        };
        hear(&store, "BRU/routes/reported", &told("refused", 5, 9_000_000), true);
        assert_eq!(next(&store), Revision(6));
        hear(&store, "BRU/routes/reported", &told("rolled-back", 5, 20), true);
        assert_eq!(next(&store), Revision(21));
    }

    #[test]
    fn a_set_counts_only_under_a_signature_of_ours() {
        let store = Store::in_memory();
        let key = SigningKey::from_seed("ops".parse().unwrap(), zeroize::Zeroizing::new([7; 32])).unwrap();
        let fields = json!({ "v": 1, "office": "BRU", "revision": 30 });
        let set = RouteSet::read(fields.to_string().as_bytes()).unwrap().signed(&key).unwrap();
        assert_eq!(hear(&store, "BRU/routes/desired", &set.write(), true), None);
        assert_eq!(next(&store), Revision(1));
        let mut trusted = TrustedKeys::new();
        trusted.trust(key.id().clone(), key.public()).unwrap();
        let topic = "branchline/v1/BRU/routes/desired".parse().unwrap();
        let held: Result<_, StoreError> =
            store.write(|rows| keep(rows, &topic, &set.write(), true, &trusted));
        assert_eq!(held.unwrap(), Some(Kept::Set("BRU".parse().unwrap(), Revision(30))));
        assert_eq!(next(&store), Revision(31));
        let cleared = hear(&store, "BRU/routes/desired", b"", false);
        assert_eq!(cleared, Some(Kept::Nothing("BRU".parse().unwrap())));
        let foreign = "branchline/v1/PAR/routes/desired".parse().unwrap();
        let held: Result<_, StoreError> =
            store.write(|rows| keep(rows, &foreign, &set.write(), true, &trusted));
        assert_eq!(held.unwrap(), None, "a set on another office's topic");
    }

    #[test]
    fn what_is_too_long_or_nonsense_is_survived() {
        let store = Store::in_memory();
        hear(&store, "BRU/health", &vec![b'x'; LONGEST_DOCUMENT + 1], false);
        assert_eq!(contact(&store), None);
        for topic in ["BRU/status", "BRU/health", "BRU/routes/reported", "BRU/routes/desired", "BRU/events"] {
            assert_eq!(hear(&store, topic, b"{", false), None);
        }
    }
}

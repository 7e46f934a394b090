//! Documents of which only the newest counts: status, health, what is reported of routes, commands.
//!
//! Anybody may set one at any time; the session publishes what is newer than what the broker has. A new session publishes
//! them all again, because another broker may not know them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::uplink::Topic;

/// Documents kept at most; further new ones are refused.
const MOST: usize = 4096;

/// The newest documents by topic; cloning gives another handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Retained {
    table: Arc<Mutex<Table>>,
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<Topic, Entry>,
    versions: u64,
}

#[derive(Debug)]
struct Entry {
    payload: Bytes,
    version: u64,
    /// The version that this session published.
    published: Option<u64>,
    /// Forgotten once a broker has it.
    passing: bool,
}

/// A document to publish now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) topic: Topic,
    pub(super) payload: Bytes,
    /// Tells this document from later ones of its topic.
    pub(super) version: u64,
}

impl Retained {
    /// Sets the newest document of a topic. Returns whether there was room.
    pub(super) fn set(&self, topic: Topic, payload: Vec<u8>) -> bool {
        self.put(topic, payload, false)
    }

    /// The same for one that need not be published to another broker later.
    pub(super) fn set_once(&self, topic: Topic, payload: Vec<u8>) -> bool {
        self.put(topic, payload, true)
    }

    /// A new session: nothing is published.
    pub(super) fn session_began(&self) {
        self.lock().entries.values_mut().for_each(|entry| entry.published = None);
    }

    /// Publishes the topic's newest document once more, whatever the broker has.
    pub(super) fn repeat(&self, topic: &Topic) {
        if let Some(entry) = self.lock().entries.get_mut(topic) {
            entry.published = None;
        }
        self.wake.notify_one();
    }

    /// The next document that the broker does not have; it counts as published now. Status comes first.
    pub(super) fn next(&self) -> Option<Newest> {
        let mut table = self.lock();
        let mut entries = table.entries.iter_mut();
        let (topic, entry) = entries.find(|(_, entry)| entry.published != Some(entry.version))?;
        entry.published = Some(entry.version);
        Some(Newest { topic: topic.clone(), payload: entry.payload.clone(), version: entry.version })
    }

    /// A broker has this version.
    pub(super) fn acknowledged(&self, topic: &Topic, version: u64) {
        let mut table = self.lock();
        if table.entries.get(topic).is_some_and(|entry| entry.passing && entry.version == version) {
            table.entries.remove(topic);
        }
    }

    /// What is newest on a topic.
    pub(super) fn get(&self, topic: &Topic) -> Option<Bytes> {
        self.lock().entries.get(topic).map(|entry| entry.payload.clone())
    }

    /// Resolves when there may be something to publish. One waiter at a time.
    pub(super) async fn wake(&self) {
        self.wake.notified().await;
    }

    fn put(&self, topic: Topic, payload: Vec<u8>, passing: bool) -> bool {
        let mut table = self.lock();
        if table.entries.len() >= MOST && !table.entries.contains_key(&topic) {
            return false;
        }
        table.versions += 1;
        let version = table.versions;
        let published = table.entries.get(&topic).and_then(|entry| entry.published);
        table.entries.insert(topic, Entry { payload: payload.into(), version, published, passing });
        drop(table);
        self.wake.notify_one();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic {
        format!("branchline/v1/BRU/{name}").parse().unwrap()
    }

    fn all(retained: &Retained) -> Vec<String> {
        std::iter::from_fn(|| retained.next()).map(|newest| format!("{}", newest.topic)).collect()
    }

    #[test]
    fn only_what_is_newer_is_published_and_a_session_begins_with_all() {
        let retained = Retained::default();
        retained.set(topic("health"), b"1".to_vec());
        retained.set(topic("status"), b"1".to_vec());
        assert_eq!(all(&retained), ["branchline/v1/BRU/status", "branchline/v1/BRU/health"], "status first");
        assert!(all(&retained).is_empty());
        retained.set(topic("health"), b"2".to_vec());
        let newest = retained.next().unwrap();
        assert_eq!(&newest.payload[..], b"2");
        retained.set(topic("health"), b"3".to_vec());
        retained.acknowledged(&newest.topic, newest.version);
        assert_eq!(all(&retained).len(), 1, "the third came while the second was on its way");
        retained.session_began();
        assert_eq!(all(&retained).len(), 2);
        retained.repeat(&topic("status"));
        assert_eq!(all(&retained).len(), 1);
    }

    #[test]
    fn what_passes_is_forgotten_when_a_broker_has_it() {
        let retained = Retained::default();
        let done = topic("cmd/reload/1");
        retained.set_once(done.clone(), b"done".to_vec());
        let newest = retained.next().unwrap();
        assert!(retained.get(&done).is_some());
        retained.acknowledged(&newest.topic, newest.version);
        assert!(retained.get(&done).is_none());
    }

    #[test]
    fn it_is_bounded() {
        let retained = Retained::default();
        for number in 0..MOST {
            assert!(retained.set(topic(&format!("cmd/reload/{number}")), Vec::new()));
        }
        assert!(!retained.set(topic("status"), Vec::new()));
        assert!(retained.set(topic("cmd/reload/0"), b"x".to_vec()), "one that is there may change");
    }
}

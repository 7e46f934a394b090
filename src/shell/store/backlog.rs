//! Changes that wait for room on the disk: only the newest for each key.
//!
//! Removals are tried before additions, because they make room; that is safe, since after coalescing no
//! two waiting changes touch the same row, save that removing an account also removes its bindings, and
//! additions that came before the removal are no longer there.

use std::collections::BTreeMap;

use super::Write;

/// Changes kept at most; beyond it a call record goes first, then any other.
const MOST: usize = 20_000;

/// What a change is about, in the order in which changes are tried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    RemovedAccount(String),
    RemovedBinding(String, String),
    Account(String),
    Binding(String, String),
    Meta(String),
    Call(String),
}

/// The waiting changes.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    changes: BTreeMap<Key, Write>,
}

impl Backlog {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes, removals first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Write> {
        self.changes.values()
    }

    /// Forgets all: they are durable.
    pub(super) fn clear(&mut self) {
        self.changes.clear();
    }

    /// Adds a change in place of older ones for the same row. Returns whether another had to go for lack of
    /// room.
    pub(super) fn push(&mut self, write: Write) -> bool {
        match &write {
            Write::RemoveAccount { extension } => self.forget_extension(extension),
            Write::RemoveBinding { extension, key } => {
                self.changes.remove(&Key::Binding(extension.clone(), key.clone()));
            }
            Write::PutBinding(row) => {
                self.changes.remove(&Key::RemovedBinding(row.extension.clone(), row.key.clone()));
            }
            Write::PutAccount(_) | Write::PutCall(_) | Write::PutMeta { .. } | Write::RemoveMeta { .. } => {}
        }
        self.changes.insert(key_of(&write), write);
        // Call records sort last, so they go first.
        self.changes.len() > MOST && self.changes.pop_last().is_some()
    }

    fn forget_extension(&mut self, of: &str) {
        self.changes.retain(|key, _| match key {
            Key::Account(extension) | Key::Binding(extension, _) | Key::RemovedBinding(extension, _) => {
                extension != of
            }
            Key::RemovedAccount(_) | Key::Meta(_) | Key::Call(_) => true,
        });
    }
}

fn key_of(write: &Write) -> Key {
    match write {
        Write::PutAccount(row) => Key::Account(row.extension.clone()),
        Write::RemoveAccount { extension } => Key::RemovedAccount(extension.clone()),
        Write::PutBinding(row) => Key::Binding(row.extension.clone(), row.key.clone()),
        Write::RemoveBinding { extension, key } => Key::RemovedBinding(extension.clone(), key.clone()),
        Write::PutCall(row) => Key::Call(row.id.clone()),
        Write::PutMeta { name, .. } | Write::RemoveMeta { name } => Key::Meta(name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{account, binding};
    use super::*;
    use crate::shell::store::CallRow;
    use crate::time::WallTime;

    fn shape(backlog: &Backlog) -> Vec<&'static str> {
        let name = |write: &Write| match write {
            Write::PutAccount(_) => "account",
            Write::RemoveAccount { .. } => "no account",
            Write::PutBinding(_) => "binding",
            Write::RemoveBinding { .. } => "no binding",
            Write::PutCall(_) => "call",
            Write::PutMeta { .. } => "meta",
            Write::RemoveMeta { .. } => "no meta",
        };
        backlog.iter().map(name).collect()
    }

    #[test]
    fn the_newest_change_of_a_row_is_the_one_that_waits() {
        let mut backlog = Backlog::default();
        backlog.push(Write::PutBinding(binding("1001", "a")));
        backlog.push(Write::RemoveBinding { extension: "1001".into(), key: "a".into() });
        assert_eq!(shape(&backlog), ["no binding"]);
        backlog.push(Write::PutBinding(binding("1001", "a")));
        assert_eq!(shape(&backlog), ["binding"]);
    }

    #[test]
    fn an_account_removed_and_added_again_loses_its_old_bindings() {
        let mut backlog = Backlog::default();
        backlog.push(Write::PutBinding(binding("1001", "a")));
        backlog.push(Write::RemoveAccount { extension: "1001".into() });
        backlog.push(Write::PutAccount(account("1001")));
        backlog.push(Write::PutBinding(binding("1001", "b")));
        assert_eq!(shape(&backlog), ["no account", "account", "binding"]);
    }

    #[test]
    fn when_full_call_records_go_first() {
        let mut backlog = Backlog::default();
        let call = |n: usize| CallRow { id: format!("{n:06}"), ended: WallTime(0), document: String::new() };
        for n in 0..MOST {
            assert!(!backlog.push(Write::PutCall(call(n))));
        }
        assert!(backlog.push(Write::PutAccount(account("1001"))), "one had to go");
        assert_eq!(backlog.len(), MOST);
        assert_eq!(shape(&backlog)[0], "account");
    }
}

//! Which leg a message belongs to.

use std::collections::HashMap;

use super::DialogId;
use crate::sip::Request;

/// Dialogs by their id, each with something small of the caller's (a call leg). Bounded: see
/// [`Dialogs::insert`].
#[derive(Debug)]
pub struct Dialogs<T> {
    by_id: HashMap<DialogId, T>,
    limit: usize,
}

/// The index holds as many dialogs as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many dialogs")]
pub struct IndexFull;

impl<T: Copy> Dialogs<T> {
    /// An empty index for `limit` dialogs.
    pub fn new(limit: usize) -> Self {
        Self { by_id: HashMap::new(), limit }
    }

    /// Keeps `value` for the dialog, instead of what was kept before. A new dialog is refused when the index
    /// is full; the caller answers 503 or gives up its INVITE.
    pub fn insert(&mut self, id: &DialogId, value: T) -> Result<(), IndexFull> {
        if let Some(kept) = self.by_id.get_mut(id) {
            *kept = value;
            return Ok(());
        }
        if self.by_id.len() >= self.limit {
            return Err(IndexFull);
        }
        self.by_id.insert(id.detached(), value);
        Ok(())
    }

    /// What is kept for the dialog.
    pub fn get(&self, id: &DialogId) -> Option<T> {
        self.by_id.get(id).copied()
    }

    /// What is kept for the dialog of a peer's request.
    pub fn find(&self, request: &Request) -> Option<T> {
        self.get(&DialogId::of_request(request)?)
    }

    /// Forgets the dialog.
    pub fn remove(&mut self, id: &DialogId) -> Option<T> {
        self.by_id.remove(id)
    }

    /// How many dialogs are kept.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

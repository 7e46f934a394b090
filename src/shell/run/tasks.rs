//! The daemon's tasks by name: all owned, all joined.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::timeout;
use tracing::warn;

use super::failure::Failure;

/// Tasks that live as long as the daemon.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    set: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts one.
    pub(super) fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.set.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Waits until one ends, which none should. Pending while there is none. Cancel-safe.
    pub(super) async fn unexpected_end(&mut self) -> Failure {
        let Some(ended) = self.set.join_next_with_id().await else { return std::future::pending().await };
        let (id, how) = match ended {
            Ok((id, ())) => (id, "ended"),
            Err(error) if error.is_panic() => (error.id(), "panicked"),
            Err(error) => (error.id(), "was cancelled"),
        };
        Failure::task(self.names.remove(&id).unwrap_or("unknown"), how)
    }

    /// Waits until all have ended; those that take too long are ended.
    pub(super) async fn finish(mut self, patience: Duration) {
        drop(timeout(patience, async { while self.join_one().await {} }).await);
        for name in self.names.values() {
            warn!(reason = "task-late", task = name, "a task did not end in time");
        }
        self.set.shutdown().await;
    }

    async fn join_one(&mut self) -> bool {
        let Some(ended) = self.set.join_next_with_id().await else { return false };
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.names.remove(&id);
        true
    }
}

//! What a writer or reader of the store waits for, and what can go wrong.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// Why something was not stored or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Our queue is full; trying again later is safe.
    #[error("the store's queue is full")]
    QueueFull,
    /// The disk is full; the change is kept in memory and tried again.
    #[error("the disk is full; kept in memory and tried again")]
    DiskFull,
    /// The database refused or could not be read or written.
    #[error("the database failed: {0}")]
    Failed(String),
    /// The file was made by a newer Branchline; this one leaves it alone.
    #[error("the database has schema {found}, made by a newer Branchline; this one knows up to {known}")]
    Newer {
        /// The file's schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The label in metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::DiskFull => "disk-full",
            Self::Failed(_) => "failed",
            Self::Newer { .. } => "newer-schema",
            Self::Closed => "closed",
        }
    }
}

pub(in crate::shell) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// The answer to come: a future, or [`Receipt::wait`] where there is no runtime. Dropping it is allowed;
/// the job is done all the same.
#[derive(Debug)]
#[must_use = "a change is durable only when its receipt says so"]
pub struct Receipt<T>(Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>);

impl<T> Receipt<T> {
    /// Blocks until the answer is there. Not to be called on a thread of the async runtime.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0?.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    pub(in crate::shell) fn refused(error: StoreError) -> Self {
        Self(Err(error))
    }

    pub(in crate::shell) fn was_refused(&self) -> bool {
        self.0.is_err()
    }
}

impl<T> Future for Receipt<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
            }
            Err(error) => Poll::Ready(Err(error.clone())),
        }
    }
}

pub(in crate::shell) fn pair<T>() -> (Reply<T>, Receipt<T>) {
    let (reply, receiver) = oneshot::channel();
    (reply, Receipt(Ok(receiver)))
}

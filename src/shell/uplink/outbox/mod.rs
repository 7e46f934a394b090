//! The outbox: events on flash until a broker has them.
//!
//! One thread owns an SQLite file of its own (`outbox.db`) and the policy ([`Policy`]) that says what goes next and what goes
//! when there is no room. All that is queued goes into one transaction.
//!
//! | promise | how |
//! | --- | --- |
//! | what was put survives `kill -9` | committed (WAL, `synchronous=FULL`) within [`GATHER`] and a write to disk |
//! | nothing is sent that is not on flash | an event is handed out only after its commit, so no number is used twice |
//! | nothing is deleted that no broker has | deleted when its PUBACK came |
//! | exact accounts | totals are written in the same transaction as the events that they count |
//!
//! | trouble | what happens |
//! | --- | --- |
//! | the queue is full | the event is lost and counted |
//! | no room | the policy displaces the least valuable and counts it; a report of the losses follows |
//! | the disk takes no writes | condition `outbox-failed`; new events wait in memory within the same bounds and are tried again |
//! | the file is damaged | set aside with its date; a new stream begins |
//! | the directory cannot be used | condition `outbox-failed`; a database in memory, with a new stream, takes over |
//!
//! A *stream* is one file's row of numbers. Whoever collects events tells a repetition by stream and number.

mod database;
mod worker;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod hour_tests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::observe::Health;
use crate::uplink::{LONGEST_DOCUMENT, Losses, OutboxLimits, Sequence, Worth};
pub use worker::GATHER;

#[cfg(doc)]
use crate::uplink::Outbox as Policy;

/// Jobs that may wait for the thread.
const QUEUE: usize = 8192;
/// Longest event, in bytes, with room for its number; longer ones are lost and counted.
pub const LONGEST_EVENT: usize = LONGEST_DOCUMENT - 256;

/// Makes the document of an event that reports losses.
pub type LossReport = Box<dyn Fn(&Losses) -> String + Send>;

/// How an outbox is opened.
pub struct OutboxOptions {
    /// The directory of its file; made if absent.
    pub directory: PathBuf,
    /// How much may wait.
    pub limits: OutboxLimits,
    /// Where trouble is named.
    pub health: Health,
    /// Makes the document that reports losses.
    pub loss_report: LossReport,
}

/// An event on its way to a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number in the stream.
    pub sequence: Sequence,
    /// Whether it happened before this session began, or was sent in an earlier one.
    pub historical: bool,
    /// Its document as it was put.
    pub document: String,
}

/// What the outbox has seen, through restarts. `put` is the sum of `acknowledged`, `lost` and `waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The stream's name.
    pub stream: String,
    /// Events offered.
    pub put: u64,
    /// Events handed to a session; those that had to be sent again count again.
    pub sent: u64,
    /// Events that a broker has taken.
    pub acknowledged: u64,
    /// Events lost for lack of room, by worth, least first ([`Worth::ALL`]).
    pub lost: [u64; 4],
    /// Events that wait or are in flight.
    pub waiting: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Accounts {
    /// All that was lost.
    pub fn lost_in_all(&self) -> u64 {
        self.lost.iter().fold(0, |sum, lost| sum.saturating_add(*lost))
    }
}

#[derive(Debug)]
pub(super) enum Job {
    Put(Worth, String),
    SessionBegan,
    SessionEnded,
    Take(usize, oneshot::Sender<Vec<Outgoing>>),
    Acknowledged(Vec<Sequence>),
    Flush(oneshot::Sender<bool>),
    Close,
}

/// What the thread and its handles share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    accounts: Mutex<Accounts>,
    /// Something may be there to take.
    wake: Notify,
    /// Events that found the queue full, by worth.
    overflowed: [AtomicU64; 4],
}

/// A handle on the outbox; cloning gives another.
#[derive(Clone, Debug)]
pub struct Outbox {
    jobs: SyncSender<Job>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    shared: Arc<Shared>,
}

impl Outbox {
    /// Opens it, whatever the state of the disk. Blocks while it opens.
    pub fn open(options: OutboxOptions) -> Self {
        let (jobs, queue) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let worker = worker::Worker::open(options, Arc::clone(&shared));
        let thread =
            std::thread::Builder::new().name("outbox".to_owned()).spawn(move || worker.run(&queue)).ok();
        Self { jobs, thread: Arc::new(Mutex::new(thread)), shared }
    }

    /// Takes an event. Never waits: what cannot be taken is counted as lost.
    pub fn put(&self, worth: Worth, document: String) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.jobs.try_send(Job::Put(worth, document))
        {
            self.shared.overflowed[worth as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A session with a broker is up: what is there now is historical. Blocks only while the queue is full.
    pub async fn session_began(&self) {
        self.send(Job::SessionBegan).await;
    }

    /// The session is gone: what was in flight waits again.
    pub async fn session_ended(&self) {
        self.send(Job::SessionEnded).await;
    }

    /// The next events to publish, oldest first, at most `most`; none without a session.
    pub async fn take(&self, most: usize) -> Vec<Outgoing> {
        let (reply, taken) = oneshot::channel();
        self.send(Job::Take(most, reply)).await;
        taken.await.unwrap_or_default()
    }

    /// A broker has these.
    pub async fn acknowledged(&self, sequences: Vec<Sequence>) {
        self.send(Job::Acknowledged(sequences)).await;
    }

    /// Resolves when there may be something to take. One waiter at a time.
    pub async fn wake(&self) {
        self.shared.wake.notified().await;
    }

    /// Whether everything that was put before is on flash.
    pub async fn flush(&self) -> bool {
        let (reply, flushed) = oneshot::channel();
        self.send(Job::Flush(reply)).await;
        flushed.await.unwrap_or(false)
    }

    /// What it has seen, as of the last commit.
    pub fn accounts(&self) -> Accounts {
        self.shared.accounts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what is queued, closes the file and waits for it. Blocks; later events are lost.
    pub fn close(&self) {
        if self.jobs.send(Job::Close).is_ok() {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }

    /// Offers the job until the queue takes it.
    async fn send(&self, mut job: Job) {
        loop {
            job = match self.jobs.try_send(job) {
                Err(TrySendError::Full(job)) => job,
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
            };
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Shared {
    /// How many events of each worth found the queue full since this was last asked.
    pub(super) fn take_overflowed(&self) -> [(Worth, u64); 4] {
        Worth::ALL.map(|worth| (worth, self.overflowed[worth as usize].swap(0, Ordering::Relaxed)))
    }

    pub(super) fn show(&self, accounts: Accounts) {
        *self.accounts.lock().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

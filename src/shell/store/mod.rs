//! The store: what must survive a restart, in one SQLite file on flash.
//!
//! One thread owns the database. Writers queue up; all that is queued goes into one transaction, and each
//! writer is told when it is durable. So a storm of registrations costs a few fsyncs, not thousands.
//!
//! | trouble | what happens |
//! | --- | --- |
//! | queue full | the write is refused at once ([`StoreError::QueueFull`]), counted |
//! | disk full | condition `store-full`; the write waits in a bounded backlog and is tried again |
//! | directory not writable | condition `store-failed`; a database in memory takes over |
//! | damaged file | condition `store-corrupt`; set aside with its date, a fresh one begun with what can be read |
//!
//! | file | what is there |
//! | --- | --- |
//! | `rows` | the persisted rows |
//! | `receipt` | what a writer or reader waits for |
//! | `database` | opening, schema, setting a damaged file aside |
//! | `tables` | the statements |
//! | `worker` | the thread: batches and commits |
//! | `backlog` | changes that wait for room on the disk |

mod backlog;
mod database;
pub(in crate::shell) mod receipt;
mod rows;
mod tables;
mod worker;

use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::api::{FoundRecord, Records};
use crate::engine::call::CallId;
use crate::observe::{Health, Metrics};

pub use receipt::{Receipt, StoreError};
pub use rows::{AccountRow, BindingRow, CallRow, FlowRow};

use worker::{Job, Worker};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The directory of the database; made if absent.
    pub directory: PathBuf,
    /// Jobs that may wait; more are refused.
    pub queue: usize,
    /// Call records kept at most.
    pub keep_calls: usize,
    /// Call records older than this go.
    pub max_call_age: Duration,
    /// Where commits and refusals are counted.
    pub metrics: Metrics,
    /// Where trouble is named.
    pub health: Health,
}

/// One change of what is stored.
#[derive(Clone, Debug)]
pub enum Write {
    /// Adds or replaces an account.
    PutAccount(AccountRow),
    /// Removes an account, and its bindings.
    RemoveAccount {
        /// The account's extension.
        extension: String,
    },
    /// Adds or replaces a binding.
    PutBinding(BindingRow),
    /// Removes a binding.
    RemoveBinding {
        /// Whose binding.
        extension: String,
        /// [`BindingRow::key`].
        key: String,
    },
    /// Adds or replaces a call's record.
    PutCall(CallRow),
    /// Sets a named value.
    PutMeta {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Removes a named value.
    RemoveMeta {
        /// Its name.
        name: String,
    },
}

/// A handle on the store; cloning gives another. The database is closed when [`Store::close`] is called or
/// the last handle is dropped; what was queued before is written.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: SyncSender<Job>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    metrics: Metrics,
}

impl Store {
    /// Opens the store whatever the state of the disk: where the file cannot be used, a database in memory
    /// takes its place and a health condition says so. Blocks while it opens.
    pub fn open(options: StoreOptions) -> Self {
        let database = database::open_or_go_on_in_memory(&options.directory, &options.health);
        Self::run(options, database)
    }

    /// Opens the store, or says why it cannot be: for the command line, where going on in memory would be
    /// a lie. A damaged file is left alone.
    pub fn open_strictly(options: StoreOptions) -> Result<Self, StoreError> {
        let database = database::open_strictly(&options.directory)?;
        Ok(Self::run(options, database))
    }

    /// Queues one change. The receipt resolves when it is durable.
    pub fn write(&self, write: Write) -> Receipt<()> {
        self.write_all(vec![write])
    }

    /// Queues changes that become durable together or not at all.
    pub fn write_all(&self, writes: Vec<Write>) -> Receipt<()> {
        let count = u64::try_from(writes.len()).unwrap_or(u64::MAX);
        let receipt = self.submit(|reply| Job::Write(writes, reply));
        if receipt.was_refused() {
            self.metrics.store_writes(StoreError::QueueFull.as_str(), count);
        }
        receipt
    }

    /// All accounts, by extension. Sees every change queued before.
    pub fn accounts(&self) -> Receipt<Vec<AccountRow>> {
        self.submit(Job::Accounts)
    }

    /// All bindings, expired ones too, by extension.
    pub fn bindings(&self) -> Receipt<Vec<BindingRow>> {
        self.submit(Job::Bindings)
    }

    /// The newest call records, newest first, `at_most` of them.
    pub fn calls(&self, at_most: usize) -> Receipt<Vec<CallRow>> {
        self.submit(|reply| Job::Calls(at_most, reply))
    }

    /// One call's record.
    pub fn call(&self, id: impl Into<String>) -> Receipt<Option<CallRow>> {
        self.submit(|reply| Job::Call(id.into(), reply))
    }

    /// A named value.
    pub fn meta(&self, name: impl Into<String>) -> Receipt<Option<String>> {
        self.submit(|reply| Job::Meta(name.into(), reply))
    }

    /// The named values whose names begin so, by the rest of their names.
    pub fn metas(&self, prefix: impl Into<String>) -> Receipt<Vec<(String, String)>> {
        self.submit(|reply| Job::Metas(prefix.into(), reply))
    }

    /// Writes what is queued, closes the database and waits for it: the last act of a graceful stop.
    /// Blocks; later jobs of other handles are refused with [`StoreError::Closed`].
    pub fn close(&self) {
        if self.jobs.send(Job::Close).is_ok() {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }

    fn run(options: StoreOptions, database: database::Database) -> Self {
        let metrics = options.metrics.clone();
        let (jobs, queue) = sync_channel(options.queue.max(1));
        let worker = Worker::new(options, database);
        let thread =
            std::thread::Builder::new().name("store".to_owned()).spawn(move || worker.run(&queue)).ok();
        Self { jobs, thread: Arc::new(Mutex::new(thread)), metrics }
    }

    fn submit<T>(&self, job: impl FnOnce(receipt::Reply<T>) -> Job) -> Receipt<T> {
        let (reply, receipt) = receipt::pair();
        match self.jobs.try_send(job(reply)) {
            Ok(()) => receipt,
            Err(TrySendError::Full(_)) => Receipt::refused(StoreError::QueueFull),
            Err(TrySendError::Disconnected(_)) => Receipt::refused(StoreError::Closed),
        }
    }
}

impl Records for Store {
    fn call(&self, id: CallId) -> FoundRecord<'_> {
        let receipt = Self::call(self, id.to_string());
        Box::pin(async { receipt.await.ok().flatten().map(|row| row.document) })
    }
}

#[cfg(test)]
pub(super) mod crash_tests;
#[cfg(test)]
mod tests;

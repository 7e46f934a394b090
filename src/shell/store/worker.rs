//! The store's thread: takes what is queued, commits it at once, tells each writer.
//!
//! A batch is at most [`BATCH`] jobs, gathered for [`GATHER`] after its first write, because each commit waits
//! for the disk and wears it. Writes of a batch share a transaction until a read comes, which
//! commits first, so that a reader sees every change queued before it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::ErrorCode;
use tracing::{error, info, warn};

use super::backlog::Backlog;
use super::database::{self, Database};
use super::receipt::Reply;
use super::rows::{AccountRow, BindingRow, CallRow};
use super::{StoreError, StoreOptions, Write, tables};
use crate::observe::Condition;
use crate::time::WallTime;

/// Jobs taken from the queue for one transaction.
const BATCH: usize = 1024;
/// How long a write waits for others to share its commit; nobody notices it in a REGISTER.
const GATHER: Duration = Duration::from_millis(2);
/// How often a full disk is tried again when nothing else comes.
const RETRY: Duration = Duration::from_secs(5);
/// Call records are trimmed after this many were written.
const TRIM_EVERY: usize = 100;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    Write(Vec<Write>, Reply<()>),
    Accounts(Reply<Vec<AccountRow>>),
    Bindings(Reply<Vec<BindingRow>>),
    Calls(usize, Reply<Vec<CallRow>>),
    Call(String, Reply<Option<CallRow>>),
    Meta(String, Reply<Option<String>>),
    Metas(String, Reply<Vec<(String, String)>>),
    Close,
}

type Group = Vec<(Vec<Write>, Reply<()>)>;

/// The thread's state.
pub(super) struct Worker {
    options: StoreOptions,
    database: Database,
    backlog: Backlog,
    calls_since_trim: usize,
}

impl Worker {
    pub(super) fn new(options: StoreOptions, database: Database) -> Self {
        Self { options, database, backlog: Backlog::default(), calls_since_trim: 0 }
    }

    /// Works until every handle is gone or [`Job::Close`] comes.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        self.trim_calls();
        let mut open = true;
        while open {
            match self.next_job(queue) {
                Ok(job) => open = self.batch(job, queue),
                Err(RecvTimeoutError::Timeout) => self.commit(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        }
        self.commit(Vec::new());
        self.database.close();
    }

    fn next_job(&self, queue: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        if self.backlog.is_empty() {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(RETRY)
        }
    }

    /// Carries out `first` and what waits behind it. Returns whether to go on.
    fn batch(&mut self, first: Job, queue: &Receiver<Job>) -> bool {
        let mut group = Group::new();
        let mut next = Some(first);
        let mut taken = 0;
        if matches!(next, Some(Job::Write(..))) {
            // Not woken by each of them: that would cost more than it saves.
            std::thread::sleep(GATHER);
        }
        while let Some(job) = next {
            match job {
                Job::Write(writes, reply) => group.push((writes, reply)),
                Job::Close => {
                    self.commit(group);
                    return false;
                }
                read => {
                    self.commit(std::mem::take(&mut group));
                    self.read(read);
                }
            }
            taken += 1;
            next = if taken < BATCH { queue.try_recv().ok() } else { None };
        }
        self.commit(group);
        true
    }

    /// Makes the backlog and `group` durable in one transaction and tells the writers.
    fn commit(&mut self, group: Group) {
        if group.is_empty() && self.backlog.is_empty() {
            return;
        }
        let started = Instant::now();
        let outcome = self.transaction(&group);
        let rows = self.backlog.len() + group.iter().map(|(writes, _)| writes.len()).sum::<usize>();
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        match outcome {
            Ok(()) => {
                self.backlog.clear();
                self.committed(started.elapsed(), rows);
                self.count_calls(&group);
                for (_, reply) in group {
                    let _ = reply.send(Ok(()));
                }
            }
            Err(trouble) => self.failed(group, &trouble, rows),
        }
    }

    fn transaction(&self, group: &Group) -> rusqlite::Result<()> {
        let transaction = self.database.connection.unchecked_transaction()?;
        let waiting = self.backlog.iter().chain(group.iter().flat_map(|(writes, _)| writes));
        for write in waiting {
            tables::apply(&transaction, write)?;
        }
        transaction.commit()
    }

    fn committed(&self, took: Duration, rows: u64) {
        self.options.metrics.store_commit(took);
        self.options.metrics.store_writes("durable", rows);
        if self.options.health.clear(Condition::StoreFull) {
            info!(reason = "store-full", "the disk takes writes again; nothing of the backlog is lost");
        }
        if self.database.directory.is_some() {
            self.options.health.clear(Condition::StoreFailed);
        }
    }

    /// Keeps the changes of a failed transaction for another try, and tells the writers.
    fn failed(&mut self, group: Group, trouble: &rusqlite::Error, rows: u64) {
        let error = store_error(trouble);
        self.options.metrics.store_writes(error.as_str(), rows);
        let condition = match error {
            StoreError::DiskFull => Condition::StoreFull,
            _ => Condition::StoreFailed,
        };
        if self.options.health.raise(condition, trouble.to_string()) {
            error!(reason = condition.as_str(), "changes wait in memory: {trouble}");
        }
        let damaged = database::is_damage(trouble);
        let mut dropped = 0;
        for (writes, reply) in group {
            dropped += writes.into_iter().map(|write| u64::from(self.backlog.push(write))).sum::<u64>();
            let _ = reply.send(Err(error.clone()));
        }
        if dropped > 0 {
            self.options.metrics.store_writes("backlog-dropped", dropped);
        }
        if damaged {
            self.replace_database(trouble);
        }
    }

    /// Sets the damaged file aside and goes on with a fresh one; the backlog is written there next.
    fn replace_database(&mut self, trouble: &rusqlite::Error) {
        let Some(directory) = self.database.directory.clone() else { return };
        database::replace_damaged(&directory, &trouble.to_string(), &self.options.health);
        self.database = database::open_or_go_on_in_memory(&directory, &self.options.health);
    }

    fn read(&self, job: Job) {
        let connection = &self.database.connection;
        match job {
            Job::Accounts(reply) => answer(reply, tables::accounts(connection)),
            Job::Bindings(reply) => answer(reply, tables::bindings(connection)),
            Job::Calls(at_most, reply) => answer(reply, tables::calls(connection, at_most)),
            Job::Call(id, reply) => answer(reply, tables::call(connection, &id)),
            Job::Metas(prefix, reply) => answer(reply, tables::metas(connection, &prefix)),
            Job::Meta(name, reply) => answer(reply, tables::meta(connection, &name)),
            Job::Write(..) | Job::Close => {}
        }
    }

    fn count_calls(&mut self, group: &Group) {
        let writes = group.iter().flat_map(|(writes, _)| writes);
        self.calls_since_trim += writes.filter(|write| matches!(write, Write::PutCall(_))).count();
        if self.calls_since_trim >= TRIM_EVERY {
            self.trim_calls();
        }
    }

    fn trim_calls(&mut self) {
        self.calls_since_trim = 0;
        let StoreOptions { keep_calls, max_call_age, .. } = self.options;
        match tables::trim_calls(&self.database.connection, wall_now(), keep_calls, max_call_age) {
            Ok(0) => {}
            Ok(removed) => info!(removed, "old call records removed"),
            Err(trouble) => warn!(reason = "store-trim", "old call records stay: {trouble}"),
        }
    }
}

fn answer<T>(reply: Reply<T>, result: rusqlite::Result<T>) {
    let _ = reply.send(result.map_err(|trouble| store_error(&trouble)));
}

fn store_error(trouble: &rusqlite::Error) -> StoreError {
    match trouble.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        _ => StoreError::Failed(trouble.to_string()),
    }
}

fn wall_now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

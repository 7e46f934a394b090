//! The roaming cache on flash, written by a thread of its own.
//!
//! Changes queue up; all that is queued shares one commit. Nobody who telephones waits for it, so changes are gathered for
//! longer than bindings are: fewer waits for the flash, less wear.
//!
//! | trouble | what happens |
//! | --- | --- |
//! | queue full | the change is refused and counted; the uplink tells it again with the next session |
//! | disk full, log broken | the receipt says so; what was set waits and is written with the next commit, or tried again after [`RETRY`] |
//! | the log's own limit | the change is refused and counted |

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use embedded_svc::storage::{StorageError, StorageImpl};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::error::FlashError;
use super::figures::FlashCounters;
use super::log::{FlashLog, FlashOptions};
use super::storage::Postcard;
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::roaming::{Aor, Presence, RoamingChange, RoamingEntry, SealedVerifier, Second, Version};
use crate::observe::Metrics;
use crate::shell::store::receipt::{Receipt, Reply, StoreError, pair};

/// Room for the longest value.
const ROOM: usize = 1024;
/// Jobs taken from the queue for one commit.
const BATCH: usize = 4096;
/// How often what waits is tried again when nothing else comes.
const RETRY: Duration = Duration::from_secs(5);
/// The log's file.
const FILE: &str = "roaming.log";
/// A log is not written anew below this size.
const RENEW_ABOVE: u64 = 256 * 1024;

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct RoamingStoreOptions {
    /// The directory of the log; it is there.
    pub directory: PathBuf,
    /// Changes that may wait; more are refused.
    pub queue: usize,
    /// Most bytes of records that count.
    pub max_bytes: u64,
    /// How long a change waits for others to share its commit.
    pub gather: Duration,
    /// Where refusals are counted.
    pub metrics: Metrics,
}

impl RoamingStoreOptions {
    /// The log's file.
    pub fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }
}

/// What was on flash.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The entries, and when each was last heard.
    pub entries: Vec<(RoamingEntry, Second)>,
    /// Records that could not be read.
    pub unreadable: usize,
}

/// A handle on the store; cloning gives another.
#[derive(Clone, Debug)]
pub struct RoamingStore {
    jobs: SyncSender<Job>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    counters: FlashCounters,
    metrics: Metrics,
}

#[derive(Debug)]
enum Job {
    Change(RoamingChange, Reply<()>),
    PutVerifier(Box<SealedVerifier>, Reply<()>),
    Verifier(Extension, Reply<Option<SealedVerifier>>),
    Close,
}

/// An entry's value; whose it is stands in the record's name.
#[derive(Serialize, Deserialize)]
struct EntryValue<'a> {
    counter: u64,
    registered: u32,
    office: &'a str,
    is_gone: bool,
    expires: u32,
    heard: u32,
}

type Storage = StorageImpl<ROOM, FlashLog, Postcard>;

impl RoamingStore {
    /// Opens the log and reads it. Blocks.
    pub fn open(options: RoamingStoreOptions) -> Result<(Self, Stored), FlashError> {
        let log = FlashLog::open(FlashOptions {
            path: options.path(),
            max_bytes: options.max_bytes,
            renew_above: RENEW_ABOVE,
        })?;
        let stored = read(&log)?;
        let counters = log.counters();
        let (jobs, queue) = sync_channel(options.queue.max(1));
        let mut worker = Worker {
            storage: Storage::new(log, Postcard),
            gather: options.gather,
            metrics: options.metrics.clone(),
            is_failing: false,
        };
        let thread = std::thread::Builder::new().name("roaming-store".to_owned());
        let thread = thread.spawn(move || worker.run(&queue)).map_err(FlashError::Io)?;
        let thread = Arc::new(Mutex::new(Some(thread)));
        Ok((Self { jobs, thread, counters, metrics: options.metrics }, stored))
    }

    /// Queues a change of the cache. The receipt resolves when it is durable.
    pub fn change(&self, change: RoamingChange) -> Receipt<()> {
        self.submit(|reply| Job::Change(change, reply))
    }

    /// Queues a visitor's sealed record; an older one than there is changes nothing.
    pub fn put_verifier(&self, record: SealedVerifier) -> Receipt<()> {
        self.submit(|reply| Job::PutVerifier(Box::new(record), reply))
    }

    /// A visitor's sealed record. Sees every change queued before.
    pub fn verifier(&self, extension: Extension) -> Receipt<Option<SealedVerifier>> {
        self.submit(|reply| Job::Verifier(extension, reply))
    }

    /// What was written so far.
    pub const fn counters(&self) -> &FlashCounters {
        &self.counters
    }

    /// Writes what is queued, closes the log and waits for it. Blocks.
    pub fn close(&self) {
        if self.jobs.send(Job::Close).is_ok() {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }

    fn submit<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Receipt<T> {
        let (reply, receipt) = pair();
        match self.jobs.try_send(job(reply)) {
            Ok(()) => receipt,
            Err(TrySendError::Full(_)) => {
                self.metrics.dropped("roaming-store", StoreError::QueueFull.as_str());
                Receipt::refused(StoreError::QueueFull)
            }
            Err(TrySendError::Disconnected(_)) => Receipt::refused(StoreError::Closed),
        }
    }
}

struct Worker {
    storage: Storage,
    gather: Duration,
    metrics: Metrics,
    is_failing: bool,
}

impl Worker {
    fn run(&mut self, queue: &Receiver<Job>) {
        loop {
            let next = if self.is_failing {
                queue.recv_timeout(RETRY)
            } else {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match next {
                Ok(job) => {
                    if !self.batch(job, queue) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.commit(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return self.commit(Vec::new()),
            }
        }
    }

    /// Carries out `first` and what comes behind it. Returns whether to go on.
    fn batch(&mut self, first: Job, queue: &Receiver<Job>) -> bool {
        let mut replies = Vec::new();
        if !matches!(first, Job::Verifier(..) | Job::Close) {
            std::thread::sleep(self.gather);
        }
        let mut next = Some(first);
        let mut goes_on = true;
        let mut taken = 0;
        while let Some(job) = next {
            taken += 1;
            match job {
                Job::Change(change, reply) => {
                    self.apply(reply, &mut replies, |storage| change_in(storage, &change));
                }
                Job::PutVerifier(record, reply) => {
                    self.apply(reply, &mut replies, |storage| put_verifier(storage, &record));
                }
                Job::Verifier(extension, reply) => {
                    let found = self.storage.get(&verifier_name(&extension));
                    let _ = reply.send(found.map_err(|error| store_error(&flash_error(error))));
                }
                Job::Close => {
                    goes_on = false;
                    break;
                }
            }
            next = if taken < BATCH { queue.try_recv().ok() } else { None };
        }
        self.commit(replies);
        goes_on
    }

    fn apply(
        &mut self,
        reply: Reply<()>,
        replies: &mut Vec<Reply<()>>,
        act: impl Fn(&mut Storage) -> Result<(), FlashError>,
    ) {
        let mut outcome = act(&mut self.storage);
        if matches!(outcome, Err(FlashError::Uncommitted)) {
            self.commit(std::mem::take(replies));
            outcome = act(&mut self.storage);
        }
        match outcome {
            Ok(()) => replies.push(reply),
            Err(error) => {
                self.metrics.dropped("roaming-store", error.as_str());
                let _ = reply.send(Err(store_error(&error)));
            }
        }
    }

    fn commit(&mut self, replies: Vec<Reply<()>>) {
        let outcome = self.storage.raw_storage_mut().commit();
        match &outcome {
            Ok(()) if self.is_failing => info!("the roaming cache reaches the flash again"),
            Err(error) if !self.is_failing => {
                warn!(reason = error.as_str(), "the roaming cache waits in memory: {error}");
            }
            _ => {}
        }
        self.is_failing = outcome.is_err();
        let outcome = outcome.map_err(|error| store_error(&error));
        for reply in replies {
            let _ = reply.send(outcome.clone());
        }
    }
}

fn change_in(storage: &mut Storage, change: &RoamingChange) -> Result<(), FlashError> {
    match change {
        RoamingChange::Put { entry, heard } => {
            let value = EntryValue {
                counter: entry.version.counter,
                registered: entry.version.registered.0,
                office: entry.version.office.as_str(),
                is_gone: entry.presence == Presence::Gone,
                expires: entry.expires.0,
                heard: heard.0,
            };
            storage.set(&entry_name(&entry.aor), &value).map_err(flash_error)?;
        }
        RoamingChange::Forget(aor) => {
            storage.remove(&entry_name(aor)).map_err(flash_error)?;
        }
    }
    Ok(())
}

fn put_verifier(storage: &mut Storage, record: &SealedVerifier) -> Result<(), FlashError> {
    let name = verifier_name(&record.aor.extension);
    let known: Option<SealedVerifier> = storage.get(&name).ok().flatten();
    if known.is_none_or(|known| record.is_newer(&known)) {
        storage.set(&name, record).map_err(flash_error)?;
    }
    Ok(())
}

fn read(log: &FlashLog) -> Result<Stored, FlashError> {
    let mut stored = Stored::default();
    log.for_each(|name, value| {
        if let Some(owner) = name.strip_prefix(ENTRY) {
            match entry(owner, value) {
                Some(entry) => stored.entries.push(entry),
                None => stored.unreadable += 1,
            }
        }
    })?;
    Ok(stored)
}

fn entry(owner: &str, value: &[u8]) -> Option<(RoamingEntry, Second)> {
    let (home, extension) = owner.split_once('/')?;
    let value: EntryValue<'_> = postcard::from_bytes(value).ok()?;
    let office: OfficeId = value.office.parse().ok()?;
    let entry = RoamingEntry {
        aor: Aor { home: home.parse().ok()?, extension: extension.parse().ok()? },
        version: Version { counter: value.counter, registered: Second(value.registered), office },
        presence: if value.is_gone { Presence::Gone } else { Presence::Here },
        expires: Second(value.expires),
    };
    Some((entry, Second(value.heard)))
}

/// What an entry's name begins with.
const ENTRY: &str = "e/";

fn entry_name(aor: &Aor) -> String {
    format!("{ENTRY}{aor}")
}

fn verifier_name(extension: &Extension) -> String {
    format!("v/{extension}")
}

fn flash_error(error: StorageError<FlashError, postcard::Error>) -> FlashError {
    match error {
        StorageError::RawStorageError(error) => error,
        StorageError::SerdeError(_) => FlashError::Damaged,
    }
}

fn store_error(error: &FlashError) -> StoreError {
    match error {
        FlashError::DiskFull => StoreError::DiskFull,
        other => StoreError::Failed(other.to_string()),
    }
}

//! The outbox's thread.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tracing::{error, info, warn};

use super::database::{self, Book, Opened};
use super::{Accounts, Job, LONGEST_EVENT, LossReport, OutboxOptions, Outgoing, Shared};
use crate::observe::{Condition, Health};
use crate::uplink::{Losses, Offer, Outbox as Policy, OutboxLimits, Sequence, Worth};

/// How long an event waits for others to share its commit.
pub const GATHER: Duration = Duration::from_millis(2);
/// Jobs taken from the queue for one transaction.
const BATCH: usize = 1024;
/// How often a disk that refuses is tried again when nothing else comes.
const RETRY: Duration = Duration::from_secs(5);

/// The thread's state.
pub(super) struct Worker {
    directory: PathBuf,
    limits: OutboxLimits,
    health: Health,
    loss_report: LossReport,
    shared: Arc<Shared>,
    connection: Connection,
    policy: Policy,
    book: Book,
    /// Not on flash yet.
    fresh: BTreeMap<Sequence, (Worth, String)>,
    /// Still on flash.
    gone: BTreeSet<Sequence>,
    /// Whether the book differs from what is on flash.
    changed: bool,
    /// Whether the last commit failed.
    failing: bool,
    /// Whether a session is up.
    connected: bool,
}

impl Worker {
    pub(super) fn open(options: OutboxOptions, shared: Arc<Shared>) -> Self {
        let OutboxOptions { directory, limits, health, loss_report } = options;
        let Opened { connection, book, stored } = database::open(&directory, &health);
        let (policy, displaced) = Policy::restore(limits, Sequence(book.next), book.unreported, stored);
        let mut worker = Self {
            directory,
            limits,
            health,
            loss_report,
            shared,
            connection,
            policy,
            book,
            fresh: BTreeMap::new(),
            gone: displaced.into_iter().collect(),
            changed: true,
            failing: false,
            connected: false,
        };
        worker.settle_losses(worker.book.unreported);
        worker.show();
        worker
    }

    /// Works until every handle is gone or [`Job::Close`] comes.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        let mut open = true;
        while open {
            match self.next_job(queue) {
                Ok(job) => open = self.batch(job, queue),
                Err(RecvTimeoutError::Timeout) => drop(self.commit()),
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        }
        self.commit();
        if let Err(trouble) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            warn!(reason = "outbox-close", "the outbox was not closed cleanly: {trouble}");
        }
    }

    fn next_job(&self, queue: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        if self.failing {
            queue.recv_timeout(RETRY)
        } else {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    /// Carries out `first` and what waits behind it. Returns whether to go on.
    fn batch(&mut self, first: Job, queue: &Receiver<Job>) -> bool {
        if matches!(first, Job::Put(..) | Job::Acknowledged(_)) {
            std::thread::sleep(GATHER);
        }
        let mut next = Some(first);
        let mut open = true;
        let mut done = 0;
        while let Some(job) = next {
            match job {
                Job::Put(worth, document) => self.put(worth, document),
                Job::SessionBegan => self.session(true),
                Job::SessionEnded => self.session(false),
                Job::Take(most, reply) => {
                    let taken = self.take(most);
                    // A session that is gone takes its events back by `SessionEnded`.
                    let _ = reply.send(taken);
                }
                Job::Acknowledged(sequences) => self.acknowledged(&sequences),
                Job::Flush(reply) => drop(reply.send(self.commit())),
                Job::Close => open = false,
            }
            done += 1;
            next = if open && done < BATCH { queue.try_recv().ok() } else { None };
        }
        self.count_overflow();
        self.report_losses();
        self.commit();
        open
    }

    fn session(&mut self, is_up: bool) {
        self.connected = is_up;
        if is_up {
            self.policy.session_began();
        } else {
            self.policy.session_ended();
        }
    }

    fn put(&mut self, worth: Worth, document: String) {
        self.book.put = self.book.put.saturating_add(1);
        self.changed = true;
        let size = match document.len() {
            length if length <= LONGEST_EVENT => u32::try_from(length).unwrap_or(u32::MAX),
            // Larger than any limit: the policy counts it as lost.
            _ => u32::MAX,
        };
        let before = self.policy.losses();
        if let Offer::Kept { sequence, displaced } = self.policy.offer(worth, size) {
            self.fresh.insert(sequence, (worth, document));
            for victim in displaced {
                self.forget(victim);
            }
        }
        self.settle_losses(before);
    }

    fn take(&mut self, most: usize) -> Vec<Outgoing> {
        let mut taken = Vec::new();
        self.count_overflow();
        self.report_losses();
        if !self.commit() {
            return taken;
        }
        while taken.len() < most {
            let Some(next) = self.policy.dispatch() else { break };
            self.changed = true;
            match database::document(&self.connection, next.sequence) {
                Ok(Some(document)) => {
                    self.book.sent = self.book.sent.saturating_add(1);
                    taken.push(Outgoing { sequence: next.sequence, historical: next.historical, document });
                }
                Ok(None) => self.vanished(next.sequence),
                Err(trouble) => {
                    self.trouble(&trouble);
                    break;
                }
            }
        }
        taken
    }

    /// The policy knows an event that the file does not have; only damage does that.
    fn vanished(&mut self, sequence: Sequence) {
        error!(reason = "outbox-vanished", %sequence, "an event is not in the outbox's file");
        self.policy.acknowledged(sequence);
        let lost = &mut self.book.lost[Worth::Registration as usize];
        *lost = lost.saturating_add(1);
    }

    fn acknowledged(&mut self, sequences: &[Sequence]) {
        for sequence in sequences {
            if self.policy.acknowledged(*sequence) {
                self.book.acknowledged = self.book.acknowledged.saturating_add(1);
                self.forget(*sequence);
                self.changed = true;
            }
        }
    }

    fn forget(&mut self, sequence: Sequence) {
        if self.fresh.remove(&sequence).is_none() {
            self.gone.insert(sequence);
        }
    }

    /// Events that found the queue full take numbers, so that the gap shows.
    fn count_overflow(&mut self) {
        for (worth, count) in self.shared.take_overflowed() {
            for _ in 0..count {
                let before = self.policy.losses();
                self.policy.offer(worth, u32::MAX);
                self.book.put = self.book.put.saturating_add(1);
                self.settle_losses(before);
                self.changed = true;
            }
        }
    }

    /// Adds to the totals what the policy lost since `before`.
    fn settle_losses(&mut self, before: Losses) {
        let after = self.policy.losses();
        if after == before {
            return;
        }
        for worth in Worth::ALL {
            let lost = &mut self.book.lost[worth as usize];
            *lost = lost.saturating_add(after.of(worth).saturating_sub(before.of(worth)));
        }
        let words = format!("{} events were lost for lack of room and not reported yet", after.total());
        if self.health.raise(Condition::OutboxFull, &words) {
            warn!(reason = Condition::OutboxFull.as_str(), "the outbox is full: {words}");
        }
    }

    fn report_losses(&mut self) {
        let Some(losses) = self.policy.losses_to_report() else { return };
        let document = (self.loss_report)(&losses);
        let size = u32::try_from(document.len()).unwrap_or(u32::MAX);
        if let Some(sequence) = self.policy.offer_loss_report(size) {
            self.book.put = self.book.put.saturating_add(1);
            self.fresh.insert(sequence, (Worth::Audit, document));
            self.changed = true;
            self.health.clear(Condition::OutboxFull);
        }
    }

    /// Makes everything durable. Returns whether it is.
    fn commit(&mut self) -> bool {
        if self.fresh.is_empty() && self.gone.is_empty() && !self.changed {
            return true;
        }
        self.book.next = self.policy.next_sequence().0;
        self.book.unreported = self.policy.losses();
        let outcome = self.transaction();
        self.show();
        match outcome {
            Ok(()) => {
                if self.failing || !self.fresh.is_empty() {
                    self.shared.wake();
                }
                self.fresh.clear();
                self.gone.clear();
                (self.changed, self.failing) = (false, false);
                if self.connection.path().is_some_and(|path| !path.is_empty())
                    && self.health.clear(Condition::OutboxFailed)
                {
                    info!(reason = Condition::OutboxFailed.as_str(), "the outbox is on flash again");
                }
                true
            }
            Err(trouble) => {
                self.trouble(&trouble);
                false
            }
        }
    }

    fn transaction(&self) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        database::write(&transaction, self.gone.iter(), self.fresh.iter(), &self.book)?;
        transaction.commit()
    }

    fn trouble(&mut self, trouble: &rusqlite::Error) {
        self.failing = true;
        if self.health.raise(Condition::OutboxFailed, trouble.to_string()) {
            error!(reason = Condition::OutboxFailed.as_str(), "events wait in memory: {trouble}");
        }
        if database::is_damage(trouble) {
            database::set_aside(&self.directory, trouble, &self.health);
            self.begin_anew();
        }
    }

    /// Goes on with a fresh file and a new stream; what was only in the damaged one is lost. Numbers go on, so that an
    /// acknowledgement that is under way means no other event.
    fn begin_anew(&mut self) {
        let Opened { connection, book, .. } = database::open(&self.directory, &self.health);
        let kept = std::mem::take(&mut self.fresh);
        let mut lost = self.book.lost;
        let only_there = self.policy.len().saturating_sub(kept.len());
        lost[Worth::Registration as usize] =
            lost[Worth::Registration as usize].saturating_add(u64::try_from(only_there).unwrap_or(u64::MAX));
        self.book = Book { stream: book.stream, lost, ..self.book.clone() };
        self.connection = connection;
        self.gone.clear();
        let (next, unreported) = (self.policy.next_sequence(), self.policy.losses());
        (self.policy, _) = Policy::restore(self.limits, next, unreported, []);
        for (worth, document) in kept.into_values() {
            self.book.put = self.book.put.saturating_sub(1);
            self.put(worth, document);
        }
        self.session(self.connected);
        self.changed = true;
    }

    fn show(&self) {
        self.shared.show(Accounts {
            stream: self.book.stream.clone(),
            put: self.book.put,
            sent: self.book.sent,
            acknowledged: self.book.acknowledged,
            lost: self.book.lost,
            waiting: u64::try_from(self.policy.len()).unwrap_or(u64::MAX),
            bytes: self.policy.bytes(),
        });
    }
}

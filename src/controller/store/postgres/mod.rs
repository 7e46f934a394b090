//! PostgreSQL, which several controllers share.
//!
//! Work is written without `await`, as for SQLite, and runs on threads that may wait; the connections live in a small
//! runtime of their own. At most [`MOST`] are open. A connection that turns out to be dead before anything was done with
//! it is replaced without a word; while the server is away, whoever asks is told so at once and one of them tries again
//! from time to time ([`FIRST_PAUSE`] to [`LONGEST_PAUSE`]).
//!
//! Transactions are READ COMMITTED. Whoever changes links, routes or settings locks their office's row first
//! (`offices::lock`), then the others in the order office, revision, `event_seen`, `event_count`, `observed`: so two
//! controllers wait for each other and never in a circle. Should they all the same, PostgreSQL refuses one of them, and
//! its client may ask again.

mod address;
mod connect;
mod conversation;
mod tls;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Runtime};
use tokio_postgres::Client;

pub use address::Address;
pub(super) use conversation::Conversation;

use super::StoreError;
use super::rows::Rows;

/// Connections of one controller.
const MOST: usize = 8;
/// How long a transaction waits for one of them.
const PATIENCE: Duration = Duration::from_secs(5);
/// After the first failure, and after each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest time between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A database on a server.
#[derive(Debug)]
pub(super) struct Postgres {
    address: Address,
    /// Taken only to be shut down.
    runtime: Option<Runtime>,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Client>,
    /// Connections that somebody has, or is about to open.
    lent: usize,
    away: Option<Away>,
}

/// The server could not be reached.
#[derive(Debug)]
struct Away {
    why: String,
    pause: Duration,
    until: Instant,
}

/// A connection that somebody works with; given back when dropped, if it is still good.
struct Lease<'a> {
    postgres: &'a Postgres,
    client: Option<Client>,
}

impl Postgres {
    /// Connects to nothing yet: the server may come later than we do.
    pub(super) fn new(address: Address) -> Result<Self, StoreError> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name("postgres").enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self { address, runtime: Some(runtime), pool: Mutex::default(), freed: Condvar::new() })
    }

    /// Carries `work` out in one transaction. Waits: not for a thread of an asynchronous runtime.
    pub(super) fn transact<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Rows<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let runtime = self.handle()?;
        let mut lease = self.begin(&runtime)?;
        let Some(client) = lease.client.take() else { return Err(gone().into()) };
        // From here a panic drops the connection, and with it what was done.
        let rows = Rows::Postgres(Conversation::new(&client, &runtime));
        let done = work(&rows);
        let Rows::Postgres(conversation) = rows else { return Err(gone().into()) };
        let ended = match &done {
            Ok(_) => conversation.commit(),
            Err(_) => conversation.roll_back(),
        };
        if ended.is_ok() {
            lease.client = Some(client);
        }
        // What went wrong first says more than that it could not be undone; the server does that by itself.
        let done = done?;
        ended?;
        Ok(done)
    }

    /// A connection with a transaction begun. Those that died while nobody used them are dropped.
    fn begin(&self, runtime: &Handle) -> Result<Lease<'_>, StoreError> {
        let mut lease = self.lease()?;
        loop {
            let (client, is_fresh) = match lease.client.take() {
                Some(client) => (client, false),
                None => (self.connect(runtime)?, true),
            };
            match Conversation::new(&client, runtime).begin() {
                Ok(()) => {
                    lease.client = Some(client);
                    return Ok(lease);
                }
                Err(error) if is_fresh => return Err(error),
                Err(_) => lease.client = self.lock().idle.pop(),
            }
        }
    }

    fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let pool = self.lock();
        let waited = self.freed.wait_timeout_while(pool, PATIENCE, |pool| pool.lent >= MOST);
        let (mut pool, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(StoreError::Busy("every connection is in use".to_owned()));
        }
        pool.lent += 1;
        Ok(Lease { postgres: self, client: pool.idle.pop() })
    }

    /// A new connection, unless one failed just now.
    fn connect(&self, runtime: &Handle) -> Result<Client, StoreError> {
        if let Some(away) = self.lock().away.as_ref().filter(|away| Instant::now() < away.until) {
            return Err(StoreError::Away(away.why.clone()));
        }
        let connected = connect::connect(&self.address, runtime);
        let mut pool = self.lock();
        match &connected {
            Ok(_) => {
                if pool.away.take().is_some() {
                    tracing::info!("the database is back");
                }
            }
            Err(error) => {
                let longer = |away: Away| (away.pause * 2).min(LONGEST_PAUSE);
                let pause = pool.away.take().map_or(FIRST_PAUSE, longer);
                pool.away = Some(Away { why: error.clone().words(), pause, until: Instant::now() + pause });
            }
        }
        connected
    }

    fn handle(&self) -> Result<Handle, StoreError> {
        self.runtime.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(gone)
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut pool = self.postgres.lock();
        pool.lent = pool.lent.saturating_sub(1);
        pool.idle.extend(self.client.take().filter(|client| !client.is_closed()));
        drop(pool);
        self.postgres.freed.notify_one();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A runtime must not wait for its threads on a thread of another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn gone() -> StoreError {
    StoreError::Failed("the database was closed".to_owned())
}

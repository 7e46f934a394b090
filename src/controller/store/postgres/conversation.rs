//! Statements of one transaction, each with a time limit, and what their errors mean.

use std::cell::Cell as Flag;
use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::controller::store::StoreError;
use crate::controller::store::rows::{Cell, Row, Value};

/// The server ends a statement before (`statement_timeout` in `connect`): after this it is not there any more.
const LIMIT: Duration = Duration::from_secs(12);

/// A connection in a transaction.
pub(in crate::controller) struct Conversation<'a> {
    client: &'a Client,
    runtime: &'a Handle,
    /// A statement was refused: nothing of this transaction can be kept.
    has_failed: Flag<bool>,
    /// The server does not answer any more: nothing is left to be said.
    is_lost: Flag<bool>,
}

impl<'a> Conversation<'a> {
    pub(super) const fn new(client: &'a Client, runtime: &'a Handle) -> Self {
        Self { client, runtime, has_failed: Flag::new(false), is_lost: Flag::new(false) }
    }

    pub(super) fn begin(&self) -> Result<(), StoreError> {
        self.run("BEGIN")
    }

    /// The server keeps what was done. An error in between leaves it open whether it does.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        if self.has_failed.get() {
            self.roll_back()?;
            return Err(StoreError::Failed("a statement was refused, and the work went on".to_owned()));
        }
        self.run("COMMIT").map_err(|error| match error {
            StoreError::Away(why) => StoreError::Uncertain(why),
            other => other,
        })
    }

    pub(super) fn roll_back(&self) -> Result<(), StoreError> {
        if self.is_lost.get() {
            return Err(StoreError::Away("the connection was lost".to_owned()));
        }
        self.run("ROLLBACK")
    }

    pub(in crate::controller::store) fn change(
        &self,
        sql: &str,
        cells: &[Cell<'_>],
    ) -> Result<u64, StoreError> {
        let (sql, parameters) = (dialect(sql), Parameters::of(cells));
        self.wait(self.client.execute_typed(&sql, &parameters.typed()))
    }

    pub(in crate::controller::store) fn list(
        &self,
        sql: &str,
        cells: &[Cell<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let (sql, parameters) = (dialect(sql), Parameters::of(cells));
        let rows = self.wait(self.client.query_typed(&sql, &parameters.typed()))?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| failed(&error))
    }

    /// Several statements without parameters.
    pub(super) fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.wait(self.client.batch_execute(sql))
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        let done = wait(self.runtime, answer);
        self.has_failed.set(self.has_failed.get() || done.is_err());
        self.is_lost.set(self.is_lost.get() || matches!(done, Err(StoreError::Away(_))));
        done
    }
}

/// Waits for an answer of the server, not for ever.
pub(super) fn wait<T>(
    runtime: &Handle,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    match runtime.block_on(async { tokio::time::timeout(LIMIT, answer).await }) {
        Ok(answer) => answer.map_err(|error| failed(&error)),
        Err(_) => Err(StoreError::Away("the server does not answer".to_owned())),
    }
}

/// What an error of the server or of the connection means to whoever asked.
pub(super) fn failed(error: &Error) -> StoreError {
    let Some(refusal) = error.as_db_error() else {
        let words = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let is_connection = error.is_closed() || is_io(error);
        return if is_connection { StoreError::Away(words) } else { StoreError::Failed(words) };
    };
    let words = refusal.message().to_owned();
    let code = refusal.code();
    let passes = [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::LOCK_NOT_AVAILABLE,
        &SqlState::QUERY_CANCELED,
    ];
    if passes.contains(&code) {
        return StoreError::Busy(words);
    }
    // Connections, resources, an operator's intervention; a server that became a replica.
    let is_away = ["08", "53", "57", "58"].iter().any(|class| code.code().starts_with(class));
    if is_away || *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return StoreError::Away(words);
    }
    StoreError::Failed(words)
}

fn is_io(error: &Error) -> bool {
    matches!(error.source(), Some(source) if source.is::<std::io::Error>())
}

/// The parameters of a statement with their types, so that the server has to guess none.
struct Parameters<'a>(Vec<(Box<dyn ToSql + Sync + Send + 'a>, Type)>);

impl<'a> Parameters<'a> {
    fn of(cells: &'a [Cell<'a>]) -> Self {
        let typed = |cell: &'a Cell<'a>| -> (Box<dyn ToSql + Sync + Send + 'a>, Type) {
            match *cell {
                Cell::Nothing => (Box::new(None::<&str>), Type::TEXT),
                Cell::Number(number) => (Box::new(number), Type::INT8),
                // PostgreSQL's texts have no NUL; what a client writes must not be an error of the database.
                Cell::Text(text) if text.contains('\0') => {
                    (Box::new(text.replace('\0', "\u{fffd}")), Type::TEXT)
                }
                Cell::Text(text) => (Box::new(text), Type::TEXT),
                Cell::Bytes(bytes) => (Box::new(bytes), Type::BYTEA),
            }
        };
        Self(cells.iter().map(typed).collect())
    }

    fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
    }
}

/// Parameters as PostgreSQL writes them; no statement of ours has a question mark of another meaning.
fn dialect(sql: &str) -> String {
    sql.replace('?', "$")
}

fn read(row: &tokio_postgres::Row) -> Result<Row, Error> {
    let columns = row.columns().iter().enumerate();
    let values = columns.map(|(place, column)| {
        Ok(match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(place)?.map_or(Value::Nothing, Value::Number),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(place)?.map_or(Value::Nothing, Value::Bytes),
            _ => row.try_get::<_, Option<String>>(place)?.map_or(Value::Nothing, Value::Text),
        })
    });
    values.collect::<Result<_, _>>().map(Row)
}

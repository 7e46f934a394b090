//! The outbox's file.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::observe::{Condition, Health};
use crate::shell::{clock, durable, hex};
use crate::uplink::{Losses, Sequence, Stored, Worth};

const FILE: &str = "outbox.db";
/// The schema that this code writes (`PRAGMA user_version`).
const SCHEMA: i64 = 1;
const TABLES: &str = "
    CREATE TABLE event (sequence INTEGER PRIMARY KEY, worth INTEGER NOT NULL, document TEXT NOT NULL);
    CREATE TABLE book (page INTEGER PRIMARY KEY CHECK (page = 1), document TEXT NOT NULL);
";

/// What is written beside the events, in the same transaction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Book {
    /// The stream's name.
    pub(super) stream: String,
    /// The number that the next event has.
    pub(super) next: u64,
    pub(super) put: u64,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    /// By worth, least first.
    pub(super) lost: [u64; 4],
    /// Losses not reported yet.
    pub(super) unreported: Losses,
}

/// An open file and what was in it.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) book: Book,
    pub(super) stored: Vec<Stored>,
}

/// Opens the file in `directory`; sets it aside if it is damaged; goes on in memory if nothing else helps.
pub(super) fn open(directory: &Path, health: &Health) -> Opened {
    let opened = open_file(directory).or_else(|trouble| {
        if !is_damage(&trouble) {
            return Err(trouble);
        }
        set_aside(directory, &trouble, health);
        open_file(directory)
    });
    opened.unwrap_or_else(|trouble| {
        error!(
            reason = Condition::OutboxFailed.as_str(),
            "no outbox on flash, going on in memory: {trouble}"
        );
        health.raise(Condition::OutboxFailed, trouble.to_string());
        in_memory()
    })
}

/// Writes a batch.
pub(super) fn write<'a>(
    transaction: &Transaction<'_>,
    gone: impl Iterator<Item = &'a Sequence>,
    fresh: impl Iterator<Item = (&'a Sequence, &'a (Worth, String))>,
    book: &Book,
) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached("DELETE FROM event WHERE sequence = ?1")?;
    for sequence in gone {
        delete.execute([to_sql(*sequence)])?;
    }
    let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3)")?;
    for (sequence, (worth, document)) in fresh {
        insert.execute(params![to_sql(*sequence), *worth as u8, document])?;
    }
    put_book(transaction, book)
}

/// The document of an event.
pub(super) fn document(connection: &Connection, sequence: Sequence) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT document FROM event WHERE sequence = ?1")?;
    statement.query_row([to_sql(sequence)], |row| row.get(0)).optional()
}

/// Whether `error` says that the file itself is bad.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Sets the damaged file aside under a dated name.
pub(super) fn set_aside(directory: &Path, trouble: &rusqlite::Error, health: &Health) {
    let aside = directory.join(format!("{FILE}.damaged-{}", clock::wall().seconds()));
    error!(reason = Condition::OutboxFailed.as_str(), aside = %aside.display(), "the outbox is damaged: {trouble}");
    health.raise(Condition::OutboxFailed, format!("damaged and set aside: {trouble}"));
    for suffix in ["", "-wal", "-shm"] {
        let from = directory.join(format!("{FILE}{suffix}"));
        // What cannot be moved shows when the file is opened again.
        let _ = fs::rename(&from, PathBuf::from(format!("{}{suffix}", aside.display())));
    }
}

fn open_file(directory: &Path) -> rusqlite::Result<Opened> {
    let file = directory.join(FILE);
    prepare(directory, &file).map_err(|error| refused(format!("{}: {error}", file.display())))?;
    let connection = Connection::open(&file)?;
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")?;
    match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
        0 => connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version={SCHEMA}; COMMIT;"))?,
        SCHEMA => {}
        newer => return Err(refused(format!("schema {newer} is of a newer Branchline"))),
    }
    read(connection)
}

fn read(connection: Connection) -> rusqlite::Result<Opened> {
    let page: Option<String> =
        connection.query_row("SELECT document FROM book", [], |row| row.get(0)).optional()?;
    let mut book = page.and_then(|page| serde_json::from_str::<Book>(&page).ok()).unwrap_or_default();
    if book.stream.is_empty() {
        book.stream = new_stream();
        put_book(&connection, &book)?;
    }
    let stored = {
        let mut statement = connection.prepare("SELECT sequence, worth, length(document) FROM event")?;
        let rows = statement.query_map([], |row| {
            let worth = usize::try_from(row.get::<_, i64>(1)?).unwrap_or(usize::MAX);
            Ok(Stored {
                sequence: Sequence(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0)),
                worth: Worth::ALL.get(worth).copied().unwrap_or(Worth::Registration),
                size: u32::try_from(row.get::<_, i64>(2)?).unwrap_or(u32::MAX),
            })
        })?;
        rows.collect::<Result<_, _>>()?
    };
    Ok(Opened { connection, book, stored })
}

/// A database that lives as long as the process.
///
/// SQLite opens one without touching a disk; where even that fails there is no memory left.
fn in_memory() -> Opened {
    let connection = Connection::open_in_memory().expect("invariant: SQLite opens a database in memory");
    connection.execute_batch(TABLES).expect("invariant: the schema is valid SQL");
    let book = Book { stream: new_stream(), ..Book::default() };
    Opened { connection, book, stored: Vec::new() }
}

fn put_book(connection: &Connection, book: &Book) -> rusqlite::Result<()> {
    let page = serde_json::to_string(book).map_err(|error| refused(error.to_string()))?;
    connection.prepare_cached("INSERT OR REPLACE INTO book VALUES (1, ?1)")?.execute([page]).map(drop)
}

/// Makes the directory and, before SQLite does, the file: readable by its owner alone.
fn prepare(directory: &Path, file: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
    if !file.exists() {
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        durable::own_like(file, directory)?;
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn new_stream() -> String {
    let mut bytes = [0; 8];
    match ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes) {
        Ok(()) => hex::hex(&bytes),
        // Without chance the clock tells streams apart.
        Err(_) => format!("{:016x}", clock::wall().0),
    }
}

fn refused(why: String) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(why.into())
}

fn to_sql(sequence: Sequence) -> i64 {
    i64::try_from(sequence.0).unwrap_or(i64::MAX)
}

//! The log: values by name in one file.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::FlashError;
use super::figures::FlashCounters;
use super::record::{Kind, LONGEST_NAME, LONGEST_VALUE, Record, Scanner};

/// What a file begins with; the last byte is the version.
pub(super) const PREAMBLE: [u8; 8] = *b"brlogs\x00\x01";
/// Bytes that may wait to be committed.
const MOST_UNCOMMITTED: usize = 1024 * 1024;
/// Only the owner reads it: what users are where is personal.
const MODE: u32 = 0o600;
/// How long a lock that is held is asked for.
const LOCK_TIME: Duration = Duration::from_millis(500);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct FlashOptions {
    /// The file; made if absent. Its directory is there.
    pub path: PathBuf,
    /// Most bytes of records that count. The file grows to twice as much, and to three times while it is written anew.
    pub max_bytes: u64,
    /// Below this size the file is not written anew.
    pub renew_above: u64,
}

/// Where a name's record lies. What has not been committed lies behind the file's end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    pub(super) offset: u32,
    pub(super) length: u32,
}

/// Values by name in one file.
///
/// Names are held as two keyed hashes of 64 bits: no two names meet before the flash's own checksum fails.
#[derive(Debug)]
pub struct FlashLog {
    pub(super) options: FlashOptions,
    pub(super) file: File,
    /// Held for its lock.
    _lock: File,
    hashers: [RandomState; 2],
    pub(super) index: HashMap<[u64; 2], Location>,
    /// Bytes of the file that are committed.
    pub(super) end: u64,
    /// What was set since; it follows `end`.
    pub(super) uncommitted: Vec<u8>,
    pub(super) live: u64,
    sequence: u64,
    /// The file is not written anew below this size.
    pub(super) renew_at: u64,
    /// A rename that may not be on flash yet.
    pub(super) is_directory_stale: bool,
    pub(super) counters: FlashCounters,
}

impl FlashLog {
    /// Opens a log, or begins one.
    pub fn open(options: FlashOptions) -> Result<Self, FlashError> {
        let lock = lock(&options.path)?;
        let _ = fs::remove_file(beside(&options.path, ".new"));
        let is_new = !options.path.exists();
        let mut file = open_file(&options.path)?;
        let counters = FlashCounters::default();
        if is_new || file.metadata()?.len() == 0 {
            file.write_all(&PREAMBLE)?;
            file.sync_all()?;
            sync_directory(&options.path)?;
            counters.wrote(PREAMBLE.len() as u64);
            counters.synced();
        }
        let mut log = Self {
            renew_at: options.renew_above,
            options,
            file,
            _lock: lock,
            hashers: [RandomState::new(), RandomState::new()],
            index: HashMap::new(),
            end: PREAMBLE.len() as u64,
            uncommitted: Vec::new(),
            live: 0,
            sequence: 0,
            is_directory_stale: false,
            counters,
        };
        log.load()?;
        Ok(log)
    }

    /// Handles on the counts.
    pub fn counters(&self) -> FlashCounters {
        self.counters.clone()
    }

    /// Names that have a value.
    pub fn names(&self) -> usize {
        self.index.len()
    }

    /// Bytes of memory that the index takes, about.
    pub fn memory(&self) -> usize {
        let buckets = (self.index.capacity() * 8 / 7).next_power_of_two();
        buckets * (size_of::<([u64; 2], Location)>() + 1) + self.uncommitted.capacity()
    }

    /// Makes durable all that was set. After an error it waits, and the next call writes it too.
    pub fn commit(&mut self) -> Result<(), FlashError> {
        if self.is_directory_stale {
            sync_directory(&self.options.path)?;
            self.is_directory_stale = false;
        }
        if !self.uncommitted.is_empty() {
            // At the same place again after a failure: what a failed sync left in the cache cannot be trusted.
            self.file.write_all_at(&self.uncommitted, self.end)?;
            self.counters.wrote(self.uncommitted.len() as u64);
            self.file.sync_data()?;
            self.counters.synced();
            self.end += self.uncommitted.len() as u64;
            self.uncommitted.clear();
            self.uncommitted.shrink_to(MOST_UNCOMMITTED / 16);
        }
        self.renew_if_worthwhile();
        self.note_sizes();
        Ok(())
    }

    /// Every name and value that counts, in the order in which they were written. What is damaged is passed over.
    pub fn for_each(&self, mut each: impl FnMut(&str, &[u8])) -> Result<(), FlashError> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(PREAMBLE.len() as u64))?;
        let mut scanner =
            Scanner::new(io::Read::take(file, self.end - PREAMBLE.len() as u64), PREAMBLE.len() as u64);
        while let Some((offset, record)) = scanner.next()? {
            if self.is_current(&record, offset)
                && let Ok(name) = str::from_utf8(record.name)
            {
                each(name, record.value);
            }
        }
        let mut rest = &self.uncommitted[..];
        let mut offset = self.end;
        while let Some(record) = Record::read(rest) {
            if self.is_current(&record, offset)
                && let Ok(name) = str::from_utf8(record.name)
            {
                each(name, record.value);
            }
            offset += record.length() as u64;
            rest = rest.get(record.length()..).unwrap_or_default();
        }
        Ok(())
    }

    pub(super) fn key(&self, name: &[u8]) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(name))
    }

    pub(super) fn location(&self, name: &str) -> Option<Location> {
        self.index.get(&self.key(name.as_bytes())).copied()
    }

    /// Appends a record; it is in force at once. Returns whether the name had a value.
    pub(super) fn append(&mut self, kind: Kind, name: &str, value: &[u8]) -> Result<bool, FlashError> {
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(FlashError::Name(name.len()));
        }
        if value.len() > LONGEST_VALUE {
            return Err(FlashError::Value(value.len()));
        }
        let record = Record { kind, sequence: self.sequence + 1, name: name.as_bytes(), value };
        let (length, before) = (record.length(), self.location(name).map_or(0, |one| u64::from(one.length)));
        if self.uncommitted.len() + length > MOST_UNCOMMITTED {
            return Err(FlashError::Uncommitted);
        }
        if kind == Kind::Put && self.live - before + length as u64 > self.options.max_bytes {
            return Err(FlashError::Full);
        }
        let offset = self.end + self.uncommitted.len() as u64;
        record.write(&mut self.uncommitted);
        self.sequence += 1;
        Ok(self.enter(kind, self.key(name.as_bytes()), offset, length))
    }

    /// The record of a name, whole, into `buffer`.
    pub(super) fn record_bytes(&self, location: Location, buffer: &mut Vec<u8>) -> Result<(), FlashError> {
        let (offset, length) = (u64::from(location.offset), location.length as usize);
        buffer.clear();
        if let Some(from) = offset.checked_sub(self.end) {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let bytes = self.uncommitted.get(from..from.saturating_add(length)).ok_or(FlashError::Damaged)?;
            buffer.extend_from_slice(bytes);
        } else {
            buffer.resize(length, 0);
            self.file.read_exact_at(buffer, offset)?;
        }
        Ok(())
    }

    pub(super) fn note_sizes(&self) {
        self.counters.set_sizes(self.live, self.end, self.index.len());
    }

    fn load(&mut self) -> Result<(), FlashError> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let mut preamble = [0; PREAMBLE.len()];
        let is_whole = io::Read::read_exact(&mut file, &mut preamble).is_ok();
        let [.., version] = preamble;
        if is_whole && preamble[..7] == PREAMBLE[..7] && version > PREAMBLE[7] {
            return Err(FlashError::Newer(version));
        }
        if preamble != PREAMBLE {
            self.counters.damaged(preamble.len() as u64);
            self.renew_at = 0;
        }
        let size = self.file.metadata()?.len();
        let mut scanner = Scanner::new(file, PREAMBLE.len() as u64);
        while let Some((offset, record)) = scanner.next()? {
            let (kind, sequence, length) = (record.kind, record.sequence, record.length());
            let key = self.hashers.each_ref().map(|hasher| hasher.hash_one(record.name));
            self.enter(kind, key, offset, length);
            self.sequence = self.sequence.max(sequence);
            self.end = offset + length as u64;
        }
        self.counters.damaged(scanner.damaged);
        if scanner.damaged > 0 {
            self.renew_at = 0;
        }
        if size > self.end {
            // A torn tail: what is written next must not be read together with it.
            self.file.set_len(self.end)?;
        }
        self.note_sizes();
        Ok(())
    }

    fn enter(&mut self, kind: Kind, key: [u64; 2], offset: u64, length: usize) -> bool {
        let location = Location {
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            length: u32::try_from(length).unwrap_or(u32::MAX),
        };
        let before = match kind {
            Kind::Put => self.index.insert(key, location),
            Kind::Remove => self.index.remove(&key),
        };
        self.live -= before.map_or(0, |one| u64::from(one.length));
        if kind == Kind::Put {
            self.live += u64::from(location.length);
        }
        before.is_some()
    }

    fn is_current(&self, record: &Record<'_>, offset: u64) -> bool {
        let known = self.index.get(&self.key(record.name));
        record.kind == Kind::Put && known.is_some_and(|known| u64::from(known.offset) == offset)
    }
}

pub(super) fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)
}

/// The same path with something behind its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Takes the lock. One that is held is asked for again for [`LOCK_TIME`]: a former owner may be ending, and a child of it
/// holds the lock too from its fork to its exec.
fn lock(path: &Path) -> Result<File, FlashError> {
    let lock = open_file(&beside(path, ".lock"))?;
    let end = Instant::now() + LOCK_TIME;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(FlashError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

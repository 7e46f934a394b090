//! What can go wrong with the flash.

use std::io;

/// Why something was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// The file system has no room. What was set waits in memory and is written by the next commit that succeeds.
    #[error("the disk is full")]
    DiskFull,
    /// The log's own limit is reached; the change was not taken.
    #[error("the log is full")]
    Full,
    /// Too much waits to be committed; the change was not taken.
    #[error("too much waits to be committed")]
    Uncommitted,
    /// The name is empty or longer than 255 bytes; the change was not taken.
    #[error("the name has {0} bytes; expected 1 to 255")]
    Name(usize),
    /// The value is longer than a record may be; the change was not taken.
    #[error("the value has {0} bytes; expected at most 65535")]
    Value(usize),
    /// The buffer is too small for the value.
    #[error("the value has {0} bytes, more than there is room for")]
    Buffer(usize),
    /// The record is damaged on flash.
    #[error("the record is damaged")]
    Damaged,
    /// Another process has the log open.
    #[error("another process has the log open")]
    InUse,
    /// A newer Branchline wrote the log; it is left alone.
    #[error("the log has version {0}, made by a newer Branchline")]
    Newer(u8),
    /// The file could not be read or written. What was set waits as after [`Self::DiskFull`].
    #[error("the log could not be read or written: {0}")]
    Io(io::Error),
}

impl FlashError {
    /// The label in metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::DiskFull => "disk-full",
            Self::Full => "full",
            Self::Uncommitted => "uncommitted",
            Self::Name(_) => "bad-name",
            Self::Value(_) => "value-too-long",
            Self::Buffer(_) => "buffer-too-small",
            Self::Damaged => "damaged",
            Self::InUse => "in-use",
            Self::Newer(_) => "newer",
            Self::Io(_) => "io",
        }
    }
}

impl From<io::Error> for FlashError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

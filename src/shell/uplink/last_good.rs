//! The route sets on flash: the one in force, the last that was confirmed before it, and what was refused for good.
//!
//! One file, replaced as a whole, so that a power cut leaves the old state or the new one. The documents are kept as they
//! were signed, and are verified again when they are read: whoever can write the flash still cannot make routes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::shell::durable;
use crate::uplink::probation::Vitals;
use crate::uplink::route_set::{LONGEST_SET, RouteSet};
use crate::uplink::{Because, Digest, SetName, Watermark};

const FILE: &str = "routes.json";
/// Two sets, each character of which may have been escaped.
const LONGEST: u64 = 4 * LONGEST_SET as u64 + (64 << 10);

/// A set and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct KeptSet {
    /// As it was signed.
    pub(super) document: String,
    pub(super) digest: Digest,
}

impl KeptSet {
    pub(super) fn new(set: &RouteSet, digest: Digest) -> Self {
        Self { document: String::from_utf8_lossy(&set.write()).into_owned(), digest }
    }
}

/// The probation of the set in force, which must go on after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Trial {
    pub(super) before: Vitals,
    pub(super) length_ms: u64,
    /// How often the daemon was started since it began.
    pub(super) starts: u32,
}

impl Trial {
    pub(super) const fn length(&self) -> Duration {
        Duration::from_millis(self.length_ms)
    }
}

/// The set that gave way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RolledBack {
    pub(super) asked: SetName,
    pub(super) because: Because,
}

/// What is on flash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Kept {
    pub(super) watermark: Watermark,
    pub(super) current: Option<KeptSet>,
    /// The last confirmed one before it.
    pub(super) previous: Option<KeptSet>,
    pub(super) trial: Option<Trial>,
    /// The last thing that happened was a roll-back.
    pub(super) rolled_back: Option<RolledBack>,
}

/// The file.
#[derive(Clone, Debug)]
pub(super) struct LastGood {
    path: PathBuf,
}

impl LastGood {
    pub(super) fn in_directory(directory: &Path) -> Self {
        Self { path: directory.join(FILE) }
    }

    /// What is there; nothing when there is no file.
    pub(super) fn read(&self) -> io::Result<Kept> {
        let length = match fs::metadata(&self.path) {
            Ok(about) => about.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(error),
        };
        if length > LONGEST {
            return Err(io::Error::other("longer than two route sets can be"));
        }
        serde_json::from_slice(&fs::read(&self.path)?).map_err(io::Error::other)
    }

    /// Replaces what is there. Blocks until it is on flash.
    pub(super) fn write(&self, kept: &Kept) -> io::Result<()> {
        let bytes = serde_json::to_vec(kept).map_err(io::Error::other)?;
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        durable::replace_file(&self.path, &bytes, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_is_nothing() {
        let directory = std::env::temp_dir().join(format!("bl-last-good-{}", std::process::id()));
        let file = LastGood::in_directory(&directory);
        assert_eq!(file.read().unwrap(), Kept::default());
        let digest = Digest::of(b"x");
        let kept = Kept {
            watermark: Watermark { in_force: Some(digest), highest: None },
            current: Some(KeptSet { document: "{\"é\":\"\\\"\"}".to_owned(), digest }),
            trial: Some(Trial { before: Vitals::default(), length_ms: 60_000, starts: 1 }),
            ..Kept::default()
        };
        file.write(&kept).unwrap();
        assert_eq!(file.read().unwrap(), kept);
        fs::write(directory.join(FILE), b"{\"current\":").unwrap();
        assert!(file.read().is_err());
        fs::remove_dir_all(directory).unwrap();
    }
}

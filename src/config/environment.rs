//! What systemd hands over by environment: directories and credentials.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where systemd puts the unit's credentials when we run outside of it (`branchline check`).
const UNIT_CREDENTIALS: &str = "/run/credentials/branchline.service";

/// The part of the environment that configuration depends on (systemd.exec(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `CREDENTIALS_DIRECTORY`
    pub credentials: Option<PathBuf>,
    /// `STATE_DIRECTORY`
    pub state: Option<PathBuf>,
    /// `RUNTIME_DIRECTORY`
    pub runtime: Option<PathBuf>,
    /// Whether standard error is the journal (`JOURNAL_STREAM`).
    pub journal: bool,
}

impl Environment {
    /// This process's.
    pub fn of_process() -> Self {
        let first = |name: &str| std::env::var_os(name).and_then(|value| first_path(&value));
        Self {
            credentials: first("CREDENTIALS_DIRECTORY"),
            state: first("STATE_DIRECTORY"),
            runtime: first("RUNTIME_DIRECTORY"),
            journal: std::env::var("JOURNAL_STREAM").is_ok_and(|stream| is_standard_error(&stream)),
        }
    }

    /// Where programs of this user keep state: `XDG_STATE_HOME`, else `~/.local/state` (XDG base directories).
    pub fn user_state() -> Option<PathBuf> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))
    }

    /// The path meant by `written`: an absolute path, or `credential:NAME`.
    pub(crate) fn resolve(&self, written: &str) -> Result<PathBuf, String> {
        let expected = || format!("expected an absolute path or \"credential:NAME\", found \"{written}\"");
        match written.strip_prefix("credential:") {
            Some(name) => {
                let valid = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
                let directory = self.credentials.as_deref().unwrap_or(Path::new(UNIT_CREDENTIALS));
                if valid { Ok(directory.join(name)) } else { Err(expected()) }
            }
            None if Path::new(written).is_absolute() => Ok(written.into()),
            None => Err(expected()),
        }
    }
}

/// systemd joins several directories with colons; the first is the unit's own.
fn first_path(value: &OsStr) -> Option<PathBuf> {
    let first = std::env::split_paths(value).next()?;
    first.is_absolute().then_some(first)
}

/// Whether `stream` (device and inode, joined by a colon) is our standard error: a unit may have it sent
/// elsewhere.
fn is_standard_error(stream: &str) -> bool {
    let own = std::fs::metadata("/proc/self/fd/2").map(|about| format!("{}:{}", about.dev(), about.ino()));
    own.is_ok_and(|own| own == stream)
}

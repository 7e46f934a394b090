//! The key that signs the pages' session tokens, kept over restarts so that nobody must sign in again.

use std::path::Path;

use tracing::warn;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::random;
use crate::api::SessionKey;
use crate::config::read_key;
use crate::shell::durable::replace_file;

const LENGTH: usize = 32;

/// Reads `session.key` in `directory`; makes it if it is not there or of no use. A key that cannot be kept serves
/// until the next restart.
pub(super) fn load_or_make(directory: &Path) -> Result<SessionKey, Failure> {
    let path = directory.join("session.key");
    if let Ok(bytes) = read_key(&path)
        && let Some(key) = bytes.first_chunk::<LENGTH>()
        && bytes.len() == LENGTH
    {
        return Ok(SessionKey::new(*key));
    }
    let key = Zeroizing::new(random()?);
    let kept = std::fs::create_dir_all(directory).and_then(|()| replace_file(&path, &*key, 0o600));
    if let Err(error) = kept {
        warn!(
            reason = "session-key",
            "{}: {error}; pages must sign in again after a restart",
            path.display()
        );
    }
    Ok(SessionKey::new(*key))
}

//! The files that show our extensions to Asterisk, written where the configuration says.

use std::path::Path;

use tracing::{info, warn};

use crate::asterisk::{MirroredExtension, render};
use crate::config::Config;
use crate::engine::registrar::Accounts;
use crate::observe::{Condition, Health};
use crate::shell::durable::replace_file;

/// Writes them, if a directory is configured and they are not there as they should be.
pub(super) async fn write(config: &Config, accounts: &Accounts, health: &Health) {
    let Some(directory) = config.asterisk.as_ref().and_then(|asterisk| asterisk.config_dir.clone()) else {
        return;
    };
    let mut extensions: Vec<_> = accounts
        .iter()
        .map(|account| MirroredExtension {
            number: account.extension.to_string(),
            name: account.display_name.clone().unwrap_or_default(),
        })
        .collect();
    extensions.sort_by(|a, b| a.number.cmp(&b.number));
    let written = tokio::task::spawn_blocking(move || write_changed(&directory, &extensions));
    match written.await.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(changed) => {
            health.clear(Condition::AsteriskMirrorFailed);
            if changed > 0 {
                info!(files = changed, "Asterisk's view of the extensions was written; it must reload PJSIP");
            }
        }
        Err(words) => {
            health.raise(Condition::AsteriskMirrorFailed, &words);
            warn!(reason = Condition::AsteriskMirrorFailed.as_str(), "{words}");
        }
    }
}

/// Writes those that differ from what is there. Returns how many.
fn write_changed(directory: &Path, extensions: &[MirroredExtension]) -> Result<usize, String> {
    let mut changed = 0;
    for file in render(extensions) {
        let path = directory.join(file.name);
        if std::fs::read(&path).is_ok_and(|old| old == file.text.as_bytes()) {
            continue;
        }
        replace_file(&path, file.text.as_bytes(), 0o644)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        changed += 1;
    }
    Ok(changed)
}

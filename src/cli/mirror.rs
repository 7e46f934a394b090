//! `branchline asterisk render`.

use std::io::Write;

use super::arguments::Asterisk;
use super::{Failure, extension};
use crate::asterisk::{MirroredExtension, render};
use crate::config::Config;
use crate::shell::durable::replace_file;

/// Writes the files that show our extensions to Asterisk.
pub(super) fn asterisk(wish: &Asterisk, config: &Config, out: &mut dyn Write) -> Result<(), Failure> {
    let Asterisk::Render(wish) = wish;
    let configured = config.asterisk.as_ref().and_then(|asterisk| asterisk.config_dir.as_ref());
    let directory = wish.out.as_ref().or(configured).ok_or_else(|| {
        Failure::Usage("where to? Use --out DIR, or set config-dir in [asterisk]".to_owned())
    })?;
    let accounts = extension::open(config)?.accounts().wait()?;
    let extensions: Vec<_> = accounts
        .into_iter()
        .map(|row| MirroredExtension { number: row.extension, name: row.display_name })
        .collect();
    for file in render(&extensions) {
        let path = directory.join(file.name);
        replace_file(&path, file.text.as_bytes(), 0o644).map_err(|error| {
            std::io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
        })?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

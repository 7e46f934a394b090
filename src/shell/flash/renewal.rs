//! Writing the file anew: only the records that count, in a new file that takes the old one's place by a rename.
//!
//! Whenever the power fails, one of the two is there, and both hold all that was committed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use super::error::FlashError;
use super::log::{FlashLog, Location, PREAMBLE, beside, open_file, sync_directory};
use super::record::Record;

/// Bytes written at once.
const BUFFER: usize = 256 * 1024;

impl FlashLog {
    /// Writes the file anew when less than half of it counts, or some of it is damaged. Nothing waits to be committed.
    pub(super) fn renew_if_worthwhile(&mut self) {
        let is_wasteful = self.end > 2 * self.live + PREAMBLE.len() as u64 || self.renew_at == 0;
        if self.end <= self.renew_at || !is_wasteful || !self.uncommitted.is_empty() {
            return;
        }
        let renewed = self.renew();
        self.counters.renewed(renewed.is_ok());
        // After a failure the file may grow by half before the next try, so that a full disk is not kept busy.
        self.renew_at = match renewed {
            Ok(()) => self.options.renew_above,
            Err(_) => self.end + self.end / 2,
        };
    }

    fn renew(&mut self) -> Result<(), FlashError> {
        let temporary = beside(&self.options.path, ".new");
        let written = self.write_anew(&temporary);
        let (file, places, end, live) = match written {
            Ok(written) => written,
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                return Err(error);
            }
        };
        if let Err(error) = fs::rename(&temporary, &self.options.path) {
            let _ = fs::remove_file(&temporary);
            return Err(error.into());
        }
        self.file = file;
        self.index.retain(|key, _| places.binary_search_by_key(key, |(key, _)| *key).is_ok());
        for (key, location) in places {
            self.index.insert(key, location);
        }
        (self.end, self.live) = (end, live);
        // From here on the new file is the log; a commit is good only once the directory says so too.
        self.is_directory_stale = true;
        sync_directory(&self.options.path)?;
        self.is_directory_stale = false;
        self.counters.synced();
        Ok(())
    }

    /// The new file, durable, and where each name lies in it, by key.
    #[expect(clippy::type_complexity, reason = "taken apart at once")]
    fn write_anew(&self, path: &Path) -> Result<(File, Vec<([u64; 2], Location)>, u64, u64), FlashError> {
        let file = open_file(path)?;
        file.set_len(0)?;
        let mut places: Vec<_> = self.index.iter().map(|(key, location)| (*key, *location)).collect();
        places.sort_unstable_by_key(|(_, location)| location.offset);
        let mut out = BufWriter::with_capacity(BUFFER, &file);
        out.write_all(&PREAMBLE)?;
        let mut end = PREAMBLE.len() as u64;
        let mut bytes = Vec::new();
        let mut kept = Vec::with_capacity(places.len());
        for (key, location) in places {
            self.record_bytes(location, &mut bytes)?;
            if Record::read(&bytes).is_none() {
                self.counters.damaged(bytes.len() as u64);
                continue;
            }
            out.write_all(&bytes)?;
            kept.push((key, Location { offset: u32::try_from(end).unwrap_or(u32::MAX), ..location }));
            end += bytes.len() as u64;
        }
        out.flush()?;
        drop(out);
        self.counters.wrote(end);
        file.sync_all()?;
        self.counters.synced();
        kept.sort_unstable_by_key(|(key, _)| *key);
        Ok((file, kept, end, end - PREAMBLE.len() as u64))
    }
}

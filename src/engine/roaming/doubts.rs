//! Older entries that were heard although a newer one is known here: the broker keeps the last that was published, not
//! the newest.
//!
//! Who wrote the newer one, and the home office, put that right at once. If neither does, any other office does, each after
//! a delay of its own, so that hundreds do not speak at once; the first to speak dispels the doubts of the rest.

use std::collections::BTreeMap;

use super::aor::Aor;
use super::entry::Second;
use crate::engine::numbering::OfficeId;

/// Doubts kept at most; more are left to other offices.
const MOST: usize = 1024;
/// The shortest delay, and the step between the delays of different offices, in seconds.
const STEP: u32 = 60;
/// How many delays there are.
const STEPS: u32 = 8;

/// An extension is put right at once no more often than this, in seconds: old entries may come in bursts.
const PAUSE: u32 = 30;

/// Extensions of which something older was heard, and when to say what is known.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    due: BTreeMap<Aor, Second>,
    corrected: BTreeMap<Aor, Second>,
}

impl Doubts {
    pub(super) fn raise(&mut self, aor: Aor, own: OfficeId, now: Second) {
        if self.due.len() < MOST {
            let delay = STEP * (1 + own_number(own, &aor) % STEPS);
            self.due.entry(aor).or_insert(Second(now.0.saturating_add(delay)));
        }
    }

    pub(super) fn dispel(&mut self, aor: &Aor) {
        self.due.remove(aor);
    }

    /// Whether the extension may be put right at once; then that is taken note of.
    pub(super) fn may_correct(&mut self, aor: &Aor, now: Second) -> bool {
        let is_recent = |at: &Second| now.0.abs_diff(at.0) < PAUSE;
        if self.corrected.get(aor).is_some_and(is_recent) {
            return false;
        }
        if self.corrected.len() >= MOST {
            self.corrected.retain(|_, at| is_recent(at));
        }
        if self.corrected.len() >= MOST {
            return false;
        }
        self.corrected.insert(aor.clone(), now);
        true
    }

    /// The next one whose time has come.
    pub(super) fn due(&mut self, now: Second) -> Option<Aor> {
        let aor = self.due.iter().find(|(_, due)| **due <= now).map(|(aor, _)| aor.clone())?;
        self.due.remove(&aor);
        Some(aor)
    }
}

/// A number that differs from office to office (FNV-1a).
fn own_number(own: OfficeId, aor: &Aor) -> u32 {
    let bytes = own.as_str().bytes().chain(aor.extension.as_str().bytes());
    bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

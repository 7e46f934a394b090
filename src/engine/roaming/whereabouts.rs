//! Where to call an extension, and how old that knowledge is.

use std::time::Duration;

use super::aor::Aor;
use super::cache::Roaming;
use super::entry::Second;
use crate::engine::numbering::{Extension, OfficeId};
use crate::time::WallTime;

/// Where to call an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In this office: ring its devices.
    Local,
    /// In an office that is not its home, nor this one: call there; home is the second choice.
    Visiting {
        /// The office.
        office: OfficeId,
        /// How long ago that was last known to be so.
        age: Duration,
    },
    /// At home in another office, or nothing better is known: call there.
    Home {
        /// The home office.
        office: OfficeId,
        /// How long ago an office last said where the user is or was; `None` when none ever did.
        age: Option<Duration>,
    },
}

impl Whereabouts {
    /// How old the knowledge is; `None` when nothing is known, zero for what is here.
    pub const fn age(&self) -> Option<Duration> {
        match self {
            Self::Local => Some(Duration::ZERO),
            Self::Visiting { age, .. } => Some(*age),
            Self::Home { age, .. } => *age,
        }
    }
}

impl Roaming {
    /// Where to call an extension at `now`.
    pub fn locate(&self, aor: &Aor, now: WallTime) -> Whereabouts {
        let second = Second::of(now);
        let slot = self.slot(aor);
        let age = slot.map(|slot| self.age(Second(slot.heard), second));
        match slot.and_then(|slot| self.host(slot, second)) {
            Some(office) if office == self.own() => Whereabouts::Local,
            Some(office) if office != aor.home => {
                Whereabouts::Visiting { office, age: age.unwrap_or_default() }
            }
            _ if aor.home == self.own() => Whereabouts::Local,
            _ => Whereabouts::Home { office: aor.home, age },
        }
    }

    /// Whose extension a number is, as far as entries tell; of two homes that gave out one number, the one whose user
    /// signed in last.
    pub fn find(&self, extension: &Extension) -> Option<Aor> {
        let found = self.with_extension(extension);
        found.max_by_key(|entry| (entry.version.registered, entry.aor.home)).map(|entry| entry.aor)
    }

    fn age(&self, heard: Second, now: Second) -> Duration {
        now.since(self.confirmed().map_or(heard, |confirmed| confirmed.max(heard)))
    }
}

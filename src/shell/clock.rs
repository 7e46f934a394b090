//! The one place where the clocks are read for the pure rooms.

use std::time::{Instant, SystemTime};

use crate::time::{Now, WallTime};

/// Both clocks, read together.
pub fn now() -> Now {
    Now { instant: Instant::now(), wall: wall() }
}

/// The wall clock; 1970 when it is set before that.
pub fn wall() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

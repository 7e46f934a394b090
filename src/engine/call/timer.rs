//! The timers of calls.

use super::id::CallId;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Devices have rung long enough.
    Ring,
    /// The way to a link's peer took too long.
    Connect,
    /// The attempt under way has neither rung nor been answered.
    Progress,
    /// The call has lasted long enough.
    Longest,
    /// What it uses of rules' limits is read.
    Meter,
    /// Nothing was heard of either party for too long.
    Idle,
    /// The session of this leg is to be refreshed (RFC 4028).
    Refresh(u16),
    /// The session of this leg was not refreshed.
    Expire(u16),
    /// An exchange that met another is tried again (RFC 3261 §14.1).
    Again(u16),
    /// This leg has not answered our offer for too long.
    Reply(u16),
    /// The page of this leg has been away for too long.
    Away(u16),
    /// Quality is sampled.
    Sample,
    /// The call is over; what is still missing will not come.
    Linger,
}

/// One timer of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallTimer {
    /// The call.
    pub call: CallId,
    /// What for.
    pub purpose: Purpose,
}

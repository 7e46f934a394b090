//! Session timers (RFC 4028): negotiation at both ends, and when to refresh or give up.
//!
//! | who | event | do |
//! | --- | --- | --- |
//! | UAC | INVITE or UPDATE goes out | [`offer`]: Supported, Session-Expires, Min-SE |
//! | UAC | 422 | [`raised`]: the same request again with a longer interval |
//! | UAC | 2xx | [`SessionTimer::of_response`] |
//! | UAS | INVITE or UPDATE came | [`judge`]: 422, or [`Agreed`] |
//! | UAS | 2xx goes out | [`Agreed::put`] and [`Agreed::start`] |
//! | refresher | `refresh_at` | re-INVITE or UPDATE with [`offer`] |
//! | both | `expire_at` | BYE |

use std::time::{Duration, Instant};

use crate::sip::header::{MinSe, Refresher, SessionExpires};
use crate::sip::{HeaderName, Request, Response};

/// No interval may be shorter, in seconds (§5).
pub const SHORTEST: u32 = 90;
/// No 422 can make us ask for a longer one, in seconds.
pub const LONGEST: u32 = 86_400;

/// What we would like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference {
    /// The interval that we ask for, in seconds; 1800 is recommended (§4).
    pub interval: u32,
    /// The shortest that we accept, in seconds; at least [`SHORTEST`].
    pub min_se: u32,
}

impl Default for Preference {
    fn default() -> Self {
        Self { interval: 1800, min_se: SHORTEST }
    }
}

/// A running session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// The interval in seconds.
    pub interval: u32,
    /// When we refresh, after half the interval; `None` when the peer does.
    pub refresh_at: Option<Instant>,
    /// When we send BYE unless the session was refreshed: the interval less a third, at most 32 s (§10).
    pub expire_at: Instant,
}

/// As UAS: what the request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 422 with this Min-SE.
    TooSmall(MinSe),
    /// A timer.
    Timer(Agreed),
}

/// As UAS: what we agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The interval in seconds.
    pub interval: u32,
    /// Who refreshes, seen from this request.
    pub refresher: Refresher,
}

/// As UAC: puts Supported, Session-Expires and Min-SE into an INVITE or UPDATE. `refresher` is unset in the
/// first one; in a refresh it says who refreshes now, so that the role stays where it is (§7.4).
pub fn offer(request: &mut Request, preference: Preference, refresher: Option<Refresher>) {
    let mut supported = request.option_tags(&HeaderName::Supported).unwrap_or_default();
    supported.add("timer");
    request.headers.replace(HeaderName::Supported, &supported);
    let min_se = preference.min_se.max(SHORTEST);
    request.headers.set(&SessionExpires { seconds: preference.interval.max(min_se), refresher });
    request.headers.set(&MinSe(min_se));
}

/// As UAC: what to ask for after a 422 (§7.3). `None` when it names no interval, or one that we asked for
/// already or that is longer than [`LONGEST`]: then the request has failed.
pub fn raised(preference: Preference, response: &Response) -> Option<Preference> {
    let MinSe(least) = response.headers.read::<MinSe>().ok()??;
    let useful = least > preference.interval.min(preference.min_se) && least <= LONGEST;
    useful.then(|| Preference { interval: preference.interval.max(least), min_se: least })
}

/// As UAS: what a request gets (§9, table 2). We run a timer even when the peer does not ask for one.
pub fn judge(request: &Request, preference: Preference) -> Verdict {
    let min_se = preference.min_se.max(SHORTEST);
    let asked = request.headers.read::<SessionExpires>().ok().flatten();
    let supported = request.option_tags(&HeaderName::Supported).is_ok_and(|tags| tags.has("timer"));
    let peer_least = request.headers.read::<MinSe>().ok().flatten().map_or(SHORTEST, |MinSe(least)| least);
    let ours = preference.interval.max(min_se).max(peer_least);
    let Some(asked) = asked else {
        // A peer that does not know timers answers our refreshes all the same.
        return Verdict::Timer(Agreed { interval: ours, refresher: Refresher::Uas });
    };
    if asked.seconds < min_se {
        // A peer that does not know timers does not know 422 either (§8).
        let agreed = Agreed { interval: min_se, refresher: Refresher::Uas };
        return if supported { Verdict::TooSmall(MinSe(min_se)) } else { Verdict::Timer(agreed) };
    }
    let refresher = match asked.refresher {
        Some(refresher) if supported => refresher,
        None if supported => Refresher::Uac,
        _ => Refresher::Uas,
    };
    Verdict::Timer(Agreed { interval: asked.seconds.min(ours), refresher })
}

impl Agreed {
    /// Puts Session-Expires into the 2xx, and Require when the peer is to refresh (§9).
    pub fn put(&self, response: &mut Response) {
        response.headers.set(&SessionExpires { seconds: self.interval, refresher: Some(self.refresher) });
        if self.refresher == Refresher::Uac {
            let mut require = response.option_tags(&HeaderName::Require).unwrap_or_default();
            require.add("timer");
            response.headers.replace(HeaderName::Require, &require);
        }
    }

    /// The timer, from when the 2xx was sent.
    pub fn start(&self, now: Instant) -> SessionTimer {
        SessionTimer::start(now, self.interval, self.refresher == Refresher::Uas)
    }
}

impl SessionTimer {
    /// As UAC: from the 2xx to a request that carried our [`offer`]. Without Session-Expires in it the peer
    /// does not know timers, and we refresh by ourselves (§7.2).
    pub fn of_response(now: Instant, response: &Response, preference: Preference) -> Self {
        match response.headers.read::<SessionExpires>().ok().flatten() {
            Some(agreed) => {
                let interval = agreed.seconds.max(SHORTEST);
                Self::start(now, interval, agreed.refresher != Some(Refresher::Uas))
            }
            None => Self::start(now, preference.interval.max(SHORTEST), true),
        }
    }

    /// Whether we are the one who refreshes.
    pub fn we_refresh(&self) -> bool {
        self.refresh_at.is_some()
    }

    /// The refresher parameter of our next refresh request, which keeps the role where it is.
    pub fn refresher_as_uac(&self) -> Refresher {
        if self.we_refresh() { Refresher::Uac } else { Refresher::Uas }
    }

    fn start(now: Instant, interval: u32, we_refresh: bool) -> Self {
        let whole = Duration::from_secs(interval.into());
        let early = (whole / 3).min(Duration::from_secs(32));
        Self {
            interval,
            refresh_at: we_refresh.then(|| now + whole / 2),
            expire_at: now + whole.saturating_sub(early),
        }
    }
}

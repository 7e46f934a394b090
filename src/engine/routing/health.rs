//! Whether a link works: found out by probes and by real calls, with damped recovery.
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | made, ops disabled it | – | Disabled |
//! | – | made, it can be probed | – | Probing |
//! | – | made, it cannot be probed | – | Up |
//! | Up | a failure | count | Probing |
//! | Up, Probing | `fail-after` failures in a row, of probes or of calls | hold-down | Down |
//! | Probing, was not Down | a probe is answered, a call gets through | forget failures | Up |
//! | Down | a probe is answered, a call gets through | count | Probing, recovering |
//! | Probing, recovering | `recover-after` successes in a row, and the hold-down is over | – | Up |
//! | Probing, recovering | a failure | hold-down, longer | Down |
//! | Down, cannot be probed | the hold-down is over | – | Probing |
//! | Disabled | anything | – | Disabled |
//!
//! A link in `Probing` takes calls after all that are `Up`; one that is `Down` only when there is no other.
//!
//! Failures of calls and of probes are counted apart: a peer that answers OPTIONS but no INVITE must not be healed by its
//! answers to OPTIONS alone. The hold-down is nothing the first time, so that a link which was cut once comes back as soon
//! as its probes say so; each time it goes down again within [`STEADY`] of coming up it doubles, from [`FIRST_HOLD`] to
//! [`LONGEST_HOLD`]. After failed calls it is at least [`CALL_HOLD`].

use std::time::{Duration, Instant};

use super::dial::DialFailure;
use super::link::HealthPolicy;
use crate::time::{Now, WallTime};

/// The hold-down when a link goes down for the second time.
pub const FIRST_HOLD: Duration = Duration::from_secs(5);
/// The longest hold-down.
pub const LONGEST_HOLD: Duration = Duration::from_secs(300);
/// The shortest hold-down after failed calls, and of links that cannot be probed.
pub const CALL_HOLD: Duration = Duration::from_secs(30);
/// Up for so long, a link is no longer taken for one that flaps.
pub const STEADY: Duration = Duration::from_secs(600);

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkState {
    /// It works.
    Up,
    /// In doubt: not known yet, failed lately, or recovering.
    Probing,
    /// It does not work.
    Down,
    /// Ops turned it off.
    Disabled,
}

impl LinkState {
    /// The word in health, metrics and pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Probing => "probing",
            Self::Down => "down",
            Self::Disabled => "disabled",
        }
    }
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkFailure {
    /// No way to the other end.
    NoWay(DialFailure),
    /// The connection broke.
    ConnectionLost,
    /// OPTIONS was not answered in time.
    ProbeSilent,
    /// OPTIONS was answered 5xx: the other end says that it cannot.
    ProbeRefused,
    /// A call heard nothing, no 100 either, within its first-response time.
    CallSilent,
    /// A call heard 100 and then nothing.
    CallStuck,
    /// A call was refused with 503.
    CallRefused,
}

impl LinkFailure {
    /// The label in records, metrics and health.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoWay(failure) => failure.as_str(),
            Self::ConnectionLost => "connection-lost",
            Self::ProbeSilent => "probe-silent",
            Self::ProbeRefused => "probe-refused",
            Self::CallSilent => "call-silent",
            Self::CallStuck => "call-stuck",
            Self::CallRefused => "call-refused",
        }
    }

    /// Whether only a call's success can take it back.
    const fn is_of_call(self) -> bool {
        matches!(self, Self::CallStuck | Self::CallRefused)
    }
}

/// What succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkSuccess {
    /// OPTIONS was answered.
    Probe,
    /// A call was answered, rang, or was refused by the called party.
    Call,
}

/// The health of one link.
#[derive(Clone, Debug)]
pub struct Health {
    policy: HealthPolicy,
    state: LinkState,
    /// Whether it was `Down` since it was last `Up`.
    recovering: bool,
    failed_probes: u8,
    failed_calls: u8,
    successes: u8,
    flaps: u32,
    /// When it last came up.
    up: Option<Instant>,
    held_until: Option<Instant>,
    since: WallTime,
    failure: Option<LinkFailure>,
}

impl Health {
    /// Of a new link.
    pub fn new(policy: HealthPolicy, disabled: bool, now: Now) -> Self {
        let state = match (disabled, policy.probe.is_zero()) {
            (true, _) => LinkState::Disabled,
            (false, true) => LinkState::Up,
            (false, false) => LinkState::Probing,
        };
        Self {
            policy,
            state,
            recovering: false,
            failed_probes: 0,
            failed_calls: 0,
            successes: 0,
            flaps: 0,
            up: None,
            held_until: None,
            since: now.wall,
            failure: None,
        }
    }

    /// How the link is.
    pub const fn state(&self) -> LinkState {
        self.state
    }

    /// Since when.
    pub const fn since(&self) -> WallTime {
        self.since
    }

    /// What failed last.
    pub const fn last_failure(&self) -> Option<LinkFailure> {
        self.failure
    }

    /// Until when it stays out of use at least.
    pub const fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Something worked. Whether the state changed.
    pub fn success(&mut self, now: Now, what: LinkSuccess) -> bool {
        self.failed_probes = 0;
        if what == LinkSuccess::Call {
            self.failed_calls = 0;
        }
        self.successes = self.successes.saturating_add(1);
        let is_held = self.held_until.is_some_and(|until| until > now.instant);
        let is_enough = !is_held && self.successes >= self.policy.recover_after;
        match self.state {
            LinkState::Probing if !self.recovering || is_enough => {
                self.recovering = false;
                self.held_until = None;
                self.up = Some(now.instant);
                self.become_state(LinkState::Up, now)
            }
            LinkState::Down if is_enough => {
                self.become_state(LinkState::Probing, now);
                self.success(now, what)
            }
            LinkState::Down => self.become_state(LinkState::Probing, now),
            LinkState::Up | LinkState::Probing | LinkState::Disabled => false,
        }
    }

    /// Something failed. Whether the state changed.
    pub fn failure(&mut self, now: Now, what: LinkFailure) -> bool {
        if self.state == LinkState::Disabled {
            return false;
        }
        self.failure = Some(what);
        self.successes = 0;
        let count = if what.is_of_call() { &mut self.failed_calls } else { &mut self.failed_probes };
        *count = count.saturating_add(1);
        let is_enough = *count >= self.policy.fail_after;
        match self.state {
            LinkState::Up | LinkState::Probing if is_enough || self.recovering => self.go_down(now, what),
            LinkState::Up => self.become_state(LinkState::Probing, now),
            LinkState::Probing | LinkState::Down | LinkState::Disabled => false,
        }
    }

    /// Lets the hold-down of a link that cannot be probed end. Whether the state changed.
    pub fn release(&mut self, now: Now) -> bool {
        let is_over = self.held_until.is_none_or(|until| until <= now.instant);
        let is_probed = !self.policy.probe.is_zero();
        if self.state != LinkState::Down || is_probed || !is_over {
            return false;
        }
        // One success is all that calls can give it.
        self.recovering = false;
        self.failed_calls = 0;
        self.failed_probes = 0;
        self.become_state(LinkState::Probing, now)
    }

    fn go_down(&mut self, now: Now, what: LinkFailure) -> bool {
        let was_steady = self.up.is_some_and(|up| now.instant.saturating_duration_since(up) >= STEADY);
        let before = self.flaps;
        self.flaps = if was_steady { 0 } else { before };
        let mut hold = match self.flaps {
            0 => Duration::ZERO,
            flaps => FIRST_HOLD.saturating_mul(1 << (flaps - 1).min(10)).min(LONGEST_HOLD),
        };
        if what.is_of_call() || self.policy.probe.is_zero() {
            hold = hold.max(CALL_HOLD);
        }
        self.flaps = self.flaps.saturating_add(1);
        self.held_until = now.instant.checked_add(hold).filter(|_| !hold.is_zero());
        self.recovering = true;
        self.failed_calls = 0;
        self.failed_probes = 0;
        self.become_state(LinkState::Down, now)
    }

    fn become_state(&mut self, state: LinkState, now: Now) -> bool {
        let changed = self.state != state;
        self.state = state;
        if changed {
            self.since = now.wall;
        }
        changed
    }
}

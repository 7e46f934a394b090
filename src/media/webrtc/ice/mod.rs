//! ICE (RFC 8445), as lite or full agent, for one component on one shared socket; consent by RFC 7675.
//!
//! Sans-IO, and deterministic: transaction ids and the tie-breaker come from a seed.
//!
//! | phase | event | then |
//! | --- | --- | --- |
//! | New | peer's credentials | Checking, until `now` + 30 s |
//! | New, Checking | the deadline | Failed (`NoIcePath`) |
//! | New, Checking, Connected | lite: authentic request with USE-CANDIDATE | Connected to its source |
//! | Checking, Connected | full: a nominated path whose check succeeded | Connected to it |
//! | Connected | 30 s without consent | Failed (`ConsentLost`) |
//! | Connected | restart | Connected: the old path and password serve until the new generation nominates |
//! | Failed | restart | New |
//! | Failed | any packet | dropped (`EndGone`) |
//!
//! **Lite** answers checks and sends none. The latest nomination wins: a browser that faces a lite agent
//! nominates only the path it uses, and moves by nominating another. Consent is what the peer's authentic
//! requests on the selected path show, since a full peer must send them at least every 6 s or so.
//!
//! **Full** also checks ([`check`]); as the controlled side it takes a nomination if the path's priority is
//! higher than the selected one's, or the selected one was not nominated again for three seconds.
//!
//! A request costs an HMAC only while budgets last: one for addresses already validated, one for the rest,
//! so that a flood of forged requests cannot shut out a path that works.

mod check;
mod messages;
mod mode;
mod path;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::sdp::IceCredentials;

use super::budget::Budget;
use super::reason::{CandidateVerdict, EndFailure, PacketDrop};
use super::stun::{BindingClass, BindingMessage};
use super::transmit::Transmit;
use check::Checker;
pub(super) use check::transaction_owner;
pub use mode::IceMode;
use path::{CheckState, Paths};

/// How long checks may go on before there is no path.
const CHECKING_TIME: Duration = Duration::from_secs(30);
/// How long the selected path may be silent (RFC 7675 §5.1).
const CONSENT_TIME: Duration = Duration::from_secs(30);
/// When a better-nominated path may be left for a worse one.
const NOMINATION_HOLDS: Duration = Duration::from_secs(3);
/// Authentic or not, requests per second from validated addresses, and at once.
const KNOWN_RATE: (u32, u32) = (50, 100);
/// The same from other addresses.
const STRANGER_RATE: (u32, u32) = (20, 60);
/// Datagrams that may wait to be sent.
const MAX_OUT: usize = 128;

/// What the agent tells its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IceEvent {
    /// Send to this address from now on.
    Selected(SocketAddr),
    /// The peer proved to be at this address too: media may come from there (RFC 8445 §12.2).
    Validated(SocketAddr),
    /// There is no path, or none any more.
    Failed(EndFailure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Checking { until: Instant },
    Connected { remote: SocketAddr, consent_until: Instant },
    Failed,
}

/// Which credentials a request used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    Current,
    Retired,
}

/// One end's ICE agent.
#[derive(Debug)]
pub(super) struct IceAgent {
    local: IceCredentials,
    /// The credentials before a restart, until the new generation has a path.
    retired: Option<IceCredentials>,
    remote: Option<IceCredentials>,
    paths: Paths,
    checker: Option<Checker>,
    phase: Phase,
    known_budget: Budget,
    stranger_budget: Budget,
    out: VecDeque<Transmit>,
    events: VecDeque<IceEvent>,
}

impl IceAgent {
    /// `owner` marks our transactions, so that responses find their end; see [`transaction_owner`].
    pub(super) fn new(now: Instant, owner: u32, local: IceCredentials, mode: IceMode) -> Self {
        let checker = match mode {
            IceMode::Lite => None,
            IceMode::Full { controlling, seed } => Some(Checker::new(now, owner, controlling, seed)),
        };
        Self {
            local,
            retired: None,
            remote: None,
            paths: Paths::default(),
            checker,
            phase: Phase::New,
            known_budget: Budget::new(now, KNOWN_RATE.0, KNOWN_RATE.1),
            stranger_budget: Budget::new(now, STRANGER_RATE.0, STRANGER_RATE.1),
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The peer's credentials and whether it is lite. A repeat of the same credentials changes nothing.
    pub(super) fn set_remote(&mut self, now: Instant, remote: IceCredentials, peer_is_lite: bool) {
        if self.remote.as_ref() == Some(&remote) {
            return;
        }
        match &mut self.checker {
            None if peer_is_lite => return self.fail(EndFailure::BothLite),
            Some(checker) if peer_is_lite => checker.take_control(),
            _ => {}
        }
        self.remote = Some(remote);
        if self.phase == Phase::New {
            self.phase = Phase::Checking { until: now + CHECKING_TIME };
        }
    }

    /// Takes a candidate from signalling, at any time. Its address was found usable.
    pub(super) fn add_candidate(&mut self, remote: SocketAddr, priority: u32) -> CandidateVerdict {
        if let Some(path) = self.paths.get_mut(remote) {
            let verdict = if path.signalled { CandidateVerdict::Known } else { CandidateVerdict::Added };
            (path.signalled, path.priority) = (true, priority);
            if path.check == CheckState::Idle {
                path.check = CheckState::Waiting;
            }
            return verdict;
        }
        if self.paths.is_full_of_signalled() {
            return CandidateVerdict::TooMany;
        }
        if self.checker.is_some() {
            self.paths.add_signalled(remote, priority);
        }
        CandidateVerdict::Added
    }

    /// New credentials (RFC 8445 §9). The peer's are awaited anew.
    pub(super) fn restart(&mut self, now: Instant, local: IceCredentials) {
        self.retired = Some(std::mem::replace(&mut self.local, local));
        self.remote = None;
        self.paths.begin_generation();
        if let Some(checker) = &mut self.checker {
            checker.begin_generation(now);
        }
        if self.phase == Phase::Failed || matches!(self.phase, Phase::Checking { .. }) {
            self.phase = Phase::New;
        }
    }

    /// Every fragment under which checks for this end may come.
    pub(super) fn ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.local).chain(&self.retired).map(IceCredentials::ufrag)
    }

    /// Whether an authentic STUN message came from `remote`: the condition for taking DTLS from it.
    pub(super) fn is_validated(&self, remote: SocketAddr) -> bool {
        self.paths.is_validated(remote)
    }

    /// The selected path.
    pub(super) fn selected(&self) -> Option<SocketAddr> {
        match self.phase {
            Phase::Connected { remote, .. } => Some(remote),
            _ => None,
        }
    }

    /// A STUN message from `from`.
    pub(super) fn handle_stun(
        &mut self,
        now: Instant,
        from: SocketAddr,
        message: &BindingMessage<'_>,
    ) -> Result<(), PacketDrop> {
        if self.phase == Phase::Failed {
            return Err(PacketDrop::EndGone);
        }
        let known = self.paths.is_validated(from);
        let taken = match message.class {
            BindingClass::Request => self.handle_request(now, from, message),
            BindingClass::Indication => Ok(()),
            BindingClass::Success | BindingClass::Error(_) => self.handle_response(now, from, message),
        };
        // The answer to our own check may come before the peer's first check.
        if !known && self.paths.is_validated(from) {
            self.events.push_back(IceEvent::Validated(from));
        }
        taken
    }

    /// Carries out what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Checking { until } if until <= now => return self.fail(EndFailure::NoIcePath),
            Phase::Connected { consent_until, .. } if consent_until <= now => {
                return self.fail(EndFailure::ConsentLost);
            }
            Phase::Failed => return,
            _ => {}
        }
        let selected = self.selected();
        if let (Some(checker), Some(remote)) = (&mut self.checker, &self.remote) {
            checker.handle_timeout(now, &mut self.paths, selected, (&self.local, remote), &mut self.out);
        }
    }

    /// When [`IceAgent::handle_timeout`] is next needed.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = match self.phase {
            Phase::Checking { until } => Some(until),
            Phase::Connected { consent_until, .. } => Some(consent_until),
            Phase::New => None,
            Phase::Failed => return None,
        };
        let checks = match (&self.checker, &self.remote) {
            (Some(checker), Some(_)) => checker.poll_timeout(&self.paths, self.selected().is_some()),
            _ => None,
        };
        deadline.into_iter().chain(checks).min()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    /// What an accepted request means for the choice of path.
    fn follow(&mut self, now: Instant, from: SocketAddr, nominates: bool) {
        let Some(checker) = &mut self.checker else {
            if nominates {
                self.select(now, from);
            }
            return;
        };
        checker.trigger(&mut self.paths, from);
        let controlled = !checker.is_controlling();
        if nominates
            && controlled
            && let Some(path) = self.paths.get_mut(from)
        {
            path.nominated = Some(now);
            if path.check == CheckState::Succeeded {
                self.consider(now, from);
            }
        }
    }

    /// As the controlled full agent: whether the nominated and valid `candidate` replaces the selected path.
    fn consider(&mut self, now: Instant, candidate: SocketAddr) {
        let current = self.selected().and_then(|remote| self.paths.get(remote));
        let holds = current.is_some_and(|current| {
            let fresh =
                current.nominated.is_some_and(|at| now.saturating_duration_since(at) < NOMINATION_HOLDS);
            fresh && self.paths.get(candidate).is_none_or(|path| path.priority <= current.priority)
        });
        if !holds || self.selected() == Some(candidate) {
            self.select(now, candidate);
        }
    }

    fn select(&mut self, now: Instant, remote: SocketAddr) {
        let before = self.selected();
        self.retired = None;
        if let Some(checker) = &mut self.checker {
            checker.settle(now, &mut self.paths);
        }
        if before == Some(remote) {
            return;
        }
        self.phase = Phase::Connected { remote, consent_until: now + CONSENT_TIME };
        self.events.push_back(IceEvent::Selected(remote));
    }

    fn fail(&mut self, why: EndFailure) {
        self.phase = Phase::Failed;
        self.out.clear();
        self.events.push_back(IceEvent::Failed(why));
    }

    /// When the queue is full the message is lost, as on the network; the peer repeats its check.
    fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        if self.out.len() < MAX_OUT {
            self.out.push_back(Transmit { to, bytes });
        }
    }
}

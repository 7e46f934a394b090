//! Connectivity checks, nomination and consent checks of a full agent (RFC 8445 §6, §7, §8; RFC 7675).
//!
//! One check starts every 50 ms at most: triggered ones first, then by priority. A check is repeated after
//! 250 ms, 500 ms, … seven times in all, about 12 s, under one transaction. As the controlling side we nominate
//! once (regular nomination): the best path that answered, as soon as nothing better is still being
//! tried, or 300 ms after the first answer. Consent is checked every 4 to 6 s on the selected path.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ring::digest;

use crate::sdp::IceCredentials;

use super::super::reason::PacketDrop;
use super::super::stun::{
    BindingClass, BindingMessage, CheckRequest, ClaimedRole, TransactionId, check_request,
};
use super::super::transmit::Transmit;
use super::MAX_OUT;
use super::path::{CheckState, MAX_PATHS, Path, Paths};

/// Between two new checks (Ta).
const PACE: Duration = Duration::from_millis(50);
/// Before the first repeat (RTO); doubles.
const FIRST_REPEAT: Duration = Duration::from_millis(250);
/// Sends of one check, the first included.
const MAX_SENDS: u8 = 7;
/// How long a better path may keep the controlling side from nominating.
const PATIENCE: Duration = Duration::from_millis(300);
/// Between consent checks, at least; up to half as much again is added at random.
const CONSENT_EVERY: Duration = Duration::from_secs(4);
/// PRIORITY for a peer-reflexive candidate of ours (RFC 8445 §5.1.2.1).
const REFLEXIVE_PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;

/// What a response meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The path works.
    Valid,
    /// The path works and we had nominated it.
    Nominated,
    /// The peer still consents.
    Consent,
    /// Nothing more.
    Nothing,
}

/// The checking half of a full agent.
#[derive(Debug)]
pub(super) struct Checker {
    owner: u32,
    controlling: bool,
    tie_breaker: u64,
    unpredictable: Unpredictable,
    next_check: Instant,
    triggered: VecDeque<SocketAddr>,
    first_valid: Option<Instant>,
    /// This generation has its path; no more checks but those triggered.
    settled: bool,
    next_consent: Instant,
    consent: heapless::Deque<TransactionId, 8>,
}

/// The end that sent the request with this transaction id: the number given to [`Checker::new`].
pub(in super::super) fn transaction_owner(transaction: TransactionId) -> u32 {
    let [a, b, c, d, ..] = transaction.0;
    u32::from_be_bytes([a, b, c, d])
}

impl Checker {
    pub(super) fn new(now: Instant, owner: u32, controlling: bool, seed: [u8; 32]) -> Self {
        let mut unpredictable = Unpredictable { seed, drawn: 0 };
        Self {
            owner,
            controlling,
            tie_breaker: u64::from_be_bytes(unpredictable.draw()),
            unpredictable,
            next_check: now,
            triggered: VecDeque::new(),
            first_valid: None,
            settled: false,
            next_consent: now,
            consent: heapless::Deque::new(),
        }
    }

    pub(super) fn is_controlling(&self) -> bool {
        self.controlling
    }

    /// Faced with a lite peer we control, whoever offered (RFC 8445 §6.1.1).
    pub(super) fn take_control(&mut self) {
        self.controlling = true;
    }

    pub(super) fn begin_generation(&mut self, now: Instant) {
        self.triggered.clear();
        (self.first_valid, self.settled, self.next_check) = (None, false, now);
    }

    /// Whether the peer claims our own role and must change (RFC 8445 §7.3.1.1); else we do, if there is a conflict.
    pub(super) fn refuses_role(&mut self, claimed: ClaimedRole) -> bool {
        let (conflict, we_change) = match claimed {
            ClaimedRole::Controlling(tie) => (self.controlling, self.tie_breaker < tie),
            ClaimedRole::Controlled(tie) => (!self.controlling, self.tie_breaker >= tie),
        };
        if conflict && we_change {
            self.controlling = !self.controlling;
        }
        conflict && !we_change
    }

    /// The peer checked `from`: we check it at once, unless it works already (RFC 8445 §7.3.1.4).
    pub(super) fn trigger(&mut self, paths: &mut Paths, from: SocketAddr) {
        let Some(path) = paths.get_mut(from) else { return };
        if matches!(path.check, CheckState::Idle | CheckState::Waiting | CheckState::Failed) {
            path.check = CheckState::Waiting;
            if !self.triggered.contains(&from) && self.triggered.len() < MAX_PATHS {
                self.triggered.push_back(from);
            }
        }
    }

    /// A path was selected: what is left of the check list is not needed (RFC 8445 §8.1.2).
    pub(super) fn settle(&mut self, now: Instant, paths: &mut Paths) {
        if !self.settled {
            self.settled = true;
            self.next_consent = now + CONSENT_EVERY;
        }
        for path in paths.iter_mut().filter(|path| path.check == CheckState::Waiting) {
            path.check = CheckState::Idle;
        }
        self.triggered.clear();
    }

    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        paths: &mut Paths,
        from: SocketAddr,
        message: &BindingMessage<'_>,
    ) -> Result<Answer, PacketDrop> {
        if self.consent.iter().any(|one| *one == message.transaction) {
            return Ok(if message.class == BindingClass::Success {
                Answer::Consent
            } else {
                Answer::Nothing
            });
        }
        let asked = |path: &&mut Path| matches!(path.check, CheckState::InProgress { transaction, .. } if transaction == message.transaction);
        let path = paths.iter_mut().find(asked).ok_or(PacketDrop::UnknownTransaction)?;
        let CheckState::InProgress { nominates, controlling, .. } = path.check else {
            return Ok(Answer::Nothing);
        };
        if path.remote != from {
            path.check = CheckState::Failed;
            return Err(PacketDrop::UnknownTransaction);
        }
        path.heard = Some(now);
        match message.class {
            BindingClass::Error(487) => {
                self.controlling = !controlling;
                path.check = CheckState::Waiting;
                return Ok(Answer::Nothing);
            }
            BindingClass::Error(_) => {
                path.check = CheckState::Failed;
                return Ok(Answer::Nothing);
            }
            _ => path.check = CheckState::Succeeded,
        }
        self.first_valid.get_or_insert(now);
        Ok(if nominates && self.controlling { Answer::Nominated } else { Answer::Valid })
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        paths: &mut Paths,
        selected: Option<SocketAddr>,
        (local, remote): (&IceCredentials, &IceCredentials),
        out: &mut VecDeque<Transmit>,
    ) {
        let username = format!("{}:{}", remote.ufrag(), local.ufrag());
        let mut sends = Sends { username: &username, password: remote.password(), role: self.role(), out };
        repeat_checks(now, paths, &mut sends);
        if now >= self.next_check
            && let Some(path) = self.next_path(paths)
        {
            let transaction = self.new_transaction();
            self.next_check = now + PACE;
            start_check(now, path, transaction, false, &mut sends);
        }
        if let Some(path) = self.to_nominate(now, paths) {
            let transaction = self.new_transaction();
            start_check(now, path, transaction, true, &mut sends);
        }
        if let Some(selected) = selected
            && now >= self.next_consent
        {
            self.check_consent(now, selected, &mut sends);
        }
    }

    pub(super) fn poll_timeout(&self, paths: &Paths, connected: bool) -> Option<Instant> {
        let repeats = paths.iter().filter_map(|path| match path.check {
            CheckState::InProgress { next, .. } => Some(next),
            _ => None,
        });
        let waiting = paths.iter().any(|path| path.check == CheckState::Waiting);
        let nomination = self.first_valid.filter(|_| self.controlling && !self.settled);
        repeats
            .chain(waiting.then_some(self.next_check))
            .chain(nomination.filter(|_| !nominating(paths)).map(|first| first + PATIENCE))
            .chain(connected.then_some(self.next_consent))
            .min()
    }

    fn role(&self) -> ClaimedRole {
        if self.controlling {
            ClaimedRole::Controlling(self.tie_breaker)
        } else {
            ClaimedRole::Controlled(self.tie_breaker)
        }
    }

    fn next_path<'p>(&mut self, paths: &'p mut Paths) -> Option<&'p mut Path> {
        let triggered = std::iter::from_fn(|| self.triggered.pop_front())
            .find(|remote| paths.get(*remote).is_some_and(|path| path.check == CheckState::Waiting));
        match triggered {
            Some(remote) => paths.get_mut(remote),
            None => paths
                .iter_mut()
                .filter(|path| path.check == CheckState::Waiting)
                .max_by_key(|path| path.priority),
        }
    }

    fn to_nominate<'p>(&self, now: Instant, paths: &'p mut Paths) -> Option<&'p mut Path> {
        let first = self.first_valid.filter(|_| self.controlling && !self.settled)?;
        if nominating(paths) {
            return None;
        }
        let valid = paths.iter().filter(|path| path.check == CheckState::Succeeded);
        let best = valid.max_by_key(|path| path.priority)?;
        let (remote, priority) = (best.remote, best.priority);
        let open = |path: &Path| matches!(path.check, CheckState::Waiting | CheckState::InProgress { .. });
        let better = paths.iter().any(|path| open(path) && path.priority > priority);
        if better && now < first + PATIENCE {
            return None;
        }
        paths.get_mut(remote)
    }

    fn check_consent(&mut self, now: Instant, selected: SocketAddr, sends: &mut Sends<'_>) {
        let transaction = self.new_transaction();
        if self.consent.is_full() {
            self.consent.pop_front();
        }
        let _ = self.consent.push_back(transaction);
        let [dice, ..] = self.unpredictable.draw();
        self.next_consent = now + CONSENT_EVERY + CONSENT_EVERY.mul_f64(f64::from(dice) / 512.0);
        sends.send(selected, transaction, false);
    }

    fn new_transaction(&mut self) -> TransactionId {
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.owner.to_be_bytes());
        id[4..].copy_from_slice(&self.unpredictable.draw());
        TransactionId(id)
    }
}

/// What every request of this turn has in common.
struct Sends<'a> {
    username: &'a str,
    password: &'a str,
    role: ClaimedRole,
    out: &'a mut VecDeque<Transmit>,
}

impl Sends<'_> {
    fn send(&mut self, to: SocketAddr, transaction: TransactionId, use_candidate: bool) {
        let (username, role) = (self.username, self.role);
        let check = CheckRequest { transaction, username, priority: REFLEXIVE_PRIORITY, role, use_candidate };
        if self.out.len() < MAX_OUT {
            self.out.push_back(Transmit { to, bytes: check_request(&check, self.password) });
        }
    }
}

fn start_check(
    now: Instant,
    path: &mut Path,
    transaction: TransactionId,
    nominates: bool,
    sends: &mut Sends<'_>,
) {
    let controlling = matches!(sends.role, ClaimedRole::Controlling(_));
    path.check =
        CheckState::InProgress { transaction, sends: 1, next: now + FIRST_REPEAT, nominates, controlling };
    sends.send(path.remote, transaction, nominates);
}

fn repeat_checks(now: Instant, paths: &mut Paths, out: &mut Sends<'_>) {
    for path in paths.iter_mut() {
        let CheckState::InProgress { transaction, sends, next, nominates, controlling } = path.check else {
            continue;
        };
        if next > now {
            continue;
        }
        path.check = if sends >= MAX_SENDS {
            CheckState::Failed
        } else {
            out.send(path.remote, transaction, nominates);
            let next = now + FIRST_REPEAT * 2_u32.pow(u32::from(sends));
            CheckState::InProgress { transaction, sends: sends + 1, next, nominates, controlling }
        };
    }
}

fn nominating(paths: &Paths) -> bool {
    paths.iter().any(|path| matches!(path.check, CheckState::InProgress { nominates: true, .. }))
}

/// Unpredictable bytes for whoever does not know the seed.
struct Unpredictable {
    seed: [u8; 32],
    drawn: u64,
}

impl Unpredictable {
    fn draw(&mut self) -> [u8; 8] {
        self.drawn = self.drawn.wrapping_add(1);
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.seed);
        hash.update(&self.drawn.to_be_bytes());
        let mut drawn = [0; 8];
        drawn.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
        drawn
    }
}

impl std::fmt::Debug for Unpredictable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unpredictable(<redacted>)")
    }
}

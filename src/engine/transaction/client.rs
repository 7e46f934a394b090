//! The non-INVITE client machine (RFC 3261 §17.1.2). Its rows stand in the room's table.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::backoff::{Backoff, earlier, passed};
use super::outbox::Outbox;
use super::{DropReason, FailureReason, Timing};
use crate::engine::flow::{Flow, FlowFailure};
use crate::sip::StatusCode;

/// One non-INVITE client transaction.
#[derive(Debug)]
pub(super) struct Client {
    flow: Flow,
    state: State,
}

#[derive(Debug)]
enum State {
    Trying(Waiting),
    Proceeding(Waiting),
    Completed { k: Instant },
    Ended,
}

/// No final response yet.
#[derive(Debug)]
struct Waiting {
    /// The request and timer E; none on a reliable transport.
    resend: Option<(Bytes, Backoff)>,
    f: Instant,
    first_response: Option<Instant>,
}

/// What to do with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Pass it to the user.
    Deliver,
    /// Count it.
    Absorb(DropReason),
}

impl Client {
    /// Sends the request.
    pub(super) fn start(
        now: Instant,
        flow: Flow,
        request: Bytes,
        timing: &Timing,
        first_response: Option<Duration>,
        out: &mut Outbox,
    ) -> Self {
        out.send(flow, &request);
        let resend = (!flow.transport.reliable()).then(|| (request, Backoff::new(now, timing.t1, timing.t2)));
        let f = now + timing.sixty_four_t1();
        let first_response = first_response.map(|wait| now + wait);
        Self { flow, state: State::Trying(Waiting { resend, f, first_response }) }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether only stray repetitions are expected.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.state, State::Completed { .. } | State::Ended)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Trying(waiting) | State::Proceeding(waiting) => waiting.deadline(),
            State::Completed { k } => Some(*k),
            State::Ended => None,
        }
    }

    pub(super) fn on_response(&mut self, now: Instant, status: StatusCode, timing: &Timing) -> Heard {
        let waiting = match std::mem::replace(&mut self.state, State::Ended) {
            State::Trying(waiting) | State::Proceeding(waiting) => waiting,
            quiet => {
                self.state = quiet;
                return Heard::Absorb(DropReason::RepeatedResponse);
            }
        };
        if status.is_provisional() {
            self.state = State::Proceeding(waiting.slower(now));
        } else if !self.flow.transport.reliable() {
            self.state = State::Completed { k: now + timing.t4 };
        }
        Heard::Deliver
    }

    pub(super) fn on_timeout(&mut self, now: Instant, out: &mut Outbox) -> Option<FailureReason> {
        let failure = match &mut self.state {
            State::Trying(waiting) | State::Proceeding(waiting) => waiting.on_timeout(now, self.flow, out)?,
            State::Completed { k } if *k <= now => {
                self.state = State::Ended;
                return None;
            }
            State::Completed { .. } | State::Ended => return None,
        };
        self.state = State::Ended;
        Some(failure)
    }

    /// The flow is gone, or did not take the request.
    pub(super) fn on_flow_lost(&mut self, failure: FlowFailure) -> Option<FailureReason> {
        let was = std::mem::replace(&mut self.state, State::Ended);
        matches!(was, State::Trying(_) | State::Proceeding(_))
            .then_some(FailureReason::TransportFailed(failure))
    }
}

impl Waiting {
    fn deadline(&self) -> Option<Instant> {
        let e = self.resend.as_ref().map(|(_, e)| e.at());
        earlier(earlier(e, self.first_response), Some(self.f))
    }

    /// A provisional response came: the peer is there, so ask rarely.
    fn slower(mut self, now: Instant) -> Self {
        if let Some((_, e)) = &mut self.resend {
            e.slow_down(now);
        }
        Self { first_response: None, ..self }
    }

    fn on_timeout(&mut self, now: Instant, flow: Flow, out: &mut Outbox) -> Option<FailureReason> {
        if self.f <= now {
            return Some(FailureReason::Timeout);
        }
        if passed(self.first_response, now) {
            return Some(FailureReason::FirstResponseTimeout);
        }
        if let Some((request, e)) = &mut self.resend
            && e.due(now)
        {
            out.send(flow, request);
        }
        None
    }
}

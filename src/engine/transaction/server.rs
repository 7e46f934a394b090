//! The non-INVITE server machine (RFC 3261 §17.2.2). Its rows stand in the room's table.

use std::time::Instant;

use bytes::Bytes;

use super::outbox::Outbox;
use super::{RespondRefusal, Timing};
use crate::engine::flow::Flow;
use crate::sip::StatusCode;

/// One non-INVITE server transaction.
#[derive(Debug)]
pub(super) struct Server {
    flow: Flow,
    state: State,
}

#[derive(Debug)]
enum State {
    Trying { unanswered: Instant },
    Proceeding { last: Bytes, unanswered: Instant },
    Completed { last: Bytes, j: Instant },
    Ended,
}

impl Server {
    pub(super) fn start(flow: Flow, unanswered: Instant) -> Self {
        Self { flow, state: State::Trying { unanswered } }
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
            State::Trying { unanswered } | State::Proceeding { unanswered, .. } => Some(*unanswered),
            State::Completed { j, .. } => Some(*j),
            State::Ended => None,
        }
    }

    /// The request came again.
    pub(super) fn on_repeat(&self, out: &mut Outbox) {
        if let State::Proceeding { last, .. } | State::Completed { last, .. } = &self.state {
            out.send(self.flow, last);
        }
    }

    pub(super) fn respond(
        &mut self,
        now: Instant,
        status: StatusCode,
        response: Bytes,
        timing: &Timing,
        out: &mut Outbox,
    ) -> Result<(), RespondRefusal> {
        let unanswered = match &self.state {
            State::Trying { unanswered } | State::Proceeding { unanswered, .. } => *unanswered,
            State::Completed { .. } => return Err(RespondRefusal::Answered),
            State::Ended => return Err(RespondRefusal::Gone),
        };
        out.send(self.flow, &response);
        self.state = if status.is_provisional() {
            State::Proceeding { last: response, unanswered }
        } else if self.flow.transport.reliable() {
            State::Ended
        } else {
            State::Completed { last: response, j: now + timing.sixty_four_t1() }
        };
        Ok(())
    }

    /// Lets deadlines pass; tells whether the user never answered.
    pub(super) fn on_timeout(&mut self, now: Instant) -> bool {
        let never_answered = !self.is_quiet();
        if self.deadline().is_some_and(|at| at <= now) {
            self.state = State::Ended;
            return never_answered;
        }
        false
    }
}

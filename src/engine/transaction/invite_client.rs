//! The INVITE client machine (RFC 3261 §17.1.1, RFC 6026). Its rows stand in the room's table.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::backoff::{Backoff, earlier, passed};
use super::outbox::Outbox;
use super::reliable::Order;
use super::{CancelRefusal, DropReason, FailureReason, ReliableProvisional, Timing};
use crate::engine::flow::{Flow, FlowFailure};
use crate::sip::{StatusCode, Text};

/// To tags from which a 2xx to one INVITE is taken.
const FORKS: usize = 16;

/// One INVITE client transaction.
#[derive(Debug)]
pub(super) struct InviteClient {
    flow: Flow,
    order: Order,
    cancel: Cancel,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The request and timer A are kept on an unreliable transport only.
    Calling {
        resend: Option<(Bytes, Backoff)>,
        b: Instant,
        first_response: Option<Instant>,
    },
    Abandoned {
        b: Instant,
    },
    Proceeding {
        cancel_deadline: Option<Instant>,
    },
    Accepted {
        m: Instant,
        late: bool,
        forks: Vec<Fork>,
    },
    Completed {
        d: Instant,
        ack: Bytes,
    },
    Ended,
}

/// How far giving up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// Asked for, but no provisional response has come (§9.1).
    Wanted,
    /// The layer is to send the CANCEL.
    Due,
    Sent,
}

/// One dialog that a 2xx made.
#[derive(Debug)]
struct Fork {
    tag: Text,
    ack: Option<(Flow, Bytes)>,
}

/// What the machine looks at in a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) status: StatusCode,
    /// Empty when there is none, as from a peer of RFC 2543.
    pub(super) to_tag: &'a Text,
    /// Set when the response is a reliable provisional one.
    pub(super) reliable: Option<ReliableProvisional>,
}

/// What to do with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Pass it to the user; a PRACK may be due.
    Deliver(Option<ReliableProvisional>),
    /// Acknowledge it by [`InviteClient::completed`], then pass it to the user if that is still due.
    Refused { deliver: bool },
    /// Pass it to the user as a late answer.
    Late,
    /// Nothing.
    Absorb(DropReason),
}

impl InviteClient {
    /// Sends the INVITE.
    pub(super) fn start(
        now: Instant,
        flow: Flow,
        request: Bytes,
        timing: &Timing,
        first_response: Option<Duration>,
        out: &mut Outbox,
    ) -> Self {
        out.send(flow, &request);
        let resend =
            (!flow.transport.reliable()).then(|| (request, Backoff::new(now, timing.t1, Duration::MAX / 4)));
        let first_response = first_response.map(|wait| now + wait);
        let state = State::Calling { resend, b: now + timing.sixty_four_t1(), first_response };
        Self { flow, order: Order::default(), cancel: Cancel::No, state }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether the INVITE itself is still needed, for a CANCEL or an ACK.
    pub(super) fn needs_request(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Abandoned { .. } | State::Proceeding { .. })
    }

    /// Whether the loss of this transaction costs no more than a few repetitions.
    pub(super) fn is_quiet(&self) -> bool {
        match &self.state {
            State::Accepted { forks, .. } => forks.iter().all(|fork| fork.ack.is_some()),
            State::Completed { .. } | State::Ended => true,
            State::Calling { .. } | State::Abandoned { .. } | State::Proceeding { .. } => false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { resend, b, first_response } => {
                let a = resend.as_ref().map(|(_, a)| a.at());
                earlier(earlier(a, *first_response), Some(*b))
            }
            State::Abandoned { b } => Some(*b),
            State::Proceeding { cancel_deadline } => *cancel_deadline,
            State::Accepted { m, .. } => Some(*m),
            State::Completed { d, .. } => Some(*d),
            State::Ended => None,
        }
    }

    pub(super) fn on_response(
        &mut self,
        now: Instant,
        seen: Seen<'_>,
        timing: &Timing,
        out: &mut Outbox,
    ) -> Heard {
        if seen.status.is_provisional() {
            self.on_provisional(now, seen, timing)
        } else if seen.status.is_success() {
            self.on_success(now, seen.to_tag, timing, out)
        } else {
            self.on_refusal(out)
        }
    }

    fn on_provisional(&mut self, now: Instant, seen: Seen<'_>, timing: &Timing) -> Heard {
        match &mut self.state {
            State::Calling { .. } => {
                let cancel_deadline = (self.cancel == Cancel::Wanted).then(|| now + timing.sixty_four_t1());
                if cancel_deadline.is_some() {
                    self.cancel = Cancel::Due;
                }
                self.state = State::Proceeding { cancel_deadline };
            }
            State::Abandoned { b } => {
                if matches!(self.cancel, Cancel::No | Cancel::Wanted) {
                    self.cancel = Cancel::Due;
                    *b = now + timing.sixty_four_t1();
                }
                return Heard::Absorb(DropReason::LateProvisional);
            }
            State::Proceeding { .. } => {}
            State::Accepted { .. } | State::Completed { .. } | State::Ended => {
                return Heard::Absorb(DropReason::RepeatedResponse);
            }
        }
        let Some(reliable) = seen.reliable else { return Heard::Deliver(None) };
        match self.order.take(seen.to_tag, reliable.rseq) {
            Ok(()) => Heard::Deliver(Some(reliable)),
            Err(reason) => Heard::Absorb(reason),
        }
    }

    fn on_success(&mut self, now: Instant, to_tag: &Text, timing: &Timing, out: &mut Outbox) -> Heard {
        let (late, forks) = match &mut self.state {
            State::Accepted { late, forks, .. } => (*late, forks),
            State::Calling { .. } | State::Abandoned { .. } | State::Proceeding { .. } => {
                let late = matches!(self.state, State::Abandoned { .. });
                let forks = vec![Fork { tag: to_tag.detached(), ack: None }];
                self.state = State::Accepted { m: now + timing.sixty_four_t1(), late, forks };
                return deliver_success(late);
            }
            State::Completed { .. } | State::Ended => return Heard::Absorb(DropReason::RepeatedResponse),
        };
        if let Some(fork) = forks.iter().find(|fork| fork.tag == *to_tag) {
            if let Some((flow, ack)) = &fork.ack {
                out.send(*flow, ack);
            }
            return Heard::Absorb(DropReason::RepeatedResponse);
        }
        if forks.len() >= FORKS {
            return Heard::Absorb(DropReason::TooManyForks);
        }
        forks.push(Fork { tag: to_tag.detached(), ack: None });
        deliver_success(late)
    }

    fn on_refusal(&mut self, out: &mut Outbox) -> Heard {
        match &self.state {
            State::Calling { .. } | State::Proceeding { .. } => Heard::Refused { deliver: true },
            State::Abandoned { .. } => Heard::Refused { deliver: false },
            State::Completed { ack, .. } => {
                out.send(self.flow, ack);
                Heard::Absorb(DropReason::RepeatedResponse)
            }
            State::Accepted { .. } | State::Ended => Heard::Absorb(DropReason::RepeatedResponse),
        }
    }

    /// Sends the ACK of a 3xx–6xx.
    pub(super) fn completed(&mut self, now: Instant, ack: Bytes, timing: &Timing, out: &mut Outbox) {
        out.send(self.flow, &ack);
        self.state = if self.flow.transport.reliable() {
            State::Ended
        } else {
            State::Completed { d: now + timing.sixty_four_t1(), ack }
        };
    }

    /// Keeps the ACK of the 2xx with this To tag. Tells whether there was such a 2xx.
    pub(super) fn acknowledged(&mut self, to_tag: &Text, flow: Flow, ack: Bytes) -> bool {
        let State::Accepted { forks, .. } = &mut self.state else { return false };
        let Some(fork) = forks.iter_mut().find(|fork| fork.tag == *to_tag) else { return false };
        fork.ack = Some((flow, ack));
        true
    }

    /// The user gives up.
    pub(super) fn want_cancel(&mut self, now: Instant, timing: &Timing) -> Result<(), CancelRefusal> {
        match &mut self.state {
            State::Calling { .. } if self.cancel == Cancel::No => self.cancel = Cancel::Wanted,
            State::Proceeding { cancel_deadline } if self.cancel == Cancel::No => {
                self.cancel = Cancel::Due;
                *cancel_deadline = Some(now + timing.sixty_four_t1());
            }
            State::Calling { .. } | State::Proceeding { .. } => {}
            State::Abandoned { .. } | State::Accepted { .. } | State::Completed { .. } | State::Ended => {
                return Err(CancelRefusal::Answered);
            }
        }
        Ok(())
    }

    /// Whether the CANCEL is to be sent now; says so once.
    pub(super) fn take_due_cancel(&mut self) -> bool {
        let due = self.cancel == Cancel::Due;
        if due {
            self.cancel = Cancel::Sent;
        }
        due
    }

    pub(super) fn on_timeout(&mut self, now: Instant, out: &mut Outbox) -> Option<FailureReason> {
        let failure = match &mut self.state {
            State::Calling { b, .. } if *b <= now => Some(FailureReason::Timeout),
            State::Calling { b, first_response, .. } if passed(*first_response, now) => {
                self.state = State::Abandoned { b: *b };
                return Some(FailureReason::FirstResponseTimeout);
            }
            State::Calling { resend, .. } => {
                if let Some((request, a)) = resend
                    && a.due(now)
                {
                    out.send(self.flow, request);
                }
                return None;
            }
            State::Proceeding { cancel_deadline } if passed(*cancel_deadline, now) => {
                Some(FailureReason::CancelTimeout)
            }
            State::Abandoned { b: until }
            | State::Accepted { m: until, .. }
            | State::Completed { d: until, .. }
                if *until <= now =>
            {
                None
            }
            _ => return None,
        };
        self.state = State::Ended;
        failure
    }

    /// The INVITE could not be sent: ends the transaction unless the peer was heard of.
    pub(super) fn on_transmit_failed(&mut self, failure: FlowFailure) -> Option<FailureReason> {
        match self.state {
            State::Calling { .. } | State::Abandoned { .. } | State::Completed { .. } => {
                self.on_flow_lost(failure)
            }
            State::Proceeding { .. } | State::Accepted { .. } | State::Ended => None,
        }
    }

    /// The flow is gone. An accepted INVITE lives on: its further 2xx may come another way.
    pub(super) fn on_flow_lost(&mut self, failure: FlowFailure) -> Option<FailureReason> {
        if matches!(self.state, State::Accepted { .. }) {
            return None;
        }
        let was = std::mem::replace(&mut self.state, State::Ended);
        matches!(was, State::Calling { .. } | State::Proceeding { .. })
            .then_some(FailureReason::TransportFailed(failure))
    }
}

fn deliver_success(late: bool) -> Heard {
    if late { Heard::Late } else { Heard::Deliver(None) }
}

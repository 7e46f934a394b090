//! The INVITE server machine (RFC 3261 §17.2.1, §13.3.1.4, RFC 6026). Its rows stand in the room's table.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::backoff::{Backoff, earlier, passed};
use super::outbox::Outbox;
use super::reliable::{Pracked, Unacknowledged};
use super::{RespondRefusal, Timing, Trying};
use crate::engine::flow::Flow;
use crate::sip::{StatusCode, Text};

/// How long the user has before the layer says 100 itself (§17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

/// One INVITE server transaction.
#[derive(Debug)]
pub(super) struct InviteServer {
    flow: Flow,
    /// Our To tag, once a response carried one: the CANCEL's answer shall have the same (§9.2).
    tag: Option<Text>,
    state: State,
}

#[derive(Debug)]
enum State {
    Proceeding(Box<Proceeding>),
    /// `resend` is unset once the ACK came.
    Accepted {
        last: Bytes,
        resend: Option<Backoff>,
        l: Instant,
    },
    Completed {
        last: Bytes,
        g: Option<Backoff>,
        h: Instant,
    },
    Confirmed {
        i: Instant,
    },
    Ended,
}

#[derive(Debug)]
struct Proceeding {
    last: Bytes,
    trying: Option<Instant>,
    unanswered: Option<Instant>,
    reliable: Unacknowledged,
    /// A 2xx that waits for a PRACK (RFC 3262 §3).
    accept: Option<Bytes>,
    cancelled: bool,
}

/// What became of an ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acked {
    /// Of a 2xx, the first: for the user.
    Deliver,
    /// Seen before.
    Repeated,
    /// Of another final response: absorbed.
    Absorbed,
    /// Nothing to acknowledge.
    Stray,
}

/// What a passed deadline means to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lapse {
    /// The user never answered; the transaction has ended.
    NeverAnswered,
    /// The final response was never acknowledged; the transaction has ended.
    Unacknowledged { accepted: bool },
    /// A reliable provisional response was never acknowledged.
    ProvisionalUnacknowledged,
}

impl InviteServer {
    /// `trying` is the 100, sent now or later.
    pub(super) fn start(
        now: Instant,
        flow: Flow,
        trying: Bytes,
        when: Trying,
        unanswered: Instant,
        out: &mut Outbox,
    ) -> Self {
        let later = match when {
            Trying::AtOnce => {
                out.send(flow, &trying);
                None
            }
            Trying::After200Ms => Some(now + TRYING_AFTER),
        };
        let proceeding = Proceeding {
            last: trying,
            trying: later,
            unanswered: Some(unanswered),
            reliable: Unacknowledged::default(),
            accept: None,
            cancelled: false,
        };
        Self { flow, tag: None, state: State::Proceeding(Box::new(proceeding)) }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    pub(super) fn tag(&self) -> Option<&Text> {
        self.tag.as_ref()
    }

    pub(super) fn note_tag(&mut self, tag: Option<Text>) {
        if let Some(tag) = tag.filter(|_| self.tag.is_none()) {
            self.tag = Some(tag.detached());
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether the loss of this transaction costs no more than a few repetitions.
    pub(super) fn is_quiet(&self) -> bool {
        match &self.state {
            State::Proceeding(_) => false,
            State::Accepted { resend, .. } => resend.is_none(),
            State::Completed { .. } | State::Confirmed { .. } | State::Ended => true,
        }
    }

    /// Whether the same INVITE by another path would be one too many (§8.2.2.2).
    pub(super) fn is_ongoing(&self) -> bool {
        matches!(self.state, State::Proceeding(_) | State::Accepted { .. })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding(p) => earlier(earlier(p.trying, p.unanswered), p.reliable.deadline()),
            State::Accepted { resend, l, .. } => earlier(resend.as_ref().map(Backoff::at), Some(*l)),
            State::Completed { g, h, .. } => earlier(g.as_ref().map(Backoff::at), Some(*h)),
            State::Confirmed { i } => Some(*i),
            State::Ended => None,
        }
    }

    /// The INVITE came again.
    pub(super) fn on_repeat(&mut self, out: &mut Outbox) {
        match &mut self.state {
            State::Proceeding(proceeding) => {
                proceeding.trying = None;
                out.send(self.flow, &proceeding.last);
            }
            State::Completed { last, .. } => out.send(self.flow, last),
            State::Accepted { .. } | State::Confirmed { .. } | State::Ended => {}
        }
    }

    /// The caller gave up. Tells whether the user is to be told.
    pub(super) fn on_cancel(&mut self) -> bool {
        match &mut self.state {
            State::Proceeding(p) if p.accept.is_none() => !std::mem::replace(&mut p.cancelled, true),
            _ => false,
        }
    }

    pub(super) fn on_ack(&mut self, now: Instant, timing: &Timing) -> Acked {
        match &mut self.state {
            State::Accepted { last, resend, .. } => {
                *last = Bytes::new();
                if resend.take().is_some() { Acked::Deliver } else { Acked::Repeated }
            }
            State::Completed { .. } => {
                self.state = if self.flow.transport.reliable() {
                    State::Ended
                } else {
                    State::Confirmed { i: now + timing.t4 }
                };
                Acked::Absorbed
            }
            State::Confirmed { .. } => Acked::Absorbed,
            State::Proceeding(_) | State::Ended => Acked::Stray,
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
        let flow = self.flow;
        let proceeding = self.unanswered()?;
        proceeding.trying = None;
        proceeding.unanswered = None;
        if status.is_success() && proceeding.reliable.is_waiting() {
            proceeding.accept = Some(response);
            return Ok(());
        }
        out.send(flow, &response);
        if status.is_provisional() {
            proceeding.last = response;
        } else if status.is_success() {
            self.state = accepted(now, response, timing);
        } else {
            let g = (!flow.transport.reliable()).then(|| Backoff::new(now, timing.t1, timing.t2));
            self.state = State::Completed { last: response, g, h: now + timing.sixty_four_t1() };
        }
        Ok(())
    }

    /// The RSeq that the next reliable response has to carry.
    pub(super) fn next_rseq(&mut self, first: u32) -> Result<u32, RespondRefusal> {
        self.unanswered()?.reliable.next_rseq(first).ok_or(RespondRefusal::QueueFull)
    }

    pub(super) fn respond_reliably(
        &mut self,
        now: Instant,
        rseq: u32,
        response: Bytes,
        timing: &Timing,
        out: &mut Outbox,
    ) -> Result<(), RespondRefusal> {
        let flow = self.flow;
        let proceeding = self.unanswered()?;
        proceeding.trying = None;
        proceeding.unanswered = None;
        if proceeding.reliable.push(now, flow, rseq, response.clone(), timing, out) {
            proceeding.last = response;
        }
        Ok(())
    }

    /// A PRACK came. Tells whether it acknowledges the outstanding response.
    pub(super) fn on_prack(&mut self, now: Instant, rseq: u32, timing: &Timing, out: &mut Outbox) -> bool {
        let State::Proceeding(proceeding) = &mut self.state else { return false };
        match proceeding.reliable.acknowledge(now, self.flow, rseq, timing, out) {
            Pracked::Stray => return false,
            Pracked::Next(next) => proceeding.last = next,
            Pracked::Idle => {
                if let Some(response) = proceeding.accept.take() {
                    out.send(self.flow, &response);
                    self.state = accepted(now, response, timing);
                }
            }
        }
        true
    }

    pub(super) fn on_timeout(&mut self, now: Instant, out: &mut Outbox) -> Option<Lapse> {
        match &mut self.state {
            State::Proceeding(proceeding) => {
                let lapse = proceeding.on_timeout(now, self.flow, out)?;
                if lapse == Lapse::NeverAnswered {
                    self.state = State::Ended;
                }
                Some(lapse)
            }
            State::Accepted { last, resend, l } => {
                if *l <= now {
                    let lapse = resend.is_some().then_some(Lapse::Unacknowledged { accepted: true });
                    self.state = State::Ended;
                    return lapse;
                }
                resend_if_due(resend, now, self.flow, last, out);
                None
            }
            State::Completed { last, g, h } => {
                if *h <= now {
                    self.state = State::Ended;
                    return Some(Lapse::Unacknowledged { accepted: false });
                }
                resend_if_due(g, now, self.flow, last, out);
                None
            }
            State::Confirmed { i } => {
                if *i <= now {
                    self.state = State::Ended;
                }
                None
            }
            State::Ended => None,
        }
    }

    fn unanswered(&mut self) -> Result<&mut Proceeding, RespondRefusal> {
        match &mut self.state {
            State::Proceeding(proceeding) if proceeding.accept.is_none() => Ok(proceeding),
            State::Ended => Err(RespondRefusal::Gone),
            _ => Err(RespondRefusal::Answered),
        }
    }
}

impl Proceeding {
    fn on_timeout(&mut self, now: Instant, flow: Flow, out: &mut Outbox) -> Option<Lapse> {
        if passed(self.unanswered, now) {
            return Some(Lapse::NeverAnswered);
        }
        if passed(self.trying, now) {
            self.trying = None;
            out.send(flow, &self.last);
        }
        if self.reliable.on_timeout(now, flow, out) {
            self.accept = None;
            return Some(Lapse::ProvisionalUnacknowledged);
        }
        None
    }
}

fn accepted(now: Instant, response: Bytes, timing: &Timing) -> State {
    let resend = Some(Backoff::new(now, timing.t1, timing.t2));
    State::Accepted { last: response, resend, l: now + timing.sixty_four_t1() }
}

fn resend_if_due(resend: &mut Option<Backoff>, now: Instant, flow: Flow, last: &Bytes, out: &mut Outbox) {
    if resend.as_mut().is_some_and(|resend| resend.due(now)) {
        out.send(flow, last);
    }
}

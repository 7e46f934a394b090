//! Reliable provisional responses (RFC 3262): repeating ours until their PRACK comes, and putting the peer's
//! in order. The rows stand in the room's table.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::backoff::Backoff;
use super::outbox::Outbox;
use super::{DropReason, Timing};
use crate::engine::flow::Flow;
use crate::sip::Text;

/// Reliable responses of one INVITE that may wait for their predecessor's PRACK.
const WAITING: usize = 8;
/// Early dialogs of one INVITE whose RSeq is followed.
const EARLY_DIALOGS: usize = 16;

/// The server's end: one response outstanding, the others in order behind it.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged {
    last_rseq: Option<u32>,
    outstanding: Option<Outstanding>,
    waiting: VecDeque<(u32, Bytes)>,
}

/// What a PRACK did.
#[derive(Debug)]
pub(super) enum Pracked {
    /// It acknowledges nothing outstanding.
    Stray,
    /// Nothing is outstanding any more.
    Idle,
    /// The next response was sent: this one.
    Next(Bytes),
}

#[derive(Debug)]
struct Outstanding {
    rseq: u32,
    response: Bytes,
    resend: Backoff,
    give_up: Instant,
}

impl Unacknowledged {
    /// The RSeq for the next response, or `None` when too many wait. The first is `first`, within 1 to 2^31-1.
    pub(super) fn next_rseq(&self, first: u32) -> Option<u32> {
        if self.waiting.len() >= WAITING {
            return None;
        }
        Some(self.last_rseq.map_or(first & 0x7fff_ffff | 1, |last| last.wrapping_add(1).max(1)))
    }

    /// Sends `response`, or queues it behind the outstanding one. Tells whether it was sent.
    pub(super) fn push(
        &mut self,
        now: Instant,
        flow: Flow,
        rseq: u32,
        response: Bytes,
        timing: &Timing,
        out: &mut Outbox,
    ) -> bool {
        self.last_rseq = Some(rseq);
        if self.outstanding.is_some() {
            self.waiting.push_back((rseq, response));
            return false;
        }
        out.send(flow, &response);
        let resend = Backoff::new(now, timing.t1, Duration::MAX / 4);
        self.outstanding =
            Some(Outstanding { rseq, response, resend, give_up: now + timing.sixty_four_t1() });
        true
    }

    /// Whether a PRACK is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        self.outstanding.is_some()
    }

    /// A PRACK came. If it acknowledges the outstanding response, the next one is sent.
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        flow: Flow,
        rseq: u32,
        timing: &Timing,
        out: &mut Outbox,
    ) -> Pracked {
        if self.outstanding.take_if(|outstanding| outstanding.rseq == rseq).is_none() {
            return Pracked::Stray;
        }
        let Some((rseq, response)) = self.waiting.pop_front() else { return Pracked::Idle };
        let newest = self.last_rseq;
        self.push(now, flow, rseq, response.clone(), timing, out);
        self.last_rseq = newest;
        Pracked::Next(response)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.outstanding.as_ref().map(|outstanding| outstanding.resend.at().min(outstanding.give_up))
    }

    /// Lets deadlines pass; tells whether the PRACK never came. Then everything queued is dropped.
    pub(super) fn on_timeout(&mut self, now: Instant, flow: Flow, out: &mut Outbox) -> bool {
        let Some(outstanding) = &mut self.outstanding else { return false };
        if outstanding.give_up <= now {
            self.outstanding = None;
            self.waiting.clear();
            return true;
        }
        if outstanding.resend.due(now) {
            out.send(flow, &outstanding.response);
        }
        false
    }
}

/// The client's end: the last RSeq of each early dialog.
#[derive(Debug, Default)]
pub(super) struct Order(Vec<(Text, u32)>);

impl Order {
    /// Takes note of a reliable response. Only the next in order is for the user (RFC 3262 §4).
    pub(super) fn take(&mut self, to_tag: &Text, rseq: u32) -> Result<(), DropReason> {
        if let Some((_, last)) = self.0.iter_mut().find(|(tag, _)| tag == to_tag) {
            if last.checked_add(1) != Some(rseq) {
                return Err(DropReason::UnorderedProvisional);
            }
            *last = rseq;
            return Ok(());
        }
        if self.0.len() >= EARLY_DIALOGS {
            return Err(DropReason::TooManyForks);
        }
        self.0.push((to_tag.detached(), rseq));
        Ok(())
    }
}

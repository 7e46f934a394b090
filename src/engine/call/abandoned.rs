//! INVITEs that were given up because nothing was heard: their late 2xx is acknowledged and ended by BYE, also when the
//! call is long over.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::effects::Effects;
use crate::engine::dialog::Dialog;
use crate::engine::flow::Flow;
use crate::engine::transaction::{ClientId, RequestOptions};
use crate::sip::{Request, Response};

/// Longer than a transaction that was abandoned can live: three times 64·T1.
const KEPT: Duration = Duration::from_secs(100);
/// Most that are remembered; then the oldest goes, and its late answer times out at the peer.
const MOST: usize = 4_096;

/// The INVITEs that were given up, oldest first.
#[derive(Debug, Default)]
pub struct Abandoned {
    invites: HashMap<ClientId, (Flow, Box<Request>)>,
    order: VecDeque<(Instant, ClientId)>,
}

impl Abandoned {
    /// Remembers an INVITE that was given up.
    pub fn keep(&mut self, client: ClientId, flow: Flow, invite: Box<Request>, now: Instant) {
        self.forget_old(now);
        if self.order.len() >= MOST
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.invites.remove(&oldest);
        }
        self.order.push_back((now, client));
        self.invites.insert(client, (flow, invite));
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.invites.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.invites.is_empty()
    }

    /// Forgets those whose transaction is over.
    pub fn forget_old(&mut self, now: Instant) {
        while let Some((since, client)) = self.order.front().copied() {
            if now.saturating_duration_since(since) < KEPT {
                return;
            }
            self.order.pop_front();
            self.invites.remove(&client);
        }
    }

    fn get(&self, client: ClientId) -> Option<(Flow, Box<Request>)> {
        self.invites.get(&client).cloned()
    }
}

/// A late 2xx came. False when the INVITE is not one that was given up.
pub(super) fn answered_late(client: ClientId, response: &Response, fx: &mut Effects<'_>) -> bool {
    let Some((flow, invite)) = fx.books.abandoned.get(client) else { return false };
    fx.refused("call", "late-2xx");
    acknowledge_and_end(client, &invite, flow, response, fx);
    true
}

/// Acknowledges a 2xx that nobody waits for (another fork's, or a late one) and ends its dialog (§13.2.2.4).
pub(super) fn acknowledge_and_end(
    client: ClientId,
    invite: &Request,
    flow: Flow,
    response: &Response,
    fx: &mut Effects<'_>,
) {
    let Ok(mut dialog) = Dialog::as_uac(invite, response, flow) else {
        return fx.refused("call", "unusable-2xx");
    };
    let ack = dialog.ack_for(invite.cseq().map_or(1, |cseq| cseq.number));
    let acknowledged = fx.layer.ack_2xx(fx.now, flow, client, ack);
    let bye = dialog.bye();
    let ended = fx.layer.request(fx.now, flow, bye, RequestOptions::default());
    for refusal in acknowledged.err().into_iter().chain(ended.err()) {
        fx.refused("call", super::request_refusal_label(refusal));
    }
}

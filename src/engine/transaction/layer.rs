//! The transaction layer: the only door between the signalling rooms and the wire.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;

use super::{
    CancelRefusal, ClientId, Drops, Event, ReliableProvisional, RequestRefusal, RespondRefusal, ServerId, Settings,
};
use crate::engine::flow::{Flow, FlowFailure};
use crate::sip::{Message, Request, Response};
use crate::time::Now;

/// What a client transaction may be asked beside its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestOptions {
    /// How long to wait for the first response of any kind, 100 included, before
    /// [`FailureReason::FirstResponseTimeout`](super::FailureReason::FirstResponseTimeout). Shorter than
    /// 64·T1 to have an effect. An INVITE that failed by it is still cancelled when the peer wakes up, and
    /// its late 2xx comes as [`Event::LateAnswer`].
    pub first_response: Option<Duration>,
}

/// Every client and server transaction of the gateway. See the room's state tables.
#[derive(Debug)]
pub struct Layer {}

impl Layer {
    /// A layer without transactions. `rng` makes branches, tags and the first RSeq; seed it from a real source.
    pub fn new(settings: Settings, rng: ChaCha20Rng) -> Self;

    /// Takes a message off the wire.
    pub fn receive(&mut self, now: Now, flow: Flow, message: Message);

    /// Sends a request in a transaction of its own. The layer puts its Via on top: transport and port of
    /// `flow`, a fresh branch, `rport`. Everything else is the caller's. Not for ACK and CANCEL.
    pub fn request(
        &mut self, now: Now, flow: Flow, request: Request, options: RequestOptions,
    ) -> Result<ClientId, RequestRefusal>;

    /// Sends the ACK of a 2xx to `client`'s INVITE, on `flow` (the dialog's). Each further 2xx with the same
    /// To tag gets it again, until timer M. The layer puts its Via on top.
    pub fn ack_2xx(&mut self, now: Now, flow: Flow, client: ClientId, ack: Request) -> Result<(), RequestRefusal>;

    /// Gives up an INVITE: CANCEL now, or as soon as a provisional response comes (§9.1). The transaction
    /// still ends by a final response (487, or a 2xx that crossed) or by a failure. Asking twice is once.
    pub fn cancel(&mut self, now: Now, client: ClientId, reason: Option<&str>) -> Result<(), CancelRefusal>;

    /// Sends a response on the flow of its request. A final response is the last; a 2xx to an INVITE waits
    /// for the PRACK of an outstanding reliable provisional response.
    pub fn respond(&mut self, now: Now, server: ServerId, response: Response) -> Result<(), RespondRefusal>;

    /// Sends a 101–199 to an INVITE reliably: puts in `Require: 100rel` and RSeq, repeats it until its PRACK
    /// comes, one at a time; the others wait in a short queue. Only to a peer that supports 100rel.
    pub fn respond_reliably(&mut self, now: Now, server: ServerId, response: Response) -> Result<(), RespondRefusal>;

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event>;

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<(Flow, Bytes)>;

    /// Lets every deadline pass that is not after `now`.
    pub fn handle_timeout(&mut self, now: Now);

    /// When to call [`Layer::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant>;

    /// Something could not be sent on `flow`: fails the client transactions that wait there for their first
    /// response.
    pub fn transmit_failed(&mut self, now: Now, flow: Flow, failure: FlowFailure);

    /// `flow` is gone: fails every client transaction on it.
    pub fn flow_closed(&mut self, now: Now, flow: Flow, failure: FlowFailure);

    /// A fresh To or From tag: 16 random characters.
    pub fn fresh_tag(&mut self) -> crate::sip::Text;

    /// A fresh Call-ID: 32 random characters, no address in it.
    pub fn fresh_call_id(&mut self) -> crate::sip::Text;

    /// What was dropped or refused so far, by reason.
    pub fn drops(&self) -> &Drops;

    /// Live transactions: servers, clients.
    pub fn live(&self) -> (usize, usize);
}

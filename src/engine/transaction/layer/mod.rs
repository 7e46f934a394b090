//! The transaction layer: the only door between the signalling rooms and the wire.

mod clients;
mod requests;
mod responses;
mod servers;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use super::key::{Key, Keyer};
use super::outbox::Outbox;
use super::table::Table;
use super::{CancelRefusal, ClientId, Drops, Event, RequestRefusal, RespondRefusal, ServerId, Settings};
use crate::engine::flow::{ConnectionId, Flow, FlowFailure};
use crate::engine::timers::Timers;
use crate::sip::{Message, Request, Response, Text};
use crate::time::Now;
use clients::ClientEntry;
use servers::ServerEntry;

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
pub struct Layer {
    settings: Settings,
    rng: ChaCha20Rng,
    keyer: Keyer,
    clients: Table<ClientEntry>,
    servers: Table<ServerEntry>,
    by_key: HashMap<Key, u64>,
    /// INVITE server transactions by Call-ID, From tag and CSeq number.
    by_invite: HashMap<Key, u64>,
    by_flow: BTreeSet<(FlowKey, u64)>,
    timers: Timers<Alarm>,
    out: Outbox,
}

/// Where a flow's client transactions stand in the index.
type FlowKey = (Option<ConnectionId>, SocketAddr);

/// Whose deadline it is. Each transaction has one: its earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Alarm {
    Client(u64),
    Server(u64),
}

impl Layer {
    /// A layer without transactions. `rng` makes branches, tags and the first RSeq; seed it from a real source.
    pub fn new(settings: Settings, mut rng: ChaCha20Rng) -> Self {
        let settings = Settings { timing: settings.timing.sound(), ..settings };
        Self {
            keyer: Keyer::new(|| rng.next_u64()),
            clients: Table::new(settings.limits.clients),
            servers: Table::new(settings.limits.servers),
            by_key: HashMap::new(),
            by_invite: HashMap::new(),
            by_flow: BTreeSet::new(),
            timers: Timers::default(),
            out: Outbox::default(),
            settings,
            rng,
        }
    }

    /// Takes a message off the wire.
    pub fn receive(&mut self, now: Now, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.receive_request(now.instant, flow, request),
            Message::Response(response) => self.receive_response(now.instant, flow, response),
        }
    }

    /// Sends a request in a transaction of its own. The layer puts its Via on top: transport and port of
    /// `flow`, a fresh branch, `rport`. Everything else is the caller's. Not for ACK and CANCEL.
    ///
    /// An INVITE that has a provisional response waits for ever: how long it may ring is the user's to say, by
    /// [`Layer::cancel`].
    pub fn request(
        &mut self,
        now: Now,
        flow: Flow,
        request: Request,
        options: RequestOptions,
    ) -> Result<ClientId, RequestRefusal> {
        self.start_client(now.instant, flow, request, options).map(ClientId)
    }

    /// Sends the ACK of a 2xx to `client`'s INVITE, on `flow` (the dialog's). Each further 2xx with the same
    /// To tag gets it again, until timer M. The layer puts its Via on top.
    pub fn ack_2xx(
        &mut self,
        now: Now,
        flow: Flow,
        client: ClientId,
        ack: Request,
    ) -> Result<(), RequestRefusal> {
        self.acknowledge(now.instant, flow, client.0, ack)
    }

    /// Gives up an INVITE: CANCEL now, or as soon as a provisional response comes (§9.1). The transaction
    /// still ends by a final response (487, or a 2xx that crossed) or by a failure. Asking twice is once.
    /// `reason` is the value of the CANCEL's Reason header (RFC 3326), if it shall have one.
    pub fn cancel(&mut self, now: Now, client: ClientId, reason: Option<&str>) -> Result<(), CancelRefusal> {
        self.cancel_client(now.instant, client.0, reason)
    }

    /// Sends a response on the flow of its request. A final response is the last; a 2xx to an INVITE waits
    /// for the PRACK of an outstanding reliable provisional response.
    #[expect(clippy::needless_pass_by_value, reason = "a response is answered once; nobody needs it after")]
    pub fn respond(&mut self, now: Now, server: ServerId, response: Response) -> Result<(), RespondRefusal> {
        self.respond_by(now.instant, server.0, &response)
    }

    /// Sends a 101–199 to an INVITE reliably: puts in `Require: 100rel` and RSeq, repeats it until its PRACK
    /// comes, one at a time; the others wait in a queue of 8. Only to a peer that supports 100rel.
    pub fn respond_reliably(
        &mut self,
        now: Now,
        server: ServerId,
        response: Response,
    ) -> Result<(), RespondRefusal> {
        self.respond_reliably_by(now.instant, server.0, response)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<(Flow, Bytes)> {
        self.out.transmits.pop_front()
    }

    /// Lets every deadline pass that is not after `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(alarm) = self.timers.pop(now.instant) {
            match alarm {
                Alarm::Client(id) => self.client_timeout(now.instant, id),
                Alarm::Server(id) => self.server_timeout(now.instant, id),
            }
        }
    }

    /// When to call [`Layer::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Something could not be sent on `flow`: fails the client transactions that have heard nothing there yet.
    pub fn transmit_failed(&mut self, now: Now, flow: Flow, failure: FlowFailure) {
        self.fail_clients(now.instant, flow, failure, false);
    }

    /// `flow` is gone: fails every client transaction on it that has no final response.
    pub fn flow_closed(&mut self, now: Now, flow: Flow, failure: FlowFailure) {
        self.fail_clients(now.instant, flow, failure, true);
    }

    /// A fresh To or From tag: 16 random characters.
    pub fn fresh_tag(&mut self) -> Text {
        Text::from(format!("{:016x}", self.rng.next_u64()))
    }

    /// A fresh Call-ID: 32 random characters, no address in it.
    pub fn fresh_call_id(&mut self) -> Text {
        Text::from(format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64()))
    }

    /// What was dropped or refused so far, by reason.
    pub fn drops(&self) -> &Drops {
        &self.out.drops
    }

    /// Live transactions: servers, clients.
    pub fn live(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }

    /// Whether no index remembers anything.
    #[cfg(test)]
    pub(super) fn is_empty(&mut self) -> bool {
        let tables = self.servers.len() + self.clients.len();
        let indexes = self.by_key.len() + self.by_invite.len() + self.by_flow.len();
        tables + indexes == 0 && self.timers.next_deadline().is_none()
    }

    /// Moves an alarm to where a machine wants it; `armed` is where it stands.
    fn rearm(timers: &mut Timers<Alarm>, alarm: Alarm, armed: &mut Option<Instant>, wanted: Option<Instant>) {
        if *armed == wanted {
            return;
        }
        match wanted {
            Some(at) => timers.set(alarm, at),
            None => timers.cancel(&alarm),
        }
        *armed = wanted;
    }
}

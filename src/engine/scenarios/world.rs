//! The world around one engine: virtual time, peers, a store, a media worker, Asterisk's registrar.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::far_ends::FarEnds;
use super::ledger::Ledger;
use crate::engine::call::CallRecord;
use crate::engine::flow::{Flow, FlowFailure, Side};
use crate::engine::numbering::Extension;
use crate::engine::registrar::{Account, Accounts, Binding};
use crate::engine::roaming::SealedVerifier;
use crate::engine::settings::Settings;
use crate::engine::testing::{self, address};
use crate::engine::web::{Ticket, WebEvent, WebReply, WebSession};
use crate::engine::{
    Change, Engine, EngineSetup, Input, Observation, Output, Publication, RoamingInput, RoamingWrite,
    StoreTicket,
};
use crate::media::{EndId, MediaEvent, Report};
use crate::sip::digest::UserKeys;
use crate::sip::{Message, Method, StatusCode, Transport, parse};
use crate::time::Now;

/// A peer, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer(pub(super) usize);

/// Asterisk is always the first peer.
pub(super) const ASTERISK: Peer = Peer(0);

/// One peer on the wire.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) number: String,
    pub(super) flow: Flow,
    pub(super) inbox: VecDeque<Message>,
    /// The connection is gone: what is sent there fails.
    pub(super) gone: bool,
    pub(super) sequence: u32,
    /// What it was sent: a transaction layer takes each message once.
    seen: HashSet<Bytes>,
    /// It has a transaction layer of its own.
    pub(super) raw: bool,
}

/// How the store behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Durable,
    Broken,
    Held,
}

/// How Asterisk behaves towards OPTIONS and REGISTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pbx {
    Answers,
    Silent,
    Refuses,
}

/// Everything around the engine.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) now: Now,
    pub(super) settings: Settings,
    pub(super) peers: Vec<Wire>,
    pub(super) ledger: Ledger,
    pub(super) store: Store,
    pub(super) held: Vec<StoreTicket>,
    pub(super) persisted: Vec<Change>,
    pub(super) observed: Vec<Observation>,
    pub(super) told: HashMap<WebSession, VecDeque<WebEvent>>,
    pub(super) replies: VecDeque<(Ticket, WebReply)>,
    pub(super) pbx: Pbx,
    /// Contacts that Asterisk holds, by extension.
    pub(super) contacts: HashMap<String, Now>,
    /// REGISTERs that Asterisk saw: extension, expires, when.
    pub(super) mirrored: Vec<(String, u32, Now)>,
    /// Whether the media worker answers a Close at once.
    pub(super) reports: bool,
    pub(super) unreported: Vec<EndId>,
    pub(super) inputs: VecDeque<Input>,
    pub(super) tickets: u64,
    /// Max-Forwards of what peers send.
    pub(super) hops: u8,
    pub(super) branches: u64,
    /// Peers may be sent what no script mentions, and what they know nothing of.
    pub(super) lenient: bool,
    /// Whether phones say that they take UPDATE.
    pub(super) allow_update: bool,
    /// The links' other ends.
    pub(super) far: FarEnds,
    /// What other offices were told of extensions.
    pub(super) published: Vec<Publication>,
    pub(super) roaming_writes: Vec<RoamingWrite>,
    /// Visitors' records on flash.
    pub(super) records: HashMap<Extension, SealedVerifier>,
    /// Whether the flash answers when it is asked for them.
    pub(super) fetches: Store,
}

/// The accounts 1001 to 1006, with names and passwords (`pw-1001`).
pub(super) fn accounts() -> Accounts {
    let names = ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay"];
    (1001..)
        .zip(names)
        .map(|(number, name)| account(&number.to_string(), name, &format!("pw-{number}")))
        .collect()
}

/// One account.
pub(super) fn account(number: &str, name: &str, password: &str) -> Account {
    Account {
        extension: number.parse().unwrap(),
        display_name: Some(name.to_owned()),
        keys: UserKeys::new(number, "branchline", password),
        token_hash: [0; 32],
    }
}

pub(super) const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl World {
    /// Branchline alone.
    pub(super) fn alone() -> Self {
        Self::with(Settings { asterisk: None, ..testing::settings() })
    }

    /// Branchline and an Asterisk that answers.
    pub(super) fn with_asterisk() -> Self {
        Self::with(testing::settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self::restored(settings, accounts(), Vec::new(), testing::now())
    }

    /// With what survived a restart.
    pub(super) fn restored(settings: Settings, accounts: Accounts, bindings: Vec<Binding>, now: Now) -> Self {
        let setup = EngineSetup { settings: settings.clone(), accounts, bindings, seed: [9; 32], now };
        let flow = Flow {
            transport: Transport::Udp,
            local: address("127.0.0.1:5070"),
            remote: address("127.0.0.1:5080"),
            connection: None,
            side: Side::Asterisk,
        };
        let mut world = Self {
            engine: Engine::new(setup),
            now,
            settings,
            peers: vec![],
            ledger: Ledger::default(),
            store: Store::Durable,
            held: vec![],
            persisted: vec![],
            observed: vec![],
            told: HashMap::new(),
            replies: VecDeque::new(),
            pbx: Pbx::Answers,
            contacts: HashMap::new(),
            mirrored: vec![],
            reports: true,
            unreported: vec![],
            inputs: VecDeque::new(),
            tickets: 0,
            hops: 70,
            branches: 0,
            lenient: false,
            allow_update: true,
            far: FarEnds::default(),
            published: vec![],
            roaming_writes: vec![],
            records: HashMap::new(),
            fetches: Store::Durable,
        };
        world.peer("asterisk", flow);
        world.step();
        world
    }

    pub(super) fn peer(&mut self, number: &str, flow: Flow) -> Peer {
        let wire = Wire {
            number: number.to_owned(),
            flow,
            inbox: VecDeque::new(),
            gone: false,
            sequence: 0,
            seen: HashSet::new(),
            raw: false,
        };
        self.peers.push(wire);
        Peer(self.peers.len() - 1)
    }

    /// Gives an input and all that follows from it.
    pub(super) fn feed(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            self.engine.handle_input(self.now, input);
            self.step();
        }
    }

    /// Bytes of a peer arrive.
    pub(super) fn wire(&mut self, peer: Peer, text: &str) {
        let flow = self.peers[peer.0].flow;
        self.wire_on(flow, text);
    }

    /// Bytes arrive on a flow.
    pub(super) fn wire_on(&mut self, flow: Flow, text: &str) {
        let message = parse::parse(Bytes::from(text.to_owned()));
        self.feed(Input::Sip { flow, message });
    }

    /// Virtual time passes, deadline by deadline.
    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now.plus(span);
        let mut rounds = 0;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end.instant) {
            let before = self.now;
            self.now = self.now.plus(at.saturating_duration_since(self.now.instant));
            rounds = if self.now == before { rounds + 1 } else { 0 };
            assert!(rounds < 100, "time stands still");
            self.engine.handle_timeout(self.now);
            self.step();
            while let Some(input) = self.inputs.pop_front() {
                self.engine.handle_input(self.now, input);
                self.step();
            }
        }
        self.now = end;
    }

    /// Carries out what the engine wants, and checks what must hold at every moment.
    pub(super) fn step(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.carry_out(output);
        }
        assert_eq!(self.engine.ports().0, self.ledger.phone_ports(), "ports in use and open ends differ");
        self.engine.check();
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit { flow, bytes } => self.deliver(flow, bytes),
            Output::Close { flow, reason } => {
                assert!(self.far.has(flow, &self.peers), "{flow:?} closed: {reason:?}");
                if reason == FlowFailure::Silent {
                    self.is_reset(flow);
                }
            }
            Output::Dial(dial) => self.far_end_is_dialled(&dial),
            Output::Media(command) => {
                if let Some(end) = self.ledger.media(&command) {
                    self.unreported.push(end);
                }
                if self.reports {
                    self.report_ends();
                }
            }
            Output::Connectivity(command) => self.ledger.connectivity(&command),
            Output::Persist { ticket, change } => {
                self.persisted.push(change);
                match self.store {
                    Store::Durable => self.inputs.push_back(Input::Persisted { ticket, durable: true }),
                    Store::Broken => self.inputs.push_back(Input::Persisted { ticket, durable: false }),
                    Store::Held => self.held.push(ticket),
                }
            }
            Output::Web { session, event } => self.told.entry(session).or_default().push_back(event),
            Output::Reply { ticket, reply } => self.replies.push_back((ticket, reply)),
            Output::Publish(publication) => self.published.push(publication),
            Output::PersistRoaming(write) => {
                if let RoamingWrite::Verifier(record) = &write {
                    self.records.insert(record.aor.extension.clone(), (**record).clone());
                }
                self.roaming_writes.push(write);
            }
            Output::FetchVerifier { .. } if self.fetches == Store::Held => {}
            Output::FetchVerifier { ticket, extension } => {
                let record = self.records.get(&extension).cloned();
                self.inputs.push_back(Input::Roaming(RoamingInput::Fetched { ticket, record }));
            }
            Output::Observe(observation) => self.observed.push(observation),
        }
    }

    /// The media worker reports the ends that were closed.
    pub(super) fn report_ends(&mut self) {
        for end in std::mem::take(&mut self.unreported) {
            let report = Box::new(Report::default());
            self.inputs.push_back(Input::Media(MediaEvent::Closed { end, report }));
        }
    }

    fn deliver(&mut self, flow: Flow, bytes: Bytes) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let message = parse::parse(bytes.clone())
            .unwrap_or_else(|error| panic!("unreadable output {error:?}:\n{text}"));
        let found =
            self.peers.iter().position(|wire| wire.flow.side == flow.side && same_way(wire.flow, flow));
        let Some(place) = found else {
            let was_known = self.lenient && flow.connection.is_some();
            assert!(was_known, "sent to a stranger at {flow:?}:\n{text}");
            return self.inputs.push_back(Input::FlowFailed { flow, reason: FlowFailure::Unknown });
        };
        if self.far.is_deaf(Peer(place)) {
            return;
        }
        if self.peers[place].gone {
            return self.inputs.push_back(Input::FlowFailed { flow, reason: FlowFailure::Unknown });
        }
        if place == ASTERISK.0
            && let Message::Request(request) = &message
            && matches!(request.method, Method::Options | Method::Register)
        {
            return self.asterisk_hears(request);
        }
        if let Message::Request(request) = &message
            && request.method == Method::Options
            && self.far.is_end(Peer(place))
        {
            return self.far_end_is_probed(Peer(place), request);
        }
        if self.peers[place].raw || self.peers[place].seen.insert(bytes) {
            self.peers[place].inbox.push_back(message);
        }
    }

    /// The store carries out what it held.
    pub(super) fn store_catches_up(&mut self) {
        for ticket in std::mem::take(&mut self.held) {
            self.feed(Input::Persisted { ticket, durable: true });
        }
    }

    /// The call records that were written.
    pub(super) fn records(&self) -> Vec<&CallRecord> {
        self.persisted
            .iter()
            .filter_map(|change| match change {
                Change::CallRecord(record) => Some(record.as_ref()),
                _ => None,
            })
            .collect()
    }

    /// Whether something was refused for this reason.
    pub(super) fn was_refused(&self, word: &str) -> bool {
        self.observed.iter().any(|one| matches!(one, Observation::Refused { reason, .. } if *reason == word))
    }

    pub(super) fn extension(number: &str) -> Extension {
        number.parse().unwrap()
    }
}

fn same_way(a: Flow, b: Flow) -> bool {
    a.connection == b.connection && a.remote == b.remote && a.transport == b.transport
}

pub(super) fn is_trying(message: &Message) -> bool {
    matches!(message, Message::Response(response) if response.status == StatusCode::TRYING)
}

pub(super) fn first_line(message: &Message) -> String {
    let bytes = message.to_bytes();
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
}

//! The engine's front: every input finds its room here.
//!
//! | input | goes to |
//! | --- | --- |
//! | a message | admission, then the transaction layer; its events come back here |
//! | a request in a dialog | the call that owns the dialog |
//! | REGISTER | the registrar; answered once its bindings are on flash |
//! | what other offices say of extensions | roaming |
//! | INVITE | authentication, then calls |
//! | OPTIONS | answered here; from Asterisk it asks whether an extension has a device |
//! | pages | calls; what they say of themselves, the registrar |
//! | media, ICE | calls |

mod carriers;
mod links;
mod messages;
mod registrations;
#[cfg(test)]
mod residue;
mod roaming;
mod tally;
mod visitors;
mod web;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::engine::admission::Admission;
use crate::engine::call::{Books, Calls, Cause, Effects, MediaStock};
use crate::engine::flow::Side;
use crate::engine::input::Input;
use crate::engine::message::Messages;
use crate::engine::mirror::{Mirror, MirrorRequest, MirrorToken};
use crate::engine::output::{Observation, Output, StoreTicket};
use crate::engine::policy::Tally;
use crate::engine::registrar::{Accounts, Binding, Registrar};
use crate::engine::routing::{ProbeToken, Router};
use crate::engine::settings::Settings;
use crate::engine::timers::Timers;
use crate::engine::transaction::{self, ClientId, Event, Layer};
use crate::media::{EndIds, PortPool};
use crate::time::Now;
use carriers::Registering;
use registrations::Waiting;
use roaming::Federation;

/// What we understand beyond RFC 3261; a request that requires more gets 420.
const EXTENSIONS: &[&str] = &["100rel", "timer", "outbound", "path"];

/// Room in the tables beyond the limit on calls: emergency calls are not limited.
const SPARE_CALLS: usize = 16;

/// What an engine starts from.
pub struct EngineSetup {
    /// The configuration.
    pub settings: Settings,
    /// Who may register.
    pub accounts: Accounts,
    /// Bindings that survived a restart.
    pub bindings: Vec<Binding>,
    /// 32 bytes from a real source of chance.
    pub seed: [u8; 32],
    /// The time.
    pub now: Now,
}

/// Sans-IO signalling. See the room's documentation.
pub struct Engine {
    settings: Settings,
    layer: Layer,
    registrar: Registrar,
    admission: Admission,
    mirror: Mirror,
    mirror_clients: HashMap<ClientId, MirrorToken>,
    router: Router,
    probes: HashMap<ClientId, ProbeToken>,
    registering: HashMap<ClientId, Registering>,
    calls: Calls,
    books: Books,
    messages: Messages,
    stock: MediaStock,
    tally: Tally,
    random: ChaCha20Rng,
    out: VecDeque<Output>,
    tickets: u64,
    waiting: HashMap<u64, Waiting>,
    waiting_by_ticket: HashMap<StoreTicket, u64>,
    waiting_sequence: u64,
    store_timers: Timers<u64>,
    federation: Option<Federation>,
}

impl Engine {
    /// An engine with what survived.
    pub fn new(setup: EngineSetup) -> Self {
        let EngineSetup { settings, accounts, bindings, seed, now } = setup;
        let mut random = ChaCha20Rng::from_seed(seed);
        let layer_settings = transaction::Settings {
            limits: transaction::Limits {
                servers: settings.max_transactions,
                clients: settings.max_transactions,
                ..transaction::Limits::default()
            },
            ..transaction::Settings::default()
        };
        let layer = Layer::new(layer_settings, ChaCha20Rng::from_rng(&mut random));
        let registrar =
            Registrar::new(&settings, accounts, bindings, ChaCha20Rng::from_rng(&mut random), now);
        let ends = u32::try_from(settings.calls.max.saturating_add(SPARE_CALLS).saturating_mul(4))
            .unwrap_or(u32::MAX);
        let stock = MediaStock {
            ends: EndIds::new(ends),
            ports: PortPool::new(settings.media.phone_ports.clone(), settings.media.rest),
        };
        let mut engine = Self {
            admission: Admission::new(&settings),
            mirror: Mirror::new(&settings, now),
            books: Books::new(settings.calls.max.saturating_add(SPARE_CALLS).saturating_mul(8)),
            settings,
            layer,
            registrar,
            mirror_clients: HashMap::new(),
            router: Router::default(),
            probes: HashMap::new(),
            registering: HashMap::new(),
            calls: Calls::default(),
            messages: Messages::default(),
            stock,
            tally: Tally::default(),
            random,
            out: VecDeque::new(),
            tickets: 0,
            waiting: HashMap::new(),
            waiting_by_ticket: HashMap::new(),
            waiting_sequence: 0,
            store_timers: Timers::default(),
            federation: None,
        };
        let (links, site) = (engine.settings.routing.links.clone(), engine.settings.routing.site.clone());
        engine.router.set_own(links, site, now);
        engine.mirror.extensions(engine.registrar.extensions(), now);
        engine.turn(now);
        engine
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        match input {
            Input::Sip { flow, message } => self.message(now, flow, message),
            Input::FlowOpened { flow, .. } if matches!(flow.side, Side::Office(_)) => {
                self.calls.peer_moved(flow);
            }
            Input::FlowOpened { flow, identity } => self.registrar.flow_opened(flow, identity),
            Input::FlowFailed { flow, reason } => self.flow_failed(now, flow, reason),
            Input::Media(event) => self.with_calls(now, |calls, fx| calls.media_event(event, fx)),
            Input::Connectivity(event) => {
                self.with_calls(now, |calls, fx| calls.connectivity_event(&event, fx));
            }
            Input::Web(input) => self.web(now, input),
            Input::Persisted { ticket, durable } => self.persisted(now, ticket, durable),
            Input::Accounts(accounts) => {
                let changes = self.registrar.set_accounts(accounts, now);
                self.note_registrations(&changes, now);
            }
            Input::Availability(said) => {
                for (extension, says) in said {
                    self.registrar.set_availability(&extension, says);
                }
            }
            Input::Settings(settings) => self.reload(*settings, now),
            Input::Routes(table) => self.router.set_table(table, now),
            Input::Dialled { ticket, result } => self.dialled(now, ticket, result),
            Input::Roaming(input) => self.roaming_input(now, input),
            Input::Drain => self.calls.drain(),
            Input::Tally(rows) => self.tally_restored(now, rows),
            Input::Stop => {
                self.with_calls(now, |calls, fx| calls.end_all(Cause::Shutdown, fx));
                self.tally_changed(now, true);
            }
        }
        self.turn(now);
    }

    /// Sockets, ports and the link to Asterisk are as they were at the start; the rest is in force at once.
    fn reload(&mut self, mut settings: Settings, now: Now) {
        settings.asterisk = self.settings.asterisk;
        settings.media = self.settings.media.clone();
        self.admission.set(&settings);
        self.router.set_own(settings.routing.links.clone(), settings.routing.site.clone(), now);
        self.registrar.set_limits(settings.registrar.clone());
        self.settings = settings;
    }

    /// Lets every deadline pass that is not after `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        self.layer.handle_timeout(now);
        let changes = self.registrar.handle_timeout(now);
        self.note_registrations(&changes, now);
        while let Some(key) = self.store_timers.pop(now.instant) {
            self.store_is_silent(now, key);
        }
        self.mirror.handle_timeout(now);
        self.links_timeout(now);
        self.roaming_timeout(now);
        self.with_calls(now, Calls::handle_timeout);
        self.tally_changed(now, false);
        self.turn(now);
    }

    /// When to call [`Engine::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let deadlines = [
            self.layer.poll_timeout(),
            self.registrar.poll_timeout(),
            self.mirror.poll_timeout(),
            self.router.links.poll_timeout(),
            self.store_timers.next_deadline(),
            self.books.timers.next_deadline(),
            self.roaming_deadline(),
            self.tally.poll_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The next effect.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Calls in progress, and those being cleaned up.
    pub const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Where devices are.
    pub const fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// What Asterisk was told.
    pub const fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Transactions under way: servers, clients.
    pub fn transactions(&self) -> (usize, usize) {
        self.layer.live()
    }

    /// What the transaction layer dropped since the start.
    pub fn transaction_drops(&self) -> &transaction::Drops {
        self.layer.drops()
    }

    /// Port pairs in use, and all that are bound.
    pub fn ports(&self) -> (usize, usize) {
        (self.stock.ports.in_use(), self.stock.ports.capacity())
    }

    /// Carries out what the layers have to say, until they have nothing more.
    fn turn(&mut self, now: Now) {
        loop {
            let mut moved = false;
            while let Some(event) = self.layer.poll_event() {
                moved = true;
                self.event(now, event);
            }
            while let Some(request) = self.mirror.poll_request() {
                moved = true;
                self.send_mirror(now, request);
            }
            moved |= self.carry_out_link_orders(now);
            while let Some((flow, bytes)) = self.layer.poll_transmit() {
                moved = true;
                self.out.push_back(Output::Transmit { flow, bytes });
            }
            if !moved {
                return self.note_reachable();
            }
        }
    }

    fn event(&mut self, now: Now, event: Event) {
        match event {
            Event::Request { server, flow, request } => self.request(now, server, flow, request),
            Event::Response { client, response, .. } if self.mirror_clients.contains_key(&client) => {
                if response.status.is_final()
                    && let Some(token) = self.mirror_clients.remove(&client)
                {
                    self.mirror.response(now, token, &response);
                }
            }
            Event::Response { client, response, .. } if self.probes.contains_key(&client) => {
                if response.status.is_final()
                    && let Some(token) = self.probe_of(client)
                {
                    self.router.links.probed(token, Some(response.status.code()), now);
                }
            }
            Event::Failed { client, .. } if self.probes.contains_key(&client) => {
                if let Some(token) = self.probe_of(client) {
                    self.router.links.probed(token, None, now);
                }
            }
            Event::Response { client, response, .. } if self.is_registering(client) => {
                if response.status.is_final() {
                    self.registration_answered(now, client, Some(&response));
                }
            }
            Event::Failed { client, .. } if self.is_registering(client) => {
                self.registration_answered(now, client, None);
            }
            Event::Response { client, response, .. } if self.messages.owns(client) => {
                if response.status.is_final() {
                    self.message_answered(now, client, Some(response.status));
                }
            }
            Event::Failed { client, .. } if self.messages.owns(client) => {
                self.message_answered(now, client, None);
            }
            Event::Failed { client, .. } if self.mirror_clients.contains_key(&client) => {
                if let Some(token) = self.mirror_clients.remove(&client) {
                    self.mirror.failed(now, token);
                }
            }
            other => self.with_calls(now, |calls, fx| calls.transaction_event(other, fx)),
        }
    }

    fn send_mirror(&mut self, now: Now, request: MirrorRequest) {
        let MirrorRequest { token, request, patience } = request;
        let Some(flow) = self.mirror.flow() else { return };
        let options = transaction::RequestOptions { first_response: patience };
        match self.layer.request(now, flow, request, options) {
            Ok(client) => drop(self.mirror_clients.insert(client, token)),
            Err(_) => self.mirror.failed(now, token),
        }
    }

    fn note_reachable(&mut self) {
        if let Some(reachable) = self.mirror.poll_reachable() {
            self.out.push_back(Output::Observe(Observation::AsteriskReachable(reachable)));
        }
    }

    pub(in crate::engine) fn refused(&mut self, room: &'static str, reason: &'static str) {
        self.out.push_back(Output::Observe(Observation::Refused { room, reason }));
    }

    pub(in crate::engine) fn with_calls(&mut self, now: Now, act: impl FnOnce(&mut Calls, &mut Effects<'_>)) {
        let mut fx = Effects {
            now,
            settings: &self.settings,
            layer: &mut self.layer,
            stock: &mut self.stock,
            random: &mut self.random,
            out: &mut self.out,
            tickets: &mut self.tickets,
            registrar: &self.registrar,
            roaming: self.federation.as_ref().map(Federation::roaming),
            router: &mut self.router,
            tally: &mut self.tally,
            books: &mut self.books,
            active_calls: self.calls.active(),
            asterisk: self.mirror.state(),
            asterisk_silent: false,
            used: Vec::new(),
        };
        act(&mut self.calls, &mut fx);
        let (is_silent, used) = (fx.asterisk_silent, fx.used);
        for device in used {
            self.registrar.used(&device, now);
        }
        if is_silent {
            self.mirror.suspect(now);
        }
    }
}

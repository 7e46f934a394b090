//! The engine's front: every input finds its room here.
//!
//! | input | goes to |
//! | --- | --- |
//! | a message | admission, then the transaction layer; its events come back here |
//! | a request in a dialog | the call that owns the dialog |
//! | REGISTER | the registrar; answered once its bindings are on flash |
//! | INVITE | authentication, then calls |
//! | OPTIONS | answered here; from Asterisk it asks whether an extension has a device |
//! | media, ICE, pages | calls |

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::admission::{Admission, Admit};
use super::call::{self, Admitted, Books, Calls, Cause, Effects, MediaStock, Party};
use super::flow::{Flow, Side};
use super::input::Input;
use super::mirror::{Mirror, MirrorToken};
use super::output::{Observation, Output, StoreTicket};
use super::registrar::{Accounts, Allowed, Binding, PendingRegistration, Registered, Registrar};
use super::settings::Settings;
use super::transaction::{self, ClientId, Event, Layer, ServerId};
use super::web::{Ticket, WebEvent, WebInput, WebReply};
use crate::media::{EndIds, PortPool};
use crate::sip::parse::ParseError;
use crate::sip::{HeaderName, Message, Method, Request, Response, StatusCode, Text, check};
use crate::time::Now;

/// What we understand beyond RFC 3261; a request that requires more gets 420.
const EXTENSIONS: &[&str] = &["100rel", "timer", "outbound", "path", "gruu", "replaces", "norefersub"];

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

/// A registration whose answer waits for the flash.
struct Waiting {
    server: ServerId,
    flow: Flow,
    request: Request,
    pending: PendingRegistration,
    tickets: usize,
    durable: bool,
}

/// Sans-IO signalling. See the room's documentation.
pub struct Engine {
    settings: Settings,
    layer: Layer,
    registrar: Registrar,
    admission: Admission,
    mirror: Mirror,
    mirror_clients: HashMap<ClientId, MirrorToken>,
    calls: Calls,
    books: Books,
    stock: MediaStock,
    random: ChaCha20Rng,
    out: VecDeque<Output>,
    tickets: u64,
    waiting: HashMap<u64, Waiting>,
    waiting_by_ticket: HashMap<StoreTicket, u64>,
    waiting_sequence: u64,
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
        let ends = u32::try_from(settings.calls.max.saturating_mul(4)).unwrap_or(u32::MAX);
        let stock = MediaStock {
            ends: EndIds::new(ends),
            ports: PortPool::new(settings.media.phone_ports.clone(), settings.media.rest),
        };
        let mut engine = Self {
            admission: Admission::new(&settings),
            mirror: Mirror::new(&settings, now),
            books: Books::new(settings.calls.max.saturating_mul(8)),
            settings,
            layer,
            registrar,
            mirror_clients: HashMap::new(),
            calls: Calls::default(),
            stock,
            random,
            out: VecDeque::new(),
            tickets: 0,
            waiting: HashMap::new(),
            waiting_by_ticket: HashMap::new(),
            waiting_sequence: 0,
        };
        engine.mirror.extensions(engine.registrar.registered_extensions(), now);
        engine.turn(now);
        engine
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        match input {
            Input::Sip { flow, message } => self.message(now, flow, message),
            Input::FlowOpened { flow, identity } => self.registrar.flow_opened(flow, identity),
            Input::FlowFailed { flow, reason } => {
                if flow.connection.is_some() {
                    self.layer.flow_closed(now, flow, reason);
                    let changes = self.registrar.flow_closed(now, flow);
                    self.note_registrations(changes, now);
                } else {
                    self.layer.transmit_failed(now, flow, reason);
                }
            }
            Input::Media(event) => self.with_calls(now, |calls, fx| calls.media_event(event, fx)),
            Input::Connectivity(event) => {
                self.with_calls(now, |calls, fx| calls.connectivity_event(&event, fx));
            }
            Input::Web(input) => self.web(now, input),
            Input::Persisted { ticket, durable } => self.persisted(now, ticket, durable),
            Input::Accounts(accounts) => {
                let changes = self.registrar.set_accounts(accounts, now);
                self.note_registrations(changes, now);
            }
            Input::Settings(settings) => self.settings = *settings,
            Input::Drain => self.calls.drain(),
            Input::Stop => self.with_calls(now, |calls, fx| calls.end_all(Cause::Shutdown, fx)),
        }
        self.turn(now);
    }

    /// Lets every deadline pass that is not after `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        self.layer.handle_timeout(now);
        let changes = self.registrar.handle_timeout(now);
        self.note_registrations(changes, now);
        self.mirror.handle_timeout(now);
        self.with_calls(now, |calls, fx| calls.handle_timeout(fx));
        self.turn(now);
    }

    /// When to call [`Engine::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let deadlines = [
            self.layer.poll_timeout(),
            self.registrar.poll_timeout(),
            self.mirror.poll_timeout(),
            self.books.timers.next(),
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

    /// Port pairs in use, and all that are bound.
    pub fn ports(&self) -> (usize, usize) {
        (self.stock.ports.in_use(), self.stock.ports.capacity())
    }

    fn message(&mut self, now: Now, flow: Flow, message: Result<Message, ParseError>) {
        let message = match message {
            Ok(message) => message,
            Err(error) => return self.unreadable(flow, &error),
        };
        match self.admission.admit(now, flow, &message) {
            Admit::Pass => {}
            Admit::Drop(reason) => return self.refused("admission", reason),
            Admit::Refuse { status, reason, retry_after } => {
                self.refused("admission", reason);
                return self.refuse_statelessly(flow, &message, status, retry_after);
            }
        }
        if let Message::Request(request) = &message
            && let Err(refusal) = check::request(request, EXTENSIONS)
        {
            self.refused("sip", refusal.as_str());
            let tag = self.layer.fresh_tag();
            if let Some(response) = refusal.answer(request, &tag) {
                self.transmit(flow, &response);
            }
            return;
        }
        self.layer.receive(now, flow, message);
    }

    fn unreadable(&mut self, flow: Flow, error: &ParseError) {
        match error {
            ParseError::Malformed(malformed) => {
                self.refused("sip", malformed.reason.as_str());
                let tag = self.layer.fresh_tag();
                if let Some(response) = malformed.answer(&tag) {
                    self.transmit(flow, &response);
                }
            }
            ParseError::KeepAlive => {}
        }
    }

    fn refuse_statelessly(&mut self, flow: Flow, message: &Message, status: StatusCode, retry_after: u32) {
        let Message::Request(request) = message else { return };
        if request.method == Method::Ack {
            return;
        }
        let tag = self.layer.fresh_tag();
        let mut response = Response::to_request(request, status, Some(&tag));
        response.headers.push(HeaderName::RetryAfter, Text::from(retry_after.to_string()));
        self.transmit(flow, &response);
    }

    /// Carries out what the layers have to say, until they have nothing more.
    fn turn(&mut self, now: Now) {
        loop {
            let mut moved = false;
            while let Some(event) = self.layer.poll_event() {
                moved = true;
                self.event(now, event);
            }
            while let Some((token, request)) = self.mirror.poll_request() {
                moved = true;
                self.send_mirror(now, token, request);
            }
            while let Some((flow, bytes)) = self.layer.poll_transmit() {
                moved = true;
                self.out.push_back(Output::Transmit { flow, bytes });
            }
            if !moved {
                return;
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
                    self.note_reachable();
                }
            }
            Event::Failed { client, .. } if self.mirror_clients.contains_key(&client) => {
                if let Some(token) = self.mirror_clients.remove(&client) {
                    self.mirror.failed(now, token);
                    self.note_reachable();
                }
            }
            other => self.with_calls(now, |calls, fx| calls.transaction_event(other, fx)),
        }
    }

    fn request(&mut self, now: Now, server: ServerId, flow: Flow, request: Request) {
        if request.to_tag().is_some() && request.method != Method::Register {
            let copy = request.clone();
            let mut found = false;
            self.with_calls(now, |calls, fx| found = calls.in_dialog(server, flow, request, fx));
            if !found {
                self.answer(now, server, &copy, StatusCode::CALL_DOES_NOT_EXIST);
            }
            return;
        }
        match (&request.method, flow.side) {
            (Method::Register, Side::Site) => self.register(now, server, flow, request),
            (Method::Options, Side::Site) => self.answer(now, server, &request, StatusCode::OK),
            (Method::Options, Side::Asterisk) => {
                let status = request.uri.user().map_or(StatusCode::OK, |user| self.registrar.qualify(&user));
                self.answer(now, server, &request, status);
            }
            (Method::Invite, Side::Site) => self.invite_from_site(now, server, flow, request),
            (Method::Invite, Side::Asterisk) => self.invite_from_asterisk(now, server, flow, request),
            (Method::Subscribe | Method::Publish, _) => {
                self.answer(now, server, &request, StatusCode::BAD_EVENT)
            }
            _ => self.answer(now, server, &request, StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn invite_from_site(&mut self, now: Now, server: ServerId, flow: Flow, request: Request) {
        match self.registrar.authenticate(now, flow, &request) {
            Allowed::Yes(extension) => {
                let name = self.registrar.display_name(&extension);
                let caller = Party { number: extension.to_string(), name };
                self.invite(now, server, flow, request, caller);
            }
            Allowed::Challenge(response) => self.respond(now, server, *response),
            Allowed::Refused { response, reason } => {
                self.refused("registrar", reason);
                self.admission.note_failure(now, flow, &request);
                self.respond(now, server, *response);
            }
        }
    }

    fn invite_from_asterisk(&mut self, now: Now, server: ServerId, flow: Flow, request: Request) {
        let asserted = request
            .headers
            .addresses(&HeaderName::PAssertedIdentity)
            .ok()
            .and_then(|mut list| if list.is_empty() { None } else { Some(list.swap_remove(0)) });
        let identity = asserted.or_else(|| request.from());
        let number = identity.as_ref().and_then(|identity| identity.uri.user()).map(|user| user.to_string());
        let name =
            identity.as_ref().and_then(|identity| identity.display_name()).map(|name| name.to_string());
        let caller = Party { number: number.unwrap_or_else(|| "anonymous".to_owned()), name };
        self.invite(now, server, flow, request, caller);
    }

    fn invite(&mut self, now: Now, server: ServerId, flow: Flow, request: Request, caller: Party) {
        let Some(dialled) = request.uri.user().and_then(|user| call::dialled_number(&user)) else {
            return self.answer(now, server, &request, StatusCode::NOT_FOUND);
        };
        let admitted = Admitted { server, flow, request, caller, dialled };
        self.with_calls(now, |calls, fx| calls.invited(admitted, fx));
    }

    fn register(&mut self, now: Now, server: ServerId, flow: Flow, request: Request) {
        match self.registrar.register(now, flow, &request) {
            Registered::Answer { response, failure } => {
                if let Some(reason) = failure {
                    self.refused("registrar", reason);
                    self.admission.note_failure(now, flow, &request);
                }
                self.respond(now, server, *response);
            }
            Registered::Pending { changes, pending } => {
                self.waiting_sequence += 1;
                let key = self.waiting_sequence;
                let count = changes.len();
                for change in changes {
                    self.tickets += 1;
                    let ticket = StoreTicket(self.tickets);
                    self.waiting_by_ticket.insert(ticket, key);
                    self.out.push_back(Output::Persist { ticket, change });
                }
                let waiting = Waiting { server, flow, request, pending, tickets: count, durable: true };
                self.waiting.insert(key, waiting);
                if count == 0 {
                    self.finish_registration(now, key);
                }
            }
        }
    }

    fn persisted(&mut self, now: Now, ticket: StoreTicket, durable: bool) {
        let Some(key) = self.waiting_by_ticket.remove(&ticket) else { return };
        let Some(waiting) = self.waiting.get_mut(&key) else { return };
        waiting.durable &= durable;
        waiting.tickets = waiting.tickets.saturating_sub(1);
        if waiting.tickets == 0 {
            self.finish_registration(now, key);
        }
    }

    fn finish_registration(&mut self, now: Now, key: u64) {
        let Some(waiting) = self.waiting.remove(&key) else { return };
        if !waiting.durable {
            self.refused("registrar", "not-durable");
        }
        let (response, changes) = self.registrar.commit(now, waiting.flow, &waiting.request, waiting.pending);
        self.respond(now, waiting.server, response);
        self.note_registrations(changes, now);
    }

    fn web(&mut self, now: Now, input: WebInput) {
        match input {
            WebInput::Opened { session, extension, instance, user_agent } => {
                let changes = self.registrar.web_opened(now, session, &extension, &instance, &user_agent);
                self.note_registrations(changes, now);
                let event = WebEvent::Registered { extension: extension.to_string() };
                self.out.push_back(Output::Web { session, event });
                self.with_calls(now, |calls, fx| calls.page_opened(&extension, session, fx));
            }
            WebInput::Closed { session } => {
                let changes = self.registrar.web_closed(now, session);
                self.note_registrations(changes, now);
                self.with_calls(now, |calls, fx| calls.page_closed(session, fx));
            }
            WebInput::Request { ticket, caller, session, request } => {
                let mut reply = WebReply::Done;
                self.with_calls(now, |calls, fx| reply = calls.page_request(&caller, session, request, fx));
                self.reply(ticket, reply);
            }
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: WebReply) {
        self.out.push_back(Output::Reply { ticket, reply });
    }

    fn send_mirror(&mut self, now: Now, token: MirrorToken, request: Request) {
        let Some(flow) = self.mirror.flow() else { return };
        match self.layer.request(now, flow, request, transaction::RequestOptions::default()) {
            Ok(client) => {
                self.mirror_clients.insert(client, token);
            }
            Err(_) => self.mirror.failed(now, token),
        }
    }

    /// Tells what changed, and Asterisk which extensions have devices.
    fn note_registrations(&mut self, changes: Vec<super::registrar::Changed>, now: Now) {
        if changes.is_empty() {
            return;
        }
        let bindings = self.registrar.len();
        for changed in changes {
            if let Some(change) = changed.forget {
                self.tickets += 1;
                self.out.push_back(Output::Persist { ticket: StoreTicket(self.tickets), change });
            }
            let extension = changed.extension.to_string();
            let change = changed.what.as_str();
            self.out.push_back(Output::Observe(Observation::Registration { change, extension, bindings }));
            self.mirror.extension(&changed.extension, self.registrar.is_registered(&changed.extension), now);
        }
    }

    fn note_reachable(&mut self) {
        if let Some(reachable) = self.mirror.poll_reachable() {
            self.out.push_back(Output::Observe(Observation::AsteriskReachable(reachable)));
        }
    }

    fn answer(&mut self, now: Now, server: ServerId, request: &Request, status: StatusCode) {
        let tag = self.layer.fresh_tag();
        let mut response = Response::to_request(request, status, Some(&tag));
        if matches!(status, StatusCode::OK | StatusCode::METHOD_NOT_ALLOWED) {
            response.headers.push(HeaderName::Allow, Text::from_static(call::ALLOW));
        }
        if request.method == Method::Options && status == StatusCode::OK {
            response.headers.push(HeaderName::Accept, Text::from_static("application/sdp"));
            response.headers.push(HeaderName::Supported, Text::from(EXTENSIONS.join(", ")));
        }
        self.respond(now, server, response);
    }

    fn respond(&mut self, now: Now, server: ServerId, response: Response) {
        let method = response.cseq().map_or("", |cseq| cseq.method.label());
        let status = response.status.code();
        if response.status.is_final() {
            self.out.push_back(Output::Observe(Observation::Answered { method, status }));
        }
        if let Err(refusal) = self.layer.respond(now, server, response) {
            let _ = refusal;
            self.refused("transaction", "response-too-late");
        }
    }

    fn transmit(&mut self, flow: Flow, response: &Response) {
        self.out.push_back(Output::Transmit { flow, bytes: response.to_bytes() });
    }

    fn refused(&mut self, room: &'static str, reason: &'static str) {
        self.out.push_back(Output::Observe(Observation::Refused { room, reason }));
    }

    fn with_calls(&mut self, now: Now, act: impl FnOnce(&mut Calls, &mut Effects<'_>)) {
        let mut fx = Effects {
            now,
            settings: &self.settings,
            layer: &mut self.layer,
            stock: &mut self.stock,
            random: &mut self.random,
            out: &mut self.out,
            tickets: &mut self.tickets,
            registrar: &self.registrar,
            books: &mut self.books,
            active_calls: self.calls.active(),
            asterisk: self.mirror.state(),
        };
        act(&mut self.calls, &mut fx);
    }
}

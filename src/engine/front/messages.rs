//! Messages off the wire: let in or refused, and each request to the room that answers it.

use std::net::IpAddr;

use rand_chacha::rand_core::Rng;

use super::roaming::Federation;
use super::{EXTENSIONS, Engine};
use crate::engine::admission::Admit;
use crate::engine::call::{self, Admitted, InDialog, Party};
use crate::engine::flow::{Flow, Side};
use crate::engine::message::{Letter, Messages, Post, Verdict};
use crate::engine::numbering::{Dialled, Extension, OfficeId};
use crate::engine::output::{Observation, Output};
use crate::engine::registrar::Allowed;
use crate::engine::roaming::is_known;
use crate::engine::transaction::{ClientId, ServerId};
use crate::sip::parse::ParseError;
use crate::sip::{HeaderName, Message, Method, Request, Response, StatusCode, Text, check};
use crate::time::Now;

impl Engine {
    pub(super) fn message(&mut self, now: Now, flow: Flow, message: Result<Message, ParseError>) {
        let message = match message {
            Ok(message) => message,
            Err(error) => return self.unreadable(flow, &error),
        };
        let is_help = matches!(&message, Message::Request(request) if self.calls_for_help(flow, request));
        let admitted = if is_help { Admit::Pass } else { self.admission.admit(now, flow, &message) };
        match admitted {
            Admit::Pass => {}
            Admit::Drop(reason) => return self.refused("admission", reason),
            Admit::Refuse { status, reason, retry_after } => {
                self.refused("admission", reason);
                return self.refuse_statelessly(flow, &message, status, retry_after);
            }
        }
        if let Message::Request(request) = &message
            && let Err(refusal) = check::request(request, EXTENSIONS).and_then(|()| readable(request))
        {
            self.refused("sip", refusal.as_str());
            let tag = self.layer.fresh_tag();
            if let Some(response) = refusal.answer(request, &tag) {
                self.transmit(flow, &response);
            }
            return;
        }
        self.router.links.heard(flow, now);
        if let Message::Response(response) = &message {
            let status = response.status.code();
            self.out.push_back(Output::Observe(Observation::Heard { status }));
        }
        self.layer.receive(now, flow, message);
    }

    pub(super) fn unreadable(&mut self, flow: Flow, error: &ParseError) {
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

    pub(super) fn refuse_statelessly(
        &mut self,
        flow: Flow,
        message: &Message,
        status: StatusCode,
        retry_after: u32,
    ) {
        let Message::Request(request) = message else { return };
        if request.method == Method::Ack {
            return;
        }
        let tag = self.layer.fresh_tag();
        let mut response = Response::to_request(request, status, Some(&tag));
        response.headers.push(HeaderName::RetryAfter, Text::from(retry_after.to_string()));
        self.transmit(flow, &response);
    }

    pub(super) fn request(&mut self, now: Now, server: ServerId, flow: Flow, request: Request) {
        if request.to_tag().is_some() && request.method != Method::Register {
            return self.request_in_dialog(now, server, flow, &request);
        }
        let forwards = matches!(request.method, Method::Invite | Method::Message);
        if forwards && request.max_forwards() == Some(0) {
            return self.answer(now, server, &request, StatusCode::TOO_MANY_HOPS);
        }
        let Some(side) = self.side_of(flow, &request) else {
            self.refused("call", "no-office-vouched-for");
            return self.answer(now, server, &request, StatusCode::FORBIDDEN);
        };
        match (&request.method, side) {
            (Method::Options, Side::Office(_) | Side::Gateway) => {
                self.answer(now, server, &request, StatusCode::OK);
            }
            (Method::Invite | Method::Message, Side::Office(office)) => {
                self.office_asks(now, server, flow, request, office);
            }
            (Method::Invite, Side::Gateway) => {
                let caller = self.outsider(&request);
                self.call_or_message(now, server, (flow, side), request, caller);
            }
            (Method::Register, Side::Site) => self.register(now, server, flow, request),
            (Method::Options, Side::Site) => self.answer(now, server, &request, StatusCode::OK),
            (Method::Options, Side::Asterisk) => {
                let status = request.uri.user().map_or(StatusCode::OK, |user| self.registrar.qualify(&user));
                self.answer(now, server, &request, status);
            }
            (Method::Invite, Side::Site) if self.calls_for_help(flow, &request) => {
                let caller = asserted_party(&request);
                self.call_or_message(now, server, (flow, side), request, caller);
            }
            (Method::Invite | Method::Message, Side::Site) => {
                let Some(extension) = self.authenticated(now, server, flow, &request) else { return };
                let name = self.registrar.display_name(&extension);
                let caller = Party { number: extension.to_string(), name };
                self.call_or_message(now, server, (flow, side), request, caller);
            }
            (Method::Invite | Method::Message, Side::Asterisk) => {
                let caller = asserted_party(&request);
                self.call_or_message(now, server, (flow, side), request, caller);
            }
            (Method::Subscribe | Method::Publish, _) => {
                self.answer(now, server, &request, StatusCode::BAD_EVENT);
            }
            _ => self.answer(now, server, &request, StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// A request in a dialog that comes from elsewhere than the party has to prove that it is the party.
    fn request_in_dialog(&mut self, now: Now, server: ServerId, flow: Flow, request: &Request) {
        let mut outcome = InDialog::Unknown;
        self.with_calls(now, |calls, fx| outcome = calls.in_dialog(server, flow, request, None, fx));
        if outcome == InDialog::Stranger && flow.side == Side::Site {
            self.refused("call", "from-elsewhere");
            let Some(extension) = self.authenticated(now, server, flow, request) else { return };
            self.with_calls(now, |calls, fx| {
                outcome = calls.in_dialog(server, flow, request, Some(&extension), fx);
            });
        }
        if outcome != InDialog::Taken {
            self.answer(now, server, request, StatusCode::CALL_DOES_NOT_EXIST);
        }
    }

    /// Who sends a request of the site; `None` when it was challenged or refused.
    fn authenticated(
        &mut self,
        now: Now,
        server: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Option<Extension> {
        let from = request.from().and_then(|from| from.uri.user().map(|user| user.to_string()));
        let claimed = self.claimed(from.as_deref());
        match self.registrar.authenticate(now, flow, request, &claimed) {
            Allowed::Yes(extension) => return Some(extension),
            Allowed::Challenge(response) => self.respond(now, server, *response),
            Allowed::Refused { response, reason } => {
                self.refused("registrar", reason);
                self.admission.note_failure(now, flow, request);
                self.respond(now, server, *response);
            }
        }
        None
    }

    fn call_or_message(
        &mut self,
        now: Now,
        server: ServerId,
        (flow, side): (Flow, Side),
        request: Request,
        caller: Party,
    ) {
        let user = request.uri.user();
        let has_account = |number: &Extension| self.registrar.has_account(number);
        let numbers = &self.settings.numbers;
        let is_known = |number: &Extension| is_known(number, numbers, has_account, self.roaming());
        let Some(dialled) = user.and_then(|user| call::dialled_number(&user, numbers, is_known)) else {
            return self.answer(now, server, &request, StatusCode::NOT_FOUND);
        };
        if request.method == Method::Message {
            return self.message_to(now, server, (flow, side), request, (caller, dialled));
        }
        let passed = self.passed_offices(flow, &request).unwrap_or_default();
        let admitted = Admitted { server, flow, side, request, caller, dialled, passed };
        self.with_calls(now, |calls, fx| calls.invited(admitted, fx));
    }

    /// Whether somebody on the site's own network dials an emergency number: let in whoever it is, also one whom we could
    /// not authenticate, were it for a home office that cannot be reached.
    fn calls_for_help(&self, flow: Flow, request: &Request) -> bool {
        let is_call = request.method == Method::Invite && request.to_tag().is_none();
        if flow.side != Side::Site || !is_call || !self.is_on_site(flow.remote.ip()) {
            return false;
        }
        let Some(user) = request.uri.user() else { return false };
        let numbers = &self.settings.numbers;
        let is_pushed = self.router.emergency_numbers().is_some_and(|pushed| pushed.contains(&user));
        is_pushed || matches!(numbers.classify(&user), Ok(Dialled::Emergency(_)))
    }

    /// Whether an address is of the site: private, or of a network that the configuration places.
    fn is_on_site(&self, address: IpAddr) -> bool {
        let parts = &self.settings.routing.places.parts;
        let is_placed = parts.iter().any(|part| part.networks.iter().any(|net| net.contains(address)));
        let is_private = match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local(),
        };
        is_placed || is_private
    }

    /// A caller from outside, whom nobody vouches for: shown what it says, unless it says that it is one of ours.
    fn outsider(&self, request: &Request) -> Party {
        let party = asserted_party(request);
        let is_ours = |number: &str| number.parse().is_ok_and(|own| self.registrar.has_account(&own));
        match OfficeId::split(&party.number) {
            Some((named, _)) if named.as_str() == self.settings.office => anonymous(),
            None if is_ours(&party.number) => anonymous(),
            _ => party,
        }
    }

    /// Another office calls or writes. Who it is, its certificate or the federation's gateway said; its own users it may
    /// name.
    fn office_asks(&mut self, now: Now, server: ServerId, flow: Flow, request: Request, office: OfficeId) {
        let Some(passed) = self.passed_offices(flow, &request) else {
            self.refused("call", "loop");
            return self.answer(now, server, &request, StatusCode::LOOP_DETECTED);
        };
        drop(passed);
        let own = self.settings.office.parse().unwrap_or(office);
        let caller = call::caller_from(office, own, asserted_party(&request));
        self.call_or_message(now, server, (flow, Side::Office(office)), request, caller);
    }

    /// The offices that a request has passed; nothing when it goes round in a circle.
    fn passed_offices(&self, flow: Flow, request: &Request) -> Option<Vec<OfficeId>> {
        match (flow.side, self.settings.office.parse()) {
            (Side::Office(_) | Side::Gateway, Ok(own)) => call::passed(request, own).ok(),
            _ => Some(Vec::new()),
        }
    }

    fn message_to(
        &mut self,
        now: Now,
        server: ServerId,
        (flow, side): (Flow, Side),
        request: Request,
        (from, to): (Party, String),
    ) {
        let passed = self.passed_offices(flow, &request).unwrap_or_default();
        let routing = &self.settings.routing;
        let ways = call::message_ways(&call::Question {
            number: &to,
            side,
            origin: side.office(),
            guests: &call::guests(side, &from.number, side.office(), &passed, &self.registrar),
            permissions: self.router.permissions(&routing.permissions),
            inbound: &routing.inbound,
            emergency: false,
            asterisk: self.mirror.state(),
            registrar: &self.registrar,
            router: &self.router,
            roaming: self.federation.as_ref().map(Federation::roaming),
            numbers: &self.settings.numbers,
            now: now.wall,
            draw: self.random.next_u64(),
        });
        let ways = match ways {
            Ok(ways) if ways.is_empty() => return self.answer(now, server, &request, StatusCode::NOT_FOUND),
            Ok(ways) => ways,
            Err(_) => {
                self.refused("message", "not-permitted");
                return self.answer(now, server, &request, StatusCode::FORBIDDEN);
            }
        };
        let letter = Letter { server, request, from, to, passed, ways };
        let verdict = self.with_messages(now, |messages, post| messages.deliver(letter, post));
        self.answer_message(now, verdict);
    }

    /// A device or office took a message, refused it, or is silent.
    pub(super) fn message_answered(&mut self, now: Now, client: ClientId, status: Option<StatusCode>) {
        let verdict = self.with_messages(now, |messages, post| messages.answered(client, status, post));
        self.answer_message(now, verdict);
    }

    fn answer_message(&mut self, now: Now, verdict: Option<Verdict>) {
        if let Some(Verdict { server, request, status }) = verdict {
            self.answer(now, server, &request, status);
        }
    }

    fn with_messages<T>(&mut self, now: Now, act: impl FnOnce(&mut Messages, &mut Post<'_>) -> T) -> T {
        let mut post = Post {
            now,
            settings: &self.settings,
            layer: &mut self.layer,
            registrar: &self.registrar,
            router: &mut self.router,
        };
        act(&mut self.messages, &mut post)
    }

    pub(super) fn answer(&mut self, now: Now, server: ServerId, request: &Request, status: StatusCode) {
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

    pub(super) fn respond(&mut self, now: Now, server: ServerId, response: Response) {
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

    pub(super) fn transmit(&mut self, flow: Flow, response: &Response) {
        self.out.push_back(Output::Transmit { flow, bytes: response.to_bytes() });
    }
}

/// What changes a session must carry a description that we can read, or none.
fn readable(request: &Request) -> Result<(), check::Refusal> {
    let is_session = matches!(request.method, Method::Invite | Method::Update | Method::Prack);
    if is_session { check::session(request) } else { Ok(()) }
}

fn anonymous() -> Party {
    Party { number: "anonymous".to_owned(), name: None }
}

/// Who Asterisk says is calling.
fn asserted_party(request: &Request) -> Party {
    let asserted = request.headers.addresses(&HeaderName::PAssertedIdentity).ok();
    let first = asserted.and_then(|list| list.into_iter().next());
    let identity = first.or_else(|| request.from());
    let number = identity.as_ref().and_then(|identity| identity.uri.user()).map(|user| user.to_string());
    let name = identity
        .as_ref()
        .and_then(crate::sip::header::address::NameAddr::display_name)
        .map(|name| name.to_string());
    Party { number: number.unwrap_or_else(|| "anonymous".to_owned()), name }
}

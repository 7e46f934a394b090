//! A stateless proxy between offices (RFC 3261 §16.11): a message comes in, at most one goes out, nothing is remembered.
//! Connections are reliable, so nothing is ever repeated.
//!
//! # Where a request goes
//! | the request | goes to |
//! | --- | --- |
//! | OPTIONS without user or Route | answered here: the gateway is there |
//! | its first Route is one of ours | the other office of that dialog |
//! | any other | the office that the Request-URI's host names: `sip:PAR-1001@PAR` |
//!
//! on that office's newest connection. It is refused, by the first that applies: without a branch, without hops left, when
//! it requires something of proxies, by a Route that is not the office's, to an office that nobody made, to the office that
//! it came from, where the two may not talk, and where the office is not connected. ACK is never answered but dropped.
//!
//! What opens something needs the permission to call; what belongs to something that was opened (a tag in To, CANCEL) may go
//! either way.
//!
//! # What is changed
//! Max-Forwards is one less; our Via is put on top, and Record-Route into what may open a dialog; `X-Federation-Office` is
//! what the sender proved to be, whatever it said. All else, the body first, passes as it came.
//!
//! # Responses
//! go back by their Vias: ours must be on top, and the response must come from the office that was asked.

use super::OFFICE_HEADER;
use super::directory::Directory;
use super::flows::{Flows, Peer};
use super::marks::{Asked, Marks, office_named};
use super::reason::Reason;
use crate::engine::flow::ConnectionId;
use crate::sip::header::MaxForwards;
use crate::sip::{HeaderName, Message, Method, Request, Response, StatusCode, Uri};
use crate::uplink::OfficeId;

/// What becomes of a message.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It goes on.
    Pass {
        /// On which connection.
        to: ConnectionId,
        /// As what.
        message: Message,
    },
    /// It is answered on the connection on which it came.
    Answer(Response),
    /// It is refused, and answered so unless it cannot be answered.
    Refuse(Reason, Option<Response>),
}

/// The proxy.
pub(super) struct Proxy {
    marks: Marks,
    pub(super) flows: Flows,
    pub(super) directory: Directory,
}

impl Proxy {
    /// One that knows nobody yet.
    pub(super) fn new(marks: Marks) -> Self {
        Self { marks, flows: Flows::default(), directory: Directory::default() }
    }

    /// What becomes of a message that came on a connection.
    pub(super) fn receive(&self, on: ConnectionId, message: &Message) -> Verdict {
        let Some(from) = self.flows.peer(on) else { return Verdict::Refuse(Reason::AskerGone, None) };
        match message {
            Message::Response(response) => match self.response(from, response) {
                Ok((to, response)) => Verdict::Pass { to, message: response.into() },
                Err(reason) => Verdict::Refuse(reason, None),
            },
            Message::Request(request) if is_for_gateway(request) => {
                Verdict::Answer(self.answer(request, StatusCode::OK))
            }
            Message::Request(request) => match self.request(from, request) {
                Ok((to, request)) => Verdict::Pass { to, message: request.into() },
                Err(reason) => Verdict::Refuse(reason, self.refusal(request, reason)),
            },
        }
    }

    /// How a request is refused; nothing for an ACK.
    pub(super) fn refusal(&self, request: &Request, reason: Reason) -> Option<Response> {
        if request.method == Method::Ack {
            return None;
        }
        let mut response = self.answer(request, reason.status());
        match reason {
            Reason::Extension => {
                let required = request.option_tags(&HeaderName::ProxyRequire).unwrap_or_default();
                response.headers.push(HeaderName::Unsupported, &required);
            }
            Reason::QueueFull => response.headers.push(HeaderName::RetryAfter, "1"),
            _ => {}
        }
        Some(response.with(HeaderName::Reason, format!("SIP ;text=\"{}\"", reason.as_str())))
    }

    /// The tag of a response to what has this branch, or none.
    pub(super) fn tag(&self, branch: &str) -> String {
        self.marks.tag(branch)
    }

    fn answer(&self, request: &Request, status: StatusCode) -> Response {
        let branch = request.top_via().and_then(|via| via.branch());
        let tag = self.marks.tag(branch.as_deref().unwrap_or_default());
        Response::to_request(request, status, Some(&tag))
    }

    fn request(&self, from: Peer, request: &Request) -> Result<(ConnectionId, Request), Reason> {
        let mut via = request.top_via().ok_or(Reason::NoBranch)?;
        let branch = via.transaction_branch().ok_or(Reason::NoBranch)?;
        let hops = request.max_forwards().unwrap_or(70).checked_sub(1).ok_or(Reason::TooManyHops)?;
        if request.headers.has(&HeaderName::ProxyRequire) {
            return Err(Reason::Extension);
        }
        let (to, is_routed) = self.destination(from.office, request)?;
        self.permitted(from.office, to, request)?;
        let connection = self.flows.newest(to).ok_or(Reason::NotConnected)?;
        let mut passed = request.clone();
        let headers = &mut passed.headers;
        if is_routed {
            headers.remove_first_value(&HeaderName::Route);
        }
        via.note_source(from.remote);
        headers.replace_first_value(&HeaderName::Via, &via);
        let asked = Asked { from: from.office, connection: from.connection, to };
        headers.insert_first(HeaderName::Via, self.marks.via(asked, &branch));
        headers.set(&MaxForwards(hops));
        if opens(request) && may_open_dialog(&request.method) {
            headers.insert_first(HeaderName::RecordRoute, self.marks.route(from.office, to));
        }
        headers.replace(HeaderName::from_static(OFFICE_HEADER), from.office.as_str());
        Ok((connection, passed))
    }

    /// Which office a request is for, and whether a Route of ours said so.
    fn destination(&self, from: OfficeId, request: &Request) -> Result<(OfficeId, bool), Reason> {
        let routes = request.route_set().map_err(|_| Reason::ForeignRoute)?;
        if let Some(first) = routes.first() {
            return Ok((self.marks.read_route(first, from).ok_or(Reason::ForeignRoute)?, true));
        }
        let Uri::Sip(uri) = &request.uri else { return Err(Reason::NoSuchOffice) };
        Ok((office_named(&uri.host).ok_or(Reason::NoSuchOffice)?, false))
    }

    fn permitted(&self, from: OfficeId, to: OfficeId, request: &Request) -> Result<(), Reason> {
        let may = if opens(request) {
            self.directory.may_call(from, to)
        } else {
            self.directory.may_talk(from, to)
        };
        if !self.directory.knows(to) {
            Err(Reason::NoSuchOffice)
        } else if from == to {
            Err(Reason::Loop)
        } else if may {
            Ok(())
        } else {
            Err(Reason::NotPermitted)
        }
    }

    fn response(&self, from: Peer, response: &Response) -> Result<(ConnectionId, Response), Reason> {
        let ours = response.top_via().ok_or(Reason::NotAsked)?;
        let mut response = response.clone();
        response.headers.remove_first_value(&HeaderName::Via);
        let below = response.top_via().and_then(|via| via.transaction_branch()).ok_or(Reason::NotAsked)?;
        let asked = self.marks.read_via(&ours, &below).filter(|asked| asked.to == from.office);
        let asked = asked.ok_or(Reason::NotAsked)?;
        response.headers.remove(&HeaderName::from_static(OFFICE_HEADER));
        let same = self.flows.peer(asked.connection).filter(|peer| peer.office == asked.from);
        let connection = same.map(|peer| peer.connection).or_else(|| self.flows.newest(asked.from));
        Ok((connection.ok_or(Reason::AskerGone)?, response))
    }
}

/// Whether it asks after the gateway itself.
fn is_for_gateway(request: &Request) -> bool {
    request.method == Method::Options
        && request.uri.user().is_none()
        && !request.headers.has(&HeaderName::Route)
}

/// Whether it belongs to nothing that was opened before.
fn opens(request: &Request) -> bool {
    request.to_tag().is_none() && !matches!(request.method, Method::Cancel | Method::Ack)
}

/// Whether its answer may open a dialog (RFC 3261 §12.1, RFC 6665, RFC 3515).
fn may_open_dialog(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Subscribe | Method::Refer)
}

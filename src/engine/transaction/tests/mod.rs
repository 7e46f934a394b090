//! The rows of the state tables, in virtual time.

mod client_rows;
mod invite_client_rows;
mod invite_server_rows;
mod loss;
mod matching;
mod reliable_rows;
mod server_rows;

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::engine::flow::{ConnectionId, Flow, Side};
use crate::sip::parse::parse;
use crate::sip::{HeaderName, Message, Method, Request, Response, StatusCode, Transport};
use crate::time::{Now, WallTime};

/// A layer, a clock, and one peer.
pub(super) struct Lab {
    pub(super) layer: Layer,
    pub(super) start: Now,
    pub(super) now: Now,
    pub(super) flow: Flow,
}

pub(super) fn now() -> Now {
    Now { instant: Instant::now(), wall: WallTime(1_700_000_000_000) }
}

pub(super) fn flow(transport: Transport) -> Flow {
    Flow {
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.7:40000".parse().unwrap(),
        connection: transport.reliable().then_some(ConnectionId(7)),
        side: Side::Site,
    }
}

impl Lab {
    pub(super) fn new(transport: Transport, settings: Settings) -> Self {
        let layer = Layer::new(settings, ChaCha20Rng::seed_from_u64(1));
        let now = now();
        Self { layer, start: now, now, flow: flow(transport) }
    }

    pub(super) fn udp() -> Self {
        Self::new(Transport::Udp, Settings::default())
    }

    pub(super) fn tls() -> Self {
        Self::new(Transport::Tls, Settings::default())
    }

    /// The peer sends a message.
    pub(super) fn hears(&mut self, text: &str) {
        self.layer.receive(self.now, self.flow, message(text));
    }

    pub(super) fn event(&mut self) -> Option<Event> {
        self.layer.poll_event()
    }

    /// A request event's transaction.
    pub(super) fn server(&mut self) -> (ServerId, Request) {
        match self.event() {
            Some(Event::Request { server, request, .. } | Event::Prack { server, request, .. }) => {
                (server, request)
            }
            other => panic!("no request but {other:?}"),
        }
    }

    pub(super) fn response(&mut self) -> Response {
        match self.event() {
            Some(Event::Response { response, .. }) => response,
            other => panic!("no response but {other:?}"),
        }
    }

    pub(super) fn respond(&mut self, server: ServerId, request: &Request, code: u16) {
        let response = Response::to_request(request, StatusCode::new(code).unwrap(), Some("ours"));
        self.layer.respond(self.now, server, response).unwrap();
    }

    /// What was sent since the last look, in full.
    pub(super) fn sent(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.layer.poll_transmit())
            .map(|(flow, bytes)| {
                assert_eq!(flow, self.flow);
                parse(bytes).unwrap()
            })
            .collect()
    }

    /// What was sent since the last look: methods and status codes.
    pub(super) fn brief(&mut self) -> Vec<String> {
        self.sent().iter().map(brief).collect()
    }

    /// Lets time pass; every deadline is kept on its millisecond. Returns what was sent, and when.
    pub(super) fn pass(&mut self, ms: u64) -> Vec<(u128, String)> {
        let end = self.now.plus(Duration::from_millis(ms));
        let mut log = Vec::new();
        while let Some(at) = self.layer.poll_timeout().filter(|at| *at <= end.instant) {
            self.now = self.now.plus(at.saturating_duration_since(self.now.instant));
            self.layer.handle_timeout(self.now);
            let since = (self.now.instant - self.start.instant).as_millis();
            log.extend(self.brief().into_iter().map(|what| (since, what)));
        }
        self.now = end;
        log
    }

    /// When something was sent in the next `ms`, since the start.
    pub(super) fn times(&mut self, ms: u64) -> Vec<u128> {
        self.pass(ms).into_iter().map(|(at, _)| at).collect()
    }

    pub(super) fn drops(&self, reason: DropReason) -> u64 {
        self.layer.drops().of(reason)
    }

    /// Opens a client transaction and returns what was sent.
    pub(super) fn asks(&mut self, request: Request) -> (ClientId, Request) {
        let client = self.layer.request(self.now, self.flow, request, RequestOptions::default()).unwrap();
        (client, self.one_request())
    }

    pub(super) fn one_request(&mut self) -> Request {
        match self.sent().as_slice() {
            [Message::Request(request)] => request.clone(),
            other => panic!("not one request but {other:?}"),
        }
    }

    /// The peer answers a request of ours.
    pub(super) fn answers(&mut self, request: &Request, code: u16, tag: &str) {
        let response = Response::to_request(request, StatusCode::new(code).unwrap(), Some(tag));
        self.layer.receive(self.now, self.flow, response.into());
    }

    pub(super) fn failure(&mut self) -> FailureReason {
        match self.event() {
            Some(Event::Failed { reason, .. }) => reason,
            other => panic!("no failure but {other:?}"),
        }
    }

    /// Nothing is left behind: no transaction, no deadline, no event.
    pub(super) fn is_clean(&mut self) {
        assert!(self.event().is_none());
        assert_eq!(self.layer.live(), (0, 0));
        assert_eq!(self.layer.poll_timeout(), None);
        assert!(self.layer.is_empty());
    }
}

pub(super) fn message(text: &str) -> Message {
    parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

pub(super) fn brief(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => response.status.to_string(),
    }
}

/// A request as the peer sends it.
pub(super) fn text(method: &str, branch: &str, cseq: u32, to_tag: &str) -> String {
    format!(
        "{method} sip:1002@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.7:40000;branch={branch};rport\n\
         Max-Forwards: 70\nFrom: <sip:1001@example.com>;tag=theirs\nTo: <sip:1002@example.com>{to_tag}\n\
         Call-ID: call@198.51.100.7\nCSeq: {cseq} {method}\nContact: <sip:1001@198.51.100.7:40000>\n\
         Content-Length: 0\n\n"
    )
}

/// A request of ours, without Via.
pub(super) fn ours(method: &Method) -> Request {
    let text = text(method.as_str(), "z9hG4bKx", 1, "");
    let Message::Request(mut request) = message(&text) else { panic!("a request") };
    request.headers.remove(&HeaderName::Via);
    request
}

/// The ACK of ours for a 2xx with this tag.
pub(super) fn our_ack(tag: &str) -> Request {
    let text = text("ACK", "z9hG4bKx", 1, &format!(";tag={tag}"));
    let Message::Request(mut request) = message(&text) else { panic!("a request") };
    request.headers.remove(&HeaderName::Via);
    request
}

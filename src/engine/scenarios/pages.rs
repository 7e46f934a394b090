//! Scripted pages: what a browser asks by REST and is told on `/ws/auth`.

use super::descriptions::browser;
use super::phones::Line;
use super::world::{Peer, World};
use crate::engine::Input;
use crate::engine::call::CallId;
use crate::engine::web::{
    CallView, Signal, Ticket, WebEvent, WebInput, WebRefusal, WebReply, WebRequest, WebSession,
};

/// A page: its connection, and who signed in.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) session: WebSession,
    pub(super) number: String,
    pub(super) instance: String,
}

impl World {
    /// A page signs in.
    pub(super) fn page(&mut self, number: &str, instance: &str) -> Page {
        self.tickets += 1;
        let session = WebSession(self.tickets);
        let page = Page { session, number: number.to_owned(), instance: instance.to_owned() };
        self.feed(Input::Web(WebInput::Opened {
            session,
            extension: Self::extension(number),
            instance: instance.to_owned(),
            user_agent: "test".to_owned(),
            address: [192, 0, 2, 77].into(),
        }));
        assert!(matches!(self.told(&page), WebEvent::Registered { .. }));
        page
    }

    /// The same browser connects again.
    pub(super) fn page_again(&mut self, page: &Page) -> Page {
        self.page(&page.number, &page.instance)
    }

    /// Leaves out what was told about quality.
    pub(super) fn drains_quality(&mut self, page: &Page) {
        if let Some(events) = self.told.get_mut(&page.session) {
            events.retain(|event| !matches!(event, WebEvent::Quality { .. }));
        }
    }

    /// The page's connection is gone.
    pub(super) fn leaves(&mut self, page: &Page) {
        self.feed(Input::Web(WebInput::Closed { session: page.session }));
    }

    /// The page asks; the answer.
    pub(super) fn asks(&mut self, page: &Page, request: WebRequest) -> WebReply {
        self.asks_as(&page.number, Some(page.session), request)
    }

    /// Who signed in asks, perhaps without a page's connection; the answer.
    pub(super) fn asks_as(
        &mut self,
        number: &str,
        session: Option<WebSession>,
        request: WebRequest,
    ) -> WebReply {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let caller = Self::extension(number);
        self.feed(Input::Web(WebInput::Request { ticket, caller, session, request }));
        let (answered, reply) = self.replies.pop_front().expect("a reply");
        assert_eq!(answered, ticket);
        reply
    }

    /// The page dials.
    pub(super) fn dials(&mut self, page: &Page, number: &str) -> CallView {
        let offer = browser('1', "page", "actpass");
        match self.asks(page, WebRequest::Dial { to: number.to_owned(), offer }) {
            WebReply::Call(view) => view,
            other => panic!("not dialled: {other:?}"),
        }
    }

    /// The page sends signalling that is carried out.
    pub(super) fn signals(&mut self, page: &Page, call: CallId, signal: Signal) -> WebReply {
        let reply = self.asks(page, WebRequest::Signal { call, signal });
        assert!(!matches!(reply, WebReply::Refused(_)), "{reply:?}");
        reply
    }

    /// What the page is told next.
    pub(super) fn told(&mut self, page: &Page) -> WebEvent {
        let next = self.told.get_mut(&page.session).and_then(std::collections::VecDeque::pop_front);
        next.unwrap_or_else(|| panic!("{} was told nothing", page.number))
    }

    /// The page is told that the call is in this state.
    pub(super) fn sees(&mut self, page: &Page, state: &str) -> CallView {
        match self.told(page) {
            WebEvent::CallState { call } if call.state == state => call,
            other => panic!("expected {state}, got {other:?}"),
        }
    }

    /// The page is sent our answer.
    pub(super) fn is_answered(&mut self, page: &Page) -> String {
        match self.told(page) {
            WebEvent::Signal { signal: Signal::Answer { sdp }, .. } => sdp,
            other => panic!("expected an answer, got {other:?}"),
        }
    }

    /// The page rings.
    pub(super) fn page_rings(&mut self, page: &Page) -> (CallView, String) {
        match self.told(page) {
            WebEvent::IncomingCall { call, offer } => (call, offer),
            other => panic!("expected a call, got {other:?}"),
        }
    }

    /// The page accepts.
    pub(super) fn accepts(&mut self, page: &Page, call: CallId) -> WebReply {
        self.asks(page, WebRequest::Accept { call, answer: browser('2', "page", "active") })
    }

    /// The page hangs up, cancels or rejects.
    pub(super) fn page_ends(&mut self, page: &Page, call: CallId) -> CallView {
        match self.asks(page, WebRequest::End { call, busy: false }) {
            WebReply::Call(view) => view,
            other => panic!("not ended: {other:?}"),
        }
    }

    /// A call from a page to a phone that is up.
    pub(super) fn page_talks(&mut self, page: &Page, phone: Peer) -> (CallId, Line) {
        let number = self.peers[phone.0].number.clone();
        let call = self.dials(page, &number).id;
        let mut b = self.rung(phone);
        self.answers(&b, 180, "");
        self.sees(page, "ringing");
        self.answers(&b, 200, &super::descriptions::audio(5000));
        self.asked(&mut b, "ACK");
        self.is_answered(page);
        self.sees(page, "up");
        (call, b)
    }

    /// Nothing was told to the page.
    pub(super) fn told_nothing(&mut self, page: &Page) {
        let events = self.told.entry(page.session).or_default();
        assert!(events.is_empty(), "{events:?}");
    }
}

/// The refusal in a reply.
pub(super) fn refusal(reply: &WebReply) -> WebRefusal {
    match reply {
        WebReply::Refused(refusal) => *refusal,
        other => panic!("not refused: {other:?}"),
    }
}

//! One dialog of a phone: its state, its media, and the answers a phone gives without being told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::line::{GIVE_UP, Line, T1, random, recorded_routes};
use super::media::Media;
use super::sdp::{Codec, Direction, Local, Remote, TELEPHONE_EVENT};
use super::wire::{Message, parameter, uri_of};
use crate::Outcome;

/// What happened in a call.
#[derive(Debug, Clone)]
pub enum Event {
    /// A response below 200 to our INVITE.
    Provisional(Message),
    /// Our INVITE was answered; the ACK is sent.
    Answered(Message),
    /// Our INVITE was refused; the ACK is sent.
    Refused(Message),
    /// Our INVITE was not answered at all.
    Failed(String),
    /// The caller gave up before we answered.
    Cancelled(Message),
    /// The far end changed the session; what it wants, and the codec then used.
    Changed(Direction, Codec),
    /// The far end refreshed the session (re-INVITE or UPDATE without a change).
    Refreshed(Message),
    /// The far end hung up.
    Ended(Message),
    /// Another request within the call (INFO, NOTIFY, REFER, MESSAGE), answered 200 or 202.
    Asked(Message),
}

pub(super) struct Dialog {
    pub(super) line: Arc<Line>,
    pub(super) media: Media,
    pub(super) acknowledged: Notify,
    pub(super) tag: String,
    events: UnboundedSender<Event>,
    state: Mutex<State>,
    is_ended: AtomicBool,
}

pub(super) struct State {
    pub(super) call_id: String,
    /// From and To as our requests carry them.
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    pub(super) cseq: u32,
    /// The last INVITE of either side that set the session.
    pub(super) invite: Message,
    pub(super) version: u32,
    pub(super) codecs: Vec<Codec>,
    pub(super) wanted: Direction,
    pub(super) far: Option<Remote>,
    /// Whether our own re-INVITE is under way.
    pub(super) is_inviting: bool,
}

impl Dialog {
    pub(super) fn new(
        line: Arc<Line>,
        media: Media,
        events: UnboundedSender<Event>,
        tag: String,
        state: State,
    ) -> Arc<Self> {
        let call_id = state.call_id.clone();
        let is_ended = AtomicBool::new(false);
        let dialog = Arc::new(Self {
            line,
            media,
            acknowledged: Notify::new(),
            tag,
            events,
            state: Mutex::new(state),
            is_ended,
        });
        dialog.line.add_dialog(&call_id, &dialog);
        dialog
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::SeqCst)
    }

    /// No more media and no more requests of this dialog.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Ordering::SeqCst);
        self.media.set_sending(false);
        let call_id = self.state().call_id.clone();
        self.line.remove_dialog(&call_id);
    }

    /// The next request of this dialog, with a Via.
    pub(super) fn request(&self, method: &str) -> Message {
        let mut state = self.state();
        if method != "ACK" && method != "CANCEL" {
            state.cseq += 1;
        }
        let mut request = Message::request(method, &state.target).with("Max-Forwards", "70");
        for route in &state.routes {
            request = request.with("Route", route.clone());
        }
        request = request
            .with("From", state.local.clone())
            .with("To", state.remote.clone())
            .with("Call-ID", state.call_id.clone())
            .with("CSeq", format!("{} {method}", state.cseq));
        if matches!(method, "INVITE" | "UPDATE" | "REFER" | "SUBSCRIBE") {
            request = request.with("Contact", self.line.contact()).with("Allow", super::ALLOW);
            request = request.with("Supported", self.line.settings.supported.clone());
        }
        self.line.with_via(request)
    }

    /// Sends a request within the dialog; returns its final response.
    pub(super) async fn ask(&self, method: &str, add: impl Fn(Message) -> Message) -> Outcome<Message> {
        let build = |authorization: Option<(&'static str, String)>| {
            let request = add(self.request(method));
            match authorization {
                Some((name, value)) => request.with(name, value),
                None => request,
            }
        };
        Ok(self.line.exchange(build, |_| ()).await?.1)
    }

    // ---- offer and answer -------------------------------------------------------------------------------------

    /// Our description: an offer.
    pub(super) fn offer(&self) -> String {
        let mut state = self.state();
        state.version += 1;
        let (version, codecs, direction) = (state.version, state.codecs.clone(), state.wanted);
        let far = state.far.as_ref().and_then(|far| far.telephone_event);
        let telephone_event = self.line.settings.telephone_events.then(|| far.unwrap_or(TELEPHONE_EVENT));
        Local { address: self.media.local(), version, codecs, telephone_event, direction }.to_text()
    }

    /// Our description: the answer to the far end's offer, which is taken into use.
    pub(super) fn answer(&self, offer: &str) -> Option<String> {
        let far = self.take_description(offer)?;
        let mut state = self.state();
        state.version += 1;
        let common: Vec<Codec> =
            far.codecs.iter().copied().filter(|codec| state.codecs.contains(codec)).take(1).collect();
        let direction = narrowed(far.direction.answered(), state.wanted);
        let version = state.version;
        let telephone_event = far.telephone_event.filter(|_| self.line.settings.telephone_events);
        Some(
            Local { address: self.media.local(), version, codecs: common, telephone_event, direction }
                .to_text(),
        )
    }

    /// Takes the far end's description into use.
    pub(super) fn take_description(&self, text: &str) -> Option<Remote> {
        let far = Remote::parse(text)?;
        let mut state = self.state();
        let codec = far.codecs.iter().copied().find(|codec| state.codecs.contains(codec))?;
        let sending = narrowed(far.direction.answered(), state.wanted).sends();
        self.media.settle(far.address, codec, far.telephone_event, sending);
        state.far = Some(far.clone());
        Some(far)
    }

    // ---- the caller's side ------------------------------------------------------------------------------------

    /// A provisional response: early media, and PRACK if it is reliable (RFC 3262).
    pub(super) fn take_provisional(self: &Arc<Self>, response: Message) {
        if response.code() > 100 {
            self.learn(&response);
            if let Some(sdp) = response.sdp() {
                self.take_description(sdp);
            }
            if let Some(number) = response.get("RSeq") {
                let rack = format!("{number} {}", response.get("CSeq").unwrap_or_default());
                let dialog = Arc::clone(self);
                tokio::spawn(async move { dialog.ask("PRACK", |m| m.with("RAck", rack.clone())).await });
            }
        }
        self.tell(Event::Provisional(response));
    }

    /// What a response to our INVITE says of the far end.
    pub(super) fn learn(&self, response: &Message) {
        let mut state = self.state();
        if let Some(to) = response.get("To").filter(|to| parameter(to, "tag").is_some()) {
            to.clone_into(&mut state.remote);
        }
        if let Some(contact) = response.get("Contact") {
            uri_of(contact).clone_into(&mut state.target);
        }
        if state.routes.is_empty() {
            state.routes = recorded_routes(response, true);
        }
    }

    /// Acknowledges a 2xx to the INVITE with this sequence number; a late offer is answered in the ACK.
    pub(super) fn acknowledge_answer(&self, response: &Message, we_offered: bool) {
        let answer = response
            .sdp()
            .and_then(|sdp| if we_offered { self.take_description(sdp).and(None) } else { self.answer(sdp) });
        let mut ack = self.request("ACK");
        ack.set("CSeq", format!("{} ACK", response.cseq()));
        if let Some(answer) = answer {
            ack = ack.with_sdp(answer);
        }
        self.line.acknowledge(&ack);
    }

    // ---- what a phone answers by itself -------------------------------------------------------------------------

    pub(super) fn take_request(self: &Arc<Self>, request: Message) {
        match request.method() {
            "ACK" => {
                if let Some(sdp) = request.sdp() {
                    self.take_description(sdp);
                }
                self.acknowledged.notify_one();
            }
            "BYE" => {
                self.respond(&request, 200, "OK");
                self.end();
                self.tell(Event::Ended(request));
            }
            "CANCEL" => {
                self.respond(&request, 200, "OK");
                let invite = self.state().invite.clone();
                self.respond(&invite, 487, "Request Terminated");
                self.end();
                self.tell(Event::Cancelled(request));
            }
            "INVITE" if self.state().is_inviting => self.respond(&request, 491, "Request Pending"),
            "INVITE" => self.take_session_change(&request),
            "UPDATE" => {
                let event = self.session_event(&request);
                let answer = request.sdp().and_then(|offer| self.answer(offer));
                let mut response = self.accept(&request);
                if let Some(sdp) = answer {
                    response = response.with_sdp(sdp);
                }
                self.line.reply(&request, response, &self.tag);
                self.tell(event(self));
            }
            "REFER" => {
                self.respond(&request, 202, "Accepted");
                self.tell(Event::Asked(request));
            }
            _ => {
                self.respond(&request, 200, "OK");
                self.tell(Event::Asked(request));
            }
        }
    }

    pub(super) fn respond(&self, request: &Message, code: u16, reason: &str) {
        self.line.reply(request, request.response(code, reason), &self.tag);
    }

    /// A 200 with what a dialog needs.
    pub(super) fn accept(&self, request: &Message) -> Message {
        let response =
            request.response(200, "OK").with("Contact", self.line.contact()).with("Allow", super::ALLOW);
        match request.get("Session-Expires") {
            Some(expires) if parameter(expires, "refresher").is_some() => {
                response.with("Session-Expires", expires).with("Require", "timer")
            }
            _ => response,
        }
    }

    fn take_session_change(self: &Arc<Self>, request: &Message) {
        let event = self.session_event(request);
        if let Some(contact) = request.get("Contact") {
            uri_of(contact).clone_into(&mut self.state().target);
        }
        let sdp = match request.sdp() {
            Some(offer) => self.answer(offer),
            None => Some(self.offer()),
        };
        match sdp {
            Some(sdp) => {
                self.state().invite = request.clone();
                self.answer_until_acknowledged(request, self.accept(request).with_sdp(sdp));
                self.tell(event(self));
            }
            None => self.respond(request, 488, "Not Acceptable Here"),
        }
    }

    /// Whether a request changes the session or only keeps it alive.
    fn session_event(&self, request: &Message) -> impl FnOnce(&Self) -> Event + use<> {
        let before = self.state().far.clone();
        let request = request.clone();
        move |dialog| match (&dialog.state().far, before) {
            (Some(now), Some(before)) if *now != before => {
                Event::Changed(now.direction, dialog.media.codec())
            }
            _ => Event::Refreshed(request),
        }
    }

    /// Sends a 2xx and repeats it until the ACK comes (RFC 3261 §13.3.1.4; over UDP and TCP alike).
    pub(super) fn answer_until_acknowledged(self: &Arc<Self>, request: &Message, response: Message) {
        self.line.reply(request, response.clone(), &self.tag);
        let dialog = Arc::clone(self);
        let request = request.clone();
        tokio::spawn(async move {
            let (mut wait, mut waited) = (T1, Duration::ZERO);
            while waited < GIVE_UP && !dialog.is_ended() {
                if tokio::time::timeout(wait, dialog.acknowledged.notified()).await.is_ok() {
                    return;
                }
                waited += wait;
                wait = (wait * 2).min(T1 * 8);
                dialog.line.reply(&request, response.clone(), &dialog.tag);
            }
        });
    }
}

/// A direction that neither side objects to.
fn narrowed(possible: Direction, wanted: Direction) -> Direction {
    let receives = |d: Direction| matches!(d, Direction::SendRecv | Direction::RecvOnly);
    match (possible.sends() && wanted.sends(), receives(possible) && receives(wanted)) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

/// A fresh tag.
pub(super) fn new_tag() -> String {
    format!("{:08x}", random() as u32)
}

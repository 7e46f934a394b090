//! A phone's line: requests and their answers over the link, and what comes in by itself.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::Settings;
use super::dialog::Dialog;
use super::digest;
use super::incoming::IncomingCall;
use super::link::{Frame, Link};
use super::wire::{Message, parameter, uri_of};
use crate::{Failure, Outcome};

/// RFC 3261's T1.
pub(super) const T1: Duration = Duration::from_millis(500);
/// 64 times T1: when a transaction gives up.
pub(super) const GIVE_UP: Duration = Duration::from_secs(32);
/// How long an INVITE may ring.
const RINGING: Duration = Duration::from_secs(180);

/// A number nobody can predict well enough to collide with.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

pub(super) struct Line {
    pub(super) settings: Settings,
    pub(super) link: Link,
    started: Instant,
    transactions: Mutex<HashMap<String, UnboundedSender<Message>>>,
    dialogs: Mutex<HashMap<String, Weak<Dialog>>>,
    replies: Mutex<HashMap<String, String>>,
    acks: Mutex<HashMap<(String, u32), String>>,
    unsolicited: Mutex<Vec<Message>>,
    transcript: Mutex<String>,
    incoming: UnboundedSender<IncomingCall>,
    /// How many keep-alives have been answered.
    pub(super) pongs: watch::Sender<u32>,
    /// Whether the far end closed the connection.
    pub(super) closed: watch::Sender<bool>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What makes two copies of a request the same (RFC 3261 §17.2.3).
fn transaction_key(message: &Message) -> String {
    format!("{} {}", message.branch(), message.method())
}

impl Line {
    pub(super) fn new(settings: Settings, link: Link) -> (Arc<Self>, UnboundedReceiver<IncomingCall>) {
        let (incoming, calls) = unbounded_channel();
        let line = Self {
            settings,
            link,
            started: Instant::now(),
            transactions: Mutex::default(),
            dialogs: Mutex::default(),
            replies: Mutex::default(),
            acks: Mutex::default(),
            unsolicited: Mutex::default(),
            transcript: Mutex::default(),
            incoming,
            pongs: watch::Sender::new(0),
            closed: watch::Sender::new(false),
        };
        (Arc::new(line), calls)
    }

    /// The phone's address of record.
    pub(super) fn aor(&self) -> String {
        format!("sip:{}@{}", self.settings.extension, self.settings.domain)
    }

    /// The phone's Contact URI on this link.
    pub(super) fn contact(&self) -> String {
        let transport = match self.link.name {
            "UDP" => "",
            "TCP" => ";transport=tcp",
            _ => ";transport=tls",
        };
        format!("<sip:{}@{}{transport}>", self.settings.extension, self.link.local)
    }

    // ---- out ------------------------------------------------------------------------------------------------

    /// Sends a message as it is.
    pub(super) fn send(&self, message: &Message) -> String {
        let text = message.to_text();
        self.send_text(&text);
        text
    }

    /// Sends bytes that were sent before, or that are no message at all.
    pub(super) fn send_text(&self, text: &str) {
        self.note("->", text);
        self.link.send(text.as_bytes().to_vec());
    }

    /// A request with a Via of its own, ready to send.
    pub(super) fn with_via(&self, mut request: Message) -> Message {
        let via =
            format!("SIP/2.0/{} {};branch=z9hG4bK{:016x};rport", self.link.name, self.link.local, random());
        request.headers.insert(0, ("Via".to_owned(), via));
        request
    }

    /// Answers a request, and keeps the answer for its repetitions. A dialog's answers carry our tag.
    pub(super) fn reply(&self, request: &Message, mut response: Message, tag: &str) {
        let to = request.get("To").unwrap_or_default();
        if response.code() > 100 && parameter(to, "tag").is_none() {
            let to = format!("{to};tag={tag}");
            response.set("To", to);
        }
        let text = self.send(&response);
        locked(&self.replies).insert(transaction_key(request), text);
    }

    /// Sends the ACK of a final response to an INVITE, and keeps it for the response's repetitions.
    pub(super) fn acknowledge(&self, ack: &Message) {
        let text = self.send(ack);
        locked(&self.acks).insert((ack.call_id().to_owned(), ack.cseq()), text);
    }

    /// Sends a request that has its Via; returns the final response. Repeats it over UDP by timers A and E.
    pub(super) async fn transact(
        &self,
        request: &Message,
        mut on_provisional: impl FnMut(Message),
    ) -> Outcome<Message> {
        let (answers, mut responses) = unbounded_channel();
        let key = transaction_key(request);
        locked(&self.transactions).insert(key.clone(), answers);
        let text = self.send(request);
        let is_invite = request.method() == "INVITE";
        let mut wait = T1;
        let mut repeat_at = Some(tokio::time::Instant::now() + wait).filter(|_| !self.link.is_reliable);
        let mut give_up = tokio::time::Instant::now() + GIVE_UP;
        let outcome = loop {
            let wake = repeat_at.map_or(give_up, |at| at.min(give_up));
            tokio::select! {
                response = responses.recv() => match response {
                    Some(response) if response.code() >= 200 => break Ok(response),
                    Some(response) => {
                        if is_invite {
                            repeat_at = None;
                            give_up = tokio::time::Instant::now() + RINGING;
                        }
                        on_provisional(response);
                    }
                    None => break Err(self.failure("the line was closed")),
                },
                () = sleep_until(wake) => {
                    if wake == give_up {
                        break Err(self.failure(&format!("no answer to {}", request.start)));
                    }
                    self.send_text(&text);
                    wait = if is_invite { wait * 2 } else { (wait * 2).min(T1 * 8) };
                    repeat_at = Some(tokio::time::Instant::now() + wait);
                }
            }
        };
        locked(&self.transactions).remove(&key);
        outcome
    }

    /// Sends what `build` makes, and once more with credentials if it is challenged.
    pub(super) async fn exchange(
        &self,
        mut build: impl FnMut(Option<(&'static str, String)>) -> Message,
        mut on_provisional: impl FnMut(Message),
    ) -> Outcome<(Message, Message)> {
        let request = build(None);
        let response = self.transact(&request, &mut on_provisional).await?;
        self.acknowledge_refusal(&request, &response);
        let Some(credentials) =
            self.settings.credentials.as_ref().filter(|_| matches!(response.code(), 401 | 407))
        else {
            return Ok((request, response));
        };
        let cnonce = format!("{:016x}", random());
        let Some(authorization) =
            digest::answer(credentials, &response, request.method(), request.uri(), &cnonce)
        else {
            return Ok((request, response));
        };
        let request = build(Some(authorization));
        let response = self.transact(&request, &mut on_provisional).await?;
        self.acknowledge_refusal(&request, &response);
        Ok((request, response))
    }

    /// The ACK of a refusal belongs to the transaction: same Via, same Request-URI (RFC 3261 §17.1.1.3).
    fn acknowledge_refusal(&self, request: &Message, response: &Message) {
        if request.method() != "INVITE" || response.code() < 300 {
            return;
        }
        let mut ack = Message::request("ACK", request.uri());
        for name in ["Via", "Route", "From", "Call-ID", "Max-Forwards"] {
            for value in request.all(name) {
                ack = ack.with(name, value);
            }
        }
        ack = ack
            .with("To", response.get("To").unwrap_or_default())
            .with("CSeq", format!("{} ACK", request.cseq()));
        self.acknowledge(&ack);
    }

    // ---- in -------------------------------------------------------------------------------------------------

    /// Takes what comes in until the link ends.
    pub(super) async fn run(self: Arc<Self>, mut frames: UnboundedReceiver<Frame>) {
        while let Some(frame) = frames.recv().await {
            match frame {
                Frame::Message(message) => {
                    self.note("<-", &message.to_text());
                    if message.is_response() {
                        self.take_response(message);
                    } else {
                        self.take_request(message);
                    }
                }
                Frame::Pong => self.pongs.send_modify(|count| *count += 1),
                Frame::Closed => {
                    self.note("<-", "(connection closed)\r\n");
                    self.closed.send_replace(true);
                }
            }
        }
    }

    fn take_response(&self, response: Message) {
        if let Some(waiting) = locked(&self.transactions).get(&transaction_key(&response)) {
            let _ = waiting.send(response);
        } else if response.method() == "INVITE" && response.code() >= 200 {
            let key = (response.call_id().to_owned(), response.cseq());
            let ack = locked(&self.acks).get(&key).cloned();
            if let Some(ack) = ack {
                self.send_text(&ack);
            }
        }
    }

    fn take_request(self: &Arc<Self>, request: Message) {
        let repeated = locked(&self.replies).get(&transaction_key(&request)).cloned();
        if let Some(reply) = repeated {
            self.send_text(&reply);
            return;
        }
        let dialog = locked(&self.dialogs).get(request.call_id()).and_then(Weak::upgrade);
        match (request.method(), dialog) {
            (_, Some(dialog)) => dialog.take_request(request),
            ("INVITE", None) => self.take_call(&request),
            ("ACK", None) => {}
            ("BYE" | "CANCEL", None) => {
                let response = request.response(481, "Call/Transaction Does Not Exist");
                self.reply(&request, response, "none");
            }
            (_, None) => {
                let response = request.response(200, "OK").with("Allow", super::ALLOW);
                self.reply(&request, response, &format!("{:08x}", random() as u32));
                locked(&self.unsolicited).push(request);
            }
        }
    }

    fn take_call(self: &Arc<Self>, invite: &Message) {
        self.reply(invite, invite.response(100, "Trying"), "");
        let refuse = invite.response(500, "Server Internal Error");
        match IncomingCall::new(Arc::clone(self), invite.clone()) {
            Ok(call) => drop(self.incoming.send(call)),
            Err(_) => self.reply(invite, refuse, "none"),
        }
    }

    pub(super) fn add_dialog(&self, call_id: &str, dialog: &Arc<Dialog>) {
        locked(&self.dialogs).insert(call_id.to_owned(), Arc::downgrade(dialog));
    }

    pub(super) fn remove_dialog(&self, call_id: &str) {
        locked(&self.dialogs).remove(call_id);
    }

    /// The calls that somebody still holds.
    pub(super) fn live_dialogs(&self) -> Vec<Arc<Dialog>> {
        locked(&self.dialogs).values().filter_map(Weak::upgrade).collect()
    }

    /// Requests outside of any call that came in and were answered 200 (NOTIFY, MESSAGE, OPTIONS).
    pub(super) fn take_unsolicited(&self) -> Vec<Message> {
        std::mem::take(&mut *locked(&self.unsolicited))
    }

    // ---- what is said when something goes wrong ---------------------------------------------------------------

    fn note(&self, arrow: &str, text: &str) {
        let at = self.started.elapsed().as_secs_f64();
        let _ = writeln!(
            locked(&self.transcript),
            "{at:8.3} {arrow} {}",
            text.trim_end().replace("\r\n", "\n            ")
        );
    }

    /// Everything sent and received so far.
    pub(super) fn transcript(&self) -> String {
        locked(&self.transcript).clone()
    }

    /// A failure that shows the end of the transcript.
    pub(super) fn failure(&self, why: &str) -> Failure {
        let transcript = self.transcript();
        let tail: Vec<&str> = transcript.lines().rev().take(80).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Failure::new(format!("phone {}: {why}\n{}", self.settings.extension, tail.join("\n")))
    }

    /// Waits for a condition of the line, such as an answered keep-alive.
    pub(super) async fn wait<T>(
        &self,
        watched: &watch::Sender<T>,
        within: Duration,
        what: &str,
        is_met: impl FnMut(&T) -> bool,
    ) -> Outcome {
        let mut receiver = watched.subscribe();
        let met = timeout(within, receiver.wait_for(is_met)).await.is_ok_and(|met| met.is_ok());
        if met { Ok(()) } else { Err(self.failure(&format!("no {what} within {within:?}"))) }
    }
}

/// The route set of a dialog: the UAC's is the reverse of what was recorded (RFC 3261 §12.1).
pub(super) fn recorded_routes(message: &Message, is_caller: bool) -> Vec<String> {
    let mut routes: Vec<String> = message
        .all("Record-Route")
        .flat_map(|value| value.split(','))
        .map(|r| format!("<{}>", uri_of(r)))
        .collect();
    if is_caller {
        routes.reverse();
    }
    routes
}

//! The channel to the engine's task, and the way back.
//!
//! Questions go in one bounded queue; each that wants an answer has a [`Ticket`]. Answers and events come back by
//! the [`Switchboard`], which never blocks the engine: an answer nobody waits for any more is dropped, and a page
//! that does not take its events is closed ([`SessionEnd::Slow`]).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::problem::Reason;
use crate::engine::numbering::Extension;
use crate::engine::web::{Ticket, WebEvent, WebInput, WebReply, WebRequest, WebSession};

/// Bounds of the channel and its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineCapacity {
    /// Questions on their way to the engine; full: 503 `overloaded`.
    pub inputs: usize,
    /// Questions that wait for their answer; full: 503 `overloaded`.
    pub tickets: usize,
    /// Phone sessions in all; full: `too-many-sessions`.
    pub sessions: usize,
    /// Phone sessions of one extension; full: `too-many-sessions`.
    pub sessions_per_extension: usize,
    /// Events that wait for one page; full: the page is closed.
    pub events: usize,
    /// How long an answer may take.
    pub patience: Duration,
}

impl Default for LineCapacity {
    fn default() -> Self {
        Self {
            inputs: 1024,
            tickets: 4096,
            sessions: 2048,
            sessions_per_extension: 8,
            events: 64,
            patience: Duration::from_secs(5),
        }
    }
}

/// This room's end: asks the engine.
#[derive(Debug)]
pub struct EngineLine {
    inputs: mpsc::Sender<WebInput>,
    board: Switchboard,
    counter: AtomicU64,
}

/// The engine task's end.
#[derive(Debug)]
pub struct EnginePort {
    /// What browsers ask, in order.
    pub inputs: mpsc::Receiver<WebInput>,
    /// The way back.
    pub switchboard: Switchboard,
}

/// Brings the engine's answers and events to those who wait for them.
#[derive(Clone, Debug)]
pub struct Switchboard(Arc<Mutex<Board>>);

#[derive(Debug)]
struct Board {
    capacity: LineCapacity,
    waiting: HashMap<Ticket, oneshot::Sender<WebReply>>,
    sessions: HashMap<WebSession, Line>,
    slow: u64,
}

#[derive(Debug)]
struct Line {
    extension: Extension,
    instance: String,
    token: [u8; 32],
    events: mpsc::Sender<WebEvent>,
    end: Option<oneshot::Sender<SessionEnd>>,
}

/// Why this room ended a phone session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEnd {
    /// The page does not take its events.
    Slow,
    /// The same browser opened another session.
    Replaced,
}

/// A phone session just opened.
pub(crate) struct OpenedSession {
    pub(crate) session: WebSession,
    pub(crate) events: mpsc::Receiver<WebEvent>,
    pub(crate) end: oneshot::Receiver<SessionEnd>,
}

/// Both ends of a channel to the engine's task.
pub fn line(capacity: LineCapacity) -> (EngineLine, EnginePort) {
    let (sender, receiver) = mpsc::channel(capacity.inputs.max(1));
    let board = Board { capacity, waiting: HashMap::new(), sessions: HashMap::new(), slow: 0 };
    let switchboard = Switchboard(Arc::new(Mutex::new(board)));
    let line = EngineLine { inputs: sender, board: switchboard.clone(), counter: AtomicU64::new(0) };
    (line, EnginePort { inputs: receiver, switchboard })
}

impl Switchboard {
    /// Hands over the answer to a question. `false`: nobody waits for it any more.
    pub fn reply(&self, ticket: Ticket, reply: WebReply) -> bool {
        let waiting = self.lock().waiting.remove(&ticket);
        waiting.is_some_and(|waiting| waiting.send(reply).is_ok())
    }

    /// Hands an event to a page. `false`: the page is gone, or was too slow and is closed now.
    pub fn event(&self, session: WebSession, event: WebEvent) -> bool {
        let mut board = self.lock();
        let Some(line) = board.sessions.get(&session) else { return false };
        match line.events.try_send(event) {
            Ok(()) => true,
            Err(error) => {
                if matches!(error, mpsc::error::TrySendError::Full(_)) {
                    board.slow = board.slow.saturating_add(1);
                }
                board.end(session, SessionEnd::Slow);
                false
            }
        }
    }

    /// Phone sessions that are open.
    pub fn sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Pages closed since the start because they did not take their events.
    pub fn slow_closed(&self) -> u64 {
        self.lock().slow
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineLine {
    /// Asks the engine and waits for its answer.
    pub(crate) async fn ask(
        &self,
        caller: Extension,
        session: Option<WebSession>,
        request: WebRequest,
    ) -> Result<WebReply, Reason> {
        self.send(|ticket| WebInput::Request { ticket, caller, session, request }).await
    }

    async fn send(&self, input: impl FnOnce(Ticket) -> WebInput) -> Result<WebReply, Reason> {
        let ticket = Ticket(self.next());
        let (sender, receiver) = oneshot::channel();
        let patience = {
            let mut board = self.board.lock();
            if board.waiting.len() >= board.capacity.tickets {
                return Err(Reason::Overloaded);
            }
            board.waiting.insert(ticket, sender);
            board.capacity.patience
        };
        let waiting = Waiting { board: &self.board, ticket };
        self.inputs.try_send(input(ticket)).map_err(|_| Reason::Overloaded)?;
        let reply = tokio::time::timeout(patience, receiver).await;
        drop(waiting);
        reply.map_err(|_| Reason::EngineTimeout)?.map_err(|_| Reason::EngineTimeout)
    }

    /// Asks the engine whose account a text names; nobody has signed in yet.
    pub(crate) async fn who_is(&self, user: &str) -> Result<WebReply, Reason> {
        let user = user.to_owned();
        self.send(|ticket| WebInput::WhoIs { ticket, user }).await
    }

    /// Opens a phone session; an older one of the same browser is closed.
    pub(crate) fn open(
        &self,
        extension: &Extension,
        instance: &str,
        token: [u8; 32],
        user_agent: &str,
        address: IpAddr,
    ) -> Result<OpenedSession, Reason> {
        let session = WebSession(self.next());
        let mut board = self.board.lock();
        for old in board.replace(extension, instance) {
            // In this order, so that the engine moves the old page's calls to the new one.
            self.inputs.try_send(WebInput::Closed { session: old }).map_err(|_| Reason::Overloaded)?;
        }
        let of_extension = board.sessions.values().filter(|line| line.extension == *extension).count();
        if board.sessions.len() >= board.capacity.sessions
            || of_extension >= board.capacity.sessions_per_extension
        {
            return Err(Reason::TooManySessions);
        }
        let opened = WebInput::Opened {
            session,
            extension: extension.clone(),
            instance: instance.to_owned(),
            user_agent: user_agent.to_owned(),
            address,
        };
        self.inputs.try_send(opened).map_err(|_| Reason::Overloaded)?;
        let (sender, events) = mpsc::channel(board.capacity.events.max(1));
        let (end_sender, end) = oneshot::channel();
        let (extension, instance) = (extension.clone(), instance.to_owned());
        let line = Line { extension, instance, token, events: sender, end: Some(end_sender) };
        board.sessions.insert(session, line);
        Ok(OpenedSession { session, events, end })
    }

    /// Tells the engine that a session is gone; waits for room in the queue, because this must not be lost.
    pub(crate) async fn closed(&self, session: WebSession) {
        self.board.lock().sessions.remove(&session);
        if self.inputs.send(WebInput::Closed { session }).await.is_err() {
            tracing::debug!("the engine's task ended before a web session");
        }
    }

    /// The session that a REST request belongs to: the page names its instance; otherwise it is the only one
    /// opened with the same token.
    pub(crate) fn session_of(
        &self,
        extension: &Extension,
        instance: Option<&str>,
        token: &[u8; 32],
    ) -> Option<WebSession> {
        let board = self.board.lock();
        let mut lines = board.sessions.iter().filter(|(_, line)| {
            line.extension == *extension
                && instance.map_or(line.token == *token, |instance| line.instance == instance)
        });
        let (session, _) = lines.next()?;
        lines.next().is_none().then_some(*session)
    }

    fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

impl Board {
    fn replace(&mut self, extension: &Extension, instance: &str) -> Vec<WebSession> {
        let same = |line: &Line| line.extension == *extension && line.instance == instance;
        let old: Vec<_> =
            self.sessions.iter().filter(|(_, line)| same(line)).map(|(session, _)| *session).collect();
        for session in &old {
            self.end(*session, SessionEnd::Replaced);
        }
        old
    }

    fn end(&mut self, session: WebSession, why: SessionEnd) {
        if let Some(end) = self.sessions.remove(&session).and_then(|mut line| line.end.take()) {
            // The page's own task may have ended already: then there is nobody to tell.
            let _ = end.send(why);
        }
    }
}

/// Gives a ticket back, also when the client went away in the middle.
struct Waiting<'a> {
    board: &'a Switchboard,
    ticket: Ticket,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.board.lock().waiting.remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension() -> Extension {
        "1001".parse().unwrap()
    }

    fn registered() -> WebEvent {
        WebEvent::Registered { extension: "1001".into() }
    }

    #[tokio::test]
    async fn an_answer_finds_its_question() {
        let (line, mut port) = line(LineCapacity::default());
        let engine = tokio::spawn(async move {
            let Some(WebInput::Request { ticket, .. }) = port.inputs.recv().await else {
                panic!("a request")
            };
            assert!(port.switchboard.reply(ticket, WebReply::Done));
            assert!(!port.switchboard.reply(ticket, WebReply::Done), "once only");
        });
        assert_eq!(line.ask(extension(), None, WebRequest::Calls).await, Ok(WebReply::Done));
        engine.await.unwrap();
    }

    #[tokio::test]
    async fn silence_and_a_full_queue_have_reasons_and_leave_no_ticket() {
        let (line, port) =
            line(LineCapacity { inputs: 1, patience: Duration::from_millis(20), ..LineCapacity::default() });
        assert_eq!(line.ask(extension(), None, WebRequest::Calls).await, Err(Reason::EngineTimeout));
        assert_eq!(line.ask(extension(), None, WebRequest::Calls).await, Err(Reason::Overloaded));
        assert!(port.switchboard.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_page_that_does_not_read_is_closed() {
        let (line, port) = line(LineCapacity { events: 2, ..LineCapacity::default() });
        let mut opened = line.open(&extension(), "i", [0; 32], "ua", [192, 0, 2, 7].into()).unwrap();
        assert!(port.switchboard.event(opened.session, registered()));
        assert!(port.switchboard.event(opened.session, registered()));
        assert!(!port.switchboard.event(opened.session, registered()));
        assert_eq!(opened.end.try_recv(), Ok(SessionEnd::Slow));
        assert_eq!((port.switchboard.sessions(), port.switchboard.slow_closed()), (0, 1));
    }

    #[tokio::test]
    async fn a_reload_replaces_and_strangers_are_told_apart() {
        let (line, port) = line(LineCapacity { sessions_per_extension: 2, ..LineCapacity::default() });
        let mut first = line.open(&extension(), "a", [1; 32], "ua", [192, 0, 2, 7].into()).unwrap();
        let again = line.open(&extension(), "a", [1; 32], "ua", [192, 0, 2, 7].into()).unwrap();
        assert_eq!(first.end.try_recv(), Ok(SessionEnd::Replaced));
        let other = line.open(&extension(), "b", [1; 32], "ua", [192, 0, 2, 7].into()).unwrap();
        assert_eq!(
            line.open(&extension(), "c", [1; 32], "ua", [192, 0, 2, 7].into()).err(),
            Some(Reason::TooManySessions)
        );
        assert_eq!(line.session_of(&extension(), Some("a"), &[9; 32]), Some(again.session));
        assert_eq!(line.session_of(&extension(), Some("b"), &[9; 32]), Some(other.session));
        assert_eq!(line.session_of(&extension(), None, &[1; 32]), None, "two of the same token");
        assert_eq!(port.switchboard.sessions(), 2);
    }
}

//! The page's side of a leg.

use std::collections::VecDeque;

use super::effects::Effects;
use super::id::CallId;
use crate::engine::numbering::Extension;
use crate::engine::web::{Signal, WebEvent, WebSession};
use crate::sdp::Direction;

/// How many messages are kept for `GET …/signaling?since=`; older ones are forgotten.
const KEPT: usize = 64;

/// A page in a call.
#[derive(Debug)]
pub struct WebLeg {
    /// Who signed in.
    pub extension: Extension,
    /// The page's connection; `None` while it is away.
    pub session: Option<WebSession>,
    /// Whether its connection broke and it may come back; a page that only polls is not away.
    pub away: bool,
    /// Whether the microphone is muted at the page.
    pub muted: bool,
    /// What the page may do by what it was told last: the other party holds it or not.
    pub told: Direction,
    sent: VecDeque<(u64, Signal)>,
    sequence: u64,
}

impl WebLeg {
    /// A leg of a page.
    pub const fn new(extension: Extension, session: Option<WebSession>) -> Self {
        Self {
            extension,
            session,
            away: false,
            muted: false,
            told: Direction::SendRecv,
            sent: VecDeque::new(),
            sequence: 0,
        }
    }

    /// Sends signalling; kept for a page that polls or comes back.
    pub fn signal(&mut self, call: CallId, signal: Signal, fx: &mut Effects<'_>) {
        self.sequence += 1;
        let sequence = self.sequence;
        if self.sent.len() == KEPT {
            self.sent.pop_front();
        }
        self.sent.push_back((sequence, signal.clone()));
        self.tell(WebEvent::Signal { call, sequence, signal }, fx);
    }

    /// Tells the page, if it is there.
    pub fn tell(&self, event: WebEvent, fx: &mut Effects<'_>) {
        if let Some(session) = self.session {
            fx.web(session, event);
        }
    }

    /// What was sent after `since`.
    pub fn after(&self, since: u64) -> Vec<(u64, Signal)> {
        self.sent.iter().filter(|(sequence, _)| *sequence > since).cloned().collect()
    }
}

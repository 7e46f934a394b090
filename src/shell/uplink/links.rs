//! The federation links as the engine sees them, asked for once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::events::CallsOverLinks;
use crate::engine::routing::{LinkState, LinkView};
use crate::shell::engine_task::Question;
use crate::uplink::probation::Vitals;

/// Links named in a health document at most, so that it stays within its limit; those that are not up first.
const MOST_NAMED: usize = 500;
/// The engine answers in microseconds, or is in trouble.
const PATIENCE: Duration = Duration::from_millis(500);

/// The newest view; cloning gives another handle.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkBoard {
    states: Arc<Mutex<BTreeMap<String, LinkState>>>,
    calls: Arc<CallsOverLinks>,
}

impl LinkBoard {
    pub(super) fn new(calls: Arc<CallsOverLinks>) -> Self {
        Self { states: Arc::default(), calls }
    }

    /// Asks the engine. What is known stays if it is too busy to answer.
    pub(super) async fn refresh(&self, questions: &mpsc::Sender<Question>) {
        let (reply, answer) = oneshot::channel();
        if questions.try_send(Question::Links(reply)).is_err() {
            return;
        }
        if let Ok(Ok(views)) = timeout(PATIENCE, answer).await {
            self.set(views);
        }
    }

    fn set(&self, views: Vec<LinkView>) {
        *self.states() = views.into_iter().map(|view| (view.link.id.to_string(), view.state)).collect();
    }

    /// For a health document: the links by name.
    pub(super) fn named(&self) -> BTreeMap<String, String> {
        let states = self.states();
        let (up, others): (Vec<_>, Vec<_>) = states.iter().partition(|(_, state)| **state == LinkState::Up);
        let named = others.into_iter().chain(up).take(MOST_NAMED);
        named.map(|(id, state)| (id.clone(), state.as_str().to_owned())).collect()
    }

    /// For the probation of a route set.
    pub(super) fn vitals(&self) -> Vitals {
        let states = self.states();
        let count = |wanted: LinkState| {
            u64::try_from(states.values().filter(|state| **state == wanted).count()).unwrap_or(u64::MAX)
        };
        let (up, probing, down) = (count(LinkState::Up), count(LinkState::Probing), count(LinkState::Down));
        let (calls, calls_failed) = self.calls.figures();
        Vitals {
            links: up.saturating_add(probing).saturating_add(down),
            links_up: up,
            links_undecided: probing,
            calls,
            calls_failed,
        }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, LinkState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

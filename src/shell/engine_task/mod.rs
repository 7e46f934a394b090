//! The engine's task: the only owner of the [`Engine`].
//!
//! One loop. A turn serves every queue, in this order and at most so much of each; then it carries out what the
//! engine says, in the engine's order; then it publishes the [`Overview`].
//!
//! | queue | a turn | why there |
//! | --- | --- | --- |
//! | orders (accounts, settings, drain, stop) | 16 | rare, and everything else depends on them |
//! | timers | all that are due | a late timer is a lost call |
//! | receipts of the store, visitors' records | 512 | phones wait for them |
//! | media events | 256 | end calls that nobody hears |
//! | connectivity events | 128 | a browser waits for its keys |
//! | browsers | 128 | people wait |
//! | arrivals from listeners | 256 | what strangers may send comes last |
//! | questions (status, calls, registrations) | 4 | they cost most and matter least |
//!
//! The loop never blocks, never reads a file and takes no lock for longer than a copy. When arrivals are full,
//! streams stop reading and datagrams are dropped and counted by the listener.

mod bars;
mod effects;
mod overview;
mod roaming;
mod views;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};

pub use effects::{ConnectivityOutlet, MediaOutlet, Outlets};
pub use overview::{Glance, Overview};
pub use roaming::{PublishOutlet, RoamingOutlet};
pub(in crate::shell) use views::link;

use super::clock;
use super::control::{CallView, RegistrationView};
use super::listen::Arrival;
use super::systemd::Heartbeat;
use crate::engine::call::Resolution;
use crate::engine::registrar::Accounts;
use crate::engine::routing::{LinkView, RouteTable};
use crate::engine::settings::Settings;
use crate::engine::web::WebInput;
use crate::engine::{Engine, Input, RoamingInput, StoreTicket};
use crate::media::{ConnectivityEvent, MediaEvent};
use crate::time::Now;
use effects::Effects;

const ORDERS: usize = 16;
const RECEIPTS: usize = 512;
const MEDIA: usize = 256;
const CONNECTIVITY: usize = 128;
const PAGES: usize = 128;
const ARRIVALS: usize = 256;
const QUESTIONS: usize = 4;
/// The loop turns at least this often.
const BEAT: Duration = Duration::from_millis(500);

/// What the daemon's life asks of the engine.
#[derive(Debug)]
pub enum Order {
    /// Other accounts are in force.
    Accounts(Accounts),
    /// Other settings are in force.
    Settings(Box<Settings>),
    /// Another route table is in force.
    Routes(Arc<RouteTable>),
    /// Something of extensions that roam.
    Roaming(Box<RoamingInput>),
    /// No new calls.
    Drain,
    /// End all calls now.
    EndCalls,
    /// The loop ends.
    Finish,
}

/// A question of the control socket.
#[derive(Debug)]
pub enum Question {
    /// The calls that are up or being set up.
    Calls(oneshot::Sender<Vec<CallView>>),
    /// Which device is registered where.
    Registrations(oneshot::Sender<Vec<RegistrationView>>),
    /// Where a call would go, and why; `None` when what would be dialled is no number.
    Resolve(String, oneshot::Sender<Option<Resolution>>),
    /// The federation links and how they are.
    Links(oneshot::Sender<Vec<LinkView>>),
}

/// Where inputs come from; every channel is bounded.
#[derive(Debug)]
pub struct Inlets {
    /// From the daemon's life.
    pub orders: mpsc::Receiver<Order>,
    /// From the media worker.
    pub media: mpsc::Receiver<MediaEvent>,
    /// From connectivity.
    pub connectivity: mpsc::Receiver<ConnectivityEvent>,
    /// From browsers.
    pub pages: mpsc::Receiver<WebInput>,
    /// From listeners.
    pub arrivals: mpsc::Receiver<Arrival>,
    /// From the control socket.
    pub questions: mpsc::Receiver<Question>,
}

/// Runs the loop until [`Order::Finish`], or until nobody can order anything any more.
pub async fn run(engine: Engine, inlets: Inlets, outlets: Outlets, heartbeat: Heartbeat, glance: Glance) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let alarm = Alarm { due: None, sleep: Box::pin(sleep(BEAT)) };
    let mut turning =
        Turning { engine, inlets, effects: Effects::new(outlets), alarm, beat, feedback: VecDeque::new() };
    turning.carry_out(clock::now());
    while let Turn::Again = poll_fn(|cx| turning.poll_turn(cx)).await {
        turning.carry_out(clock::now());
        heartbeat.beat();
        glance.show(&Overview::of(&turning.engine, turning.effects.connections()));
    }
}

/// How a turn ended.
enum Turn {
    Again,
    Finished,
}

/// The engine's next timer.
struct Alarm {
    due: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

struct Turning {
    engine: Engine,
    inlets: Inlets,
    effects: Effects,
    alarm: Alarm,
    beat: Interval,
    /// What carrying out effects had to say, for the engine.
    feedback: VecDeque<Input>,
}

impl Turning {
    /// Serves every queue once. Pending when there was nothing to do.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let now = clock::now();
        let mut moved = false;
        for _ in 0..ORDERS {
            match self.inlets.orders.poll_recv(cx) {
                Poll::Ready(None | Some(Order::Finish)) => return Poll::Ready(Turn::Finished),
                Poll::Ready(Some(order)) => self.obey(now, order),
                Poll::Pending => break,
            }
            moved = true;
        }
        moved |= self.poll_alarm(cx, now);
        moved |= self.poll_receipts(cx, now);
        moved |= self.poll_events(cx, now);
        moved |= self.poll_pages_and_arrivals(cx, now);
        moved |= self.poll_questions(cx, now);
        moved |= self.beat.poll_tick(cx).is_ready();
        if moved { Poll::Ready(Turn::Again) } else { Poll::Pending }
    }

    fn obey(&mut self, now: Now, order: Order) {
        let input = match order {
            Order::Accounts(accounts) => Input::Accounts(accounts),
            Order::Settings(settings) => Input::Settings(settings),
            Order::Routes(table) => Input::Routes(table),
            Order::Roaming(input) => Input::Roaming(*input),
            Order::Drain => Input::Drain,
            Order::EndCalls => Input::Stop,
            Order::Finish => return,
        };
        self.engine.handle_input(now, input);
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let Some(due) = self.alarm.due else { return false };
        if due > now.instant && self.alarm.sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.alarm.due = None;
        self.engine.handle_timeout(now);
        true
    }

    fn poll_receipts(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut moved = false;
        for _ in 0..RECEIPTS {
            let Poll::Ready((ticket, durable)) = self.effects.poll_receipt(cx) else { break };
            self.engine.handle_input(now, Input::Persisted { ticket, durable });
            moved = true;
        }
        for _ in 0..RECEIPTS {
            let Poll::Ready(input) = self.effects.poll_fetched(cx) else { break };
            self.engine.handle_input(now, input);
            moved = true;
        }
        moved
    }

    fn poll_events(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut moved = false;
        for _ in 0..MEDIA {
            let Poll::Ready(Some(event)) = self.inlets.media.poll_recv(cx) else { break };
            self.engine.handle_input(now, Input::Media(event));
            moved = true;
        }
        for _ in 0..CONNECTIVITY {
            let Poll::Ready(Some(event)) = self.inlets.connectivity.poll_recv(cx) else { break };
            self.engine.handle_input(now, Input::Connectivity(event));
            moved = true;
        }
        moved
    }

    fn poll_pages_and_arrivals(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut moved = false;
        for _ in 0..PAGES {
            let Poll::Ready(Some(input)) = self.inlets.pages.poll_recv(cx) else { break };
            self.engine.handle_input(now, Input::Web(input));
            moved = true;
        }
        for _ in 0..ARRIVALS {
            let Poll::Ready(Some(arrival)) = self.inlets.arrivals.poll_recv(cx) else { break };
            if let Some(input) = self.effects.note_arrival(arrival) {
                self.engine.handle_input(now, input);
            }
            moved = true;
        }
        moved
    }

    fn poll_questions(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut moved = false;
        for _ in 0..QUESTIONS {
            let Poll::Ready(Some(question)) = self.inlets.questions.poll_recv(cx) else { break };
            // Whoever asked may have gone.
            match question {
                Question::Calls(reply) => drop(reply.send(views::calls(&self.engine))),
                Question::Registrations(reply) => drop(reply.send(views::registrations(&self.engine))),
                Question::Resolve(to, reply) => drop(reply.send(self.engine.resolve(now, &to))),
                Question::Links(reply) => drop(reply.send(self.engine.router().links.overview().collect())),
            }
            moved = true;
        }
        moved
    }

    /// Carries out everything that the engine has to say, and sets the alarm.
    fn carry_out(&mut self, now: Now) {
        loop {
            while let Some(output) = self.engine.poll_output() {
                if let Some(input) = self.effects.carry_out(output) {
                    self.feedback.push_back(input);
                }
            }
            let Some(input) = self.feedback.pop_front() else { break };
            self.engine.handle_input(now, input);
        }
        self.effects.retry();
        let due = self.engine.poll_timeout();
        if self.alarm.due != due {
            self.alarm.due = due;
            if let Some(due) = due {
                self.alarm.sleep.as_mut().reset(due.into());
            }
        }
    }
}

/// What became of a change that was to be written.
type Settled = (StoreTicket, bool);

#[cfg(test)]
mod tests;

//! Carrying out what the engine says.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde_json::json;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::Settled;
use super::bars::Bars;
use super::roaming::{RoamingEffects, RoamingOutlet};
use crate::api::Switchboard;
use crate::config::OfficeId;
use crate::engine::flow::{Flow, FlowFailure};
use crate::engine::routing::{Dial, DialFailure, DialResult, LinkFailure};
use crate::engine::{Change, Input, Observation, Output, StoreTicket};
use crate::media::{ConnectivityCommand, MediaCommand};
use crate::observe::{Condition, Health, Metrics, Person};
use crate::shell::clock;
use crate::shell::flows::Flows;
use crate::shell::listen::Arrival;
use crate::shell::settings::write_of;
use crate::shell::store::{Receipt, Store, StoreError};
use crate::shell::uplink::EventDesk;

/// Commands kept for a worker whose queue is full; one that is so far behind has stopped, and the watchdog says so.
const BACKLOG: usize = 16_384;

/// Takes a command for the media worker without waiting; gives it back when its queue is full.
pub type MediaOutlet = Box<dyn FnMut(MediaCommand) -> Result<(), Box<MediaCommand>> + Send>;

/// Takes a command for connectivity without waiting; gives it back when its queue is full.
pub type ConnectivityOutlet = Box<dyn FnMut(ConnectivityCommand) -> Result<(), ConnectivityCommand> + Send>;

/// Where effects go.
pub struct Outlets {
    /// Connections and sockets.
    pub flows: Flows,
    /// The media worker.
    pub media: MediaOutlet,
    /// ICE and DTLS.
    pub connectivity: ConnectivityOutlet,
    /// Takes dials of links.
    pub links: mpsc::Sender<Box<Dial>>,
    /// Flash.
    pub store: Store,
    /// Browsers.
    pub switchboard: Switchboard,
    /// Counters.
    pub metrics: Metrics,
    /// What is wrong.
    pub health: Health,
    /// What ops want to know of, where there is an uplink.
    pub events: Option<EventDesk>,
    /// Where extensions are, on flash and for the other offices, where there is an uplink.
    pub roaming: Option<RoamingOutlet>,
}

pub(super) struct Effects {
    outlets: Outlets,
    roaming: RoamingEffects,
    bars: Bars,
    receipts: VecDeque<(StoreTicket, Receipt<()>)>,
    media_backlog: VecDeque<MediaCommand>,
    connectivity_backlog: VecDeque<ConnectivityCommand>,
    /// Whether the store did not keep the last change.
    losing: bool,
}

impl Effects {
    pub(super) fn new(mut outlets: Outlets) -> Self {
        Self {
            roaming: RoamingEffects::new(outlets.roaming.take()),
            outlets,
            bars: Bars::default(),
            receipts: VecDeque::new(),
            media_backlog: VecDeque::new(),
            connectivity_backlog: VecDeque::new(),
            losing: false,
        }
    }

    /// SIP connections that are open.
    pub(super) fn connections(&self) -> usize {
        self.outlets.flows.len()
    }

    /// Takes note of a listener's news; gives what the engine shall hear of it.
    pub(super) fn note_arrival(&mut self, arrival: Arrival) -> Option<Input> {
        match arrival {
            Arrival::Sip { flow, message } => Some(Input::Sip { flow, message }),
            Arrival::Opened { flow, identity, line } => {
                self.outlets.flows.opened(flow.connection?, line);
                Some(Input::FlowOpened { flow, identity })
            }
            Arrival::Dialled { ticket, result } => Some(Input::Dialled { ticket, result }),
            Arrival::Closed { flow, reason } => {
                let is_news = self.outlets.flows.closed(flow.connection?);
                is_news.then_some(Input::FlowFailed { flow, reason })
            }
        }
    }

    /// Carries out one effect; gives what the engine must hear at once.
    pub(super) fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Transmit { flow, bytes } => {
                let sent = self.outlets.flows.transmit(&flow, bytes);
                return sent.err().map(|reason| failed(flow, reason));
            }
            Output::Close { flow, reason } => {
                let closed = self.outlets.flows.close(&flow, reason);
                return closed.err().map(|reason| failed(flow, reason));
            }
            Output::Media(command) => self.order_media(command),
            Output::Connectivity(command) => self.order_connectivity(command),
            Output::Persist { ticket, change } => return self.persist(ticket, change),
            Output::Web { session, event } => {
                if !self.outlets.switchboard.event(session, event) {
                    self.outlets.metrics.dropped("page", "event-not-taken");
                }
            }
            Output::Reply { ticket, reply } => {
                if !self.outlets.switchboard.reply(ticket, reply) {
                    self.outlets.metrics.dropped("page", "answer-not-awaited");
                }
            }
            Output::Dial(dial) => {
                let ticket = dial.ticket;
                if self.outlets.links.try_send(dial).is_err() {
                    self.outlets.metrics.dropped("link", "dials-full");
                    let result = DialResult::Failed(DialFailure::NotEquipped);
                    return Some(Input::Dialled { ticket, result });
                }
            }
            Output::Publish(publication) => self.roaming.publish(publication),
            Output::PersistRoaming(write) => self.roaming.persist(write),
            Output::FetchVerifier { ticket, extension } => return self.roaming.fetch(ticket, extension),
            Output::Observe(observation) => self.observe(observation),
        }
        None
    }

    /// The next visitor's record that was read.
    pub(super) fn poll_fetched(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        self.roaming.poll_fetched(cx)
    }

    /// Offers again what a worker could not take.
    pub(super) fn retry(&mut self) {
        while let Some(command) = self.media_backlog.pop_front() {
            if let Err(command) = (self.outlets.media)(command) {
                self.media_backlog.push_front(*command);
                break;
            }
        }
        while let Some(command) = self.connectivity_backlog.pop_front() {
            if let Err(command) = (self.outlets.connectivity)(command) {
                self.connectivity_backlog.push_front(command);
                break;
            }
        }
    }

    /// The next change whose fate is known. The store commits in order, so only the oldest need be asked.
    pub(super) fn poll_receipt(&mut self, cx: &mut Context<'_>) -> Poll<Settled> {
        let Some((ticket, receipt)) = self.receipts.front_mut() else { return Poll::Pending };
        let outcome = ready!(Pin::new(receipt).poll(cx));
        let settled = (*ticket, outcome.is_ok());
        self.receipts.pop_front();
        self.note_store(outcome.err());
        Poll::Ready(settled)
    }

    fn order_media(&mut self, command: MediaCommand) {
        if self.media_backlog.is_empty() {
            if let Err(command) = (self.outlets.media)(command) {
                self.media_backlog.push_back(*command);
            }
        } else if self.media_backlog.len() < BACKLOG {
            self.media_backlog.push_back(command);
        } else {
            self.outlets.metrics.dropped("media", "command-queue-full");
        }
    }

    fn order_connectivity(&mut self, command: ConnectivityCommand) {
        if self.connectivity_backlog.is_empty() {
            if let Err(command) = (self.outlets.connectivity)(command) {
                self.connectivity_backlog.push_back(command);
            }
        } else if self.connectivity_backlog.len() < BACKLOG {
            self.connectivity_backlog.push_back(command);
        } else {
            self.outlets.metrics.dropped("connectivity", "command-queue-full");
        }
    }

    fn persist(&mut self, ticket: StoreTicket, change: Change) -> Option<Input> {
        if let Change::CallRecord(record) = &change {
            let scores = record.legs.iter().flat_map(|leg| [leg.mos_from, leg.mos_to]);
            scores.flatten().for_each(|score| self.outlets.metrics.mos(f64::from(score)));
            for attempt in &record.attempts {
                self.outlets.metrics.attempt(attempt.kind.unwrap_or(attempt.by), attempt.outcome);
            }
            if let Some(desk) = &self.outlets.events {
                desk.call(record);
            }
        }
        match write_of(change) {
            Some(write) => {
                self.receipts.push_back((ticket, self.outlets.store.write(write)));
                None
            }
            None => Some(Input::Persisted { ticket, durable: true }),
        }
    }

    /// Says once when changes begin to be lost, and once when they are kept again.
    fn note_store(&mut self, error: Option<StoreError>) {
        match error {
            Some(error) if !self.losing => {
                warn!(reason = error.as_str(), "a change is not on flash: {error}");
                self.losing = true;
            }
            None if self.losing => {
                info!("changes reach the flash again");
                self.losing = false;
            }
            _ => {}
        }
    }

    fn observe(&mut self, observation: Observation) {
        if let Some(desk) = &self.outlets.events {
            desk.observe(&observation);
        }
        let (metrics, health) = (&self.outlets.metrics, &self.outlets.health);
        match observation {
            Observation::Answered { method, status } => metrics.request(method, result_of(status)),
            Observation::Heard { status } => metrics.response(class_of(status)),
            Observation::Refused { room, reason } => {
                metrics.dropped(room, reason);
                debug!(room, reason, "refused");
            }
            Observation::Registration { change, extension, bindings } => {
                metrics.set_registrations(bindings);
                let extension = Person(&extension);
                if change == "refreshed" {
                    debug!(change, %extension, bindings, "registration");
                } else {
                    info!(change, %extension, bindings, "registration");
                }
            }
            Observation::Call { call, change, cause, calls } => {
                metrics.set_calls_active(calls);
                if change == "ended" {
                    metrics.call_ended(cause.unwrap_or("unknown"));
                }
                info!(call, change, cause, calls, "call");
            }
            Observation::Emergency { call, number, caller, .. } => {
                warn!(call, number, caller = %Person(&caller), "a call for help");
            }
            Observation::Barred { reason, rule, office, caller, number } => {
                self.tell_barred((reason, office), rule.as_deref(), &caller, &number);
            }
            Observation::Link { link, state, failure } => {
                metrics.link_change(state.as_str());
                let failure = failure.map(LinkFailure::as_str);
                info!(link = link.as_str(), state = state.as_str(), failure, "link");
            }
            Observation::Roaming { change, extension, office } => {
                info!(change, extension = %Person(&extension), %office, "roaming");
            }
            Observation::AsteriskReachable(true) => {
                if health.clear(Condition::AsteriskDown) {
                    info!("Asterisk answers again");
                }
            }
            Observation::AsteriskReachable(false) => {
                if health.raise(Condition::AsteriskDown, "no answer to OPTIONS") {
                    warn!(reason = Condition::AsteriskDown.as_str(), "Asterisk does not answer");
                }
            }
        }
    }
}

impl Effects {
    /// A call was refused or ended by a permission, a rule or a limit: told once in a while for each reason and office.
    fn tell_barred(
        &mut self,
        (reason, office): (&'static str, Option<OfficeId>),
        rule: Option<&str>,
        caller: &str,
        number: &str,
    ) {
        let Some(left_out) = self.bars.is_told((reason, office), clock::now().instant) else { return };
        let of = office.map(|office| office.to_string());
        let caller_shown = Person(caller);
        warn!(reason, rule, office = of, caller = %caller_shown, left_out, "a call may not be");
        if let Some(desk) = &self.outlets.events {
            let more = json!({
                "rule": rule, "office": of, "caller": caller, "number": number, "left-out": left_out,
            });
            desk.audit("call-barred", reason, more);
        }
    }
}

fn failed(flow: Flow, reason: FlowFailure) -> Input {
    Input::FlowFailed { flow, reason }
}

/// The label of a final response: the codes that mean something to an operator, and classes for the rest.
const fn result_of(status: u16) -> &'static str {
    match status {
        200 => "200",
        401 | 407 => "401",
        403 => "403",
        404 => "404",
        408 => "408",
        480 => "480",
        486 => "486",
        487 => "487",
        488 => "488",
        503 => "503",
        other => class_of(other),
    }
}

const fn class_of(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "6xx",
    }
}

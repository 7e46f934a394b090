//! What goes over the network: outputs of engines carried out, connections made and broken, datagrams lost.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::disk::Write;
use super::hour::Told;
use super::judge::Snapshot;
use super::office::OFFICES;
use super::wan::{Connection, End, Mood, PathId};
use super::world::{Event, World};
use crate::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use crate::engine::routing::{Dial, DialFailure, DialResult, DialTicket};
use crate::engine::testing::address;
use crate::engine::{Change, Input, Observation, Output, RoamingInput, StoreTicket};
use crate::media::{MediaEvent, Report};
use crate::sip::{Transport, parse};
use crate::uplink::Worth;

/// A link that has not worked for so long must be known to be dead.
const KNOWN: Duration = Duration::from_secs(25);

/// Bytes that nobody acknowledges for so long break a connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Where an office listens.
pub(super) fn place(office: usize, port: u16) -> SocketAddr {
    address(&format!("10.{}.0.1:{port}", office + 1))
}

/// How phones and carriers are reached from an office.
pub(super) fn datagrams(office: usize, remote: SocketAddr, side: Side) -> Flow {
    let port = if side == Side::Site { 5060 } else { 40_000 };
    Flow { transport: Transport::Udp, local: place(office, port), remote, connection: None, side }
}

impl World {
    /// Over which path a link of an office leads, and to which office or carrier.
    pub(super) fn path_of(office: usize, link: &str) -> (PathId, usize) {
        let (name, number) = link.split_once('-').unwrap_or((link, "0"));
        let number = number.parse().unwrap_or(0);
        match OFFICES.iter().position(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some(other) => (PathId::between(office, other, number), other),
            None => (PathId::Carrier(number), number),
        }
    }

    /// Carries out what an engine wants.
    pub(super) fn carry_out(&mut self, office: usize) {
        loop {
            let Some(engine) = &mut self.offices[office].engine else { return };
            let Some(output) = engine.poll_output() else {
                engine.check();
                let (ports, deadline) = (engine.ports().0, engine.poll_timeout());
                self.offices[office].deadline = deadline;
                let open = self.offices[office].ledger.phone_ports();
                return self.judge.require(ports == open, || "ports in use and open ends differ".to_owned());
            };
            self.output(office, output);
        }
    }

    fn output(&mut self, office: usize, output: Output) {
        let boot = self.offices[office].boot;
        match output {
            Output::Transmit { flow, bytes } => self.transmit(office, flow, bytes),
            Output::Close { flow, reason } => self.closes_connection(office, flow, reason),
            Output::Dial(dial) => self.dials(office, &dial),
            Output::Media(command) => {
                if let Some(end) = self.offices[office].ledger.media(&command) {
                    let event = MediaEvent::Closed { end, report: Box::new(Report::default()) };
                    let input = Box::new(Input::Media(event));
                    self.after(Duration::from_millis(1), Event::Input(office, boot, input));
                }
            }
            Output::Connectivity(command) => self.offices[office].ledger.connectivity(&command),
            Output::Persist { ticket, change } => {
                if let Change::CallRecord(record) = &change {
                    self.judge.recorded(office, record);
                    self.tells_of(office, &Told::Call(record.clone()));
                }
                self.writes(office, Write::Store(ticket, change));
            }
            Output::PersistRoaming(write) => self.writes(office, Write::Roaming(write)),
            Output::FetchVerifier { ticket, extension } => {
                let record = self.offices[office].disk.records.get(&extension).cloned();
                let input = Box::new(Input::Roaming(RoamingInput::Fetched { ticket, record }));
                self.after(Duration::from_millis(2), Event::Input(office, boot, input));
            }
            Output::Publish(publication) => self.publish(office, publication),
            Output::Observe(observation) => self.observed(office, &observation),
            Output::Web { .. } | Output::Reply { .. } => {}
        }
    }

    /// A write sets out for the flash.
    pub(super) fn writes(&mut self, office: usize, write: Write) {
        let boot = self.offices[office].boot;
        self.offices[office].disk.writing.push_back(write);
        let span = self.chance.millis(1, 20);
        self.after(span, Event::Flash(office, boot));
    }

    /// The next write is durable.
    pub(super) fn flash_writes(&mut self, office: usize, boot: u32) {
        if self.offices[office].boot != boot || self.offices[office].engine.is_none() {
            return;
        }
        let ticket = self.write_one(office);
        self.dispatch(office);
        if let Some(ticket) = ticket {
            self.feed(office, Input::Persisted { ticket, durable: true });
        }
    }

    /// The next write of an office is on flash. Who waits for it.
    pub(super) fn write_one(&mut self, office: usize) -> Option<StoreTicket> {
        let written = self.offices[office].disk.write();
        if let Some((worth, name, offer)) = written.offered {
            self.judge.offered(office, worth, &name, &offer);
        }
        written.ticket
    }

    fn observed(&mut self, office: usize, observation: &Observation) {
        let name = self.offices[office].name;
        match observation {
            Observation::Call { call, change: "started", .. } => {
                let snapshot = self.snapshot(office);
                self.judge.began(office, call, snapshot);
            }
            Observation::Emergency { call, .. } => {
                self.judge.count("calls for help");
                self.writes(office, Write::Event(Worth::Emergency, format!("help {call}")));
                self.tells_of(office, &Told::Seen(observation.clone()));
            }
            Observation::Registration { change, extension, .. } if *change != "refreshed" => {
                self.happened += 1;
                let name = format!("{change} {extension}: {}", self.happened);
                self.writes(office, Write::Event(Worth::Registration, name));
                self.tells_of(office, &Told::Seen(observation.clone()));
            }
            Observation::Link { .. } => self.judge.count("links that changed"),
            Observation::Heard { .. } | Observation::Answered { .. } => return,
            _ => {}
        }
        self.note(|| format!("{name}: {observation:?}"));
    }

    fn tells_of(&mut self, office: usize, told: &Told) {
        self.told.iter_mut().filter(|_| office == 0).for_each(|all| all.push(told.clone()));
    }

    fn snapshot(&self, office: usize) -> Snapshot {
        let Some(engine) = &self.offices[office].engine else { return Snapshot::default() };
        let revision = Some(engine.router().revision().0).filter(|revision| *revision > 0);
        let mut snapshot = Snapshot { revision, ..Snapshot::default() };
        let known = self.now.checked_sub(KNOWN).filter(|since| self.offices[office].started <= *since);
        for view in engine.router().links.overview() {
            let id = view.link.id.to_string();
            let (path, _) = Self::path_of(office, &id);
            let is_dead =
                |since| self.wan.is_dead_since(path, since) && self.offices[office].has_link(&id, since);
            if known.is_some_and(is_dead) {
                snapshot.dead.insert(id.clone());
            }
            snapshot.states.insert(id, view.state);
        }
        snapshot
    }

    fn transmit(&mut self, office: usize, flow: Flow, bytes: Bytes) {
        self.transmitted += 1;
        let boot = self.offices[office].boot;
        let Some(connection) = flow.connection else { return self.datagram(office, flow, bytes) };
        self.is_said(office, Some(connection.0), &bytes);
        let found = self.wan.connections.get(&connection.0);
        let Some(from) = found.and_then(|open| open.place(office, boot)) else {
            let input = Box::new(Input::FlowFailed { flow, reason: FlowFailure::Unknown });
            return self.after(Duration::from_millis(1), Event::Input(office, boot, input));
        };
        self.carries(connection.0, 1 - from, Some(bytes));
    }

    /// Something is on its way to an end, or waits for the path.
    pub(super) fn carries(&mut self, connection: u64, to: usize, what: Option<Bytes>) {
        let Some(path) = self.wan.connections.get(&connection).map(|open| open.path) else { return };
        if self.wan.mood(path) == Mood::Open {
            let delay = self.wan.delay(path);
            return self.after(delay, Event::Arrive(connection, to, what));
        }
        let Some(open) = self.wan.connections.get_mut(&connection) else { return };
        open.waiting.push_back((to, what));
        self.after(UNACKNOWLEDGED, Event::Unacknowledged(connection, 1 - to));
    }

    /// What an end said has waited for too long.
    pub(super) fn unacknowledged(&mut self, connection: u64, from: usize) {
        let Some(open) = self.wan.connections.get_mut(&connection) else { return };
        let is_stuck = self.now.checked_sub(UNACKNOWLEDGED).is_some_and(|since| {
            self.wan
                .paths
                .get(&open.path)
                .is_some_and(|path| path.mood == Mood::Silent && path.since <= since)
        });
        if !is_stuck || open.gone[from] {
            return;
        }
        open.waiting.retain(|(to, _)| *to == from);
        self.end_hears(connection, from, Duration::ZERO, FlowFailure::Refused);
    }

    /// The judge hears what an engine says over links, as far as it is about who is called.
    fn is_said(&mut self, office: usize, connection: Option<u64>, bytes: &Bytes) {
        let is_about_calls = [&b"INVITE"[..], b"CANCEL", b"BYE"].iter().any(|word| bytes.starts_with(word));
        if is_about_calls && let Ok(message) = parse::parse(bytes.clone()) {
            let call_id = message.headers().call_id().map(ToString::to_string).unwrap_or_default();
            let engine = self.offices[office].engine.as_ref();
            let call = engine.and_then(|engine| engine.attempt_of(&call_id)).unwrap_or_default();
            self.judge.said(office, &call, connection, &message);
        }
    }

    /// Something arrives at the end of a connection; when nobody is there any more, the other end hears that.
    pub(super) fn arrives(&mut self, connection: u64, to: usize, what: Option<Bytes>) {
        let Some(open) = self.wan.connections.get(&connection) else { return };
        let (end, is_gone, delay) = (open.ends[to], open.gone[to], self.wan.delay(open.path));
        let office = &self.offices[end.office];
        if office.engine.is_none() {
            return;
        }
        if is_gone || office.boot != end.boot {
            return self.end_hears(connection, 1 - to, delay, FlowFailure::Refused);
        }
        let Some(bytes) = what else {
            return self.end_hears(connection, to, Duration::ZERO, FlowFailure::Closed);
        };
        let message = parse::parse(bytes);
        if let Ok(message) = &message {
            self.judge.heard(end.office, message);
            let name = self.offices[end.office].name;
            self.tell(name, message);
        }
        self.feed(end.office, Input::Sip { flow: end.flow, message });
    }

    fn datagram(&mut self, office: usize, flow: Flow, bytes: Bytes) {
        let there = |agent: &super::agent::Agent| agent.address == flow.remote && agent.office == office;
        let Some(agent) = self.agents.iter().position(there) else { return };
        let mut delay = Duration::from_millis(1);
        if flow.side == Side::Gateway {
            self.is_said(office, None, &bytes);
            let path = PathId::Carrier(agent);
            match self.datagram_fate(path) {
                Some(span) => delay = span,
                None => return,
            }
        }
        let epoch = self.agents[agent].epoch;
        self.after(delay, Event::Hear(agent, epoch, bytes));
    }

    /// How long a datagram takes; nothing when it is lost.
    fn datagram_fate(&mut self, path: PathId) -> Option<Duration> {
        let known = self.wan.paths.get(&path)?;
        let (mood, loss, delay) = (known.mood, known.loss, known.delay);
        let is_lost = mood != Mood::Open || self.chance.percent(loss);
        (!is_lost).then_some(delay)
    }

    /// An agent sends a datagram to the office at which it is.
    pub(super) fn agent_sends(&mut self, agent: usize, bytes: Bytes) {
        let (office, remote) = (self.agents[agent].office, self.agents[agent].address);
        let is_carrier = self.agents[agent].kind == super::agent::Kind::Carrier;
        let mut delay = Duration::from_millis(1);
        if is_carrier {
            match self.datagram_fate(PathId::Carrier(agent)) {
                Some(span) => delay = span,
                None => return,
            }
        }
        let flow = datagrams(office, remote, if is_carrier { Side::Gateway } else { Side::Site });
        let message = parse::parse(bytes);
        if let Ok(message) = &message {
            self.tell(&format!("agent {agent} says"), message);
        }
        let boot = self.offices[office].boot;
        self.after(delay, Event::Input(office, boot, Box::new(Input::Sip { flow, message })));
    }

    fn dials(&mut self, office: usize, dial: &Dial) {
        let boot = self.offices[office].boot;
        let (path, to) = Self::path_of(office, dial.link.as_str());
        let answer = |result| Box::new(Input::Dialled { ticket: dial.ticket, result });
        if dial.office.is_none() {
            let remote = self.agents[to].address;
            let flow = datagrams(office, remote, Side::Gateway);
            let input = answer(DialResult::Open { flow, others: vec![] });
            return self.after(Duration::from_millis(1), Event::Input(office, boot, input));
        }
        let (delay, other) = (self.wan.delay(path), &self.offices[to]);
        let is_there = other.engine.is_some();
        let says_no = self.wan.mood(path) == Mood::Refusing || (!is_there && other.falls_loudly);
        if self.wan.mood(path) == Mood::Open && is_there {
            self.after(delay * 4, Event::Dialled(office, boot, dial.ticket, to, path));
        } else {
            let (span, why) = if says_no {
                (delay * 2, DialFailure::Refused)
            } else {
                (Duration::from_secs(1), DialFailure::TimedOut)
            };
            self.after(span, Event::Input(office, boot, answer(DialResult::Failed(why))));
        }
    }

    /// The hands are shaken, or not.
    pub(super) fn dial_ends(
        &mut self,
        office: usize,
        boot: u32,
        ticket: DialTicket,
        to: usize,
        path: PathId,
    ) {
        if self.offices[office].boot != boot || self.offices[office].engine.is_none() {
            return;
        }
        if self.wan.mood(path) != Mood::Open || self.offices[to].engine.is_none() {
            let result = DialResult::Failed(DialFailure::TimedOut);
            return self.feed(office, Input::Dialled { ticket, result });
        }
        let number = self.wan.next_number();
        let connection = Some(ConnectionId(number));
        let port = 20_000 + u16::try_from(number % 40_000).unwrap_or(0);
        let (near, far) = (place(office, port), place(to, 5061));
        let side = |office: usize| Side::Office(OFFICES[office].0.parse().unwrap());
        let flow = Flow { transport: Transport::Tls, local: near, remote: far, connection, side: side(to) };
        let theirs = Flow { local: far, remote: near, side: side(office), ..flow };
        let ends =
            [End { office, boot, flow }, End { office: to, boot: self.offices[to].boot, flow: theirs }];
        let connection = Connection { ends, path, waiting: VecDeque::new(), gone: [false; 2] };
        self.wan.connections.insert(number, connection);
        self.feed(to, Input::FlowOpened { flow: theirs, identity: None });
        self.feed(office, Input::FlowOpened { flow, identity: None });
        self.feed(office, Input::Dialled { ticket, result: DialResult::Open { flow, others: vec![] } });
    }

    /// An end closes a connection; one that it finds silent it resets.
    fn closes_connection(&mut self, office: usize, flow: Flow, reason: FlowFailure) {
        let boot = self.offices[office].boot;
        let Some(number) = flow.connection.map(|connection| connection.0) else { return };
        let Some(open) = self.wan.connections.get_mut(&number) else { return };
        let Some(place) = open.place(office, boot) else { return };
        let is_reset = reason == FlowFailure::Silent;
        if is_reset {
            open.waiting.retain(|(to, _)| *to == place);
            self.judge.count("connections that were reset");
        }
        let is_heard = !is_reset || self.wan.mood(self.wan.connections[&number].path) == Mood::Open;
        self.judge.broke(office, number);
        self.end_hears(number, place, Duration::from_millis(1), reason);
        if is_heard {
            self.carries(number, 1 - place, None);
        }
    }

    /// A connection breaks; both ends hear it.
    pub(super) fn breaks(&mut self, connection: u64) {
        let Some(open) = self.wan.connections.get(&connection) else { return };
        let delay = self.wan.delay(open.path);
        for place in 0..2 {
            self.end_hears(connection, place, delay, FlowFailure::Closed);
        }
    }

    /// An end of a connection is gone, as it hears after a while. When both are, the connection is forgotten.
    fn end_hears(&mut self, connection: u64, place: usize, span: Duration, reason: FlowFailure) {
        let Some(open) = self.wan.connections.get_mut(&connection) else { return };
        if std::mem::replace(&mut open.gone[place], true) {
            return;
        }
        let end = open.ends[place];
        if open.gone == [true; 2] {
            self.wan.connections.remove(&connection);
        }
        let input = Box::new(Input::FlowFailed { flow: end.flow, reason });
        self.after(span, Event::Broken(end.office, end.boot, connection, input));
    }
}

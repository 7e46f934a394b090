//! What goes over the network: outputs of engines carried out, connections made and broken, datagrams lost.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::disk::Write;
use super::judge::Snapshot;
use super::office::OFFICES;
use super::wan::{Connection, End, Mood, PathId};
use super::world::{Event, World};
use crate::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use crate::engine::routing::{Dial, DialFailure, DialResult, DialTicket};
use crate::engine::testing::address;
use crate::engine::{Change, Input, Observation, Output, RoamingInput};
use crate::media::{MediaEvent, Report};
use crate::sip::{Transport, parse};

/// A link that has not worked for so long must be known to be dead.
const KNOWN: Duration = Duration::from_secs(25);

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
                let (ports, open) = (engine.ports().0, self.offices[office].ledger.phone_ports());
                return self.judge.require(ports == open, || "ports in use and open ends differ".to_owned());
            };
            self.output(office, output);
        }
    }

    fn output(&mut self, office: usize, output: Output) {
        let boot = self.offices[office].boot;
        match output {
            Output::Transmit { flow, bytes } => self.transmit(office, flow, bytes),
            Output::Close { flow, .. } => self.hangs_up_connection(office, flow),
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
        let (ticket, record) = self.offices[office].disk.write();
        if let Some(record) = record {
            self.judge.acknowledged(office, &record.id);
            self.dispatch(office);
        }
        if let Some(ticket) = ticket {
            self.feed(office, Input::Persisted { ticket, durable: true });
        }
    }

    fn observed(&mut self, office: usize, observation: &Observation) {
        let name = self.offices[office].name;
        match observation {
            Observation::Call { call, change: "started", .. } => {
                let snapshot = self.snapshot(office);
                self.judge.began(office, call, snapshot);
            }
            Observation::Emergency { .. } => self.judge.count("calls for help"),
            Observation::Link { .. } => self.judge.count("links that changed"),
            Observation::Heard { .. } | Observation::Answered { .. } => return,
            _ => {}
        }
        self.note(|| format!("{name}: {observation:?}"));
    }

    fn snapshot(&self, office: usize) -> Snapshot {
        let Some(engine) = &self.offices[office].engine else { return Snapshot::default() };
        let mut snapshot = Snapshot::default();
        for view in engine.router().links.overview() {
            let id = view.link.id.to_string();
            let (path, _) = Self::path_of(office, &id);
            if self.now.checked_sub(KNOWN).is_some_and(|since| self.wan.is_dead_since(path, since)) {
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
        let me = |end: &End| end.office == office && end.boot == boot;
        let found = self.wan.connections.get_mut(&connection.0).and_then(|open| {
            let from = open.ends.iter().position(me)?;
            Some((open.path, 1 - from))
        });
        let Some((path, to)) = found else {
            let input = Box::new(Input::FlowFailed { flow, reason: FlowFailure::Unknown });
            return self.after(Duration::from_millis(1), Event::Input(office, boot, input));
        };
        if self.wan.mood(path) == Mood::Open {
            let delay = self.wan.delay(path);
            self.after(delay, Event::Arrive(connection.0, to, bytes));
        } else if let Some(open) = self.wan.connections.get_mut(&connection.0) {
            open.waiting.push_back((to, bytes));
        }
    }

    /// The judge hears what an engine says over links, as far as it is about who is called.
    fn is_said(&mut self, office: usize, connection: Option<u64>, bytes: &Bytes) {
        let is_about_calls = [&b"INVITE"[..], b"CANCEL", b"BYE"].iter().any(|word| bytes.starts_with(word));
        if is_about_calls && let Ok(message) = parse::parse(bytes.clone()) {
            let name = self.offices[office].name;
            self.judge.said(office, name, connection, &message);
        }
    }

    /// Something arrives at the end of a connection; when nobody is there any more, the other end hears that.
    pub(super) fn arrives(&mut self, connection: u64, to: usize, bytes: Bytes) {
        let Some(open) = self.wan.connections.get(&connection) else { return };
        let end = open.ends[to];
        let office = &self.offices[end.office];
        if office.engine.is_none() {
            return;
        }
        if office.boot != end.boot {
            return self.breaks(connection);
        }
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
        if let (Ok(message), true) = (&message, is_carrier) {
            self.judge.heard(office, message);
        }
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
        self.wan.connections.insert(number, Connection { ends, path, waiting: VecDeque::new() });
        self.feed(to, Input::FlowOpened { flow: theirs, identity: None });
        self.feed(office, Input::Dialled { ticket, result: DialResult::Open { flow, others: vec![] } });
    }

    fn hangs_up_connection(&mut self, office: usize, flow: Flow) {
        let Some(connection) = flow.connection else { return };
        self.judge.broke(office, connection.0);
        let Some(open) = self.wan.connections.remove(&connection.0) else { return };
        let delay = self.wan.delay(open.path);
        for end in open.ends.into_iter().filter(|end| end.office != office) {
            self.tell_broken(end, connection.0, delay);
        }
    }

    /// A connection breaks; both ends hear it.
    pub(super) fn breaks(&mut self, connection: u64) {
        let Some(open) = self.wan.connections.remove(&connection) else { return };
        let delay = self.wan.delay(open.path);
        for end in open.ends {
            self.tell_broken(end, connection, delay);
        }
    }

    fn tell_broken(&mut self, end: End, connection: u64, delay: Duration) {
        let input = Box::new(Input::FlowFailed { flow: end.flow, reason: FlowFailure::Closed });
        self.after(delay, Event::Broken(end.office, end.boot, connection, input));
    }
}

//! Everything that happens, in order: one queue of events, the engines' own deadlines between them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::agent::{Agent, Deed, Want};
use super::broker::Broker;
use super::chance::Chance;
use super::hour::Told;
use super::judge::Judge;
use super::office::Office;
use super::wan::{PathId, Wan};
use crate::engine::flow::Side;
use crate::engine::routing::{DialTicket, RouteTable};
use crate::engine::{Input, Publication};
use crate::sip::{Message, parse};
use crate::time::{Now, WallTime};
use crate::uplink::Sequence;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    /// An input for an office, if it is still the same start of it.
    Input(usize, u32, Box<Input>),
    /// A message arrives at the end of a connection, or the news that the other end closed it.
    Arrive(u64, usize, Option<Bytes>),
    /// What an end of a connection said was not acknowledged in time, perhaps.
    Unacknowledged(u64, usize),
    /// A datagram arrives at an agent, if it is still there.
    Hear(usize, u32, Bytes),
    /// An agent does something, if it is still there.
    Does(usize, u32, Deed),
    /// A dial is over.
    Dialled(usize, u32, DialTicket, usize, PathId),
    /// The next write of an office is durable.
    Flash(usize, u32),
    /// The broker hears an office, in this session.
    Published(usize, u32, super::broker::Topic, u64),
    /// An office hears that the broker has it.
    Acknowledged(usize, u32, super::broker::Topic, u64),
    /// The broker tells an office, in this session.
    Told(usize, u32, Box<Publication>),
    /// Ops hear of a call.
    Accounted(usize, u32, Sequence),
    /// An office hears that ops have it.
    Receipt(usize, u32, Sequence),
    /// A table of ops arrives at an office, in this session.
    Pushed(usize, u32, Arc<RouteTable>),
    /// An office hears that its session lives.
    Confirmed(usize, u32),
    /// A connection breaks, as one end hears.
    Broken(usize, u32, u64, Box<Input>),
    /// The next thing of the story.
    Next,
}

/// A call for help: when and where it began, and which start of each office that was; none of one that was down.
pub(super) struct Helped {
    /// When.
    pub(super) since: Instant,
    /// At which office.
    pub(super) office: usize,
    /// Starts of all offices.
    pub(super) boots: Vec<Option<u32>>,
}

/// What happened, as a hash, and in words if somebody reads them.
pub(super) struct History {
    hash: DefaultHasher,
    is_told: bool,
}

impl History {
    /// Notes something; `words` are made only if somebody reads them.
    pub(super) fn note(&mut self, at: Duration, what: &[u8], words: impl FnOnce() -> String) {
        self.hash.write_u128(at.as_nanos());
        self.hash.write(what);
        if self.is_told {
            println!("{:>12.6} {}", at.as_secs_f64(), words());
        }
    }

    /// The same history has the same digest.
    pub(super) fn digest(&self) -> u64 {
        self.hash.finish()
    }
}

/// Everything.
pub(super) struct World {
    /// Virtual time.
    pub(super) now: Instant,
    start: Instant,
    queue: BTreeMap<(Instant, u64), Event>,
    last: u64,
    /// Chance.
    pub(super) chance: Chance,
    /// The offices.
    pub(super) offices: Vec<Office>,
    /// Phones and carriers.
    pub(super) agents: Vec<Agent>,
    /// The network.
    pub(super) wan: Wan,
    /// The broker.
    pub(super) broker: Broker,
    /// The reference model.
    pub(super) judge: Judge,
    /// What happened.
    pub(super) history: History,
    /// What the first office tells, if somebody wants to know.
    pub(super) told: Option<Vec<Told>>,
    /// Numbers registrations that came and went.
    pub(super) happened: u64,
    /// What was sent by engines.
    pub(super) transmitted: u64,
    /// Whether chance still makes things happen.
    pub(super) goes_on: bool,
    /// Whether a clock was ever further off than offices' clocks may be.
    pub(super) is_wild: bool,
    /// Calls for help under way, by agent.
    pub(super) helped: BTreeMap<usize, Helped>,
}

impl World {
    /// An empty one.
    pub(super) fn empty(seed: u64, is_told: bool) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            queue: BTreeMap::new(),
            last: 0,
            chance: Chance::new(seed),
            offices: Vec::new(),
            agents: Vec::new(),
            wan: Wan::default(),
            broker: Broker::default(),
            judge: Judge::default(),
            history: History { hash: DefaultHasher::new(), is_told },
            told: None,
            happened: 0,
            transmitted: 0,
            goes_on: true,
            is_wild: false,
            helped: BTreeMap::new(),
        }
    }

    /// Something happens after a while.
    pub(super) fn after(&mut self, span: Duration, event: Event) {
        self.last += 1;
        self.queue.insert((self.now + span, self.last), event);
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Notes something in words.
    pub(super) fn note(&mut self, words: impl FnOnce() -> String) {
        let at = self.elapsed();
        self.history.note(at, &[], words);
    }

    /// An office's clocks.
    pub(super) fn clock(&self, office: usize) -> Now {
        let since = WallTime(1_700_000_000_000).plus(self.elapsed());
        let wall = WallTime(since.0.saturating_add_signed(self.offices[office].skew));
        Now { instant: self.now, wall }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut rounds = 0;
        loop {
            let event = self.queue.keys().next().copied();
            let deadline = self.deadline();
            let event_at = event.map_or(end, |(at, _)| at);
            let (at, office) = match deadline {
                Some((at, office)) if at < event_at => (at, Some(office)),
                _ => (event_at, None),
            };
            if at >= end {
                break;
            }
            rounds = if at > self.now { 0 } else { rounds + 1 };
            assert!(rounds < 100_000, "time stands still");
            self.now = self.now.max(at);
            if let Some(office) = office {
                self.time_passes(office);
            } else if let Some(event) = event.and_then(|key| self.queue.remove(&key)) {
                self.happens(event);
            }
        }
        self.now = end;
    }

    fn deadline(&self) -> Option<(Instant, usize)> {
        let due = |(number, office): (usize, &Office)| office.deadline.map(|at| (at, number));
        self.offices.iter().enumerate().filter_map(due).min()
    }

    fn time_passes(&mut self, office: usize) {
        let now = self.clock(office);
        if let Some(engine) = &mut self.offices[office].engine {
            engine.handle_timeout(now);
        }
        self.carry_out(office);
    }

    /// An office hears something at once.
    pub(super) fn feed(&mut self, office: usize, input: Input) {
        let now = self.clock(office);
        let Some(engine) = &mut self.offices[office].engine else { return };
        engine.handle_input(now, input);
        self.carry_out(office);
    }

    /// The same, if it is this start of it.
    pub(super) fn feed_boot(&mut self, office: usize, boot: u32, input: Input) {
        if self.offices[office].boot == boot {
            self.feed(office, input);
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Input(office, boot, input) => {
                if let Input::Sip { flow, message: Ok(message) } = &*input
                    && flow.side == Side::Gateway
                {
                    self.judge.heard(office, message);
                }
                self.feed_boot(office, boot, *input);
            }
            Event::Arrive(connection, to, what) => self.arrives(connection, to, what),
            Event::Unacknowledged(connection, from) => self.unacknowledged(connection, from),
            Event::Hear(agent, epoch, bytes) => {
                if self.agents[agent].epoch == epoch
                    && let Ok(message) = parse::parse(bytes)
                {
                    self.tell(&format!("agent {agent} hears"), &message);
                    self.agents[agent].hears(message, &mut self.chance);
                    self.agent_wants(agent);
                }
            }
            Event::Does(agent, epoch, deed) => {
                if self.agents[agent].epoch == epoch {
                    self.agents[agent].does(deed);
                    self.agent_wants(agent);
                }
            }
            Event::Dialled(office, boot, ticket, to, path) => self.dial_ends(office, boot, ticket, to, path),
            Event::Flash(office, boot) => self.flash_writes(office, boot),
            Event::Broken(office, boot, connection, input) => {
                self.judge.broke(office, connection);
                self.feed_boot(office, boot, *input);
            }
            Event::Next => self.next(),
            other => self.uplink(other),
        }
    }

    /// Notes a message.
    pub(super) fn tell(&mut self, who: &str, message: &Message) {
        let at = self.elapsed();
        let line = || {
            let bytes = message.to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default().to_owned();
            let call = text.lines().find(|line| line.starts_with("Call-ID")).unwrap_or_default();
            let cseq = text.lines().find(|line| line.starts_with("CSeq")).unwrap_or_default();
            format!("{who} {first} [{call}, {cseq}]")
        };
        let call_id = message.headers().call_id().map(ToString::to_string).unwrap_or_default();
        self.history.note(at, call_id.as_bytes(), line);
    }

    /// Carries out what an agent wants.
    pub(super) fn agent_wants(&mut self, agent: usize) {
        while let Some(want) = self.agents[agent].wants.pop_front() {
            let epoch = self.agents[agent].epoch;
            match want {
                Want::Send(bytes) => self.agent_sends(agent, bytes),
                Want::Later(span, deed) => self.after(span, Event::Does(agent, epoch, deed)),
                Want::Ended { dialled, status } => self.call_ended(agent, &dialled, status),
            }
        }
    }
}

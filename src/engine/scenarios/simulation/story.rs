//! What chance makes happen: people who call, move and hang up; paths, boxes and brokers that fail and come back; ops who push.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::agent::{Agent, Deed, Kind};
use super::disk::Disk;
use super::office::{OFFICES, Office, Session, USERS, Wish, accounts, keyring, password, settings, table};
use super::wan::{Mood, Path, PathId};
use super::world::{Event, Helped, World};
use crate::engine::scenarios::ledger::Ledger;
use crate::engine::testing::address;
use crate::engine::{Engine, EngineSetup, Input, RoamingInput};
use crate::uplink::{OutboxLimits, Sequence, Worth};

/// How long somebody who needs help waits.
const HELP_PATIENCE: Duration = Duration::from_secs(170);

impl World {
    /// Offices, paths, carriers and phones; all works.
    pub(super) fn new(seed: u64, is_told: bool) -> Self {
        let mut world = Self::empty(seed, is_told);
        let count = [2, 3, 3, 3, 4, 4, 5, 8][world.chance.below(8)];
        for number in 0..count {
            world.add_office(number, count);
        }
        for a in 0..count {
            for b in a + 1..count {
                for which in 0..2 {
                    world.add_path(PathId::between(a, b, which));
                }
            }
        }
        for carrier in 0..2 * count {
            world.add_path(PathId::Carrier(carrier));
            let at = address(&format!("198.51.100.{}:5060", carrier + 1));
            let mut agent = Agent::new(Kind::Carrier, format!("c{carrier}"), carrier / 2, at);
            agent.number = "gateway".to_owned();
            world.agents.push(agent);
        }
        for office in 0..count {
            for user in 0..USERS {
                world.add_phone(office, user);
            }
        }
        for office in 0..count {
            world.starts(office);
            world.connects(office);
        }
        world.after(Duration::from_secs(8), Event::Next);
        world
    }

    fn add_office(&mut self, number: usize, count: usize) {
        let (skew, most_calls) = (self.right_time(), [100, 100, 100, 2][self.chance.below(4)]);
        let limits = self.outbox_limits();
        self.judge.shelf(number, limits.events);
        let all = table(number, 1, &Wish::all(count));
        self.offices.push(Office {
            name: OFFICES[number].0,
            engine: None,
            boot: 0,
            started: self.now,
            deadline: None,
            falls_loudly: false,
            skew,
            most_calls,
            disk: Disk::new(limits),
            ledger: Ledger::default(),
            session: Session::default(),
            found: (Vec::new(), Vec::new()),
            table: Arc::clone(&all),
            wanted: all,
            links: BTreeMap::new(),
        });
    }

    /// A clock as good as offices must have.
    fn right_time(&mut self) -> i64 {
        i64::try_from(self.chance.below(240_000)).unwrap_or(0)
    }

    /// Most offices have room for all; some have next to none.
    fn outbox_limits(&mut self) -> OutboxLimits {
        let events = [20_000, 20_000, 12, 5, 2][self.chance.below(5)];
        OutboxLimits { events, ..OutboxLimits::default() }
    }

    fn add_path(&mut self, id: PathId) {
        let delay = self.chance.millis(2, 120);
        let path = Path { mood: Mood::Open, since: self.now, delay, loss: 0 };
        self.wan.paths.insert(id, path);
    }

    fn add_phone(&mut self, office: usize, user: usize) {
        let number = (1001 + user).to_string();
        let name = format!("p{office}u{user}");
        let at = address(&format!("10.{}.{}.{}:5060", office + 1, office + 1, user + 1));
        let mut agent = Agent::new(Kind::Phone, name, office, at);
        agent.login = (number.clone(), password(office, &number));
        agent.number = number;
        let agent_place = self.agents.len();
        self.agents.push(agent);
        let span = self.chance.millis(10, 4_000);
        self.after(span, Event::Does(agent_place, 0, Deed::Register));
    }

    /// A box starts, with what it finds on flash.
    pub(super) fn starts(&mut self, office: usize) {
        let (seed, now) = (self.chance.seed(), self.clock(office));
        let (bindings, entries) = std::mem::take(&mut self.offices[office].found);
        let one = &mut self.offices[office];
        let settings = settings(office, one.most_calls);
        let setup = EngineSetup { settings, accounts: accounts(office), bindings, seed, now };
        one.engine = Some(Engine::new(setup));
        one.boot += 1;
        one.started = now.instant;
        one.ledger = Ledger::default();
        let (name, table) = (one.name, Arc::clone(&one.table));
        one.links.clear();
        one.takes(&table, now.instant);
        self.note(|| format!("{name} starts"));
        self.feed(office, Input::Roaming(RoamingInput::Stored(entries)));
        self.feed(office, Input::Roaming(RoamingInput::Keyring(keyring())));
        self.feed(office, Input::Routes(table));
    }

    /// A box falls: all that was not durable is gone, or may be.
    pub(super) fn falls(&mut self, office: usize) {
        let kept = self.chance.below(self.offices[office].disk.writing.len() + 1);
        for _ in 0..kept {
            self.write_one(office);
        }
        let is_loud = self.chance.percent(50);
        let one = &mut self.offices[office];
        (one.engine, one.deadline) = (None, None);
        one.falls_loudly = is_loud;
        one.session.is_up = false;
        one.session.pending.clear();
        let row = |(number, (worth, name)): (&Sequence, &(Worth, String))| (*number, *worth, name.clone());
        let kept: Vec<_> = one.disk.events.iter().map(row).collect();
        let (found, displaced) = one.disk.fall();
        one.found = found;
        let next = one.disk.outbox.next_sequence();
        let (name, boot) = (one.name, one.boot);
        self.note(|| format!("{name} falls"));
        self.judge.fell(office);
        self.judge.on_shelf(office, |shelf| shelf.fell(kept, next, &displaced));
        self.judge.count("boxes that fell");
        self.helped.retain(|_, helped| helped.office != office);
        let mine = |open: &super::wan::Connection| {
            open.ends.iter().any(|end| end.office == office && end.boot == boot)
        };
        if is_loud {
            let broken: Vec<_> = self
                .wan
                .connections
                .iter()
                .filter(|(_, open)| mine(open))
                .map(|(number, _)| *number)
                .collect();
            for number in broken {
                self.breaks(number);
            }
        }
    }

    /// The next thing, and when the one after it.
    pub(super) fn next(&mut self) {
        if !self.goes_on {
            return;
        }
        match self.chance.below(100) {
            0..45 => self.somebody_calls(),
            45..53 => self.somebody_moves(),
            53..65 => self.a_path_changes(),
            65..71 => self.a_path_heals(),
            71..76 => self.a_carrier_changes(),
            76..79 => self.a_box_falls(),
            79..83 => self.a_box_starts(),
            83..88 => self.a_session_ends(),
            88..93 => self.a_session_begins(),
            93..97 => self.ops_push(),
            97..99 => self.a_clock_jumps(),
            _ => {}
        }
        let span = self.chance.millis(20, 3_000);
        self.after(span, Event::Next);
    }

    pub(super) fn somebody_calls(&mut self) {
        let phones = self.offices.len() * USERS;
        let agent = 2 * self.offices.len() + self.chance.below(phones);
        let phone = &self.agents[agent];
        let (office, is_ready) = (phone.office, phone.is_registered);
        if phone.is_busy() {
            return;
        }
        let kind = self.chance.below(100);
        let called = self.chance.below(phones);
        let (name, user) = (self.offices[called / USERS].name, 1001 + called % USERS);
        let number = match kind {
            0..20 => "112".to_owned(),
            20..30 => "025551234".to_owned(),
            _ if 2 * self.offices.len() + called == agent || !is_ready => return,
            _ => format!("{name}-{user}"),
        };
        if number != "112" && !is_ready {
            return;
        }
        let helps = number == "112";
        if helps && self.offices[office].engine.is_some() {
            let boots = self.boots();
            self.helped.insert(agent, Helped { since: self.now, office, boots });
        }
        self.note(|| format!("agent {agent} calls {number}"));
        let call = self.agents[agent].calls(&number);
        self.agent_wants(agent);
        let patience = if helps { HELP_PATIENCE } else { self.chance.millis(3_000, 90_000) };
        let epoch = self.agents[agent].epoch;
        self.after(patience, Event::Does(agent, epoch, Deed::HangUp(call)));
    }

    pub(super) fn somebody_moves(&mut self) {
        let agent = 2 * self.offices.len() + self.chance.below(self.offices.len() * USERS);
        let to = self.chance.below(self.offices.len());
        if self.offices[to].engine.is_none() || self.agents[agent].office == to {
            return;
        }
        let home = self.agents[agent].home;
        let user = self.agents[agent].login.0.clone();
        let country = OFFICES[home].1;
        let number = if home == to { user } else { format!("{country}-{user}") };
        let last = u8::try_from(agent % 200).unwrap_or(0) + 1;
        let at = address(&format!("10.{}.{}.{last}:5060", to + 1, home + 101));
        self.helped.remove(&agent);
        self.note(|| format!("agent {agent} moves to {to}"));
        self.agents[agent].moves(to, at, number);
        self.agents[agent].signs_in();
        self.agent_wants(agent);
        self.judge.count("moves");
    }

    /// A path becomes so.
    pub(super) fn path_becomes(&mut self, id: PathId, mood: Mood) {
        let now = self.now;
        let Some(path) = self.wan.paths.get_mut(&id).filter(|path| path.mood != mood) else { return };
        (path.mood, path.since) = (mood, now);
        let delay = path.delay;
        self.note(|| format!("{id:?} becomes {mood:?}"));
        let over: Vec<_> = self
            .wan
            .connections
            .iter()
            .filter(|(_, open)| open.path == id)
            .map(|(number, _)| *number)
            .collect();
        for number in over {
            match mood {
                Mood::Refusing => self.breaks(number),
                Mood::Open => {
                    let Some(open) = self.wan.connections.get_mut(&number) else { continue };
                    for (to, bytes) in std::mem::take(&mut open.waiting) {
                        self.after(delay, Event::Arrive(number, to, bytes));
                    }
                }
                Mood::Silent => {}
            }
        }
    }

    fn a_path_changes(&mut self) {
        let paths: Vec<_> = self.wan.paths.keys().copied().collect();
        let id = paths[self.chance.below(paths.len())];
        let mood = if self.chance.percent(65) { Mood::Silent } else { Mood::Refusing };
        let is_partition = self.chance.percent(15);
        let PathId::Offices(a, ..) = id else { return self.path_becomes(id, mood) };
        let cut = |path: &PathId| match path {
            PathId::Offices(low, high, _) => is_partition && (*low == a || *high == a),
            PathId::Carrier(_) => false,
        };
        for path in paths.iter().filter(|path| **path == id || cut(path)) {
            self.path_becomes(*path, mood);
        }
        self.judge.count(if is_partition { "partitions" } else { "paths that failed" });
    }

    fn a_path_heals(&mut self) {
        let is_bad = |(id, path): (&PathId, &Path)| (path.mood != Mood::Open).then_some(*id);
        let bad: Vec<_> = self.wan.paths.iter().filter_map(is_bad).collect();
        let some = bad.len().div_ceil(2);
        for id in bad.into_iter().take(some) {
            self.path_becomes(id, Mood::Open);
        }
    }

    fn a_carrier_changes(&mut self) {
        let id = PathId::Carrier(self.chance.below(2 * self.offices.len()));
        let loss = [0, 10, 30][self.chance.below(3)];
        let now = self.now;
        if let Some(path) = self.wan.paths.get_mut(&id) {
            (path.loss, path.since) = (loss, now);
        }
    }

    fn a_box_falls(&mut self) {
        let office = self.chance.below(self.offices.len());
        if self.offices[office].engine.is_some() {
            self.falls(office);
        }
    }

    fn a_box_starts(&mut self) {
        if let Some(office) = self.offices.iter().position(|office| office.engine.is_none()) {
            self.starts(office);
        }
    }

    fn a_session_ends(&mut self) {
        let office = self.chance.below(self.offices.len());
        if self.offices[office].session.is_up {
            self.disconnects(office);
        }
    }

    fn a_session_begins(&mut self) {
        let (first, count) = (self.chance.below(self.offices.len()), self.offices.len());
        // All of them, or one: brokers come back, and so do an office's own ways.
        let some = if self.chance.percent(50) { count } else { 1 };
        for place in 0..some {
            self.connects((first + place) % count);
        }
    }

    fn ops_push(&mut self) {
        let office = self.chance.below(self.offices.len());
        let wish = Wish::any(self.offices.len(), &mut self.chance);
        self.ops_want(office, &wish);
    }

    /// Ops push a table, which is on its way as long as it takes.
    pub(super) fn ops_want(&mut self, office: usize, wish: &Wish) {
        let revision = self.offices[office].wanted.revision().0 + 1;
        let pushed = table(office, revision, wish);
        self.note(|| format!("ops push revision {revision} to {office}: {wish:?}"));
        self.offices[office].wanted = Arc::clone(&pushed);
        self.judge.count("pushes");
        if self.offices[office].session.is_up {
            self.hands_over(office);
        }
    }

    fn a_clock_jumps(&mut self) {
        let office = self.chance.below(self.offices.len());
        let right = self.right_time();
        let is_wild = self.chance.percent(15);
        let skew = if is_wild { right * 400 * if self.chance.percent(50) { 1 } else { -1 } } else { right };
        self.is_wild |= is_wild;
        let before = std::mem::replace(&mut self.offices[office].skew, skew);
        self.note(|| format!("the clock of {office} jumps by {} ms", skew - before));
        self.judge.count(if is_wild { "clocks gone wild" } else { "clocks that jumped" });
    }

    /// All clocks are right again.
    pub(super) fn clocks_are_set(&mut self) {
        for office in 0..self.offices.len() {
            self.offices[office].skew = self.right_time();
        }
    }
}

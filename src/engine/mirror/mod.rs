//! What Asterisk is told: each extension has one contact, our loopback address, while it has a device.
//!
//! # The link
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | absent | – | – | absent |
//! | unknown, up | any answer | – | up |
//! | unknown, up | a probe is not answered | probes follow faster | down, probe lost |
//! | unknown, up | a call found it silent ([`Mirror::suspect`]) | a probe goes out at once | down |
//! | down | any answer | – | up |
//! | down, probe lost | any answer | all extensions are told again, paced | up |
//! | up | a probe is answered: the extension asked for has no contact | all are told again, paced | up |
//!
//! A probe is an OPTIONS; or, when some extension was told, a REGISTER without Contact that asks for its contacts
//! (RFC 3261 §10.2.3). So an Asterisk that restarted between two probes and lost its contacts is noticed by the next one.
//! What a probe cannot see heals by the refresh, which comes at half of [`INTERVAL`].
//!
//! # Each extension
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | its first device came | queue | wanted |
//! | wanted | its turn, the link is not down | REGISTER | asked |
//! | asked | 200 | refresh timer | told |
//! | asked | anything else | retry timer | wanted |
//! | wanted | retry timer | queue | wanted |
//! | told | refresh timer | queue | wanted |
//! | wanted, asked, told | its last device went | queue | leaving |
//! | wanted, asked, told | its last device that could be rung is away | away timer | as before |
//! | wanted, asked, told | away timer | queue | leaving |
//! | leaving | its turn, the link is not down | REGISTER with Expires 0 | leaving |
//! | at the start | it has no device | queue | leaving |
//! | leaving | 200; 4xx, for Asterisk does not know it | – | – |
//! | leaving | anything else | retry timer, which queues it | leaving |
//! | leaving | its device came back | queue | wanted |
//! | wanted, asked, told | all are told again | queue | wanted |
//!
//! Only the answer to an extension's latest request counts. No more than `mirror_rate` requests go out a second, so a whole
//! site that registers at once does not flood Asterisk.

mod pacing;
mod requests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::call::AsteriskState;
use super::flow::{Flow, Side};
use super::numbering::Extension;
use super::settings::{AsteriskSettings, Settings};
use super::timers::Timers;
use crate::sip::{HeaderName, Request, Response, Transport};
use crate::time::Now;

/// How long Asterisk keeps a contact unless it is refreshed.
pub const INTERVAL: Duration = Duration::from_secs(120);
/// How long all devices of an extension may be away before Asterisk hears of it: a phone whose connection breaks is
/// mostly back in less.
const AWAY: Duration = Duration::from_secs(4);
/// After a refused or lost REGISTER.
const RETRY: Duration = Duration::from_secs(5);

/// Matches a response with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorToken(u64);

/// A request for Asterisk.
#[derive(Debug)]
pub struct MirrorRequest {
    /// For the answer.
    pub token: MirrorToken,
    /// The request.
    pub request: Request,
    /// How long to wait for any response, when that is not left to the transaction.
    pub patience: Option<Duration>,
}

/// How far an extension is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    Asked,
    Told,
    Leaving,
}

#[derive(Debug)]
struct Entry {
    state: State,
    queued: bool,
    /// Its name in the timers.
    number: u64,
    /// Its latest request, until it is answered.
    latest: Option<MirrorToken>,
}

/// What a request was about.
#[derive(Clone, Debug)]
enum About {
    Probe,
    /// A probe by asking for this extension's contacts.
    Query(Extension),
    Extension(Extension),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Probe,
    Pace,
    Extension(u64),
    Away(u64),
}

/// Keeps Asterisk's contacts true.
pub struct Mirror {
    link: Option<AsteriskSettings>,
    up: Option<bool>,
    probe_lost: bool,
    told_reachable: Option<bool>,
    entries: BTreeMap<Extension, Entry>,
    numbers: HashMap<u64, Extension>,
    queue: VecDeque<Extension>,
    asked: HashMap<MirrorToken, About>,
    requests: VecDeque<MirrorRequest>,
    timers: Timers<Timer>,
    last: u64,
    boot: u64,
}

impl Mirror {
    /// Nothing is told yet; the first probe goes out at once.
    pub fn new(settings: &Settings, now: Now) -> Self {
        let mut mirror = Self {
            link: settings.asterisk,
            up: None,
            probe_lost: false,
            told_reachable: None,
            entries: BTreeMap::new(),
            numbers: HashMap::new(),
            queue: VecDeque::new(),
            asked: HashMap::new(),
            requests: VecDeque::new(),
            timers: Timers::default(),
            last: 0,
            boot: now.wall.0,
        };
        if mirror.link.is_some() {
            mirror.timers.set(Timer::Probe, now.instant);
        }
        mirror
    }

    /// The way to Asterisk.
    pub fn flow(&self) -> Option<Flow> {
        let link = self.link?;
        Some(Flow {
            transport: Transport::Udp,
            local: link.local,
            remote: link.remote,
            connection: None,
            side: Side::Asterisk,
        })
    }

    /// Whether Asterisk can be asked. Before the first answer it is given the benefit of the doubt.
    pub fn state(&self) -> AsteriskState {
        match (self.link, self.up) {
            (None, _) => AsteriskState::Absent,
            (Some(_), Some(false)) => AsteriskState::Down,
            (Some(_), _) => AsteriskState::Up,
        }
    }

    /// Set once when the link came up or went down.
    pub fn poll_reachable(&mut self) -> Option<bool> {
        if self.up == self.told_reachable {
            return None;
        }
        self.told_reachable = self.up;
        self.up
    }

    /// How many extensions Asterisk was told, of how many that have a device.
    pub fn told(&self) -> (usize, usize) {
        let wanted = self.entries.values().filter(|entry| entry.state != State::Leaving);
        let told = self.entries.values().filter(|entry| entry.state == State::Told);
        (told.count(), wanted.count())
    }

    /// All extensions at the start, and whether each has a device. Asterisk may still show what a process before us
    /// told it, so it hears of those without a device too, after the others.
    pub fn extensions(&mut self, mut extensions: Vec<(Extension, bool)>, now: Now) {
        extensions.sort_by_key(|(_, has_device)| !has_device);
        for (extension, has_device) in extensions {
            self.extension(&extension, true, now);
            if !has_device {
                self.extension(&extension, false, now);
            }
        }
    }

    /// An extension has a device, or has none any more.
    pub fn extension(&mut self, extension: &Extension, has_device: bool, now: Now) {
        if self.link.is_none() {
            return;
        }
        let state = self.entries.get(extension).map(|entry| entry.state);
        if let Some(entry) = self.entries.get(extension) {
            self.timers.cancel(&Timer::Away(entry.number));
        }
        let next = match (state, has_device) {
            (None | Some(State::Leaving), true) => State::Wanted,
            (Some(State::Told | State::Asked | State::Wanted), false) => State::Leaving,
            (None | Some(State::Leaving), false) | (Some(_), true) => return,
        };
        if state.is_none() {
            self.last += 1;
            let entry = Entry { state: next, queued: false, number: self.last, latest: None };
            self.numbers.insert(entry.number, extension.clone());
            self.entries.insert(extension.clone(), entry);
        }
        if let Some(entry) = self.entries.get_mut(extension) {
            entry.state = next;
            entry.latest = None;
        }
        self.enqueue(extension.clone(), now);
    }

    /// An extension's devices are all away, but may come back.
    pub fn away(&mut self, extension: &Extension, now: Now) {
        let Some(entry) = self.entries.get(extension).filter(|entry| entry.state != State::Leaving) else {
            return;
        };
        let timer = Timer::Away(entry.number);
        if !self.timers.is_set(&timer) {
            self.set(timer, now, AWAY);
        }
    }

    /// A call found Asterisk silent: it is taken for down until a probe, which goes out at once, says otherwise.
    pub fn suspect(&mut self, now: Now) {
        if self.link.is_some() && self.up != Some(false) {
            self.up = Some(false);
            self.timers.set(Timer::Probe, now.instant);
        }
    }

    /// The next request to send to Asterisk.
    pub fn poll_request(&mut self) -> Option<MirrorRequest> {
        self.requests.pop_front()
    }

    /// Asterisk answered finally. Whatever it says, somebody is there.
    pub fn response(&mut self, now: Now, token: MirrorToken, response: &Response) {
        let is_ok = response.status.is_success();
        let is_unknown = (400..500).contains(&response.status.code());
        let Some(about) = self.asked.remove(&token) else { return };
        self.reached(now);
        match about {
            About::Probe => {}
            About::Query(extension) => {
                let is_told = self.entries.get(&extension).is_some_and(|entry| entry.state == State::Told);
                if is_ok && is_told && !response.headers.has(&HeaderName::Contact) {
                    self.tell_all_again(now);
                }
            }
            About::Extension(extension) => self.answered(now, token, &extension, is_ok, is_unknown),
        }
    }

    /// No answer came.
    pub fn failed(&mut self, now: Now, token: MirrorToken) {
        match self.asked.remove(&token) {
            Some(About::Probe | About::Query(_)) => self.lost(now),
            Some(About::Extension(extension)) => self.answered(now, token, &extension, false, false),
            None => {}
        }
    }

    /// Lets every deadline pass that is not after `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop(now.instant) {
            match timer {
                Timer::Probe => self.probe(now),
                Timer::Pace => self.send_next(now),
                Timer::Away(number) => {
                    if let Some(extension) = self.numbers.get(&number).cloned() {
                        self.extension(&extension, false, now);
                    }
                }
                Timer::Extension(number) => {
                    let Some(extension) = self.numbers.get(&number).cloned() else { continue };
                    if let Some(entry) =
                        self.entries.get_mut(&extension).filter(|entry| entry.state == State::Told)
                    {
                        entry.state = State::Wanted;
                    }
                    self.enqueue(extension, now);
                }
            }
        }
    }

    /// When to call [`Mirror::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    fn probe(&mut self, now: Now) {
        let Some(link) = self.link else { return };
        let told = self.entries.iter().find(|(_, entry)| entry.state == State::Told);
        let about = told.map_or(About::Probe, |(extension, _)| About::Query(extension.clone()));
        self.ask(about, link, Some(link.probe_timeout));
        self.set(Timer::Probe, now, link.probe_every);
    }

    fn reached(&mut self, now: Now) {
        self.up = Some(true);
        if std::mem::take(&mut self.probe_lost) {
            // Asterisk may have lost what it knew.
            self.tell_all_again(now);
        }
    }

    fn lost(&mut self, now: Now) {
        self.up = Some(false);
        self.probe_lost = true;
        if let Some(link) = self.link {
            self.set(Timer::Probe, now, link.probe_timeout);
        }
    }

    fn tell_all_again(&mut self, now: Now) {
        let mut again = Vec::with_capacity(self.entries.len());
        for (extension, entry) in &mut self.entries {
            if entry.state != State::Leaving {
                entry.state = State::Wanted;
                entry.latest = None;
            }
            if entry.latest.is_none() {
                again.push(extension.clone());
            }
        }
        for extension in again {
            self.enqueue(extension, now);
        }
    }
}

#[cfg(test)]
mod tests;

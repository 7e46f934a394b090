//! What Asterisk is told: each extension has one contact, our loopback address, while it has a device.
//!
//! # The link
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | absent | – | – | absent |
//! | unknown, down | OPTIONS answered | all extensions are told again, paced | up |
//! | up | OPTIONS not answered | – | down |
//! | up | OPTIONS answered late: Asterisk may have restarted | – | up |
//!
//! # Each extension
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | its first device came | REGISTER, when it is its turn | wanted |
//! | wanted | its turn, the link is up | REGISTER | asked |
//! | asked | 200 | refresh at half of the interval | told |
//! | asked | anything else | again after a while | wanted |
//! | told | refresh | REGISTER | asked |
//! | told, asked | its last device went | REGISTER with Expires 0 | leaving |
//! | leaving | 200 | – | – |
//! | leaving | its device came back | REGISTER | wanted |
//! | any | the link came up after being down | – | wanted |
//!
//! No more than `mirror_rate` requests go out a second, so a whole site that registers at once does not flood Asterisk.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::call::AsteriskState;
use super::flow::{Flow, Side};
use super::numbering::Extension;
use super::settings::{AsteriskSettings, Settings};
use super::timers::Timers;
use crate::sip::header::{CSeq, Expires, MaxForwards};
use crate::sip::{HeaderName, Method, NameAddr, Request, Response, SipUri, Text, Transport};
use crate::time::Now;

/// How long Asterisk keeps a contact unless it is refreshed.
const INTERVAL: Duration = Duration::from_secs(300);
/// After a refused or lost REGISTER.
const RETRY: Duration = Duration::from_secs(5);

/// Matches a response with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorToken(u64);

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
    cseq: u32,
}

/// What a request was about.
#[derive(Clone, Debug)]
enum About {
    Probe,
    Extension(Extension),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Probe,
    Pace,
    Extension(u64),
}

/// Keeps Asterisk's contacts true.
pub struct Mirror {
    link: Option<AsteriskSettings>,
    up: Option<bool>,
    told_reachable: Option<bool>,
    entries: HashMap<Extension, Entry>,
    numbers: HashMap<u64, Extension>,
    queue: VecDeque<Extension>,
    asked: HashMap<MirrorToken, About>,
    requests: VecDeque<(MirrorToken, Request)>,
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
            told_reachable: None,
            entries: HashMap::new(),
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

    /// The extensions that have a device, at the start.
    pub fn extensions(&mut self, extensions: Vec<Extension>, now: Now) {
        for extension in extensions {
            self.extension(&extension, true, now);
        }
    }

    /// An extension has a device, or has none any more.
    pub fn extension(&mut self, extension: &Extension, has_device: bool, now: Now) {
        if self.link.is_none() {
            return;
        }
        let next = match (self.entries.get(extension).map(|entry| entry.state), has_device) {
            (None | Some(State::Leaving), true) => State::Wanted,
            (Some(State::Told | State::Asked | State::Wanted), false) => State::Leaving,
            (None | Some(State::Leaving), false) | (Some(_), true) => return,
        };
        let entry =
            self.entries.entry(extension.clone()).or_insert(Entry { state: next, queued: false, cseq: 0 });
        entry.state = next;
        self.enqueue(extension.clone(), now);
    }

    /// The next request to send to Asterisk.
    pub fn poll_request(&mut self) -> Option<(MirrorToken, Request)> {
        self.requests.pop_front()
    }

    /// Asterisk answered finally.
    pub fn response(&mut self, now: Now, token: MirrorToken, response: &Response) {
        let is_ok = response.status.is_success();
        match self.asked.remove(&token) {
            // Any answer shows that somebody is there.
            Some(About::Probe) => self.reached(now),
            Some(About::Extension(extension)) => {
                self.reached(now);
                self.answered(now, &extension, is_ok);
            }
            None => {}
        }
    }

    /// No answer came.
    pub fn failed(&mut self, now: Now, token: MirrorToken) {
        match self.asked.remove(&token) {
            Some(About::Probe) => self.lost(now),
            Some(About::Extension(extension)) => {
                self.lost(now);
                self.answered(now, &extension, false);
            }
            None => {}
        }
    }

    /// Lets every deadline pass that is not after `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop(now.instant) {
            match timer {
                Timer::Probe => self.probe(now),
                Timer::Pace => self.send_next(now),
                Timer::Extension(number) => {
                    if let Some(extension) = self.numbers.remove(&number) {
                        if let Some(entry) = self.entries.get_mut(&extension)
                            && entry.state == State::Told
                        {
                            entry.state = State::Wanted;
                        }
                        self.enqueue(extension, now);
                    }
                }
            }
        }
    }

    /// When to call [`Mirror::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.timers.next()
    }

    fn probe(&mut self, now: Now) {
        let Some(link) = self.link else { return };
        // A probe that is still out when the next is due was not answered.
        let overdue: Vec<_> = self
            .asked
            .iter()
            .filter(|(_, about)| matches!(about, About::Probe))
            .map(|(token, _)| *token)
            .collect();
        if !overdue.is_empty() {
            for token in overdue {
                self.asked.remove(&token);
            }
            self.lost(now);
        }
        let target = SipUri::new(None, link.remote.ip().into(), Some(link.remote.port()));
        let from = SipUri::new(Some("branchline"), link.local.ip().into(), Some(link.local.port()));
        let request = self.request(Method::Options, &target, &from, &target, 1, "probe");
        self.ask(About::Probe, request);
        let wait = if self.up == Some(true) { link.probe_every } else { link.probe_timeout };
        self.set(Timer::Probe, now, wait);
    }

    fn reached(&mut self, now: Now) {
        let was_up = self.up.replace(true) == Some(true);
        if was_up {
            return;
        }
        // Asterisk may have lost what it knew.
        let mut again = Vec::new();
        for (extension, entry) in &mut self.entries {
            if entry.state == State::Told {
                entry.state = State::Wanted;
            }
            again.push(extension.clone());
        }
        for extension in again {
            self.enqueue(extension, now);
        }
    }

    fn lost(&mut self, now: Now) {
        self.up = Some(false);
        if let Some(link) = self.link {
            self.set(Timer::Probe, now, link.probe_timeout);
        }
    }

    fn answered(&mut self, now: Now, extension: &Extension, is_ok: bool) {
        let Some(entry) = self.entries.get_mut(extension) else { return };
        let wait = match (entry.state, is_ok) {
            (State::Leaving, true) => {
                self.entries.remove(extension);
                return;
            }
            (State::Asked, true) => {
                entry.state = State::Told;
                INTERVAL / 2
            }
            (State::Asked, false) => {
                entry.state = State::Wanted;
                RETRY
            }
            (State::Leaving, false) => RETRY,
            (State::Wanted | State::Told, _) => return,
        };
        self.last += 1;
        let number = self.last;
        self.numbers.insert(number, extension.clone());
        self.set(Timer::Extension(number), now, wait);
    }

    fn enqueue(&mut self, extension: Extension, now: Now) {
        let Some(entry) = self.entries.get_mut(&extension) else { return };
        if entry.queued {
            return;
        }
        entry.queued = true;
        self.queue.push_back(extension);
        if !self.timers.is_set(&Timer::Pace) {
            self.timers.set(Timer::Pace, now.instant);
        }
    }

    fn send_next(&mut self, now: Now) {
        let Some(link) = self.link else { return };
        if self.up == Some(false) {
            // The queue waits until the link is up.
            self.set(Timer::Pace, now, link.probe_timeout);
            return;
        }
        let Some(extension) = self.queue.pop_front() else { return };
        self.send_registration(link, extension);
        if !self.queue.is_empty() {
            self.set(Timer::Pace, now, Duration::from_secs(1) / link.mirror_rate.max(1));
        }
    }

    fn send_registration(&mut self, link: AsteriskSettings, extension: Extension) {
        let Some(entry) = self.entries.get_mut(&extension) else { return };
        entry.queued = false;
        entry.cseq += 1;
        let cseq = entry.cseq;
        let expires = match entry.state {
            State::Wanted => INTERVAL.as_secs(),
            State::Leaving => 0,
            State::Asked | State::Told => return,
        };
        if entry.state == State::Wanted {
            entry.state = State::Asked;
        }
        let user = extension.to_string();
        let target = SipUri::new(None, link.remote.ip().into(), Some(link.remote.port()));
        let aor = SipUri::new(Some(&user), link.remote.ip().into(), Some(link.remote.port()));
        let mut request = self.request(Method::Register, &target, &aor, &aor, cseq, &user);
        let contact = SipUri::new(Some(&user), link.local.ip().into(), Some(link.local.port()));
        request.headers.push(HeaderName::Contact, &NameAddr::new(contact));
        request.headers.set(&Expires(u32::try_from(expires).unwrap_or(300)));
        self.ask(About::Extension(extension), request);
    }

    fn ask(&mut self, about: About, request: Request) {
        self.last += 1;
        let token = MirrorToken(self.last);
        self.asked.insert(token, about);
        self.requests.push_back((token, request));
    }

    fn request(
        &self,
        method: Method,
        target: &SipUri,
        from: &SipUri,
        to: &SipUri,
        cseq: u32,
        name: &str,
    ) -> Request {
        let mut request = Request::new(method.clone(), target.clone());
        request.headers.set(&MaxForwards(70));
        request
            .headers
            .push(HeaderName::From, &NameAddr::new(from.clone()).with_tag(&format!("{:x}", self.boot)));
        request.headers.push(HeaderName::To, &NameAddr::new(to.clone()));
        request
            .headers
            .push(HeaderName::CallId, Text::from(format!("mirror-{name}-{:x}-{:x}", self.boot, self.last)));
        request.headers.set(&CSeq { number: cseq, method });
        request
    }

    fn set(&mut self, timer: Timer, now: Now, after: Duration) {
        if let Some(at) = now.instant.checked_add(after) {
            self.timers.set(timer, at);
        }
    }
}

#[cfg(test)]
mod tests;

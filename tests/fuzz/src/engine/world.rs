//! The engine, its virtual time, and all that its outputs lead to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use branchline::config::{self, Environment};
use branchline::engine::call::CallId;
use branchline::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use branchline::engine::numbering::Extension;
use branchline::engine::registrar::{Account, Accounts};
use branchline::engine::settings::{RateSettings, Settings};
use branchline::engine::web::{Signal, Ticket, WebEvent, WebInput, WebReply, WebRequest, WebSession};
use branchline::engine::{Engine, EngineSetup, Input, Observation, Output};
use branchline::media::dtmf::Digit;
use branchline::media::end::SrtpKeys;
use branchline::media::event::RefusalReason;
use branchline::media::webrtc::{EndEvent, EndFailure};
use branchline::media::{
    ConnectivityCommand, ConnectivityEvent, EndId, MediaCommand, MediaEvent, PortNumbers, SrtpKey,
    SrtpProfile,
};
use branchline::sdp::Fingerprint;
use branchline::shell::settings::{Bound, engine_settings};
use branchline::sip::digest::UserKeys;
use branchline::sip::{Message, Method, Transport, parse};
use branchline::time::{Now, WallTime};
use bytes::Bytes;

use super::far_end::{FarEnd, PASSWORD};

const REALM: &str = "branchline";
const EXTENSIONS: [&str; 4] = ["1001", "1002", "1003", "1004"];
/// Effects of one scene: more is an endless loop.
const MOST_EFFECTS: usize = 20_000;
/// Deadlines within one stretch of time: more, and time stands still.
const MOST_DEADLINES: usize = 50_000;
/// Longest stretch of time in one scene.
const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// Everything that was begun is over this long after the end.
const AFTERMATH: Duration = Duration::from_secs(300);

const PLAIN: &str = include_str!("../../../fixtures/sdp/sipp-offer.sdp");
const SDES: &str = include_str!("../../../fixtures/sdp/baresip-sdes-offer.sdp");
const ANSWER: &str = include_str!("../../../fixtures/sdp/asterisk-dtls-answer.sdp");
const DTLS: &str = include_str!("../../../fixtures/sdp/jssip-offer.sdp");

static SITE: LazyLock<(Settings, Accounts)> =
    LazyLock::new(|| (settings(), EXTENSIONS.iter().map(|number| account(number)).collect()));

pub(super) struct World {
    engine: Engine,
    now: Now,
    far: FarEnd,
    durable: bool,
    tickets: u64,
    calls: Vec<CallId>,
    media_ends: Vec<EndId>,
    ice_ends: Vec<EndId>,
    /// Calls that were answered so far.
    pub(super) answered: usize,
    /// What effects lead to.
    due: VecDeque<Input>,
}

impl World {
    pub(super) fn new() -> Self {
        let now = Now { instant: Instant::now(), wall: WallTime(1_700_000_000_000) };
        let (settings, accounts) = SITE.clone();
        let setup = EngineSetup { settings, accounts, bindings: vec![], seed: [3; 32], now };
        let mut world = Self {
            engine: Engine::new(setup),
            now,
            far: FarEnd::default(),
            durable: true,
            tickets: 0,
            calls: Vec::new(),
            media_ends: Vec::new(),
            ice_ends: Vec::new(),
            answered: 0,
            due: VecDeque::new(),
        };
        world.settle();
        world
    }

    pub(super) fn play(&mut self, scene: &[u8]) {
        let (Some(kind), place) = (scene.first(), scene.get(1).map_or(0, |byte| usize::from(byte & 7)))
        else {
            return;
        };
        let rest = filled_in(scene.get(2..).unwrap_or_default().trim_ascii_start());
        match kind {
            b'm' | b'a' => self.message(place, Bytes::from(rest), *kind == b'a'),
            b'r' => self.answer(place, &rest),
            b'd' => {
                let (word, body) = word(&rest);
                if let Ok(method) = Method::parse(&String::from_utf8_lossy(word)) {
                    self.far.request(place, method, body);
                }
            }
            b'w' => self.page(place as u64, &rest),
            b'c' => self.connectivity(place, rest.first().copied().unwrap_or(b'c')),
            b'v' => self.media(place, &rest),
            b't' => self.pass(Duration::from_millis(number(&rest)).min(LONGEST)),
            b'o' => self.put(Input::FlowOpened { flow: flow(place), identity: None }),
            b'f' => {
                let reason = if rest.is_empty() { FlowFailure::Closed } else { FlowFailure::Slow };
                self.put(Input::FlowFailed { flow: flow(place), reason });
            }
            b'x' => self.far.silent = true,
            b'p' => self.durable = false,
            _ => {}
        }
        self.settle();
    }

    /// The end: all calls are told to go; nothing may be left of them.
    pub(super) fn end(&mut self) {
        self.put(Input::Stop);
        self.settle();
        self.pass(AFTERMATH);
        assert!(self.engine.calls().is_empty(), "no call is left");
        assert_eq!(self.engine.ports().0, 0, "no port is in use");
        assert!(self.media_ends.is_empty(), "no media end is open");
        assert!(self.ice_ends.is_empty(), "no end of ICE is open");
        let (servers, _) = self.engine.transactions();
        assert_eq!(servers, 0, "no request waits for an answer");
    }

    fn put(&mut self, input: Input) {
        self.engine.handle_input(self.now, input);
    }

    fn message(&mut self, place: usize, bytes: Bytes, with_password: bool) {
        let message = parse::parse(bytes);
        if let Ok(Message::Request(request)) = &message {
            self.far.sends(request, with_password);
        }
        self.put(Input::Sip { flow: flow(place), message });
    }

    fn answer(&mut self, place: usize, rest: &[u8]) {
        let (status, body) = word(rest);
        let reliable = status.ends_with(b"!");
        self.far.answer_invite(place, number(status) as u16, reliable, body);
    }

    fn page(&mut self, place: u64, rest: &[u8]) {
        let session = WebSession(place);
        let caller = EXTENSIONS[(place % 2) as usize + 2];
        let text = String::from_utf8_lossy(rest).into_owned();
        let (verb, argument) = text.split_once(' ').unwrap_or((&text, ""));
        let call = self.calls.last().copied().unwrap_or(CallId(1));
        let request = match verb {
            "open" => {
                let extension = extension(argument).unwrap_or_else(|| extension(caller).expect("known"));
                let (instance, user_agent) = (format!("page-{place}"), "Fuzz/1".to_owned());
                let address = [192, 0, 2, 99].into();
                let opened = WebInput::Opened { session, extension, instance, user_agent, address };
                return self.put(Input::Web(opened));
            }
            "close" => return self.put(Input::Web(WebInput::Closed { session })),
            "dial" => {
                let (to, offer) = argument.split_once(' ').unwrap_or((argument, ""));
                WebRequest::Dial { to: to.to_owned(), offer: offer.to_owned() }
            }
            "accept" => WebRequest::Accept { call, answer: argument.to_owned() },
            "end" | "busy" => WebRequest::End { call, busy: verb == "busy" },
            "signals" => WebRequest::Signals { call, since: number(argument.as_bytes()) },
            "calls" => WebRequest::Calls,
            "call" => WebRequest::Call { call },
            _ => match serde_json::from_str::<Signal>(&text) {
                Ok(signal) => WebRequest::Signal { call, signal },
                Err(_) => return,
            },
        };
        self.tickets += 1;
        let caller = extension(caller).expect("a known extension");
        let ticket = Ticket(self.tickets);
        self.put(Input::Web(WebInput::Request { ticket, caller, session: Some(session), request }));
    }

    fn connectivity(&mut self, place: usize, what: u8) {
        let end = self.ice_ends.get(place).copied().unwrap_or(EndId::new(place as u32, 0));
        let remote = address("192.0.2.44:51515");
        let event = match what {
            b'm' => EndEvent::PathChanged { remote },
            b'p' => EndEvent::PeerClosed,
            b'f' => EndEvent::Failed(EndFailure::NoIcePath),
            _ => EndEvent::Connected { remote, keys: Box::new(SrtpKeys { send: key(1), receive: key(2) }) },
        };
        self.put(Input::Connectivity(ConnectivityEvent::End { end, event }));
    }

    fn media(&mut self, place: usize, rest: &[u8]) {
        let end = self.media_ends.get(place).copied().unwrap_or(EndId::new(place as u32, 0));
        let event = match rest.first() {
            Some(b's') => MediaEvent::Silent { end, since: self.now.instant },
            Some(b'r') => MediaEvent::Resumed { end },
            Some(b'd') => {
                let key = rest.get(1).map_or('5', |key| char::from(*key));
                let Some(digit) = Digit::from_char(key) else { return };
                let needs_signalling = rest.get(2) == Some(&b's');
                MediaEvent::Dtmf { end, digit, duration: Duration::from_millis(100), needs_signalling }
            }
            Some(b'x') => MediaEvent::Refused { end, reason: RefusalReason::PortInUse },
            _ => MediaEvent::FirstPacket { end },
        };
        self.put(Input::Media(event));
    }

    /// Lets time pass from deadline to deadline.
    fn pass(&mut self, span: Duration) {
        let until = self.now.plus(span);
        for turn in 0.. {
            assert!(turn < MOST_DEADLINES, "time does not stand still");
            let Some(at) = self.engine.poll_timeout().filter(|at| *at <= until.instant) else { break };
            self.now = self.now.plus(at.saturating_duration_since(self.now.instant));
            self.engine.handle_timeout(self.now);
            self.settle();
        }
        self.now = until;
    }

    /// Carries out all effects, and what they lead to.
    fn settle(&mut self) {
        for turn in 0.. {
            assert!(turn < MOST_EFFECTS, "effects come to an end");
            if let Some(output) = self.engine.poll_output() {
                self.carry_out(output);
            } else if let Some(input) = self.due.pop_front() {
                self.put(input);
            } else if let Some((flow, bytes)) = self.far.says.pop_front() {
                self.put(Input::Sip { flow, message: parse::parse(bytes) });
            } else {
                break;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit { flow, bytes } => match parse::parse(bytes.clone()) {
                Ok(message) => self.far.hears(flow, message),
                Err(error) => assert!(is_refusal(&bytes), "{error:?} in {}", bytes.escape_ascii()),
            },
            Output::Media(MediaCommand::Open { end, .. }) => self.media_ends.push(end),
            Output::Media(MediaCommand::Close { end }) => {
                self.media_ends.retain(|open| *open != end);
                self.due.push_back(Input::Media(MediaEvent::Closed { end, report: Box::default() }));
            }
            Output::Connectivity(ConnectivityCommand::Open { end, .. }) => self.ice_ends.push(end),
            Output::Connectivity(ConnectivityCommand::Close { end }) => {
                self.ice_ends.retain(|open| *open != end);
            }
            Output::Persist { ticket, .. } => {
                self.due.push_back(Input::Persisted { ticket, durable: self.durable });
            }
            Output::Web { event: WebEvent::IncomingCall { call, .. }, .. }
            | Output::Reply { reply: WebReply::Call(call), .. } => self.calls.push(call.id),
            Output::Observe(Observation::Call { change: "answered", .. }) => self.answered += 1,
            _ => {}
        }
    }
}

/// A refusal repeats headers of what it refuses, which may be what is wrong with it.
fn is_refusal(message: &[u8]) -> bool {
    message
        .strip_prefix(b"SIP/2.0 ")
        .and_then(<[u8]>::first)
        .is_some_and(|digit| (b'4'..=b'6').contains(digit))
}

/// The first word and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_ascii_start())
}

fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).take(9);
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// The scene with whole descriptions in place of their names.
fn filled_in(scene: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(scene) else { return scene.to_vec() };
    if !text.contains('$') {
        return scene.to_vec();
    }
    let named = [("$plain", PLAIN), ("$sdes", SDES), ("$dtls", DTLS), ("$answer", ANSWER)];
    named.iter().fold(text.to_owned(), |text, (name, whole)| text.replacen(name, whole, 1)).into_bytes()
}

fn flow(place: usize) -> Flow {
    let (transport, local, remote, connection) = match place {
        0 => (Transport::Udp, "192.0.2.1:5060", "192.0.2.10:5060", None),
        1 => (Transport::Udp, "192.0.2.1:5060", "192.0.2.11:5060", None),
        2 => (Transport::Tls, "192.0.2.1:5061", "192.0.2.10:40001", Some(ConnectionId(1))),
        3 => (Transport::Tls, "192.0.2.1:5061", "192.0.2.11:40002", Some(ConnectionId(2))),
        4 => (Transport::Wss, "192.0.2.1:8443", "192.0.2.12:40003", Some(ConnectionId(3))),
        6 => (Transport::Tcp, "192.0.2.1:5060", "192.0.2.10:40004", Some(ConnectionId(4))),
        7 => (Transport::Udp, "192.0.2.1:5060", "198.51.100.9:5060", None),
        _ => (Transport::Udp, "127.0.0.1:5070", "127.0.0.1:5080", None),
    };
    let side = if place == 5 { Side::Asterisk } else { Side::Site };
    Flow { transport, local: address(local), remote: address(remote), connection, side }
}

fn account(number: &str) -> Account {
    Account {
        extension: extension(number).expect("an extension"),
        display_name: Some(format!("Extension {number}")),
        keys: UserKeys::new(number, REALM, PASSWORD),
        token_hash: [0; 32],
    }
}

fn extension(number: &str) -> Option<Extension> {
    Extension::new(None, number).ok()
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn key(owner: u8) -> SrtpKey {
    SrtpKey::new(SrtpProfile::AeadAes128Gcm, &[owner; 16], &[owner; 12]).expect("a key of the right length")
}

/// What the shipped configuration gives, with small limits, so that they are reached.
fn settings() -> Settings {
    let text = "[asterisk]\nenabled = true\nprobe = \"60s\"\n[office]\nid = \"BRU\"\n";
    let config =
        config::parse(Path::new("fuzz.toml"), text, &Environment::default()).expect("a configuration");
    let bound = Bound {
        webrtc: address("192.0.2.1:19000"),
        trunk: address("127.0.0.1:19002"),
        phone_ports: (0..6).map(|n| PortNumbers { rtp: 20_000 + 2 * n, rtcp: 20_001 + 2 * n }).collect(),
        asterisk: Some(address("127.0.0.1:5070")),
        fingerprint: Fingerprint::sha256([7; 32]),
    };
    let mut settings = engine_settings(&config, &bound);
    settings.registrar.per_extension = 3;
    settings.registrar.max_bindings = 8;
    settings.calls.max = 4;
    settings.calls.per_extension = 3;
    settings.rate = RateSettings { per_second: 1000, burst: 1000 };
    settings.max_transactions = 200;
    settings
}

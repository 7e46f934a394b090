//! Phones and carriers: small user agents that repeat themselves until they are answered, because everything may be lost.
//!
//! | line | event | do | next |
//! | --- | --- | --- | --- |
//! | – | somebody calls us | 180, and after a while 200, 486, or nothing | `Ringing` |
//! | – | we call | INVITE, again with credentials after 407 | `Calling` |
//! | `Calling` | 2xx | ACK | `Up` |
//! | `Calling` | a refusal | ACK | `Over` |
//! | `Calling` | patience ends | CANCEL; a 2xx that crosses it is ended by BYE | `Leaving` |
//! | `Ringing` | CANCEL | 487 | `Over` |
//! | `Ringing` | we answer | 200 until ACK | `Up` |
//! | `Up` | BYE, or we hang up | 200, or BYE | `Over` |

mod calls;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::chance::Chance;
use crate::engine::scenarios::descriptions::audio;
use crate::engine::scenarios::proof::proof;
use crate::sip::{Message, Method, Request, Response, StatusCode};

/// How long a request is repeated.
const PATIENCE: Duration = Duration::from_secs(32);

/// What an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A phone.
    Phone,
    /// A carrier's gateway.
    Carrier,
}

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// We call.
    Calling,
    /// We gave up.
    Leaving,
    /// It rings here.
    Ringing,
    /// It is answered.
    Up,
    /// It is over.
    Over,
}

/// One call, as an agent sees it.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it is.
    pub(super) state: State,
    /// What was dialled, when we called.
    pub(super) dialled: Option<String>,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    invite: Option<Request>,
}

/// What an agent does later.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Says something again.
    Repeat(u64),
    /// Answers a call.
    Answer(String),
    /// Ends a call, or gives it up.
    HangUp(String),
    /// Registers.
    Register,
}

/// What an agent wants.
#[derive(Debug)]
pub(super) enum Want {
    /// Sends this.
    Send(Bytes),
    /// Does this later.
    Later(Duration, Deed),
    /// A call of ours has its final answer.
    Ended {
        /// What was dialled.
        dialled: String,
        /// The status.
        status: u16,
    },
}

#[derive(Debug)]
struct Repeat {
    bytes: Bytes,
    call_id: String,
    cseq: String,
    wait: Duration,
    spent: Duration,
}

/// A phone or a carrier.
#[derive(Debug)]
pub(super) struct Agent {
    /// What it is.
    pub(super) kind: Kind,
    /// The office that gave out its number.
    pub(super) home: usize,
    /// The office at which it is.
    pub(super) office: usize,
    /// Goes up when it moves: what was sent to where it was is lost.
    pub(super) epoch: u32,
    /// Its address.
    pub(super) address: SocketAddr,
    /// Whom it says that it is.
    pub(super) number: String,
    /// With which it proves it.
    pub(super) login: (String, String),
    /// Its calls.
    pub(super) lines: BTreeMap<String, Line>,
    /// Whether its last registration was accepted.
    pub(super) is_registered: bool,
    /// What it wants.
    pub(super) wants: VecDeque<Want>,
    name: String,
    sequence: u32,
    registration: u32,
    repeats: BTreeMap<u64, Repeat>,
    said: BTreeMap<(String, String), Bytes>,
    last: u64,
}

impl Agent {
    /// A new one.
    pub(super) fn new(kind: Kind, name: String, office: usize, address: SocketAddr) -> Self {
        Self {
            kind,
            home: office,
            office,
            epoch: 0,
            address,
            number: String::new(),
            login: (String::new(), String::new()),
            lines: BTreeMap::new(),
            is_registered: false,
            wants: VecDeque::new(),
            name,
            sequence: 0,
            registration: 0,
            repeats: BTreeMap::new(),
            said: BTreeMap::new(),
            last: 0,
        }
    }

    /// Whether it is in a call.
    pub(super) fn is_busy(&self) -> bool {
        self.lines.values().any(|line| line.state != State::Over)
    }

    /// It is elsewhere from now on, and has forgotten its calls.
    pub(super) fn moves(&mut self, office: usize, address: SocketAddr, number: String) {
        self.epoch += 1;
        self.office = office;
        self.address = address;
        self.number = number;
        self.is_registered = false;
        self.lines.clear();
        self.repeats.clear();
        self.said.clear();
    }

    /// Signs in anew: a registration that is no refresh.
    pub(super) fn signs_in(&mut self) {
        self.registration += 1;
        self.is_registered = false;
        self.register("");
    }

    fn register(&mut self, more: &str) {
        self.sequence += 1;
        let call_id = format!("reg-{}-{}", self.name, self.registration);
        let (number, name) = (self.number.clone(), self.name.clone());
        let contact = format!("Contact: <sip:{number}@{}>;expires=3600\r\n", self.address);
        let text = format!(
            "{}From: <sip:{number}@branchline>;tag=r{name}\r\nTo: <sip:{number}@branchline>\r\n\
             Call-ID: {call_id}\r\nCSeq: {} REGISTER\r\n{contact}{more}Content-Length: 0\r\n\r\n",
            self.head("REGISTER", "sip:branchline"),
            self.sequence,
        );
        let cseq = format!("{} REGISTER", self.sequence);
        self.say_until_answered(text, call_id, cseq);
    }

    fn head(&mut self, method: &str, uri: &str) -> String {
        self.last += 1;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-{}-{};rport\r\nMax-Forwards: 70\r\n",
            self.address, self.name, self.last
        )
    }

    fn say_until_answered(&mut self, text: String, call_id: String, cseq: String) {
        self.last += 1;
        let bytes = Bytes::from(text);
        let wait = Duration::from_millis(500);
        self.wants.push_back(Want::Send(bytes.clone()));
        self.wants.push_back(Want::Later(wait, Deed::Repeat(self.last)));
        self.repeats.insert(self.last, Repeat { bytes, call_id, cseq, wait, spent: wait });
    }

    /// Does what it meant to do.
    pub(super) fn does(&mut self, deed: Deed) {
        match deed {
            Deed::Repeat(id) => self.says_again(id),
            Deed::Answer(call_id) => self.picks_up(&call_id),
            Deed::HangUp(call_id) => self.hangs_up(&call_id),
            Deed::Register if !self.is_registered => self.register(""),
            Deed::Register => {}
        }
    }

    fn says_again(&mut self, id: u64) {
        let Some(repeat) = self.repeats.get_mut(&id) else { return };
        if repeat.spent > PATIENCE {
            let Some(gone) = self.repeats.remove(&id) else { return };
            if gone.cseq.ends_with("INVITE") || gone.cseq.ends_with("CANCEL") {
                self.is_over(&gone.call_id, 408);
            } else if gone.cseq.ends_with("REGISTER") {
                self.wants.push_back(Want::Later(Duration::from_secs(5), Deed::Register));
            }
            return;
        }
        repeat.wait = (repeat.wait * 2).min(Duration::from_secs(4));
        repeat.spent += repeat.wait;
        self.wants.push_back(Want::Send(repeat.bytes.clone()));
        self.wants.push_back(Want::Later(repeat.wait, Deed::Repeat(id)));
    }

    fn answer(&mut self, request: &Request, text: String) {
        let bytes = Bytes::from(text);
        self.said.insert(transaction(request), bytes.clone());
        self.wants.push_back(Want::Send(bytes));
    }

    /// Something arrives.
    pub(super) fn hears(&mut self, message: Message, chance: &mut Chance) {
        match message {
            Message::Request(request) => self.is_asked(&request, chance),
            Message::Response(response) => self.is_answered(&response, chance),
        }
    }

    fn is_asked(&mut self, request: &Request, chance: &mut Chance) {
        if let Some(said) = self.said.get(&transaction(request)) {
            return self.wants.push_back(Want::Send(said.clone()));
        }
        let call_id = request.call_id().map(ToString::to_string).unwrap_or_default();
        match request.method {
            Method::Invite if request.to_tag().is_none() => self.is_called(&call_id, request, chance),
            Method::Ack => {
                let cseq = request.cseq().map(|cseq| cseq.number).unwrap_or_default();
                self.is_settled(&call_id, &format!("{cseq} ACK"));
            }
            Method::Cancel => {
                let text = self.response(&call_id, request, 200, "");
                self.answer(request, text);
                let ringing = self.lines.get_mut(&call_id).filter(|line| line.state == State::Ringing);
                let Some(line) = ringing else { return };
                line.state = State::Over;
                if let Some(invite) = line.invite.clone() {
                    let text = self.response(&call_id, &invite, 487, "");
                    self.answer(&invite, text);
                }
            }
            Method::Bye => {
                self.is_over(&call_id, 0);
                self.repeats.retain(|_, repeat| repeat.call_id != call_id);
                let text = self.response(&call_id, request, 200, "");
                self.answer(request, text);
            }
            _ => {
                let body = if request.has_sdp() { audio(5000) } else { String::new() };
                let text = self.response(&call_id, request, 200, &body);
                self.answer(request, text);
            }
        }
    }

    fn is_settled(&mut self, call_id: &str, cseq: &str) {
        self.repeats.retain(|_, repeat| repeat.call_id != call_id || repeat.cseq != cseq);
    }

    fn is_answered(&mut self, response: &Response, chance: &mut Chance) {
        let call_id = response.call_id().map(ToString::to_string).unwrap_or_default();
        let Some(cseq) = response.cseq() else { return };
        self.is_settled(&call_id, &format!("{} {}", cseq.number, cseq.method.as_str()));
        match cseq.method {
            Method::Register if response.status.is_final() => self.is_registered_or_not(response),
            Method::Invite => self.call_goes_on(&call_id, response, cseq.number, chance),
            // The office does not know the call that we give up: it fell.
            Method::Cancel if response.status.code() == 481 => self.is_over(&call_id, 481),
            _ => {}
        }
    }

    fn is_registered_or_not(&mut self, response: &Response) {
        if response.cseq().is_none_or(|cseq| cseq.number != self.sequence) {
            return;
        }
        match response.status {
            StatusCode::UNAUTHORIZED if self.sequence % 2 == 1 => {
                let (user, password) = self.login.clone();
                let proof = proof(response, "REGISTER", "sip:branchline", &user, &password, 1);
                self.register(&format!("Authorization: {proof}\r\n"));
            }
            status if status.is_success() => {
                self.is_registered = true;
                self.sequence += self.sequence % 2;
            }
            _ => {
                self.sequence += self.sequence % 2;
                self.wants.push_back(Want::Later(Duration::from_secs(5), Deed::Register));
            }
        }
    }
}

fn transaction(request: &Request) -> (String, String) {
    let branch =
        request.top_via().and_then(|via| via.branch().map(|branch| branch.to_string())).unwrap_or_default();
    (branch, request.method.as_str().to_owned())
}

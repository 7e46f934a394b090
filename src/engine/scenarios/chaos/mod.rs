//! Anything may happen in any order: peers that answer what they like, break, repeat and forge; media events; pages; a
//! store and an Asterisk that come and go. Nothing may panic, the books must balance at every step, and after all is over
//! nothing may be left. A seed repeats a failure: `CHAOS_SEED=7 CHAOS_SEEDS=1 cargo test chaos`.

mod weather;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::descriptions::{audio, audio_of, browser, directed, secured};
use super::far_ends::pushed;
use super::pages::Page;
use super::phones::Line;
use super::proof::proof;
use super::world::{ASTERISK, Pbx, Peer, Store, World, seconds};
use crate::engine::call::CallId;
use crate::engine::web::{Signal, WebReply, WebRequest};
use crate::sip::{Message, Method, Request, Response, Transport};

/// What a peer knows: its dialogs, and what it was asked.
struct Bot {
    peer: Peer,
    lines: Vec<Line>,
    asked: Vec<(usize, Request)>,
}

struct Chaos {
    w: World,
    rng: ChaCha20Rng,
    bots: Vec<Bot>,
    pages: Vec<(Page, bool)>,
    calls: Vec<CallId>,
    said: Vec<(Peer, String)>,
    /// The other ends of links, if there are any: two of an office, one of a carrier.
    far: Vec<Peer>,
}

const LINKS: [&str; 4] = [
    "one SipTrunk PAR sips:one.example",
    "two SipTrunk PAR sips:two.example",
    "out PstnGateway - sip:out.example",
    "iax PstnGateway - pjsip:carrier",
];
const ROUTES: [&str; 2] = ["PAR-* one,two", "0* out,iax"];

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut w = if seed.is_multiple_of(3) { World::alone() } else { World::with_asterisk() };
        w.lenient = true;
        let mut peers = vec![ASTERISK, w.udp_phone("1001"), w.udp_phone("1002")];
        peers.push(w.registered("1002", Transport::Tcp));
        peers.push(w.registered("1003", Transport::Wss));
        let far: Vec<Peer> = if seed % 2 == 1 {
            vec![w.far_end("one", "PAR"), w.far_end("two", "PAR"), w.far_end("out", "")]
        } else {
            vec![]
        };
        if !far.is_empty() {
            w.push(pushed(&LINKS, &ROUTES));
        }
        peers.extend(&far);
        let pages = vec![(w.page("1001", "a"), true), (w.page("1004", "b"), true)];
        let bots = peers.into_iter().map(|peer| Bot { peer, lines: vec![], asked: vec![] }).collect();
        Self { w, rng: ChaCha20Rng::seed_from_u64(seed), bots, pages, calls: vec![], said: vec![], far }
    }

    fn pick(&mut self, below: usize) -> usize {
        if below == 0 { 0 } else { self.rng.next_u64() as usize % below }
    }

    fn number(&mut self) -> &'static str {
        [
            "1001",
            "1002",
            "1002",
            "1003",
            "1004",
            "1004",
            "600",
            "112",
            "1005",
            "1999",
            "PAR-1002",
            "PAR-1002",
            "025551234",
        ][self.pick(13)]
    }

    fn body(&mut self, bot: usize) -> String {
        if self.w.far.is_end(self.bots[bot].peer) && self.pick(8) > 0 {
            return match self.bots[bot].asked.last() {
                Some((line, _)) => World::far_description(&self.bots[bot].lines[*line]),
                None if self.bots[bot].peer == self.far[2] => audio(5000),
                None => secured(5000),
            };
        }
        let is_browser = self.w.peers[self.bots[bot].peer.0].flow.transport == Transport::Wss;
        match self.pick(16) {
            0 => String::new(),
            1 => "v=0\r\nnonsense\r\n".to_owned(),
            _ if is_browser => browser(['1', '2'][self.pick(2)], ["page", "moved"][self.pick(2)], "actpass"),
            2 => directed(4000, ["sendonly", "inactive", "recvonly"][self.pick(3)]),
            3 => audio_of(4000, &["8 PCMA/8000"], ""),
            _ => audio(4000 + 2 * self.pick(50) as u16),
        }
    }

    fn step(&mut self) {
        match self.pick(26) {
            0..=2 => self.call(),
            3..=12 => self.reply(),
            13..=16 => self.ask_in_dialog(),
            17 => self.repeat(),
            18 if self.pick(3) == 0 => self.flow(),
            18..=20 => self.page(),
            21 => self.media(),
            22 if self.pick(3) == 0 => self.around(),
            _ => {
                let span = [1, 5, 20, 100, 300, 600, 2_500, 33_000][self.pick(8)];
                self.w.wait(std::time::Duration::from_millis(span));
            }
        }
        self.read();
    }

    fn call(&mut self) {
        let bot = self.pick(self.bots.len());
        let (number, body) = (self.number(), self.body(bot));
        let more = ["", "Supported: 100rel, timer\r\n", "Require: 100rel\r\n", "Session-Expires: 90\r\n"]
            [self.pick(4)];
        let peer = self.bots[bot].peer;
        let own = self.w.peers[peer.0].number.clone();
        let mut line = self.w.line(peer, &own, number);
        self.w.invites(&mut line, &body, more);
        self.bots[bot].lines.push(line);
    }

    /// Answers something that was asked, perhaps once more.
    fn reply(&mut self) {
        let bot = self.pick(self.bots.len());
        let open = self.bots[bot].asked.len();
        if open == 0 {
            return;
        }
        let at = if self.pick(4) == 0 { self.pick(open) } else { open - 1 };
        let (line, request) = self.bots[bot].asked[at].clone();
        let statuses: &[u16] = if request.method == Method::Invite {
            &[
                100, 180, 183, 200, 200, 200, 200, 200, 200, 200, 200, 200, 302, 401, 408, 422, 486, 487,
                488, 491, 503, 603,
            ]
        } else {
            &[200, 200, 200, 408, 481, 500]
        };
        let status = statuses[self.pick(statuses.len())];
        let body = if matches!(status, 183 | 200) && request.method != Method::Bye {
            self.body(bot)
        } else {
            String::new()
        };
        let more = [
            "",
            "Require: 100rel\r\nRSeq: 7\r\n",
            "Session-Expires: 90;refresher=uas\r\n",
            "Min-SE: 400\r\n",
        ][self.pick(4)];
        let line = self.bots[bot].lines[line].clone();
        self.w.responds(&line, &request, status, &body, more);
        if status >= 200 && self.pick(4) > 0 {
            self.bots[bot].asked.remove(at);
        }
    }

    fn ask_in_dialog(&mut self) {
        let bot = self.pick(self.bots.len());
        if self.bots[bot].lines.is_empty() {
            return;
        }
        let at = self.pick(self.bots[bot].lines.len());
        let mut line = self.bots[bot].lines[at].clone();
        let body = self.body(bot);
        match self.pick(8) {
            0 | 1 => self.w.sends(&mut line, "BYE", "", ""),
            2 => {
                if let Some(cancel) = Request::cancel_of(&line.invite) {
                    let text = String::from_utf8_lossy(&cancel.to_bytes()).into_owned();
                    self.w.wire(line.peer, &text);
                }
            }
            3 => self.w.sends(&mut line, "UPDATE", &body, ""),
            4 => self.w.sends(&mut line, "PRACK", &body, "RAck: 1 1 INVITE\r\n"),
            5 => self.w.sends(&mut line, "INFO", "Signal=1\r\n", "Content-Type: application/dtmf-relay\r\n"),
            6 => self.w.acks(&mut line, &body),
            _ => self.w.invites(&mut line, &body, ""),
        }
        self.bots[bot].lines[at] = line;
    }

    fn repeat(&mut self) {
        if self.said.is_empty() {
            return;
        }
        let at = self.pick(self.said.len());
        let (peer, text) = self.said[at].clone();
        let as_peer = if self.pick(4) == 0 { Peer(self.pick(self.w.peers.len())) } else { peer };
        self.w.wire(as_peer, &text);
    }

    fn page(&mut self) {
        let at = self.pick(self.pages.len());
        let (page, is_there) = self.pages[at].clone();
        if !is_there || self.pick(6) == 0 {
            if is_there {
                self.w.leaves(&page);
            }
            let page = if is_there { page } else { self.w.page_again(&page) };
            self.pages[at] = (page, !is_there);
            return;
        }
        let at = self.pick(self.calls.len());
        let call = self.calls.get(at).copied().unwrap_or(CallId(1));
        let sdp = || browser('3', "anew", "active");
        let request = match self.pick(10) {
            0 | 1 => {
                WebRequest::Dial { to: self.number().to_owned(), offer: browser('1', "page", "actpass") }
            }
            2..=4 => WebRequest::Accept { call, answer: sdp() },
            5 => WebRequest::End { call, busy: self.pick(2) == 0 },
            6 => WebRequest::Signal { call, signal: Signal::Offer { sdp: browser('4', "anew", "actpass") } },
            7 => WebRequest::Signal { call, signal: Signal::Answer { sdp: sdp() } },
            8 => WebRequest::Signal {
                call,
                signal: [Signal::Hold, Signal::Resume, Signal::Hangup][self.pick(3)].clone(),
            },
            _ => WebRequest::Signal { call, signal: Signal::Dtmf { digits: "5".to_owned() } },
        };
        if let WebReply::Call(view) = self.w.asks(&page, request) {
            self.calls.push(view.id);
        }
    }

    /// Every peer reads its mail; challenges and refusals are dealt with at once.
    fn read(&mut self) {
        for bot in 0..self.bots.len() {
            let peer = self.bots[bot].peer;
            while let Some(message) = self.w.peers[peer.0].inbox.pop_front() {
                match message {
                    Message::Request(request) => self.hear_request(bot, request),
                    Message::Response(response) => self.hear_response(bot, &response),
                }
            }
        }
        let Self { w, calls, .. } = self;
        for event in w.told.values_mut().flat_map(|events| events.drain(..)) {
            if let crate::engine::web::WebEvent::IncomingCall { call, .. } = event {
                calls.push(call.id);
            }
        }
    }

    fn hear_request(&mut self, bot: usize, request: Request) {
        let call_id = request.call_id().unwrap().to_string();
        let known = self.bots[bot].lines.iter().position(|line| line.call_id == call_id);
        let at = known.unwrap_or_else(|| {
            let peer = self.bots[bot].peer;
            let is_new = request.method == Method::Invite;
            if is_new {
                self.w.peers[peer.0].inbox.push_front(Message::Request(request.clone()));
                let line = self.w.rung(peer);
                self.bots[bot].lines.push(line);
            } else {
                let line = self.w.line(peer, "1001", "1002");
                self.bots[bot].lines.push(line);
            }
            self.bots[bot].lines.len() - 1
        });
        if request.method == Method::Invite && self.bots[bot].peer == ASTERISK {
            let line = self.bots[bot].lines[at].clone();
            self.w.responds(&line, &request, 100, "", "");
        }
        if request.method != Method::Ack {
            self.bots[bot].asked.push((at, request));
        }
    }

    fn hear_response(&mut self, bot: usize, response: &Response) {
        let Some(call_id) = response.call_id().map(ToString::to_string) else { return };
        let Some(at) = self.bots[bot].lines.iter().position(|line| line.call_id == call_id) else { return };
        if response.cseq().is_none_or(|cseq| cseq.method != Method::Invite) || !response.status.is_final() {
            return;
        }
        let mut line = self.bots[bot].lines[at].clone();
        if response.status.is_success() {
            if let Some(to) = response.headers.get(&crate::sip::HeaderName::To) {
                line.remote = to.to_string();
            }
            if self.pick(5) > 0 {
                let body = if self.pick(3) == 0 { self.body(bot) } else { String::new() };
                self.w.acks(&mut line, &body);
            }
        } else if response.cseq() == line.invite.cseq() {
            self.w.acks_refusal(&line, response);
            if response.status.code() == 407 && line.cseq == 1 {
                let own = self.w.peers[line.peer.0].number.clone();
                let proof = proof(response, "INVITE", &line.target, &own, &format!("pw-{own}"), 1);
                let body = String::from_utf8_lossy(&line.invite.body).into_owned();
                self.w.invites(&mut line, &body, &format!("Proxy-Authorization: {proof}\r\n"));
                let text = String::from_utf8_lossy(&line.invite.to_bytes()).into_owned();
                self.said.push((line.peer, text));
            }
        }
        self.bots[bot].lines[at] = line;
    }

    /// Everybody goes, time runs out.
    fn end(mut self) {
        for (page, is_there) in &self.pages {
            if *is_there {
                self.w.leaves(page);
            }
        }
        let none: [&str; 0] = [];
        self.w.push(pushed(&none, &none));
        for bot in 3..self.bots.len() {
            let peer = self.bots[bot].peer;
            if !self.far.contains(&peer) && !self.w.peers[peer.0].gone {
                self.w.breaks(peer);
            }
        }
        self.w.store = Store::Durable;
        self.w.reports = true;
        self.w.report_ends();
        self.w.pbx = Pbx::Answers;
        self.w.store_catches_up();
        self.w.wait(seconds(5 * 3600));
        for wire in &mut self.w.peers {
            wire.inbox.clear();
        }
        let records = self.w.records().len();
        let begun = self
            .w
            .observed
            .iter()
            .filter(|one| matches!(one, crate::engine::Observation::Call { change: "started", .. }));
        assert_eq!(records, begun.count(), "one record for each call");
        self.w.finish();
    }
}

fn play(seed: u64) {
    let mut chaos = Chaos::new(seed);
    for _ in 0..120 {
        chaos.step();
    }
    chaos.end();
}

#[test]
fn nothing_is_left_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("CHAOS_SEED").unwrap_or(0);
    for seed in first..first + number("CHAOS_SEEDS").unwrap_or(30) {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "seed {seed}");
    }
}

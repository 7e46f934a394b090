//! UDP loses and repeats messages: two phones with transaction layers of their own call each other through it.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::descriptions::audio;
use super::proof::proof;
use super::world::{Peer, World, seconds};
use crate::engine::dialog::Dialog;
use crate::engine::flow::Flow;
use crate::engine::testing::message;
use crate::engine::transaction::{ClientId, Event, Layer, RequestOptions, Settings};
use crate::sip::header::ContentType;
use crate::sip::{Message, Method, NameAddr, Request, Response, StatusCode, Uri};

/// A phone that behaves.
struct Robot {
    peer: Peer,
    layer: Layer,
    dialog: Option<Dialog>,
    asked: Option<(ClientId, Request)>,
    is_up: bool,
    is_over: bool,
}

struct Lossy {
    w: World,
    robots: [Robot; 2],
    rng: ChaCha20Rng,
    lost: u32,
}

impl Lossy {
    fn new(seed: u64) -> Self {
        let mut w = World::alone();
        let robot = |w: &mut World, number: &str, seed: u64| {
            let peer = w.udp_phone(number);
            w.peers[peer.0].raw = true;
            let layer = Layer::new(Settings::default(), ChaCha20Rng::seed_from_u64(seed));
            Robot { peer, layer, dialog: None, asked: None, is_up: false, is_over: false }
        };
        let robots = [robot(&mut w, "1001", seed + 1), robot(&mut w, "1002", seed + 2)];
        Self { w, robots, rng: ChaCha20Rng::seed_from_u64(seed), lost: 0 }
    }

    /// How many copies of a message arrive: mostly one, sometimes none or two.
    fn copies(&mut self) -> usize {
        match self.rng.next_u32() % 100 {
            0..25 => {
                self.lost += 1;
                0
            }
            25..35 => 2,
            _ => 1,
        }
    }

    fn flow(&self, robot: usize) -> Flow {
        let known = self.w.peers[self.robots[robot].peer.0].flow;
        Flow { local: known.remote, remote: known.local, ..known }
    }

    /// Carries messages to and fro until nobody has anything to say.
    fn carry(&mut self) {
        loop {
            let mut moved = false;
            for robot in 0..2 {
                let flow = self.flow(robot);
                let peer = self.robots[robot].peer;
                while let Some(text) = self.w.peers[peer.0].inbox.pop_front() {
                    moved = true;
                    for _ in 0..self.copies() {
                        let copy = String::from_utf8(text.to_bytes().to_vec()).unwrap();
                        self.robots[robot].layer.receive(self.w.now, flow, message(&copy));
                    }
                }
                while let Some(event) = self.robots[robot].layer.poll_event() {
                    self.hear(robot, event);
                }
                while let Some((_, bytes)) = self.robots[robot].layer.poll_transmit() {
                    moved = true;
                    for _ in 0..self.copies() {
                        self.w.wire(peer, core::str::from_utf8(&bytes).unwrap());
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn wait(&mut self, span: Duration) {
        let end = self.w.now.plus(span);
        loop {
            let theirs = self.robots.iter_mut().filter_map(|robot| robot.layer.poll_timeout()).min();
            let next = [self.w.engine.poll_timeout(), theirs].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end.instant) else { break };
            let span = at.saturating_duration_since(self.w.now.instant);
            self.w.wait(span);
            for robot in &mut self.robots {
                robot.layer.handle_timeout(self.w.now);
            }
            self.carry();
        }
        self.w.wait(end.instant.saturating_duration_since(self.w.now.instant));
    }

    fn calls(&mut self) {
        let mut line = self.w.line(self.robots[0].peer, "1001", "1002");
        let text = self.w.request_text(&mut line, "INVITE", &audio(4000), "");
        let Message::Request(request) = message(&text) else { unreachable!() };
        self.invites(request);
    }

    fn invites(&mut self, mut request: Request) {
        request.headers.remove(&crate::sip::HeaderName::Via);
        let (flow, now) = (self.flow(0), self.w.now);
        let sent = self.robots[0].layer.request(now, flow, request.clone(), RequestOptions::default());
        self.robots[0].asked = Some((sent.unwrap(), request));
        self.carry();
    }

    fn hear(&mut self, robot: usize, event: Event) {
        match event {
            Event::Response { client, response, .. } => self.hear_response(robot, client, &response),
            Event::Request { server, request, .. } => {
                let flow = self.flow(robot);
                let contact = NameAddr::new(Uri::parse(&"sip:1002@192.0.2.102:5060".into()).unwrap());
                let now = self.w.now;
                if request.method == Method::Bye {
                    self.robots[robot].is_over = true;
                    let ok = Response::to_request(&request, StatusCode::OK, None);
                    self.robots[robot].layer.respond(now, server, ok).unwrap();
                    return;
                }
                let dialog = Dialog::as_uas(&request, "bob", contact, flow).unwrap();
                let ringing = dialog.response(&request, StatusCode::RINGING);
                let mut ok = dialog.response(&request, StatusCode::OK);
                ok.headers.set(&ContentType::sdp());
                ok.body = audio(5000).into();
                self.robots[robot].dialog = Some(dialog);
                self.robots[robot].layer.respond(now, server, ringing).unwrap();
                self.robots[robot].layer.respond(now, server, ok).unwrap();
            }
            Event::Ack { .. } => self.robots[robot].is_up = true,
            Event::Failed { .. } | Event::Unacknowledged { .. } => self.robots[robot].is_over = true,
            _ => {}
        }
    }

    fn hear_response(&mut self, robot: usize, client: ClientId, response: &Response) {
        let Some((asked, request)) = self.robots[robot].asked.clone().filter(|(asked, _)| *asked == client)
        else {
            return;
        };
        let (flow, now) = (self.flow(robot), self.w.now);
        if response.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let proof = proof(response, "INVITE", &request.uri.to_string(), "1001", "pw-1001", 1);
            let mut again = request;
            again.headers.push(crate::sip::HeaderName::ProxyAuthorization, proof);
            again.headers.set(&crate::sip::header::CSeq { number: 2, method: Method::Invite });
            return self.invites(again);
        }
        if response.status.is_success() {
            let dialog = Dialog::as_uac(&request, response, flow).unwrap();
            let ack = dialog.ack_for(2);
            let mut line_dialog = dialog;
            let robot = &mut self.robots[robot];
            robot.layer.ack_2xx(now, flow, asked, ack).unwrap();
            robot.is_up = true;
            let _ = line_dialog.contact();
            line_dialog.confirm();
            robot.dialog = Some(line_dialog);
        } else if response.status.is_final() {
            self.robots[robot].is_over = true;
        }
    }

    fn hangs_up(&mut self) {
        let (flow, now) = (self.flow(0), self.w.now);
        let robot = &mut self.robots[0];
        let Some(dialog) = robot.dialog.as_mut() else { return };
        let bye = dialog.bye();
        robot.layer.request(now, flow, bye, RequestOptions::default()).unwrap();
        self.carry();
    }
}

#[test]
fn calls_are_set_up_and_taken_down_all_the_same() {
    let mut answered = 0;
    let mut lost = 0;
    for seed in 0..60 {
        let mut lossy = Lossy::new(seed);
        lossy.calls();
        lossy.wait(seconds(40));
        let is_up = lossy.robots.iter().all(|robot| robot.is_up && !robot.is_over);
        let causes: Vec<_> = lossy.w.records().iter().map(|record| record.cause).collect();
        assert_eq!(
            is_up,
            lossy.w.engine.calls().active() == 1,
            "seed {seed}: the ends and we agree: {causes:?}"
        );
        answered += u32::from(is_up);
        if is_up {
            lossy.hangs_up();
        }
        lossy.wait(seconds(80));
        assert!(!is_up || lossy.robots[1].is_over, "seed {seed}: the other end heard the BYE");
        lost += lossy.lost;
        lossy.w.finish();
    }
    assert!(lost > 300, "{lost} messages were lost");
    assert!(answered >= 55, "{answered} of 60 were answered");
}

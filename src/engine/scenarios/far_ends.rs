//! The other ends of links: how they are dialled, and what they do by themselves.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::descriptions::{audio, secured_answer};
use super::phones::Line;
use super::world::*;
use crate::engine::Input;
use crate::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use crate::engine::routing::tests::{link, parts, route, table};
use crate::engine::routing::{Dial, DialFailure, DialResult, DialTicket, FederationToken, Link, RouteTable};
use crate::engine::settings::{RoutingSettings, Settings};
use crate::engine::testing::{self, address};
use crate::sip::{Request, Response, StatusCode, Transport, parse};

/// What becomes of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialling {
    /// There is a way to this peer.
    Opens(Peer),
    /// There is none.
    Fails(DialFailure),
    /// The shell says nothing.
    Stalls,
}

/// All far ends.
#[derive(Debug, Default)]
pub(super) struct FarEnds {
    dials: HashMap<String, Dialling>,
    pub(super) waiting: Vec<(String, DialTicket)>,
    ends: HashSet<usize>,
    deaf: HashSet<usize>,
    /// The tokens that were shown with dials.
    pub(super) shown: Vec<Option<FederationToken>>,
    /// The status with which OPTIONS is answered, when it is not 200.
    refusing: HashMap<usize, u16>,
}

impl FarEnds {
    pub(super) fn has(&self, flow: Flow, peers: &[Wire]) -> bool {
        self.ends.iter().any(|place| peers[*place].flow == flow)
    }

    pub(super) fn is_end(&self, peer: Peer) -> bool {
        self.ends.contains(&peer.0)
    }

    pub(super) fn is_deaf(&self, peer: Peer) -> bool {
        self.deaf.contains(&peer.0)
    }
}

/// Settings of an office without Asterisk whose own links are these.
pub(super) fn with_own(links: &[&str]) -> Settings {
    let links = links.iter().map(|text| Arc::new(link(text))).collect();
    let routing = RoutingSettings { links, ..RoutingSettings::default() };
    Settings { asterisk: None, routing, ..testing::settings() }
}

/// A table of these links and routes.
pub(super) fn pushed(links: &[&str], routes: &[&str]) -> Arc<RouteTable> {
    pushed_with(links, routes, |_| {})
}

/// The same for another office than BRU.
pub(super) fn pushed_to(office: &str, links: &[&str], routes: &[&str]) -> Arc<RouteTable> {
    let links = links.iter().map(|text| link(text)).collect();
    let mut parts = parts(links, routes.iter().map(|text| route(text)).collect());
    parts.office = office.parse().unwrap();
    Arc::new(RouteTable::new(parts).unwrap())
}

/// The same with changed links.
pub(super) fn pushed_with(links: &[&str], routes: &[&str], change: impl Fn(&mut Link)) -> Arc<RouteTable> {
    let mut links: Vec<_> = links.iter().map(|text| link(text)).collect();
    links.iter_mut().for_each(change);
    table(links, routes.iter().map(|text| route(text)).collect())
}

impl World {
    /// The other end of a link: another office's when it has a name, else a gateway's. The link's dials open to it.
    pub(super) fn far_end(&mut self, link: &str, office: &str) -> Peer {
        let transport = if office.is_empty() { Transport::Udp } else { Transport::Tls };
        let place = self.peers.len();
        let remote = address(&format!("198.51.100.{place}:5061"));
        let flow = Flow {
            transport,
            local: address("192.0.2.1:40000"),
            remote,
            connection: transport.reliable().then_some(ConnectionId(place as u64)),
            side: if office.is_empty() { Side::Gateway } else { Side::Office(office.parse().unwrap()) },
        };
        let peer = self.peer(link, flow);
        self.far.ends.insert(peer.0);
        self.far.dials.insert(link.to_owned(), Dialling::Opens(peer));
        peer
    }

    /// From now on dials of a link end so.
    pub(super) fn link_dials(&mut self, link: &str, dialling: Dialling) {
        self.far.dials.insert(link.to_owned(), dialling);
    }

    /// Ops push a table; the links are looked at.
    pub(super) fn push(&mut self, table: Arc<RouteTable>) {
        self.feed(Input::Routes(table));
        self.wait(std::time::Duration::from_millis(200));
    }

    /// A far end hears nothing any more: packets are dropped on the way.
    pub(super) fn goes_deaf(&mut self, peer: Peer) {
        self.far.deaf.insert(peer.0);
    }

    /// It hears again.
    pub(super) fn hears_again(&mut self, peer: Peer) {
        self.far.deaf.remove(&peer.0);
    }

    /// Something comes from it: it is slow, not silent.
    pub(super) fn shows_life(&mut self, peer: Peer) {
        let flow = self.peers[peer.0].flow;
        let stray = testing::message(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 192.0.2.1:40000;branch=z9hG4bKnone\r\nFrom: <sip:a@b>;tag=a\r\n\
             To: <sip:a@b>;tag=b\r\nCall-ID: none\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        );
        self.feed(Input::Sip { flow, message: Ok(stray) });
    }

    /// We reset the connection with it: nothing that it says on it is heard any more.
    pub(super) fn is_reset(&mut self, flow: Flow) {
        for wire in self.peers.iter_mut().filter(|wire| wire.flow == flow) {
            wire.gone = true;
        }
        self.inputs.push_back(Input::FlowFailed { flow, reason: FlowFailure::Silent });
    }

    /// It answers OPTIONS so.
    pub(super) fn answers_options(&mut self, peer: Peer, status: u16) {
        self.far.refusing.insert(peer.0, status);
    }

    pub(super) fn far_end_is_dialled(&mut self, dial: &Dial) {
        let link = dial.link.to_string();
        self.far.shown.push(dial.token.clone());
        let result = match self.far.dials.get(&link) {
            Some(Dialling::Opens(peer)) => {
                let wire = &mut self.peers[peer.0];
                if wire.gone {
                    wire.gone = false;
                    let old = wire.flow.connection.map(|connection| ConnectionId(connection.0 + 1000));
                    wire.flow.connection = old;
                }
                DialResult::Open { flow: wire.flow, others: vec![] }
            }
            Some(Dialling::Fails(failure)) => DialResult::Failed(*failure),
            Some(Dialling::Stalls) | None => return self.far.waiting.push((link, dial.ticket)),
        };
        self.inputs.push_back(Input::Dialled { ticket: dial.ticket, result });
    }

    pub(super) fn far_end_is_probed(&mut self, peer: Peer, request: &Request) {
        let status = StatusCode::new(self.far.refusing.get(&peer.0).copied().unwrap_or(200)).unwrap();
        let response = Response::to_request(request, status, Some("far"));
        let (flow, message) = (self.peers[peer.0].flow, parse::parse(response.to_bytes()));
        self.inputs.push_back(Input::Sip { flow, message });
    }

    /// The called far end answers, by SRTP if it was offered that.
    pub(super) fn far_answers(&mut self, line: &Line, status: u16) {
        let body = Self::far_description(line);
        self.answers(line, status, &body);
    }

    pub(super) fn far_description(line: &Line) -> String {
        let offer = &line.invite.body;
        if String::from_utf8_lossy(offer).contains("RTP/SAVP") {
            secured_answer(offer, 5000)
        } else {
            audio(5000)
        }
    }

    /// The far end answers the call, and both hang up.
    pub(super) fn talks_and_ends(mut self, mut a: Line, mut b: Line) {
        self.far_answers(&b, 200);
        self.asked(&mut b, "ACK");
        self.hears(&mut a, 200);
        self.ends_answered(a, b);
    }

    /// A phone here answers another office's call, in media that nobody between them hears, and both hang up.
    pub(super) fn takes_secured_and_ends(mut self, mut a: Line, mut b: Line) {
        self.answers(&b, 200, &audio(5000));
        self.asked(&mut b, "ACK");
        let ok = self.hears(&mut a, 200);
        assert!(String::from_utf8_lossy(&ok.body).contains("RTP/SAVP"), "media between offices are SRTP");
        self.ends_answered(a, b);
    }

    fn ends_answered(mut self, mut a: Line, mut b: Line) {
        self.acks(&mut a, "");
        self.hangs_up(&mut a);
        self.is_hung_up(&mut b);
        self.closes();
    }

    /// The links go, and then nothing may be left.
    pub(super) fn closes(mut self) {
        self.wait(seconds(120));
        let settings = Settings { routing: RoutingSettings::default(), ..self.settings.clone() };
        self.feed(Input::Settings(Box::new(settings)));
        self.push(Arc::new(RouteTable::new(parts(vec![], vec![])).unwrap()));
        self.finish();
    }

    /// The attempts of the last call: link or way, outcome, reason.
    pub(super) fn attempts(&self) -> Vec<(String, &'static str, String)> {
        let records = self.records();
        let attempts = records.last().map(|record| record.attempts.clone()).unwrap_or_default();
        let by = |link: Option<String>, by: &str| link.unwrap_or_else(|| by.to_owned());
        attempts.into_iter().map(|one| (by(one.link, one.by), one.outcome, one.reason)).collect()
    }
}

//! Links in virtual time: dialled, probed, lost and found again.

use super::*;
use crate::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use crate::engine::testing::{self, address};
use crate::sip::Transport;
use crate::time::Now;

struct World {
    links: Links,
    now: Now,
    connections: u64,
    /// Whether the peers answer OPTIONS, and whether connections can be made.
    answers: bool,
    connects: bool,
    /// What was done, with seconds since the start.
    log: Vec<(u64, &'static str)>,
    start: Now,
}

impl World {
    fn new(links: &[&str]) -> Self {
        let links: Vec<_> = links.iter().map(|text| Arc::new(link(text))).collect();
        let start = testing::now();
        let mut world = Self {
            links: Links::default(),
            now: start,
            connections: 0,
            answers: true,
            connects: true,
            log: vec![],
            start,
        };
        world.links.set(links.iter(), start);
        world
    }

    fn note(&mut self, what: &'static str) {
        let at = self.now.wall.since(self.start.wall).as_secs();
        self.log.push((at, what));
    }

    fn flow(&mut self, transport: Transport) -> Flow {
        self.connections += 1;
        Flow {
            transport,
            local: address("192.0.2.1:40000"),
            remote: address(&format!("198.51.100.{}:5061", self.connections)),
            connection: transport.reliable().then_some(ConnectionId(self.connections)),
            side: Side::Gateway,
        }
    }

    fn work(&mut self) {
        while let Some(order) = self.links.poll_order() {
            match order {
                LinkOrder::Dial(dial) => {
                    self.note("dial");
                    let result = if self.connects {
                        let flow = self.flow(dial.address.transport);
                        let others =
                            if flow.connection.is_none() { vec![self.flow(Transport::Udp)] } else { vec![] };
                        DialResult::Open { flow, others }
                    } else {
                        DialResult::Failed(DialFailure::Refused)
                    };
                    self.links.dialled(dial.ticket, result, self.now);
                }
                LinkOrder::Probe { token, .. } => {
                    self.note("probe");
                    self.links.probed(token, self.answers.then_some(200), self.now);
                }
                LinkOrder::Register { token, .. } => {
                    self.note("register");
                    self.links.registered(token, self.answers.then_some(seconds(60)), self.now);
                }
                LinkOrder::Close(_) => self.note("close"),
                LinkOrder::Reset(_) => self.note("reset"),
            }
        }
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now.plus(span);
        self.work();
        while let Some(at) = self.links.poll_timeout().filter(|at| *at <= end.instant) {
            self.now = self.now.plus(at.saturating_duration_since(self.now.instant));
            self.links.handle_timeout(self.now);
            self.work();
        }
        self.now = end;
    }

    fn state(&self) -> LinkState {
        self.links.overview().next().unwrap().state
    }

    fn id() -> LinkId {
        "par".parse().unwrap()
    }

    fn reached(&mut self) -> Reach {
        self.links.reach(&Self::id(), self.now)
    }
}

const PAR: &str = "par SipTrunk PAR sips:par.example";
const CARRIER: &str = "par PstnGateway - sip:carrier.example";

#[test]
fn a_link_is_dialled_and_probed_at_once_and_then_now_and_again() {
    let mut w = World::new(&[PAR]);
    w.wait(Duration::from_millis(1));
    assert_eq!((w.state(), w.log.as_slice()), (LinkState::Up, [(0, "dial"), (0, "probe")].as_slice()));
    assert!(matches!(w.reached(), Reach::Flow(_)));
    w.log.clear();
    w.wait(seconds(11));
    assert_eq!(w.log, [(5, "probe"), (10, "probe")]);
}

#[test]
fn a_silent_peer_is_down_after_two_probes_and_up_again_after_three() {
    let mut w = World::new(&[PAR]);
    w.wait(seconds(1));
    w.answers = false;
    w.wait(seconds(6));
    assert_eq!(w.state(), LinkState::Down);
    w.answers = true;
    w.wait(seconds(5));
    assert_eq!(w.state(), LinkState::Probing);
    w.wait(seconds(3));
    assert_eq!(w.state(), LinkState::Up);
    let states: Vec<_> =
        std::iter::from_fn(|| w.links.poll_change()).map(|change| change.state.as_str()).collect();
    assert_eq!(states, ["up", "probing", "down", "probing", "up"]);
}

#[test]
fn a_broken_connection_is_dialled_again_at_once() {
    let mut w = World::new(&[PAR]);
    w.wait(seconds(1));
    let Reach::Flow(flow) = w.reached() else { panic!("it is open") };
    w.log.clear();
    w.links.flow_lost(flow, FlowFailure::Closed, w.now);
    assert_eq!(w.state(), LinkState::Probing);
    w.wait(Duration::from_millis(1));
    assert_eq!(w.log, [(1, "dial"), (1, "probe")]);
    assert_eq!(w.state(), LinkState::Up);
}

#[test]
fn a_peer_that_refuses_connections_is_down_and_found_again() {
    let mut w = World::new(&[PAR]);
    w.connects = false;
    w.wait(seconds(2));
    assert_eq!(w.state(), LinkState::Down);
    assert!(matches!(w.reached(), Reach::Wait), "a call may try");
    w.work();
    assert_eq!(w.reached(), Reach::Failed(DialFailure::Refused), "but not twice in a moment");
    w.connects = true;
    w.wait(seconds(9));
    assert_eq!(w.state(), LinkState::Up);
}

#[test]
fn a_dial_that_the_shell_never_answers_fails() {
    let mut w = World::new(&[PAR]);
    w.links.handle_timeout(w.now);
    let Some(LinkOrder::Dial(dial)) = w.links.poll_order() else { panic!("it is dialled") };
    w.now = w.now.plus(seconds(2));
    let unanswered = w.links.handle_timeout(w.now);
    assert_eq!(unanswered, [(World::id(), DialFailure::TimedOut)]);
    let flow = w.flow(Transport::Tls);
    assert_eq!(w.links.dialled(dial.ticket, DialResult::Open { flow, others: vec![] }, w.now), None);
    let orders: Vec<_> = std::iter::from_fn(|| w.links.poll_order()).collect();
    assert!(orders.contains(&LinkOrder::Close(flow)), "what comes too late is closed");
}

#[test]
fn over_udp_a_dead_first_address_gives_way_to_the_next() {
    let mut w = World::new(&[CARRIER]);
    w.answers = false;
    w.wait(Duration::from_millis(1));
    let Reach::Flow(second) = w.reached() else { panic!("it is open") };
    assert_eq!(second.remote, address("198.51.100.2:5061"));
    w.links.flow_lost(second, FlowFailure::Refused, w.now);
    let Reach::Flow(first) = w.reached() else { panic!("it is open") };
    assert_eq!(first.remote, address("198.51.100.1:5061"));
    assert!(w.links.on_flow(second).is_some(), "its other addresses are its own");
}

#[test]
fn a_call_that_hears_nothing_has_the_connection_reset_and_the_link_probed_at_once() {
    let mut w = World::new(&[PAR]);
    w.wait(seconds(1));
    w.log.clear();
    w.answers = false;
    let Reach::Flow(silent) = w.reached() else { panic!("it is open") };
    w.links.failed(&World::id(), LinkFailure::CallSilent, w.now);
    assert!(w.links.on_flow(silent).is_none());
    w.wait(Duration::from_millis(1));
    let expected = [(1, "reset"), (1, "dial"), (1, "probe")];
    assert_eq!((w.state(), w.log.as_slice()), (LinkState::Down, expected.as_slice()));
    w.links.flow_lost(silent, FlowFailure::Silent, w.now);
    assert!(matches!(w.reached(), Reach::Flow(_)), "the end of the old one does not end the new one");
}

#[test]
fn a_connection_on_which_something_came_lately_stays_when_a_call_hears_nothing() {
    let mut w = World::new(&[PAR]);
    w.wait(seconds(1));
    w.log.clear();
    let Reach::Flow(slow) = w.reached() else { panic!("it is open") };
    w.links.heard(slow, w.now);
    w.now = w.now.plus(Duration::from_millis(499));
    w.links.failed(&World::id(), LinkFailure::CallSilent, w.now);
    w.wait(Duration::from_millis(1));
    assert_eq!(w.log, [(1, "probe")]);
    w.links.failed(&World::id(), LinkFailure::CallSilent, w.now);
    w.work();
    assert_eq!(w.log, [(1, "probe"), (1, "reset")]);
}

#[test]
fn a_link_of_asterisk_is_as_asterisk_is_until_calls_fail() {
    let mut w = World::new(&["par IaxTrunk PAR iax2:par"]);
    w.wait(seconds(60));
    assert!(w.log.is_empty(), "it is not probed");
    assert_eq!(w.reached(), Reach::Asterisk);
    let iax = link("par IaxTrunk PAR iax2:par");
    assert_eq!(w.links.standing(&iax, true).state, LinkState::Up);
    assert_eq!(w.links.standing(&iax, false).state, LinkState::Down);
    w.links.failed(&World::id(), LinkFailure::CallStuck, w.now);
    w.links.failed(&World::id(), LinkFailure::CallStuck, w.now);
    assert_eq!(w.links.standing(&iax, true).state, LinkState::Down);
    w.wait(CALL_HOLD);
    assert_eq!(w.links.standing(&iax, true).state, LinkState::Probing);
}

#[test]
fn a_new_table_keeps_what_did_not_change() {
    let mut w = World::new(&[PAR]);
    w.wait(seconds(1));
    w.links.take(&World::id());
    w.log.clear();
    let mut dearer = link(PAR);
    dearer.cost = 7;
    w.links.set([Arc::new(dearer.clone())].iter(), w.now);
    w.wait(Duration::from_millis(1));
    assert_eq!((w.state(), w.log.len()), (LinkState::Up, 0), "cost is none of the connection's business");
    dearer.address = "sips:elsewhere.example".parse().unwrap();
    w.links.set([Arc::new(dearer)].iter(), w.now);
    w.wait(Duration::from_millis(1));
    assert_eq!(w.log, [(1, "close"), (1, "dial"), (1, "probe")]);
}

#[test]
fn a_link_that_is_gone_goes_with_its_last_call() {
    let mut w = World::new(&[PAR]);
    w.wait(seconds(1));
    w.links.take(&World::id());
    w.log.clear();
    w.links.set([].iter(), w.now);
    w.work();
    assert!(w.log.is_empty() && w.links.overview().next().is_none());
    w.links.give(&World::id());
    w.work();
    assert_eq!(w.log, [(1, "close")]);
    assert_eq!(w.reached(), Reach::Gone);
    w.wait(seconds(60));
    assert_eq!(w.log.len(), 1, "nothing goes on");
}

#[test]
fn a_disabled_link_is_let_alone() {
    let mut one = link(PAR);
    one.disabled = true;
    let mut w = World::new(&[]);
    w.links.set([Arc::new(one)].iter(), w.now);
    w.wait(seconds(60));
    assert!(w.log.is_empty());
}

#[test]
fn a_carrier_is_registered_with_and_again_at_half_time_or_after_a_refusal() {
    let mut one = link(CARRIER);
    one.registration = Some(seconds(600));
    one.health.probe = Duration::ZERO;
    let mut w = World::new(&[]);
    w.links.set([Arc::new(one)].iter(), w.now);
    w.wait(seconds(31));
    assert_eq!(w.log, [(0, "dial"), (0, "register"), (30, "register")]);
    w.answers = false;
    w.log.clear();
    w.wait(seconds(61));
    assert_eq!(w.log, [(60, "register"), (90, "register")]);
    w.links.set([].iter(), w.now);
    w.log.clear();
    w.wait(seconds(120));
    assert!(w.log.is_empty(), "nobody registers for a link that is gone");
}

#[test]
fn a_connection_closed_for_being_idle_is_no_failure() {
    let mut one = link(PAR);
    one.health.probe = Duration::ZERO;
    let mut w = World::new(&[]);
    w.links.set([Arc::new(one)].iter(), w.now);
    for _ in 0..5 {
        assert_eq!(w.reached(), Reach::Wait, "it is dialled when a call wants it");
        w.work();
        let Reach::Flow(flow) = w.reached() else { panic!("it is open") };
        w.wait(seconds(600));
        w.links.flow_lost(flow, FlowFailure::Idle, w.now);
        assert_eq!(w.state(), LinkState::Up);
    }
    assert_eq!(w.log.len(), 5, "five dials and no probe");
}

//! Two layers over a network that loses, repeats and delays datagrams: every transaction ends, with exactly
//! one outcome at each end.

use proptest::prelude::*;
use rand_chacha::rand_core::Rng;

use super::*;

/// A datagram under way.
struct Datagram {
    due: Instant,
    to_server: bool,
    bytes: Bytes,
}

struct Network {
    client: Layer,
    server: Layer,
    /// As the client sees it.
    out: Flow,
    /// As the server sees it.
    back: Flow,
    under_way: Vec<Datagram>,
    chance: ChaCha20Rng,
    /// Of a thousand.
    loss: u32,
    repeat: u32,
    now: Now,
}

/// What the user at each end saw.
#[derive(Debug, Default)]
struct Outcome {
    responses: u32,
    failures: u32,
    requests: u32,
    acks: u32,
    unacknowledged: u32,
}

/// How the two users behave.
#[derive(Clone, Copy, Debug)]
struct Script {
    method: u8,
    ringing: bool,
    code: u16,
    cancel: bool,
}

impl Network {
    fn new(seed: u64, loss: u32, repeat: u32) -> Self {
        let layer = |seed| Layer::new(Settings::default(), ChaCha20Rng::seed_from_u64(seed));
        let out = flow(Transport::Udp);
        let back = Flow { local: out.remote, remote: out.local, ..out };
        let chance = ChaCha20Rng::seed_from_u64(seed);
        let (client, server) = (layer(seed ^ 1), layer(seed ^ 2));
        Self { client, server, out, back, under_way: Vec::new(), chance, loss, repeat, now: now() }
    }

    fn post(&mut self) {
        for to_server in [true, false] {
            let from = if to_server { &mut self.client } else { &mut self.server };
            while let Some((_, bytes)) = from.poll_transmit() {
                let copies = 1 + u32::from(self.chance.next_u32() % 1000 < self.repeat);
                for _ in 0..copies {
                    if self.chance.next_u32() % 1000 < self.loss {
                        continue;
                    }
                    let due =
                        self.now.instant + Duration::from_millis(u64::from(self.chance.next_u32() % 300));
                    self.under_way.push(Datagram { due, to_server, bytes: bytes.clone() });
                }
            }
        }
    }

    /// Goes to the next thing that happens; `false` when nothing will.
    fn step(&mut self) -> bool {
        let deliveries = self.under_way.iter().map(|datagram| datagram.due);
        let deadlines = [self.client.poll_timeout(), self.server.poll_timeout()];
        let Some(next) = deliveries.chain(deadlines.into_iter().flatten()).min() else { return false };
        self.now = self.now.plus(next.saturating_duration_since(self.now.instant));
        while let Some(at) = self.under_way.iter().position(|datagram| datagram.due <= self.now.instant) {
            let datagram = self.under_way.swap_remove(at);
            let message = parse(datagram.bytes).unwrap();
            if datagram.to_server {
                self.server.receive(self.now, self.back, message);
            } else {
                self.client.receive(self.now, self.out, message);
            }
        }
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        true
    }

    fn play(&mut self, script: Script) -> Outcome {
        let mut seen = Outcome::default();
        let method = if script.method == 0 { Method::Invite } else { Method::Options };
        let client =
            self.client.request(self.now, self.out, ours(&method), RequestOptions::default()).unwrap();
        if script.cancel {
            let _ = self.client.cancel(self.now, client, None);
        }
        self.post();
        // A ringing INVITE has no timer: in the end its user loses patience.
        for _ in 0..2 {
            while self.step() {
                self.client_user(&mut seen);
                self.server_user(script, &mut seen);
                self.post();
            }
            let _ = self.client.cancel(self.now, client, None);
            self.post();
        }
        assert!(self.client.is_empty() && self.server.is_empty(), "nothing is left: {seen:?}");
        seen
    }

    fn client_user(&mut self, seen: &mut Outcome) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Response { response, .. } if response.status.is_provisional() => {}
                Event::Response { client, response, .. } => {
                    seen.responses += 1;
                    if response.status.is_success() && response.cseq().unwrap().method == Method::Invite {
                        let ack = our_ack(&response.to_tag().unwrap());
                        self.client.ack_2xx(self.now, self.out, client, ack).unwrap();
                    }
                }
                Event::Failed { .. } => seen.failures += 1,
                other => panic!("{other:?}"),
            }
        }
    }

    fn server_user(&mut self, script: Script, seen: &mut Outcome) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Request { server, request, .. } => {
                    seen.requests += 1;
                    let answer =
                        |code| Response::to_request(&request, StatusCode::new(code).unwrap(), Some("ours"));
                    if script.ringing {
                        self.server.respond(self.now, server, answer(180)).unwrap();
                    }
                    self.server.respond(self.now, server, answer(script.code)).unwrap();
                }
                Event::Ack { .. } => seen.acks += 1,
                Event::Unacknowledged { .. } => seen.unacknowledged += 1,
                other => panic!("{other:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_transaction_ends_with_one_outcome(
        seed in any::<u64>(),
        loss in 0u32..900,
        repeat in 0u32..500,
        method in 0u8..2,
        ringing in any::<bool>(),
        code in prop::sample::select(vec![200u16, 302, 404, 486, 500, 603]),
        cancel in any::<bool>(),
    ) {
        let mut network = Network::new(seed, loss, repeat);
        let seen = network.play(Script { method, ringing, code, cancel });
        prop_assert_eq!(seen.responses + seen.failures, 1, "at the client: {:?}", seen);
        prop_assert!(seen.requests <= 1, "at the server: {:?}", seen);
        prop_assert!(seen.acks + seen.unacknowledged <= seen.requests, "at the server: {:?}", seen);
        if method == 0 && code == 200 && seen.requests == 1 {
            prop_assert_eq!(seen.acks + seen.unacknowledged, 1, "at the server: {:?}", seen);
        }
        if loss == 0 {
            prop_assert_eq!(seen.responses, 1);
        }
    }

    #[test]
    fn little_loss_is_made_good(seed in any::<u64>(), method in 0u8..2, ok in any::<bool>()) {
        let code = if ok { 200 } else { 486 };
        let seen = Network::new(seed, 100, 100).play(Script { method, ringing: true, code, cancel: false });
        prop_assert_eq!((seen.responses, seen.requests, seen.unacknowledged), (1, 1, 0));
    }
}

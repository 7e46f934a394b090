use super::*;
use crate::engine::testing::{now, settings};
use crate::sip::StatusCode;
use crate::sip::header::Expires;
use proptest::prelude::*;

/// Something that happens to the mirror.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// An extension has a device, or none.
    Device(u8, bool),
    /// The oldest or newest open request is answered 200 with or without contacts, refused, or fails.
    Answered { newest: bool, how: u8 },
    /// Milliseconds pass.
    Wait(u32),
    /// A call found Asterisk silent.
    Suspect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..4u8, any::<bool>()).prop_map(|(extension, has)| Step::Device(extension, has)),
        5 => (any::<bool>(), 0..4u8).prop_map(|(newest, how)| Step::Answered { newest, how }),
        4 => (0..20_000u32).prop_map(Step::Wait),
        1 => Just(Step::Suspect),
    ];
    proptest::collection::vec(step, 1..120)
}

/// A mirror, what it has asked, and what Asterisk would hold by the order of its answers.
struct Bench {
    mirror: Mirror,
    now: Now,
    open: Vec<(MirrorToken, Request)>,
    contacts: BTreeMap<String, bool>,
}

impl Bench {
    fn new() -> Self {
        let now = now();
        let mirror = Mirror::new(&settings(), now);
        Self { mirror, now, open: Vec::new(), contacts: BTreeMap::new() }
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now.plus(span);
        while let Some(at) = self.mirror.poll_timeout().filter(|at| *at <= end.instant) {
            self.now = self.now.plus(at.saturating_duration_since(self.now.instant));
            self.mirror.handle_timeout(self.now);
            self.take();
        }
        self.now = end;
    }

    /// Asterisk carries a REGISTER out when it arrives, whatever becomes of its answer.
    fn take(&mut self) {
        while let Some(MirrorRequest { token, request, .. }) = self.mirror.poll_request() {
            if let (true, Ok(Some(expires))) =
                (request.headers.has(&HeaderName::Contact), request.headers.read::<Expires>())
            {
                let user = request.to().unwrap().uri.user().unwrap().into_owned();
                self.contacts.insert(user, expires.0 > 0);
            }
            self.open.push((token, request));
        }
        self.nothing_is_stuck();
    }

    fn answer(&mut self, newest: bool, how: u8) {
        if self.open.is_empty() {
            return;
        }
        let (token, request) = self.open.remove(if newest { self.open.len() - 1 } else { 0 });
        if how == 3 {
            return self.mirror.failed(self.now, token);
        }
        let status = if how == 2 { StatusCode::FORBIDDEN } else { StatusCode::OK };
        let mut response = Response::to_request(&request, status, Some("t"));
        if how == 0 {
            response.headers.push(HeaderName::Contact, "<sip:x@127.0.0.1>");
        }
        self.mirror.response(self.now, token, &response);
    }

    /// Whatever an extension waits for, something will happen.
    fn nothing_is_stuck(&self) {
        let mirror = &self.mirror;
        for (extension, entry) in &mirror.entries {
            let timed = mirror.timers.is_set(&Timer::Extension(entry.number));
            let asked = entry.latest.is_some_and(|latest| mirror.asked.contains_key(&latest));
            let moves = match entry.state {
                State::Wanted => entry.queued || timed,
                State::Asked => asked || entry.queued,
                State::Told => timed || entry.queued,
                State::Leaving => entry.queued || timed || asked,
            };
            assert!(moves, "{extension} is stuck: {entry:?}");
            assert_eq!(entry.queued, mirror.queue.contains(extension), "{extension} {entry:?}");
        }
        assert!(mirror.queue.is_empty() || mirror.timers.is_set(&Timer::Pace), "nobody serves the queue");
        assert!(mirror.timers.is_set(&Timer::Probe), "nobody probes");
        assert_eq!(mirror.numbers.len(), mirror.entries.len());
    }
}

fn play(steps: &[Step]) {
    let mut bench = Bench::new();
    let mut wanted = [false; 4];
    for step in steps {
        match *step {
            Step::Device(extension, has) => {
                wanted[usize::from(extension)] = has;
                let name = format!("100{extension}").parse().unwrap();
                bench.mirror.extension(&name, has, bench.now);
            }
            Step::Answered { newest, how } => bench.answer(newest, how),
            Step::Wait(span) => bench.wait(Duration::from_millis(span.into())),
            Step::Suspect => bench.mirror.suspect(bench.now),
        }
        bench.take();
    }
    // From now on Asterisk answers: in the end it knows the truth.
    for _ in 0..200 {
        while !bench.open.is_empty() {
            bench.answer(false, 0);
            bench.take();
        }
        bench.wait(Duration::from_secs(1));
    }
    for (extension, wanted) in (0..4).zip(wanted) {
        let known = bench.contacts.get(&format!("100{extension}")).copied().unwrap_or(false);
        assert_eq!(known, wanted, "100{extension}");
    }
    assert_eq!(bench.mirror.state(), AsteriskState::Up);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn asterisk_knows_the_truth_in_the_end_and_no_extension_is_ever_stuck(steps in steps()) {
        play(&steps);
    }
}

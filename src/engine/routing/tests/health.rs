use proptest::prelude::*;

use super::*;
use crate::engine::testing;
use crate::time::Now;

const SILENT: LinkFailure = LinkFailure::ProbeSilent;
const OK: LinkSuccess = LinkSuccess::Probe;

struct Sick {
    health: Health,
    now: Now,
}

impl Sick {
    fn new() -> Self {
        let now = testing::now();
        Self { health: Health::new(HealthPolicy::default(), false, now), now }
    }

    fn up() -> Self {
        let mut link = Self::new();
        link.ok();
        link
    }

    fn ok(&mut self) -> LinkState {
        self.health.success(self.now, OK);
        self.health.state()
    }

    fn fails(&mut self) -> LinkState {
        self.health.failure(self.now, SILENT);
        self.health.state()
    }

    fn later(&mut self, span: u64) {
        self.now = self.now.plus(seconds(span));
    }

    fn goes_down(&mut self) {
        self.fails();
        assert_eq!(self.fails(), LinkState::Down);
    }

    /// Seconds until it is up when a probe succeeds every second.
    fn recovery(&mut self) -> u64 {
        for second in 1..=400 {
            self.later(1);
            if self.ok() == LinkState::Up {
                return second;
            }
        }
        panic!("it never recovered");
    }
}

#[test]
fn a_new_link_is_in_doubt_and_one_answer_is_enough() {
    let mut link = Sick::new();
    assert_eq!(link.health.state(), LinkState::Probing);
    assert_eq!(link.ok(), LinkState::Up);
}

#[test]
fn one_failure_is_doubt_and_fail_after_is_down() {
    let mut link = Sick::up();
    assert_eq!(link.fails(), LinkState::Probing);
    assert_eq!(link.ok(), LinkState::Up, "one answer ends the doubt");
    assert_eq!(link.fails(), LinkState::Probing);
    assert_eq!(link.fails(), LinkState::Down);
    assert_eq!(link.health.last_failure(), Some(SILENT));
}

#[test]
fn recovery_wants_several_answers_in_a_row() {
    let mut link = Sick::up();
    link.goes_down();
    assert_eq!(link.ok(), LinkState::Probing);
    assert_eq!(link.fails(), LinkState::Down, "a failure in between starts again");
    link.later(60);
    assert_eq!(link.ok(), LinkState::Probing);
    assert_eq!(link.ok(), LinkState::Probing);
    assert_eq!(link.ok(), LinkState::Up);
}

#[test]
fn a_link_that_flaps_is_held_down_longer_each_time() {
    let mut link = Sick::up();
    let mut recoveries = vec![];
    for _ in 0..9 {
        link.goes_down();
        recoveries.push(link.recovery());
    }
    assert_eq!(recoveries, [3, 5, 10, 20, 40, 80, 160, 300, 300]);
    link.later(STEADY.as_secs());
    link.goes_down();
    assert_eq!(link.recovery(), 3, "steady for long, it is trusted again");
}

#[test]
fn a_peer_that_answers_options_but_no_call_goes_down_and_stays_so_for_a_while() {
    let mut link = Sick::up();
    link.health.failure(link.now, LinkFailure::CallStuck);
    assert_eq!(link.ok(), LinkState::Up);
    link.health.failure(link.now, LinkFailure::CallStuck);
    assert_eq!(link.health.state(), LinkState::Down);
    assert_eq!(link.recovery(), CALL_HOLD.as_secs());
    link.health.failure(link.now, LinkFailure::CallStuck);
    link.health.success(link.now, LinkSuccess::Call);
    link.health.failure(link.now, LinkFailure::CallStuck);
    assert_ne!(link.health.state(), LinkState::Down, "a call that got through is counted");
}

#[test]
fn a_link_without_probes_is_up_until_calls_fail_and_tried_again_after_the_hold() {
    let policy = HealthPolicy { probe: Duration::ZERO, ..HealthPolicy::default() };
    let mut link = Sick { health: Health::new(policy, false, testing::now()), now: testing::now() };
    assert_eq!(link.health.state(), LinkState::Up);
    link.health.failure(link.now, LinkFailure::CallSilent);
    link.health.failure(link.now, LinkFailure::CallSilent);
    assert_eq!(link.health.state(), LinkState::Down);
    assert!(!link.health.release(link.now));
    link.later(CALL_HOLD.as_secs());
    assert!(link.health.release(link.now));
    link.health.success(link.now, LinkSuccess::Call);
    assert_eq!(link.health.state(), LinkState::Up);
}

#[test]
fn a_disabled_link_stays_so() {
    let now = testing::now();
    let mut health = Health::new(HealthPolicy::default(), true, now);
    assert!(!health.success(now, OK) && !health.failure(now, SILENT) && !health.release(now));
    assert_eq!(health.state(), LinkState::Disabled);
}

proptest! {
    #[test]
    fn it_is_up_only_after_a_success_and_down_only_after_failures(
        events in prop::collection::vec((any::<bool>(), 0..30u64), 0..200),
    ) {
        let mut link = Sick::new();
        let mut last = None;
        for (worked, span) in events {
            link.later(span);
            let before = link.health.state();
            let after = if worked { link.ok() } else { link.fails() };
            if after == LinkState::Up {
                prop_assert!(worked);
            }
            if after == LinkState::Down && before != LinkState::Down {
                prop_assert_eq!((worked, last.is_some()), (false, true));
            }
            if before == LinkState::Down && worked && link.health.held_until().is_some_and(|until| until > link.now.instant) {
                prop_assert_eq!(after, LinkState::Probing, "the hold-down is kept");
            }
            last = Some(worked);
        }
    }
}

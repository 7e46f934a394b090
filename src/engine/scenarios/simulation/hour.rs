//! An hour of calls with no broker, in virtual time, and a box that is killed in the middle.
//!
//! Here with the policy of the outbox and the model of it; `shell::uplink::outbox` plays the same hour with the file.

use std::time::Duration;

use super::world::World;
use crate::engine::Observation;
use crate::engine::call::CallRecord;
use crate::uplink::OutboxLimits;

const SECOND: Duration = Duration::from_secs(1);

/// Something that ops shall know of, as the engine tells the daemon.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// The record of a call.
    Call(Box<CallRecord>),
    /// A registration that came or went, or a call for help.
    Seen(Observation),
}

/// What the first office had to tell, in its order.
pub(crate) fn of_events() -> Vec<Told> {
    an_hour().told.unwrap_or_default()
}

fn an_hour() -> World {
    let has_three = |seed: &u64| World::new(*seed, false).offices.len() == 3;
    let seed = (0..1_000).find(has_three).unwrap_or_default();
    let mut world = World::new(seed, false);
    world.goes_on = false;
    world.told = Some(Vec::new());
    for office in 0..world.offices.len() {
        let limits = OutboxLimits::default();
        world.offices[office].disk.has_room_for(limits);
        world.judge.shelf(office, limits.events);
    }
    world.run(10 * SECOND);
    for office in 0..world.offices.len() {
        world.disconnects(office);
    }
    for second in 0..3600 {
        match second {
            1800 => world.falls(0),
            1815 => world.starts(0),
            _ if second % 40 == 1 => world.somebody_moves(),
            _ if second % 3 == 0 => world.somebody_calls(),
            _ => {}
        }
        world.run(SECOND);
    }
    world.everybody_hangs_up();
    world.run(60 * SECOND);
    world
}

#[test]
fn an_hour_without_a_broker_arrives_in_order_each_once_and_as_history() {
    let mut world = an_hour();
    let waiting = |world: &World| -> usize { world.offices.iter().map(|one| one.disk.events.len()).sum() };
    let names: Vec<_> =
        world.offices.iter().flat_map(|one| one.disk.events.values().map(|(_, name)| name.clone())).collect();
    let of = |kind: &str| names.iter().filter(|name| name.starts_with(kind)).count();
    let (calls, helps, moves) = (of("call "), of("help "), of("registered "));
    assert!(
        calls > 300 && helps > 50 && moves > 10,
        "{calls} calls, {helps} for help, {moves} registrations"
    );
    for office in 0..world.offices.len() {
        world.connects(office);
    }
    world.all_is_accounted();
    assert!(world.judge.violations.is_empty(), "{:#?}", world.judge.violations);
    assert_eq!(waiting(&world), 0);
    assert!(world.judge.figures["events told as history"] >= names.len() as u64);
    let missing: Vec<_> = world.judge.lost(|office, name| world.broker.knows(office, name));
    assert!(missing.is_empty(), "{missing:?}");
}

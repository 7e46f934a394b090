//! Many offices in virtual time: real engines, each with registrar, routing and roaming, on a simulated network.
//!
//! | file | what |
//! | --- | --- |
//! | `chance` | the seed's numbers |
//! | `wan` | paths that work, are silent or refuse; connections |
//! | `wires` | engines' outputs carried over them |
//! | `agent` | phones and carriers |
//! | `office`, `disk` | an engine and what it keeps through a fall |
//! | `broker`, `uplink` | retained topics, QoS 1, call records in the outbox |
//! | `world` | the queue of what happens |
//! | `story` | what chance makes happen |
//! | `judge`, `ending` | what must hold, all along and at the end |
//!
//! A seed repeats exactly. `BRANCHLINE_SIMULATION_SEED=N` plays one and prints its history (`--no-capture`);
//! `BRANCHLINE_SIMULATION_SEEDS=N` plays so many.

#![expect(clippy::format_push_string, reason = "messages read best as they will look")]

mod agent;
mod broker;
mod chance;
mod disk;
mod ending;
mod judge;
mod office;
mod story;
mod uplink;
mod wan;
mod wires;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use world::World;

/// Seeds that are played with the other tests.
const SEEDS: u64 = 200;

/// How one seed ended.
struct Played {
    violations: Vec<String>,
    figures: BTreeMap<&'static str, u64>,
    digest: u64,
}

fn play(seed: u64, is_told: bool) -> Played {
    let mut world = World::new(seed, is_told);
    let span = world.chance.millis(20_000, 90_000);
    world.run(span);
    world.ends();
    Played {
        violations: world.judge.violations,
        figures: world.judge.figures,
        digest: world.history.digest(),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn plays_well(seed: u64) -> BTreeMap<&'static str, u64> {
    let played = std::panic::catch_unwind(|| play(seed, false));
    let Ok(played) = played else { panic!("BRANCHLINE_SIMULATION_SEED={seed} panics") };
    assert!(played.violations.is_empty(), "BRANCHLINE_SIMULATION_SEED={seed}: {:#?}", played.violations);
    played.figures
}

#[test]
fn whatever_happens_the_federation_holds() {
    if let Some(seed) = number("BRANCHLINE_SIMULATION_SEED") {
        let played = play(seed, true);
        assert!(played.violations.is_empty(), "{:#?}", played.violations);
        return;
    }
    let seeds = number("BRANCHLINE_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = number("BRANCHLINE_SIMULATION_FIRST").unwrap_or(0);
    let next = AtomicU64::new(first);
    let mut figures: BTreeMap<&'static str, u64> = BTreeMap::new();
    let work = || {
        let mut figures: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut bad = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return (figures, bad);
            }
            match std::panic::catch_unwind(|| plays_well(seed)) {
                Ok(one) => {
                    one.into_iter().for_each(|(what, count)| *figures.entry(what).or_default() += count)
                }
                Err(_) => bad.push(seed),
            }
        }
    };
    let mut bad = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (one, failed) = thread.join().expect("a thread that catches");
            one.into_iter().for_each(|(what, count)| *figures.entry(what).or_default() += count);
            bad.extend(failed);
        }
    });
    println!("{seeds} seeds: {figures:?}");
    assert!(bad.is_empty(), "seeds that failed: {bad:?}");
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in 0..5 {
        assert_eq!(play(seed, false).digest, play(seed, false).digest, "seed {seed}");
    }
}

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
//! `BRANCHLINE_SIMULATION_SEEDS=N` plays so many, from `BRANCHLINE_SIMULATION_FIRST=N` on.

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
const SEEDS: u64 = 120;

/// How often things happened.
type Figures = BTreeMap<&'static str, u64>;

/// How one seed ended.
struct Played {
    violations: Vec<String>,
    figures: Figures,
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

/// Plays seeds from `next` on below `end`: the sums of their figures, and the seeds that failed.
fn play_some(next: &AtomicU64, end: u64) -> (Figures, Vec<u64>) {
    let (mut figures, mut bad) = (Figures::new(), Vec::new());
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return (figures, bad);
        }
        let played = std::panic::catch_unwind(|| play(seed, false));
        match played {
            Ok(played) if played.violations.is_empty() => add(&mut figures, played.figures),
            Ok(played) => {
                println!("BRANCHLINE_SIMULATION_SEED={seed}: {:#?}", played.violations);
                bad.push(seed);
            }
            Err(_) => bad.push(seed),
        }
    }
}

fn add(sum: &mut Figures, more: Figures) {
    for (what, count) in more {
        *sum.entry(what).or_default() += count;
    }
}

#[test]
fn whatever_happens_the_federation_holds() {
    if let Some(seed) = number("BRANCHLINE_SIMULATION_SEED") {
        let played = play(seed, true);
        assert!(played.violations.is_empty(), "{:#?}", played.violations);
        return;
    }
    let first = number("BRANCHLINE_SIMULATION_FIRST").unwrap_or(0);
    let end = first + number("BRANCHLINE_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let (mut figures, mut bad) = (Figures::new(), Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| play_some(&next, end))).collect();
        for thread in threads {
            let (more, failed) = thread.join().expect("a thread that catches");
            add(&mut figures, more);
            bad.extend(failed);
        }
    });
    println!("seeds {first} to {end}: {figures:?}");
    assert!(bad.is_empty(), "seeds that failed: {bad:?}");
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in 0..3 {
        assert_eq!(play(seed, false).digest, play(seed, false).digest, "seed {seed}");
    }
}

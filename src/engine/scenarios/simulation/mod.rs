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
//! | `shelf` | what must wait, go out and be lost at an outbox |
//! | `help` | who called for help, and whether there was a way out |
//! | `hour` | an hour without a broker |
//! | `judge`, `ending` | what must hold, all along and at the end |
//!
//! A seed repeats exactly. `BRANCHLINE_SIMULATION_SEED=N cargo test --lib simulation -- --nocapture` plays one and prints
//! its history. `scripts/test simulation` plays as many as a minute has, at least a floor, with
//! `BRANCHLINE_SIMULATION_SECONDS` and `BRANCHLINE_SIMULATION_SEEDS`; from `BRANCHLINE_SIMULATION_FIRST` on.

#![expect(clippy::format_push_string, reason = "messages read best as they will look")]

mod agent;
mod broker;
mod chance;
mod disk;
mod ending;
mod help;
pub(crate) mod hour;
mod judge;
mod office;
mod shelf;
mod story;
mod uplink;
mod wan;
mod wires;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use world::World;

/// Seeds that are played with the other tests.
const SEEDS: u64 = 40;
/// Between two words about how far it is.
const TELL: Duration = Duration::from_secs(5);

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

/// Many seeds, played by all cores: a floor of them, however long that takes, and more while there is time.
struct Season {
    first: u64,
    floor: u64,
    next: AtomicU64,
    began: Instant,
    until: Option<Instant>,
    so_far: Mutex<SoFar>,
}

/// What came of the seeds that were played.
#[derive(Default)]
struct SoFar {
    played: u64,
    figures: Figures,
    failed: Vec<u64>,
    told: Duration,
}

impl Season {
    fn new() -> Self {
        let began = Instant::now();
        let first = number("BRANCHLINE_SIMULATION_FIRST").unwrap_or(0);
        Self {
            first,
            floor: number("BRANCHLINE_SIMULATION_SEEDS").unwrap_or(SEEDS),
            next: AtomicU64::new(first),
            began,
            until: number("BRANCHLINE_SIMULATION_SECONDS")
                .map(|seconds| began + Duration::from_secs(seconds)),
            so_far: Mutex::default(),
        }
    }

    fn play_some(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            let has_time = self.until.is_some_and(|until| Instant::now() < until);
            if seed - self.first >= self.floor && !has_time {
                return;
            }
            let played = std::panic::catch_unwind(|| play(seed, false));
            self.note(seed, played.ok());
        }
    }

    fn note(&self, seed: u64, played: Option<Played>) {
        let mut so_far = self.so_far.lock().unwrap();
        so_far.played += 1;
        match played {
            Some(played) if played.violations.is_empty() => {
                for (what, count) in played.figures {
                    *so_far.figures.entry(what).or_default() += count;
                }
            }
            failed => {
                so_far.failed.push(seed);
                let why = failed.map_or_else(|| vec!["it panicked".to_owned()], |played| played.violations);
                println!("simulation: seed {seed} FAILED: {why:#?}");
                println!("simulation: it repeats with: {}", command(seed));
            }
        }
        let spent = self.began.elapsed();
        if spent >= so_far.told + TELL {
            so_far.told = spent;
            println!("simulation: {}", so_far.words(spent));
        }
    }
}

impl SoFar {
    fn words(&self, spent: Duration) -> String {
        format!("{} seeds in {} s, {} failed", self.played, spent.as_secs(), self.failed.len())
    }
}

/// What plays a seed again, and prints its history.
fn command(seed: u64) -> String {
    format!("BRANCHLINE_SIMULATION_SEED={seed} cargo test --lib simulation -- --nocapture")
}

#[test]
fn whatever_happens_the_federation_holds() {
    if let Some(seed) = number("BRANCHLINE_SIMULATION_SEED") {
        let played = play(seed, true);
        assert!(played.violations.is_empty(), "{:#?}", played.violations);
        return;
    }
    let season = Season::new();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(|| season.play_some()))));
    let spent = season.began.elapsed();
    let so_far = season.so_far.into_inner().unwrap();
    println!("simulation: {}: {:?}", so_far.words(spent), so_far.figures);
    let again: Vec<_> = so_far.failed.iter().map(|seed| command(*seed)).collect();
    assert!(again.is_empty(), "seeds that failed; each repeats with:\n{}", again.join("\n"));
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in 0..3 {
        assert_eq!(play(seed, false).digest, play(seed, false).digest, "seed {seed}");
    }
}

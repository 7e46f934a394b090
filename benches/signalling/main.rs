//! Load for a SIP server: REGISTER with digest, or whole calls, over UDP or kept TLS connections; what it costs the server
//! in processor time is read from `/proc`. Run by `scripts/bench` against Branchline and its peers in turn.
//!
//! ```text
//! signalling --mode register|calls|handshakes --transport udp|tls --target ADDR --pid PID --realm R
//!            --users FIRST:COUNT --password P [--phones N] [--seconds S]
//! ```
//! Prints one JSON object.

mod cpu;
mod link;
mod phone;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use link::{Dial, Link};
use phone::Phone;

/// What was asked on the command line.
#[derive(Clone)]
struct Order {
    mode: String,
    tls: bool,
    target: SocketAddr,
    pid: u32,
    realm: String,
    first: u32,
    passwords: Arc<Vec<String>>,
    phones: u32,
    seconds: u64,
}

/// What the phones count.
#[derive(Default)]
struct Tally {
    done: AtomicU64,
    failed: AtomicU64,
    latency_us: AtomicU64,
    stop: AtomicBool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(order) = order(&arguments) else {
        // `cargo bench` runs every target without arguments: say what this one wants and be done.
        eprintln!("signalling: driven by scripts/bench; see the head of benches/signalling/main.rs");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(measure(order));
    println!("{report}");
}

fn order(arguments: &[String]) -> Option<Order> {
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default: u64| value(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let phones = number("--phones", 50) as u32;
    let passwords: Vec<String> = match value("--passwords") {
        Some(file) => std::fs::read_to_string(file).ok()?.lines().map(str::to_owned).collect(),
        None => vec![value("--password").unwrap_or_default(); phones as usize],
    };
    Some(Order {
        mode: value("--mode")?,
        tls: value("--transport").as_deref() == Some("tls"),
        target: value("--target")?.parse().ok()?,
        pid: number("--pid", 0) as u32,
        realm: value("--realm")?,
        first: number("--first", 1001) as u32,
        passwords: Arc::new(passwords),
        phones,
        seconds: number("--seconds", 10),
    })
}

async fn measure(order: Order) -> String {
    let tally = Arc::new(Tally::default());
    let dial = Dial::new(order.target, order.tls);
    let mut tasks = Vec::new();
    for number in 0..order.phones {
        let (order, tally, dial) = (order.clone(), Arc::clone(&tally), dial.clone());
        tasks.push(tokio::spawn(async move { work(number, order, dial, tally).await }));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (done, failed, latency) = counts(&tally);
    let (cpu, began) = (cpu::of_tree(order.pid), Instant::now());
    tokio::time::sleep(Duration::from_secs(order.seconds)).await;
    let (spent, wall) = (cpu::of_tree(order.pid) - cpu, began.elapsed().as_secs_f64());
    let (done, failed, latency) =
        (counts(&tally).0 - done, counts(&tally).1 - failed, counts(&tally).2 - latency);
    tally.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.abort();
    }
    let per_core = if spent > 0.0 { done as f64 / spent } else { 0.0 };
    let mean_ms = if done > 0 { latency as f64 / done as f64 / 1000.0 } else { 0.0 };
    format!(
        "{{\"mode\":\"{}\",\"transport\":\"{}\",\"done\":{done},\"failed\":{failed},\"per_second\":{:.0},\
         \"server_cpu_seconds\":{spent:.3},\"per_core_second\":{per_core:.0},\"mean_ms\":{mean_ms:.2},\"rss_kib\":{}}}",
        order.mode,
        if order.tls { "tls" } else { "udp" },
        done as f64 / wall,
        cpu::rss_of_tree(order.pid),
    )
}

fn counts(tally: &Tally) -> (u64, u64, u64) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    (read(&tally.done), read(&tally.failed), read(&tally.latency_us))
}

/// What one phone does until it is stopped.
async fn work(number: u32, order: Order, dial: Dial, tally: Arc<Tally>) {
    if order.mode == "handshakes" {
        return handshakes(dial, &tally).await;
    }
    let is_callee = order.mode == "calls" && number % 2 == 1;
    let Ok(link) = dial.open().await else { return };
    let password = order.passwords.get(number as usize).cloned().unwrap_or_default();
    let mut phone = Phone::new(order.first + number, &order.realm, &password, link);
    if !registered(&mut phone, &tally).await {
        return;
    }
    if order.mode == "idle" {
        return std::future::pending().await;
    }
    if is_callee {
        return phone.answer_calls().await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    while !tally.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let outcome = match order.mode.as_str() {
            "calls" => phone.call(order.first + number + 1).await,
            _ => phone.register().await,
        };
        note(&tally, outcome.is_ok(), began);
    }
}

async fn registered(phone: &mut Phone<Link>, tally: &Tally) -> bool {
    for _ in 0..3 {
        match phone.register().await {
            Ok(()) => return true,
            Err(error) => {
                if tally.failed.fetch_add(1, Ordering::Relaxed) == 0 {
                    eprintln!("signalling: {error}");
                }
            }
        }
    }
    false
}

async fn handshakes(dial: Dial, tally: &Tally) {
    while !tally.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let outcome = dial.open().await;
        note(tally, outcome.is_ok(), began);
    }
}

fn note(tally: &Tally, ok: bool, began: Instant) {
    if ok {
        tally.done.fetch_add(1, Ordering::Relaxed);
        let spent = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        tally.latency_us.fetch_add(spent, Ordering::Relaxed);
    } else {
        tally.failed.fetch_add(1, Ordering::Relaxed);
    }
}

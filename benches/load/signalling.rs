//! REGISTER with digest, whole calls, TLS handshakes, or phones that are registered and do nothing.
//!
//! ```text
//! load signalling --mode register|calls|handshakes|idle --transport udp|tls|wss --target ADDR --pid PID --realm R
//!                 --first N --passwords FILE [--phones N] [--devices N] [--seconds S]
//! ```
//! Phones are numbered from `--first`; `--devices` of them share a number. The file has
//! `NUMBER PASSWORD` lines, `*` for any number. `idle` registers the phones, and says what memory that took.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::cpu;
use crate::link::Dial;
use crate::order::Order;
use crate::phone::Phone;

/// Between the first phone's start and the window that is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// What the phones count.
#[derive(Default)]
struct Tally {
    ready: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    latency_us: AtomicU64,
    /// Callers begin nothing any more.
    stop: AtomicBool,
    /// Callees answer nobody any more.
    leave: Notify,
}

/// A moment's counts.
struct Counts {
    done: u64,
    failed: u64,
    latency_us: u64,
    cpu: f64,
    at: Instant,
}

/// Does what the command line orders.
pub(crate) fn run() -> io::Result<String> {
    let order =
        Order::read().ok_or_else(|| io::Error::other("see the head of benches/load/signalling.rs"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        match order.mode.as_str() {
            "idle" => hold(order).await,
            _ => measure(order).await,
        }
    }))
}

/// Processor time of the server for each thing done, from outside.
async fn measure(order: Order) -> String {
    let tally = Arc::new(Tally::default());
    let tasks = start(&order, &tally).await;
    tokio::time::sleep(WARM_UP).await;
    let before = counts(&tally, order.pid);
    tokio::time::sleep(Duration::from_secs(order.seconds)).await;
    let after = counts(&tally, order.pid);
    tally.stop.store(true, Ordering::Relaxed);
    // The calls that are up end, then all phones leave, so that the next load meets a server at rest.
    tokio::time::sleep(Duration::from_millis(300)).await;
    tally.leave.notify_waiters();
    for task in tasks {
        // A phone that has trouble leaving was counted before.
        let _ = tokio::time::timeout(Duration::from_secs(3), task).await;
    }
    let (done, failed) = (after.done - before.done, after.failed - before.failed);
    let spent = after.cpu - before.cpu;
    let per_core = if spent > 0.0 { done as f64 / spent } else { 0.0 };
    let mean_ms = (after.latency_us - before.latency_us) as f64 / done.max(1) as f64 / 1000.0;
    format!(
        "{{\"mode\":\"{}\",\"transport\":\"{}\",\"ready\":{},\"done\":{done},\"failed\":{failed},\
         \"per_second\":{:.0},\"server_cpu_seconds\":{spent:.3},\"per_core_second\":{per_core:.0},\
         \"mean_ms\":{mean_ms:.2},\"pss_kib\":{}}}",
        order.mode,
        order.transport.name(),
        tally.ready.load(Ordering::Relaxed),
        done as f64 / (after.at - before.at).as_secs_f64(),
        cpu::memory_of_tree(order.pid),
    )
}

/// Memory of the server before and while the phones are registered.
async fn hold(order: Order) -> String {
    let before = cpu::memory_of_tree(order.pid);
    let tally = Arc::new(Tally::default());
    let tasks = start(&order, &tally).await;
    let deadline = Instant::now() + Duration::from_secs(order.seconds);
    while tally.ready.load(Ordering::Relaxed) < u64::from(order.phones) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(WARM_UP).await;
    let after = cpu::memory_of_tree(order.pid);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let ready = tally.ready.load(Ordering::Relaxed);
    let each = after.saturating_sub(before) as f64 / ready.max(1) as f64;
    format!(
        "{{\"mode\":\"idle\",\"transport\":\"{}\",\"done\":{ready},\"failed\":{},\"before_kib\":{before},\
         \"after_kib\":{after},\"kib_each\":{each:.1}}}",
        order.transport.name(),
        u64::from(order.phones) - ready,
    )
}

/// The phones come one after the other, so that the server's queue of connections does not overflow.
async fn start(order: &Order, tally: &Arc<Tally>) -> Vec<tokio::task::JoinHandle<()>> {
    let dial = Dial::new(order.target, order.transport);
    let mut tasks = Vec::new();
    for number in 0..order.phones {
        let (order, tally, dial) = (order.clone(), Arc::clone(tally), dial.clone());
        tasks.push(tokio::spawn(async move { work(number, order, dial, tally).await }));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tasks
}

fn counts(tally: &Tally, pid: u32) -> Counts {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Counts {
        done: read(&tally.done),
        failed: read(&tally.failed),
        latency_us: read(&tally.latency_us),
        cpu: cpu::of_tree(pid),
        at: Instant::now(),
    }
}

/// What one phone does until it is stopped.
async fn work(number: u32, order: Order, dial: Dial, tally: Arc<Tally>) {
    if order.mode == "handshakes" {
        return handshakes(dial, &tally).await;
    }
    let link = match dial.open().await {
        Ok(link) => link,
        Err(error) => return complain(&tally, &error),
    };
    let user = order.first + number / order.devices;
    let mut phone = Phone::new(user, &order.realm, order.passwords.of(user), link);
    if !registered(&mut phone, &tally).await {
        return;
    }
    match order.mode.as_str() {
        "idle" => std::future::pending().await,
        "calls" if number % 2 == 1 => {
            phone.answer_calls(&tally.leave, |_| ()).await;
            drop(phone.unregister().await);
            return;
        }
        _ => tokio::time::sleep(Duration::from_millis(500)).await,
    }
    while !tally.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let outcome = match order.mode.as_str() {
            "calls" => phone.call(order.first + number + 1).await,
            _ => phone.register().await,
        };
        note(&tally, &outcome, began);
    }
    drop(phone.unregister().await);
}

async fn registered(phone: &mut Phone, tally: &Tally) -> bool {
    for _ in 0..3 {
        match phone.register().await {
            Ok(()) => {
                tally.ready.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Err(error) => complain(tally, &error),
        }
    }
    false
}

async fn handshakes(dial: Dial, tally: &Tally) {
    while !tally.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let outcome = match dial.open().await {
            Ok(mut link) => link.close().await,
            Err(error) => Err(error),
        };
        note(tally, &outcome, began);
    }
}

fn note<T>(tally: &Tally, outcome: &io::Result<T>, began: Instant) {
    match outcome {
        Ok(_) => {
            tally.done.fetch_add(1, Ordering::Relaxed);
            let spent = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            tally.latency_us.fetch_add(spent, Ordering::Relaxed);
        }
        Err(error) => complain(tally, error),
    }
}

/// Counts a failure; the first few are told.
fn complain(tally: &Tally, error: &io::Error) {
    if tally.failed.fetch_add(1, Ordering::Relaxed) < 3 {
        eprintln!("load: {error}");
    }
}

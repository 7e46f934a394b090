//! What roaming costs a box that knows 100,000 extensions of 500 offices.
//!
//! 1. Memory of the cache, counted and as the kernel sees it; beside it a map of plain strings.
//! 2. Look-ups and merges a second; beside them the same map's.
//! 3. Flash: the file, the time to load it at the start, bytes written per update one by one and many at once; beside it
//!    a bare append with fdatasync.
//! 4. MQTT: bytes of the documents, per registration and of a sealed record; the time to seal and to open one.
//!
//! `cargo bench --bench roaming [-- ENTRIES OFFICES]`; compare figures of one run only.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::cast_precision_loss, reason = "figures to be read, not counted with")]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use branchline::engine::roaming::{
    Aor, Keyring, Presence, Roaming, RoamingChange, RoamingEntry, RoamingSettings, SealedVerifier, Second,
    Standing, Verifier, Version,
};
use branchline::observe::Metrics;
use branchline::shell::flash::{FlashFigures, RoamingStore, RoamingStoreOptions, Stored};
use branchline::shell::store::Receipt;
use branchline::sip::digest::UserKeys;
use branchline::time::WallTime;
use branchline::uplink::{Document, RoamingDocument, VisitorDocument};

const NOW: WallTime = WallTime(1_795_000_000_000);
/// Updates measured one by one.
const SINGLE: usize = 200;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let entries = numbers.next().unwrap_or(100_000);
    let offices = numbers.next().unwrap_or(500).max(1);
    println!("{entries} entries of {offices} offices");
    let entries: Vec<_> = (0..entries).map(|number| entry(number, offices)).collect();
    let mut cache = memory(&entries);
    speed(&entries, &mut cache);
    flash(&entries);
    documents(&entries);
}

fn entry(number: usize, offices: usize) -> RoamingEntry {
    let home = format!("O{}", number % offices).parse().expect("an office");
    let extension = format!("32-{:07}", 1_000_000 + number).parse().expect("an extension");
    RoamingEntry {
        aor: Aor { home, extension },
        version: Version { counter: 3, registered: Second::of(NOW), office: home },
        presence: Presence::Here,
        expires: Second::of(NOW).plus(Duration::from_secs(7200)),
    }
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}

fn new_cache(capacity: usize) -> Roaming {
    let settings = RoamingSettings { capacity, ..RoamingSettings::default() };
    Roaming::new("HERE".parse().expect("an office"), settings, [0x9e37_79b9, 0x85eb_ca6b])
}

fn memory(entries: &[RoamingEntry]) -> Roaming {
    let before = resident();
    let mut cache = new_cache(entries.len());
    for entry in entries {
        cache.restore(entry, Second::of(NOW)).expect("there is room");
    }
    let (figures, grown) = (cache.figures(), resident().saturating_sub(before));
    let before = resident();
    let plain: HashMap<String, RoamingEntry> =
        entries.iter().map(|entry| (entry.aor.to_string(), entry.clone())).collect();
    let plain_grown = resident().saturating_sub(before);
    black_box(&plain);
    let each = |bytes: usize| bytes as f64 / entries.len().max(1) as f64;
    println!("memory");
    println!(
        "  index, counted           {:>10} bytes {:>7.1} an entry",
        figures.memory,
        each(figures.memory)
    );
    println!("  index, by the kernel     {grown:>10} bytes {:>7.1} an entry", each(grown));
    println!("  a map of strings, ditto  {plain_grown:>10} bytes {:>7.1} an entry", each(plain_grown));
    cache
}

fn per_second(count: usize, took: Duration) -> String {
    format!(
        "{:>10.0} a second {:>8.0} ns",
        count as f64 / took.as_secs_f64(),
        took.as_nanos() as f64 / count as f64
    )
}

fn speed(entries: &[RoamingEntry], cache: &mut Roaming) {
    // A stride that is prime to the number of entries visits all of them, each far from the one before.
    let order: Vec<_> = (0..entries.len()).map(|number| (number * 7919) % entries.len()).collect();
    let started = Instant::now();
    for at in &order {
        black_box(cache.locate(&entries[*at].aor, NOW));
    }
    let lookups = started.elapsed();
    let plain: HashMap<String, &RoamingEntry> =
        entries.iter().map(|entry| (entry.aor.to_string(), entry)).collect();
    let started = Instant::now();
    for at in &order {
        black_box(plain.get(&entries[*at].aor.to_string()));
    }
    let plain_lookups = started.elapsed();
    let newer: Vec<_> = entries
        .iter()
        .map(|entry| RoamingEntry { version: Version { counter: 4, ..entry.version }, ..entry.clone() })
        .collect();
    let started = Instant::now();
    for at in &order {
        black_box(cache.merge(&newer[*at], NOW));
        while cache.poll_change().is_some() {}
    }
    let merges = started.elapsed();
    let started = Instant::now();
    for at in &order {
        black_box(cache.merge(&newer[*at], NOW));
    }
    let known = started.elapsed();
    println!("speed");
    println!("  locate                   {}", per_second(order.len(), lookups));
    println!("  the map of strings       {}", per_second(order.len(), plain_lookups));
    println!("  merge, newer             {}", per_second(order.len(), merges));
    println!("  merge, known             {}", per_second(order.len(), known));
}

fn options(directory: &Path) -> RoamingStoreOptions {
    RoamingStoreOptions {
        directory: directory.to_owned(),
        queue: 16_384,
        max_bytes: 64 << 20,
        gather: Duration::from_millis(5),
        metrics: Metrics::new("HERE"),
    }
}

fn open(directory: &Path) -> (RoamingStore, Stored) {
    RoamingStore::open(options(directory)).expect("the log opens")
}

fn put(entry: &RoamingEntry) -> RoamingChange {
    RoamingChange::Put { entry: entry.clone(), heard: Second::of(NOW) }
}

fn wait_for(receipts: Vec<Receipt<()>>) {
    for receipt in receipts {
        receipt.wait().expect("it is written");
    }
}

fn flash(entries: &[RoamingEntry]) {
    let directory = std::env::temp_dir().join(format!("branchline-bench-roaming-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the log");
    println!("flash");
    let (store, _) = open(&directory);
    let before = store.counters().figures();
    let started = Instant::now();
    for chunk in entries.chunks(8192) {
        let receipts: Vec<_> = chunk.iter().map(|entry| store.change(put(entry))).collect();
        wait_for(receipts);
    }
    updates("first sync, many at once", entries.len(), started.elapsed(), before, store.counters().figures());
    let before = store.counters().figures();
    let started = Instant::now();
    for entry in entries.iter().take(SINGLE) {
        store.change(put(entry)).wait().expect("it is written");
    }
    updates("one by one, each durable", SINGLE, started.elapsed(), before, store.counters().figures());
    let before = store.counters().figures();
    let started = Instant::now();
    for _ in 0..3 {
        for chunk in entries.chunks(8192) {
            let receipts: Vec<_> = chunk.iter().map(|entry| store.change(put(entry))).collect();
            wait_for(receipts);
        }
    }
    updates("again, with renewals", entries.len() * 3, started.elapsed(), before, store.counters().figures());
    let figures = store.counters().figures();
    println!(
        "  the file                 {:>10} bytes, {} of them count, {} renewals",
        figures.size, figures.live, figures.renewals
    );
    store.close();
    drop(store);

    let before = resident();
    let started = Instant::now();
    let (store, stored) = open(&directory);
    let read = started.elapsed();
    let mut cache = new_cache(entries.len());
    for (entry, heard) in &stored.entries {
        cache.restore(entry, *heard).expect("there is room");
    }
    println!(
        "  load at start            {:>10.0} ms, of these {:.0} for the file",
        ms(started.elapsed()),
        ms(read)
    );
    drop(stored);
    let grown = resident().saturating_sub(before) as f64 / entries.len().max(1) as f64;
    println!("  memory with the log's index, by the kernel {grown:>7.1} bytes an entry");
    store.close();
    floor(&directory);
    let _ = std::fs::remove_dir_all(&directory);
}

fn updates(what: &str, count: usize, took: Duration, before: FlashFigures, after: FlashFigures) {
    let (bytes, syncs) = (after.bytes - before.bytes, after.syncs - before.syncs);
    println!(
        "  {what:<24} {:>10.1} bytes an update, {:>6} syncs, {:>8.1} us an update",
        bytes as f64 / count as f64,
        syncs,
        took.as_secs_f64() * 1e6 / count as f64,
    );
}

/// The least that a durable update can cost here.
fn floor(directory: &Path) {
    let path: PathBuf = directory.join("floor");
    let mut file = std::fs::File::create(path).expect("a file");
    let started = Instant::now();
    for _ in 0..SINGLE {
        file.write_all(&[0; 50]).expect("it is written");
        file.sync_data().expect("it is synced");
    }
    println!(
        "  floor: append, fdatasync {:>10.1} us an update",
        started.elapsed().as_secs_f64() * 1e6 / SINGLE as f64
    );
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

fn documents(entries: &[RoamingEntry]) {
    let Some(entry) = entries.first() else { return };
    let topic = format!("branchline/v1/roaming/{}", entry.aor.extension);
    let document = RoamingDocument::from(entry).write();
    let keyring = Keyring::parse(&format!("1:{}", "5a".repeat(32))).expect("a keyring");
    let standing = Standing::Good(Box::new(Verifier {
        realm: "offices.example".to_owned(),
        username: entry.aor.extension.to_string(),
        display_name: Some("Somebody Somewhere".to_owned()),
        keys: UserKeys::new("1001", "offices.example", "password"),
    }));
    let seal = |number: u64| {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        let about = (number, Second(u32::MAX));
        SealedVerifier::seal(&entry.aor, &standing, about, keyring.sealing(), nonce).expect("it is short")
    };
    let count = 20_000;
    let started = Instant::now();
    let records: Vec<_> = (0..count).map(seal).collect();
    let sealing = started.elapsed();
    let started = Instant::now();
    for record in &records {
        black_box(record.open(&keyring, NOW, Duration::ZERO).is_ok());
    }
    let opening = started.elapsed();
    let record = VisitorDocument::from(&seal(0)).write();
    println!("MQTT");
    println!("  a registration           {:>10} bytes of document, {} of topic", document.len(), topic.len());
    println!("  a sealed record          {:>10} bytes of document", record.len());
    println!("sealed records");
    let count = usize::try_from(count).unwrap_or(1);
    println!("  seal                     {}", per_second(count, sealing));
    println!("  open                     {}", per_second(count, opening));
}

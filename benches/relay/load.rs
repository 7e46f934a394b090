//! The same load through the floor and through the worker.
//!
//! Each leg sends a packet every 20 ms, spread over the 20 ms in twenty groups, as calls do, and has a
//! receiver of its own, which never reads: what arrives there costs both the same.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use branchline::media::EndId;
use branchline::media::relay::RelaySettings;
use branchline::media::srtp::SrtpSender;
use branchline::shell::media::{MediaSockets, MediaWorker};

use crate::pure::{commands, packet};
use crate::{CASES, Case, floor, key};

const GROUPS: usize = 20;
const PACKET_TIME: Duration = Duration::from_millis(20);

struct Outcome {
    sent: u64,
    relayed: u64,
    /// Nanoseconds of CPU time of the relaying thread.
    spent: u64,
}

impl Outcome {
    fn per_packet(&self) -> f64 {
        self.spent as f64 / self.relayed.max(1) as f64
    }
}

/// Prints the table.
pub(super) fn run(legs: u32, seconds: u32) {
    println!("{legs} legs, {seconds} s each, ns of CPU a relayed packet");
    println!(
        "{:24} {:>8} {:>8} {:>8} {:>16} {:>12}",
        "", "floor", "worker", "ratio", "worker pkt/core/s", "not relayed"
    );
    for case in &CASES {
        let bare = through_floor(case, legs, seconds);
        let worker = through_worker(case, legs, seconds);
        println!(
            "{:24} {:8.0} {:8.0} {:8.2} {:16.0} {:>6}/{:<6}",
            case.name,
            bare.per_packet(),
            worker.per_packet(),
            worker.per_packet() / bare.per_packet(),
            1e9 / worker.per_packet(),
            bare.sent.saturating_sub(bare.relayed),
            worker.sent.saturating_sub(worker.relayed),
        );
    }
}

fn through_floor(case: &Case, legs: u32, seconds: u32) -> Outcome {
    let [input, output] = [bind(), bind()];
    let phones: Vec<UdpSocket> = (0..legs).map(|_| bind()).collect();
    let receivers: Vec<UdpSocket> = (0..legs).map(|_| bind()).collect();
    let to = address(&input);
    let routes: Vec<_> =
        phones.iter().zip(&receivers).map(|(from, to)| (address(from), address(to))).collect();
    let (stop, relayed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let thread = {
        let (case, stop, relayed) = (*case, Arc::clone(&stop), Arc::clone(&relayed));
        let relay = move || floor::run(&case, [input, output], &routes, &stop, &relayed);
        thread::Builder::new().name("floor".to_owned()).spawn(relay).expect("a thread")
    };
    let before = cpu_time("floor");
    let sent = generate(case, &phones, to, seconds);
    let spent = cpu_time("floor") - before;
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the floor ran");
    Outcome { sent, relayed: relayed.load(Ordering::Relaxed), spent }
}

fn through_worker(case: &Case, legs: u32, seconds: u32) -> Outcome {
    let sockets = MediaSockets { webrtc: bind(), trunk: bind(), phones: Vec::new(), pairs_left_out: 0 };
    let to = address(&sockets.webrtc);
    let settings = RelaySettings { max_ends: 2 * legs, ..RelaySettings::default() };
    let worker = MediaWorker::start(sockets, settings, [1; 32], Box::new(|_| Ok(())), Box::new(|_, _| true))
        .expect("a worker");
    let phones: Vec<UdpSocket> = (0..legs).map(|_| bind()).collect();
    // Asterisk has a port for each call.
    let receivers: Vec<UdpSocket> = (0..legs).map(|_| bind()).collect();
    let orders = worker.commands();
    for (n, (from, to)) in (0_u32..).zip(phones.iter().zip(&receivers)) {
        let ends = [EndId::new(2 * n, 0), EndId::new(2 * n + 1, 0)];
        for command in commands(case, [address(from), address(to)], ends) {
            while orders.send(command.clone()).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    thread::sleep(Duration::from_millis(200));
    let before = cpu_time("media");
    let sent = generate(case, &phones, to, seconds);
    let spent = cpu_time("media") - before;
    thread::sleep(Duration::from_millis(1200));
    let counts = worker.pulse().counts();
    // The reports of its own are no relayed packets, but few.
    Outcome { sent, relayed: counts.received - counts.drops.total(), spent }
}

/// Sends for `seconds`; gives how many packets.
fn generate(case: &Case, senders: &[UdpSocket], to: SocketAddr, seconds: u32) -> u64 {
    let mut keys: Vec<_> =
        senders.iter().map(|_| case.from.map(|profile| SrtpSender::new(key(profile, 1)))).collect();
    let start = Instant::now();
    let mut sent = 0;
    for sequence in 0..(seconds * 50) as u16 {
        for group in 0..GROUPS {
            let due = start + PACKET_TIME * u32::from(sequence) + PACKET_TIME * group as u32 / GROUPS as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            for leg in (group..senders.len()).step_by(GROUPS) {
                let (header, mut packet) = packet(leg as u32, sequence);
                if let Some(key) = &mut keys[leg] {
                    key.protect_rtp(&mut packet, &header).expect("invariant: each index once");
                }
                sent += u64::from(senders[leg].send_to(packet.as_slice(), to).is_ok());
            }
        }
    }
    sent
}

fn bind() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_nonblocking(true).expect("non-blocking");
    socket
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("bound")
}

/// CPU time of this process's thread of that name, in nanoseconds, as the scheduler counts it.
fn cpu_time(name: &str) -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let named = tasks
        .map(|task| task.path())
        .filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name));
    named
        .filter_map(|task| fs::read_to_string(task.join("schedstat")).ok())
        .filter_map(|line| line.split(' ').next().and_then(|spent| spent.parse::<u64>().ok()))
        .sum()
}

//! The same load through the floor and through the worker.
//!
//! Each leg sends a packet every 20 ms, spread over the 20 ms in twenty groups, as calls do, and has a
//! receiver of its own, which never reads: what arrives there costs both the same.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use branchline::media::ports::{LocalPort, PortNumbers};
use branchline::media::relay::RelaySettings;
use branchline::media::srtp::SrtpSender;
use branchline::shell::media::{MediaSockets, MediaWorker, PhoneSockets};

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
pub(super) fn run(legs: u16, seconds: u32) {
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

fn through_floor(case: &Case, legs: u16, seconds: u32) -> Outcome {
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
    let sent = generate(case, &phones, &vec![to; phones.len()], seconds);
    let used = cpu_time("floor") - before;
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the floor ran");
    Outcome { sent, relayed: relayed.load(Ordering::Relaxed), spent: used }
}

fn through_worker(case: &Case, legs: u16, seconds: u32) -> Outcome {
    let pair = |_| PhoneSockets { rtp: bind(), rtcp: bind(), numbers: PortNumbers { rtp: 0, rtcp: 0 } };
    let own = if matches!((case.ports)(0), [LocalPort::WebRtc, _]) { 0 } else { legs };
    let pairs: Vec<_> = (0..own).map(pair).collect();
    let sockets = MediaSockets { webrtc: bind(), trunk: bind(), phones: pairs, pairs_left_out: 0 };
    let reached = |call| match (case.ports)(call)[0] {
        LocalPort::WebRtc => address(&sockets.webrtc),
        LocalPort::Trunk => address(&sockets.trunk),
        LocalPort::Phone(pair) => address(&sockets.phones[usize::from(pair.0)].rtp),
    };
    let to: Vec<_> = (0..legs).map(reached).collect();
    let settings = RelaySettings { max_ends: 2 * u32::from(legs), ..RelaySettings::default() };
    let worker = MediaWorker::start(sockets, settings, [1; 32], Box::new(|_| Ok(())), Box::new(|_, _| true))
        .expect("a worker");
    // Asterisk has a port for each call.
    let [speakers, receivers] = [(); 2].map(|()| (0..legs).map(|_| bind()).collect::<Vec<_>>());
    let orders = worker.commands();
    for (call, (from, to)) in (0..legs).zip(speakers.iter().zip(&receivers)) {
        for command in commands(case, call, [address(from), address(to)]) {
            while orders.send(command.clone()).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    thread::sleep(Duration::from_millis(200));
    let before = cpu_time("media");
    let sent = generate(case, &speakers, &to, seconds);
    let used = cpu_time("media") - before;
    thread::sleep(Duration::from_millis(1200));
    let counts = worker.pulse().counts();
    Outcome { sent, relayed: counts.received - counts.drops.total(), spent: used }
}

/// Sends for `seconds`; gives how many packets.
fn generate(case: &Case, senders: &[UdpSocket], to: &[SocketAddr], seconds: u32) -> u64 {
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
                sent += u64::from(senders[leg].send_to(packet.as_slice(), to[leg]).is_ok());
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

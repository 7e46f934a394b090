//! What it costs to listen for keys in the audio, on top of carrying it.

use std::hint::black_box;
use std::time::Instant;

use branchline::media::dtmf::Digit;
use branchline::media::dtmf::inband::InbandReceiver;
use branchline::media::dtmf::tone::write_tone;
use branchline::media::g711::Law;

const PACKETS: u32 = 50_000;
const ROUNDS: usize = 9;

/// Prints the table.
pub(super) fn run() {
    println!("listening for keys in 160 bytes of G.711, ns (best of {ROUNDS} rounds of {PACKETS})");
    let mut tone = [0; 160];
    write_tone(Digit::from_char('5').expect("invariant: a key"), 0, Law::A, &mut tone);
    let mut chance = 1_u32;
    let noise = std::array::from_fn(|_| {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Law::A.encode((chance >> 16) as i16 / 8)
    });
    for (name, payload) in [("silence", [Law::A.silence(); 160]), ("noise", noise), ("tone", tone)] {
        println!("{name:24} {:8.0}", best(&payload));
    }
    println!();
}

fn best(payload: &[u8; 160]) -> f64 {
    let round = |_| {
        let mut receiver = InbandReceiver::new();
        let start = Instant::now();
        for n in 0..PACKETS {
            let timestamp = n.wrapping_mul(160);
            black_box(receiver.handle_packet(start, timestamp, black_box(payload), Law::A));
        }
        start.elapsed().as_nanos() as f64 / f64::from(PACKETS)
    };
    (0..ROUNDS).map(round).fold(f64::MAX, f64::min)
}

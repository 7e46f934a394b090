//! What an end costs, printed; the bounds are loose, for an unoptimised build on a busy machine.

use nix::time::{ClockId, clock_gettime};

use super::*;

const ENDS: u16 = 200;

fn cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Connects one more end of `table` with a browser of its own; the CPU time that the table took.
fn connect_one(table: &mut EndTable, number: u16) -> Duration {
    let now = Instant::now();
    let id = EndId::new(u32::from(number), 0);
    let random = std::array::from_fn(|i| ((u32::from(number) * 31) >> (i % 12)) as u8 ^ (i as u8 * 7));
    let local = credentials_from_random(&random).unwrap();
    let setup =
        EndSetup { local: local.clone(), mode: LITE, identity: identity(), addresses: vec![gateway()] };
    let address = SocketAddr::new(browser_address(20).ip(), 1000 + number);
    let mut browser = Browser::new(now, address, &credentials(2), true);
    let (dtls, fingerprint) = our_dtls(&identity(), true);
    browser.dtls = dtls;
    let (ufrag, password) = (local.ufrag().to_owned(), local.password().to_owned());
    browser.agent.start_connectivity_checks(now, true, ufrag, password).unwrap();
    browser.knows(gateway());
    let before = cpu();
    table.open(now, id, setup).unwrap();
    table.set_remote(now, id, remote_setup(credentials(2), fingerprint, SetupRole::Active)).unwrap();
    let mut spent = cpu().saturating_sub(before);
    for ms in (0..3_000).step_by(10) {
        let now = now + Duration::from_millis(ms);
        browser.handle_timeout(now);
        while let Some((_, bytes)) = browser.poll_transmit() {
            let before = cpu();
            table.handle_packet(now, address, &bytes).unwrap();
            let answers: Vec<_> = std::iter::from_fn(|| table.poll_transmit()).collect();
            spent += cpu().saturating_sub(before);
            for answer in answers {
                browser.handle(now, gateway(), &answer.bytes);
            }
        }
        if let Some((_, EndEvent::Connected { .. })) = table.poll_event() {
            return spent;
        }
    }
    panic!("end {number} did not connect");
}

#[test]
fn an_end_costs_little() {
    let mut table = EndTable::new(usize::from(ENDS) + 20);
    for number in 0..20 {
        connect_one(&mut table, number);
    }
    let resident = resident_bytes();
    let mut times: Vec<_> = (20..ENDS + 20).map(|number| connect_one(&mut table, number)).collect();
    times.sort();
    let mean = times.iter().sum::<Duration>() / u32::from(ENDS);
    let bytes = (resident_bytes().saturating_sub(resident)) / u64::from(ENDS);
    println!("measured: open to keys {mean:?} of CPU (p50 {:?}), {bytes} bytes resident an end", times[100]);
    assert!(mean < Duration::from_millis(20) && bytes < 256 * 1024);
}

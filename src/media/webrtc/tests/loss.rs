use super::*;

const SEEDS: u64 = 400;

struct Outcome {
    connected: u64,
    both: u64,
    times: Vec<Duration>,
}

/// ICE and DTLS over a link that loses `percent` each way.
fn handshakes(percent: u64, ours: bool, mode: IceMode) -> Outcome {
    let mut outcome = Outcome { connected: 0, both: 0, times: Vec::new() };
    for seed in 0..SEEDS {
        let mut rig = Rig::before_signalling(1_000 * percent + seed, mode);
        let (fingerprint, dtls) = if ours {
            let (dtls, fingerprint) = our_dtls(&identity(), true);
            (fingerprint, dtls)
        } else {
            (library_certificate().1, library_dtls(rig.browser.address))
        };
        rig.browser.dtls = dtls;
        rig.wire.loss_percent = percent;
        rig.signal(credentials(2), fingerprint, SetupRole::Active);
        if rig.run_until(Duration::from_secs(25), |rig| rig.ours().is_some()) {
            outcome.connected += 1;
            outcome.times.push(rig.now - rig.base);
            rig.run_until(Duration::from_secs(10), |rig| rig.browser.keys.is_some());
            outcome.both += u64::from(rig.browser.keys.is_some());
        } else {
            let why = rig.failure();
            assert!(matches!(why, None | Some(EndFailure::DtlsTimeout | EndFailure::NoIcePath)), "{why:?}");
        }
    }
    outcome.times.sort();
    outcome
}

fn report(percent: u64, client: &str, outcome: &Outcome) {
    let at = |share: usize| outcome.times.get(outcome.times.len() * share / 100);
    println!(
        "loss {percent} %, {client}: {} of {SEEDS} connected, {} on both sides; ICE and DTLS p50 {:?}, p95 {:?}, max {:?}",
        outcome.connected,
        outcome.both,
        at(50),
        at(95),
        outcome.times.last()
    );
}

#[test]
fn handshakes_survive_loss_with_a_peer_that_repeats() {
    for percent in [0, 10, 20, 30] {
        let outcome = handshakes(percent, true, LITE);
        report(percent, "client that repeats as browsers do", &outcome);
        let expected = if percent > 20 { SEEDS * 99 / 100 } else { SEEDS };
        assert!(outcome.both >= expected, "at {percent} %");
    }
}

#[test]
fn full_agents_survive_loss_too() {
    for mode in [full(true), full(false)] {
        let outcome = handshakes(20, true, mode);
        report(20, &format!("{mode:?}"), &outcome);
        assert!(outcome.both * 100 >= SEEDS * 99, "{mode:?}");
    }
}

#[test]
fn handshakes_mostly_survive_loss_with_the_librarys_own_timers() {
    for percent in [10, 20] {
        let outcome = handshakes(percent, false, LITE);
        report(percent, "client with rtc-dtls' own timers", &outcome);
        assert!(outcome.both * 100 >= SEEDS * 95, "at {percent} %");
    }
}

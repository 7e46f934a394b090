use super::super::reason::CandidateVerdict;
use super::browser::{client_config, client_config_with_mtu};
use super::*;
use crate::media::srtp::SrtpProfile;

#[test]
fn a_lite_end_connects_and_both_sides_have_the_same_keys() {
    let mut rig = Rig::new(1, LITE);
    let (remote, keys) = rig.connect();
    assert_eq!(remote, rig.browser.address);
    assert_eq!(keys.send.profile(), SrtpProfile::AeadAes128Gcm);
    rig.assert_keys_agree();
    assert!(rig.now - rig.base < Duration::from_secs(1), "took {:?}", rig.now - rig.base);
    assert_eq!(rig.drops, []);
}

#[test]
fn a_full_controlled_end_connects() {
    let mut rig = Rig::new(2, full(false));
    rig.connect();
    rig.assert_keys_agree();
}

#[test]
fn a_full_controlling_end_nominates() {
    let mut rig = Rig::new(3, full(true));
    rig.connect();
    rig.assert_keys_agree();
}

#[test]
fn two_controlling_sides_settle_who_gives_way() {
    for seed in [[1; 32], [2; 32], [3; 32], [4; 32], [5; 32]] {
        let mut rig = Rig::before_signalling(4, IceMode::Full { controlling: true, seed });
        rig.browser.agent.set_role(true);
        rig.signal(credentials(2), library_certificate().1, SetupRole::ActPass);
        rig.connect();
        rig.assert_keys_agree();
    }
}

#[test]
fn a_full_end_connects_to_a_lite_one() {
    let now = Instant::now();
    let (lite, full_id) = (EndId::new(1, 0), EndId::new(2, 0));
    let (lite_at, full_at) = (gateway(), browser_address(30));
    let (mut a, mut b) = (EndTable::new(1), EndTable::new(1));
    a.open(now, lite, end_setup(1, LITE)).unwrap();
    b.open(now, full_id, end_setup(2, full(false))).unwrap();
    let ours = identity().fingerprint().clone();
    a.set_remote(now, lite, remote_setup(credentials(2), ours.clone(), SetupRole::ActPass)).unwrap();
    let mut to_lite = remote_setup(credentials(1), ours, SetupRole::Passive);
    to_lite.ice_lite = true;
    b.set_remote(now, full_id, to_lite).unwrap();
    b.add_remote_candidate(full_id, &Candidate::host(lite_at, "1", 1)).unwrap();
    let mut keys = Vec::new();
    for ms in 0..2_000 {
        let now = now + Duration::from_millis(ms);
        a.handle_timeout(now);
        b.handle_timeout(now);
        while let Some(out) = b.poll_transmit() {
            a.handle_packet(now, full_at, &out.bytes).unwrap();
        }
        while let Some(out) = a.poll_transmit() {
            b.handle_packet(now, lite_at, &out.bytes).unwrap();
        }
        let events = std::iter::from_fn(|| a.poll_event()).chain(std::iter::from_fn(|| b.poll_event()));
        keys.extend(events.filter_map(|(_, event)| match event {
            EndEvent::Connected { keys, .. } => Some(keys),
            _ => None,
        }));
    }
    assert_eq!(keys.len(), 2);
    assert_eq!((&keys[0].send, &keys[0].receive), (&keys[1].receive, &keys[1].send));
}

#[test]
fn gcm_is_chosen_although_the_browser_lists_it_last_and_cm_if_there_is_nothing_else() {
    for (offer, chosen) in [
        (&[1, 7][..], SrtpProfile::AeadAes128Gcm),
        (&[1], SrtpProfile::AesCm128HmacSha1_80),
        (&[8, 1], SrtpProfile::AesCm128HmacSha1_80),
    ] {
        let mut rig = Rig::before_signalling(5, LITE);
        let BrowserDtls::Library(endpoint) = &mut rig.browser.dtls else { unreachable!() };
        endpoint.connect(rig.now, gateway(), client_config(offer), None).unwrap();
        rig.signal(credentials(2), library_certificate().1, SetupRole::Active);
        assert_eq!(rig.connect().1.send.profile(), chosen);
        rig.assert_keys_agree();
    }
}

#[test]
fn gcm_is_chosen_from_a_hello_in_pieces_too() {
    for seed in 0..20 {
        let mut rig = Rig::before_signalling(seed, LITE);
        let BrowserDtls::Library(endpoint) = &mut rig.browser.dtls else { unreachable!() };
        endpoint.connect(rig.now, gateway(), client_config_with_mtu(&[1, 7], 70), None).unwrap();
        rig.signal(credentials(2), library_certificate().1, SetupRole::Active);
        assert_eq!(rig.connect().1.send.profile(), SrtpProfile::AeadAes128Gcm);
        rig.assert_keys_agree();
    }
}

#[test]
fn to_a_passive_browser_we_are_the_dtls_client() {
    let mut rig = Rig::before_signalling(6, LITE);
    let (dtls, fingerprint) = our_dtls(&identity(), false);
    rig.browser.dtls = dtls;
    rig.signal(credentials(2), fingerprint, SetupRole::Passive);
    rig.connect();
    rig.assert_keys_agree();
}

#[test]
fn checks_before_the_browsers_answer_are_served_and_dtls_waits_for_it() {
    let mut rig = Rig::before_signalling(7, LITE);
    rig.browser.knows(gateway());
    rig.run_for(Duration::from_millis(700));
    assert!(rig.browser.connected && rig.ours().is_none());
    assert!(rig.drops.iter().all(|drop| *drop == PacketDrop::DtlsBeforeSignalling) && !rig.drops.is_empty());
    rig.signal(credentials(2), library_certificate().1, SetupRole::Active);
    rig.connect();
    rig.assert_keys_agree();
}

#[test]
fn a_candidate_trickled_late_is_checked() {
    let mut rig = Rig::before_signalling(8, full(true));
    let remote = remote_setup(credentials(2), library_certificate().1, SetupRole::ActPass);
    rig.table.set_remote(rig.now, END, remote).unwrap();
    rig.run_for(Duration::from_secs(4));
    assert!(rig.events.is_empty());
    rig.signal(credentials(2), library_certificate().1, SetupRole::ActPass);
    rig.connect();
    rig.assert_keys_agree();
}

#[test]
fn the_best_of_several_candidates_is_nominated_and_dead_ones_do_not_delay_it_much() {
    let mut rig = Rig::before_signalling(9, full(true));
    for host in 100..110 {
        let dead = Candidate::host(browser_address(host), "9", 65_535);
        assert_eq!(rig.table.add_remote_candidate(END, &dead), Ok(CandidateVerdict::Added));
    }
    rig.signal(credentials(2), library_certificate().1, SetupRole::ActPass);
    rig.connect();
    assert!(rig.now - rig.base < Duration::from_secs(2), "took {:?}", rig.now - rig.base);
}

#[test]
fn consent_holds_for_ten_minutes_of_call() {
    for mode in [LITE, full(true), full(false)] {
        let mut rig = Rig::new(10, mode);
        rig.connect();
        rig.run_for(Duration::from_secs(600));
        assert_eq!(rig.failure(), None, "{mode:?}");
        assert_eq!(rig.events.len(), 1);
    }
}

#[test]
fn a_silent_browser_loses_consent_after_thirty_seconds() {
    for mode in [LITE, full(true), full(false)] {
        let mut rig = Rig::new(11, mode);
        rig.connect();
        rig.browser.gone = true;
        rig.run_for(Duration::from_secs(28));
        assert_eq!(rig.failure(), None, "{mode:?}");
        rig.run_for(Duration::from_secs(4));
        assert_eq!(rig.failure(), Some(EndFailure::ConsentLost), "{mode:?}");
    }
}

#[test]
fn goodbyes_reach_the_other_side() {
    let mut rig = Rig::new(12, LITE);
    rig.connect();
    let now = rig.now;
    rig.browser.close(now);
    rig.flush();
    rig.run_for(Duration::from_millis(200));
    assert!(rig.events.contains(&EndEvent::PeerClosed));

    let mut rig = Rig::new(13, LITE);
    rig.connect();
    assert!(rig.table.close(rig.now, END));
    assert!(!rig.table.close(rig.now, END));
    rig.flush();
    rig.run_for(Duration::from_millis(200));
    assert!(rig.browser.closed);
    assert!(rig.table.is_empty() && rig.table.poll_timeout().is_none());
}

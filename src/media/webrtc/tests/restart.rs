use super::super::stun::{CheckRequest, ClaimedRole, TransactionId, check_request};
use super::*;

/// A check as a browser sends it, from `credentials(them)` to `credentials(us)`.
fn check(us: u8, them: u8, transaction: u8, use_candidate: bool) -> Vec<u8> {
    let username = format!("{}:{}", credentials(us).ufrag(), credentials(them).ufrag());
    let request = CheckRequest {
        transaction: TransactionId([transaction; 12]),
        username: &username,
        priority: 1,
        role: ClaimedRole::Controlling(1),
        use_candidate,
    };
    check_request(&request, credentials(us).password())
}

#[test]
fn after_a_restart_the_old_path_serves_until_the_new_generation_nominates() {
    for mode in [LITE, full(false)] {
        let mut rig = Rig::new(20, mode);
        rig.connect();
        rig.table.restart(rig.now, END, credentials(5)).unwrap();
        let (old, browser) = (check(1, 2, 1, false), rig.browser.address);
        assert_eq!(rig.table.handle_packet(rig.now, browser, &old), Ok(END), "the old password still serves");
        let moved = Browser::new(rig.now, browser_address(21), &credentials(6), true);
        let dtls = std::mem::replace(&mut rig.browser, moved).dtls;
        rig.browser.dtls = dtls;
        let ours = credentials(5);
        let (ufrag, password) = (ours.ufrag().to_owned(), ours.password().to_owned());
        rig.browser.agent.start_connectivity_checks(rig.now, true, ufrag, password).unwrap();
        rig.signal(credentials(6), library_certificate().1, SetupRole::ActPass);
        rig.run_for(Duration::from_secs(2));
        let remote = rig.browser.address;
        assert_eq!(rig.events.last(), Some(&EndEvent::PathChanged { remote }), "{mode:?}");
        assert_eq!(rig.table.handle_packet(rig.now, browser, &old), Err(PacketDrop::UnknownUfrag));
        rig.run_for(Duration::from_secs(60));
        assert_eq!(rig.events.len(), 2, "keys came once, and consent holds: {:?}", rig.events);
    }
}

#[test]
fn a_restart_revives_an_end_that_found_no_path() {
    let mut rig = Rig::before_signalling(21, LITE);
    let remote = remote_setup(credentials(2), library_certificate().1, SetupRole::ActPass);
    rig.table.set_remote(rig.now, END, remote).unwrap();
    rig.run_for(Duration::from_secs(31));
    assert_eq!(rig.failure(), Some(EndFailure::NoIcePath));
    rig.table.restart(rig.now, END, credentials(1)).unwrap();
    rig.browser = Browser::new(rig.now, browser_address(22), &credentials(6), true);
    rig.browser.dtls = library_dtls(rig.browser.address);
    let ours = credentials(1);
    let (ufrag, password) = (ours.ufrag().to_owned(), ours.password().to_owned());
    rig.browser.agent.start_connectivity_checks(rig.now, true, ufrag, password).unwrap();
    rig.signal(credentials(6), library_certificate().1, SetupRole::ActPass);
    rig.connect();
    rig.assert_keys_agree();
}

#[test]
fn a_lite_end_follows_each_nomination() {
    let mut rig = Rig::new(22, LITE);
    rig.connect();
    let wifi = browser_address(40);
    rig.table.handle_packet(rig.now, wifi, &check(1, 2, 1, false)).unwrap();
    rig.flush();
    assert_eq!(rig.events.len(), 1, "a check alone does not move our media");
    assert_eq!(rig.validated.last(), Some(&wifi), "but the browser's may come from there");
    rig.table.handle_packet(rig.now, wifi, &check(1, 2, 2, true)).unwrap();
    rig.flush();
    assert_eq!(rig.events.last(), Some(&EndEvent::PathChanged { remote: wifi }));
    rig.table.handle_packet(rig.now, wifi, &check(1, 2, 3, true)).unwrap();
    rig.flush();
    assert_eq!(rig.events.len(), 2, "a repeated nomination is no news");
    assert_eq!(rig.validated.iter().filter(|address| **address == wifi).count(), 1);
}

#[test]
fn a_repeated_description_changes_nothing() {
    let mut rig = Rig::new(23, LITE);
    rig.connect();
    rig.signal(credentials(2), library_certificate().1, SetupRole::ActPass);
    rig.run_for(Duration::from_secs(40));
    assert_eq!(rig.events.len(), 1);
}

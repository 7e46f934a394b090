use super::super::reason::CandidateVerdict;
use super::super::stun::{
    BindingClass, BindingMessage, CheckRequest, ClaimedRole, TransactionId, check_request,
};
use super::super::table::{OpenRefused, TableRefused};
use super::super::{DtlsIdentity, RemoteRefused};
use super::browser::client_config;
use super::*;

fn forged(ufrag: &str, password: &str, transaction: u32) -> Vec<u8> {
    let mut id = [0; 12];
    id[8..].copy_from_slice(&transaction.to_be_bytes());
    let request = CheckRequest {
        transaction: TransactionId(id),
        username: &format!("{ufrag}:{}", credentials(2).ufrag()),
        priority: 1,
        role: ClaimedRole::Controlling(1),
        use_candidate: true,
    };
    check_request(&request, password)
}

fn authentic(transaction: u32) -> Vec<u8> {
    forged(credentials(1).ufrag(), credentials(1).password(), transaction)
}

#[test]
fn a_wrong_password_gets_no_answer_and_ends_as_no_ice_path() {
    let mut rig = Rig::before_signalling(30, LITE);
    let (ufrag, wrong) = (credentials(1).ufrag().to_owned(), "w".repeat(24));
    rig.browser.agent.set_remote_credentials(ufrag, wrong).unwrap();
    rig.signal(credentials(2), library_certificate().1, SetupRole::ActPass);
    rig.run_for(Duration::from_secs(31));
    assert_eq!(rig.failure(), Some(EndFailure::NoIcePath));
    assert!(!rig.drops.is_empty() && rig.drops.iter().all(|drop| *drop == PacketDrop::WrongIntegrity));
    assert_eq!(rig.table.drops().of(PacketDrop::WrongIntegrity), rig.drops.len() as u64);
}

#[test]
fn strangers_get_no_answer() {
    let mut rig = Rig::new(31, LITE);
    let stranger = browser_address(66);
    let mut drop_of = |bytes: &[u8]| {
        let dropped = rig.table.handle_packet(rig.now, stranger, bytes).unwrap_err();
        assert_eq!(rig.table.poll_transmit(), None);
        dropped
    };
    assert_eq!(drop_of(&forged("nobody", "p", 1)), PacketDrop::UnknownUfrag);
    assert_eq!(drop_of(&forged(credentials(1).ufrag(), "wrong", 2)), PacketDrop::WrongIntegrity);
    assert_eq!(drop_of(&[0; 20]), PacketDrop::StunMalformed);
    assert_eq!(drop_of(&[]), PacketDrop::NotForUs);
    assert_eq!(drop_of(&[200; 40]), PacketDrop::NotForUs);
    assert_eq!(drop_of(&[22; 4000]), PacketDrop::NotForUs);
    let mut endpoint = rtc_dtls::endpoint::Endpoint::new(stranger, rtc_shared::TransportProtocol::UDP, None);
    endpoint.connect(Instant::now(), gateway(), client_config(&[7]), None).unwrap();
    let hello = endpoint.poll_transmit().unwrap().message;
    assert_eq!(drop_of(&hello), PacketDrop::DtlsStranger);
}

#[test]
fn a_validated_neighbour_cannot_speak_dtls_for_another_address() {
    let mut rig = Rig::new(32, LITE);
    rig.connect();
    let mut endpoint = rtc_dtls::endpoint::Endpoint::new(gateway(), rtc_shared::TransportProtocol::UDP, None);
    endpoint.connect(rig.now, gateway(), client_config(&[7]), None).unwrap();
    let hello = endpoint.poll_transmit().unwrap().message;
    let other_port = SocketAddr::new(rig.browser.address.ip(), 1);
    assert_eq!(rig.table.handle_packet(rig.now, other_port, &hello), Err(PacketDrop::DtlsStranger));
    rig.run_for(Duration::from_secs(1));
    let late = rig.table.handle_packet(rig.now, rig.browser.address, &hello);
    assert_eq!(late, Ok(END), "repeats our last flight, at most ten times");
    for _ in 0..30 {
        rig.now += Duration::from_millis(60);
        let _ = rig.table.handle_packet(rig.now, rig.browser.address, &hello);
    }
    assert_eq!(rig.table.drops().of(PacketDrop::DtlsUnexpected), 21);
}

#[test]
fn a_flood_of_forged_requests_costs_a_bounded_number_of_digests_and_spares_the_path() {
    let mut rig = Rig::new(33, LITE);
    rig.connect();
    let before = rig.now;
    for n in 0..10_000_u32 {
        let from = SocketAddr::new(std::net::IpAddr::from([198, 51, 100, 1]), 1 + (n % 60_000) as u16);
        let now = before + Duration::from_micros(u64::from(n) * 100);
        let dropped = rig.table.handle_packet(now, from, &forged(credentials(1).ufrag(), "wrong", n));
        assert!(matches!(dropped, Err(PacketDrop::WrongIntegrity | PacketDrop::CheckRate)));
        assert_eq!(rig.table.poll_transmit(), None);
    }
    assert!(rig.table.drops().of(PacketDrop::WrongIntegrity) <= 81);
    rig.now = before + Duration::from_secs(1);
    let browser = rig.browser.address;
    assert_eq!(rig.table.handle_packet(rig.now, browser, &authentic(1)), Ok(END));
    assert!(rig.table.poll_transmit().is_some());
    let answered =
        (2..500).filter(|n| rig.table.handle_packet(rig.now, browser, &authentic(*n)).is_ok()).count();
    assert!(answered <= 100, "{answered} checks at once");
}

#[test]
fn authentic_checks_from_ever_new_addresses_fill_no_memory() {
    let mut rig = Rig::new(34, LITE);
    rig.connect();
    for n in 0..500_u16 {
        rig.now += Duration::from_millis(60);
        let from = SocketAddr::new(browser_address(77).ip(), 1000 + n);
        rig.table.handle_packet(rig.now, from, &authentic(u32::from(n))).unwrap();
        rig.flush();
    }
    let validated = (0..500).filter(|n| {
        let from = SocketAddr::new(browser_address(77).ip(), 1000 + n);
        rig.table.handle_packet(rig.now, from, &[22, 254, 253, 0]) != Err(PacketDrop::DtlsStranger)
    });
    assert!(validated.count() <= 32);
}

#[test]
fn a_wrong_fingerprint_is_named_and_told_to_the_browser() {
    let mut rig = Rig::before_signalling(35, LITE);
    rig.signal(credentials(2), Fingerprint::sha256([9; 32]), SetupRole::ActPass);
    rig.run_for(Duration::from_secs(5));
    assert_eq!(rig.failure(), Some(EndFailure::FingerprintMismatch));
    assert!(rig.ours().is_none());
    assert!(rig.browser.keys.is_none() && rig.browser.dtls_error.is_some());
}

#[test]
fn as_client_we_refuse_a_wrong_server_certificate() {
    let mut rig = Rig::before_signalling(36, LITE);
    rig.browser.dtls = our_dtls(&identity(), false).0;
    rig.signal(credentials(2), Fingerprint::sha256([9; 32]), SetupRole::Passive);
    rig.run_for(Duration::from_secs(5));
    assert_eq!(rig.failure(), Some(EndFailure::FingerprintMismatch));
}

#[test]
fn no_common_srtp_profile_is_named() {
    for offer in [&[2_u16][..], &[]] {
        let mut rig = Rig::before_signalling(37, LITE);
        let BrowserDtls::Library(endpoint) = &mut rig.browser.dtls else { unreachable!() };
        endpoint.connect(rig.now, gateway(), client_config(offer), None).unwrap();
        rig.signal(credentials(2), library_certificate().1, SetupRole::Active);
        rig.run_for(Duration::from_secs(5));
        assert_eq!(rig.failure(), Some(EndFailure::NoCommonProfile), "{offer:?}");
    }
}

#[test]
fn dtls_that_never_comes_or_never_arrives_is_a_timeout() {
    let mut rig = Rig::before_signalling(38, LITE);
    rig.browser.dtls = BrowserDtls::Silent;
    rig.signal(credentials(2), library_certificate().1, SetupRole::ActPass);
    rig.run_for(Duration::from_secs(22));
    assert_eq!(rig.failure(), Some(EndFailure::DtlsTimeout));

    let mut rig = Rig::new(39, LITE);
    rig.wire.firewall = Some(|datagram| datagram.to != gateway() && datagram.bytes[0] > 3);
    rig.run_for(Duration::from_secs(22));
    assert_eq!(rig.failure(), Some(EndFailure::DtlsTimeout));
}

#[test]
fn a_handshake_that_never_ends_is_cut_off() {
    let mut rig = Rig::new(40, LITE);
    rig.wire.firewall = Some(|datagram| datagram.to == gateway() && datagram.bytes.len() > 400);
    rig.run_until(Duration::from_secs(2), |rig| rig.browser.connected);
    rig.run_for(Duration::from_millis(300));
    let mut fragment = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    let body = [[11, 0, 4, 0, 0, 2, 0, 0, 0, 0, 3, 232].as_slice(), &[0; 1000]].concat();
    fragment[11..13].copy_from_slice(&(body.len() as u16).to_be_bytes());
    fragment.extend_from_slice(&body);
    for n in 0..100 {
        fragment[10] = n;
        let _ = rig.table.handle_packet(rig.now, rig.browser.address, &fragment);
    }
    rig.flush();
    assert_eq!(rig.failure(), Some(EndFailure::HandshakeTooLarge));
}

#[test]
fn a_client_that_begins_afresh_is_followed() {
    let mut rig = Rig::new(41, LITE);
    rig.wire.firewall = Some(|datagram| datagram.to != gateway() && datagram.bytes[0] > 3);
    rig.run_until(Duration::from_secs(2), |rig| rig.browser.connected);
    rig.run_for(Duration::from_millis(300));
    rig.wire.firewall = None;
    rig.browser.dtls = library_dtls(rig.browser.address);
    let BrowserDtls::Library(endpoint) = &mut rig.browser.dtls else { unreachable!() };
    endpoint.connect(rig.now, gateway(), client_config(&[7]), None).unwrap();
    rig.flush();
    rig.connect();
    rig.assert_keys_agree();
}

#[test]
fn unknown_required_attributes_and_role_conflicts_are_answered() {
    let mut rig = Rig::new(42, LITE);
    let username = format!("{}:{}", credentials(1).ufrag(), credentials(2).ufrag());
    let request = CheckRequest {
        transaction: TransactionId([1; 12]),
        username: &username,
        priority: 1,
        role: ClaimedRole::Controlled(1),
        use_candidate: false,
    };
    let bytes = check_request(&request, credentials(1).password());
    rig.table.handle_packet(rig.now, browser_address(50), &bytes).unwrap();
    let answer = rig.table.poll_transmit().unwrap();
    let answer = BindingMessage::decode(&answer.bytes).unwrap();
    assert_eq!(answer.class, BindingClass::Error(487));
    assert!(answer.is_authentic(credentials(1).password()));
}

#[test]
fn candidates_are_judged() {
    let mut rig = Rig::new(43, full(true));
    let mut verdict = |text: &str| rig.table.add_remote_candidate(END, &text.parse().unwrap()).unwrap();
    let mdns = "candidate:1 1 udp 2113937151 0b1c9c2e-7a1f-4a37-8f6d-5d7e9a1b2c3d.local 54400 typ host";
    assert_eq!(verdict(mdns), CandidateVerdict::Mdns);
    assert_eq!(verdict("candidate:1 1 udp 1 192.0.2.99 5000 typ host"), CandidateVerdict::Added);
    assert_eq!(verdict("candidate:1 1 udp 1 192.0.2.99 5000 typ host"), CandidateVerdict::Known);
    assert_eq!(verdict("candidate:1 1 udp 1 2001:db8::1 5000 typ host"), CandidateVerdict::OtherFamily);
    for unusable in
        ["224.0.0.1 5000", "0.0.0.0 5000", "255.255.255.255 5000", "127.0.0.1 5000", "192.0.2.1 0"]
    {
        let text = format!("candidate:1 1 udp 1 {unusable} typ host");
        assert_eq!(verdict(&text), CandidateVerdict::Unusable, "{unusable}");
    }
    assert_eq!(
        verdict("candidate:1 1 tcp 1 192.0.2.9 9 typ host tcptype active"),
        CandidateVerdict::Unusable
    );
    let many = (1..=30).map(|n| verdict(&format!("candidate:1 1 udp 1 192.0.2.98 {n} typ host")));
    assert_eq!(many.filter(|verdict| *verdict == CandidateVerdict::TooMany).count(), 16);
}

#[test]
fn descriptions_without_a_strong_fingerprint_or_role_are_refused() {
    let mut rig = Rig::before_signalling(44, LITE);
    let mut refused = |fingerprints: Vec<Fingerprint>, setup| {
        let remote = RemoteSetup { credentials: credentials(2), ice_lite: false, fingerprints, setup };
        rig.table.set_remote(rig.now, END, remote).unwrap_err()
    };
    let weak: Fingerprint = format!("sha-1 {}", ["00"; 20].join(":")).parse().unwrap();
    let strong = Fingerprint::sha256([0; 32]);
    assert_eq!(refused(vec![weak], SetupRole::Active), TableRefused::Remote(RemoteRefused::Fingerprint));
    assert_eq!(refused(vec![], SetupRole::Active), TableRefused::Remote(RemoteRefused::Fingerprint));
    assert_eq!(refused(vec![strong; 1], SetupRole::HoldConn), TableRefused::Remote(RemoteRefused::Setup));
}

#[test]
fn ends_are_bounded_and_told_apart() {
    let mut rig = Rig::new(45, LITE);
    let now = rig.now;
    let mut open =
        |index, generation, salt| rig.table.open(now, EndId::new(index, generation), end_setup(salt, LITE));
    assert_eq!(open(3, 1, 9), Err(OpenRefused::Open));
    assert_eq!(open(4, 0, 1), Err(OpenRefused::Ufrag));
    assert_eq!([4, 5, 6].map(|n| open(n, 0, 10 + n as u8)), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(open(7, 0, 20), Err(OpenRefused::TooMany));
    let stale = EndId::new(3, 9);
    assert_eq!(rig.table.restart(now, stale, credentials(30)), Err(TableRefused::Unknown));
    assert_eq!(rig.table.restart(now, END, credentials(14)), Err(TableRefused::Ufrag));
    assert!(!rig.table.close(now, stale));
}

#[test]
fn two_lite_sides_are_refused_by_name() {
    let mut rig = Rig::before_signalling(46, LITE);
    let mut remote = remote_setup(credentials(2), library_certificate().1, SetupRole::ActPass);
    remote.ice_lite = true;
    rig.table.set_remote(rig.now, END, remote).unwrap();
    rig.flush();
    assert_eq!(rig.failure(), Some(EndFailure::BothLite));
}

#[test]
fn a_key_of_another_kind_is_refused() {
    assert!(DtlsIdentity::new(vec![1, 2, 3], &[4, 5, 6]).is_err());
}

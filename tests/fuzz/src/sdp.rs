//! A session description: read, written, answered as an offer, taken as an answer.

use std::net::IpAddr;

use branchline::sdp::{
    Direction, Fingerprint, IceCredentials, KeySeed, LocalCapabilities, LocalDtls, LocalIce, LocalMedia,
    LocalSecurity, LocalSession, MAX_KEY_BYTES, MediaPolicy, OfficeCodecs, SessionDescription, SetupRole,
    SrtpSuite, codecs_for_other_leg, payload_map, read_answer, remote_audio,
};

/// See the module.
pub fn run(data: &[u8]) {
    let Ok(description) = SessionDescription::parse(data) else { return };
    let written = description.to_string();
    let again = SessionDescription::parse(written.as_bytes()).expect("what we write can be read");
    assert_eq!(again.to_string(), written, "what is written once is written alike for ever");
    let _ = remote_audio(&description, MediaPolicy::ANY)
        .map(|audio| codecs_for_other_leg(&audio.codecs, &OfficeCodecs::default()));
    answer(&description);
    for security in [LocalSecurity::Plain, sdes(), dtls()] {
        take_as_answer(&description, security);
    }
}

fn answer(offer: &SessionDescription) {
    let mut session = LocalSession::new(7, address());
    let Ok(answer) = session.answer(offer, &capabilities()) else { return };
    let written = answer.description.to_string();
    let read = SessionDescription::parse(written.as_bytes()).expect("our answer can be read");
    assert_eq!(read.media.len(), offer.media.len(), "a section for each section (RFC 3264 §6)");
    assert!(answer.agreed.audio().is_some(), "an answer has a codec");
    let again = session.answer(offer, &capabilities()).expect("the same offer again");
    assert_eq!(again.description.to_string(), written, "a repeated offer changes nothing");
    let _ = payload_map(&answer.agreed.codecs, &answer.agreed.codecs);
}

fn take_as_answer(answer: &SessionDescription, security: LocalSecurity) {
    let local = local(security);
    let mut session = LocalSession::new(9, address());
    let offer = session.offer(&local);
    if let Ok(agreed) = read_answer(&offer, &local, answer) {
        assert!(agreed.audio().is_some(), "an agreement has a codec");
    }
}

fn local(security: LocalSecurity) -> LocalMedia {
    LocalMedia {
        rtp: "192.0.2.1:20000".parse().expect("an address"),
        rtcp_port: 20_001,
        rtcp_mux: true,
        codecs: OfficeCodecs::default().codecs(),
        direction: Direction::SendRecv,
        ptime: Some(20),
        security,
        mid: Some("0".to_owned()),
        source: None,
    }
}

fn capabilities() -> LocalCapabilities {
    let LocalSecurity::DtlsSrtp(dtls) = dtls() else { unreachable!("made below") };
    LocalCapabilities {
        rtp: "192.0.2.1:20000".parse().expect("an address"),
        rtcp_port: 20_001,
        rtcp_mux: true,
        codecs: OfficeCodecs::default().codecs(),
        direction: Direction::SendRecv,
        ptime: Some(20),
        policy: MediaPolicy::ANY,
        suites: SrtpSuite::PREFERENCE.to_vec(),
        key_seed: seed(),
        dtls: Some(dtls),
        dtls_role: None,
        source: None,
    }
}

fn sdes() -> LocalSecurity {
    LocalSecurity::sdes(&SrtpSuite::PREFERENCE, &seed())
}

fn dtls() -> LocalSecurity {
    let credentials = IceCredentials::new("abcdefghijkl", "abcdefghijklmnopqrstuvwx").expect("credentials");
    let ice =
        LocalIce { credentials, lite: true, trickle: true, candidates: vec![], end_of_candidates: true };
    LocalSecurity::DtlsSrtp(LocalDtls {
        fingerprint: Fingerprint::sha256([7; 32]),
        setup: SetupRole::ActPass,
        ice,
    })
}

fn seed() -> KeySeed {
    KeySeed::new([42; MAX_KEY_BYTES])
}

fn address() -> IpAddr {
    IpAddr::from([192, 0, 2, 1])
}

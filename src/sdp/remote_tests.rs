use super::*;
use crate::sdp::SrtpSuite;
use crate::sdp::fixtures::{self, read};

fn remote(text: &str) -> RemoteMedia {
    remote_audio(&read(text), MediaPolicy::ANY).unwrap()
}

fn refused(text: &str) -> MediaRefusal {
    remote_audio(&read(text), MediaPolicy::ANY).unwrap_err()
}

fn dtls(remote: &RemoteMedia) -> &RemoteDtls {
    match &remote.security {
        RemoteSecurity::DtlsSrtp(dtls) => dtls,
        other => panic!("{other:?}"),
    }
}

/// A plain description of one phone at 10.0.0.1 with these lines more.
fn plain(connection: &str, lines: &str) -> String {
    format!("v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc={connection}\nt=0 0\nm=audio 4000 RTP/AVP 0\n{lines}\n")
}

#[test]
fn a_udp_phone() {
    let remote = remote(fixtures::SIPP);
    assert_eq!(remote.rtp, Some("127.0.0.1:6000".parse().unwrap()));
    assert_eq!(remote.rtcp, Some("127.0.0.1:6001".parse().unwrap()));
    assert_eq!((remote.direction, remote.is_hold()), (Direction::SendRecv, false));
    assert_eq!((remote.security, remote.rtcp_mux), (RemoteSecurity::Plain, false));
}

#[test]
fn a_tls_phone_with_keys() {
    let remote = remote(fixtures::BARESIP);
    let RemoteSecurity::Sdes(lines) = &remote.security else { panic!("{remote:?}") };
    let suites: Vec<(u32, SrtpSuite)> = lines.iter().map(|line| (line.tag, line.suite)).collect();
    let wanted = [
        (1, SrtpSuite::AesCm128HmacSha1_32),
        (2, SrtpSuite::AesCm128HmacSha1_80),
        (4, SrtpSuite::AeadAes128Gcm),
    ];
    assert_eq!(suites, wanted);
    assert_eq!((remote.ptime, remote.sources.as_slice()), (Some(20), &[2_719_384_421][..]));
    assert_eq!(remote.telephone_events().count(), 1);
    assert_eq!(remote.audio_codecs().count(), 4);
}

#[test]
fn keys_with_parameters_we_cannot_honour_are_left_out() {
    let remote = remote(fixtures::LINPHONE);
    let RemoteSecurity::Sdes(lines) = &remote.security else { panic!("{remote:?}") };
    assert_eq!(lines.iter().map(|line| line.tag).collect::<Vec<_>>(), [1, 2]);
    let events: Vec<u32> = remote.telephone_events().map(|codec| codec.clock_rate).collect();
    assert_eq!(events, [48_000, 8_000]);
}

#[test]
fn a_browser_before_its_candidates() {
    let remote = remote(fixtures::CHROMIUM);
    assert_eq!((remote.rtp, remote.rtcp, remote.rtcp_mux), (None, None, true));
    assert_eq!(remote.direction, Direction::SendRecv, "zeros are no hold over ICE");
    let dtls = dtls(&remote);
    assert_eq!(dtls.setup, SetupRole::ActPass);
    assert_eq!(dtls.ice.credentials.ufrag(), "h3Xx");
    assert!(dtls.ice.trickle && !dtls.ice.lite && !dtls.ice.end_of_candidates);
    assert_eq!(dtls.ice.candidates, []);
}

#[test]
fn a_browser_with_candidates() {
    let remote = remote(fixtures::JSSIP);
    assert_eq!(remote.rtp, Some("192.0.2.44:51515".parse().unwrap()));
    let ice = &dtls(&remote).ice;
    assert_eq!(ice.candidates.len(), 3, "an unknown transport is skipped");
    assert!(ice.candidates[1].address.is_mdns() && ice.end_of_candidates);
}

#[test]
fn session_level_fingerprint_and_options() {
    let remote = remote(fixtures::FIREFOX);
    assert!(dtls(&remote).ice.trickle);
    assert_eq!(remote.codecs.last().unwrap().clock_rate, 8_000);
}

#[test]
fn holds() {
    let zeros = remote(fixtures::OLD_PHONE_HOLD);
    assert_eq!((zeros.rtp, zeros.direction), (None, Direction::SendOnly));
    for (line, direction, hold) in [
        ("a=sendonly", Direction::SendOnly, true),
        ("a=inactive", Direction::Inactive, true),
        ("a=recvonly", Direction::RecvOnly, false),
    ] {
        let remote = remote(&plain("IN IP4 10.0.0.1", line));
        assert_eq!((remote.direction, remote.is_hold()), (direction, hold));
        assert!(remote.rtp.is_some());
    }
    let session_level = plain("IN IP4 10.0.0.1", "").replace("t=0 0", "t=0 0\na=sendonly");
    assert!(remote(&session_level).is_hold());
}

#[test]
fn rtcp_elsewhere() {
    for (line, rtcp) in [
        ("a=rtcp:5001", "10.0.0.1:5001"),
        ("a=rtcp:5001 IN IP4 10.0.0.9", "10.0.0.9:5001"),
        ("a=rtcp:5001 IN IP4 0.0.0.0", "10.0.0.1:5001"),
        ("a=rtcp:0", "10.0.0.1:4001"),
    ] {
        assert_eq!(remote(&plain("IN IP4 10.0.0.1", line)).rtcp, Some(rtcp.parse().unwrap()), "{line}");
    }
}

#[test]
fn addresses_that_media_cannot_go_to() {
    for (connection, reason) in [
        ("IN IP4 pbx.example.com", MediaRefusal::AddressNotNumeric),
        ("IN IP4 224.2.1.1", MediaRefusal::AddressNotUnicast),
        ("IN IP4 255.255.255.255", MediaRefusal::AddressNotUnicast),
        ("IN IP6 ff02::1", MediaRefusal::AddressNotUnicast),
        ("IN IP6 ::ffff:224.0.0.1", MediaRefusal::AddressNotUnicast),
    ] {
        assert_eq!(refused(&plain(connection, "")), reason, "{connection}");
    }
    let without = plain("IN IP4 10.0.0.1", "").replace("c=IN IP4 10.0.0.1\n", "");
    assert_eq!(refused(&without), MediaRefusal::MissingAddress);
    assert_eq!(remote(&plain("IN IP6 ::ffff:10.0.0.1", "")).rtp, Some("10.0.0.1:4000".parse().unwrap()));
}

#[test]
fn what_cannot_be_used_says_why() {
    let (browser, phone) = (fixtures::CHROMIUM, fixtures::BARESIP);
    for (text, reason) in [
        (phone.replace("m=audio", "m=text"), MediaRefusal::NoAudio),
        (phone.replace("audio 21834", "audio 0"), MediaRefusal::AudioDisabled),
        (phone.replace("RTP/SAVP", "TCP/RTP/SAVP"), MediaRefusal::UnsupportedProtocol),
        (phone.replace("a=crypto", "a=x-crypto"), MediaRefusal::MissingCrypto),
        (phone.replace("inline:", "inline:!"), MediaRefusal::NoAcceptableCrypto),
        (phone.replace(" 96 9 0 8 101", " 18 101"), MediaRefusal::NoCommonCodec),
        (browser.replace("a=fingerprint", "a=x"), MediaRefusal::MissingFingerprint),
        (browser.replace("sha-256", "md5"), MediaRefusal::MissingFingerprint),
        (browser.replace("a=ice-pwd", "a=x"), MediaRefusal::MissingIce),
        (browser.replace("a=setup:actpass", "a=setup:maybe"), MediaRefusal::SetupConflict),
    ] {
        assert_eq!(refused(&text), reason);
    }
    let only_secure = MediaPolicy { plain: false, ..MediaPolicy::ANY };
    let refusal = remote_audio(&read(fixtures::SIPP), only_secure);
    assert_eq!(refusal, Err(MediaRefusal::ProtocolNotAllowed));
}

#[test]
fn the_first_section_that_works_is_taken() {
    let two = format!(
        "{}m=audio 5000 RTP/AVP 8\na=recvonly\n",
        plain("IN IP4 10.0.0.1", "a=sendonly").replace("RTP/AVP", "RTP/SAVP"),
    );
    let remote = remote(&two);
    assert_eq!((remote.section, remote.direction), (1, Direction::RecvOnly));
    let disabled = plain("IN IP4 10.0.0.1", "m=audio 5000 RTP/SAVP 8").replace("audio 4000", "audio 0");
    assert_eq!(refused(&disabled), MediaRefusal::MissingCrypto, "the live one says why");
}

#[test]
fn fingerprints_the_strongest_wins() {
    let sha1 = format!("a=fingerprint:sha-1 {}\na=fingerprint:sha-256", ["11"; 20].join(":"));
    let remote = remote(&fixtures::CHROMIUM.replace("a=fingerprint:sha-256", &sha1));
    assert_eq!(dtls(&remote).fingerprint.function().as_str(), "sha-256");
}

#[test]
fn older_peers_write_savpf_for_dtls() {
    let remote = remote(&fixtures::JSSIP.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"));
    assert_eq!(dtls(&remote).setup, SetupRole::ActPass);
}

#[test]
fn a_bundle_only_section_has_the_transport_of_the_tagged_one() {
    let lines = fixtures::CHROMIUM.lines().collect::<Vec<_>>();
    let video = lines.iter().position(|line| line.starts_with("m=video")).unwrap();
    let audio = lines.iter().position(|line| line.starts_with("m=audio")).unwrap();
    let transport = |line: &&&str| !["a=ice", "a=fing", "a=setup"].iter().any(|name| line.starts_with(name));
    let audio_lines = lines[audio + 1..video].iter().filter(transport).copied();
    let head = lines[..audio].join("\n").replace("BUNDLE 0 1", "BUNDLE 1 0");
    let audio_lines = audio_lines.collect::<Vec<_>>().join("\n");
    let text = format!(
        "{head}\n{}\nm=audio 0 UDP/TLS/RTP/SAVPF 111\na=bundle-only\n{audio_lines}\n",
        lines[video..].join("\n")
    );
    let remote = remote(&text);
    assert_eq!((remote.section, remote.rtp), (1, None));
    assert_eq!(dtls(&remote).ice.credentials.ufrag(), "h3Xx");
}

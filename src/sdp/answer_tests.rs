use super::*;
use crate::sdp::fixtures::{self, read};
use crate::sdp::ice::{Candidate, IceCredentials};
use crate::sdp::local::{KeySeed, LocalIce};
use crate::sdp::remote::MediaPolicy;
use crate::sdp::source::{LocalSource, Msid};
use crate::sdp::{Encoding, Fingerprint, OfficeCodecs, SetupRole, SrtpSuite};

fn dtls() -> LocalDtls {
    let address = "192.0.2.1:10000".parse().unwrap();
    LocalDtls {
        fingerprint: Fingerprint::sha256([0xA5; 32]),
        setup: SetupRole::ActPass,
        ice: LocalIce {
            credentials: IceCredentials::new("ours", "0123456789abcdefghijkl").unwrap(),
            lite: true,
            trickle: false,
            candidates: vec![Candidate::host(address, "1", 65_535)],
            end_of_candidates: true,
        },
    }
}

fn local() -> LocalCapabilities {
    LocalCapabilities {
        rtp: "192.0.2.1:10000".parse().unwrap(),
        rtcp_port: 10_001,
        rtcp_mux: true,
        codecs: OfficeCodecs::default().codecs(),
        direction: Direction::SendRecv,
        ptime: Some(20),
        policy: MediaPolicy::ANY,
        suites: SrtpSuite::PREFERENCE.to_vec(),
        key_seed: KeySeed::new([7; 46]),
        dtls: Some(dtls()),
        dtls_role: None,
        source: None,
    }
}

fn origin() -> Origin {
    Origin::new(1, 1, "192.0.2.1".parse().unwrap())
}

fn answered(text: &str, local: &LocalCapabilities) -> Answer {
    answer(&read(text), local, origin()).unwrap()
}

fn refused(text: &str, local: &LocalCapabilities) -> MediaRefusal {
    answer(&read(text), local, origin()).unwrap_err()
}

fn lines(answer: &Answer) -> Vec<String> {
    answer.description.to_string().lines().map(str::to_owned).collect()
}

fn numbers(answer: &Answer) -> Vec<u8> {
    answer.agreed.codecs.iter().map(|agreed| agreed.codec.payload_type.number()).collect()
}

#[test]
fn to_a_browser() {
    let source = LocalSource {
        ssrc: 77,
        cname: "branch".to_owned(),
        msid: Msid { stream: "s".to_owned(), track: Some("t".to_owned()) },
    };
    let answer = answered(fixtures::CHROMIUM, &LocalCapabilities { source: Some(source), ..local() });
    let fingerprint = format!("a=fingerprint:sha-256 {}", ["A5"; 32].join(":"));
    let wanted = [
        "v=0",
        "o=- 1 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=ice-lite",
        "m=audio 10000 UDP/TLS/RTP/SAVPF 111 9 0 8 110 126",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=fmtp:110 0-15",
        "a=rtpmap:126 telephone-event/8000",
        "a=fmtp:126 0-15",
        "a=ptime:20",
        "a=ice-ufrag:ours",
        "a=ice-pwd:0123456789abcdefghijkl",
        &fingerprint,
        "a=setup:passive",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 10000 typ host",
        "a=end-of-candidates",
        "a=msid:s t",
        "a=ssrc:77 cname:branch",
        "a=ssrc:77 msid:s t",
        "m=video 0 UDP/TLS/RTP/SAVPF 96 97 102 103",
        "a=mid:1",
        "a=inactive",
    ];
    assert_eq!(lines(&answer), wanted);
    let AgreedSecurity::DtlsSrtp { role, ice, .. } = &answer.agreed.security else { panic!() };
    assert_eq!((*role, ice.credentials.ufrag()), (DtlsRole::Server, "h3Xx"));
}

#[test]
fn to_a_phone_with_keys() {
    let answer = answered(fixtures::BARESIP, &local());
    let AgreedSecurity::Sdes { local: ours, remote } = &answer.agreed.security else { panic!() };
    assert_eq!((remote.tag, remote.suite), (4, SrtpSuite::AeadAes128Gcm));
    assert_eq!((ours.tag, ours.suite), (4, SrtpSuite::AeadAes128Gcm));
    assert_eq!(ours.key.key_and_salt(), [7; 28]);
    let text = lines(&answer);
    assert!(text.contains(&"m=audio 10000 RTP/SAVP 96 9 0 8 101".to_owned()), "{text:?}");
    let keys: Vec<&String> = text.iter().filter(|line| line.starts_with("a=crypto")).collect();
    assert_eq!(keys.len(), 1);
    assert!(keys[0].starts_with("a=crypto:4 AEAD_AES_128_GCM inline:BwcH"), "{keys:?}");
    assert!(!text.iter().any(|line| line == "a=rtcp-mux" || line.starts_with("a=rtcp:")));
}

#[test]
fn suites_in_our_order() {
    use SrtpSuite::{AesCm128HmacSha1_32, AesCm128HmacSha1_80};
    for (suites, tag) in [
        (vec![AesCm128HmacSha1_80, AesCm128HmacSha1_32], Some(2)),
        (vec![AesCm128HmacSha1_32], Some(1)),
        (vec![SrtpSuite::AeadAes256Gcm], None),
    ] {
        let local = LocalCapabilities { suites, ..local() };
        match answer(&read(fixtures::BARESIP), &local, origin()) {
            Ok(Answer {
                agreed: AgreedMedia { security: AgreedSecurity::Sdes { local, .. }, .. }, ..
            }) => {
                assert_eq!(Some(local.tag), tag);
            }
            other => assert_eq!((other.err(), tag), (Some(MediaRefusal::NoAcceptableCrypto), None)),
        }
    }
}

#[test]
fn events_keep_their_clock_rate_and_number() {
    let opus_and_8000 = "m=audio 9 UDP/TLS/RTP/SAVPF 111 126";
    let text =
        fixtures::CHROMIUM.replace("m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126", opus_and_8000);
    let answer = answered(&text, &local());
    assert_eq!(numbers(&answer), [111, 126]);
    assert!(lines(&answer).contains(&"a=rtpmap:126 telephone-event/8000".to_owned()));
    let pcmu = OfficeCodecs::new(&[Encoding::Pcmu, Encoding::TelephoneEvent]).codecs();
    let answer = answered(fixtures::CHROMIUM, &LocalCapabilities { codecs: pcmu, ..local() });
    assert_eq!(numbers(&answer), [0, 126], "48000 has no codec left to go with");
    assert_eq!(answer.agreed.telephone_event(8_000).unwrap().receive_type.number(), 126);
}

#[test]
fn the_other_legs_parameters_are_ours() {
    let mut codecs = OfficeCodecs::new(&[Encoding::Opus]).codecs();
    codecs[0].fmtp = Some("maxplaybackrate=16000".to_owned());
    let answer = answered(fixtures::JSSIP, &LocalCapabilities { codecs, ..local() });
    assert!(lines(&answer).contains(&"a=fmtp:111 maxplaybackrate=16000".to_owned()));
    assert_eq!(answer.agreed.codecs[0].codec.fmtp.as_deref(), Some("minptime=10;useinbandfec=1"));
}

#[test]
fn a_plain_phone_gets_plain_rtp_and_its_own_protocol() {
    let answer = answered(&fixtures::SIPP.replace("RTP/AVP", "RTP/AVPF"), &local());
    assert!(lines(&answer).contains(&"m=audio 10000 RTP/AVPF 0".to_owned()));
    assert_eq!(answer.agreed.security, AgreedSecurity::Plain);
    assert!(!answer.agreed.rtcp_mux);
}

#[test]
fn rtcp_ports() {
    let apart = LocalCapabilities { rtcp_port: 20_000, ..local() };
    assert!(lines(&answered(fixtures::SIPP, &apart)).contains(&"a=rtcp:20000".to_owned()));
    let muxed = answered(&format!("{}a=rtcp-mux\n", fixtures::SIPP), &apart);
    assert!(muxed.agreed.rtcp_mux);
    assert!(!lines(&muxed).iter().any(|line| line.starts_with("a=rtcp:")));
    let unwilling = LocalCapabilities { rtcp_mux: false, ..local() };
    assert!(!answered(&format!("{}a=rtcp-mux\n", fixtures::SIPP), &unwilling).agreed.rtcp_mux);
}

#[test]
fn holds_are_answered() {
    let hold = answered(fixtures::OLD_PHONE_HOLD, &local());
    assert_eq!(hold.agreed.direction, Direction::RecvOnly);
    assert!(hold.agreed.remote.is_hold());
    let resumed = answered(fixtures::SIPP, &LocalCapabilities { direction: Direction::SendOnly, ..local() });
    assert!(lines(&resumed).contains(&"a=sendonly".to_owned()));
}

#[test]
fn sections_keep_count_and_order() {
    let audio = "m=audio 6000 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n";
    let others = "m=image 5000 udptl t38\nm=audio 6002 RTP/AVP 0\nm=application 5 TCP/BFCP *\n";
    let answer = answered(
        &fixtures::SIPP.replace(audio, &format!("m=video 7000 RTP/AVP 31\n{audio}{others}")),
        &local(),
    );
    let media: Vec<String> = lines(&answer).into_iter().filter(|line| line.starts_with("m=")).collect();
    let wanted = [
        "m=video 0 RTP/AVP 31",
        "m=audio 10000 RTP/AVP 0",
        "m=image 0 udptl t38",
        "m=audio 0 RTP/AVP 0",
        "m=application 0 TCP/BFCP *",
    ];
    assert_eq!(media, wanted);
    assert_eq!(answer.agreed.remote.section, 1);
}

#[test]
fn a_section_without_a_common_codec_is_passed_over() {
    let text = fixtures::SIPP.replace("m=audio", "m=audio 5 RTP/AVP 18\nm=audio");
    assert_eq!(answered(&text, &local()).agreed.remote.section, 1);
}

#[test]
fn refusals() {
    let without_dtls = LocalCapabilities { dtls: None, ..local() };
    let opus = LocalCapabilities { codecs: OfficeCodecs::new(&[Encoding::Opus]).codecs(), ..local() };
    assert_eq!(refused(fixtures::CHROMIUM, &without_dtls), MediaRefusal::ProtocolNotAllowed);
    assert_eq!(refused(fixtures::SIPP, &opus), MediaRefusal::NoCommonCodec);
    assert_eq!(refused(&fixtures::JSSIP.replace("a=rtcp-mux\n", ""), &local()), MediaRefusal::MissingRtcpMux);
    assert_eq!(
        refused(&fixtures::JSSIP.replace("actpass", "holdconn"), &local()),
        MediaRefusal::SetupConflict
    );
}

#[test]
fn a_role_once_taken_is_kept_while_the_peer_allows() {
    let client = LocalCapabilities { dtls_role: Some(DtlsRole::Client), ..local() };
    assert!(lines(&answered(fixtures::JSSIP, &client)).contains(&"a=setup:active".to_owned()));
    let active = fixtures::JSSIP.replace("actpass", "active");
    assert!(lines(&answered(&active, &client)).contains(&"a=setup:passive".to_owned()));
}

#[test]
fn without_a_bundle_none_is_answered() {
    let text = fixtures::JSSIP.replace("a=group:BUNDLE 0\n", "");
    let answer = answered(&text, &local());
    assert!(!lines(&answer).iter().any(|line| line.starts_with("a=group")));
    assert!(lines(&answer).contains(&"a=mid:0".to_owned()));
}

#[test]
fn the_answer_can_be_read_back() {
    for text in fixtures::ALL {
        let offer = read(&text.replace("a=setup:active", "a=setup:actpass"));
        let Answer { description, agreed } = answer(&offer, &local(), origin()).unwrap();
        let back = read(&description.to_string());
        assert_eq!(back, description);
        let ours = crate::sdp::remote_audio(&back, MediaPolicy::ANY).unwrap();
        assert_eq!(ours.section, agreed.remote.section);
        assert_eq!(ours.codecs.len(), agreed.codecs.len());
    }
}

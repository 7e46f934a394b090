use proptest::prelude::*;

use super::*;
use crate::sdp::fixtures::{self, read};
use crate::sdp::ice::{Candidate, IceCredentials};
use crate::sdp::local::{KeySeed, LocalCapabilities, LocalDtls, LocalIce};
use crate::sdp::setup::SetupRole;
use crate::sdp::{Direction, Encoding, Fingerprint, LocalSession, OfficeCodecs, SrtpSuite};

fn local(security: LocalSecurity) -> LocalMedia {
    LocalMedia {
        rtp: "10.0.0.1:4000".parse().unwrap(),
        rtcp_port: 4_001,
        rtcp_mux: false,
        codecs: OfficeCodecs::new(&[Encoding::Opus, Encoding::Pcmu, Encoding::TelephoneEvent]).codecs(),
        direction: Direction::SendRecv,
        ptime: Some(20),
        security,
        mid: None,
        source: None,
    }
}

fn sdes() -> LocalMedia {
    let suites = [SrtpSuite::AeadAes128Gcm, SrtpSuite::AesCm128HmacSha1_80];
    local(LocalSecurity::sdes(&suites, &KeySeed::new([9; 46])))
}

fn dtls() -> LocalMedia {
    let security = LocalSecurity::DtlsSrtp(LocalDtls {
        fingerprint: Fingerprint::sha256([1; 32]),
        setup: SetupRole::ActPass,
        ice: LocalIce {
            credentials: IceCredentials::new("ours", "0123456789abcdefghijkl").unwrap(),
            lite: false,
            trickle: true,
            candidates: vec![Candidate::host("10.0.0.1:4000".parse().unwrap(), "1", 65_535)],
            end_of_candidates: false,
        },
    });
    LocalMedia { mid: Some("0".to_owned()), ..local(security) }
}

fn plain() -> LocalMedia {
    local(LocalSecurity::Plain)
}

fn origin() -> Origin {
    Origin::new(1, 1, "10.0.0.1".parse().unwrap())
}

fn exchange(local: &LocalMedia, answer: &str) -> Result<AgreedMedia, MediaRefusal> {
    read_answer(&offer(local, None, origin()), local, &read(answer))
}

fn numbers(agreed: &AgreedMedia) -> Vec<(u8, u8)> {
    agreed.codecs.iter().map(|c| (c.codec.payload_type.number(), c.receive_type.number())).collect()
}

#[test]
fn a_plain_offer_as_text() {
    let text = offer(&plain(), None, origin()).to_string().replace("\r\n", "\n");
    let wanted = "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\n\
        m=audio 4000 RTP/AVP 111 0 110 101\na=sendrecv\na=rtpmap:111 opus/48000/2\n\
        a=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:0 PCMU/8000\na=rtpmap:110 telephone-event/48000\n\
        a=fmtp:110 0-15\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\n";
    assert_eq!(text, wanted);
}

#[test]
fn asterisk_answers_plain() {
    let agreed = exchange(&plain(), fixtures::ASTERISK_PLAIN).unwrap();
    assert_eq!(numbers(&agreed), [(111, 111), (0, 0), (101, 101)]);
    assert_eq!(agreed.remote.rtp, Some("127.0.0.1:14206".parse().unwrap()));
    assert_eq!(agreed.audio().unwrap().codec.fmtp.as_deref(), Some("useinbandfec=1"));
    assert_eq!((agreed.security, agreed.direction), (AgreedSecurity::Plain, Direction::SendRecv));
}

#[test]
fn asterisk_answers_with_a_key() {
    let agreed = exchange(&sdes(), fixtures::ASTERISK_SDES).unwrap();
    let AgreedSecurity::Sdes { local, remote } = &agreed.security else { panic!() };
    assert_eq!((local.tag, remote.tag), (2, 2));
    assert_eq!(local.key.key_and_salt(), [9; 30]);
    assert_eq!(remote.key.key(), b"abcdefghijklmnop");
}

#[test]
fn asterisk_answers_with_dtls() {
    let agreed = exchange(&dtls(), fixtures::ASTERISK_DTLS).unwrap();
    let AgreedSecurity::DtlsSrtp { role, ice, .. } = &agreed.security else { panic!() };
    assert_eq!((*role, ice.candidates.len(), agreed.rtcp_mux), (DtlsRole::Server, 1, true));
}

#[test]
fn an_answerer_may_use_numbers_of_its_own_and_add_what_is_ignored() {
    let answer = fixtures::ASTERISK_PLAIN
        .replace("RTP/AVP 111 0 101", "RTP/AVP 98 8 0 101")
        .replace("rtpmap:111", "rtpmap:98");
    assert_eq!(numbers(&exchange(&plain(), &answer).unwrap()), [(98, 111), (0, 0), (101, 101)]);
}

#[test]
fn answers_that_do_not_fit() {
    let (plain_answer, key_answer, dtls_answer) =
        (fixtures::ASTERISK_PLAIN, fixtures::ASTERISK_SDES, fixtures::ASTERISK_DTLS);
    for (local, answer, reason) in [
        (plain(), format!("{plain_answer}m=video 0 RTP/AVP 31\n"), MediaRefusal::SectionCountDiffers),
        (plain(), plain_answer.replace("m=audio", "m=video"), MediaRefusal::KindDiffers),
        (plain(), plain_answer.replace("14206", "0"), MediaRefusal::Rejected),
        (plain(), key_answer.to_owned(), MediaRefusal::ProtocolDiffers),
        (plain(), plain_answer.replace(" 111 0 101", " 8 101"), MediaRefusal::NoCommonCodec),
        (plain(), plain_answer.replace("127.0.0.1", "pbx.local"), MediaRefusal::AddressNotNumeric),
        (plain(), plain_answer.replace("t=0 0", "t=0 0\na=group:BUNDLE 0"), MediaRefusal::BundleDiffers),
        (sdes(), key_answer.replace("crypto:2", "crypto:3"), MediaRefusal::UnknownCryptoTag),
        (sdes(), key_answer.replace("crypto:2", "crypto:1"), MediaRefusal::UnknownCryptoTag),
        (sdes(), key_answer.replace("a=crypto", "a=x"), MediaRefusal::MissingCrypto),
        (dtls(), dtls_answer.replace("a=rtcp-mux\n", ""), MediaRefusal::MissingRtcpMux),
        (dtls(), dtls_answer.replace("setup:active", "setup:actpass"), MediaRefusal::SetupConflict),
        (dtls(), dtls_answer.replace("a=ice-ufrag", "a=x"), MediaRefusal::MissingIce),
    ] {
        assert_eq!(exchange(&local, &answer), Err(reason));
    }
}

#[test]
fn directions_meet() {
    for (ours, theirs, agreed) in [
        (Direction::SendRecv, "sendonly", Direction::RecvOnly),
        (Direction::SendOnly, "recvonly", Direction::SendOnly),
        (Direction::SendOnly, "sendrecv", Direction::SendOnly),
        (Direction::SendRecv, "inactive", Direction::Inactive),
    ] {
        let answer = fixtures::ASTERISK_PLAIN.replace("sendrecv", theirs);
        let media = LocalMedia { direction: ours, ..plain() };
        assert_eq!(exchange(&media, &answer).unwrap().direction, agreed, "{ours:?} {theirs}");
    }
}

#[test]
fn an_offer_to_a_browser_bundles_and_multiplexes() {
    let text = offer(&dtls(), None, origin()).to_string();
    for line in ["a=group:BUNDLE 0", "a=mid:0", "a=rtcp-mux", "a=setup:actpass", "a=ice-options:trickle"] {
        assert!(text.contains(&format!("{line}\r\n")), "{line}");
    }
    assert!(!text.contains("a=ice-lite"));
    assert!(text.contains("m=audio 4000 UDP/TLS/RTP/SAVPF 111 "));
}

#[test]
fn a_session_has_a_version_for_every_change_and_none_without() {
    let mut session = LocalSession::new(u64::MAX, "10.0.0.1".parse().unwrap());
    let version = |description: &SessionDescription| description.origin.session_version.clone();
    let first = session.offer(&plain());
    assert_eq!(first.origin.session_id, (u64::MAX >> 2).to_string());
    assert_eq!(version(&first), "1");
    assert_eq!(session.offer(&plain()), first, "a session refresh");
    let hold = LocalMedia { direction: Direction::SendOnly, ..plain() };
    assert_eq!(version(&session.offer(&hold)), "2");
    assert_eq!(version(&session.offer(&hold)), "2");
    assert_eq!(version(&session.offer(&plain())), "3");
    assert!(session.read_answer(&plain(), &read(fixtures::ASTERISK_PLAIN)).is_ok());
}

#[test]
fn a_later_offer_keeps_sections_and_mids() {
    let previous = read(
        "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\na=group:BUNDLE a1\n\
         m=video 0 UDP/TLS/RTP/SAVPF 96\na=mid:v\na=inactive\n\
         m=audio 4000 UDP/TLS/RTP/SAVPF 0\na=mid:a1\na=rtpmap:0 PCMU/8000\n",
    );
    let again = offer(&dtls(), Some(&previous), origin());
    let shown: Vec<_> = again.media.iter().map(|m| (m.kind.as_str(), m.port, m.mid())).collect();
    assert_eq!(shown, [("video", 0, Some("v")), ("audio", 4000, Some("a1"))]);
    assert!(again.bundle_of("a1").is_some() && again.bundle_of("0").is_none());
}

fn capabilities(encodings: &[Encoding], direction: Direction, rtcp_mux: bool) -> LocalCapabilities {
    LocalCapabilities {
        rtp: "10.0.0.2:6000".parse().unwrap(),
        rtcp_port: 6_001,
        rtcp_mux,
        codecs: OfficeCodecs::new(encodings).codecs(),
        direction,
        ptime: None,
        policy: MediaPolicy::ANY,
        suites: SrtpSuite::PREFERENCE.to_vec(),
        key_seed: KeySeed::new([3; 46]),
        dtls: match dtls().security {
            LocalSecurity::DtlsSrtp(dtls) => Some(dtls),
            _ => None,
        },
        dtls_role: None,
        source: None,
    }
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(vec![
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ])
}

fn any_encodings() -> impl Strategy<Value = Vec<Encoding>> {
    let all = [Encoding::Opus, Encoding::G722, Encoding::Pcmu, Encoding::Pcma, Encoding::TelephoneEvent];
    prop::sample::subsequence(all.to_vec(), 1..=all.len()).prop_shuffle()
}

proptest! {
    #[test]
    fn both_ends_agree_on_the_same(
        offered in any_encodings(),
        taken in any_encodings(),
        directions in (any_direction(), any_direction()),
        mux in any::<(bool, bool)>(),
        security in prop::sample::select(vec![plain(), sdes(), dtls()]),
    ) {
        let local = LocalMedia {
            codecs: OfficeCodecs::new(&offered).codecs(),
            direction: directions.0,
            rtcp_mux: mux.0,
            ..security
        };
        let sound = offered.iter().any(|encoding| encoding.is_audio() && taken.contains(encoding));
        let mut offerer = LocalSession::new(1, "10.0.0.1".parse().unwrap());
        let mut answerer = LocalSession::new(2, "10.0.0.2".parse().unwrap());
        let offer = read(&offerer.offer(&local).to_string());
        let answered = answerer.answer(&offer, &capabilities(&taken, directions.1, mux.1));
        prop_assert_eq!(answered.is_ok(), sound);
        let Ok(answered) = answered else { return Ok(()) };
        let theirs = answered.agreed;
        let ours = offerer.read_answer(&local, &read(&answered.description.to_string())).unwrap();
        prop_assert_eq!(ours.direction, theirs.direction.reversed());
        prop_assert_eq!(ours.rtcp_mux, theirs.rtcp_mux);
        prop_assert_eq!(numbers(&ours), numbers(&theirs));
        match (ours.security, theirs.security) {
            (AgreedSecurity::Plain, AgreedSecurity::Plain) => {}
            (AgreedSecurity::Sdes { local, remote }, AgreedSecurity::Sdes { local: l, remote: r }) => {
                prop_assert_eq!((local, remote), (r, l));
            }
            (AgreedSecurity::DtlsSrtp { role, .. }, AgreedSecurity::DtlsSrtp { role: other, .. }) => {
                prop_assert_ne!(role, other);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

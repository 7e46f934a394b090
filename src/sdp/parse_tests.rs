use proptest::prelude::*;

use super::*;
use crate::sdp::fixtures::{self, read};
use crate::sdp::{ExtensionMap, RtcpFeedback};

const LEAST: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n";

fn refused(text: &str) -> (usize, ParseReason) {
    let error = SessionDescription::parse(text.as_bytes()).unwrap_err();
    (error.line, error.reason)
}

/// `LEAST`, which has four lines, and then these.
fn with(lines: &str) -> String {
    format!("{LEAST}{lines}")
}

#[test]
fn every_fixture_comes_back_as_it_was() {
    for text in fixtures::ALL {
        let written = read(text).to_string();
        assert_eq!(written.replace("\r\n", "\n"), *text);
        assert_eq!(read(&written), read(text));
        assert_eq!(read(text.trim_end()), read(text), "without the last line end");
    }
}

#[test]
fn attributes_nobody_knows_keep_their_order() {
    let description = read(fixtures::LINPHONE);
    let names: Vec<&str> = description.attributes.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["rtcp-xr", "record"]);
    assert_eq!(description.media[0].all::<RtcpFeedback>("rtcp-fb").len(), 2);
}

#[test]
fn missing_name_and_time_are_filled_in_and_lines_sorted() {
    let text = "v=0\no=- 1 1 IN IP4 10.0.0.1\nb=AS:64\nc=IN IP4 10.0.0.1\nm=audio 4 RTP/AVP 0\nb=AS:1\ni=x\n";
    let written = read(text).to_string().replace("\r\n", "\n");
    let wanted = "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nb=AS:64\nt=0 0\n\
                  m=audio 4 RTP/AVP 0\ni=x\nb=AS:1\n";
    assert_eq!(written, wanted);
}

#[test]
fn each_fault_has_its_line_and_reason() {
    use ParseReason as R;
    for (text, line, reason) in [
        (String::new(), 0, R::Empty),
        ("\r\n\r\n".to_owned(), 0, R::Empty),
        ("v=1\r\n".to_owned(), 1, R::BadVersion),
        ("o=- 1 1 IN IP4 10.0.0.1\r\n".to_owned(), 1, R::BadVersion),
        ("v=0\r\ns=-\r\n".to_owned(), 0, R::MissingOrigin),
        ("v=0\r\no=- 1\r\n".to_owned(), 2, R::BadOrigin),
        (with("v=0"), 5, R::RepeatedLine),
        (with("o=- 1 1 IN IP4 10.0.0.1"), 5, R::RepeatedLine),
        (with("x=1"), 5, R::UnknownLine),
        (with("words"), 5, R::NotALine),
        (with("aa=b"), 5, R::NotALine),
        (with("\r\na=b"), 5, R::NotALine),
        (with("i=a\rb"), 5, R::ControlCharacter),
        (with("i=a\0b"), 5, R::ControlCharacter),
        (with("c=IN IP4"), 5, R::BadConnection),
        (with("a="), 5, R::BadAttribute),
        (with("m=audio 4 RTP/AVP"), 5, R::BadMedia),
        (with("m=audio 65536 RTP/AVP 0"), 5, R::BadPort),
        (with("m=audio 4/x RTP/AVP 0"), 5, R::BadPort),
        (with("m=audio -1 RTP/AVP 0"), 5, R::BadPort),
        (with("m=audio 4 RTP/AVP 0\r\nt=0 0"), 6, R::MisplacedLine),
    ] {
        assert_eq!(refused(&text), (line, reason), "{text:?}");
    }
    let bytes = [LEAST.as_bytes(), b"i=\xff\r\n"].concat();
    assert_eq!(SessionDescription::parse(&bytes).unwrap_err().reason, R::NotUtf8);
}

#[test]
fn each_bound_holds_and_no_less() {
    use ParseReason as R;
    let section = "m=audio 4 RTP/AVP 0\r\n";
    let formats = |count| format!("m=audio 4 RTP/AVP{}\r\n", " 0".repeat(count));
    let repeated = |line: &str, count| with(&format!("{section}{}", format!("{line}\r\n").repeat(count)));
    let candidate = "a=candidate:1 1 udp 1 10.0.0.1 5 typ host";
    for (fits, too_many, reason) in [
        (with(&section.repeat(16)), with(&section.repeat(17)), R::TooManyMedia),
        (with(&formats(64)), with(&formats(65)), R::TooManyFormats),
        (repeated("a=x", 512), repeated("a=x", 513), R::TooManyAttributes),
        (repeated(candidate, 64), repeated(candidate, 65), R::TooManyCandidates),
        (repeated("a=crypto:1", 16), repeated("a=crypto:1", 17), R::TooManyCrypto),
        (repeated("b=x", 1_019), repeated("b=x", 1_020), R::TooManyLines),
        (
            with(&format!("i={}", "x".repeat(4_094))),
            with(&format!("i={}", "x".repeat(4_095))),
            R::LineTooLong,
        ),
    ] {
        assert!(SessionDescription::parse(fits.as_bytes()).is_ok(), "{reason:?}");
        assert_eq!(refused(&too_many).1, reason);
    }
    assert_eq!(refused(&"x".repeat(limits::MAX_BYTES + 1)), (0, R::TooLarge));
}

#[test]
fn values_of_our_own_cannot_break_a_line() {
    let mut description = read(fixtures::SIPP);
    description.session_name = "a\r\nm=audio 1 RTP/AVP 0".to_owned();
    assert_eq!(read(&description.to_string()).media.len(), 1);
}

#[test]
fn typed_readings_of_a_browsers_section() {
    let description = read(fixtures::CHROMIUM);
    let audio = &description.media[0];
    assert_eq!((audio.mid(), audio.rtcp_mux(), audio.port), (Some("0"), true, 9));
    assert_eq!(audio.rtcp().unwrap().port, 9);
    let codecs: Vec<String> = audio.codecs().iter().map(crate::sdp::Codec::rtpmap).collect();
    assert_eq!(codecs.first().unwrap(), "111 opus/48000/2");
    assert_eq!(codecs.last().unwrap(), "126 telephone-event/8000");
    assert_eq!(audio.codecs()[0].parameter("useinbandfec"), Some("1"));
    assert_eq!(audio.all::<ExtensionMap>("extmap").len(), 4);
    assert!(description.bundle_of("1").is_some() && description.bundle_of("2").is_none());
}

#[test]
fn static_types_need_no_rtpmap() {
    let codecs = read(fixtures::OLD_PHONE_HOLD).media[0].codecs();
    let names: Vec<&str> = codecs.iter().map(|codec| codec.name.as_str()).collect();
    assert_eq!(names, ["PCMU", "PCMA", "G729"]);
}

#[test]
fn debug_hides_keys() {
    for text in [fixtures::BARESIP, fixtures::CHROMIUM] {
        let shown = format!("{:?}", read(text));
        assert!(!shown.contains("inline:") && !shown.contains("Qm9uam91"), "{shown}");
    }
}

/// Lines that are nearly right, so that mutation reaches behind the first check.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]=.{0,40}",
        "a=(mid|crypto|candidate|rtpmap|fmtp|ssrc|setup|group|rtcp|ptime):[0-9a-z :/]{0,40}",
        "m=(audio|video) [0-9]{1,5} (RTP/AVP|UDP/TLS/RTP/SAVPF)( [0-9]{1,3}){1,5}",
        "c=IN IP[46] [0-9.:]{1,12}",
        prop::sample::select(fixtures::ALL)
            .prop_flat_map(|text| prop::sample::select(text.lines().collect::<Vec<_>>()))
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = SessionDescription::parse(&bytes);
    }

    #[test]
    fn writing_what_was_read_changes_nothing_twice(lines in prop::collection::vec(any_line(), 0..40)) {
        let text = with(&lines.join("\r\n"));
        if let Ok(description) = SessionDescription::parse(text.as_bytes()) {
            let written = description.to_string();
            let again = SessionDescription::parse(written.as_bytes()).unwrap();
            prop_assert_eq!(again.to_string(), written);
            prop_assert_eq!(again, description);
        }
    }

    #[test]
    fn a_fixture_with_one_byte_changed_never_panics(
        text in prop::sample::select(fixtures::ALL),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = text.as_bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(description) = SessionDescription::parse(&bytes) {
            let _ = crate::sdp::remote_audio(&description, crate::sdp::MediaPolicy::ANY);
            let _ = format!("{description} {description:?}");
        }
    }
}

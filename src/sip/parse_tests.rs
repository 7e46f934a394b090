use super::*;
use crate::sip::Transport;

const INVITE: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n\
    Max-Forwards: 70\r\n\
    To: Bob <sip:bob@biloxi.com>\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:alice@pc33.atlanta.com>\r\n\
    Content-Length: 4\r\n\
    \r\n\
    v=0\n";

fn read(text: &str) -> Result<Message, ParseError> {
    parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn request(text: &str) -> Request {
    match read(text) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}\n{text}"),
    }
}

fn reason(text: &str) -> Malformation {
    match read(text) {
        Err(ParseError::Malformed(malformed)) => malformed.reason,
        other => panic!("{other:?}\n{text}"),
    }
}

fn with(line: &str) -> String {
    INVITE.replace("Max-Forwards: 70\r\n", &format!("Max-Forwards: 70\r\n{line}"))
}

#[test]
fn a_request_is_read_whole() {
    let got = request(INVITE);
    assert_eq!((&got.method, got.uri.to_string().as_str()), (&Method::Invite, "sip:bob@biloxi.com"));
    assert_eq!(got.top_via().unwrap().transport(), Some(Transport::Udp));
    assert_eq!(got.from_tag().unwrap(), "1928301774");
    assert_eq!((got.to_tag(), got.cseq().unwrap().number), (None, 314_159));
    assert_eq!((got.max_forwards(), &*got.body), (Some(70), &b"v=0\n"[..]));
    assert_eq!(got.contacts().unwrap().first().unwrap().uri.to_string(), "sip:alice@pc33.atlanta.com");
}

#[test]
fn headers_share_the_datagram() {
    let bytes = Bytes::copy_from_slice(INVITE.as_bytes());
    let range = bytes.as_ptr_range();
    let Ok(Message::Request(got)) = parse(bytes) else { panic!() };
    assert!(got.headers.iter().all(|header| range.contains(&header.value.bytes().as_ptr())));
}

#[test]
fn what_is_written_is_read_alike() {
    let message = Message::Request(request(INVITE));
    let Ok(Message::Request(again)) = parse(message.to_bytes()) else { panic!() };
    assert_eq!(again.to_bytes(), message.to_bytes());
}

#[test]
fn bare_lf_and_leading_line_ends() {
    let got = request(&format!("\r\n\r\n\n{}", INVITE.replace("\r\n", "\n")));
    assert_eq!((got.headers.len(), &*got.body), (8, &b"v=0\n"[..]));
}

#[test]
fn keep_alives_are_no_errors() {
    for text in ["", "\r\n", "\r\n\r\n", "\0\0\0\0", "\n \r\n"] {
        assert_eq!(read(text), Err(ParseError::KeepAlive), "{text:?}");
    }
}

#[test]
fn folds_become_one_space() {
    let got = request(&with("Subject: one\r\n two\r\n\t \r\n   three  \r\nX-Long:\r\n  v\r\n"));
    assert_eq!(got.headers.get(&HeaderName::Subject).unwrap(), "one two three");
    assert_eq!(got.headers.get(&HeaderName::from_static("X-Long")).unwrap(), "v");
}

#[test]
fn the_body_is_as_long_as_it_says() {
    assert_eq!(&*request(&format!("{INVITE}trailing")).body, b"v=0\n");
    assert_eq!(&*request(&INVITE.replace("Content-Length: 4\r\n", "")).body, b"v=0\n");
    assert_eq!(reason(&INVITE.replace("Length: 4", "Length: 5")), Malformation::BodyTooShort);
    for length in ["-1", "", "4 4", "+4", "0x4", "4,4"] {
        let text = INVITE.replace("Length: 4", &format!("Length: {length}"));
        let want = Malformation::Header(HeaderName::ContentLength, Flaw::Number);
        assert_eq!(reason(&text), want, "{length}");
    }
    assert_eq!(
        reason(&INVITE.replace("Length: 4", "Length: 99999999999999999999")),
        Malformation::Header(HeaderName::ContentLength, Flaw::TooLong)
    );
}

#[test]
fn every_flaw_has_its_name() {
    let bad = |name, flaw| Malformation::Header(name, flaw);
    for (text, want) in [
        ("hello\r\n\r\n".to_owned(), Malformation::NotSip),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), Malformation::NotSip),
        (INVITE.replace("INVITE sip", "INV\u{1}TE sip"), Malformation::Method(Flaw::Method)),
        (INVITE.replace("sip:bob@biloxi.com SIP", "nonsense SIP"), Malformation::RequestUri(Flaw::Uri)),
        (INVITE.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), Malformation::Version),
        ("SIP/2.0 99 Odd\r\n\r\n".to_owned(), Malformation::StatusCode),
        ("SIP/2.0 0200 Odd\r\n\r\n".to_owned(), Malformation::StatusCode),
        (with("no colon\r\n"), Malformation::HeaderLine),
        (with(": no name\r\n"), Malformation::HeaderLine),
        (with("Two Words: x\r\n"), Malformation::HeaderLine),
        (INVITE.replacen("Via:", " Via:", 1), Malformation::HeaderLine),
        (with("Subject: a\rX: b\r\n"), Malformation::LoneCr),
        (with("Subject: a\r\r\n"), Malformation::LoneCr),
        ("SIP/2.0 200 O\rK\r\nX: y\r\n\r\n".to_owned(), Malformation::LoneCr),
        (INVITE.split("\r\n\r\n").next().unwrap().to_owned(), Malformation::Unfinished),
        (INVITE.replace("Call-ID", "X-Call-ID"), Malformation::Missing(HeaderName::CallId)),
        (INVITE.replace("Via:", "X-Via:"), Malformation::Missing(HeaderName::Via)),
        (with("t: <sip:x@y>\r\n"), Malformation::Repeated(HeaderName::To)),
        (with("l: 4\r\n"), Malformation::Repeated(HeaderName::ContentLength)),
        (INVITE.replace("CSeq: 314159 INVITE", "CSeq: 1 BYE"), Malformation::MethodMismatch),
        (INVITE.replace("CSeq: 314159 INVITE", "CSeq: x"), bad(HeaderName::CSeq, Flaw::Missing)),
        (INVITE.replace(": 70", ": 256"), bad(HeaderName::MaxForwards, Flaw::Number)),
        (INVITE.replace(";tag=1928301774", ";tag=\"a\""), bad(HeaderName::From, Flaw::Token)),
        (INVITE.replace(";tag=1928301774", ";tag"), bad(HeaderName::From, Flaw::Missing)),
        (INVITE.replace("a84b4c76e66710@pc33", "a b"), bad(HeaderName::CallId, Flaw::Token)),
        (with("Route: <sip:a\r\n"), bad(HeaderName::Route, Flaw::Bracket)),
        (with("m: *\r\n"), bad(HeaderName::Contact, Flaw::Star)),
        (with("Record-Route: <sip:>\r\n"), bad(HeaderName::RecordRoute, Flaw::Uri)),
    ] {
        assert_eq!(reason(&text), want, "{text}");
        assert!(!want.as_str().is_empty());
    }
}

#[test]
fn every_limit_is_kept() {
    let long = |n: usize| "a".repeat(n);
    let bad = |name, flaw| Malformation::Header(name, flaw);
    for (text, want) in [
        (format!("{INVITE}{}", long(limits::MESSAGE)), Malformation::TooLarge),
        (with(&format!("X: {}\r\n", long(limits::HEADER))), Malformation::HeaderTooLong),
        (with(&"X: y\r\n".repeat(limits::HEADERS)), Malformation::TooManyHeaders),
        (INVITE.replace("bob@biloxi.com SIP", &format!("{}@b SIP", long(limits::URI))), {
            Malformation::RequestUri(Flaw::TooLong)
        }),
        (INVITE.replace("bob@biloxi.com SIP", &format!("{}@b SIP", long(limits::START_LINE))), {
            Malformation::StartLineTooLong
        }),
        (with(&format!("Via: {}\r\n", vec!["SIP/2.0/UDP a"; limits::VIAS].join(","))), {
            bad(HeaderName::Via, Flaw::TooMany)
        }),
        (with(&format!("Contact: {}\r\n", vec!["<sip:a@b>"; limits::CONTACTS].join(","))), {
            bad(HeaderName::Contact, Flaw::TooMany)
        }),
        (with(&format!("Route: {}\r\n", vec!["<sip:a@b>"; limits::ROUTES + 1].join(","))), {
            bad(HeaderName::Route, Flaw::TooMany)
        }),
        (INVITE.replace("a84b4c76e66710", &long(limits::CALL_ID)), bad(HeaderName::CallId, Flaw::TooLong)),
        (INVITE.replace("1928301774", &long(limits::TAG + 1)), bad(HeaderName::From, Flaw::TooLong)),
    ] {
        assert_eq!(reason(&text), want);
    }
    assert_eq!(Malformation::RequestUri(Flaw::TooLong).status(), StatusCode::REQUEST_URI_TOO_LONG);
    assert_eq!(Malformation::TooLarge.status(), StatusCode::MESSAGE_TOO_LARGE);
}

#[test]
fn a_malformed_request_can_be_answered_and_an_ack_cannot() {
    let malformed = |text: &str| match read(text) {
        Err(ParseError::Malformed(malformed)) => malformed,
        other => panic!("{other:?}"),
    };
    let got = malformed(&INVITE.replace(": 70", ": many"));
    let answer = got.answer("t").unwrap();
    assert_eq!(
        (answer.status, answer.reason.as_str()),
        (StatusCode::BAD_REQUEST, "Bad Max-Forwards (number)")
    );
    assert_eq!(answer.to_tag().unwrap(), "t");
    assert_eq!(answer.headers.len(), 5);
    assert!(malformed(&INVITE.replace("INVITE", "ACK").replace(": 70", ": x")).answer("t").is_none());
    assert!(malformed(&INVITE.replace("Via:", "X-Via:")).answer("t").is_none());
    assert!(malformed("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\n\r\n").answer("t").is_none());
}

#[test]
fn tags_that_are_no_tokens_are_kept_and_returned_as_they_are() {
    let got = request(&INVITE.replace("1928301774", "aGVs/bG8=="));
    assert_eq!(got.from_tag().unwrap(), "aGVs/bG8==");
    let made = NameAddr::new(got.uri).with_tag(&got.headers.from().unwrap().tag().unwrap());
    assert_eq!(made.to_string(), "<sip:bob@biloxi.com>;tag=aGVs/bG8==");
}

#[test]
fn latin_1_names_are_read() {
    let mut bytes = INVITE.replace("Bob <", "J?rg <").into_bytes();
    let at = bytes.iter().position(|&b| b == b'?').unwrap();
    bytes[at] = 0xf6;
    let Ok(Message::Request(got)) = parse(Bytes::from(bytes)) else { panic!() };
    assert_eq!(got.to().unwrap().display_name().unwrap(), "Jörg");
    assert_eq!(&*got.body, b"v=0\n");
}

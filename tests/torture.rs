//! Every message of RFC 4475 (`tests/rfc4475/`), with the verdict it must get before the engine looks at it.

use branchline::sip::check::{self, Refusal};
use branchline::sip::header::{Credentials, RetryAfter};
use branchline::sip::parse::{Malformation, ParseError, parse, read_every_view};
use branchline::sip::{Flaw, HeaderName, Message, Method, Request, Response, StatusCode};
use bytes::Bytes;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// A request goes to the engine.
    Served,
    /// A response goes to the engine.
    Taken,
    /// A request is answered with this status, and the reason has this name.
    Refused(StatusCode, &'static str),
    /// Counted under this name and dropped.
    Dropped(&'static str),
}

use Verdict::{Dropped, Refused, Served, Taken};

const BAD: StatusCode = StatusCode::BAD_REQUEST;

/// File, section of RFC 4475, verdict, and why.
const TABLE: [(&str, &str, Verdict, &str); 49] = [
    (
        "wsinv",
        "3.1.1.1",
        Served,
        "folds, spaces, compact names, empty and odd unknown headers are all allowed",
    ),
    (
        "intmeth",
        "3.1.1.2",
        Served,
        "every byte a method, user, tag or Call-ID may have; the engine answers 405",
    ),
    ("esc01", "3.1.1.3", Served, "escapes in URIs are kept and compared by meaning"),
    ("escnull", "3.1.1.4", Served, "an escaped NUL is a byte of the user part and ends nothing"),
    ("esc02", "3.1.1.5", Served, "a % in a method or header name is no escape: an unknown method"),
    ("lwsdisp", "3.1.1.6", Served, "no space is needed between display name and <"),
    ("longreq", "3.1.1.7", Served, "long values, 34 Vias in any spelling: within our limits"),
    ("dblreq", "3.1.1.8", Served, "what follows the body in a datagram is dropped"),
    ("semiuri", "3.1.1.9", Served, "a semicolon before the @ belongs to the user"),
    ("transports", "3.1.1.10", Served, "unknown transports below the top Via are others' business"),
    ("mpart01", "3.1.1.11", Served, "a body may be binary and in several parts"),
    ("unreason", "3.1.1.12", Taken, "a phrase may be any UTF-8"),
    ("noreason", "3.1.1.13", Taken, "a phrase may be empty"),
    (
        "badinv01",
        "3.1.2.1",
        Refused(BAD, "bad-header"),
        "empty parameters and list elements in Via and Contact",
    ),
    (
        "clerr",
        "3.1.2.2",
        Refused(BAD, "body-too-short"),
        "the datagram ends before the body that is announced",
    ),
    ("ncl", "3.1.2.3", Refused(BAD, "bad-header"), "a negative Content-Length"),
    ("scalar02", "3.1.2.4", Refused(BAD, "bad-header"), "a CSeq above 2^31, a Max-Forwards above 255"),
    ("scalarlg", "3.1.2.5", Dropped("bad-header"), "a response with a CSeq above 2^31"),
    ("quotbal", "3.1.2.6", Refused(BAD, "bad-header"), "a quote that is not closed"),
    ("ltgtruri", "3.1.2.7", Refused(BAD, "bad-request-uri"), "a Request-URI in <>"),
    ("lwsruri", "3.1.2.8", Refused(BAD, "bad-request-uri"), "a space in the Request-URI"),
    ("lwsstart", "3.1.2.9", Refused(BAD, "bad-request-uri"), "more than one space in the request line"),
    ("trws", "3.1.2.10", Refused(BAD, "bad-request-uri"), "spaces after the request line"),
    ("escruri", "3.1.2.11", Refused(BAD, "uri-headers"), "headers in the Request-URI"),
    ("baddate", "3.1.2.12", Served, "a Date we do not use may be wrong"),
    ("regbadct", "3.1.2.13", Refused(BAD, "bad-header"), "a Contact with ? must be in <>"),
    ("badaspec", "3.1.2.14", Served, "spaces inside <>: what is meant is clear, and we write it anew"),
    (
        "baddn",
        "3.1.2.15",
        Refused(BAD, "unfinished"),
        "a comma in a display name without quotes; and no empty line",
    ),
    (
        "badvers",
        "3.1.2.16",
        Refused(StatusCode::VERSION_NOT_SUPPORTED, "bad-version"),
        "SIP/7.0, answered although the Via is of that version too",
    ),
    ("mismatch01", "3.1.2.17", Refused(BAD, "method-mismatch"), "CSeq names another method"),
    ("mismatch02", "3.1.2.18", Refused(BAD, "method-mismatch"), "the same with an unknown method"),
    (
        "bigcode",
        "3.1.2.19",
        Dropped("bad-status-code"),
        "a status code above 699 must not wrap around to another",
    ),
    ("badbranch", "3.2.1", Served, "a bare magic cookie: told apart by the rules of RFC 2543"),
    ("insuf", "3.3.1", Refused(BAD, "missing-header"), "no Call-ID, From and To"),
    (
        "unkscm",
        "3.3.2",
        Refused(StatusCode::UNSUPPORTED_URI_SCHEME, "uri-scheme"),
        "a Request-URI of an unknown scheme",
    ),
    (
        "novelsc",
        "3.3.3",
        Refused(StatusCode::UNSUPPORTED_URI_SCHEME, "uri-scheme"),
        "a Request-URI of a scheme that is known, but not to us",
    ),
    ("unksm2", "3.3.4", Refused(BAD, "address-of-record"), "a REGISTER for something that is no SIP address"),
    (
        "bext01",
        "3.3.5",
        Refused(StatusCode::BAD_EXTENSION, "extension"),
        "extensions nobody has, in Require and Proxy-Require",
    ),
    (
        "invut",
        "3.3.6",
        Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body"),
        "an INVITE with a body that is not SDP",
    ),
    (
        "regaut01",
        "3.3.7",
        Served,
        "an unknown authentication scheme counts as none; the registrar challenges",
    ),
    ("multi01", "3.3.8", Refused(BAD, "repeated-header"), "two of Call-ID, CSeq, From, To, Max-Forwards"),
    ("mcl01", "3.3.9", Refused(BAD, "repeated-header"), "two Content-Lengths that differ"),
    ("bcast", "3.3.10", Dropped("many-vias"), "a response with a second Via was never ours"),
    ("zeromf", "3.3.11", Served, "Max-Forwards 0: the engine answers an OPTIONS for itself, 483 for others"),
    ("cparam01", "3.3.12", Served, "without <> the parameter is the Contact's, not the URI's"),
    ("cparam02", "3.3.13", Served, "within <> the parameter is the URI's"),
    ("regescrt", "3.3.14", Served, "headers in a Contact's URI are kept for requests to it"),
    (
        "sdp01",
        "3.3.15",
        Refused(StatusCode::NOT_ACCEPTABLE, "accept"),
        "an INVITE whose Accept leaves out SDP cannot be answered with any",
    ),
    ("inv2543", "3.4.1", Served, "RFC 2543: no branch, tag, Max-Forwards or Content-Length"),
];

fn bytes(file: &str) -> Bytes {
    let path = format!("{}/tests/rfc4475/{file}.dat", env!("CARGO_MANIFEST_DIR"));
    Bytes::from(std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// The way of a datagram from the socket to the engine.
fn judge(bytes: Bytes) -> Verdict {
    match parse(bytes) {
        Ok(Message::Request(request)) => match check_request(&request) {
            Ok(()) => Served,
            Err(refusal) => match refusal.answer(&request, "ours") {
                Some(answer) => Refused(sendable(&answer), refusal.as_str()),
                None => Dropped(refusal.as_str()),
            },
        },
        Ok(Message::Response(response)) => match check::response(&response) {
            Ok(()) => Taken,
            Err(refusal) => Dropped(refusal.as_str()),
        },
        Err(ParseError::KeepAlive) => Dropped("keep-alive"),
        Err(ParseError::Malformed(malformed)) => match malformed.answer("ours") {
            Some(answer) => Refused(sendable(&answer), malformed.reason.as_str()),
            None => Dropped(malformed.reason.as_str()),
        },
    }
}

fn check_request(request: &Request) -> Result<(), Refusal> {
    check::request(request, &["100rel", "timer", "outbound", "path"])?;
    if request.method == Method::Invite { check::session(request) } else { Ok(()) }
}

/// The status of an answer that has a Via to go by and is framed properly.
fn sendable(answer: &Response) -> StatusCode {
    assert!(answer.headers.has(&HeaderName::Via));
    let bytes = answer.to_bytes();
    assert!(bytes.ends_with(b"Content-Length: 0\r\n\r\n"));
    answer.status
}

#[test]
fn each_gets_its_verdict() {
    let mut wrong = Vec::new();
    for (file, section, want, why) in TABLE {
        let got = judge(bytes(file));
        if got != want {
            wrong.push(format!("{file} (RFC 4475 {section}, {why}): {got:?} instead of {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_complete() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rfc4475");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().into_string().unwrap().strip_suffix(".dat").map(str::to_owned)
        })
        .collect();
    let mut named = TABLE.map(|(file, ..)| file.to_owned());
    files.sort();
    named.sort();
    assert_eq!(files, named);
}

#[test]
fn what_is_good_is_read_the_same_after_writing() {
    for (file, _, verdict, _) in TABLE {
        if let (Served | Taken, Ok(message)) = (verdict, parse(bytes(file))) {
            read_every_view(&message);
            let again = parse(message.to_bytes()).unwrap_or_else(|error| panic!("{file}: {error:?}"));
            assert_eq!(again.to_bytes(), message.to_bytes(), "{file}");
            assert_eq!(again.body(), message.body(), "{file}");
        }
    }
}

fn request(file: &str) -> Request {
    match parse(bytes(file)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{file}: {other:?}"),
    }
}

#[test]
fn wsinv_means_what_the_rfc_says() {
    let got = request("wsinv");
    let vias = got.headers.vias().unwrap();
    let hosts: Vec<_> = vias.iter().map(|via| via.sent_by.to_string()).collect();
    assert_eq!(hosts, ["192.0.2.2", "spindle.example.com", "192.168.255.111"]);
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap().to_string()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!((got.max_forwards(), got.cseq().unwrap().number), (Some(68), 9));
    assert_eq!(
        (got.to_tag().unwrap().as_str(), got.from_tag().unwrap().as_str()),
        ("1918181833n", "98asjd8")
    );
    assert_eq!(got.from().unwrap().display_name().unwrap(), r#"J Rosenberg \""#);
    let contacts = got.contacts().unwrap();
    let contact = contacts.first().unwrap();
    assert_eq!(contact.display_name().unwrap(), r#"Quoted string """#);
    assert_eq!((contact.q(), contact.params.get("newparam").unwrap().as_str()), (Some(330), "newvalue"));
    assert!(contact.params.has("secondparam"));
    let route = &got.route_set().unwrap()[0];
    assert!(route.uri.as_sip().unwrap().lr());
    let odd = got.headers.get(&HeaderName::from_static("UnknownHeaderWithUnusualValue")).unwrap();
    assert_eq!(odd, ";;,,;;,;");
    let new = got.headers.get(&HeaderName::from_static("NewFangledHeader")).unwrap();
    assert_eq!(new, "newfangled value continued newfangled value");
    assert_eq!(got.headers.get(&HeaderName::Subject).unwrap(), "");
    assert_eq!(got.body.len(), 150);
}

#[test]
fn the_others_mean_what_the_rfc_says() {
    let odd = request("intmeth");
    assert_eq!(odd.method.as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(odd.to().unwrap().display_name().unwrap(), "BEL:\u{7} NUL:\0 DEL:\u{7f}");
    assert_eq!(odd.from_tag().unwrap(), "_token~1'+`*%!-.");

    let escaped = request("esc01");
    assert_eq!(escaped.uri.user().unwrap(), "sips:user@example.com");
    assert_eq!(escaped.to().unwrap().uri.user().unwrap(), "user");
    assert_eq!(request("esc02").method.as_str(), "RE%47IST%45R");
    assert_eq!(request("esc02").contacts().unwrap().list().len(), 2);

    let null = request("escnull").contacts().unwrap();
    assert!(!null.list()[0].uri.equivalent(&null.list()[1].uri));

    assert_eq!(request("longreq").headers.vias().unwrap().len(), 34);
    assert_eq!(request("dblreq").body.len(), 0);
    assert_eq!(request("semiuri").uri.user().unwrap(), "user;par=u@example.net");
    assert_eq!(request("badbranch").top_via().unwrap().transaction_branch(), None);
    assert_eq!(request("badaspec").to().unwrap().uri.to_string(), "sip:t.watson@example.org");
    assert_eq!(request("mpart01").body.len(), 553);

    let bare = request("cparam01").contacts().unwrap();
    let bare = bare.first().unwrap();
    assert!(bare.params.has("unknownparam") && !bare.uri.as_sip().unwrap().params.has("unknownparam"));
    let within = request("cparam02").contacts().unwrap();
    let within = within.first().unwrap();
    assert!(!within.params.has("unknownparam") && within.uri.as_sip().unwrap().params.has("unknownparam"));
    assert_eq!(
        request("regescrt").contacts().unwrap().first().unwrap().uri.as_sip().unwrap().header_pairs().count(),
        1
    );

    let authorization = request("regaut01").headers.get(&HeaderName::Authorization).unwrap().clone();
    assert_eq!(Credentials::parse(&authorization).unwrap_err(), Flaw::Scheme);
    let unsupported = match check::request(&request("bext01"), &["100rel"]) {
        Err(Refusal::Extension(tags)) => tags.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(unsupported, "nothingSupportsThis, nothingSupportsThisEither");
    assert_eq!((request("inv2543").max_forwards(), request("inv2543").body.len()), (None, 105));
}

#[test]
fn numbers_beyond_their_range_do_not_wrap() {
    let Err(ParseError::Malformed(malformed)) = parse(bytes("scalar02")) else { panic!() };
    let salvage = malformed.salvage.unwrap();
    let contacts = salvage.headers.contacts().unwrap();
    assert_eq!(contacts.first().unwrap().expires(), Some(u32::MAX));
    let Err(ParseError::Malformed(malformed)) = parse(bytes("scalarlg")) else { panic!() };
    assert_eq!(malformed.reason, Malformation::Header(HeaderName::CSeq, Flaw::Number));
    let text = branchline::sip::Text::from("949302838503028349304023988");
    assert_eq!(branchline::sip::header::Typed::parse(&text), Ok(RetryAfter(u32::MAX)));
}

#[test]
fn baddn_is_refused_for_its_display_name_once_it_is_whole() {
    let whole = [&bytes("baddn")[..], b"\r\n"].concat();
    let Err(ParseError::Malformed(malformed)) = parse(Bytes::from(whole)) else { panic!() };
    assert_eq!(malformed.reason, Malformation::Header(HeaderName::From, Flaw::DisplayName));
    assert_eq!(malformed.answer("t").unwrap().status, BAD);
}

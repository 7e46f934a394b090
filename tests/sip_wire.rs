//! Properties of the SIP room: what is written is read alike, no bytes make it panic, a stream means the
//! same however it is cut, and where the crate rsip reads a message rightly we read it alike.

#![expect(clippy::unwrap_used, reason = "a test may panic, in what it generates too")]

use branchline::sip::framing::{Frame, Framer, FramingError, Side};
use branchline::sip::header::{CSeq, Credentials};
use branchline::sip::parse::{ParseError, parse, read_every_view};
use branchline::sip::uri::escape;
use branchline::sip::{HeaderName, Host, Message, Method, NameAddr, Request, Response, SipUri, StatusCode};
use branchline::sip::{Text, Transport, Uri, Via};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The messages of RFC 4475, good and bad.
fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rfc4475");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dat"));
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,10}(\\.[a-z]{2,5}){0,2}".prop_map(|name| Host::from(name.as_str())),
        any::<[u8; 4]>().prop_map(|octets| Host::V4(octets.into())),
        any::<[u16; 8]>().prop_map(|groups| Host::V6(groups.into())),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let sip = (
        option::of(".{1,12}"),
        host(),
        option::of(any::<u16>()),
        any::<bool>(),
        option::of("[a-z0-9.]{1,6}"),
    )
        .prop_map(|(user, host, port, secure, param)| {
            let mut uri = SipUri::new(user.as_deref(), host, port);
            uri.secure = secure;
            if let Some(param) = param {
                uri = uri.with_param("transport", Some(&param)).with_param("lr", None);
            }
            Uri::from(uri)
        });
    prop_oneof![
        4 => sip,
        1 => "tel:\\+[0-9]{1,15}(;phone-context=[a-z]{1,9})?".prop_map(|text| text.parse().unwrap()),
        1 => "urn:service:sos(\\.[a-z]{1,8})?".prop_map(|text| text.parse().unwrap()),
    ]
}

fn address() -> impl Strategy<Value = NameAddr> {
    (uri(), ".{0,12}", option::of("[A-Za-z0-9.-]{1,12}"), option::of(".{0,9}")).prop_map(
        |(uri, display, tag, odd)| {
            let mut address = NameAddr::new(uri).with_display(&display);
            if let Some(odd) = odd {
                address = address.with_param("odd", Some(&odd));
            }
            match tag {
                Some(tag) => address.with_tag(&tag),
                None => address,
            }
        },
    )
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        4 => select(Method::KNOWN.to_vec()),
        1 => "[A-Z!%'*+-]{1,20}".prop_map(|name| Method::parse(&name).unwrap()),
    ]
}

fn via() -> impl Strategy<Value = Via> {
    let transport =
        select(vec![Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss]);
    (transport, host(), option::of(any::<u16>()), "z9hG4bK[A-Za-z0-9]{1,20}")
        .prop_map(|(transport, host, port, branch)| Via::new(transport, host, port, &branch))
}

/// A header nobody knows: any text on one line.
fn odd_header() -> impl Strategy<Value = (HeaderName, String)> {
    let name = "X-[A-Za-z0-9!%_~-]{1,12}".prop_map(|name| HeaderName::parse(&Text::from(name)).unwrap());
    (name, "[^\r\n]{0,40}".prop_map(|value| value.trim_matches([' ', '\t']).to_owned()))
}

prop_compose! {
    fn message()(
        kind in prop_oneof![(method(), uri()).prop_map(Ok), (100u16..700, "[^\r\n]{0,20}").prop_map(Err)],
        vias in vec(via(), 1..4),
        from in address(), to in address(), call_id in "[!-~]{1,30}",
        number in 0..0x8000_0000_u32, other in method(),
        contacts in vec(address(), 0..3), odd in vec(odd_header(), 0..6),
        body in vec(any::<u8>(), 0..200),
    ) -> Message {
        let mut message = match kind {
            Ok((method, uri)) => Message::from(Request::new(method, uri)),
            Err((code, reason)) => Response::new(StatusCode::new(code).unwrap()).with_reason(&reason).into(),
        };
        let method = if let Message::Request(request) = &message { request.method.clone() } else { other };
        let headers = match &mut message {
            Message::Request(request) => { request.body = body.into(); &mut request.headers }
            Message::Response(response) => { response.body = body.into(); &mut response.headers }
        };
        for via in vias {
            headers.push(HeaderName::Via, via);
        }
        headers.push(HeaderName::From, from);
        headers.push(HeaderName::To, to);
        headers.push(HeaderName::CallId, call_id);
        headers.set(&CSeq { number, method });
        for contact in contacts {
            headers.push(HeaderName::Contact, contact);
        }
        for (name, value) in odd {
            headers.push(name, value);
        }
        message
    }
}

fn without_length(mut message: Message) -> Message {
    match &mut message {
        Message::Request(request) => request.headers.remove(&HeaderName::ContentLength),
        Message::Response(response) => response.headers.remove(&HeaderName::ContentLength),
    };
    message
}

/// One careless change.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let pieces =
        ["\r\n", "\n", "\r", ";", ",", "\"", "<", ">", ":", " ", "\\", "%", "=", "@", "[", "é", "\0"];
    let piece = prop_oneof![
        select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        vec(any::<u8>(), 1..5),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), piece).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), 1..40usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), 1..80usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    if bytes.is_empty() {
        return;
    }
    let end = |at: usize, length: usize| (at + length).min(bytes.len());
    match change {
        Change::Set(at, byte) => *at.get_mut(bytes) = byte,
        Change::Insert(at, piece) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, piece);
        }
        Change::Remove(at, length) => {
            let at = at.index(bytes.len());
            bytes.drain(at..end(at, length));
        }
        Change::Repeat(at, length) => {
            let at = at.index(bytes.len());
            let piece = bytes[at..end(at, length)].to_vec();
            bytes.splice(at..at, piece);
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
    }
}

/// Reads bytes of any kind. What is accepted must, written by us, be accepted again and mean the same.
fn swallow(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    match parse(Bytes::from(bytes)) {
        Ok(message) => {
            read_every_view(&message);
            let written = message.to_bytes();
            let again = parse(written.clone());
            prop_assert!(again.is_ok(), "{again:?}\n{}", String::from_utf8_lossy(&written));
            let again = again.unwrap();
            prop_assert_eq!(&again.to_bytes(), &written);
            prop_assert_eq!(again.headers().vias().ok(), message.headers().vias().ok());
            prop_assert_eq!(again.headers().from(), message.headers().from());
            prop_assert_eq!(again.headers().cseq(), message.headers().cseq());
            prop_assert_eq!(again.body(), message.body());
        }
        Err(ParseError::Malformed(malformed)) => {
            if let Some(answer) = malformed.answer("tag") {
                let text = answer.to_bytes();
                prop_assert!(text.ends_with(b"Content-Length: 0\r\n\r\n"));
                prop_assert!(!text.windows(2).any(|pair| pair[0] != b'\r' && pair[1] == b'\n'));
            }
        }
        Err(ParseError::KeepAlive) => {}
    }
    Ok(())
}

fn frames(side: Side, stream: &[u8], sizes: &[usize]) -> (Vec<Frame>, Option<FramingError>) {
    let mut framer = Framer::new(side);
    let mut out = Vec::new();
    let mut rest = stream;
    let mut lengths = sizes.iter().cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |&length| length.min(rest.len()));
        let (piece, tail) = rest.split_at(length);
        rest = tail;
        framer.receive(piece);
        loop {
            match framer.poll() {
                Ok(Some(frame)) => out.push(frame),
                Ok(None) => break,
                Err(error) => return (out, Some(error)),
            }
        }
    }
    (out, None)
}

proptest! {
    #[test]
    fn what_is_written_is_read_alike(message in message()) {
        let read = parse(message.to_bytes());
        prop_assert!(read.is_ok(), "{read:?}\n{}", String::from_utf8_lossy(&message.to_bytes()));
        prop_assert_eq!(without_length(read.unwrap()), message);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        swallow(bytes)?;
    }

    #[test]
    fn any_text_after_a_start_line_is_read_without_panic(text in "(\\PC|[\r\n\t ;,<>\":=]){0,300}") {
        swallow(format!("INVITE sip:a@b SIP/2.0\r\n{text}\r\n\r\n").into_bytes())?;
    }

    #[test]
    fn careless_changes_are_survived(which in any::<Index>(), changes in vec(change(), 1..6)) {
        let mut bytes = which.get(&corpus()).clone();
        for change in changes {
            apply(&mut bytes, change);
        }
        swallow(bytes)?;
    }

    #[test]
    fn a_stream_means_the_same_however_it_is_cut(
        picks in vec(any::<Index>(), 1..5), changes in vec(change(), 0..3), sizes in vec(1..700usize, 1..9),
        dialled in any::<bool>(),
    ) {
        let corpus = corpus();
        let mut stream = picks.iter().flat_map(|pick| pick.get(&corpus).clone()).collect();
        for change in changes {
            apply(&mut stream, change);
        }
        let side = if dialled { Side::Dialled } else { Side::Accepted };
        prop_assert_eq!(frames(side, &stream, &[]), frames(side, &stream, &sizes));
    }

    #[test]
    fn addresses_keep_what_they_were_given(address in address(), display in ".{1,20}") {
        let address = address.with_display(&display);
        let read = NameAddr::parse(&Text::from(&address));
        prop_assert_eq!(read.as_ref(), Ok(&address));
        let want = display.replace(['\r', '\n'], " ");
        let read = read.unwrap();
        prop_assert_eq!(read.display_name().unwrap(), want);
    }

    #[test]
    fn users_survive_escaping(user in ".{1,30}") {
        let escaped = escape::user(&user);
        prop_assert_eq!(escape::decode(&escaped).into_owned(), user);
    }

    #[test]
    fn credentials_keep_what_they_were_given(
        username in ".{0,20}", realm in "[^\r\n]{0,20}", uri in uri(), nc in any::<u32>(),
    ) {
        let given = Credentials {
            username: Text::from(username.replace(['\r', '\n'], " ")),
            realm: Text::from(realm),
            nonce: Text::from("n"),
            uri: Text::from(uri.to_string()),
            response: Text::from("00"),
            algorithm: None,
            cnonce: Some(Text::from("c\"")),
            opaque: None,
            qop: Some(Text::from("auth")),
            nc: Some(nc),
        };
        prop_assert_eq!(Credentials::parse(&Text::from(&given)), Ok(given));
    }

    #[test]
    fn equivalence_has_two_sides(a in uri(), b in uri()) {
        prop_assert!(a.equivalent(&a));
        prop_assert_eq!(a.equivalent(&b), b.equivalent(&a));
        prop_assert_eq!(&a.detached(), &a);
    }

    #[test]
    fn rsip_reads_plain_messages_alike(
        method in select(vec!["INVITE", "REGISTER", "OPTIONS", "BYE"]),
        user in "[a-z0-9]{1,9}", domain in "[a-z]{2,9}\\.(com|net)", port in option::of(1u16..),
        display in "[A-Za-z0-9]{1,9}( [A-Za-z]{1,9})?", tag in "[a-f0-9]{4,12}", call_id in "[a-z0-9]{4,20}@[a-z]{3}",
        number in 1..0x8000_0000_u32, branch in "[a-zA-Z0-9]{4,16}",
    ) {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let text = format!(
            "{method} sip:{user}@{domain}{port};transport=tcp SIP/2.0\r\n\
             Via: SIP/2.0/TCP {domain}{port};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: \"{display}\" <sip:{user}@{domain}>;tag={tag}\r\nTo: <sip:{user}@{domain}>\r\n\
             Call-ID: {call_id}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        let agreed = agree(text.as_bytes())?;
        prop_assert_eq!(agreed, 9);
    }
}

/// Compares our reading with rsip's, as far as rsip can read at all; how many readings were compared.
fn agree(bytes: &[u8]) -> Result<usize, TestCaseError> {
    use rsip::headers::ToTypedHeader;
    use rsip::prelude::*;
    let Ok(Message::Request(ours)) = parse(Bytes::copy_from_slice(bytes)) else {
        return Ok(0);
    };
    let Ok(theirs) = rsip::Request::try_from(bytes.to_vec()) else { return Ok(0) };
    let mut compared = 2;
    prop_assert_eq!(ours.method.as_str(), theirs.method.to_string());
    // rsip writes transports in capitals.
    let uri: Uri = theirs.uri.to_string().parse().unwrap();
    prop_assert!(ours.uri.equivalent(&uri), "{:?} {uri:?}", ours.uri);
    if let Ok(id) = theirs.call_id_header() {
        compared += 1;
        prop_assert_eq!(ours.call_id().unwrap().as_str(), id.value());
    }
    if let Ok(Ok(cseq)) = theirs.cseq_header().map(ToTypedHeader::typed) {
        compared += 2;
        let got = ours.cseq().unwrap();
        prop_assert_eq!(got.number, cseq.seq);
        prop_assert_eq!(got.method.as_str(), cseq.method.to_string());
    }
    if let Ok(Ok(from)) = theirs.from_header().map(ToTypedHeader::typed) {
        compared += 1;
        prop_assert_eq!(
            ours.from_tag().map(|tag| tag.to_string()),
            from.tag().map(|tag| tag.value().to_owned())
        );
        // rsip loses the user of an address without <>, and after a comma in a quoted display name.
        if let Some(user) = from.uri.user() {
            compared += 1;
            let ours = ours.from().unwrap().uri.as_sip().and_then(|uri| uri.user.clone());
            prop_assert_eq!(ours.map(|user| user.to_string()), Some(user.to_owned()));
        }
    }
    if let Ok(Ok(to)) = theirs.to_header().map(ToTypedHeader::typed) {
        compared += 1;
        prop_assert_eq!(ours.to_tag().map(|tag| tag.to_string()), to.tag().map(|tag| tag.value().to_owned()));
    }
    if let Ok(Ok(via)) = theirs.via_header().map(ToTypedHeader::typed) {
        compared += 1;
        let branch = ours.top_via().unwrap().branch().map(|branch| branch.to_string());
        prop_assert_eq!(branch, via.branch().map(|branch| branch.value().to_owned()));
    }
    Ok(compared)
}

#[test]
fn rsip_reads_some_torture_messages_alike() {
    let mut compared = 0;
    for bytes in corpus() {
        let text = String::from_utf8_lossy(&bytes);
        compared += agree(&bytes).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    assert!(compared > 100, "{compared}");
}

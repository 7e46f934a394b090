use super::*;

const OPTIONS: &str =
    "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n";
const MESSAGE: &str = "MESSAGE sip:a@b SIP/2.0\r\nl : 11\r\nVia: SIP/2.0/TCP c\r\n\r\nhello\r\n\r\nhi";
const ANSWER: &str = "SIP/2.0 200 OK\nContent-length: 2\n\nok";

fn message(text: &str) -> Frame {
    Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
}

/// Every frame, and the error if there was one, of `pieces` received one after the other.
fn frames(side: Side, pieces: &[&[u8]]) -> (Vec<Frame>, Option<FramingError>) {
    let mut framer = Framer::new(side);
    let mut out = Vec::new();
    for piece in pieces {
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

/// Frames a stream whole, split in two at every byte, and byte by byte: always the same must come out.
fn at_every_byte(side: Side, stream: &[u8], want: &[Frame], error: Option<FramingError>) {
    let want = (want.to_vec(), error);
    assert_eq!(frames(side, &[stream]), want);
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        assert_eq!(frames(side, &[first, second]), want, "split at {at}");
    }
    assert_eq!(frames(side, &stream.chunks(1).collect::<Vec<_>>()), want);
}

#[test]
fn messages_one_after_the_other() {
    let stream = [OPTIONS, MESSAGE, ANSWER, OPTIONS].concat();
    let want = [OPTIONS, MESSAGE, ANSWER, OPTIONS].map(message);
    at_every_byte(Side::Accepted, stream.as_bytes(), &want, None);
    at_every_byte(Side::Dialled, stream.as_bytes(), &want, None);
}

#[test]
fn pings_between_messages() {
    let stream = ["\r\n\r\n", OPTIONS, "\r\n\r\n\r\n\r\n", ANSWER, "\r\n", OPTIONS, "\n", OPTIONS].concat();
    let want = [
        Frame::Ping,
        message(OPTIONS),
        Frame::Ping,
        Frame::Ping,
        message(ANSWER),
        message(OPTIONS),
        message(OPTIONS),
    ];
    at_every_byte(Side::Accepted, stream.as_bytes(), &want, None);
}

#[test]
fn pongs_between_messages() {
    let stream = ["\r\n", OPTIONS, "\r\n\r\n", ANSWER].concat();
    let want = [Frame::Pong, message(OPTIONS), Frame::Pong, Frame::Pong, message(ANSWER)];
    at_every_byte(Side::Dialled, stream.as_bytes(), &want, None);
}

#[test]
fn nobody_can_tell_where_the_next_begins() {
    let bad = |stream: &str, error| at_every_byte(Side::Accepted, stream.as_bytes(), &[], Some(error));
    bad("OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", FramingError::ContentLength);
    bad("OPTIONS sip:a SIP/2.0\r\nl: \r\n 4\r\n\r\n", FramingError::ContentLength);
    bad("OPTIONS sip:a SIP/2.0\r\nl: 4\r\nContent-Length: 5\r\n\r\n", FramingError::ContentLength);
    bad("OPTIONS sip:a SIP/2.0\r\nl: 65537\r\n\r\n", FramingError::MessageTooLong);
    bad("OPTIONS sip:a SIP/2.0\r\nl: 65530\r\n\r\n", FramingError::MessageTooLong);
    bad("GET / HTTP/1.1\r\nHost: x\r\n\r\n", FramingError::NotSip);
    bad("\u{16}\u{3}\u{1}\u{2}", FramingError::NotText);
    bad("\r\rOPTIONS", FramingError::NotText);
    bad(" OPTIONS sip:a SIP/2.0\r\n", FramingError::NotText);
}

#[test]
fn after_an_error_only_the_error() {
    let mut framer = Framer::new(Side::Accepted);
    framer.receive(b"\0");
    assert_eq!(framer.poll(), Err(FramingError::NotText));
    framer.receive(OPTIONS.as_bytes());
    assert_eq!(framer.poll(), Err(FramingError::NotText));
}

#[test]
fn an_endless_head_or_line_is_cut_off() {
    let line = "A".repeat(limits::START_LINE + 1);
    assert_eq!(frames(Side::Accepted, &[line.as_bytes()]).1, Some(FramingError::HeadTooLong));
    let head = format!("OPTIONS sip:a SIP/2.0\r\n{}", "X: y\r\n".repeat(limits::HEAD / 6 + 1));
    for size in [1, 7, 1000, head.len()] {
        let pieces: Vec<_> = head.as_bytes().chunks(size).collect();
        assert_eq!(frames(Side::Accepted, &pieces).1, Some(FramingError::HeadTooLong), "{size}");
    }
    let blank = "\n".repeat(limits::BLANK_LINES + 2);
    assert_eq!(frames(Side::Accepted, &[blank.as_bytes()]).1, Some(FramingError::BlankLines));
}

#[test]
fn an_idle_stream_holds_nothing() {
    let mut framer = Framer::new(Side::Accepted);
    framer.receive(OPTIONS.as_bytes());
    assert!(framer.mid_message());
    assert!(framer.poll().unwrap().is_some());
    assert!(!framer.mid_message());
    assert_eq!(framer.buffer.capacity(), 0);
    framer.receive(b"\r\n\r\n");
    assert_eq!(framer.poll(), Ok(Some(Frame::Ping)));
    assert_eq!(framer.buffer.capacity(), 0);
    framer.receive(b"OPT");
    assert_eq!(framer.poll(), Ok(None));
    assert!(framer.mid_message());
}

#[test]
fn each_message_can_be_parsed() {
    let (got, _) = frames(Side::Dialled, &[ANSWER.as_bytes(), ANSWER.as_bytes()]);
    assert_eq!(got.len(), 2);
    let whole = "BYE sip:a@b SIP/2.0\r\nv: SIP/2.0/TLS c;branch=z9hG4bKx\r\nf: <sip:a@b>;tag=1\r\n\
        t: <sip:b@c>;tag=2\r\ni: 1\r\nCSeq: 1 BYE\r\nl: 0\r\n\r\n";
    let (got, _) = frames(Side::Accepted, &[whole.as_bytes()]);
    let [Frame::Message(bytes)] = &got[..] else { panic!("{got:?}") };
    assert!(parse::parse(bytes.clone()).is_ok());
}

use super::*;

fn invite() -> Request {
    let mut request = Request::new(Method::Invite, "sip:bob@biloxi.com".parse::<Uri>().unwrap());
    request.headers.push(HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2");
    request.headers.push(HeaderName::From, "<sip:alice@atlanta.com>;tag=1");
    request.headers.push(HeaderName::To, "sip:bob@biloxi.com");
    request.headers.push(HeaderName::CallId, "x");
    request.headers.push(HeaderName::CSeq, "7 INVITE");
    request.headers.push(HeaderName::Route, "<sip:r;lr>");
    request.headers.push(HeaderName::Timestamp, "54");
    request.headers.push(HeaderName::ContentLength, "999");
    request
}

#[test]
fn an_answer_copies_what_8_2_6_names() {
    let answer = Response::to_request(&invite(), StatusCode::RINGING, Some("t1"));
    assert_eq!(
        answer.to_bytes(),
        "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
         From: <sip:alice@atlanta.com>;tag=1\r\nTo: sip:bob@biloxi.com;tag=t1\r\nCall-ID: x\r\n\
         CSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    let trying = Response::to_request(&invite(), StatusCode::TRYING, None);
    assert!(trying.to_tag().is_none() && trying.headers.has(&HeaderName::Timestamp));
    let mut tagged = invite();
    tagged.headers.replace(HeaderName::To, "<sip:bob@biloxi.com>;tag=theirs");
    let answer = Response::to_request(&tagged, StatusCode::OK, Some("ours"));
    assert_eq!(answer.to_tag().unwrap(), "theirs");
}

#[test]
fn cancel_and_ack_belong_to_the_invite() {
    let cancel = Request::cancel_of(&invite()).unwrap();
    assert_eq!(
        cancel.headers.get_all(&HeaderName::Via).collect::<Vec<_>>(),
        ["SIP/2.0/UDP a;branch=z9hG4bK1"]
    );
    assert_eq!(cancel.cseq().unwrap(), CSeq { number: 7, method: Method::Cancel });
    assert_eq!(cancel.headers.get(&HeaderName::Route).unwrap(), "<sip:r;lr>");
    let busy = Response::to_request(&invite(), StatusCode::BUSY_HERE, Some("t"));
    let ack = Request::ack_of(&invite(), &busy).unwrap();
    assert_eq!((ack.method, ack.headers.to().unwrap().tag().unwrap().as_str()), (Method::Ack, "t"));
}

#[test]
fn no_value_can_start_a_line() {
    let answer =
        Response::new(StatusCode::OK).with_reason("a\r\nEvil: 1").with(HeaderName::Subject, "b\nEvil: 2");
    assert_eq!(
        answer.to_bytes(),
        "SIP/2.0 200 a  Evil: 1\r\nSubject: b Evil: 2\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn the_true_length_is_written() {
    let mut request = invite();
    request.set_body(&super::super::header::ContentType::sdp(), vec![b'x'; 1234]);
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    assert!(text.contains("Content-Length: 1234\r\n") && !text.contains("999"));
    assert!(request.has_sdp());
}

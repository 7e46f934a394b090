//! One SIP message: read, every view of it, written, read again.

use branchline::sip::parse::{parse, read_every_view};
use branchline::sip::{Message, Request, Response, StatusCode, check};
use bytes::Bytes;

/// Extensions that the check is told of.
const EXTENSIONS: &[&str] = &["100rel", "timer", "path"];

/// See the module.
pub fn run(data: &[u8]) {
    let Ok(message) = parse(Bytes::copy_from_slice(data)) else { return };
    read_every_view(&message);
    let written = message.to_bytes();
    let again = parse(written.clone()).expect("what we write can be read");
    assert_eq!(again.to_bytes(), written, "what is written once is written alike for ever");
    assert_eq!(again.body(), message.body(), "the body is the same");
    match &message {
        Message::Request(request) => answer(request),
        Message::Response(response) => {
            let _ = check::response(response);
        }
    }
}

fn answer(request: &Request) {
    if let Err(refusal) = check::request(request, EXTENSIONS) {
        let _ = refusal.answer(request, "tag").map(|response| readable(&response));
    }
    let _ = check::session(request);
    readable(&Response::to_request(request, StatusCode::OK, Some("tag")).with_record_route_of(request));
    if let Some(cancel) = Request::cancel_of(request) {
        parse(cancel.to_bytes()).expect("a CANCEL that can be read");
    }
    let _ = request.route_set();
    let _ = request.sdp();
}

fn readable(response: &Response) {
    parse(response.to_bytes()).expect("an answer that can be read");
}

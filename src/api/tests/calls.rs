//! Calls and signalling over REST.

use std::time::Duration;

use super::harness::{OWN_TOKEN, Server, Setup, Socket, view};
use crate::api::LineCapacity;
use crate::engine::call::CallId;
use crate::engine::web::{Signal, WebInput, WebRefusal, WebReply, WebRequest};

const DIAL: &str = r#"{"to":"1002","type":"audio","sdp":"v=0"}"#;

/// Waits for the next request that reached the engine.
async fn request(server: &mut Server) -> (Option<crate::engine::web::WebSession>, WebRequest) {
    loop {
        if let WebInput::Request { session, request, caller, .. } = server.inputs.recv().await.unwrap() {
            assert_eq!(caller.to_string(), "1001");
            return (session, request);
        }
    }
}

#[tokio::test]
async fn every_request_reaches_the_engine_as_itself() {
    let mut server = Server::start(Setup::default()).await;
    let call = CallId(7);
    let cases = [
        ("/calls", DIAL, 201, WebRequest::Dial { to: "1002".into(), offer: "v=0".into() }),
        (
            "/calls/0000000000000007/accept",
            r#"{"sdp":"v=0"}"#,
            200,
            WebRequest::Accept { call, answer: "v=0".into() },
        ),
        ("/calls/0000000000000007/end", r#"{"busy":true}"#, 204, WebRequest::End { call, busy: true }),
        ("/calls/0000000000000007/end", "", 204, WebRequest::End { call, busy: false }),
        (
            "/calls/0000000000000007/signaling",
            r#"{"type":"dtmf","digits":"12#"}"#,
            204,
            WebRequest::Signal { call, signal: Signal::Dtmf { digits: "12#".into() } },
        ),
        (
            "/calls/0000000000000007/signaling",
            r#"{"type":"ice_candidate","candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}"#,
            204,
            WebRequest::Signal {
                call,
                signal: Signal::IceCandidate {
                    candidate: "candidate:1".into(),
                    sdp_mid: Some("0".into()),
                    sdp_m_line_index: Some(0),
                },
            },
        ),
    ];
    for (path, body, status, expected) in cases {
        let answer = server.post(path, OWN_TOKEN, body).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(request(&mut server).await.1, expected);
    }
}

#[tokio::test]
async fn lists_and_single_calls_come_back() {
    let server = Server::start(Setup::default()).await;
    let bearer = [("Authorization", &*format!("Bearer {OWN_TOKEN}"))];
    let list = server.get("/api/v1/voip/calls", &bearer).await.json();
    assert_eq!(list["items"][0]["state"], "dialling");
    let one = server.get("/api/v1/voip/calls/0000000000000007", &bearer).await;
    assert_eq!(one.json()["peer"], "1002");
    let signals = server.get("/api/v1/voip/calls/0000000000000007/signaling?since=4", &bearer).await.json();
    assert_eq!(signals, serde_json::json!({"items": [{"sequence": 5, "signal": {"type": "hangup"}}]}));
    let bad = server.get("/api/v1/voip/calls/0000000000000007/signaling?since=x", &bearer).await;
    assert_eq!((bad.status, bad.reason().as_str()), (400, "bad-parameter"));
    let none = server.get("/api/v1/voip/calls/no-such/signaling", &bearer).await;
    assert_eq!((none.status, none.reason().as_str()), (404, "no-such-call"));
}

#[tokio::test]
async fn a_call_that_is_over_comes_from_its_record() {
    let server = Server::start(Setup::default()).await;
    let bearer = [("Authorization", &*format!("Bearer {OWN_TOKEN}"))];
    let over = server.get("/api/v1/voip/calls/0000000000000009", &bearer).await;
    assert_eq!((over.status, &over.json()["state"]), (200, &"ended".into()));
    let words = (&over.json()["ended"], &over.json()["ended_text"], &over.json()["ended_at"]);
    assert_eq!(words, (&"hangup".into(), &"The call has ended.".into(), &3.into()));
    let stranger = server.sign_in("1002", "other").await.json()["token"].as_str().unwrap().to_owned();
    server.book.set("1003", "third");
    let called = [("Authorization", &*format!("Bearer {stranger}"))];
    let over = server.get("/api/v1/voip/calls/0000000000000009", &called).await;
    assert_eq!((over.status, &over.json()["direction"]), (200, &"incoming".into()));
    let stranger = server.sign_in("1003", "third").await.json()["token"].as_str().unwrap().to_owned();
    let stranger = [("Authorization", &*format!("Bearer {stranger}"))];
    let none = server.get("/api/v1/voip/calls/0000000000000009", &stranger).await;
    assert_eq!((none.status, none.reason().as_str()), (404, "no-such-call"));
}

#[tokio::test]
async fn the_list_comes_in_pages() {
    fn three(_: &WebRequest) -> WebReply {
        let call = |id, started| crate::engine::web::CallView { started, ..view(id) };
        WebReply::Calls(vec![call(1, 30), call(2, 10), call(3, 10)])
    }
    let server = Server::start(Setup { engine: Some(three), ..Setup::default() }).await;
    let bearer = [("Authorization", &*format!("Bearer {OWN_TOKEN}"))];
    let mut seen = Vec::new();
    let mut path = "/api/v1/voip/calls?limit=2".to_owned();
    loop {
        let page = server.get(&path, &bearer).await.json();
        let ids =
            page["items"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned());
        seen.extend(ids.map(|id| id.trim_start_matches('0').to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/voip/calls?limit=2&after={next}");
    }
    assert_eq!(seen, ["2", "3", "1"]);
    for query in ["limit=0", "limit=201", "limit=x", "after=x", "limit=1&limit=2"] {
        let bad = server.get(&format!("/api/v1/voip/calls?{query}"), &bearer).await;
        assert_eq!((bad.status, bad.reason().as_str()), (400, "bad-parameter"), "{query}");
    }
}

#[tokio::test]
async fn events_go_to_the_page_that_asked() {
    let mut server = Server::start(Setup::default()).await;
    let (_first, first) = Socket::phone(&mut server, "aaaa").await;
    server.post("/calls", OWN_TOKEN, DIAL).await;
    assert_eq!(request(&mut server).await.0, Some(first), "the only page of this token");
    let (_second, second) = Socket::phone(&mut server, "bbbb").await;
    let bearer = format!("Bearer {OWN_TOKEN}");
    let headers = |instance| {
        [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("X-Phone-Instance", instance),
        ]
    };
    server.ask("POST", "/api/v1/voip/calls", &headers("bbbb"), DIAL).await;
    assert_eq!(request(&mut server).await.0, Some(second));
    server.ask("POST", "/api/v1/voip/calls", &headers("cccc"), DIAL).await;
    assert_eq!(request(&mut server).await.0, None);
}

#[tokio::test]
async fn a_repeated_dial_is_carried_out_once() {
    let mut server = Server::start(Setup::default()).await;
    let bearer = format!("Bearer {OWN_TOKEN}");
    let headers =
        [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("Idempotency-Key", "k1")];
    for _ in 0..2 {
        let answer = server.ask("POST", "/api/v1/voip/calls", &headers, DIAL).await;
        assert_eq!((answer.status, answer.header("location")), (201, "/api/v1/voip/calls/0000000000000007"));
    }
    request(&mut server).await;
    assert!(server.inputs.try_recv().is_err(), "the second was answered from memory");
    let other = server.ask("POST", "/api/v1/voip/calls", &headers, &DIAL.replace("1002", "1003")).await;
    assert_eq!((other.status, other.reason().as_str()), (422, "idempotency-mismatch"));
}

#[tokio::test]
async fn refusals_keep_their_reason() {
    fn refusing(request: &WebRequest) -> WebReply {
        WebReply::Refused(match request {
            WebRequest::Dial { .. } => WebRefusal::Limit,
            WebRequest::Accept { .. } => WebRefusal::WrongState,
            WebRequest::Signal { .. } => WebRefusal::BadDescription,
            _ => WebRefusal::NoSuchCall,
        })
    }
    let server = Server::start(Setup { engine: Some(refusing), ..Setup::default() }).await;
    let cases = [
        ("/calls", DIAL, 503, "limit"),
        ("/calls/0000000000000007/accept", r#"{"sdp":""}"#, 409, "wrong-state"),
        ("/calls/0000000000000007/signaling", r#"{"type":"offer","sdp":""}"#, 422, "bad-description"),
        ("/calls/0000000000000007/end", "", 404, "no-such-call"),
        ("/calls", r#"{"to":"1002","type":"video","sdp":""}"#, 422, "video-not-offered"),
        ("/calls", r#"{"to":"1002","type":"screen","sdp":""}"#, 422, "video-not-offered"),
        ("/calls", r#"{"to":"1002","type":"smell","sdp":""}"#, 422, "call-type"),
        ("/calls/0000000000000007/signaling", r#"{"type":"dtmf","digits":"x"}"#, 400, "bad-body"),
        ("/calls/0000000000000007/signaling", r#"{"type":"dance"}"#, 400, "bad-body"),
    ];
    for (path, body, status, reason) in cases {
        let answer = server.post(path, OWN_TOKEN, body).await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{path} {body}");
    }
}

#[tokio::test]
async fn a_silent_engine_and_a_failed_dial_do_not_block_the_key() {
    let capacity = LineCapacity { patience: Duration::from_millis(30), ..LineCapacity::default() };
    let server = Server::start(Setup { engine: None, capacity, ..Setup::default() }).await;
    let bearer = format!("Bearer {OWN_TOKEN}");
    let headers =
        [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("Idempotency-Key", "k1")];
    for _ in 0..2 {
        let answer = server.ask("POST", "/api/v1/voip/calls", &headers, DIAL).await;
        assert_eq!((answer.status, answer.reason().as_str()), (504, "engine-timeout"));
    }
}

#[tokio::test]
async fn too_many_requests_of_one_client_are_refused() {
    let mut setup = Setup::default();
    setup.limits.rate.burst = 5.0;
    setup.limits.rate.per_second = 0.1;
    let server = Server::start(setup).await;
    for _ in 0..5 {
        assert_eq!(server.get("/api/v1/voip/health", &[]).await.status, 200);
    }
    let answer = server.get("/api/v1/voip/health", &[]).await;
    assert_eq!((answer.status, answer.reason().as_str()), (429, "rate-limited"));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[test]
fn views_have_the_contracts_shape() {
    let json = serde_json::to_value(view(7)).unwrap();
    assert_eq!(json["direction"], "outgoing");
    assert!(json.get("peer_name").is_none() && json["held_by_peer"] == false);
}

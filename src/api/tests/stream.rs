//! `/ws/auth`: a page's stream of events.

use std::time::Duration;

use super::harness::{OWN_TOKEN, Server, Setup, Socket, view};
use crate::engine::web::{WebEvent, WebInput, WebSession};

fn path() -> String {
    format!("/ws/auth?token={OWN_TOKEN}")
}

async fn closed(server: &mut Server) -> WebSession {
    loop {
        if let WebInput::Closed { session } = server.inputs.recv().await.unwrap() {
            return session;
        }
    }
}

#[tokio::test]
async fn a_page_becomes_a_device_hears_events_and_leaves() {
    let mut server = Server::start(Setup::default()).await;
    let (mut socket, session) = Socket::phone(&mut server, "aaaa").await;
    assert!(server.switchboard.event(session, WebEvent::Registered { extension: "1001".into() }));
    assert!(server.switchboard.event(session, WebEvent::IncomingCall { call: view(9), offer: "v=0".into() }));
    assert_eq!(socket.json().await, serde_json::json!({"type": "Registered", "extension": "1001"}));
    let incoming = socket.json().await;
    assert_eq!((&incoming["type"], &incoming["call"]["peer"]), (&"IncomingCall".into(), &"1002".into()));
    socket.send(1, br#"{"type":"Ping"}"#).await;
    assert_eq!(socket.json().await, serde_json::json!({"type": "Pong"}));
    drop(socket);
    assert_eq!(closed(&mut server).await, session);
    assert!(!server.switchboard.event(session, WebEvent::Registered { extension: "1001".into() }));
}

#[tokio::test]
async fn nonsense_is_answered_and_a_flood_is_cut() {
    let mut server = Server::start(Setup::default()).await;
    let (mut socket, session) = Socket::phone(&mut server, "aaaa").await;
    for nonsense in ["{", r#"{"type":"Dance"}"#, "[]"] {
        socket.send(1, nonsense.as_bytes()).await;
        assert_eq!(socket.json().await["reason"], "bad-body");
    }
    socket.send(1, br#"{"type":"Subscribe","phone":true,"instance":"bbbb"}"#).await;
    assert_eq!(socket.json().await["reason"], "bad-parameter", "subscribed already");
    for _ in 0..60 {
        socket.send(1, br#"{"type":"Ping"}"#).await;
    }
    assert_eq!(socket.close_code().await, 4429);
    assert_eq!(closed(&mut server).await, session);
}

#[tokio::test]
async fn a_reload_replaces_the_old_page_and_the_engine_hears_it_in_order() {
    let mut server = Server::start(Setup::default()).await;
    let (mut old, first) = Socket::phone(&mut server, "aaaa").await;
    let mut new = Socket::open(&server, &path(), &[]).await.unwrap();
    new.send(1, br#"{"type":"Subscribe","phone":true,"instance":"aaaa"}"#).await;
    assert_eq!(server.inputs.recv().await.unwrap(), WebInput::Closed { session: first });
    let opened = server.inputs.recv().await.unwrap();
    assert!(matches!(opened, WebInput::Opened { session, .. } if session != first));
    assert_eq!(old.close_code().await, 4409);
    drop((old, new));
    assert!(matches!(server.inputs.recv().await.unwrap(), WebInput::Closed { session } if session != first));
}

#[tokio::test]
async fn too_many_pages_of_one_extension_are_refused() {
    let mut setup = Setup::default();
    setup.capacity.sessions_per_extension = 1;
    let mut server = Server::start(setup).await;
    let (_first, _) = Socket::phone(&mut server, "aaaa").await;
    let mut second = Socket::open(&server, &path(), &[]).await.unwrap();
    second.send(1, br#"{"type":"Subscribe","phone":true,"instance":"bbbb"}"#).await;
    assert_eq!(second.json().await["reason"], "too-many-sessions");
    assert_eq!(second.close_code().await, 4503);
}

#[tokio::test]
async fn the_silent_are_closed_and_the_pinged_stay() {
    let mut setup = Setup::default();
    setup.limits.ping = Duration::from_millis(60);
    let server = Server::start(setup).await;
    let mut socket = Socket::open(&server, &path(), &[]).await.unwrap();
    for _ in 0..5 {
        let (opcode, _) = socket.recv().await;
        assert_eq!(opcode, 9);
        socket.send(10, b"").await;
    }
    assert_eq!(socket.close_code().await, 4408, "no pong any more");
}

#[tokio::test]
async fn strangers_do_not_get_in() {
    let server = Server::start(Setup::default()).await;
    let own = format!("http://{}", server.address);
    let cases = [
        (path(), "https://evil.example", Err((403, "foreign-origin".to_owned()))),
        (path(), "https://intranet.example", Ok(())),
        (path(), &*own, Ok(())),
        ("/ws/auth?token=wrong".into(), &*own, Err((401, "unauthorized".to_owned()))),
        ("/ws/auth".into(), &*own, Err((401, "unauthorized".to_owned()))),
        ("/api/v1/voip/ws/auth".into(), &*own, Err((401, "unauthorized".to_owned()))),
    ];
    for (path, origin, expected) in cases {
        let opened = Socket::open(&server, &path, &[("Origin", origin)]).await;
        let result = opened.map(drop).map_err(|answer| (answer.status, answer.reason()));
        assert_eq!(result, expected, "{path} from {origin}");
    }
    let plain = server.get(&path(), &[]).await;
    assert_eq!((plain.status, plain.reason().as_str()), (426, "not-websocket"));
}

#[tokio::test]
async fn an_oversized_message_ends_the_connection() {
    let mut setup = Setup::default();
    setup.limits.body = 512;
    let mut server = Server::start(setup).await;
    let (mut socket, session) = Socket::phone(&mut server, "aaaa").await;
    socket.send(1, &[b' '; 600]).await;
    assert_eq!(closed(&mut server).await, session);
    while socket.recv().await.0 != 0 {}
}

#[tokio::test]
async fn when_the_daemon_stops_pages_are_told_to_come_back() {
    let mut server = Server::start(Setup::default()).await;
    let (mut socket, session) = Socket::phone(&mut server, "aaaa").await;
    server.stop.send(true).unwrap();
    assert_eq!(socket.close_code().await, 1001);
    assert_eq!(closed(&mut server).await, session);
    drop(socket);
    server.serving.await.unwrap();
}

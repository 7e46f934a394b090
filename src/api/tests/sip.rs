//! `/sip`: SIP over WebSocket.

use bytes::Bytes;

use super::harness::{Server, Setup, Socket};
use crate::api::{SipFrame, SipSocketError};

const SIP: (&str, &str) = ("Sec-WebSocket-Protocol", "sip");

#[tokio::test]
async fn frames_go_both_ways() {
    let mut server = Server::start(Setup::default()).await;
    let mut client = Socket::open(&server, "/sip", &[SIP]).await.unwrap();
    let mut socket = server.sip.as_mut().unwrap().recv().await.unwrap();
    assert!(socket.peer.remote.ip().is_loopback() && socket.peer.local == server.address);
    client.send(1, b"REGISTER sip:branch.example SIP/2.0\r\n\r\n").await;
    client.send(2, b"\xff\xfe").await;
    client.send(9, b"").await;
    assert_eq!(
        socket.recv().await,
        Ok(SipFrame::Message(Bytes::from_static(b"REGISTER sip:branch.example SIP/2.0\r\n\r\n")))
    );
    assert_eq!(socket.recv().await, Ok(SipFrame::Message(Bytes::from_static(b"\xff\xfe"))));
    assert_eq!(socket.recv().await, Ok(SipFrame::KeepAlive));
    socket.send(Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n")).await.unwrap();
    socket.send(Bytes::from_static(b"\xff")).await.unwrap();
    let mut frames = Vec::new();
    while frames.len() < 2 {
        let frame = client.recv().await;
        if frame.0 != 10 {
            frames.push(frame);
        }
    }
    assert_eq!(frames, [(1, b"SIP/2.0 200 OK\r\n\r\n".to_vec()), (2, vec![0xff])]);
    client.send(8, &1000_u16.to_be_bytes()).await;
    assert_eq!(socket.recv().await, Err(SipSocketError::Closed));
}

#[tokio::test]
async fn the_handshake_is_checked() {
    let server = Server::start(Setup { sip: Some(1), ..Setup::default() }).await;
    let refused = |answer: super::harness::Answer| (answer.status, answer.reason());
    let without = Socket::open(&server, "/sip", &[]).await.map(drop).map_err(refused);
    assert_eq!(without, Err((400, "subprotocol-required".into())));
    let foreign = Socket::open(&server, "/sip", &[SIP, ("Origin", "https://evil.example")]).await;
    assert_eq!(foreign.map(drop).map_err(refused), Err((403, "foreign-origin".into())));
    let _waits = Socket::open(&server, "/sip", &[("Sec-WebSocket-Protocol", "chat, SIP")]).await;
    let first = Socket::open(&server, "/sip", &[SIP]).await.map(drop).map_err(refused);
    assert_eq!(first, Err((503, "sip-busy".into())), "the transport has not taken the one before");
    let off = Server::start(Setup { sip: None, ..Setup::default() }).await;
    let answer = Socket::open(&off, "/sip", &[SIP]).await.map(drop).map_err(refused);
    assert_eq!(answer, Err((503, "sip-disabled".into())));
}

#[tokio::test]
async fn an_oversized_message_breaks_the_socket() {
    let mut setup = Setup::default();
    setup.limits.body = 512;
    let mut server = Server::start(setup).await;
    let mut client = Socket::open(&server, "/sip", &[SIP]).await.unwrap();
    let mut socket = server.sip.as_mut().unwrap().recv().await.unwrap();
    client.send(1, &[b'x'; 600]).await;
    assert_eq!(socket.recv().await, Err(SipSocketError::Broken));
}

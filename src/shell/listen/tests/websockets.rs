//! SIP over WebSocket, through the HTTP room's own upgrade.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::harness::{Bench, PATIENCE, limits, options};
use crate::api::{self, Api, ApiMetrics, FoundRecord, HealthView, LineCapacity, Parts, Records, Vitals};
use crate::config::Config;
use crate::engine::call::CallId;
use crate::engine::flow::FlowFailure;
use crate::shell::https::{self, HttpsLimits};
use crate::shell::listen::{Limits, serve_websockets};
use crate::shell::settings::{AccountBook, api_settings};
use crate::sip::Transport;

struct Well;

impl Vitals for Well {
    fn health(&self) -> HealthView {
        HealthView { status: "ok", version: String::new(), conditions: Vec::new() }
    }

    fn status(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn metrics(&self) -> String {
        String::new()
    }
}

impl Records for Well {
    fn call(&self, _: CallId) -> FoundRecord<'_> {
        Box::pin(async { None })
    }
}

/// A plain HTTP listener whose `/sip` leads to the bench.
async fn websockets(limits: Limits) -> (Bench, watch::Sender<bool>) {
    let mut bench = Bench::new(limits, 64);
    let (upgraded, sockets) = mpsc::channel(8);
    let (line, port) = api::line::line(LineCapacity::default());
    let (stop, stopped) = watch::channel(false);
    let metrics = ApiMetrics::default();
    let api = Api::new(Parts {
        settings: api_settings(&Config::default(), api::SessionKey::new([0; 32])),
        accounts: Arc::new(AccountBook::default()),
        directory: Arc::new(AccountBook::default()),
        records: Arc::new(Well),
        vitals: Arc::new(Well),
        line,
        sip: Some(upgraded),
        metrics: metrics.clone(),
        shutdown: stopped.clone(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    bench.address = listener.local_addr().unwrap();
    let shared = bench.shared.clone();
    let web = https::serve(
        listener,
        https::Security::Clear,
        api::router(api),
        HttpsLimits::default(),
        metrics,
        stopped,
    );
    bench.serve(async move {
        let _port = port;
        let sip = serve_websockets(sockets, watch::Sender::default().subscribe(), shared);
        tokio::join!(sip, web);
    });
    (bench, stop)
}

/// A WebSocket client of a few lines.
struct Client(TcpStream);

impl Client {
    async fn dial(bench: &Bench) -> Self {
        let mut stream = bench.dial().await;
        let host = bench.address;
        let request = format!(
            "GET /sip HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: sip\r\nOrigin: http://{host}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        Self(stream)
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![0x80 | opcode];
        if length < 126 {
            frame.push(0x80 | u8::try_from(length).unwrap());
        } else {
            frame.push(0xfe);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// The opcode and payload of the next frame.
    async fn receive(&mut self) -> (u8, Vec<u8>) {
        let reading = async {
            let opcode = self.0.read_u8().await? & 0x0f;
            let length = match self.0.read_u8().await? {
                126 => usize::from(self.0.read_u16().await?),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await?;
            std::io::Result::Ok((opcode, payload))
        };
        timeout(PATIENCE, reading).await.expect("a frame in time").unwrap()
    }
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

#[tokio::test]
async fn a_frame_is_a_message_and_line_ends_are_a_keep_alive() {
    let (mut bench, _stop) = websockets(limits()).await;
    let mut client = Client::dial(&bench).await;
    let (flow, identity, line) = bench.opened().await;
    assert_eq!((flow.transport, identity), (Transport::Ws, None));
    assert_eq!(flow.local, bench.address);
    client.send(TEXT, &options(4)).await;
    assert_eq!(bench.number().await, 4);
    client.send(TEXT, b"\r\n\r\n").await;
    assert_eq!(client.receive().await, (TEXT, b"\r\n".to_vec()));
    line.outgoing.send("answer".into()).await.unwrap();
    assert_eq!(client.receive().await, (TEXT, b"answer".to_vec()));
    client.send(TEXT, b"no SIP at all").await;
    assert!(bench.message().await.1.is_err(), "the engine counts what is wrong with it");
    client.send(CLOSE, &[]).await;
    assert_eq!(bench.closed().await, FlowFailure::Closed);
}

#[tokio::test]
async fn silence_and_size_close_with_a_word() {
    let limits = Limits { idle_time: Duration::from_millis(300), message_size: 100, ..limits() };
    let (mut bench, _stop) = websockets(limits).await;
    let mut large = Client::dial(&bench).await;
    let _line = bench.opened().await;
    large.send(TEXT, &options(1)).await;
    assert_eq!(bench.closed().await, FlowFailure::Garbage);
    let (opcode, payload) = large.receive().await;
    assert_eq!((opcode, &payload[2..]), (CLOSE, &b"message-size"[..]));

    let mut silent = Client::dial(&bench).await;
    let _line = bench.opened().await;
    assert_eq!(bench.closed().await, FlowFailure::Idle);
    let (opcode, _) = silent.receive().await;
    assert!(matches!(opcode, PING | CLOSE), "{opcode}");
}

#[tokio::test]
async fn places_are_shared_with_the_other_transports() {
    let (mut bench, _stop) = websockets(Limits { connections: 1, ..limits() }).await;
    let _first = Client::dial(&bench).await;
    let _line = bench.opened().await;
    let mut second = Client::dial(&bench).await;
    let (opcode, payload) = second.receive().await;
    assert_eq!((opcode, &payload[2..]), (CLOSE, &b"connections-full"[..]));
}

#[tokio::test]
async fn the_engine_may_close_it() {
    let (mut bench, _stop) = websockets(limits()).await;
    let mut client = Client::dial(&bench).await;
    let (_, _, line) = bench.opened().await;
    line.outgoing.send("last".into()).await.unwrap();
    drop(line.outgoing);
    line.close.send(FlowFailure::Garbage).unwrap();
    assert_eq!(client.receive().await, (TEXT, b"last".to_vec()));
    assert_eq!(client.receive().await.0, CLOSE);
    assert_eq!(bench.closed().await, FlowFailure::Garbage);
}

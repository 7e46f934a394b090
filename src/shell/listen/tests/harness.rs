//! A listener, the engine's end of its channel, and patience.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::engine::flow::{ClientIdentity, Flow, FlowFailure, Side};
use crate::observe::Metrics;
use crate::shell::listen::*;
use crate::sip::Message;
use crate::sip::header::CSeq;
use crate::sip::parse::ParseError;

pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Limits that tests need not wait for.
pub(super) fn limits() -> Limits {
    Limits {
        connections: 100,
        connections_per_source: 100,
        handshake_time: Duration::from_millis(500),
        message_time: Duration::from_millis(300),
        idle_time: Duration::from_secs(30),
        message_size: 8192,
        send_queue: 8,
    }
}

pub(super) fn options(number: u32) -> Vec<u8> {
    let text = format!(
        "OPTIONS sip:branch SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: {number}\r\nCSeq: {number} OPTIONS\r\n\
         Content-Length: 4\r\n\r\nbody"
    );
    text.into_bytes()
}

/// What a running listener shows.
pub(super) struct Bench {
    pub(super) address: SocketAddr,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) shared: Shared,
    pub(super) metrics: Metrics,
    stop: watch::Sender<bool>,
    _limits: watch::Sender<Limits>,
    serving: Option<JoinHandle<()>>,
}

impl Bench {
    /// The channels of a listener that is not there yet; `queue` arrivals may wait.
    pub(super) fn new(limits: Limits, queue: usize) -> Self {
        let (inlet, arrivals) = mpsc::channel(queue);
        let (stop, stopping) = watch::channel(false);
        let (limits, limits_in_force) = watch::channel(limits);
        let metrics = Metrics::new("BRU");
        let shared = Shared {
            inlet,
            limits: limits_in_force,
            places: Arc::default(),
            names: Arc::default(),
            metrics: metrics.clone(),
            stop: stopping,
        };
        let address = ([127, 0, 0, 1], 0).into();
        Self { address, arrivals, shared, metrics, stop, _limits: limits, serving: None }
    }

    pub(super) fn serve(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.serving = Some(tokio::spawn(task));
    }

    /// A stream listener on loopback.
    pub(super) async fn stream(limits: Limits, security: Security) -> Self {
        let mut bench = Self::new(limits, 64);
        bench.listen(security, "").await;
        bench
    }

    pub(super) async fn listen(&mut self, security: Security, network: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.address = listener.local_addr().unwrap();
        let networks = if network.is_empty() { Vec::new() } else { vec![network.parse().unwrap()] };
        let shared = self.shared.clone();
        self.serve(serve(Acceptor { listener, peers: Peers::On(Side::Site), networks, security, shared }));
    }

    pub(super) async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) async fn next(&mut self) -> Arrival {
        timeout(PATIENCE, self.arrivals.recv()).await.expect("an arrival in time").unwrap()
    }

    pub(super) async fn opened(&mut self) -> (Flow, Option<ClientIdentity>, Line) {
        match self.next().await {
            Arrival::Opened { flow, identity, line } => (flow, identity, line),
            other => panic!("expected a connection, got {other:?}"),
        }
    }

    pub(super) async fn message(&mut self) -> (Flow, Result<Message, ParseError>) {
        match self.next().await {
            Arrival::Sip { flow, message } => (flow, message),
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// The CSeq of the next message.
    pub(super) async fn number(&mut self) -> u32 {
        let message = self.message().await.1.expect("a proper message");
        message.headers().read::<CSeq>().unwrap().unwrap().number
    }

    pub(super) async fn closed(&mut self) -> FlowFailure {
        match self.next().await {
            Arrival::Closed { reason, .. } => reason,
            other => panic!("expected an end, got {other:?}"),
        }
    }

    /// Whether a counter stands at `count`; waits for it, because some are counted after the peer noticed.
    pub(super) async fn counted(&self, what: &str, count: u64) {
        let line = format!("{what}}} {count}\n");
        for _ in 0..100 {
            if self.metrics.encode().unwrap().contains(&line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no {line} in:\n{}", self.metrics.encode().unwrap());
    }

    pub(super) async fn stop(&mut self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.serving.take().unwrap()).await.expect("listeners end in time").unwrap();
    }
}

//! The loop with a real engine, a real store and scripted peers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::api::{self, LineCapacity};
use crate::config::Config;
use crate::engine::EngineSetup;
use crate::engine::flow::{ConnectionId, Flow, FlowFailure, Side};
use crate::engine::registrar::Account;
use crate::media::{EndId, MediaCommand};
use crate::observe::{Health, Metrics};
use crate::sdp::Fingerprint;
use crate::shell::flows::Flows;
use crate::shell::listen::Line;
use crate::shell::settings::{Bound, engine_settings};
use crate::shell::store::{Store, StoreOptions};
use crate::sip::Transport;
use crate::sip::digest::{UserKeys, answer};
use crate::sip::header::Challenge;
use crate::sip::parse::parse;
use crate::sip::{HeaderName, Message, Method, Uri};

const PATIENCE: Duration = Duration::from_secs(5);

/// A running loop and all that leads to it.
struct Desk {
    arrivals: mpsc::Sender<Arrival>,
    orders: mpsc::Sender<Order>,
    questions: mpsc::Sender<Question>,
    overview: watch::Receiver<Overview>,
    store: Store,
    metrics: Metrics,
    running: JoinHandle<()>,
    directory: PathBuf,
    _media: mpsc::Sender<MediaEvent>,
    _connectivity: mpsc::Sender<ConnectivityEvent>,
    _line: api::EngineLine,
}

impl Desk {
    fn open(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("bl-engine-task-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let (metrics, health) = (Metrics::new("BRU"), Health::new());
        let store = store_in(&directory, &metrics, &health);
        let (arrivals, arrived) = mpsc::channel(64);
        let (orders, ordered) = mpsc::channel(4);
        let (questions, questioned) = mpsc::channel(4);
        let (media, media_events) = mpsc::channel(4);
        let (connectivity, connectivity_events) = mpsc::channel(4);
        let (line, port) = api::line::line(LineCapacity::default());
        let (glance, overview, _) = Glance::new();
        let outlets = Outlets {
            flows: Flows::new(Vec::new(), metrics.clone()),
            media: Box::new(|_| Ok(())),
            connectivity: Box::new(|_| Ok(())),
            links: mpsc::channel(1).0,
            store: store.clone(),
            switchboard: port.switchboard,
            metrics: metrics.clone(),
            health,
            events: None,
            roaming: None,
        };
        let inlets = Inlets {
            orders: ordered,
            media: media_events,
            connectivity: connectivity_events,
            pages: port.inputs,
            arrivals: arrived,
            questions: questioned,
        };
        let running = tokio::spawn(run(engine(), inlets, outlets, Heartbeat::default(), glance));
        Self {
            arrivals,
            orders,
            questions,
            overview,
            store,
            metrics,
            running,
            directory,
            _media: media,
            _connectivity: connectivity,
            _line: line,
        }
    }

    async fn connect(&self, number: u64) -> Phone {
        let (outgoing, to_send) = mpsc::channel(8);
        let (close, closing) = oneshot::channel();
        let flow = Flow {
            transport: Transport::Tls,
            local: "192.0.2.1:5061".parse().unwrap(),
            remote: "192.0.2.7:40000".parse().unwrap(),
            connection: Some(ConnectionId(number)),
            side: Side::Site,
        };
        let opened = Arrival::Opened { flow, identity: None, line: Line { outgoing, close } };
        self.arrivals.send(opened).await.unwrap();
        Phone { flow, to_send, _closing: closing }
    }

    async fn send(&self, phone: &Phone, text: String) {
        let message = parse(Bytes::from(text));
        self.arrivals.send(Arrival::Sip { flow: phone.flow, message }).await.unwrap();
    }

    async fn finish(self) {
        self.orders.send(Order::Finish).await.unwrap();
        timeout(PATIENCE, self.running).await.expect("it ends").unwrap();
        self.store.close();
        std::fs::remove_dir_all(self.directory).unwrap();
    }
}

struct Phone {
    flow: Flow,
    to_send: mpsc::Receiver<Bytes>,
    _closing: oneshot::Receiver<FlowFailure>,
}

impl Phone {
    async fn answer(&mut self) -> crate::sip::Response {
        let bytes = timeout(PATIENCE, self.to_send.recv()).await.expect("an answer in time").unwrap();
        match parse(bytes).unwrap() {
            Message::Response(response) => response,
            Message::Request(request) => panic!("a request: {request:?}"),
        }
    }
}

fn store_in(directory: &Path, metrics: &Metrics, health: &Health) -> Store {
    Store::open(StoreOptions {
        directory: directory.to_owned(),
        queue: 64,
        keep_calls: 10,
        max_call_age: Duration::from_secs(60),
        metrics: metrics.clone(),
        health: health.clone(),
    })
}

fn engine() -> Engine {
    let bound = Bound {
        webrtc: "127.0.0.1:19000".parse().unwrap(),
        trunk: "127.0.0.1:19002".parse().unwrap(),
        phone_ports: Vec::new(),
        asterisk: None,
        fingerprint: Fingerprint::sha256([1; 32]),
    };
    let account = Account {
        extension: "1001".parse().unwrap(),
        display_name: None,
        keys: UserKeys::new("1001", "branchline", "secret"),
        token_hash: [0; 32],
    };
    Engine::new(EngineSetup {
        settings: engine_settings(&Config::default(), &bound),
        accounts: std::iter::once(account).collect(),
        bindings: Vec::new(),
        seed: [7; 32],
        now: clock::now(),
    })
}

fn request(method: &str, number: u32, more: &str) -> String {
    format!(
        "{method} sip:branchline SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.7;branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1001@branchline>;tag=1\r\nTo: <sip:1001@branchline>\r\nCall-ID: {method}\r\n\
         CSeq: {number} {method}\r\nContact: <sip:1001@192.0.2.7>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

#[tokio::test]
async fn a_register_is_answered_once_it_is_on_flash() {
    let desk = Desk::open("register");
    let mut phone = desk.connect(1).await;
    desk.send(&phone, request("REGISTER", 1, "")).await;
    let challenge = phone.answer().await;
    assert_eq!(challenge.status.code(), 401);
    let value = challenge.headers.get(&HeaderName::WwwAuthenticate).unwrap();
    let challenge = Challenge::parse(value).unwrap();
    let keys = UserKeys::new("1001", "branchline", "secret");
    let uri = "sip:branchline".parse::<Uri>().unwrap();
    let credentials = answer(&challenge, "1001", &keys, (&Method::Register, &uri), "abc", 1).unwrap();
    desk.send(&phone, request("REGISTER", 2, &format!("Authorization: {credentials}\r\n"))).await;
    assert_eq!(phone.answer().await.status.code(), 200);
    let rows = desk.store.bindings().await.unwrap();
    assert_eq!((rows.len(), rows[0].extension.as_str()), (1, "1001"));
    assert_eq!(desk.overview.borrow().registrations, 1);

    let (reply, answer) = oneshot::channel();
    desk.questions.send(Question::Registrations(reply)).await.unwrap();
    let views = timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!((views.len(), views[0].transport.as_str()), (1, "tls"));
    let (reply, answer) = oneshot::channel();
    desk.questions.send(Question::Calls(reply)).await.unwrap();
    assert!(timeout(PATIENCE, answer).await.unwrap().unwrap().is_empty());
    desk.finish().await;
}

#[tokio::test]
async fn answers_go_to_the_connection_that_asked_and_the_dead_are_forgotten() {
    let desk = Desk::open("flows");
    let (mut one, mut two) = (desk.connect(1).await, desk.connect(2).await);
    desk.send(&two, request("OPTIONS", 2, "")).await;
    desk.send(&one, request("OPTIONS", 1, "")).await;
    assert_eq!(one.answer().await.cseq().unwrap().number, 1);
    assert_eq!(two.answer().await.cseq().unwrap().number, 2);
    assert_eq!(desk.overview.borrow().connections, 2);
    desk.arrivals.send(Arrival::Closed { flow: one.flow, reason: FlowFailure::Closed }).await.unwrap();
    // An answer to the dead goes nowhere, and the loop goes on.
    desk.send(&one, request("OPTIONS", 3, "")).await;
    desk.send(&two, request("OPTIONS", 4, "")).await;
    assert_eq!(two.answer().await.cseq().unwrap().number, 4);
    assert_eq!(desk.overview.borrow().connections, 1);
    assert!(desk.metrics.encode().unwrap().contains("method=\"OPTIONS\",result=\"200\"} 4"));
    desk.finish().await;
}

#[tokio::test]
async fn a_storm_of_questions_does_not_keep_a_phone_waiting() {
    let desk = Desk::open("storm");
    let mut phone = desk.connect(1).await;
    let questions = desk.questions.clone();
    let storm = tokio::spawn(async move {
        loop {
            let (reply, _) = oneshot::channel();
            if questions.send(Question::Registrations(reply)).await.is_err() {
                return;
            }
        }
    });
    for number in 1..50 {
        desk.send(&phone, request("OPTIONS", number, "")).await;
        assert_eq!(phone.answer().await.cseq().unwrap().number, number);
    }
    storm.abort();
    desk.finish().await;
}

#[tokio::test]
async fn commands_wait_for_a_worker_that_is_behind_in_order() {
    let (taken, room) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(2)));
    let (metrics, health) = (Metrics::new("BRU"), Health::new());
    let (_line, port) = api::line::line(LineCapacity::default());
    let directory = std::env::temp_dir().join(format!("bl-engine-task-behind-{}", std::process::id()));
    let store = store_in(&directory, &metrics, &health);
    let (seen, space) = (Arc::clone(&taken), Arc::clone(&room));
    let mut effects = Effects::new(Outlets {
        flows: Flows::new(Vec::new(), metrics.clone()),
        media: Box::new(move |command| {
            if space.load(Ordering::Relaxed) == 0 {
                return Err(Box::new(command));
            }
            space.fetch_sub(1, Ordering::Relaxed);
            seen.lock().unwrap().push(command.end().index());
            Ok(())
        }),
        connectivity: Box::new(|_| Ok(())),
        links: mpsc::channel(1).0,
        store: store.clone(),
        switchboard: port.switchboard,
        metrics,
        health,
        events: None,
        roaming: None,
    });
    for index in 0..6 {
        let command = MediaCommand::Close { end: EndId::new(index, 0) };
        assert!(effects.carry_out(crate::engine::Output::Media(command)).is_none());
    }
    assert_eq!(*taken.lock().unwrap(), [0, 1]);
    room.store(3, Ordering::Relaxed);
    effects.retry();
    room.store(9, Ordering::Relaxed);
    effects.retry();
    assert_eq!(*taken.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    store.close();
    std::fs::remove_dir_all(directory).unwrap();
}

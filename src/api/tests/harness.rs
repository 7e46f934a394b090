//! A server on loopback, a scripted engine, and a client of a few lines.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::api::*;
use crate::engine::call::CallId;
use crate::engine::call::{AttemptView, Resolution, UserView};
use crate::engine::numbering::{CountryCode, EmergencyNumbers, Extension, NumberPlan};
use crate::engine::registrar::Availability;
use crate::engine::web::{
    CallView, Known, ReachView, VisitorAccount, WebInput, WebRefusal, WebReply, WebRequest,
};
use crate::shell::https::{HttpsLimits, Security, serve};
use crate::sip::digest::UserKeys;

pub(super) const REALM: &str = "branch.example";
pub(super) const OWN_TOKEN: &str = "the-long-lived-token-of-1001";

/// Accounts in memory; passwords can be changed.
#[derive(Default)]
pub(super) struct Book(Mutex<HashMap<String, WebAccount>>);

impl Book {
    pub(super) fn set(&self, extension: &str, password: &str) {
        let username = format!("u{extension}");
        let ha1 = Sha256::digest(format!("{username}:{REALM}:{password}")).into();
        let account = WebAccount {
            extension: extension.parse().unwrap(),
            username,
            name: format!("Person {extension}"),
            ha1_sha256: Some(zeroize::Zeroizing::new(ha1)),
            ha1_md5: None,
        };
        self.0.lock().unwrap().insert(extension.to_owned(), account);
    }
}

impl Authenticate for Book {
    fn by_extension(&self, extension: &str) -> Option<WebAccount> {
        self.0.lock().unwrap().get(extension).cloned()
    }

    fn by_token(&self, sha256: &[u8; 32]) -> Option<WebAccount> {
        let own: [u8; 32] = Sha256::digest(OWN_TOKEN).into();
        (own == *sha256).then(|| self.by_extension("1001")).flatten()
    }
}

impl Directory for Book {
    fn entries(&self) -> Arc<[Entry]> {
        let accounts = self.0.lock().unwrap();
        let entry = |one: &WebAccount| Entry { extension: one.extension.clone(), name: one.name.clone() };
        let mut entries: Vec<_> = accounts.values().map(entry).collect();
        entries.sort_by(|one, other| one.extension.cmp(&other.extension));
        entries.into()
    }
}

/// One call that is over: 1001 called 1002.
struct Shelf;

impl Records for Shelf {
    fn call(&self, id: CallId) -> FoundRecord<'_> {
        let document = r#"{"v":1,"from":"1001","to":"1002","started":1,"answered":2,"ended":3,"cause":"hangup",
            "legs":[{"number":"1001"},{"number":"1002","answered":2,"ended":"hangup"}]}"#;
        Box::pin(async move { (id.0 == 9).then(|| document.to_owned()) })
    }
}

struct Well;

impl Vitals for Well {
    fn health(&self) -> HealthView {
        HealthView { status: "ok", version: "1".into(), conditions: Vec::new() }
    }

    fn status(&self) -> serde_json::Value {
        serde_json::json!({"calls": 0})
    }

    fn metrics(&self) -> String {
        "# EOF\n".into()
    }
}

/// What a test changes about the server.
pub(super) struct Setup {
    pub(super) limits: Limits,
    pub(super) capacity: LineCapacity,
    pub(super) https: HttpsLimits,
    pub(super) security: Security,
    pub(super) sip: Option<usize>,
    /// Answers requests; `None`: nobody answers.
    pub(super) engine: Option<fn(&WebRequest) -> WebReply>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            capacity: LineCapacity::default(),
            https: HttpsLimits::default(),
            security: Security::Clear,
            sip: Some(4),
            engine: Some(willing),
        }
    }
}

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) book: Arc<Book>,
    /// What reached the engine.
    pub(super) inputs: mpsc::UnboundedReceiver<WebInput>,
    pub(super) switchboard: Switchboard,
    pub(super) sip: Option<mpsc::Receiver<SipSocket>>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) serving: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(setup: Setup) -> Self {
        let (line, port) = line::line(setup.capacity);
        let switchboard = port.switchboard.clone();
        let inputs = script(port, setup.engine);
        let (sip_sender, sip) = setup.sip.map(mpsc::channel).unzip();
        let (stop, shutdown) = watch::channel(false);
        let book = Arc::new(Book::default());
        book.set("1001", "secret");
        book.set("1002", "other");
        let metrics = ApiMetrics::default();
        let parts = Parts {
            settings: settings(setup.limits),
            accounts: Arc::<Book>::clone(&book),
            directory: Arc::<Book>::clone(&book),
            records: Arc::new(Shelf),
            vitals: Arc::new(Well),
            line,
            sip: sip_sender,
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(Api::new(parts));
        let serving = tokio::spawn(serve(listener, setup.security, app, setup.https, metrics, shutdown));
        Self { address, book, inputs, switchboard, sip, stop, serving }
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, "").await
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        self.ask("POST", &format!("/api/v1/voip{path}"), &headers, body).await
    }

    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if !body.is_empty() {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::parse(&String::from_utf8(bytes).unwrap())
    }

    pub(super) async fn sign_in(&self, extension: &str, password: &str) -> Answer {
        let body = serde_json::json!({"extension": extension, "password": password}).to_string();
        self.post("/session", "", &body).await
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: body.to_owned() }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(super) fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// A WebSocket client.
pub(super) struct Socket(TcpStream);

impl Socket {
    /// The socket, or the answer that refused it.
    pub(super) async fn open(server: &Server, path: &str, headers: &[(&str, &str)]) -> Result<Self, Answer> {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            server.address
        );
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let mut answer = Answer::parse(&String::from_utf8(answer).unwrap());
        if answer.status == 101 {
            return Ok(Self(stream));
        }
        let mut body = vec![0; answer.header("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
        Err(answer)
    }

    /// A phone page of 1001, subscribed, its `Opened` taken from the engine's inputs.
    pub(super) async fn phone(server: &mut Server, instance: &str) -> (Self, crate::engine::web::WebSession) {
        let mut socket = Self::open(server, &format!("/ws/auth?token={OWN_TOKEN}"), &[]).await.unwrap();
        let subscribe = serde_json::json!({"type": "Subscribe", "phone": true, "instance": instance});
        socket.send(1, subscribe.to_string().as_bytes()).await;
        loop {
            match server.inputs.recv().await.unwrap() {
                WebInput::Opened { session, instance: opened, .. } if opened == instance => {
                    return (socket, session);
                }
                _ => {}
            }
        }
    }

    pub(super) async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        if payload.len() < 126 {
            frame.push(0x80 | payload.len() as u8);
        } else {
            frame.push(0xfe);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next frame: opcode and payload. Opcode 0 with nothing: the connection ended.
    pub(super) async fn recv(&mut self) -> (u8, Vec<u8>) {
        let Ok(first) = self.0.read_u8().await else { return (0, Vec::new()) };
        let mut length = usize::from(self.0.read_u8().await.unwrap() & 0x7f);
        if length == 126 {
            length = usize::from(self.0.read_u16().await.unwrap());
        }
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.unwrap();
        (first & 15, payload)
    }

    /// The next text frame as JSON; pings are passed over.
    pub(super) async fn json(&mut self) -> serde_json::Value {
        loop {
            match self.recv().await {
                (1, payload) => return serde_json::from_slice(&payload).unwrap(),
                (9, _) => {}
                other => panic!("text expected, {other:?} came"),
            }
        }
    }

    /// Reads until the close frame and gives its code.
    pub(super) async fn close_code(&mut self) -> u16 {
        loop {
            match self.recv().await {
                (8, payload) => return u16::from_be_bytes([payload[0], payload[1]]),
                (0, _) => panic!("closed without a word"),
                _ => {}
            }
        }
    }
}

pub(super) fn view(id: u64) -> CallView {
    CallView {
        id: CallId(id),
        direction: "outgoing",
        state: "dialling",
        peer: "1002".into(),
        peer_name: None,
        held_by_peer: false,
        started: 0,
        answered: None,
        ended_at: None,
        ended: None,
        ended_text: None,
    }
}

/// An engine that does what it is asked.
pub(super) fn willing(request: &WebRequest) -> WebReply {
    match request {
        WebRequest::Dial { .. } => WebReply::Call(view(7)),
        WebRequest::Calls => WebReply::Calls(vec![view(7)]),
        WebRequest::Reach { numbers } => WebReply::Reach(numbers.iter().map(reach).collect()),
        WebRequest::Resolve { to } => resolution(to),
        WebRequest::Availability => WebReply::Availability(Availability::default()),
        WebRequest::SetAvailability(change) => {
            WebReply::Availability(Availability::default().changed(*change, crate::time::WallTime(5)))
        }
        WebRequest::Call { call: CallId(9) } => WebReply::Refused(WebRefusal::NoSuchCall),
        WebRequest::Call { call } | WebRequest::Accept { call, .. } => WebReply::Call(view(call.0)),
        WebRequest::Signals { since, .. } => {
            WebReply::Signals(vec![(since + 1, crate::engine::web::Signal::Hangup)])
        }
        WebRequest::End { .. } | WebRequest::Signal { .. } => WebReply::Done,
    }
}

/// The user 32-2001 of the office BRU is visiting NYC; nobody knows more.
fn resolution(to: &str) -> WebReply {
    if to.contains('!') {
        return WebReply::Refused(WebRefusal::BadNumber);
    }
    let number = to.to_owned();
    let found = if matches!(to, "32-2001" | "BRU-2001") {
        let user = UserView {
            extension: "32-2001".into(),
            home: "BRU".into(),
            place: "visiting".into(),
            office: "NYC".into(),
            since: Some(1_000),
            age: Some(12),
            availability: None,
        };
        let attempt = AttemptView { by: "link".into(), why: "visiting".into(), ..AttemptView::default() };
        Resolution {
            number,
            user: Some(user),
            outcome: "rings".into(),
            attempts: vec![attempt],
            ..Resolution::default()
        }
    } else {
        Resolution { number, outcome: "no-such-number".into(), ..Resolution::default() }
    };
    WebReply::Resolution(Box::new(found))
}

/// Whose account a text names: 32-2001 is a visitor whose password is `abroad`; 32-1001 is our 1001.
fn known(user: &str) -> Known {
    match user {
        "32-1001" => Known::Own("1001".parse().unwrap()),
        "32-2001" | "BRU-2001" => Known::Visitor(Box::new(VisitorAccount {
            extension: "32-2001".parse().unwrap(),
            username: "2001".into(),
            name: Some("Ann of BRU".into()),
            keys: UserKeys::new("2001", REALM, "abroad"),
        })),
        _ => Known::Nobody,
    }
}

/// Only 1001 has a device.
fn reach(number: &Extension) -> ReachView {
    let is_there = number.as_str() == "1001";
    ReachView { registered: is_there, reachable: is_there, devices: usize::from(is_there) }
}

fn settings(limits: Limits) -> Settings {
    Settings {
        realm: REALM.into(),
        origins: vec!["https://intranet.example".into()],
        ice_servers: Vec::new(),
        ice: IceMode::Full,
        codecs: vec!["opus".into(), "PCMU".into()],
        session_key: SessionKey::new([7; 32]),
        numbers: NumberPlan::new(CountryCode::new(32), 2..=5, EmergencyNumbers::default(), []).unwrap(),
        limits,
    }
}

fn script(
    mut port: EnginePort,
    answer: Option<fn(&WebRequest) -> WebReply>,
) -> mpsc::UnboundedReceiver<WebInput> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(input) = port.inputs.recv().await {
            if let (WebInput::Request { ticket, request, .. }, Some(answer)) = (&input, answer) {
                port.switchboard.reply(*ticket, answer(request));
            }
            if let (WebInput::WhoIs { ticket, user }, Some(_)) = (&input, answer) {
                port.switchboard.reply(*ticket, WebReply::Account(known(user)));
            }
            drop(sender.send(input));
        }
    });
    receiver
}

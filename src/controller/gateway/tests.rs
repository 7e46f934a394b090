//! The gateway over real sockets: who gets in, how long, and what happens when somebody does not read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Figures, Gateway};
use crate::config::ClientCertificates;
use crate::controller::secret::{Secret, TOKEN};
use crate::controller::settings::GatewaySettings;
use crate::controller::store::keys::{self, TokenRow};
use crate::controller::store::offices::{self, OfficeRow};
use crate::controller::store::{Store, StoreError, now, permissions};
use crate::shell::pki::{Purpose, SiteCa, TlsFiles, client_config};
use crate::sip::{Host, Text};
use crate::uplink::OfficeId;

const PATIENCE: Duration = Duration::from_secs(8);

/// A gateway, the federation's CA, and the database.
struct Bench {
    directory: PathBuf,
    ca: SiteCa,
    store: Arc<Store>,
    figures: Figures,
    gateway: Gateway,
    stop: watch::Sender<bool>,
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl Bench {
    async fn open(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("branchline-gateway-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let ca = SiteCa::init(&directory, name, now()).unwrap();
        let own = ca.issue("gateway", Purpose::Office, &["localhost".to_owned()], now()).unwrap();
        let tls = TlsFiles {
            certificate: own.certificate,
            key: own.key,
            clients: ClientCertificates::Required,
            ca: ca.certificate(),
            crl: None,
            alpn: vec![b"http/1.1".to_vec()],
        };
        let host = Host::parse(&Text::from_static("localhost")).unwrap();
        let settings = GatewaySettings { listen: "127.0.0.1:0".parse().unwrap(), host, tls };
        let store = Arc::new(Store::in_memory());
        for office in ["BRU", "PAR", "NYC"] {
            make_office(&store, office);
        }
        let (figures, (stop, stopping)) = (Figures::default(), watch::channel(false));
        let gateway = Gateway::open(settings, Arc::clone(&store), figures.clone(), stopping).await.unwrap();
        Self { directory, ca, store, figures, gateway, stop }
    }

    fn address(&self) -> String {
        self.figures.view()["listening"].as_str().expect("it listens").to_owned()
    }

    /// A token of an office for so long.
    fn token(&self, office: &str, permissions: &str, life: Duration) -> (String, i64) {
        let secret = Secret::make(TOKEN).unwrap();
        let row = TokenRow {
            id: 0,
            name: "a box".to_owned(),
            office: office.parse().unwrap(),
            permissions: permissions.to_owned(),
            created: now(),
            expires: now().plus(life),
            revoked: None,
        };
        let hash = secret.hash();
        let id: Result<_, StoreError> = self.store.write(|rows| keys::add_token(rows, &row, &hash));
        (secret.reveal().to_owned(), id.unwrap())
    }

    async fn dial(&self, certificate: &str) -> TlsStream<TcpStream> {
        let own = self.ca.issue(certificate, Purpose::Office, &["localhost".to_owned()], now()).unwrap();
        let config = client_config(&self.ca.certificate(), Some(&(own.certificate, own.key))).unwrap();
        let stream = TcpStream::connect(self.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(config).connect(name, stream).await.unwrap()
    }

    /// Asks for the upgrade; the answer's head, with its body when it is a refusal.
    async fn ask(&self, certificate: &str, headers: &str) -> (TlsStream<TcpStream>, String) {
        let mut stream = self.dial(certificate).await;
        let request = format!(
            "GET /sip HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        let mut head = String::from_utf8(head).unwrap();
        if !head.starts_with("HTTP/1.1 101") {
            let mut body = vec![0; 1024];
            let read = timeout(PATIENCE, stream.read(&mut body)).await.unwrap().unwrap();
            head.push_str(&String::from_utf8_lossy(&body[..read]));
        }
        (stream, head)
    }

    /// An office's connection.
    async fn connect(&self, office: &str, token: &str) -> Socket {
        let (stream, head) = self.ask(office, &shown(office, token)).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.to_ascii_lowercase().contains("sec-websocket-protocol: sip"), "{head}");
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        for _ in 0..200 {
            if self.figures.view()["connections"][office].as_u64().is_some() {
                return socket;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{office} is not connected: {}", self.figures.view());
    }

    fn counted(&self, what: &str, why: &str) -> u64 {
        self.figures.view()["counts"][what][why].as_u64().unwrap_or_default()
    }

    async fn close(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.gateway.ended()).await.expect("it ends in time");
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn make_office(store: &Store, office: &str) {
    let (id, created): (OfficeId, _) = (office.parse().unwrap(), now());
    let (name, settings) = (office.to_owned(), serde_json::Map::new());
    let row = OfficeRow { id, name, settings, created, content: String::new() };
    let made: Result<_, StoreError> = store.write(|rows| offices::insert(rows, &row));
    assert!(made.unwrap());
}

fn shown(office: &str, token: &str) -> String {
    format!(
        "Sec-WebSocket-Protocol: sip\r\nX-Federation-Office: {office}\r\nAuthorization: Bearer {token}\r\n"
    )
}

fn invite(office: &str) -> String {
    format!(
        "INVITE sip:1002@{office} SIP/2.0\r\nVia: SIP/2.0/WSS 10.0.0.1;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@branchline>;tag=a\r\nTo: <sip:1002@{office}>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:1001@10.0.0.1;transport=ws>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The next message of SIP; nothing when the connection is closed.
async fn next(socket: &mut Socket) -> Option<String> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a message in time") {
            Some(Ok(Message::Text(text))) => return Some(text.as_str().to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                return frame.map(|frame| format!("closed: {}", frame.reason.as_str()));
            }
            _ => return None,
        }
    }
}

#[tokio::test]
async fn certificate_header_and_token_must_say_the_same_office() {
    let bench = Bench::open("entry").await;
    let day = Duration::from_secs(86_400);
    let (good, _) = bench.token("BRU", "connect", day);
    let (reader, _) = bench.token("BRU", "read publish", day);
    let (of_par, _) = bench.token("PAR", "connect read", day);
    let (past, _) = bench.token("BRU", "connect", Duration::ZERO);
    let (revoked, id) = bench.token("BRU", "connect", day);
    let taken: Result<_, StoreError> = bench.store.write(|rows| keys::revoke_token(rows, id, now()));
    assert!(taken.unwrap());
    let sip = "Sec-WebSocket-Protocol: sip\r\n";
    let named = format!("{sip}X-Federation-Office: BRU\r\n");
    let cases = [
        ("phone-1001", shown("BRU", &good), 403, "no-office-in-certificate"),
        ("BRU", format!("{sip}Authorization: Bearer {good}\r\n"), 403, "no-office-named"),
        ("BRU", format!("{named}{}", shown("BRU", &good)), 403, "no-office-named"),
        ("PAR", shown("BRU", &good), 403, "office-of-other-name"),
        ("BRU", shown("PAR", &of_par), 403, "office-of-other-name"),
        ("BRU", named.clone(), 401, "no-token"),
        ("BRU", shown("BRU", "guess"), 401, "unknown-token"),
        ("BRU", shown("BRU", &format!("blf_{}", "0".repeat(64))), 401, "unknown-token"),
        ("BRU", shown("BRU", &past), 401, "token-expired"),
        ("BRU", shown("BRU", &revoked), 401, "token-revoked"),
        ("BRU", shown("BRU", &of_par), 403, "token-of-other-office"),
        ("BRU", shown("BRU", &reader), 403, "token-not-for-connecting"),
        ("BRU", shown("BRU", &good).replace(": sip", ": chat"), 400, "not-sip"),
    ];
    for (certificate, headers, status, reason) in cases {
        let (_, answer) = bench.ask(certificate, &headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{reason}: {answer}");
        assert!(answer.contains(&format!("\"reason\":\"{reason}\"")), "{reason}: {answer}");
        assert_eq!(
            answer.to_ascii_lowercase().contains("www-authenticate: bearer"),
            status == 401,
            "{reason}"
        );
        assert!(bench.counted("refused-connections", reason) > 0, "{reason}");
    }
    assert!(bench.figures.view()["connections"].as_object().unwrap().is_empty());
    let _socket = bench.connect("BRU", &good).await;
    bench.close().await;
}

#[tokio::test]
async fn nobody_gets_in_without_a_certificate() {
    let bench = Bench::open("bare").await;
    let config = client_config(&bench.ca.certificate(), None).unwrap();
    let stream = TcpStream::connect(bench.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut answer = Vec::new();
    // Over TLS 1.3 the client learns of it when it reads.
    if let Ok(mut stream) = TlsConnector::from(config).connect(name, stream).await {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let _ = stream.read_to_end(&mut answer).await;
    }
    assert!(answer.is_empty());
    bench.close().await;
}

#[tokio::test]
async fn a_call_goes_through_and_back() {
    let bench = Bench::open("through").await;
    let hour = Duration::from_secs(3600);
    let mut bru = bench.connect("BRU", &bench.token("BRU", "connect", hour).0).await;
    bru.send(Message::text(invite("PAR"))).await.unwrap();
    assert!(next(&mut bru).await.unwrap().starts_with("SIP/2.0 430 "), "PAR is not connected");
    let mut par = bench.connect("PAR", &bench.token("PAR", "connect", hour).0).await;
    bru.send(Message::text(invite("PAR"))).await.unwrap();
    let heard = next(&mut par).await.unwrap();
    assert!(heard.contains("X-Federation-Office: BRU\r\n"), "{heard}");
    let is_copied =
        |line: &&str| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
    let headers: Vec<&str> = heard.lines().filter(is_copied).chain([""]).collect();
    let headers = headers.join("\r\n");
    par.send(Message::text(format!("SIP/2.0 180 Ringing\r\n{headers}Content-Length: 0\r\n\r\n")))
        .await
        .unwrap();
    let ringing = next(&mut bru).await.unwrap();
    assert!(ringing.starts_with("SIP/2.0 180 ") && !ringing.contains("from=BRU"), "{ringing}");
    bru.send(Message::text("no SIP at all")).await.unwrap();
    par.send(Message::text("\r\n\r\n")).await.unwrap();
    assert_eq!(next(&mut par).await.unwrap(), "\r\n", "a keep-alive is answered");
    assert_eq!((bench.counted("passed", "requests"), bench.counted("passed", "responses")), (1, 1));
    assert_eq!(bench.counted("refused", "not-connected"), 1);
    bench.close().await;
    assert!(next(&mut bru).await.is_none_or(|last| last.starts_with("closed: stopping")));
}

#[tokio::test]
async fn a_token_that_ends_while_connected_ends_the_connection() {
    let bench = Bench::open("ending").await;
    let (short, _) = bench.token("BRU", "connect", Duration::from_secs(1));
    let (long, id) = bench.token("PAR", "connect", Duration::from_secs(3600));
    let mut bru = bench.connect("BRU", &short).await;
    let mut par = bench.connect("PAR", &long).await;
    assert_eq!(next(&mut bru).await.as_deref(), Some("closed: token"));
    assert_eq!(bench.counted("ended-connections", "token-expired"), 1);
    let revoked: Result<_, StoreError> = bench.store.write(|rows| keys::revoke_token(rows, id, now()));
    assert!(revoked.unwrap());
    assert_eq!(next(&mut par).await.as_deref(), Some("closed: token"));
    assert_eq!(bench.counted("ended-connections", "token-revoked"), 1);
    assert!(bench.figures.view()["connections"].as_object().unwrap().is_empty());
    bench.close().await;
}

#[tokio::test]
async fn a_permission_that_is_taken_away_counts_within_seconds() {
    let bench = Bench::open("permission").await;
    let hour = Duration::from_secs(3600);
    let mut bru = bench.connect("BRU", &bench.token("BRU", "connect", hour).0).await;
    let _par = bench.connect("PAR", &bench.token("PAR", "connect", hour).0).await;
    let nyc = std::iter::once("NYC".parse().unwrap()).collect();
    let bru_id = "BRU".parse().unwrap();
    let set: Result<_, StoreError> = bench.store.write(|rows| permissions::set(rows, bru_id, Some(&nyc)));
    set.unwrap();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        bru.send(Message::text(invite("PAR"))).await.unwrap();
        if let Ok(Some(Ok(Message::Text(text)))) = timeout(Duration::from_millis(100), bru.next()).await {
            assert!(text.starts_with("SIP/2.0 403 "), "{text}");
            assert!(text.contains("Reason: SIP ;text=\"not-permitted\""), "{text}");
            return bench.close().await;
        }
    }
    panic!("it may still call");
}

#[tokio::test]
async fn whoever_does_not_read_is_spared_and_the_caller_hears_503() {
    let bench = Bench::open("slow").await;
    let hour = Duration::from_secs(3600);
    let mut bru = bench.connect("BRU", &bench.token("BRU", "connect", hour).0).await;
    let par = bench.connect("PAR", &bench.token("PAR", "connect", hour).0).await;
    let body = "x".repeat(60_000);
    let large =
        invite("PAR").replace("Content-Length: 0\r\n\r\n", &format!("Content-Length: 60000\r\n\r\n{body}"));
    for _ in 0..2_000 {
        bru.send(Message::text(large.clone())).await.unwrap();
        if bench.counted("refused", "queue-full") > 0 {
            assert!(next(&mut bru).await.unwrap().starts_with("SIP/2.0 503 "));
            drop(par);
            return bench.close().await;
        }
    }
    panic!("everything was taken: {}", bench.figures.view());
}

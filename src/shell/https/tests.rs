//! The listener against real sockets.

use std::time::{Duration, Instant};

use axum::routing::get;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

async fn start(security: Security, limits: HttpsLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(150)).await;
        "done"
    };
    let secure = async |axum::Extension(peer): axum::Extension<Peer>| peer.secure.to_string();
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/slow", get(slow))
        .route("/secure", get(secure));
    let serving = tokio::spawn(serve(listener, security, router, limits, ApiMetrics::default(), shutdown));
    Running { address, stop, serving }
}

fn issue() -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (Arc::new(config), certificate)
}

async fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Reads until the server closes; how long that took.
async fn until_closed(stream: &mut TcpStream) -> Duration {
    let began = Instant::now();
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    began.elapsed()
}

#[tokio::test]
async fn tls_is_served_and_the_newest_certificate_counts() {
    let ((config, certificate), (next, next_certificate)) = (issue(), issue());
    let (swap, configs) = watch::channel(config);
    let running = start(Security::Tls(configs), HttpsLimits::default()).await;
    let mut open = connect(running.address, &certificate).await.unwrap();
    swap.send(next).unwrap();
    assert!(connect(running.address, &certificate).await.is_err(), "the old one is gone");
    let mut new = connect(running.address, &next_certificate).await.unwrap();
    assert!(ask(&mut new, "/secure").await.ends_with("true"));
    assert!(ask(&mut open, "/").await.ends_with("hello"), "who was connected stays");
}

#[tokio::test]
async fn a_stalled_handshake_and_a_stalled_head_are_cut() {
    let (config, _) = issue();
    let (_swap, configs) = watch::channel(config);
    let limits = HttpsLimits {
        handshake_time: Duration::from_millis(100),
        header_time: Duration::from_millis(100),
        ..HttpsLimits::default()
    };
    let tls = start(Security::Tls(configs), limits).await;
    let mut silent = TcpStream::connect(tls.address).await.unwrap();
    assert!(until_closed(&mut silent).await < Duration::from_secs(2));
    let clear = start(Security::Clear, limits).await;
    let mut slow = TcpStream::connect(clear.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    assert!(until_closed(&mut slow).await < Duration::from_secs(2));
    let mut mute = TcpStream::connect(clear.address).await.unwrap();
    assert!(until_closed(&mut mute).await < Duration::from_secs(2));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = HttpsLimits { idle_time: Duration::from_millis(100), ..HttpsLimits::default() };
    let running = start(Security::Clear, limits).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let took = until_closed(&mut stream).await;
    assert!(took >= Duration::from_millis(90) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn too_many_connections_are_closed_and_places_come_back() {
    let limits = HttpsLimits { connections_per_source: 2, ..HttpsLimits::default() };
    let running = start(Security::Clear, limits).await;
    let first = TcpStream::connect(running.address).await.unwrap();
    let mut second = TcpStream::connect(running.address).await.unwrap();
    let mut third = TcpStream::connect(running.address).await.unwrap();
    assert!(until_closed(&mut third).await < Duration::from_secs(2));
    drop(first);
    assert!(ask(&mut second, "/").await.ends_with("hello"));
    for attempt in 0.. {
        let mut again = TcpStream::connect(running.address).await.unwrap();
        drop(again.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await);
        let mut answer = Vec::new();
        drop(again.read_to_end(&mut answer).await);
        if answer.ends_with(b"hello") {
            break;
        }
        assert!(attempt < 100, "no place came back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn garbage_is_no_http() {
    let running = start(Security::Clear, HttpsLimits::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 0, 0xff, b'\r', b'\n', b'\r', b'\n']).await.unwrap();
    assert!(until_closed(&mut stream).await < Duration::from_secs(2));
    let mut long = TcpStream::connect(running.address).await.unwrap();
    drop(long.write_all(&vec![b'A'; HEAD_LIMIT * 2]).await);
    assert!(until_closed(&mut long).await < Duration::from_secs(2));
}

#[tokio::test]
async fn a_stop_lets_the_answer_end_and_closes_the_rest() {
    let running = start(Security::Clear, HttpsLimits::default()).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    let answer = tokio::spawn(async move { ask(&mut busy, "/slow").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stop.send(true).unwrap();
    assert!(until_closed(&mut idle).await < Duration::from_secs(1));
    assert!(answer.await.unwrap().ends_with("done"));
    timeout(Duration::from_secs(1), running.serving).await.expect("ends by itself").unwrap();
}

//! Raw connections to the daemon's listeners, from a chosen loopback address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use peers::Outcome;
use peers::office::Office;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The loopback address of an attacker.
pub(crate) fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

pub(crate) async fn tcp(from: u8, to: SocketAddr) -> Outcome<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((address(from), 0).into())?;
    Ok(socket.connect(to).await?)
}

pub(crate) async fn tls(office: &Office, from: u8, to: SocketAddr) -> Outcome<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(office.authority())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tcp(from, to).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// What comes in until the far end closes or is silent for this long, and whether it closed.
pub(crate) async fn read_all(stream: &mut (impl AsyncRead + Unpin), silence: Duration) -> (String, bool) {
    let (mut text, mut buffer) = (Vec::new(), [0; 4_096]);
    let closed = loop {
        match timeout(silence, stream.read(&mut buffer)).await {
            Ok(Ok(length @ 1..)) => text.extend_from_slice(&buffer[..length]),
            Ok(_) => break true,
            Err(_) => break false,
        }
    };
    (String::from_utf8_lossy(&text).into_owned(), closed)
}

/// The status codes of the SIP responses in a text.
pub(crate) fn codes(text: &str) -> Vec<u16> {
    text.lines()
        .filter_map(|line| line.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok())
        .filter(|code| *code > 100)
        .collect()
}

/// A request of a stranger, whose answer comes back to where it was sent from.
pub(crate) fn request(method: &str, uri: &str, from: SocketAddr, more: &str, body: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("{from}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK-{};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:mallory@branchline>;tag=m\r\nTo: <{uri}>\r\nCall-ID: {unique}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:mallory@{from}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
        unique.replace([':', '.'], "-"),
        body.len()
    )
}

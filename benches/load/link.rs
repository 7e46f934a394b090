//! A phone's way to the server: a UDP socket, or a TLS connection that is kept, with a WebSocket in it or without.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline::sip::framing::{Frame, Framer, Side};
use branchline::sip::{Message, parse};
use bytes::Bytes;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::order::Transport;
use crate::websocket::WebSocket;

const PATIENCE: Duration = Duration::from_secs(2);

/// How links are opened.
#[derive(Clone)]
pub(crate) struct Dial {
    target: SocketAddr,
    transport: Transport,
    tls: TlsConnector,
}

impl Dial {
    pub(crate) fn new(target: SocketAddr, transport: Transport) -> Self {
        Self { target, transport, tls: TlsConnector::from(Arc::new(client_config())) }
    }

    pub(crate) async fn open(&self) -> io::Result<Link> {
        if self.transport == Transport::Udp {
            let local = if self.target.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
            let socket = UdpSocket::bind(local).await?;
            socket.connect(self.target).await?;
            return Ok(Link {
                local: socket.local_addr()?,
                transport: self.transport,
                way: Way::Udp(socket),
            });
        }
        let stream = TcpStream::connect(self.target).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let stream = self.tls.connect(ServerName::from(self.target.ip()), stream).await?;
        let way = match self.transport {
            Transport::Wss => Way::Web(Box::new(WebSocket::open(stream, self.target).await?)),
            _ => Way::Tls(Box::new((stream, Framer::new(Side::Dialled)))),
        };
        Ok(Link { local, transport: self.transport, way })
    }
}

/// An open link.
pub(crate) struct Link {
    pub(crate) local: SocketAddr,
    pub(crate) transport: Transport,
    way: Way,
}

enum Way {
    Udp(UdpSocket),
    Tls(Box<(TlsStream<TcpStream>, Framer)>),
    Web(Box<WebSocket>),
}

impl Link {
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.way {
            Way::Udp(socket) => socket.send(bytes).await.map(drop),
            Way::Tls(stream) => stream.0.write_all(bytes).await,
            Way::Web(socket) => socket.send(bytes).await,
        }
    }

    /// Says goodbye, as TLS wants it.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Tls(stream) => stream.0.shutdown().await,
            Way::Udp(_) | Way::Web(_) => Ok(()),
        }
    }

    /// The next message; waits two seconds for it, or for ever.
    pub(crate) async fn receive(&mut self, forever: bool) -> io::Result<Message> {
        let patience = if forever { Duration::from_secs(86_400) } else { PATIENCE };
        timeout(patience, self.next()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn next(&mut self) -> io::Result<Message> {
        let bad = |_| io::Error::from(io::ErrorKind::InvalidData);
        match &mut self.way {
            Way::Udp(socket) => {
                let mut buffer = [0; 8192];
                let length = socket.recv(&mut buffer).await?;
                parse::parse(Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default())).map_err(bad)
            }
            Way::Web(socket) => parse::parse(socket.receive().await?).map_err(bad),
            Way::Tls(stream) => {
                let (stream, framer) = stream.as_mut();
                loop {
                    if let Some(frame) =
                        framer.poll().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?
                    {
                        if let Frame::Message(bytes) = frame {
                            return parse::parse(bytes).map_err(bad);
                        }
                        continue;
                    }
                    let mut buffer = [0; 8192];
                    let length = stream.read(&mut buffer).await?;
                    if length == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    framer.receive(buffer.get(..length).unwrap_or_default());
                }
            }
        }
    }
}

fn client_config() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("invariant: ring has these");
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    config
}

/// The peers of a benchmark have certificates of their own making.
#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

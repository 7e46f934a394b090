//! How a phone reaches its server: UDP, TCP or TLS, with faults on demand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::wire::Message;
use crate::Outcome;

/// The transport of a phone.
#[derive(Debug, Clone)]
pub enum Transport {
    /// SIP over UDP.
    Udp,
    /// SIP over TCP.
    Tcp,
    /// SIP over TLS.
    Tls(TlsIdentity),
}

/// Whom a TLS phone trusts, and who it says it is.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// The PEM file of the authority that must have signed the server's certificate.
    pub authority: PathBuf,
    /// The name that the server's certificate must have.
    pub server_name: String,
    /// PEM files of the phone's own certificate and key, if it has one.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// What comes in.
#[derive(Debug)]
pub(super) enum Frame {
    Message(Message),
    /// The answer to a keep-alive (RFC 5626 §4.4).
    Pong,
    Closed,
}

/// Faults of the network that a script asks for; they apply to UDP.
#[derive(Debug, Default)]
pub struct Faults {
    lose_outgoing: AtomicU32,
    lose_incoming: AtomicU32,
    repeat_outgoing: AtomicBool,
}

impl Faults {
    /// The next `count` datagrams sent by the phone are lost.
    pub fn lose_outgoing(&self, count: u32) {
        self.lose_outgoing.store(count, Ordering::SeqCst);
    }

    /// The next `count` datagrams sent to the phone are lost.
    pub fn lose_incoming(&self, count: u32) {
        self.lose_incoming.store(count, Ordering::SeqCst);
    }

    /// From now on, every datagram of the phone arrives twice.
    pub fn repeat_outgoing(&self, repeat: bool) {
        self.repeat_outgoing.store(repeat, Ordering::SeqCst);
    }

    fn takes(counter: &AtomicU32) -> bool {
        counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

/// An open way to the server; it closes when dropped.
pub(super) struct Link {
    /// The transport's name in Via.
    pub(super) name: &'static str,
    pub(super) local: SocketAddr,
    pub(super) is_reliable: bool,
    pub(super) faults: Arc<Faults>,
    outgoing: UnboundedSender<Vec<u8>>,
    tasks: Vec<JoinHandle<()>>,
    is_mute: AtomicBool,
}

impl Link {
    /// Opens it from `local` (port 0 for any) to `server`.
    pub(super) async fn open(
        transport: &Transport,
        local: SocketAddr,
        server: SocketAddr,
    ) -> Outcome<(Self, UnboundedReceiver<Frame>)> {
        let (outgoing, from_phone) = unbounded_channel();
        let (to_phone, incoming) = unbounded_channel();
        let faults = Arc::new(Faults::default());
        let (name, local, tasks) = match transport {
            Transport::Udp => {
                let socket = Arc::new(UdpSocket::bind(local).await?);
                socket.connect(server).await?;
                let local = socket.local_addr()?;
                let sender =
                    tokio::spawn(send_datagrams(Arc::clone(&socket), from_phone, Arc::clone(&faults)));
                let receiver = tokio::spawn(receive_datagrams(socket, to_phone, Arc::clone(&faults)));
                ("UDP", local, vec![sender, receiver])
            }
            Transport::Tcp => {
                let stream = connect(local, server).await?;
                let local = stream.local_addr()?;
                ("TCP", local, run_stream(stream, from_phone, to_phone))
            }
            Transport::Tls(identity) => {
                let stream = connect(local, server).await?;
                let local = stream.local_addr()?;
                let connector = TlsConnector::from(Arc::new(identity.client_config()?));
                let name = ServerName::try_from(identity.server_name.clone())?;
                ("TLS", local, run_stream(connector.connect(name, stream).await?, from_phone, to_phone))
            }
        };
        Ok((
            Self {
                name,
                local,
                is_reliable: name != "UDP",
                faults,
                outgoing,
                tasks,
                is_mute: AtomicBool::new(false),
            },
            incoming,
        ))
    }

    /// Sends bytes; a closed link swallows them, and the script sees the missing answer.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        if !self.is_mute.load(Ordering::SeqCst) {
            let _ = self.outgoing.send(bytes);
        }
    }

    /// Nothing is sent any more, though the connection stays open.
    pub(super) fn mute(&self) {
        self.is_mute.store(true, Ordering::SeqCst);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl TlsIdentity {
    fn client_config(&self) -> Outcome<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.authority)? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(roots);
        Ok(match &self.own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
            }
        })
    }
}

async fn connect(local: SocketAddr, server: SocketAddr) -> Outcome<TcpStream> {
    let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(local)?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn send_datagrams(
    socket: Arc<UdpSocket>,
    mut from_phone: UnboundedReceiver<Vec<u8>>,
    faults: Arc<Faults>,
) {
    while let Some(bytes) = from_phone.recv().await {
        if Faults::takes(&faults.lose_outgoing) {
            continue;
        }
        let times = if faults.repeat_outgoing.load(Ordering::SeqCst) { 2 } else { 1 };
        for _ in 0..times {
            let _ = socket.send(&bytes).await;
        }
    }
}

async fn receive_datagrams(socket: Arc<UdpSocket>, to_phone: UnboundedSender<Frame>, faults: Arc<Faults>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok(length) = socket.recv(&mut buffer).await else {
            // A port unreachable, reported once; the server may come back.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        if Faults::takes(&faults.lose_incoming) {
            continue;
        }
        let frame = if buffer.first().is_some_and(|byte| *byte < 4) {
            Some(Frame::Pong)
        } else {
            Message::parse(&String::from_utf8_lossy(&buffer[..length])).map(Frame::Message)
        };
        if let Some(frame) = frame
            && to_phone.send(frame).is_err()
        {
            return;
        }
    }
}

fn run_stream<S>(
    stream: S,
    from_phone: UnboundedReceiver<Vec<u8>>,
    to_phone: UnboundedSender<Frame>,
) -> Vec<JoinHandle<()>>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    vec![tokio::spawn(write_stream(writer, from_phone)), tokio::spawn(read_stream(reader, to_phone))]
}

async fn write_stream(mut writer: impl AsyncWrite + Unpin, mut from_phone: UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = from_phone.recv().await {
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

async fn read_stream(mut reader: impl AsyncRead + Unpin, to_phone: UnboundedSender<Frame>) {
    let mut stream = Vec::new();
    let mut buffer = vec![0; 16_384];
    loop {
        match reader.read(&mut buffer).await {
            Ok(length) if length > 0 => stream.extend_from_slice(&buffer[..length]),
            _ => {
                let _ = to_phone.send(Frame::Closed);
                return;
            }
        }
        loop {
            while stream.starts_with(b"\r\n") {
                stream.drain(..2);
                let _ = to_phone.send(Frame::Pong);
            }
            let Some(message) = Message::take_from(&mut stream) else { break };
            if to_phone.send(Frame::Message(message)).is_err() {
                return;
            }
        }
    }
}

//! The far end of a link between offices, played by the test: SIP over TLS with certificates of both sides. It answers
//! OPTIONS, and does with INVITEs what the script wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::certs::{Authority, Identity};
use crate::phone::Message;
use crate::{Failure, Outcome};

/// What it does with those who connect and call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Takes connections and says nothing on them: a handshake stalls.
    Mute,
    /// Says 100 to an INVITE, and nothing more until it is taken back: then 487.
    Stuck,
    /// The same, but the call is answered at the moment when it is taken back.
    LateAnswer,
    /// Refuses with this status.
    Refuses(u16),
}

type Noted = Arc<Mutex<Vec<(Instant, Message)>>>;

/// A running one; it ends when dropped.
pub struct FarEnd {
    address: SocketAddr,
    noted: Noted,
    task: JoinHandle<()>,
}

impl FarEnd {
    /// Starts one that shows this certificate, and wants one of the same authority.
    pub async fn start(
        address: SocketAddr,
        own: &Identity,
        authority: &Authority,
        manner: Manner,
    ) -> Outcome<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(own, authority)?));
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let noted = Noted::default();
        let task = tokio::spawn(take(listener, acceptor, Arc::clone(&noted), manner));
        Ok(Self { address, noted, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// When each request of this method came, in order.
    pub fn asked(&self, method: &str) -> Vec<Instant> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let of = noted.iter().filter(|(_, message)| !message.is_response() && message.method() == method);
        of.map(|(at, _)| *at).collect()
    }

    /// Waits until it was asked so many times.
    pub async fn asked_times(&self, method: &str, count: usize, within: Duration) -> Outcome<Instant> {
        let end = Instant::now() + within;
        loop {
            let asked = self.asked(method);
            if let Some(at) = asked.get(count.saturating_sub(1)) {
                return Ok(*at);
            }
            if Instant::now() > end {
                return Err(Failure::new(format!("{} of {count} {method} within {within:?}", asked.len())));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn server_config(own: &Identity, authority: &Authority) -> Outcome<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority.certificate())? {
        roots.add(certificate?)?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let chain = CertificateDer::pem_file_iter(&own.certificate)?.collect::<Result<Vec<_>, _>>()?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_client_cert_verifier(verifier);
    Ok(builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(&own.key)?)?)
}

async fn take(listener: TcpListener, acceptor: TlsAcceptor, noted: Noted, manner: Manner) {
    let mut connections = JoinSet::new();
    let mut silent = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        if manner == Manner::Mute {
            silent.push(stream);
        } else {
            connections.spawn(talk(acceptor.clone(), stream, Arc::clone(&noted), manner));
        }
    }
}

async fn talk(acceptor: TlsAcceptor, stream: TcpStream, noted: Noted, manner: Manner) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let (mut buffer, mut chunk) = (Vec::new(), [0; 4096]);
    let mut invite = None;
    while let Ok(count) = stream.read(&mut chunk).await {
        if count == 0 {
            return;
        }
        buffer.extend_from_slice(&chunk[..count]);
        while let Some(message) = Message::take_from(&mut buffer) {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), message.clone()));
            for answer in answers(&message, &mut invite, manner, stream.get_ref().0.local_addr().ok()) {
                if stream.write_all(answer.to_text().as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn answers(
    message: &Message,
    invite: &mut Option<Message>,
    manner: Manner,
    own: Option<SocketAddr>,
) -> Vec<Message> {
    if message.is_response() {
        return Vec::new();
    }
    match (message.method(), manner) {
        ("ACK", _) => Vec::new(),
        ("INVITE", Manner::Refuses(code)) => vec![tagged(message, code, "Refused")],
        ("INVITE", _) => {
            *invite = Some(message.clone());
            vec![message.response(100, "Trying")]
        }
        ("CANCEL", _) => {
            let own = own.map_or_else(String::new, |own| own.to_string());
            let of_invite = invite.take().map(|invite| match manner {
                Manner::LateAnswer => {
                    tagged(&invite, 200, "OK").with("Contact", format!("<sip:far@{own};transport=tls>"))
                }
                _ => tagged(&invite, 487, "Request Terminated"),
            });
            std::iter::once(message.response(200, "OK")).chain(of_invite).collect()
        }
        _ => vec![tagged(message, 200, "OK")],
    }
}

fn tagged(request: &Message, code: u16, reason: &str) -> Message {
    let mut response = request.response(code, reason);
    let to = request.get("To").unwrap_or_default();
    if !to.contains(";tag=") {
        let to = format!("{to};tag=far");
        response.set("To", to);
    }
    response
}

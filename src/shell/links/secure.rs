//! TLS towards the peers of links.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::warn;

use crate::engine::numbering::OfficeId;
use crate::engine::routing::{DialFailure, SipAddress};
use crate::shell::listen::{Revocations, Shown, client_identity, office_of};
use crate::shell::pki;

/// Certificates are read from their files again after this long, so that renewed ones are taken.
const FRESH: Duration = Duration::from_secs(60);

/// This office's certificate and whom it trusts. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    ca: PathBuf,
    own: (PathBuf, PathBuf),
    read: Arc<Mutex<Option<Read>>>,
}

/// What the files gave, and when.
type Read = (Instant, Arc<ClientConfig>);

impl Credentials {
    /// From these files: who signs all offices' certificates, this office's own, and its key.
    pub fn new(ca: PathBuf, certificate: PathBuf, key: PathBuf) -> Self {
        Self { ca, own: (certificate, key), read: Arc::default() }
    }

    /// Ready to shake hands with the peer of an address.
    pub(super) async fn connector(&self, address: &SipAddress) -> Result<Connector, DialFailure> {
        let host = address.host.to_string();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| DialFailure::Unresolved)?;
        Ok(Connector { config: self.config().await?, name })
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, DialFailure> {
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, config)) = &known
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(config));
        }
        let (ca, own) = (self.ca.clone(), self.own.clone());
        let read = tokio::task::spawn_blocking(move || pki::client_config(&ca, Some(&own))).await;
        match read.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()))
        {
            Ok(config) => {
                let mut kept = self.read.lock().unwrap_or_else(PoisonError::into_inner);
                *kept = Some((Instant::now(), Arc::clone(&config)));
                Ok(config)
            }
            Err(error) => {
                warn!(reason = "office-certificate", "links keep their former certificate: {error}");
                known.map(|(_, config)| config).ok_or(DialFailure::NotEquipped)
            }
        }
    }
}

/// Shakes hands with one peer.
#[derive(Clone)]
pub(super) struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Connector {
    pub(super) async fn shake_hands(self, stream: TcpStream) -> Result<TlsStream<TcpStream>, DialFailure> {
        let connector = TlsConnector::from(self.config);
        connector.connect(self.name, stream).await.map_err(|error| failure_of(&error))
    }
}

/// Who the peer's certificate says it is: the office that we meant to reach, and not revoked.
pub(super) fn shown(
    stream: &TlsStream<TcpStream>,
    office: Option<OfficeId>,
    revocations: &watch::Receiver<Revocations>,
) -> Result<Shown, DialFailure> {
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let (identity, key) = leaf.and_then(|leaf| client_identity(leaf)).ok_or(DialFailure::Certificate)?;
    let is_meant = office.is_none_or(|office| office_of(&identity) == Some(office));
    if !is_meant || revocations.borrow().contains(&key) {
        return Err(DialFailure::Certificate);
    }
    Ok((identity, key, revocations.clone()))
}

fn failure_of(error: &std::io::Error) -> DialFailure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::BadEncoding)) => DialFailure::Handshake,
        Some(rustls::Error::InvalidCertificate(_)) => DialFailure::Certificate,
        None if error.kind() == std::io::ErrorKind::TimedOut => DialFailure::TimedOut,
        Some(_) | None => DialFailure::Handshake,
    }
}

//! A listener's TLS configuration, and its swap when files change.
//!
//! On a change the whole `ServerConfig` is replaced, ticketer included: a revoked client could otherwise
//! still resume its session. Connections that are open stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;

use super::{PkiError, certificate};
use crate::config::{ClientCertificates, read_key, read_public};
use crate::time::WallTime;

/// Where a listener's TLS configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate and its chain.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
    /// What clients must show.
    pub clients: ClientCertificates,
    /// Who signs their certificates.
    pub ca: PathBuf,
    /// What of these was revoked; an expired list refuses every client.
    pub crl: Option<PathBuf>,
    /// Protocols by ALPN (RFC 7301), best first; empty does not negotiate.
    pub alpn: Vec<Vec<u8>>,
}

impl TlsFiles {
    /// Reads and checks everything.
    pub fn load(&self) -> Result<Loaded, PkiError> {
        let chain = certificate::read_chain(&self.certificate)?;
        let leaf = chain.first().cloned();
        let leaf = leaf.ok_or_else(|| PkiError::content(&self.certificate, "expected a certificate"))?;
        let expires = certificate::expiry(&self.certificate, &leaf)?;
        let pem = read_key(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
            PkiError::content(&self.key, format!("expected a private key in PEM: {error}"))
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| PkiError::Unusable(error.to_string()))?
            .with_client_cert_verifier(self.verifier()?)
            .with_single_cert(chain, key)
            .map_err(|error| self.mismatch(&error))?;
        config.alpn_protocols.clone_from(&self.alpn);
        config.ticketer =
            rustls::crypto::ring::Ticketer::new().map_err(|error| PkiError::Unusable(error.to_string()))?;
        config.send_tls13_tickets = 1;
        Ok(Loaded { config: Arc::new(config), leaf, expires })
    }

    fn mismatch(&self, error: &rustls::Error) -> PkiError {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        PkiError::Unusable(format!("{certificate} and {key} cannot be used together: {error}"))
    }

    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, PkiError> {
        if self.clients == ClientCertificates::Off {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let mut roots = RootCertStore::empty();
        for root in certificate::read_chain(&self.ca)? {
            roots.add(root).map_err(|error| PkiError::content(&self.ca, error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if let Some(path) = &self.crl {
            let lists = read_lists(path)?;
            builder =
                builder.with_crls(lists).only_check_end_entity_revocation().enforce_revocation_expiration();
        }
        if self.clients == ClientCertificates::Optional {
            builder = builder.allow_unauthenticated();
        }
        builder.build().map_err(|error| PkiError::Unusable(format!("{}: {error}", self.ca.display())))
    }
}

/// What the files of a listener gave.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// Our certificate.
    pub leaf: CertificateDer<'static>,
    /// When it ends.
    pub expires: WallTime,
}

/// What a reload of a listener's files brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// When the certificate that was in force ends.
    pub was: WallTime,
    /// When the one now in force ends.
    pub now: WallTime,
    /// Whether it is another one.
    pub replaced: bool,
}

/// A listener's TLS configuration, which may be swapped at any time; each handshake takes the newest.
#[derive(Debug)]
pub struct TlsEndpoint {
    files: TlsFiles,
    current: watch::Sender<Arc<ServerConfig>>,
    leaf: CertificateDer<'static>,
    expires: WallTime,
}

impl TlsEndpoint {
    /// Reads `files`.
    pub fn open(files: TlsFiles) -> Result<Self, PkiError> {
        let Loaded { config, leaf, expires } = files.load()?;
        Ok(Self { files, current: watch::Sender::new(config), leaf, expires })
    }

    /// For the listener: its `borrow()` is always the configuration in force.
    pub fn subscribe(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// When our certificate ends.
    pub fn expires(&self) -> WallTime {
        self.expires
    }

    /// Where it all comes from.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Reads `files`, which may be others than before, and swaps them in. On an error the former
    /// configuration stays in force.
    pub fn reload(&mut self, files: TlsFiles) -> Result<Renewal, PkiError> {
        let Loaded { config, leaf, expires } = files.load()?;
        let renewal = Renewal { was: self.expires, now: expires, replaced: leaf != self.leaf };
        (self.files, self.leaf, self.expires) = (files, leaf, expires);
        self.current.send_replace(config);
        Ok(renewal)
    }
}

/// The lists in a PEM file. None at all is an error, because it would silently revoke nothing.
fn read_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, PkiError> {
    let pem = read_public(path)?;
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| PkiError::content(path, format!("expected revocation lists in PEM: {error}")))?;
    if lists.is_empty() {
        return Err(PkiError::content(path, "expected a revocation list in PEM, found none"));
    }
    Ok(lists)
}

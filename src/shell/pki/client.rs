//! TLS towards a server that we connect to: whom we trust, and what we show.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::{PkiError, certificate};
use crate::config::read_key;

/// Reads the CA that signs servers' certificates, and our own certificate and key where we have them. No other CA is
/// trusted.
pub fn client_config(ca: &Path, own: Option<&(PathBuf, PathBuf)>) -> Result<Arc<ClientConfig>, PkiError> {
    let mut roots = RootCertStore::empty();
    for root in certificate::read_chain(ca)? {
        roots.add(root).map_err(|error| PkiError::content(ca, error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PkiError::Unusable(error.to_string()))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = own else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let chain = certificate::read_chain(certificate)?;
    let pem = read_key(key)?;
    let private = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| PkiError::content(key, format!("expected a private key in PEM: {error}")))?;
    let config = builder.with_client_auth_cert(chain, private).map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        PkiError::Unusable(format!("{certificate} and {key} cannot be used together: {error}"))
    })?;
    Ok(Arc::new(config))
}

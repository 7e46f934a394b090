//! Who a client certificate names, when it ends, and what was revoked since.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::watch;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use crate::engine::flow::ClientIdentity;
use crate::engine::numbering::OfficeId;

/// Longest name taken from a certificate, in bytes.
const LONGEST_NAME: usize = 256;
/// Most alternative names taken from a certificate.
const MOST_NAMES: usize = 32;

/// Which certificate: its issuer (DER) and its serial number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateKey {
    issuer: Box<[u8]>,
    serial: Box<[u8]>,
}

/// What the revocation lists in force name.
#[derive(Clone, Debug, Default)]
pub struct Revocations(Arc<HashSet<CertificateKey>>);

impl Revocations {
    /// Whether `certificate` is one of them.
    pub fn contains(&self, certificate: &CertificateKey) -> bool {
        self.0.contains(certificate)
    }

    /// How many certificates they name.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether they name none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The lists in the PEM file at `path`, as a set. Their signatures are checked by the TLS configuration that is
/// built from the same file.
pub fn revocations(path: &Path) -> Result<Revocations, crate::config::SecretError> {
    let pem = crate::config::read_public(path)?;
    let mut revoked = HashSet::new();
    for list in CertificateRevocationListDer::pem_slice_iter(&pem).flatten() {
        let Ok((_, list)) = CertificateRevocationList::from_der(list.as_ref()) else { continue };
        let issuer = list.issuer().as_raw();
        revoked.extend(
            list.iter_revoked_certificates()
                .map(|one| CertificateKey { issuer: issuer.into(), serial: one.raw_serial().into() }),
        );
    }
    Ok(Revocations(Arc::new(revoked)))
}

/// What a verified client certificate (DER) says. `None` when it cannot be read.
pub fn client_identity(der: &[u8]) -> Option<(ClientIdentity, CertificateKey)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let key = CertificateKey {
        issuer: certificate.issuer().as_raw().into(),
        serial: certificate.raw_serial().into(),
    };
    let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let identity = ClientIdentity {
        common_name: cut(common_name.unwrap_or_default()),
        alternative_names: alternative_names(&certificate),
        not_after: u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0),
    };
    Some((identity, key))
}

/// The office that a verified certificate of the federation names: its common name is the office's id.
pub fn office_of(identity: &ClientIdentity) -> Option<OfficeId> {
    identity.common_name.parse().ok()
}

/// A connection's client certificate while the connection lives.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) key: CertificateKey,
    pub(super) not_after: u64,
    pub(super) revocations: watch::Receiver<Revocations>,
}

impl Standing {
    /// Ends when the certificate is revoked.
    pub(super) async fn revoked(&mut self) {
        let key = &self.key;
        if self.revocations.wait_for(|lists| lists.contains(key)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some(cut(name)),
        _ => None,
    });
    names.take(MOST_NAMES).collect()
}

fn cut(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

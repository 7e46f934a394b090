//! The certificate of our DTLS ends (RFC 5763): self-signed, because peers check its fingerprint against the
//! SDP and nothing else. Kept over restarts, so that a call's description stays true.

use std::path::Path;
use std::time::Duration;

use rcgen::{KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::site_ca::{make_directory, params, unusable, write};
use super::{PkiError, certificate};
use crate::config::read_key;
use crate::time::WallTime;

/// Life of the certificate.
const LIFE: Duration = Duration::from_secs(86_400 * 365);
/// Made anew at a start with less than this left.
const RENEWED: Duration = Duration::from_secs(86_400 * 30);

/// A certificate for DTLS and its key.
pub struct DtlsKeys {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The P-256 key, PKCS#8 in DER.
    pub key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for DtlsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DtlsKeys(<redacted>)")
    }
}

/// Reads `dtls.pem` and `dtls.key` in `directory`; makes them if they are not there, not readable or about to
/// expire.
pub fn load_or_make_dtls_keys(directory: &Path, now: WallTime) -> Result<DtlsKeys, PkiError> {
    match load(directory) {
        Ok((keys, expires)) if expires.since(now) > RENEWED => Ok(keys),
        _ => make(directory, now),
    }
}

fn load(directory: &Path) -> Result<(DtlsKeys, WallTime), PkiError> {
    let (path, key_path) = (directory.join("dtls.pem"), directory.join("dtls.key"));
    let pem = read_key(&key_path)?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(&pem)
        .map_err(|error| PkiError::content(&key_path, error.to_string()))?;
    let chain = certificate::read_chain(&path)?;
    let own: &CertificateDer<'_> =
        chain.first().ok_or_else(|| PkiError::content(&path, "expected a certificate"))?;
    let expires = certificate::expiry(&path, own)?;
    let key = Zeroizing::new(key.secret_pkcs8_der().to_vec());
    Ok((DtlsKeys { certificate: own.to_vec(), key }, expires))
}

fn make(directory: &Path, now: WallTime) -> Result<DtlsKeys, PkiError> {
    make_directory(directory)?;
    let key = KeyPair::generate().map_err(unusable)?;
    let mut params = params("branchline", &[], now, LIFE)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = false;
    let certificate = params.self_signed(&key).map_err(unusable)?;
    write(&directory.join("dtls.key"), key.serialize_pem().as_bytes(), 0o600)?;
    write(&directory.join("dtls.pem"), certificate.pem().as_bytes(), 0o644)?;
    Ok(DtlsKeys { certificate: certificate.der().to_vec(), key: Zeroizing::new(key.serialize_der()) })
}

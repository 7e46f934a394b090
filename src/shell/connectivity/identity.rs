//! The parts of an end that need chance: the certificate and ICE credentials.

use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use ring::rand::{SecureRandom, SystemRandom};

use crate::media::webrtc::{DtlsIdentity, IdentityRefused, credentials_from_random};
use crate::sdp::IceCredentials;

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Key or certificate could not be made.
    #[error("the DTLS certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// What was made is unusable.
    #[error(transparent)]
    Refused(#[from] IdentityRefused),
}

/// A self-signed ECDSA P-256 certificate, one for the daemon's life. Peers know it by its fingerprint alone,
/// so its name says nothing.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_identity() -> Result<Arc<DtlsIdentity>, IdentityError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "WebRTC");
    let certificate = params.self_signed(&key)?;
    Ok(Arc::new(DtlsIdentity::new(certificate.der().to_vec(), &key.serialize_der())?))
}

/// Fresh ICE credentials; `None` when the system gives no randomness.
pub fn new_credentials() -> Option<IceCredentials> {
    let mut random = [0; 36];
    SystemRandom::new().fill(&mut random).ok()?;
    credentials_from_random(&random)
}

//! The daemon's DTLS certificate, and what a peer's must match.

use std::sync::Arc;

use ring::digest;
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, SignatureScheme, default_provider};
use rustls::pki_types::CertificateDer;
use subtle::ConstantTimeEq;

use crate::sdp::{Fingerprint, HashFunction};

/// One certificate for all ends, with its key. Made by the shell, because making one needs chance.
///
/// rtc-dtls draws its own randomness (hello random, ephemeral key, cookie) from the provider in here, ring's.
#[derive(Clone)]
pub struct DtlsIdentity {
    certificate: Certificate,
    provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: Fingerprint,
}

/// The certificate or key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DTLS key is not an ECDSA P-256 key in PKCS #8")]
pub struct IdentityRefused;

impl DtlsIdentity {
    /// From a DER certificate and its ECDSA P-256 key (PKCS #8, DER).
    ///
    /// # Errors
    /// When the key is of another kind.
    pub fn new(certificate: Vec<u8>, pkcs8: &[u8]) -> Result<Self, IdentityRefused> {
        let provider = default_provider().map_err(|_| IdentityRefused)?;
        let key = provider.crypto().import_signing_key(SignatureScheme::EcdsaP256Sha256, pkcs8);
        let key = key.map_err(|_| IdentityRefused)?;
        let fingerprint = fingerprint_of(HashFunction::Sha256, &certificate).ok_or(IdentityRefused)?;
        let certificate = Certificate::from_signing_key(vec![CertificateDer::from(certificate)], key);
        Ok(Self { certificate, provider, fingerprint })
    }

    /// Its SHA-256 fingerprint, for SDP.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(super) fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }

    pub(super) fn provider(&self) -> Arc<dyn RTCCryptoProvider> {
        Arc::clone(&self.provider)
    }
}

impl std::fmt::Debug for DtlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DtlsIdentity({})", self.fingerprint)
    }
}

/// Whether `certificate` (DER) has one of the announced fingerprints. SHA-1 never counts (RFC 8122 §5 asks
/// for stronger ones): the fingerprint is all that ties the DTLS peer to the signalling.
pub(super) fn is_announced(certificate: &[u8], announced: &[Fingerprint]) -> bool {
    announced.iter().any(|fingerprint| {
        let actual = fingerprint_of(fingerprint.function(), certificate);
        actual.is_some_and(|actual| actual.digest().ct_eq(fingerprint.digest()).into())
    })
}

/// Whether a peer can be recognised by this fingerprint.
pub(in super::super) fn is_strong(fingerprint: &Fingerprint) -> bool {
    fingerprint.function() != HashFunction::Sha1
}

fn fingerprint_of(function: HashFunction, certificate: &[u8]) -> Option<Fingerprint> {
    let algorithm = match function {
        HashFunction::Sha1 => return None,
        HashFunction::Sha256 => &digest::SHA256,
        HashFunction::Sha384 => &digest::SHA384,
        HashFunction::Sha512 => &digest::SHA512,
    };
    Fingerprint::new(function, digest::digest(algorithm, certificate).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_matches_any_strong_fingerprint_of_its_own() {
        for function in [HashFunction::Sha256, HashFunction::Sha384, HashFunction::Sha512] {
            let announced = fingerprint_of(function, b"certificate").unwrap();
            assert!(is_announced(b"certificate", std::slice::from_ref(&announced)));
            assert!(!is_announced(b"another", &[announced]));
        }
        let weak = Fingerprint::new(HashFunction::Sha1, &[0; 20]).unwrap();
        assert!(!is_strong(&weak) && !is_announced(b"certificate", &[weak]));
        assert!(!is_announced(b"certificate", &[]));
    }
}

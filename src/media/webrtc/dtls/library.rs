//! What we ask of rtc-dtls and read from it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::endpoint::Endpoint;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use super::super::reason::EndFailure;
use super::identity::{DtlsIdentity, is_announced};
use crate::media::end::SrtpKeys;
use crate::media::srtp::{SrtpKey, SrtpProfile};
use crate::sdp::Fingerprint;

/// rtc-dtls keys associations by address; ours outlives a change of path, so it goes by this one.
pub(super) const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9));
/// RFC 5764 §4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";
/// Longer than any call.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// What the handshake demands of the peer and offers it.
pub(super) fn config(
    own: &DtlsIdentity,
    announced: &[Fingerprint],
    profiles: &[SrtpProfile],
    is_client: bool,
) -> Result<Arc<HandshakeConfig>, EndFailure> {
    let announced = announced.to_vec();
    let profiles =
        profiles.iter().map(|profile| SrtpProtectionProfile::from(profile.dtls_number())).collect();
    let config = ConfigBuilder::default()
        .with_crypto_provider(own.provider())
        .with_certificates(vec![own.certificate()])
        .with_cipher_suites(vec![
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
            CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
        ])
        .with_srtp_protection_profiles(profiles)
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(move |chain, _| {
            let shown = chain.first().is_some_and(|first| is_announced(first, &announced));
            if shown { Ok(()) } else { Err(Error::ErrNoMatchingCertificateFingerprint) }
        })))
        .with_server_name("webrtc".to_owned())
        .with_flight_interval(NEVER)
        .build(is_client, None);
    config.map(Arc::new).map_err(|error| failure(&error))
}

/// An association's carrier: for a server with its configuration, for a client without.
pub(super) fn new_endpoint(server: Option<Arc<HandshakeConfig>>) -> Endpoint {
    Endpoint::new(PEER, TransportProtocol::UDP, server)
}

/// The datagrams that the library wants sent.
pub(super) fn drain(endpoint: &mut Endpoint) -> impl Iterator<Item = Vec<u8>> {
    std::iter::from_fn(|| endpoint.poll_transmit().map(|datagram| datagram.message.to_vec()))
}

/// Splits the exported material by role: client key, server key, client salt, server salt (RFC 5764 §4.2).
pub(super) fn keys(
    endpoint: &Endpoint,
    announced: &[Fingerprint],
    is_client: bool,
) -> Result<SrtpKeys, EndFailure> {
    let state = endpoint.get_connection_state(PEER).ok_or(EndFailure::DtlsProtocol)?;
    let certificate = state.peer_certificates.first().ok_or(EndFailure::NoPeerCertificate)?;
    if !is_announced(certificate, announced) {
        return Err(EndFailure::FingerprintMismatch);
    }
    let profile = SrtpProfile::from_dtls_number(state.srtp_protection_profile() as u16);
    let profile = profile.ok_or(EndFailure::NoCommonProfile)?;
    let (key, salt) = (profile.key_length(), profile.salt_length());
    let material = state.export_keying_material(EXPORTER, &[], 2 * (key + salt));
    let material = material.map_err(|_| EndFailure::DtlsProtocol)?;
    let part = |at: usize, length: usize| material.as_ref().get(at..at + length).unwrap_or_default();
    let made = |key_at: usize, salt_at: usize| {
        SrtpKey::new(profile, part(key_at, key), part(salt_at, salt)).map_err(|_| EndFailure::DtlsProtocol)
    };
    let (client, server) = (made(0, 2 * key)?, made(key, 2 * key + salt)?);
    Ok(if is_client {
        SrtpKeys { send: client, receive: server }
    } else {
        SrtpKeys { send: server, receive: client }
    })
}

/// The library's errors by our names.
pub(super) fn failure(error: &Error) -> EndFailure {
    match error {
        Error::ErrNoMatchingCertificateFingerprint => EndFailure::FingerprintMismatch,
        Error::ErrClientCertificateRequired
        | Error::ErrCertificateVerifyNoCertificate
        | Error::ErrNoCertificates => EndFailure::NoPeerCertificate,
        Error::ErrServerNoMatchingSrtpProfile
        | Error::ErrClientNoMatchingSrtpProfile
        | Error::ErrRequestedButNoSrtpExtension => EndFailure::NoCommonProfile,
        Error::ErrCipherSuiteNoIntersection
        | Error::ErrNoAvailableCipherSuites
        | Error::ErrNoAvailableSignatureSchemes
        | Error::ErrNoSupportedEllipticCurves
        | Error::ErrServerRequiredButNoClientEms
        | Error::ErrClientRequiredButNoServerEms => EndFailure::NoCommonCipher,
        _ => EndFailure::DtlsProtocol,
    }
}

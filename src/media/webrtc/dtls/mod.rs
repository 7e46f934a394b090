//! The DTLS 1.2 handshake that keys SRTP (RFC 6347, RFC 5764), one association for the life of an end.
//!
//! The handshake itself is rtc-dtls'; this module decides what it sees and when it speaks.
//!
//! | state | event | then |
//! | --- | --- | --- |
//! | Idle (server) | ClientHello | Handshaking; GCM is chosen if the client offers it, else AES-CM |
//! | Idle (client) | [`DtlsAssociation::start`] | Handshaking |
//! | Handshaking | datagram that moves it on | the new flight is sent and kept |
//! | Handshaking | the peer repeats itself, or 150, 300, 600 … 2,000 ms passed | the kept flight is sent again |
//! | Handshaking (server) | ClientHello with another random | begun afresh, at most 8 times |
//! | Handshaking | Finished, and the certificate is the announced one | Established |
//! | Idle, Handshaking | the deadline, a refusal, too much data | Failed |
//! | Established | handshake record | the last flight again, at most 10 times (RFC 6347 §4.2.4) |
//! | Established | authentic close_notify or fatal alert | Closed |
//!
//! **Why flights are kept here.** rtc-dtls 0.21 clears its retransmission timer when part of a flight arrives and
//! then waits for ever, repeats at a fixed interval, and reports exhaustion as an invalid state; so a few per cent
//! of handshakes failed on lossy links. Its timers are therefore never run. A repeat is the same datagram: records
//! that had arrived fall to the peer's replay window, those that were lost are new to it.
//!
//! rtc-dtls does not compare the client's Finished; what ties the transcript to the client is its
//! CertificateVerify, which it checks, over every message up to the key exchange. A client certificate is
//! therefore always demanded, and extended master secret (RFC 7627) too.

mod identity;
mod record;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use crate::media::end::SrtpKeys;
use crate::media::srtp::{SrtpKey, SrtpProfile};
use crate::sdp::Fingerprint;

use super::reason::{EndFailure, PacketDrop};
pub(super) use identity::is_strong;
pub use identity::{DtlsIdentity, IdentityRefused};
pub(super) use record::is_dtls;
use record::{ClientHello, HELLO_VERIFY_REQUEST, Summary, summarize};

/// rtc-dtls keys associations by address; ours outlives a change of path, so it goes by this one.
const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9));
/// From the first path, or the first ClientHello, to keys.
const HANDSHAKE_TIME: Duration = Duration::from_secs(20);
const FIRST_REPEAT: Duration = Duration::from_millis(150);
const LONGEST_REPEAT: Duration = Duration::from_secs(2);
/// Between repeats that the peer provokes.
const PROVOKED_REPEAT: Duration = Duration::from_millis(50);
/// Of the last flight, once established.
const MAX_LATE_REPEATS: u8 = 10;
/// Times that a client may begin afresh.
const MAX_FRESH_STARTS: u8 = 8;
/// What one association may feed to the handshake; a real one takes about 3 kB in 6 datagrams.
const MAX_FED_BYTES: usize = 64 * 1024;
/// RFC 5764 §4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";
/// Longer than any call.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// What an event did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DtlsOutcome {
    /// Nothing to tell.
    Pending,
    /// Keys are agreed.
    Established(Box<SrtpKeys>),
    /// The peer ended the association.
    PeerClosed,
    /// There will be no keys.
    Failed(EndFailure),
}

enum State {
    Idle,
    Handshaking { endpoint: Box<Endpoint>, hello: Option<[u8; 32]>, highest: Option<u16> },
    Established { endpoint: Box<Endpoint>, repeats: u8 },
    Over,
}

/// The datagrams last sent in the handshake.
#[derive(Default)]
struct Flight {
    datagrams: Vec<Vec<u8>>,
    sent: Option<Instant>,
    repeat_at: Option<Instant>,
    interval: Duration,
}

/// One end's DTLS association.
pub(super) struct DtlsAssociation {
    identity: Arc<DtlsIdentity>,
    announced: Vec<Fingerprint>,
    is_client: bool,
    deadline: Option<Instant>,
    state: State,
    flight: Flight,
    fed: usize,
    fresh_starts: u8,
    out: VecDeque<Vec<u8>>,
}

impl DtlsAssociation {
    /// An association with whoever holds a certificate of one of the `announced` fingerprints.
    pub(super) fn new(identity: Arc<DtlsIdentity>, announced: Vec<Fingerprint>, is_client: bool) -> Self {
        Self {
            identity,
            announced,
            is_client,
            deadline: None,
            state: State::Idle,
            flight: Flight::default(),
            fed: 0,
            fresh_starts: 0,
            out: VecDeque::new(),
        }
    }

    /// A path exists: the clock runs, and as client we begin. Later calls do nothing.
    pub(super) fn start(&mut self, now: Instant) -> DtlsOutcome {
        if !matches!(self.state, State::Idle) {
            return DtlsOutcome::Pending;
        }
        self.deadline.get_or_insert(now + HANDSHAKE_TIME);
        if !self.is_client {
            return DtlsOutcome::Pending;
        }
        let offered = [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80];
        let begun = self.config(&offered).and_then(|config| {
            let mut endpoint = new_endpoint(None);
            endpoint.connect(now, PEER, config, None).map_err(|error| failure(&error))?;
            Ok(endpoint)
        });
        match begun {
            Ok(endpoint) => {
                self.state = State::Handshaking { endpoint: Box::new(endpoint), hello: None, highest: None };
                self.collect(now);
                DtlsOutcome::Pending
            }
            Err(why) => self.fail(why),
        }
    }

    /// A datagram from an address that ICE has validated.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
    ) -> Result<DtlsOutcome, PacketDrop> {
        let summary = summarize(datagram).ok_or(PacketDrop::DtlsMalformed)?;
        match &mut self.state {
            State::Over => Err(PacketDrop::EndGone),
            State::Established { .. } => self.handle_late(now, datagram, &summary),
            State::Handshaking { hello, .. } => {
                if let (Some(begun), Some(new)) = (&*hello, &summary.hello)
                    && *begun != new.random
                {
                    return self.begin_afresh(now, datagram, &summary);
                }
                Ok(self.feed(now, datagram, &summary))
            }
            State::Idle => {
                let hello = summary.hello.clone();
                let begins = !self.is_client && summary.first_message == Some(1);
                if !begins {
                    return Err(PacketDrop::DtlsUnexpected);
                }
                match self.accept(now, hello.as_ref()) {
                    Ok(()) => Ok(self.feed(now, datagram, &summary)),
                    Err(why) => Ok(self.fail(why)),
                }
            }
        }
    }

    /// Repeats the flight, or gives up.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> DtlsOutcome {
        let open = matches!(self.state, State::Idle | State::Handshaking { .. });
        if open && self.deadline.is_some_and(|deadline| deadline <= now) {
            return self.fail(EndFailure::DtlsTimeout);
        }
        if self.flight.repeat_at.is_some_and(|at| at <= now) && open {
            self.repeat(now);
        }
        DtlsOutcome::Pending
    }

    /// When [`DtlsAssociation::handle_timeout`] is next needed.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle | State::Handshaking { .. } => {
                self.deadline.into_iter().chain(self.flight.repeat_at).min()
            }
            State::Established { .. } | State::Over => None,
        }
    }

    /// The next datagram to send to the peer.
    pub(super) fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// Ends the association with a close_notify.
    pub(super) fn close(&mut self, now: Instant) {
        if let State::Established { endpoint, .. } = &mut self.state {
            let _ = endpoint.stop(now, PEER);
            self.out.extend(drain(endpoint));
        }
        self.finish();
    }

    /// As server: makes the association that will answer this hello.
    fn accept(&mut self, now: Instant, hello: Option<&ClientHello>) -> Result<(), EndFailure> {
        let both = [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80];
        let offered = hello.and_then(|hello| hello.profiles.as_deref());
        let chosen = match offered {
            Some(offered) => {
                let best = both.into_iter().find(|profile| offered.contains(profile));
                self.config(&[best.ok_or(EndFailure::NoCommonProfile)?])?
            }
            None => self.config(&both)?,
        };
        self.deadline.get_or_insert(now + HANDSHAKE_TIME);
        let endpoint = Box::new(new_endpoint(Some(chosen)));
        self.state = State::Handshaking { endpoint, hello: hello.map(|hello| hello.random), highest: None };
        Ok(())
    }

    fn begin_afresh(
        &mut self,
        now: Instant,
        datagram: &[u8],
        summary: &Summary,
    ) -> Result<DtlsOutcome, PacketDrop> {
        if self.is_client || self.fresh_starts >= MAX_FRESH_STARTS {
            return Err(PacketDrop::DtlsUnexpected);
        }
        self.fresh_starts += 1;
        self.flight = Flight::default();
        Ok(match self.accept(now, summary.hello.as_ref()) {
            Ok(()) => self.feed(now, datagram, summary),
            Err(why) => self.fail(why),
        })
    }

    /// Gives the handshake a datagram and looks what came of it.
    fn feed(&mut self, now: Instant, datagram: &[u8], summary: &Summary) -> DtlsOutcome {
        self.fed = self.fed.saturating_add(datagram.len());
        if self.fed > MAX_FED_BYTES {
            return self.fail(EndFailure::HandshakeTooLarge);
        }
        let State::Handshaking { endpoint, highest, .. } = &mut self.state else {
            return DtlsOutcome::Pending;
        };
        let repeated = summary.highest_sequence.is_some() && summary.highest_sequence <= *highest;
        *highest = summary.highest_sequence.max(*highest);
        let read = endpoint.read(now, PEER, None, BytesMut::from(datagram));
        let moved_on = self.collect(now);
        match read {
            Err(Error::ErrAlertFatalOrClose) => {
                self.fail(summary.plain_fatal_alert.map_or(EndFailure::DtlsProtocol, EndFailure::PeerAlert))
            }
            Err(_) if summary.alert && !summary.handshake => DtlsOutcome::Pending,
            Err(error) => self.fail(failure(&error)),
            Ok(events) if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) => {
                self.establish()
            }
            Ok(events) if events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed)) => {
                self.finish();
                DtlsOutcome::PeerClosed
            }
            Ok(_) => {
                let spaced = self
                    .flight
                    .sent
                    .is_some_and(|sent| now.saturating_duration_since(sent) >= PROVOKED_REPEAT);
                if repeated && !moved_on && spaced {
                    self.repeat(now);
                }
                DtlsOutcome::Pending
            }
        }
    }

    /// After the handshake: the peer may have missed our last flight, or may be leaving.
    fn handle_late(
        &mut self,
        now: Instant,
        datagram: &[u8],
        summary: &Summary,
    ) -> Result<DtlsOutcome, PacketDrop> {
        let State::Established { endpoint, repeats } = &mut self.state else {
            return Err(PacketDrop::EndGone);
        };
        if summary.alert && !summary.handshake {
            let over = match endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
                Ok(events) => events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed)),
                Err(error) => matches!(error, Error::ErrAlertFatalOrClose),
            };
            if !over {
                return Err(PacketDrop::DtlsUnexpected);
            }
            self.out.extend(drain(endpoint));
            self.finish();
            return Ok(DtlsOutcome::PeerClosed);
        }
        let spaced =
            self.flight.sent.is_none_or(|sent| now.saturating_duration_since(sent) >= PROVOKED_REPEAT);
        if !summary.handshake || self.is_client || *repeats >= MAX_LATE_REPEATS || !spaced {
            return Err(PacketDrop::DtlsUnexpected);
        }
        *repeats += 1;
        self.flight.sent = Some(now);
        self.out.extend(self.flight.datagrams.iter().cloned());
        Ok(DtlsOutcome::Pending)
    }

    /// The handshake is done: checks the certificate once more and exports the keys.
    fn establish(&mut self) -> DtlsOutcome {
        let State::Handshaking { endpoint, .. } = std::mem::replace(&mut self.state, State::Over) else {
            return DtlsOutcome::Pending;
        };
        match keys(&endpoint, &self.announced, self.is_client) {
            Ok(keys) => {
                self.flight.repeat_at = None;
                if self.is_client {
                    self.flight = Flight::default();
                }
                self.state = State::Established { endpoint, repeats: 0 };
                DtlsOutcome::Established(Box::new(keys))
            }
            Err(why) => self.fail(why),
        }
    }

    /// Takes what the library wants sent: a new flight, kept for repeating. True if there was any.
    fn collect(&mut self, now: Instant) -> bool {
        let State::Handshaking { endpoint, .. } = &mut self.state else { return false };
        let datagrams: Vec<_> = drain(endpoint).collect();
        if datagrams.is_empty() {
            return false;
        }
        let first = datagrams.first().and_then(|datagram| summarize(datagram)?.first_message);
        let repeats = first != Some(HELLO_VERIFY_REQUEST);
        self.out.extend(datagrams.iter().cloned());
        self.flight = Flight {
            datagrams,
            sent: Some(now),
            repeat_at: repeats.then(|| now + FIRST_REPEAT),
            interval: FIRST_REPEAT,
        };
        true
    }

    fn repeat(&mut self, now: Instant) {
        self.out.extend(self.flight.datagrams.iter().cloned());
        self.flight.sent = Some(now);
        if self.flight.repeat_at.is_some() {
            self.flight.interval = (self.flight.interval * 2).min(LONGEST_REPEAT);
            self.flight.repeat_at = Some(now + self.flight.interval);
        }
    }

    fn fail(&mut self, why: EndFailure) -> DtlsOutcome {
        self.finish();
        DtlsOutcome::Failed(why)
    }

    fn finish(&mut self) {
        self.state = State::Over;
        self.flight = Flight::default();
        self.deadline = None;
    }

    fn config(&self, profiles: &[SrtpProfile]) -> Result<Arc<HandshakeConfig>, EndFailure> {
        let announced = self.announced.clone();
        let profiles =
            profiles.iter().map(|profile| SrtpProtectionProfile::from(profile.dtls_number())).collect();
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.identity.provider())
            .with_certificates(vec![self.identity.certificate()])
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
                let shown = chain.first().is_some_and(|first| identity::is_announced(first, &announced));
                if shown { Ok(()) } else { Err(Error::ErrNoMatchingCertificateFingerprint) }
            })))
            .with_server_name("webrtc".to_owned())
            .with_flight_interval(NEVER)
            .build(self.is_client, None);
        config.map(Arc::new).map_err(|error| failure(&error))
    }
}

impl std::fmt::Debug for DtlsAssociation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Handshaking { .. } => "handshaking",
            State::Established { .. } => "established",
            State::Over => "over",
        };
        f.debug_struct("DtlsAssociation")
            .field("state", &state)
            .field("is_client", &self.is_client)
            .finish_non_exhaustive()
    }
}

fn new_endpoint(server: Option<Arc<HandshakeConfig>>) -> Endpoint {
    Endpoint::new(PEER, TransportProtocol::UDP, server)
}

fn drain(endpoint: &mut Endpoint) -> impl Iterator<Item = Vec<u8>> {
    std::iter::from_fn(|| endpoint.poll_transmit().map(|datagram| datagram.message.to_vec()))
}

/// Splits the exported material by role: client key, server key, client salt, server salt (RFC 5764 §4.2).
fn keys(endpoint: &Endpoint, announced: &[Fingerprint], is_client: bool) -> Result<SrtpKeys, EndFailure> {
    let state = endpoint.get_connection_state(PEER).ok_or(EndFailure::DtlsProtocol)?;
    let certificate = state.peer_certificates.first().ok_or(EndFailure::NoPeerCertificate)?;
    if !identity::is_announced(certificate, announced) {
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

fn failure(error: &Error) -> EndFailure {
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

//! A browser's stand-in: rtc-ice as a full agent, and a DTLS client.
//!
//! The ICE agent is another author's, so it tests ours. DTLS is rtc-dtls with its own timers, or our own
//! association in the client role, which repeats flights as browsers do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::agent::{Agent, Event};
use rtc_ice::candidate::candidate_host::CandidateHostConfig;
use rtc_ice::candidate::{CandidateConfig, CandidateType};
use rtc_ice::mdns::MulticastDnsMode;
use rtc_ice::state::ConnectionState;
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use sansio::Protocol;

use super::super::dtls::{DtlsAssociation, DtlsIdentity, DtlsOutcome};
use super::identity;
use crate::media::end::SrtpKeys;
use crate::media::srtp::{SrtpKey, SrtpProfile};
use crate::sdp::{Fingerprint, IceCredentials};

/// How the stand-in does DTLS.
pub(super) enum BrowserDtls {
    /// rtc-dtls and its own timers, as client.
    Library(Endpoint),
    /// Our association in the role opposite to the end's.
    Ours(Box<DtlsAssociation>),
    /// Never starts.
    Silent,
}

#[expect(clippy::struct_excessive_bools, reason = "a record of what happened, not a state")]
pub(super) struct Browser {
    pub(super) address: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) agent: Agent,
    pub(super) dtls: BrowserDtls,
    pub(super) keys: Option<SrtpKeys>,
    pub(super) dtls_error: Option<String>,
    pub(super) closed: bool,
    pub(super) connected: bool,
    pub(super) gone: bool,
    started: bool,
}

impl Browser {
    pub(super) fn new(now: Instant, address: SocketAddr, local: &IceCredentials, controlling: bool) -> Self {
        let config = AgentConfig {
            local_ufrag: local.ufrag().to_owned(),
            local_pwd: local.password().to_owned(),
            is_controlling: controlling,
            multicast_dns_mode: MulticastDnsMode::Disabled,
            candidate_types: vec![CandidateType::Host],
            ..AgentConfig::default()
        };
        let mut agent = Agent::new(now, Arc::new(config), default_provider().unwrap()).unwrap();
        agent.add_local_candidate(host(address)).unwrap();
        Self {
            address,
            peer: address,
            agent,
            dtls: BrowserDtls::Silent,
            keys: None,
            dtls_error: None,
            closed: false,
            connected: false,
            gone: false,
            started: false,
        }
    }

    pub(super) fn knows(&mut self, candidate: SocketAddr) {
        self.peer = candidate;
        self.agent.add_remote_candidate(host(candidate)).unwrap();
    }

    pub(super) fn handle(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        if bytes[0] <= 3 {
            let transport = TransportContext {
                local_addr: self.address,
                peer_addr: from,
                transport_protocol: TransportProtocol::UDP,
                ecn: None,
            };
            let _ = self.agent.handle_read(TaggedBytesMut { now, transport, message: BytesMut::from(bytes) });
        } else {
            self.handle_dtls(now, from, bytes);
        }
        self.follow(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now).unwrap();
        match &mut self.dtls {
            BrowserDtls::Library(endpoint) => {
                if let Err(error) = endpoint.handle_timeout(self.peer, now)
                    && self.started
                {
                    self.dtls_error.get_or_insert(error.to_string());
                }
            }
            BrowserDtls::Ours(dtls) => {
                if let DtlsOutcome::Failed(why) = dtls.handle_timeout(now) {
                    self.dtls_error.get_or_insert(why.as_str().to_owned());
                }
            }
            BrowserDtls::Silent => {}
        }
        self.follow(now);
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let dtls = match &self.dtls {
            BrowserDtls::Library(endpoint) => endpoint.poll_timeout(&self.peer),
            BrowserDtls::Ours(dtls) => dtls.poll_timeout(),
            BrowserDtls::Silent => None,
        };
        self.agent.poll_timeout().into_iter().chain(dtls.filter(|_| self.dtls_error.is_none())).min()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        if let Some(out) = self.agent.poll_write() {
            return Some((out.transport.peer_addr, out.message.to_vec()));
        }
        let bytes = match &mut self.dtls {
            BrowserDtls::Library(endpoint) => endpoint.poll_transmit()?.message.to_vec(),
            BrowserDtls::Ours(dtls) => dtls.poll_datagram()?,
            BrowserDtls::Silent => return None,
        };
        Some((self.peer, bytes))
    }

    pub(super) fn close(&mut self, now: Instant) {
        match &mut self.dtls {
            BrowserDtls::Library(endpoint) => endpoint.close(now).unwrap(),
            BrowserDtls::Ours(dtls) => dtls.close(now),
            BrowserDtls::Silent => {}
        }
    }

    fn follow(&mut self, now: Instant) {
        while let Some(event) = self.agent.poll_event() {
            if let Event::ConnectionStateChange(ConnectionState::Connected) = event.event {
                self.connected = true;
                self.start_dtls(now);
            }
        }
    }

    fn start_dtls(&mut self, now: Instant) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        match &mut self.dtls {
            BrowserDtls::Library(endpoint) => {
                endpoint.connect(now, self.peer, client_config(&[7, 1]), None).unwrap();
            }
            BrowserDtls::Ours(dtls) => drop(dtls.start(now)),
            BrowserDtls::Silent => {}
        }
    }

    fn handle_dtls(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        match &mut self.dtls {
            BrowserDtls::Library(endpoint) => match endpoint.read(now, from, None, BytesMut::from(bytes)) {
                Ok(events) => {
                    for event in events {
                        match event {
                            EndpointEvent::HandshakeComplete => self.keys = Some(client_keys(endpoint, from)),
                            EndpointEvent::PeerClosed => self.closed = true,
                            _ => {}
                        }
                    }
                }
                Err(error) => drop(self.dtls_error.get_or_insert(error.to_string())),
            },
            BrowserDtls::Ours(dtls) => match dtls.handle_datagram(now, bytes) {
                Ok(DtlsOutcome::Established(keys)) => self.keys = Some(*keys),
                Ok(DtlsOutcome::PeerClosed) => self.closed = true,
                Ok(DtlsOutcome::Failed(why)) => drop(self.dtls_error.get_or_insert(why.as_str().to_owned())),
                _ => {}
            },
            BrowserDtls::Silent => {}
        }
    }
}

/// The certificate of rtc-dtls stand-ins; one for all, as making one costs more than a test.
pub(super) fn library_certificate() -> (Certificate, Fingerprint) {
    static MADE: std::sync::OnceLock<(Certificate, Fingerprint)> = std::sync::OnceLock::new();
    let made = MADE.get_or_init(|| {
        let provider = default_provider().unwrap();
        let certificate =
            Certificate::generate_self_signed(vec!["browser".to_owned()], provider.crypto()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &certificate.certificate[0]);
        let fingerprint = Fingerprint::sha256(digest.as_ref().try_into().unwrap());
        (certificate, fingerprint)
    });
    made.clone()
}

/// A client that offers these SRTP profiles, in this order.
pub(super) fn client_config(profiles: &[u16]) -> Arc<rtc_dtls::config::HandshakeConfig> {
    client_config_with_mtu(profiles, 1200)
}

/// The same, its handshake messages cut to fit `mtu`.
pub(super) fn client_config_with_mtu(profiles: &[u16], mtu: usize) -> Arc<rtc_dtls::config::HandshakeConfig> {
    let config = ConfigBuilder::default()
        .with_crypto_provider(default_provider().unwrap())
        .with_certificates(vec![library_certificate().0])
        .with_srtp_protection_profiles(profiles.iter().map(|one| SrtpProtectionProfile::from(*one)).collect())
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_insecure_skip_verify(true)
        .with_mtu(mtu)
        .with_flight_interval(Duration::from_millis(500))
        .build(true, None);
    Arc::new(config.unwrap())
}

pub(super) fn library_dtls(address: SocketAddr) -> BrowserDtls {
    BrowserDtls::Library(Endpoint::new(address, TransportProtocol::UDP, None))
}

/// Our association as the browser's; `peer` is the end's certificate.
pub(super) fn our_dtls(peer: &DtlsIdentity, is_client: bool) -> (BrowserDtls, Fingerprint) {
    let mine = identity();
    let fingerprint = mine.fingerprint().clone();
    let announced = vec![peer.fingerprint().clone()];
    (BrowserDtls::Ours(Box::new(DtlsAssociation::new(mine, announced, is_client))), fingerprint)
}

fn host(address: SocketAddr) -> rtc_ice::candidate::Candidate {
    let base_config = CandidateConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..CandidateConfig::default()
    };
    CandidateHostConfig { base_config, ..CandidateHostConfig::default() }.new_candidate_host().unwrap()
}

fn client_keys(endpoint: &Endpoint, peer: SocketAddr) -> SrtpKeys {
    let state = endpoint.get_connection_state(peer).unwrap();
    let profile = SrtpProfile::from_dtls_number(state.srtp_protection_profile() as u16).unwrap();
    let (k, s) = (profile.key_length(), profile.salt_length());
    let all = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (k + s)).unwrap().into_bytes();
    let key = |at: usize, salt: usize| SrtpKey::new(profile, &all[at..at + k], &all[salt..salt + s]).unwrap();
    SrtpKeys { send: key(0, 2 * k), receive: key(k, 2 * k + s) }
}

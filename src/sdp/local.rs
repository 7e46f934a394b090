//! What this side says about its audio, and the description written from it.

use std::fmt;
use std::net::SocketAddr;

use zeroize::Zeroize;

use super::codec::Codec;
use super::crypto::{CryptoAttribute, MAX_KEY_BYTES, SrtpKey, SrtpSuite};
use super::direction::Direction;
use super::fingerprint::Fingerprint;
use super::ice::{Candidate, IceCredentials};
use super::remote::MediaPolicy;
use super::setup::{DtlsRole, SetupRole};
use super::source::LocalSource;

/// Our side of ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalIce {
    /// User fragment and password.
    pub credentials: IceCredentials,
    /// We only answer checks.
    pub lite: bool,
    /// We take candidates later.
    pub trickle: bool,
    /// Our candidates so far.
    pub candidates: Vec<Candidate>,
    /// No more will come.
    pub end_of_candidates: bool,
}

/// Our side of DTLS-SRTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDtls {
    /// Our certificate's fingerprint.
    pub fingerprint: Fingerprint,
    /// What to offer; an answer's role follows from the offer's, unless the session already has one.
    pub setup: SetupRole,
    /// Our side of ICE.
    pub ice: LocalIce,
}

/// How we protect our media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalSecurity {
    /// Not at all: `RTP/AVP`.
    Plain,
    /// By keys in SDP, one line a suite, best first: `RTP/SAVP`.
    Sdes(Vec<CryptoAttribute>),
    /// By keys from DTLS: `UDP/TLS/RTP/SAVPF`.
    DtlsSrtp(LocalDtls),
}

impl LocalSecurity {
    /// An SDES offer of these suites, tagged from 1, each with a key cut from `seed`.
    pub fn sdes(suites: &[SrtpSuite], seed: &KeySeed) -> Self {
        let lines = (1..).zip(suites).map(|(tag, suite)| CryptoAttribute::new(tag, seed.key(*suite)));
        Self::Sdes(lines.collect())
    }
}

/// Random bytes from which the SRTP key of one leg is cut, whichever suite comes out of the negotiation.
/// The same seed gives the same key, so a refreshed description does not change keys. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySeed([u8; MAX_KEY_BYTES]);

impl KeySeed {
    /// Takes bytes from the shell's random source.
    pub const fn new(random: [u8; MAX_KEY_BYTES]) -> Self {
        Self(random)
    }

    /// The key for a suite.
    pub fn key(&self, suite: SrtpSuite) -> SrtpKey {
        SrtpKey::cut(suite, &self.0)
    }
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySeed(<redacted>)")
    }
}

impl Drop for KeySeed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Our audio as an offer describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// Where we want RTP.
    pub rtp: SocketAddr,
    /// The port on which we want RTCP when it is not multiplexed.
    pub rtcp_port: u16,
    /// Whether to offer multiplexing; always done with DTLS.
    pub rtcp_mux: bool,
    /// Our codecs with their payload types, best first, telephone events among them.
    pub codecs: Vec<Codec>,
    /// What we do.
    pub direction: Direction,
    /// Milliseconds of audio per packet that we want.
    pub ptime: Option<u16>,
    /// How we protect it.
    pub security: LocalSecurity,
    /// The section's mid; also makes a BUNDLE group of it. Browsers need one.
    pub mid: Option<String>,
    /// Our source, for browsers.
    pub source: Option<LocalSource>,
}

/// What this side can do in an answer.
#[derive(Clone, Debug)]
pub struct LocalCapabilities {
    /// Where we want RTP.
    pub rtp: SocketAddr,
    /// The port on which we want RTCP when the offer cannot multiplex.
    pub rtcp_port: u16,
    /// Whether we multiplex if the offer can; always done with DTLS.
    pub rtcp_mux: bool,
    /// Codecs we take; their payload types are not used, their `fmtp` is what we ask for.
    pub codecs: Vec<Codec>,
    /// What we would like to do.
    pub direction: Direction,
    /// Milliseconds of audio per packet that we want.
    pub ptime: Option<u16>,
    /// Which kinds of protection we take part in.
    pub policy: MediaPolicy,
    /// SDES suites we take, best first: [`SrtpSuite::PREFERENCE`] in general.
    pub suites: Vec<SrtpSuite>,
    /// The source of our SDES key.
    pub key_seed: KeySeed,
    /// Our side of DTLS; without it no DTLS section is accepted.
    pub dtls: Option<LocalDtls>,
    /// The DTLS role an earlier negotiation of this session ended with; kept as long as the peer allows it.
    pub dtls_role: Option<DtlsRole>,
    /// Our source, for browsers.
    pub source: Option<LocalSource>,
}

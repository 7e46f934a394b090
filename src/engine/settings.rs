//! What the engine needs to know of the configuration.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::flow::{Flow, Side};
use crate::engine::numbering::{Extension, NumberPlan};
use crate::engine::policy::{Mask, Permissions, Rules};
use crate::engine::routing::{CredentialName, FederationToken, Limits, Link, Places, RouteTable};
use crate::media::PortNumbers;
use crate::sdp::Fingerprint;
use crate::sip::Transport;

/// The engine's part of the configuration, already checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The office's id, such as `BRU`.
    pub office: String,
    /// The digest realm, and the host of our own addresses of record.
    pub realm: String,
    /// Registration.
    pub registrar: RegistrarSettings,
    /// Calls.
    pub calls: CallSettings,
    /// Media.
    pub media: MediaSettings,
    /// The site's Asterisk; `None`: Branchline alone.
    pub asterisk: Option<AsteriskSettings>,
    /// Digest guessing.
    pub lock_out: LockOutSettings,
    /// Messages of one source.
    pub rate: RateSettings,
    /// How the office's numbers look; its emergency numbers no limit may refuse.
    pub numbers: NumberPlan,
    /// Ways to other offices and outside.
    pub routing: RoutingSettings,
    /// Most SIP transactions at once.
    pub max_transactions: usize,
}

/// Ways to other offices and outside, as the site's own configuration has them. What ops push comes on top.
#[derive(Clone, Debug)]
pub struct RoutingSettings {
    /// The site's own links: in force whatever ops push. A link of the route set with the same id gives way to them.
    pub links: Vec<Arc<Link>>,
    /// The site's own routes over them: answer what the pushed ones do not.
    pub site: Option<Arc<RouteTable>>,
    /// How long an attempt over a link waits for the first response, 100 included, before the next one is made: a silent link
    /// may cost a call a second at most, the gateway's own work included.
    pub first_response: Duration,
    /// How long an attempt to another office waits for ringing or an answer after its 100.
    pub progress: Duration,
    /// The same for a carrier, which may take its time to find the called phone.
    pub progress_outside: Duration,
    /// With what we answer challenges of links' peers.
    pub credentials: HashMap<CredentialName, LinkCredentials>,
    /// What we show the federation's gateway.
    pub tokens: HashMap<CredentialName, FederationToken>,
    /// The number that called parties outside see and can call back; without one, the caller's own.
    pub main_number: Option<String>,
    /// Where the site's devices are, for emergency calls.
    pub places: Places,
    /// Whose phones and pages are told when somebody calls for help.
    pub emergency_contacts: Vec<Extension>,
    /// Numbers outside that carriers deliver here, although a route of ours would carry them out.
    pub inbound: Vec<Mask>,
    /// What other offices may do here, where ops say nothing.
    pub permissions: Permissions,
    /// The site's own rules for calls that go out; those that ops push come after them.
    pub rules: Rules,
    /// Limits of calls over links, while ops have pushed none.
    pub limits: Limits,
}

impl Default for RoutingSettings {
    fn default() -> Self {
        Self {
            links: Vec::new(),
            site: None,
            first_response: Duration::from_millis(900),
            progress: Duration::from_secs(4),
            progress_outside: Duration::from_secs(10),
            credentials: HashMap::new(),
            tokens: HashMap::new(),
            main_number: None,
            places: Places::default(),
            emergency_contacts: Vec::new(),
            inbound: Vec::new(),
            permissions: Permissions::default(),
            rules: Rules::default(),
            limits: Limits::default(),
        }
    }
}

/// A user name and password at a link's peer.
#[derive(Clone)]
pub struct LinkCredentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for LinkCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkCredentials(<redacted>)")
    }
}

/// Limits of the registrar (RFC 3261 §10.3).
#[derive(Clone, Debug)]
pub struct RegistrarSettings {
    /// When a device asks for none.
    pub default_expires: Duration,
    /// Shorter requests get 423.
    pub min_expires: Duration,
    /// Longer requests are shortened to this.
    pub max_expires: Duration,
    /// Most bindings of one extension; one more gets 403.
    pub per_extension: usize,
    /// Most bindings in all; one more gets 503.
    pub max_bindings: usize,
    /// How often a device is asked to send a keep-alive on its flow (RFC 5626 §4.4.1, `Flow-Timer`).
    pub flow_timer: Duration,
    /// How long a nonce may be used.
    pub nonce_lifetime: Duration,
}

/// Limits of calls.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// Most calls at once.
    pub max: usize,
    /// Most calls of one extension at once.
    pub per_extension: usize,
    /// How long devices ring, when no others of their user are left to try.
    pub ring_timeout: Duration,
    /// How long devices ring before the ones that their user prefers less are tried.
    pub ring_step: Duration,
    /// Longest call.
    pub max_duration: Duration,
    /// How long nothing may be heard of both parties.
    pub idle: Duration,
    /// Session-Expires that we ask for (RFC 4028).
    pub session_expires: Duration,
    /// Smallest Session-Expires that we accept.
    pub min_se: Duration,
    /// How long a browser may be away in mid-call (reload, network change).
    pub web_grace: Duration,
    /// The same while the call rings, as caller or called.
    pub web_ring_grace: Duration,
}

/// Where media go.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// The address that phones are told, when their flow does not show a better one.
    pub address: IpAddr,
    /// An address in front of a NAT that browsers are told beside the local one.
    pub external: Option<IpAddr>,
    /// The port for all browsers.
    pub webrtc: SocketAddr,
    /// The loopback port for all of Asterisk's channels.
    pub trunk: SocketAddr,
    /// The ports that the shell could bind for phones.
    pub phone_ports: Vec<PortNumbers>,
    /// How long a port rests before it is used again.
    pub rest: Duration,
    /// ICE-lite (RFC 8445 §2.5) or full.
    pub ice_lite: bool,
    /// Of the daemon's DTLS certificate.
    pub fingerprint: Fingerprint,
    /// Whether a phone's media may come from another port than it signalled (phones behind NAT).
    pub symmetric: bool,
}

/// The two ends of the loopback link to Asterisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsteriskSettings {
    /// Where Asterisk's PJSIP transport listens.
    pub remote: SocketAddr,
    /// Where our loopback socket is bound.
    pub local: SocketAddr,
    /// How often it is asked whether it is there.
    pub probe_every: Duration,
    /// Silence that counts as down.
    pub probe_timeout: Duration,
    /// How long a call waits for Asterisk's first response, 100 included, before it is tried without Asterisk.
    pub first_response: Duration,
    /// Most registrations per second that it is told after a restart.
    pub mirror_rate: u32,
}

impl AsteriskSettings {
    /// The way to Asterisk.
    pub const fn flow(&self) -> Flow {
        Flow {
            transport: Transport::Udp,
            local: self.local,
            remote: self.remote,
            connection: None,
            side: Side::Asterisk,
        }
    }
}

/// Digest guessing.
#[derive(Clone, Copy, Debug)]
pub struct LockOutSettings {
    /// Wrong answers within the window that lock a source out.
    pub failures: u32,
    /// The window.
    pub window: Duration,
    /// How long it is locked out.
    pub duration: Duration,
}

/// Messages of one source address.
#[derive(Clone, Copy, Debug)]
pub struct RateSettings {
    /// Sustained.
    pub per_second: u32,
    /// At once, above that.
    pub burst: u32,
}

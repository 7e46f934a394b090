//! Configuration and stored rows, as the pure rooms and the HTTP room want them.
//!
//! | file | what is there |
//! | --- | --- |
//! | this one | [`Config`] and what was bound → the engine's and the HTTP room's settings |
//! | `rows` | stored rows ⇄ bindings and accounts |
//! | `accounts` | [`AccountBook`]: the accounts as the HTTP room asks for them |

mod accounts;
mod rows;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

pub use accounts::AccountBook;
pub use rows::{AVAILABILITY, RowFlaw, TALLY, account, availability, binding, binding_row, write_of};

use tracing::warn;

use crate::api;
use crate::config::{Config, CountryCode, Federation, Ice, LinkPassword, LinkToken, read_key};
use crate::engine::numbering::{EmergencyNumbers, NumberPlan};
use crate::engine::policy::Mask;
use crate::engine::routing::{CredentialName, FederationToken};
use crate::engine::settings::{
    AsteriskSettings, CallSettings, LinkCredentials, LockOutSettings, MediaSettings, RateSettings,
    RegistrarSettings, RoutingSettings, Settings,
};
use crate::media::PortNumbers;
use crate::media::relay::RelaySettings;
use crate::sdp::{Fingerprint, OfficeCodecs};

/// Bindings in all; at 2 kB each they stay within a small box's memory.
const MAX_BINDINGS: usize = 20_000;
/// Transactions in all.
const MAX_TRANSACTIONS: usize = 20_000;
/// Calls of one extension at once.
const CALLS_PER_EXTENSION: usize = 10;
/// Digits of extensions: a number of so few behind a plus and a country code is one of an office there, and none of the
/// public network.
const EXTENSION_DIGITS: RangeInclusive<usize> = 2..=5;
/// How long a page may be away in mid-call.
const WEB_GRACE: Duration = Duration::from_secs(20);
/// The same while its call rings: somebody listens to the ringing.
const WEB_RING_GRACE: Duration = Duration::from_secs(5);
/// On loopback Asterisk answers an INVITE within milliseconds; a silent one delays a call by no more than this.
const FIRST_RESPONSE: Duration = Duration::from_secs(1);
/// Longest silence of Asterisk before it counts as down.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);
/// Registrations a second that Asterisk is told after a restart.
const MIRROR_RATE: u32 = 100;
/// Media ends for each call: both legs, and forks that ring.
const ENDS_PER_CALL: usize = 4;

/// What became of the sockets.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The port for all browsers.
    pub webrtc: SocketAddr,
    /// The port for all of Asterisk's channels.
    pub trunk: SocketAddr,
    /// The pairs that could be bound for phones.
    pub phone_ports: Vec<PortNumbers>,
    /// Our end of the signalling with Asterisk.
    pub asterisk: Option<SocketAddr>,
    /// Of the daemon's DTLS certificate.
    pub fingerprint: Fingerprint,
}

/// The engine's part of the configuration.
pub fn engine_settings(config: &Config, bound: &Bound) -> Settings {
    let limits = &config.sip.limits;
    Settings {
        office: config.office.id.to_string(),
        realm: config.sip.realm.clone(),
        registrar: registrar(config),
        calls: CallSettings {
            max: config.calls.max,
            per_extension: CALLS_PER_EXTENSION,
            ring_timeout: config.calls.ring_timeout,
            ring_step: config.calls.ring_step,
            max_duration: config.calls.max_duration,
            idle: config.calls.idle,
            session_expires: config.calls.session_expires,
            min_se: config.calls.min_session_expires,
            web_grace: WEB_GRACE,
            web_ring_grace: WEB_RING_GRACE,
        },
        media: media(config, bound),
        asterisk: asterisk(config, bound),
        numbers: number_plan(config),
        lock_out: LockOutSettings {
            failures: limits.lockout_failures,
            window: limits.lockout_window,
            duration: limits.lockout_time,
        },
        rate: RateSettings { per_second: limits.messages_per_second, burst: limits.message_burst },
        routing: routing(config),
        max_transactions: MAX_TRANSACTIONS,
    }
}

/// Links, numbers and places of the site's own. A password that cannot be read is left out: its link says so when it is
/// challenged.
fn routing(config: &Config) -> RoutingSettings {
    let federation = &config.federation;
    let password = |known: &LinkPassword| {
        let (username, password) = (known.username.clone(), secret(&known.name, &known.password)?);
        Some((known.name.clone(), LinkCredentials { username, password }))
    };
    let token = |known: &LinkToken| {
        let token = FederationToken::new(&secret(&known.name, &known.token)?);
        if token.is_none() {
            warn!(reason = "link-token", name = known.name.as_str(), "left out: expected one word");
        }
        Some((known.name.clone(), token?))
    };
    RoutingSettings {
        links: federation.links.clone(),
        site: federation.site.clone(),
        credentials: federation.credentials.iter().filter_map(password).collect(),
        tokens: federation.tokens.iter().filter_map(token).collect(),
        main_number: federation.main_number.clone(),
        places: federation.places.clone(),
        emergency_contacts: federation.emergency_contacts.clone(),
        inbound: inbound(federation),
        permissions: federation.permissions.clone(),
        rules: federation.rules.clone(),
        limits: federation.limits,
        ..RoutingSettings::default()
    }
}

/// Numbers that carriers deliver here: the configured ones, and the number that called parties outside see.
fn inbound(federation: &Federation) -> Vec<Mask> {
    let main = federation.main_number.as_ref().and_then(|number| number.parse().ok());
    federation.inbound.iter().cloned().chain(main).collect()
}

/// What a file holds for links; said when it cannot be read.
fn secret(name: &CredentialName, file: &Path) -> Option<String> {
    match read_key(file) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        Err(error) => {
            warn!(reason = "link-password", name = name.as_str(), "left out: {error}");
            None
        }
    }
}

/// Most media ends at once; the engine's, the media worker's and connectivity's tables agree on it.
pub fn max_ends(config: &Config) -> usize {
    config.calls.max.saturating_mul(ENDS_PER_CALL)
}

/// What the media worker's relay needs to know.
pub fn relay_settings(config: &Config) -> RelaySettings {
    RelaySettings {
        max_ends: u32::try_from(max_ends(config)).unwrap_or(u32::MAX),
        silence: config.media.silence_timeout,
        ..RelaySettings::default()
    }
}

/// The HTTP room's part of the configuration.
pub fn api_settings(config: &Config, session_key: api::SessionKey) -> api::Settings {
    let ice = match config.media.ice {
        Ice::Lite => api::IceMode::Lite,
        Ice::Full => api::IceMode::Full,
    };
    let codecs = OfficeCodecs::default().codecs();
    let codecs =
        codecs.iter().filter(|codec| codec.encoding().is_audio()).map(|codec| codec.name.clone()).collect();
    api::Settings {
        realm: config.sip.realm.clone(),
        origins: config.https.as_ref().map(|https| https.origins.clone()).unwrap_or_default(),
        ice_servers: Vec::new(),
        ice,
        codecs,
        session_key,
        numbers: number_plan(config),
        limits: api::Limits::default(),
    }
}

/// The addresses that browsers are told: every one of this box's where the socket takes all, and the external one.
pub fn announced(config: &Config, bound: &Bound) -> Vec<SocketAddr> {
    let port = bound.webrtc.port();
    let local = if bound.webrtc.ip().is_unspecified() { facing_the_world() } else { bound.webrtc.ip() };
    let addresses = config.media.external_address.into_iter().chain([local]);
    addresses.map(|address| SocketAddr::new(address, port)).collect()
}

fn registrar(config: &Config) -> RegistrarSettings {
    let registrar = &config.sip.registrar;
    RegistrarSettings {
        default_expires: registrar.default_expires,
        min_expires: registrar.min_expires,
        max_expires: registrar.max_expires,
        flow_timer: registrar.flow_timer,
        per_extension: registrar.devices_per_extension,
        max_bindings: MAX_BINDINGS,
        nonce_lifetime: registrar.nonce_life,
    }
}

fn media(config: &Config, bound: &Bound) -> MediaSettings {
    let media = &config.media;
    let address = if media.address.is_unspecified() { facing_the_world() } else { media.address };
    let webrtc = if bound.webrtc.ip().is_unspecified() {
        SocketAddr::new(address, bound.webrtc.port())
    } else {
        bound.webrtc
    };
    MediaSettings {
        address,
        external: media.external_address,
        webrtc,
        trunk: bound.trunk,
        phone_ports: bound.phone_ports.clone(),
        rest: media.rest,
        ice_lite: media.ice == Ice::Lite,
        fingerprint: bound.fingerprint.clone(),
        symmetric: media.symmetric_rtp,
    }
}

/// How the office's numbers look. Whatever the configuration says, 112 and 911 are emergency numbers.
pub(crate) fn number_plan(config: &Config) -> NumberPlan {
    let emergency = config.numbers.emergency.iter().map(String::as_str);
    let emergency = EmergencyNumbers::new(emergency).unwrap_or_default();
    let home = config.office.country_code.as_ref().map(CountryCode::number);
    NumberPlan::new(home, EXTENSION_DIGITS, emergency, [])
        .map(|plan| plan.of_office(config.office.id))
        .expect("invariant: a plan without services is within bounds")
}

fn asterisk(config: &Config, bound: &Bound) -> Option<AsteriskSettings> {
    let (asterisk, local) = (config.asterisk.as_ref()?, bound.asterisk?);
    Some(AsteriskSettings {
        remote: asterisk.address,
        local,
        probe_every: asterisk.probe,
        probe_timeout: PROBE_TIMEOUT.min(asterisk.probe),
        mirror_rate: MIRROR_RATE,
        first_response: FIRST_RESPONSE,
    })
}

/// The address of this box that faces the default route; loopback on a box without any. Nothing is sent.
fn facing_the_world() -> IpAddr {
    let documentation = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect(documentation).and_then(|()| socket.local_addr()))
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |local| local.ip())
}

#[cfg(test)]
mod tests;

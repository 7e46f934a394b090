//! The checked configuration, section by section, as the daemon sees it.
//!
//! Every value here has passed its own check and the checks across keys; nobody needs to look again.
//! [`Config::default`] is what an empty file gives: Branchline alone, TLS and the page on certificates
//! that it makes itself.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::federation::Federation;
use super::uplink::Uplink;
use super::values::{CountryCode, Network, OfficeId, PortRange};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who we are.
    pub office: Office,
    /// Where we keep things.
    pub paths: Paths,
    /// SIP listeners, registrar and limits.
    pub sip: Sip,
    /// The page, REST, `/ws/auth` and SIP over secure WebSocket (`/sip`); `None` when switched off.
    pub https: Option<Https>,
    /// Media addresses, ports and habits.
    pub media: Media,
    /// The Asterisk behind us; `None` when Branchline stands alone.
    pub asterisk: Option<Asterisk>,
    /// Limits of calls.
    pub calls: Calls,
    /// How many call records are kept.
    pub records: Records,
    /// Numbers with a meaning of their own.
    pub numbers: Numbers,
    /// MQTT to the federation's controller; `None` when no broker is named.
    pub uplink: Option<Uplink>,
    /// How other offices and carriers are reached, by the site's own word.
    pub federation: Federation,
    /// What is logged, and where.
    pub log: Log,
    /// The Prometheus listener; `None` when switched off.
    pub metrics: Option<Metrics>,
}

/// `[office]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Office {
    /// The office's id (`BRU`).
    pub id: OfficeId,
    /// A name for people.
    pub name: String,
    /// The calling code of the office's country, where one is set.
    pub country_code: Option<CountryCode>,
}

/// `[paths]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Database, own certificates. Survives a reboot.
    pub state: PathBuf,
    /// Control socket. Gone after a reboot.
    pub runtime: PathBuf,
}

impl Paths {
    /// The Unix socket on which `branchline status` and its like ask the daemon.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// Where a site's own CA and the daemon's own certificates lie.
    pub fn pki(&self) -> PathBuf {
        self.state.join("pki")
    }
}

/// `[sip]`
#[derive(Clone, Debug, PartialEq)]
pub struct Sip {
    /// The digest realm, and the host part of our AORs. Stored password hashes depend on it.
    pub realm: String,
    /// Other host names and addresses that mean us in a request URI, besides the realm and the
    /// addresses we listen on.
    pub domains: Vec<String>,
    /// The listeners, in the order of the file.
    pub listen: Vec<Listen>,
    /// Certificates of the TLS listeners.
    pub tls: SipTls,
    /// Registrations.
    pub registrar: Registrar,
    /// What strangers may ask of us.
    pub limits: SipLimits,
}

/// A transport of SIP that the configuration can name. WebSocket comes with `[https]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 3261 §18 over UDP.
    Udp,
    /// RFC 3261 §18 over TCP.
    Tcp,
    /// RFC 3261 §26.2 over TLS.
    Tls,
}

impl Transport {
    /// The name in configuration and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// `[[sip.listen]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The listener's name, unique; also the name of a socket handed over by systemd
    /// (`FileDescriptorName=`). `sip-udp`, `sip-tcp`, `sip-tls` unless set.
    pub name: String,
    /// What is spoken there.
    pub transport: Transport,
    /// Where we bind.
    pub address: SocketAddr,
    /// Who may talk to it. Empty means everyone; never empty for UDP and TCP, which are not encrypted.
    pub networks: Vec<Network>,
}

/// Where a listener's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Issued by the site's own CA in [`Paths::pki`], which the daemon makes if it is not there.
    Own,
    /// PEM files.
    Files {
        /// The certificate and its chain, leaf first.
        certificate: PathBuf,
        /// The private key (PKCS#8, SEC1 or PKCS#1), readable by the daemon alone.
        key: PathBuf,
    },
}

/// What we ask of a TLS client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// No certificate is asked for.
    Off,
    /// Asked for; if shown it must be valid.
    Optional,
    /// Without a valid one there is no connection.
    Required,
}

/// `[sip.tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipTls {
    /// Our certificate.
    pub certificate: Certificate,
    /// Whether phones must show one.
    pub clients: ClientCertificates,
    /// The CA that signs clients' certificates; `None` is the site's own CA.
    pub ca: Option<PathBuf>,
    /// The CA's revocation list; an expired list refuses every client.
    pub crl: Option<PathBuf>,
}

/// `[sip.registrar]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registrar {
    /// Expiry given to a device that does not ask for one.
    pub default_expires: Duration,
    /// Shorter wishes are refused with 423 (RFC 3261 §10.3).
    pub min_expires: Duration,
    /// Longer wishes are cut to this.
    pub max_expires: Duration,
    /// Bindings of one extension; one more is refused.
    pub devices_per_extension: usize,
    /// Life of a digest nonce.
    pub nonce_life: Duration,
    /// Interval of keep-alives that devices are asked for (`Flow-Timer`, RFC 5626 §4.4).
    pub flow_timer: Duration,
}

/// `[sip.limits]`
#[derive(Clone, Debug, PartialEq)]
pub struct SipLimits {
    /// Connections (TCP, TLS, WebSocket) in all.
    pub connections: usize,
    /// Connections of one source address.
    pub connections_per_source: usize,
    /// A TLS or WebSocket handshake takes at most this long.
    pub handshake_time: Duration,
    /// A message must be complete this long after its first byte.
    pub message_time: Duration,
    /// A connection without a byte from its peer is closed after this long.
    pub idle_time: Duration,
    /// Longest SIP message, in bytes.
    pub message_size: usize,
    /// Messages a second from one source, sustained.
    pub messages_per_second: u32,
    /// Messages that one source may send at once above the rate.
    pub message_burst: u32,
    /// Failed digests from one source, or for one name, within [`Self::lockout_window`], before lock-out.
    pub lockout_failures: u32,
    /// See [`Self::lockout_failures`].
    pub lockout_window: Duration,
    /// How long a lock-out lasts.
    pub lockout_time: Duration,
}

/// `[https]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// Where we bind.
    pub address: SocketAddr,
    /// Our certificate.
    pub certificate: Certificate,
    /// Whether browsers must show one.
    pub clients: ClientCertificates,
    /// The CA of browsers' certificates; `None` is the site's own CA.
    pub ca: Option<PathBuf>,
    /// That CA's revocation list.
    pub crl: Option<PathBuf>,
    /// Origins allowed to open our WebSockets besides our own (`https://intranet.example`).
    pub origins: Vec<String>,
}

/// How much of ICE we do towards browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ice {
    /// We answer checks only (RFC 8445 §2.5): enough where browsers reach us directly.
    Lite,
    /// We check too.
    Full,
}

/// `[media]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Where the media sockets towards phones and browsers bind.
    pub address: IpAddr,
    /// The address we announce; `None` announces the local address that faces the peer.
    pub external_address: Option<IpAddr>,
    /// The one UDP port for all browsers.
    pub webrtc_port: u16,
    /// Where the media socket towards Asterisk binds.
    pub trunk_address: IpAddr,
    /// The one UDP port towards Asterisk.
    pub trunk_port: u16,
    /// Ports for phones; each call's leg takes a pair.
    pub phone_ports: PortRange,
    /// How long a port rests before it is used again.
    pub rest: Duration,
    /// A leg without a packet for this long ends the call.
    pub silence_timeout: Duration,
    /// Towards browsers.
    pub ice: Ice,
    /// Send to where a phone's packets come from, not to where its SDP says (RFC 4961).
    pub symmetric_rtp: bool,
    /// DSCP of media packets, 0 to 63 (46 is expedited forwarding, RFC 3246).
    pub dscp: u8,
}

/// `[asterisk]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asterisk {
    /// Asterisk's PJSIP UDP transport.
    pub address: SocketAddr,
    /// Where Branchline's own UDP socket towards Asterisk binds.
    pub local: SocketAddr,
    /// The directory for the files that mirror our extensions; `None` writes none.
    pub config_dir: Option<PathBuf>,
    /// How often Asterisk is asked whether it lives (OPTIONS).
    pub probe: Duration,
}

/// `[calls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Calls at once; one more is refused with 503. Emergency calls are let through.
    pub max: usize,
    /// How long devices ring, when no others of their user are left to try.
    pub ring_timeout: Duration,
    /// How long devices ring before those with a lower q value are tried.
    pub ring_step: Duration,
    /// A call is ended after this long.
    pub max_duration: Duration,
    /// Session timer (RFC 4028), `Session-Expires`.
    pub session_expires: Duration,
    /// Session timer, `Min-SE`.
    pub min_session_expires: Duration,
    /// How long nothing may be heard of both parties of a call that is not on hold.
    pub idle: Duration,
    /// How long calls may go on when the daemon is told to stop.
    pub drain_time: Duration,
}

/// `[records]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// Call records kept at most; the oldest go first.
    pub keep: usize,
    /// Call records older than this go.
    pub max_age: Duration,
}

/// `[numbers]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Dialled as they are, in every mode.
    pub emergency: Vec<String>,
}

/// The least that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something is wrong and we go on.
    Warn,
    /// Calls and registrations.
    Info,
    /// Messages; may show numbers and addresses of people.
    Debug,
    /// Packets.
    Trace,
}

/// How a line looks on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether we speak to the systemd journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalChoice {
    /// When systemd started us with the journal behind standard error.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least that is logged.
    pub level: LogLevel,
    /// On standard error.
    pub format: LogFormat,
    /// The journal.
    pub journal: JournalChoice,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Plain HTTP, `GET /metrics`; loopback unless set.
    pub address: SocketAddr,
}

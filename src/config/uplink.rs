//! `[uplink]`, checked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// `[uplink]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The brokers, in the order in which they are tried; at least one.
    pub brokers: Vec<Broker>,
    /// Certificates, where a broker is reached by TLS.
    pub tls: Option<UplinkTls>,
    /// The MQTT client id; unique among all clients of the brokers.
    pub client_id: String,
    /// How often the broker hears from us when there is nothing to say (MQTT 5 §3.1.2.10).
    pub keep_alive: Duration,
    /// Name, TCP, TLS and MQTT handshakes together take at most this long.
    pub connect_time: Duration,
    /// The wait after the first failure of all brokers.
    pub retry_min: Duration,
    /// The longest wait between two rounds.
    pub retry_max: Duration,
    /// Health is published when it changes, and at least this often.
    pub health_interval: Duration,
    /// The program that carries out `update`; without one, such requests fail.
    pub update_program: Option<PathBuf>,
    /// Events that wait on flash for a broker, in bytes.
    pub outbox_size: u64,
    /// Who may sign route sets. Without any, every route set is refused.
    pub route_keys: Vec<RouteKey>,
    /// The file of the federation's keys, with which visitors' records are sealed. Without it this office's users cannot
    /// sign in elsewhere, nor others here.
    pub visitor_keys: Option<PathBuf>,
}

/// Where a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// A host name, or an IPv4 address.
    pub host: String,
    /// Its port; 8883 with TLS and 1883 without unless set.
    pub port: u16,
    /// Whether it is reached by TLS.
    pub tls: bool,
}

impl Broker {
    /// The port of MQTT over TLS (IANA).
    pub const TLS_PORT: u16 = 8883;
    /// The port of MQTT in clear (IANA).
    pub const CLEAR_PORT: u16 = 1883;

    /// Reads `mqtts://HOST[:PORT]`, or `mqtt://HOST[:PORT]`, with or without a slash at the end: what people type. The
    /// box's own file is read more strictly. `None` when it is neither.
    pub fn from_url(url: &str) -> Option<Self> {
        let (tls, rest) = match url.split_once("://")? {
            ("mqtts", rest) => (true, rest),
            ("mqtt", rest) => (false, rest),
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (rest, if tls { Self::TLS_PORT } else { Self::CLEAR_PORT }),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let is_whole = !host.is_empty() && host.bytes().all(is_host) && port != 0;
        is_whole.then(|| Self { host: host.to_owned(), port, tls })
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// The certificates of `[uplink]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkTls {
    /// Who signs the brokers' certificates.
    pub ca: PathBuf,
    /// Our certificate and its key; without one we show none.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// A key that signs route sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteKey {
    /// Its id (`kid`, RFC 7515 §4.1.4).
    pub kid: String,
    /// The Ed25519 public key (RFC 8032).
    pub key: [u8; 32],
}

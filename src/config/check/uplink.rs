//! `[uplink]`: brokers, certificates, limits, and who may sign route sets.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use toml::Spanned;

use super::{Checker, hours, place, seconds};
use crate::config::raw::{self, Text};
use crate::config::sections::Office;
use crate::config::syntax::{Size, Written};
use crate::config::uplink::{Broker, RouteKey, Uplink, UplinkTls};
use crate::sdp::base64::decode_into;

/// Brokers at most.
const MOST_BROKERS: usize = 8;
/// Keys that may sign route sets, at most.
const MOST_KEYS: usize = 16;
/// What stands before the 32 bytes in the DER of an Ed25519 public key (RFC 8410 §4).
const PUBLIC_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl Checker<'_> {
    pub(super) fn uplink(&mut self, raw: &raw::Uplink, office: &Office) -> Option<Uplink> {
        if is_absent(raw) {
            return None;
        }
        let brokers = self.brokers(raw);
        let (retry_min, retry_max) = self.retries(raw);
        Some(Uplink {
            tls: self.uplink_tls(raw, &brokers),
            brokers,
            client_id: self.client_id(raw, office),
            keep_alive: self.time(&raw.keep_alive, "uplink.keep-alive", seconds(15), seconds(5), hours(1)),
            connect_time: self.time(
                &raw.connect_time,
                "uplink.connect-time",
                seconds(10),
                seconds(1),
                seconds(120),
            ),
            retry_min,
            retry_max,
            health_interval: self.time(
                &raw.health_interval,
                "uplink.health-interval",
                seconds(60),
                seconds(1),
                hours(24),
            ),
            outbox_size: self.size(&raw.outbox_size, "uplink.outbox-size", 16 << 20, 64 << 10, 1 << 30),
            route_keys: self.route_keys(raw),
            visitor_keys: self.file(&raw.visitor_keys, "uplink.visitor-keys"),
            update_program: raw
                .update_program
                .as_ref()
                .map(|_| self.directory(&raw.update_program, "uplink.update-program", PathBuf::new())),
        })
    }

    fn brokers(&mut self, raw: &raw::Uplink) -> Vec<Broker> {
        let written = raw.brokers.as_deref().unwrap_or_default();
        if written.is_empty() || written.len() > MOST_BROKERS {
            let message = format!(
                "expected one to {MOST_BROKERS} brokers, as in brokers = [\"mqtts://broker.example:8883\"]"
            );
            if self.complete {
                self.refuse(None, "uplink.brokers", message);
            }
            return Vec::new();
        }
        let plain_allowed = raw.allow_plain.as_ref().is_some_and(|allowed| *allowed.get_ref());
        let brokers = written.iter().filter_map(|one| match broker(one.get_ref(), plain_allowed) {
            Ok(broker) => Some(broker),
            Err(message) => {
                self.refuse(Some(one.span()), "uplink.brokers", message);
                None
            }
        });
        brokers.collect()
    }

    fn uplink_tls(&mut self, raw: &raw::Uplink, brokers: &[Broker]) -> Option<UplinkTls> {
        let ca = self.file(&raw.ca, "uplink.ca");
        let certificate = self.file(&raw.certificate, "uplink.certificate");
        let key = self.file(&raw.key, "uplink.key");
        let pairs = [
            (&raw.certificate, "uplink.certificate", &raw.key, "uplink.key"),
            (&raw.key, "uplink.key", &raw.certificate, "uplink.certificate"),
        ];
        for (set, name, other, other_name) in pairs {
            if set.is_some() && other.is_none() && self.complete {
                let message = format!("certificate and key come together: set {other_name} too");
                self.refuse(place(set), name, message);
            }
        }
        if !brokers.iter().any(|broker| broker.tls) {
            return None;
        }
        if raw.ca.is_none() && self.complete {
            let message = "a broker by TLS needs the CA that signs its certificate, as in ca = \"/etc/branchline/uplink-ca.pem\"";
            self.refuse(None, "uplink.ca", message);
        }
        Some(UplinkTls { ca: ca?, own: certificate.zip(key) })
    }

    /// MQTT 5 §3.1.3.1 lets a broker refuse other characters.
    fn client_id(&mut self, raw: &raw::Uplink, office: &Office) -> String {
        let Some(written) = &raw.client_id else { return office.id.to_string() };
        let id = written.get_ref();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !(1..=64).contains(&id.len()) || !id.chars().all(allowed) {
            let message =
                format!("expected 1 to 64 letters, digits, dots, hyphens and underscores, found \"{id}\"");
            self.refuse(Some(written.span()), "uplink.client-id", message);
        }
        id.clone()
    }

    fn retries(&mut self, raw: &raw::Uplink) -> (std::time::Duration, std::time::Duration) {
        let (least, most) = (seconds(1) / 10, hours(1));
        let max = self.time(&raw.retry_max, "uplink.retry-max", seconds(60), least, most);
        let min = self.time(&raw.retry_min, "uplink.retry-min", seconds(1).min(max), least, most);
        self.ordered(("uplink.retry-min", &raw.retry_min, min), ("uplink.retry-max", &raw.retry_max, max));
        (min, max)
    }

    fn size(&mut self, key: &Text<Size>, name: &str, default: u64, least: u64, most: u64) -> u64 {
        let Some(written) = key else { return default };
        let Written(Size(size)) = written.get_ref();
        if (least..=most).contains(size) {
            return *size;
        }
        let message = format!(
            "expected a size from \"{}KiB\" to \"{}KiB\", found {size} bytes",
            least >> 10,
            most >> 10
        );
        self.refuse(Some(written.span()), name, message);
        default
    }

    fn route_keys(&mut self, raw: &raw::Uplink) -> Vec<RouteKey> {
        let mut seen = BTreeSet::new();
        let mut keys = Vec::new();
        for (kid, written) in raw.route_keys.iter().take(MOST_KEYS + 1) {
            let name = format!("uplink.route-keys.{kid}");
            match route_key(kid, written) {
                Ok(_) if keys.len() == MOST_KEYS => {
                    self.refuse(Some(written.span()), &name, format!("expected at most {MOST_KEYS} keys"));
                }
                Ok(key) if !seen.insert(key.key) => {
                    self.refuse(Some(written.span()), &name, "the same key stands under another name");
                }
                Ok(key) => keys.push(key),
                Err(message) => self.refuse(Some(written.span()), &name, message),
            }
        }
        keys
    }
}

/// Whether the section says nothing at all.
fn is_absent(raw: &raw::Uplink) -> bool {
    let raw::Uplink {
        brokers, allow_plain, ca, certificate, key, client_id, route_keys, visitor_keys, ..
    } = raw;
    let times = [&raw.keep_alive, &raw.connect_time, &raw.retry_min, &raw.retry_max, &raw.health_interval];
    brokers.is_none()
        && allow_plain.is_none()
        && [ca, certificate, key, client_id, visitor_keys].iter().all(|key| key.is_none())
        && times.iter().all(|key| key.is_none())
        && raw.outbox_size.is_none()
        && route_keys.is_empty()
}

fn broker(text: &str, plain_allowed: bool) -> Result<Broker, String> {
    let expected = || format!("expected a broker as in \"mqtts://broker.example:8883\", found \"{text}\"");
    let (tls, rest) = match text.split_once("://") {
        Some(("mqtts", rest)) => (true, rest),
        Some(("mqtt", rest)) => (false, rest),
        _ => return Err(expected()),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(expected)?),
        None => (rest, if tls { Broker::TLS_PORT } else { Broker::CLEAR_PORT }),
    };
    if host.starts_with('[') || host.contains(':') {
        return Err(format!(
            "an IPv6 address cannot stand here: give the broker a host name, found \"{text}\""
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if !(1..=253).contains(&host.len()) || !host.chars().all(allowed) {
        return Err(expected());
    }
    if !tls && !plain_allowed && !is_loopback(host) {
        return Err(format!(
            "\"{text}\" is not encrypted: use mqtts://, or set allow-plain = true if the network protects it"
        ));
    }
    Ok(Broker { host: host.to_owned(), port, tls })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn route_key(kid: &str, written: &Spanned<String>) -> Result<RouteKey, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !(1..=64).contains(&kid.len()) || !kid.chars().all(allowed) {
        return Err(
            "expected a key's name of 1 to 64 letters, digits, dots, hyphens and underscores".to_owned()
        );
    }
    let key = public_key(written.get_ref()).ok_or_else(|| {
        "expected an Ed25519 public key as `branchline ops keygen` prints it: 43 characters of base64url"
            .to_owned()
    })?;
    Ok(RouteKey { kid: kid.to_owned(), key })
}

/// The 32 bytes of a key: in PEM as OpenSSL writes it, or the line between PEM's first and last (RFC 8410 §4), or base64url
/// as in a JWK's `x` (RFC 8037 §2).
fn public_key(text: &str) -> Option<[u8; 32]> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let standard: String = lines
        .flat_map(str::chars)
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let mut bytes = [0; PUBLIC_HEAD.len() + 32];
    let length = decode_into(&standard, &mut bytes)?;
    let bytes = bytes.get(..length)?;
    bytes.strip_prefix(PUBLIC_HEAD.as_slice()).unwrap_or(bytes).try_into().ok()
}

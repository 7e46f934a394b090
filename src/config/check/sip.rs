//! `[sip]` and `[https]`: listeners, certificates, registrar, limits.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use super::{Checker, hours, place, plain, seconds};
use crate::config::raw::{self, Key, Text};
use crate::config::sections::{
    ClientCertificates, Https, Listen, Registrar, Sip, SipLimits, SipTls, Transport,
};

impl Checker<'_> {
    pub(super) fn sip(&mut self, raw: &raw::Sip) -> Sip {
        for domain in &raw.domains {
            if !is_host(domain.get_ref()) {
                let message = format!("expected a host name or address, found \"{}\"", domain.get_ref());
                self.refuse(Some(domain.span()), "sip.domains", message);
            }
        }
        Sip {
            realm: self.realm(&raw.realm),
            domains: raw.domains.iter().map(|domain| domain.get_ref().clone()).collect(),
            listen: self.listeners(raw.listen.as_deref()),
            tls: self.tls(&raw.tls),
            registrar: self.registrar(&raw.registrar),
            limits: self.limits(&raw.limits),
        }
    }

    pub(super) fn https(&mut self, raw: &raw::Https, sip: &[Listen]) -> Option<Https> {
        let clients = plain(&raw.client_certificate, ClientCertificates::Off);
        let address = plain(&raw.address, SocketAddr::from(([0, 0, 0, 0], 8443)));
        let https = Https {
            address,
            certificate: self.certificate("https", &raw.certificate, &raw.key),
            clients,
            ca: self.client_file("https.ca", clients, &raw.ca),
            crl: self.client_file("https.crl", clients, &raw.crl),
            origins: raw.origins.iter().map(|origin| origin.get_ref().clone()).collect(),
        };
        for origin in &raw.origins {
            if !is_origin(origin.get_ref()) {
                let message = format!(
                    "expected an origin as in \"https://intranet.example\", found \"{}\"",
                    origin.get_ref()
                );
                self.refuse(Some(origin.span()), "https.origins", message);
            }
        }
        let enabled = raw.enabled.as_ref().is_none_or(|enabled| *enabled.get_ref());
        if let Some(taken) =
            sip.iter().find(|listen| enabled && uses_tcp(listen) && meet(listen.address, address))
        {
            let message = format!("{address} is already taken by the SIP listener \"{}\"", taken.name);
            self.refuse(place(&raw.address), "https.address", message);
        }
        enabled.then_some(https)
    }

    fn realm(&mut self, key: &Key<String>) -> String {
        let Some(written) = key else { return "branchline".to_owned() };
        if !is_host(written.get_ref()) {
            let message =
                format!("expected a host name, as in \"bru.example\", found \"{}\"", written.get_ref());
            self.refuse(Some(written.span()), "sip.realm", message);
        }
        written.get_ref().clone()
    }

    fn listeners(&mut self, raw: Option<&[toml::Spanned<raw::Listen>]>) -> Vec<Listen> {
        let Some(raw) = raw else {
            let address = SocketAddr::from(([0, 0, 0, 0], 5061));
            let name = "sip-tls".to_owned();
            return vec![Listen { name, transport: Transport::Tls, address, networks: Vec::new() }];
        };
        let mut listeners: Vec<Listen> = Vec::new();
        let mut names = BTreeSet::new();
        for one in raw {
            let Some(listen) = self.listener(one.get_ref(), one.span()) else { continue };
            if !names.insert(listen.name.clone()) {
                let message =
                    format!("two listeners are called \"{}\": give each its own `name`", listen.name);
                self.refuse(Some(one.span()), "sip.listen", message);
            }
            let same_socket =
                |other: &&Listen| meet(other.address, listen.address) && uses_tcp(other) == uses_tcp(&listen);
            if let Some(taken) = listeners.iter().find(same_socket) {
                let message = format!("{} is already taken by \"{}\"", listen.address, taken.name);
                self.refuse(place(&one.get_ref().address), "sip.listen.address", message);
            }
            listeners.push(listen);
        }
        listeners
    }

    fn listener(&mut self, raw: &raw::Listen, span: Range<usize>) -> Option<Listen> {
        let (Some(transport), Some(address)) = (&raw.transport, &raw.address) else {
            if self.complete {
                let message = "expected `transport` and `address`, as in transport = \"tls\" and address = \"0.0.0.0:5061\"";
                self.refuse(Some(span), "sip.listen", message);
            }
            return None;
        };
        let (transport_span, transport) = (transport.span(), transport.get_ref().0);
        let networks: Vec<_> = raw.networks.iter().map(|network| network.0).collect();
        if networks.is_empty() && transport != Transport::Tls {
            let message = format!(
                "{} is not encrypted: name the networks that may use it, as in networks = [\"192.168.10.0/24\"]",
                transport.as_str().to_uppercase()
            );
            self.refuse(Some(transport_span), "sip.listen.networks", message);
        }
        let name = self.words(&raw.name, "sip.listen.name", &format!("sip-{}", transport.as_str()));
        Some(Listen { name, transport, address: address.get_ref().0, networks })
    }

    fn tls(&mut self, raw: &raw::Tls) -> SipTls {
        let clients = plain(&raw.client_certificate, ClientCertificates::Off);
        SipTls {
            certificate: self.certificate("sip.tls", &raw.certificate, &raw.key),
            clients,
            ca: self.client_file("sip.tls.ca", clients, &raw.ca),
            crl: self.client_file("sip.tls.crl", clients, &raw.crl),
        }
    }

    /// A file that only matters where clients show certificates.
    fn client_file(&mut self, name: &str, clients: ClientCertificates, key: &Key<String>) -> Option<PathBuf> {
        if clients == ClientCertificates::Off && key.is_some() {
            let message =
                "has no effect while client-certificate is \"off\"; set that to \"optional\" or \"required\"";
            self.refuse(place(key), name, message);
        }
        self.file(key, name)
    }

    fn registrar(&mut self, raw: &raw::Registrar) -> Registrar {
        let name = |key: &str| format!("sip.registrar.{key}");
        let (least, most) = (seconds(10), hours(24 * 7));
        let registrar = Registrar {
            default_expires: self.time(&raw.default_expires, &name("default-expires"), hours(1), least, most),
            min_expires: self.time(&raw.min_expires, &name("min-expires"), seconds(60), seconds(1), most),
            max_expires: self.time(&raw.max_expires, &name("max-expires"), hours(2), least, most),
            devices_per_extension: self.number(
                &raw.devices_per_extension,
                &name("devices-per-extension"),
                10,
                1,
                100,
            ),
            nonce_life: self.time(&raw.nonce_life, &name("nonce-life"), seconds(300), least, hours(24)),
            flow_timer: self.time(&raw.flow_timer, &name("flow-timer"), seconds(120), least, hours(1)),
        };
        self.ordered(
            ("sip.registrar.min-expires", &raw.min_expires, registrar.min_expires),
            ("sip.registrar.default-expires", &raw.default_expires, registrar.default_expires),
        );
        self.ordered(
            ("sip.registrar.default-expires", &raw.default_expires, registrar.default_expires),
            ("sip.registrar.max-expires", &raw.max_expires, registrar.max_expires),
        );
        registrar
    }

    fn limits(&mut self, raw: &raw::Limits) -> SipLimits {
        let name = |key: &str| format!("sip.limits.{key}");
        let minute = seconds(60);
        let connections = self.number(&raw.connections, &name("connections"), 4096, 1, 100_000);
        SipLimits {
            connections,
            connections_per_source: self.per_source(raw, connections),
            handshake_time: self.time(
                &raw.handshake_time,
                &name("handshake-time"),
                seconds(10),
                seconds(1),
                minute,
            ),
            message_time: self.time(
                &raw.message_time,
                &name("message-time"),
                seconds(10),
                seconds(1),
                minute,
            ),
            idle_time: self.time(&raw.idle_time, &name("idle-time"), seconds(600), seconds(30), hours(24)),
            message_size: self.message_size(raw),
            messages_per_second: self.number(
                &raw.messages_per_second,
                &name("messages-per-second"),
                100,
                1,
                1_000_000,
            ),
            message_burst: self.number(&raw.message_burst, &name("message-burst"), 400, 1, 1_000_000),
            lockout_failures: self.number(&raw.lockout_failures, &name("lockout-failures"), 10, 2, 10_000),
            lockout_window: self.time(
                &raw.lockout_window,
                &name("lockout-window"),
                seconds(300),
                seconds(1),
                hours(24),
            ),
            lockout_time: self.time(
                &raw.lockout_time,
                &name("lockout-time"),
                seconds(900),
                seconds(1),
                hours(24 * 7),
            ),
        }
    }

    fn message_size(&mut self, raw: &raw::Limits) -> usize {
        const DEFAULT: usize = 64 << 10;
        let Some(written) = &raw.message_size else { return DEFAULT };
        match usize::try_from(written.get_ref().0.0) {
            Ok(size) if (2048..=1 << 20).contains(&size) => size,
            _ => {
                let message = "expected a size from \"2KiB\" to \"1MiB\"";
                self.refuse(Some(written.span()), "sip.limits.message-size", message);
                DEFAULT
            }
        }
    }

    fn per_source(&mut self, raw: &raw::Limits, connections: usize) -> usize {
        let key = &raw.connections_per_source;
        let name = "sip.limits.connections-per-source";
        let per_source = self.number(key, name, 256.min(connections), 1, 100_000);
        if per_source > connections {
            let message = format!("expected no more than sip.limits.connections ({connections})");
            self.refuse(place(key), name, message);
        }
        per_source
    }

    /// Two times of which the first must not be longer.
    pub(super) fn ordered(
        &mut self,
        (short_name, short_key, short): (&str, &Text<crate::config::syntax::Time>, std::time::Duration),
        (long_name, long_key, long): (&str, &Text<crate::config::syntax::Time>, std::time::Duration),
    ) {
        if short > long {
            let (short, long) = (super::show(short), super::show(long));
            let message =
                format!("expected {short_name} ({short}) to be no longer than {long_name} ({long})");
            let key = if long_key.is_some() { long_name } else { short_name };
            self.refuse(place(long_key).or_else(|| place(short_key)), key, message);
        }
    }
}

/// Whether two sockets would be bound to the same port. Port 0 is any free one.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() != 0
}

fn uses_tcp(listen: &Listen) -> bool {
    listen.transport != Transport::Udp
}

/// A host name or address, loosely: what may stand in a SIP URI and in a quoted realm.
fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (1..=128).contains(&text.len()) && text.chars().all(allowed)
}

/// Scheme and host, nothing after it (RFC 6454 §6.2).
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(is_host)
}

//! The TOML file as serde sees it. Every key is optional here; `check` gives defaults and demands.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use toml::Spanned;

use super::sections::{ClientCertificates, Ice, JournalChoice, LogFormat, LogLevel, Transport};
use super::syntax::{Size, Time, Written};
use super::values::{CountryCode, Network, OfficeId, PortRange};

/// A key that may be absent, and where it stands.
pub(super) type Key<T> = Option<Spanned<T>>;
/// The same, for a value with a syntax of its own.
pub(super) type Text<T> = Key<Written<T>>;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident { $($key:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub(super) struct $name {
            $(pub(super) $key: $type,)*
        }
    )*};
}

tables! {
    /// The file.
    File {
        office: Office,
        paths: Paths,
        sip: Sip,
        https: Https,
        media: Media,
        asterisk: Asterisk,
        calls: Calls,
        records: Records,
        numbers: Numbers,
        uplink: Uplink,
        federation: Federation,
        log: Log,
        metrics: Metrics,
    }
    /// `[office]`
    Office {
        id: Text<OfficeId>,
        name: Key<String>,
        country_code: Text<CountryCode>,
    }
    /// `[paths]`
    Paths {
        state_dir: Key<String>,
        runtime_dir: Key<String>,
    }
    /// `[sip]`
    Sip {
        realm: Key<String>,
        domains: Vec<Spanned<String>>,
        listen: Option<Vec<Spanned<Listen>>>,
        tls: Tls,
        registrar: Registrar,
        limits: Limits,
    }
    /// `[[sip.listen]]`
    Listen {
        name: Key<String>,
        transport: Text<Transport>,
        address: Text<SocketAddr>,
        networks: Vec<Written<Network>>,
    }
    /// `[sip.tls]`
    Tls {
        certificate: Key<String>,
        key: Key<String>,
        client_certificate: Text<ClientCertificates>,
        ca: Key<String>,
        crl: Key<String>,
    }
    /// `[sip.registrar]`
    Registrar {
        default_expires: Text<Time>,
        min_expires: Text<Time>,
        max_expires: Text<Time>,
        devices_per_extension: Key<usize>,
        nonce_life: Text<Time>,
        flow_timer: Text<Time>,
    }
    /// `[sip.limits]`
    Limits {
        connections: Key<usize>,
        connections_per_source: Key<usize>,
        handshake_time: Text<Time>,
        message_time: Text<Time>,
        idle_time: Text<Time>,
        message_size: Text<Size>,
        messages_per_second: Key<u32>,
        message_burst: Key<u32>,
        lockout_failures: Key<u32>,
        lockout_window: Text<Time>,
        lockout_time: Text<Time>,
    }
    /// `[https]`
    Https {
        enabled: Key<bool>,
        address: Text<SocketAddr>,
        certificate: Key<String>,
        key: Key<String>,
        client_certificate: Text<ClientCertificates>,
        ca: Key<String>,
        crl: Key<String>,
        origins: Vec<Spanned<String>>,
    }
    /// `[media]`
    Media {
        address: Text<IpAddr>,
        external_address: Text<IpAddr>,
        webrtc_port: Key<u16>,
        trunk_address: Text<IpAddr>,
        trunk_port: Key<u16>,
        phone_ports: Text<PortRange>,
        rest: Text<Time>,
        silence_timeout: Text<Time>,
        ice: Text<Ice>,
        symmetric_rtp: Key<bool>,
        dscp: Key<u8>,
    }
    /// `[asterisk]`
    Asterisk {
        enabled: Key<bool>,
        address: Text<SocketAddr>,
        local: Text<SocketAddr>,
        config_dir: Key<String>,
        probe: Text<Time>,
    }
    /// `[calls]`
    Calls {
        max: Key<usize>,
        ring_timeout: Text<Time>,
        ring_step: Text<Time>,
        max_duration: Text<Time>,
        idle_timeout: Text<Time>,
        session_expires: Text<Time>,
        min_session_expires: Text<Time>,
        drain_time: Text<Time>,
    }
    /// `[records]`
    Records {
        keep: Key<usize>,
        max_age: Text<Time>,
    }
    /// `[numbers]`
    Numbers {
        emergency: Option<Vec<Spanned<String>>>,
    }
    /// `[uplink]`
    Uplink {
        brokers: Option<Vec<Spanned<String>>>,
        allow_plain: Key<bool>,
        ca: Key<String>,
        certificate: Key<String>,
        key: Key<String>,
        client_id: Key<String>,
        keep_alive: Text<Time>,
        connect_time: Text<Time>,
        retry_min: Text<Time>,
        retry_max: Text<Time>,
        health_interval: Text<Time>,
        outbox_size: Text<Size>,
        route_keys: BTreeMap<String, Spanned<String>>,
        visitor_keys: Key<String>,
        update_program: Key<String>,
    }
    /// `[federation]`
    Federation {
        address: Text<SocketAddr>,
        udp_address: Text<SocketAddr>,
        certificate: Key<String>,
        key: Key<String>,
        ca: Key<String>,
        crl: Key<String>,
        main_number: Key<String>,
        emergency_contacts: Vec<Spanned<String>>,
        geo: Key<String>,
        civic: Key<String>,
        link: Vec<Spanned<FederationLink>>,
        route: Vec<Spanned<FederationRoute>>,
        credential: Vec<Spanned<FederationCredential>>,
        place: Vec<Spanned<FederationPlace>>,
        inbound_numbers: Option<Vec<Spanned<String>>>,
        limits: FederationLimits,
        permission: Vec<Spanned<FederationPermission>>,
        rule: Vec<Spanned<FederationRule>>,
    }
    /// `[federation.limits]`
    FederationLimits {
        calls: Key<u32>,
        calls_per_user: Key<u32>,
        calls_per_office: Key<u32>,
    }
    /// `[[federation.permission]]`
    FederationPermission {
        office: Key<String>,
        may: Option<Vec<Spanned<String>>>,
        numbers: Option<Vec<Spanned<String>>>,
        visitors: Option<Vec<Spanned<String>>>,
    }
    /// `[[federation.rule]]`
    FederationRule {
        name: Key<String>,
        numbers: Option<Vec<Spanned<String>>>,
        from: Option<Vec<Spanned<String>>>,
        action: Key<String>,
        per: Key<String>,
        calls_per_hour: Key<u32>,
        minutes_per_day: Key<u32>,
        spend_per_day: Key<u32>,
        max_duration: Text<Time>,
    }
    /// `[[federation.link]]`
    FederationLink {
        id: Key<String>,
        kind: Key<String>,
        office: Key<String>,
        address: Key<String>,
        credentials: Key<String>,
        register: Text<Time>,
        cost: Key<u32>,
        price: Key<u32>,
        priority: Key<u16>,
        weight: Key<u16>,
        max_calls: Key<u32>,
        location: Key<String>,
        probe: Text<Time>,
    }
    /// `[[federation.route]]`
    FederationRoute {
        pattern: Key<String>,
        links: Vec<Spanned<String>>,
        strip: Key<u8>,
        prefix: Key<String>,
        price: Key<u32>,
    }
    /// `[[federation.credential]]`
    FederationCredential {
        name: Key<String>,
        username: Key<String>,
        password_file: Key<String>,
        token_file: Key<String>,
    }
    /// `[[federation.place]]`
    FederationPlace {
        extensions: Vec<Spanned<String>>,
        networks: Vec<Written<Network>>,
        geo: Key<String>,
        civic: Key<String>,
        callback: Key<String>,
    }
    /// `[log]`
    Log {
        level: Text<LogLevel>,
        format: Text<LogFormat>,
        journal: Text<JournalChoice>,
    }
    /// `[metrics]`
    Metrics {
        enabled: Key<bool>,
        address: Text<SocketAddr>,
    }
}

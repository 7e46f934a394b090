//! What the engine's tests share: settings, a clock, flows, messages.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::flow::{Flow, Side};
use super::numbering::{CountryCode, EmergencyNumbers, NumberPlan};
use super::settings::{
    AsteriskSettings, CallSettings, LockOutSettings, MediaSettings, RateSettings, RegistrarSettings,
    RoutingSettings, Settings,
};
use crate::media::PortNumbers;
use crate::sdp::Fingerprint;
use crate::sip::{Message, Transport, parse};
use crate::time::{Now, WallTime};

pub(crate) fn now() -> Now {
    Now { instant: Instant::now(), wall: WallTime(1_700_000_000_000) }
}

pub(crate) fn udp(remote: &str) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: address("192.0.2.1:5060"),
        remote: address(remote),
        connection: None,
        side: Side::Site,
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(crate) fn message(text: &str) -> Message {
    parse::parse(bytes::Bytes::from(text.to_owned())).expect("a message")
}

pub(crate) fn settings() -> Settings {
    let seconds = Duration::from_secs;
    Settings {
        office: "BRU".to_owned(),
        realm: "branchline".to_owned(),
        registrar: RegistrarSettings {
            default_expires: seconds(3600),
            min_expires: seconds(60),
            max_expires: seconds(7200),
            flow_timer: seconds(120),
            per_extension: 5,
            max_bindings: 5_000,
            nonce_lifetime: seconds(300),
        },
        calls: CallSettings {
            max: 100,
            per_extension: 10,
            ring_timeout: seconds(60),
            ring_step: seconds(20),
            max_duration: seconds(4 * 3600),
            idle: seconds(600),
            session_expires: seconds(1800),
            min_se: seconds(90),
            web_grace: seconds(15),
            web_ring_grace: seconds(5),
        },
        media: MediaSettings {
            address: "192.0.2.1".parse().expect("an address"),
            external: None,
            webrtc: address("192.0.2.1:10000"),
            trunk: address("127.0.0.1:10001"),
            phone_ports: (0..50).map(|n| PortNumbers { rtp: 20_000 + 2 * n, rtcp: 20_001 + 2 * n }).collect(),
            rest: seconds(60),
            ice_lite: true,
            fingerprint: Fingerprint::sha256([7; 32]),
            symmetric: true,
        },
        asterisk: Some(AsteriskSettings {
            remote: address("127.0.0.1:5080"),
            local: address("127.0.0.1:5070"),
            probe_every: seconds(10),
            probe_timeout: seconds(2),
            first_response: seconds(1),
            mirror_rate: 100,
        }),
        lock_out: LockOutSettings { failures: 5, window: seconds(60), duration: seconds(300) },
        rate: RateSettings { per_second: 50, burst: 100 },
        numbers: NumberPlan::new(CountryCode::new(32), 2..=5, EmergencyNumbers::default(), [])
            .expect("a plan")
            .of_office("BRU".parse().expect("an office")),
        routing: RoutingSettings::default(),
        max_transactions: 20_000,
    }
}

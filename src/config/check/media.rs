//! `[media]`, `[asterisk]` and `[calls]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{Checker, hours, place, plain, seconds};
use crate::config::raw::{self, Key};
use crate::config::sections::{Asterisk, Calls, Ice, Media};
use crate::config::values::PortRange;

impl Checker<'_> {
    pub(super) fn media(&mut self, raw: &raw::Media, calls: &Calls) -> Media {
        let default_ports: PortRange = "20000-20999".parse().expect("invariant: the default ports are valid");
        let media = Media {
            address: plain(&raw.address, Ipv4Addr::UNSPECIFIED.into()),
            external_address: raw.external_address.as_ref().map(|address| address.get_ref().0),
            webrtc_port: self.number(&raw.webrtc_port, "media.webrtc-port", 19_000, 1024, u16::MAX),
            trunk_address: plain(&raw.trunk_address, Ipv4Addr::LOCALHOST.into()),
            trunk_port: self.number(&raw.trunk_port, "media.trunk-port", 19_002, 1024, u16::MAX),
            phone_ports: plain(&raw.phone_ports, default_ports),
            rest: self.time(&raw.rest, "media.rest", seconds(60), seconds(0), hours(1)),
            silence_timeout: self.time(
                &raw.silence_timeout,
                "media.silence-timeout",
                seconds(30),
                seconds(1),
                hours(1),
            ),
            ice: plain(&raw.ice, Ice::Full),
            symmetric_rtp: raw.symmetric_rtp.as_ref().is_none_or(|symmetric| *symmetric.get_ref()),
            dscp: self.number(&raw.dscp, "media.dscp", 46, 0, 63),
        };
        self.announced_address(raw, &media);
        self.ports(raw, &media, calls);
        media
    }

    pub(super) fn asterisk(&mut self, raw: &raw::Asterisk) -> Option<Asterisk> {
        let asterisk = Asterisk {
            address: plain(&raw.address, loopback(5080)),
            local: plain(&raw.local, loopback(5070)),
            config_dir: self.config_directory(&raw.config_dir),
            probe: self.time(&raw.probe, "asterisk.probe", seconds(5), seconds(1), hours(1)),
        };
        if asterisk.address == asterisk.local {
            let message = format!("asterisk.address and asterisk.local are both {}", asterisk.local);
            self.refuse(place(&raw.local).or_else(|| place(&raw.address)), "asterisk.local", message);
        }
        if asterisk.address.is_ipv4() != asterisk.local.is_ipv4() {
            let message = "asterisk.address and asterisk.local must both be IPv4 or both IPv6";
            self.refuse(place(&raw.local).or_else(|| place(&raw.address)), "asterisk.local", message);
        }
        let enabled = raw.enabled.as_ref().is_some_and(|enabled| *enabled.get_ref());
        enabled.then_some(asterisk)
    }

    pub(super) fn calls(&mut self, raw: &raw::Calls) -> Calls {
        let (ring_step, ring_timeout) = self.ring_times(raw);
        let calls = Calls {
            max: self.number(&raw.max, "calls.max", 200, 1, 10_000),
            ring_timeout,
            ring_step,
            max_duration: self.time(
                &raw.max_duration,
                "calls.max-duration",
                hours(4),
                seconds(10),
                hours(48),
            ),
            session_expires: self.time(
                &raw.session_expires,
                "calls.session-expires",
                seconds(1800),
                seconds(90),
                hours(24),
            ),
            min_session_expires: self.time(
                &raw.min_session_expires,
                "calls.min-session-expires",
                seconds(90),
                seconds(90),
                hours(24),
            ),
            idle: self.time(&raw.idle_timeout, "calls.idle-timeout", seconds(600), seconds(60), hours(24)),
            drain_time: self.time(&raw.drain_time, "calls.drain-time", seconds(20), seconds(0), hours(1)),
        };
        self.ordered(
            ("calls.min-session-expires", &raw.min_session_expires, calls.min_session_expires),
            ("calls.session-expires", &raw.session_expires, calls.session_expires),
        );
        calls
    }

    fn ring_times(&mut self, raw: &raw::Calls) -> (Duration, Duration) {
        let (least, most) = (seconds(5), seconds(600));
        let timeout = self.time(&raw.ring_timeout, "calls.ring-timeout", seconds(60), least, most);
        let step = self.time(&raw.ring_step, "calls.ring-step", seconds(20).min(timeout), least, most);
        self.ordered(
            ("calls.ring-step", &raw.ring_step, step),
            ("calls.ring-timeout", &raw.ring_timeout, timeout),
        );
        (step, timeout)
    }

    fn announced_address(&mut self, raw: &raw::Media, media: &Media) {
        if let (Some(external), Some(written)) = (media.external_address, &raw.external_address)
            && (external.is_unspecified() || external.is_multicast())
        {
            let message =
                format!("{external} cannot be reached: expected the address that phones can send to");
            self.refuse(Some(written.span()), "media.external-address", message);
        }
    }

    fn ports(&mut self, raw: &raw::Media, media: &Media, calls: &Calls) {
        for (key, name, port) in [
            (&raw.webrtc_port, "media.webrtc-port", media.webrtc_port),
            (&raw.trunk_port, "media.trunk-port", media.trunk_port),
        ] {
            if media.phone_ports.contains(port) {
                let message = format!("port {port} lies within media.phone-ports");
                self.refuse(place(key).or_else(|| place(&raw.phone_ports)), name, message);
            }
        }
        let overlapping = overlap(media.address, media.trunk_address);
        if media.webrtc_port == media.trunk_port && overlapping {
            let message = format!("media.webrtc-port and media.trunk-port are both {}", media.trunk_port);
            self.refuse(
                place(&raw.trunk_port).or_else(|| place(&raw.webrtc_port)),
                "media.trunk-port",
                message,
            );
        }
        let (pairs, needed) = (usize::from(media.phone_ports.pairs()), calls.max.saturating_mul(2));
        if pairs < needed {
            let message = format!(
                "holds {pairs} pairs of ports; calls.max ({}) can need {needed}, two a call",
                calls.max
            );
            self.refuse(place(&raw.phone_ports), "media.phone-ports", message);
        }
    }

    fn config_directory(&mut self, key: &Key<String>) -> Option<PathBuf> {
        let written = key.as_ref()?;
        Some(self.directory(key, "asterisk.config-dir", PathBuf::from(written.get_ref())))
    }
}

/// Whether sockets bound to both addresses could meet on one port.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one == other || one.is_unspecified() || other.is_unspecified()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

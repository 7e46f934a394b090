//! The configuration file of an office, and the ports in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Places, Setup};
use crate::process::Scratch;
use crate::wan::Place;
use crate::{Outcome, ports};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Ports for phones' media.
const PHONE_PORTS: u16 = 160;

impl Places {
    pub(super) fn choose(place: Option<&Place>) -> Outcome<Self> {
        let address = place.map_or(LOOPBACK, Place::address);
        let at = |port| SocketAddr::new(address, port);
        let first = ports::free_block(LOOPBACK, PHONE_PORTS + 8)?;
        let one = first + PHONE_PORTS;
        Ok(Self {
            udp: at(one),
            tls: at(one + 1),
            https: at(one + 2),
            metrics: at(one + 3),
            webrtc: at(one + 4),
            trunk: one + 5,
            uplink: SocketAddr::new(LOOPBACK, one + 6),
            phone_ports: first,
        })
    }
}

pub(super) fn configuration(
    scratch: &Scratch,
    at: &Places,
    asterisk: Option<SocketAddr>,
    setup: &Setup,
) -> String {
    let file = |name: &str| format!("\"{}\"", scratch.join(name).display());
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    let mut add = |table: &'static str, line: String| {
        let lines = tables.entry(table).or_default();
        lines.push_str(&line);
        lines.push('\n');
    };
    add("office", format!("id = \"{}\"", setup.office));
    add("paths", format!("state-dir = {}\nruntime-dir = {}", file("state"), file("run")));
    let pair =
        format!("certificate = {}\nkey = {}", file("ca/issued/server.pem"), file("ca/issued/server.key"));
    add("sip.tls", format!("{pair}\nclient-certificate = \"{}\"", setup.client_certificates));
    if setup.client_certificates != "off" {
        add("sip.tls", format!("ca = {}\ncrl = {}", file("ca/ca.pem"), file("ca/crl.pem")));
    }
    if !setup.more.iter().any(|(table, line)| *table == "calls" && line.starts_with("max =")) {
        add("calls", format!("max = {}", PHONE_PORTS / 4));
    }
    add("https", format!("address = \"{}\"\n{pair}\norigins = [\"https://softphone.test\"]", at.https));
    add("metrics", format!("address = \"{}\"", at.metrics));
    let last = at.phone_ports + PHONE_PORTS - 1;
    add("media", format!("address = \"{}\"\nwebrtc-port = {}", at.udp.ip(), at.webrtc.port()));
    add("media", format!("trunk-port = {}\nphone-ports = \"{}-{last}\"", at.trunk, at.phone_ports));
    if let Some(address) = asterisk {
        add("asterisk", format!("enabled = true\naddress = \"{address}\"\nlocal = \"{}\"", at.uplink));
        add("asterisk", "probe = \"1s\"".to_owned());
    }
    for (table, line) in &setup.more {
        add(table, line.clone());
    }
    let mut text =
        tables.iter().fold(String::new(), |text, (table, lines)| text + &format!("[{table}]\n{lines}"));
    for (transport, address) in [("udp", at.udp), ("tcp", at.udp), ("tls", at.tls)] {
        let _ = write!(text, "[[sip.listen]]\ntransport = \"{transport}\"\naddress = \"{address}\"\n");
        if transport != "tls" {
            text.push_str("networks = [\"127.0.0.0/8\", \"10.81.0.0/16\"]\n");
        }
    }
    text
}

//! Federation links: relations to other offices and gateways.
//!
//! | kind | goes to | address |
//! | --- | --- | --- |
//! | `SipTrunk` | another office's Branchline | `sip:HOST[:5061];transport=tls` or `sips:HOST`: always TLS, the office is known by its certificate |
//! | `IaxTrunk` | another office, through both Asterisks | `iax2:PEER`: a peer of the site's Asterisk |
//! | `ApiGateway` | the federation's gateway, behind which all offices lie; `credentials` name the token that it wants | `wss://HOST[:443][/PATH]`, or SIP over TLS as above |
//! | `PstnGateway` | a carrier | `sip:HOST[:PORT][;transport=udp|tcp|tls]`, or `pjsip:PEER`: a trunk of the site's Asterisk |

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::name::{CredentialName, LinkId, PeerName};
use crate::engine::numbering::OfficeId;
use crate::sip::uri::Host;
use crate::sip::{Text, Transport, Uri};

/// Longest address.
const LONGEST_ADDRESS: usize = 256;

/// What a link goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// Another office's Branchline: SIP over TLS with certificates of both sides, and SRTP.
    SipTrunk,
    /// Another office, through the site's Asterisk.
    IaxTrunk,
    /// The federation's gateway: SIP over secure WebSocket.
    ApiGateway,
    /// A carrier.
    PstnGateway,
}

impl LinkKind {
    /// As in a route set and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SipTrunk => "SipTrunk",
            Self::IaxTrunk => "IaxTrunk",
            Self::ApiGateway => "ApiGateway",
            Self::PstnGateway => "PstnGateway",
        }
    }
}

impl FromStr for LinkKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::SipTrunk, Self::IaxTrunk, Self::ApiGateway, Self::PstnGateway]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or("expected SipTrunk, IaxTrunk, ApiGateway or PstnGateway")
    }
}

/// Where a link's other end is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkAddress {
    /// A SIP peer that Branchline reaches itself.
    Sip(SipAddress),
    /// A peer of the site's Asterisk, reached by asking Asterisk.
    Asterisk {
        /// The channel technology.
        technology: Technology,
        /// The peer's name in Asterisk.
        peer: PeerName,
    },
}

/// The host, port and transport of a SIP peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipAddress {
    /// Name or address. Over TLS the peer's certificate must name it.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// How messages travel.
    pub transport: Transport,
    /// The path of a WebSocket, `/` at least; `/` for all others.
    pub path: Box<str>,
}

/// A channel technology of Asterisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Technology {
    /// IAX2.
    Iax2,
    /// PJSIP: a trunk that Asterisk keeps.
    Pjsip,
}

impl Technology {
    /// As Asterisk's `Dial` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iax2 => "IAX2",
            Self::Pjsip => "PJSIP",
        }
    }
}

impl FromStr for LinkAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > LONGEST_ADDRESS {
            return Err("expected at most 256 characters");
        }
        let (scheme, rest) = text.split_once(':').ok_or(EXPECTED)?;
        match scheme {
            "iax2" => Ok(Self::Asterisk { technology: Technology::Iax2, peer: rest.parse()? }),
            "pjsip" => Ok(Self::Asterisk { technology: Technology::Pjsip, peer: rest.parse()? }),
            "wss" => websocket(rest).map(Self::Sip),
            "sip" | "sips" => sip(text).map(Self::Sip),
            _ => Err(EXPECTED),
        }
    }
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asterisk { technology: Technology::Iax2, peer } => write!(f, "iax2:{peer}"),
            Self::Asterisk { technology: Technology::Pjsip, peer } => write!(f, "pjsip:{peer}"),
            Self::Sip(sip) => sip.fmt(f),
        }
    }
}

impl fmt::Display for SipAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Wss => write!(f, "wss://{}:{}{}", self.host, self.port, self.path),
            other => write!(f, "sip:{}:{};transport={}", self.host, self.port, other.uri_token()),
        }
    }
}

const EXPECTED: &str = "expected sip:HOST[:PORT][;transport=udp|tcp|tls], sips:HOST[:PORT], wss://HOST[:PORT][/PATH], \
                        iax2:PEER or pjsip:PEER";

fn sip(text: &str) -> Result<SipAddress, &'static str> {
    let Ok(Uri::Sip(uri)) = Uri::parse(&Text::from(text)) else { return Err(EXPECTED) };
    if uri.user.is_some() || !uri.headers.is_empty() {
        return Err("expected a host without user or headers");
    }
    let transport = match uri.params.get("transport") {
        None if uri.secure => Transport::Tls,
        None => Transport::Udp,
        Some(token) => Transport::from_token(&token)
            .filter(|transport| !transport.websocket())
            .ok_or("expected transport udp, tcp or tls; a WebSocket's address begins with wss://")?,
    };
    if uri.secure && transport != Transport::Tls {
        return Err("expected no transport but tls with sips:");
    }
    let port = uri.port.unwrap_or(transport.default_port());
    address(uri.host, port, transport, "/")
}

fn websocket(rest: &str) -> Result<SipAddress, &'static str> {
    let rest = rest.strip_prefix("//").ok_or(EXPECTED)?;
    let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).ok_or(EXPECTED)?;
    let is_path =
        path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>'));
    if !is_path {
        return Err("expected a path of printable characters");
    }
    let uri = format!("sip:{authority}");
    let Ok(Uri::Sip(uri)) = Uri::parse(&Text::from(uri)) else { return Err(EXPECTED) };
    if uri.user.is_some() || !uri.params.is_empty() || !uri.headers.is_empty() {
        return Err(EXPECTED);
    }
    let port = uri.port.unwrap_or(Transport::Wss.default_port());
    address(uri.host, port, Transport::Wss, if path.is_empty() { "/" } else { path })
}

fn address(host: Host, port: u16, transport: Transport, path: &str) -> Result<SipAddress, &'static str> {
    if port == 0 {
        return Err("expected a port from 1 to 65535");
    }
    Ok(SipAddress { host, port, transport, path: path.into() })
}

/// How the peer of a link is told where a caller for help is (RFC 6442).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkLocation {
    /// In headers only, which every peer takes.
    #[default]
    Headers,
    /// As PIDF-LO in the body, as emergency services by SIP want it.
    PidfLo,
}

impl FromStr for LinkLocation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "headers" => Ok(Self::Headers),
            "pidf-lo" => Ok(Self::PidfLo),
            _ => Err("expected headers or pidf-lo"),
        }
    }
}

/// How a link's health is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthPolicy {
    /// How often OPTIONS asks whether the other end is there; zero: only real calls tell.
    pub probe: Duration,
    /// Silence after OPTIONS that counts as a failure.
    pub timeout: Duration,
    /// So many failures in a row make it `Down`.
    pub fail_after: u8,
    /// So many successes in a row make it `Up` again.
    pub recover_after: u8,
}

impl HealthPolicy {
    /// Shortest time between probes, so that many links cannot flood.
    pub const LEAST_PROBE: Duration = Duration::from_secs(1);
    /// Longest time between probes.
    pub const MOST_PROBE: Duration = Duration::from_secs(3600);
    /// Bounds of the timeout, in milliseconds.
    pub const TIMEOUT_MILLIS: std::ops::RangeInclusive<u64> = 100..=10_000;
    /// Most failures or successes that a policy may want.
    pub const MOST_COUNT: u8 = 20;

    /// What the policy asks that it may not; the field first.
    pub fn flaw(&self) -> Option<(&'static str, &'static str)> {
        let millis = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let counts = 1..=Self::MOST_COUNT;
        if !self.probe.is_zero() && !(Self::LEAST_PROBE..=Self::MOST_PROBE).contains(&self.probe) {
            Some(("health.probe", "expected 0 or 1 second to 1 hour"))
        } else if !Self::TIMEOUT_MILLIS.contains(&millis) {
            Some(("health.timeout", "expected 100 milliseconds to 10 seconds"))
        } else if !counts.contains(&self.fail_after) {
            Some(("health.fail-after", "expected 1 to 20"))
        } else if !counts.contains(&self.recover_after) {
            Some(("health.recover-after", "expected 1 to 20"))
        } else {
            None
        }
    }
}

impl Default for HealthPolicy {
    fn default() -> Self {
        let (probe, timeout) = (Duration::from_secs(5), Duration::from_secs(1));
        Self { probe, timeout, fail_after: 2, recover_after: 3 }
    }
}

/// A federation link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub id: LinkId,
    /// What it goes to.
    pub kind: LinkKind,
    /// The office at its other end; none for gateways.
    pub office: Option<OfficeId>,
    /// Where its other end is.
    pub address: LinkAddress,
    /// With what we answer a challenge (401, 407) of the other end; the token that the federation's gateway wants to see.
    pub credentials: Option<CredentialName>,
    /// How long a registration with a carrier is asked for; `None`: known there by address.
    pub registration: Option<Duration>,
    /// Money or quality; less is tried first among links of the same priority.
    pub cost: u32,
    /// What a minute costs, in thousandths of the currency's unit.
    pub price: u32,
    /// Less is tried first.
    pub priority: u16,
    /// Share of calls among links of the same priority, cost and health (RFC 2782's weight).
    pub weight: u16,
    /// Most calls at once; `None`: as many as there may be.
    pub max_calls: Option<u32>,
    /// How its peer is told where a caller for help is.
    pub location: LinkLocation,
    /// How its health is found out.
    pub health: HealthPolicy,
    /// Not used, by order of ops.
    pub disabled: bool,
}

impl Link {
    /// What is wrong with it by itself: the field, and what was expected.
    pub fn flaw(&self) -> Option<(&'static str, &'static str)> {
        let is_office = matches!(self.kind, LinkKind::SipTrunk | LinkKind::IaxTrunk);
        if is_office && self.office.is_none() {
            return Some(("office", "expected the office at the other end"));
        }
        if let Some(expected) = self.address_flaw() {
            return Some(("address", expected));
        }
        if self.registration.is_some() && self.credentials.is_none() {
            return Some(("register", "expected credentials to register with"));
        }
        if self.registration.is_some_and(|span| !(60..=86_400).contains(&span.as_secs())) {
            return Some(("register", "expected 60 seconds to 1 day"));
        }
        if self.max_calls == Some(0) {
            return Some(("max-calls", "expected at least 1; a link is turned off by `disabled`"));
        }
        self.health.flaw()
    }

    fn address_flaw(&self) -> Option<&'static str> {
        let (is_udp_or_tcp, is_tls, is_wss) = match &self.address {
            LinkAddress::Sip(sip) => (
                matches!(sip.transport, Transport::Udp | Transport::Tcp),
                sip.transport == Transport::Tls,
                sip.transport == Transport::Wss,
            ),
            LinkAddress::Asterisk { .. } => (false, false, false),
        };
        let is_of = |wanted| matches!(&self.address, LinkAddress::Asterisk { technology, .. } if *technology == wanted);
        let (fits, expected) = match self.kind {
            LinkKind::SipTrunk => (is_tls, "expected sip:HOST[:PORT];transport=tls"),
            LinkKind::IaxTrunk => (is_of(Technology::Iax2), "expected iax2:PEER"),
            LinkKind::ApiGateway => {
                (is_tls || is_wss, "expected wss://HOST[:PORT][/PATH] or sips:HOST[:PORT]")
            }
            LinkKind::PstnGateway => (
                is_udp_or_tcp || is_tls || is_of(Technology::Pjsip),
                "expected sip:HOST[:PORT][;transport=udp|tcp|tls] or pjsip:PEER",
            ),
        };
        (!fits).then_some(expected)
    }
}

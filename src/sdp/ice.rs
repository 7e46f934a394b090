//! ICE in SDP (RFC 8839, RFC 8840): credentials, candidates, options.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A user fragment and a password (RFC 8839 §5.4). Debug hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    ufrag: String,
    password: String,
}

impl IceCredentials {
    /// Checks the lengths of RFC 8839: 4 to 256 and 22 to 256 printable ASCII characters; `None` outside them.
    pub fn new(ufrag: &str, password: &str) -> Option<Self> {
        let fits = |text: &str, least: usize| {
            (least..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        (fits(ufrag, 4) && fits(password, 22))
            .then(|| Self { ufrag: ufrag.to_owned(), password: password.to_owned() })
    }

    /// The user fragment; not a secret.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// The password: the key of STUN's message integrity.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredentials({}, <redacted>)", self.ufrag)
    }
}

impl Drop for IceCredentials {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.password);
    }
}

/// Where a candidate is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CandidateAddress {
    /// A numeric address.
    Ip(IpAddr),
    /// A name; browsers without microphone permission hide their address behind one that ends in `.local`.
    Name(String),
}

impl CandidateAddress {
    /// The numeric address, if it is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    /// Whether this is a multicast DNS name.
    pub fn is_mdns(&self) -> bool {
        matches!(self, Self::Name(name) if name.to_ascii_lowercase().ends_with(".local"))
    }

    fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Ip)
    }
}

impl fmt::Display for CandidateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// How a candidate was found (RFC 8445 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An address of the machine itself.
    Host,
    /// As a STUN server saw it.
    ServerReflexive,
    /// As the other peer saw it.
    PeerReflexive,
    /// An address of a TURN server.
    Relayed,
}

impl CandidateKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Host, Self::ServerReflexive, Self::PeerReflexive, Self::Relayed]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// A candidate's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateTransport {
    /// `udp`
    Udp,
    /// `tcp` (RFC 6544)
    Tcp,
}

impl CandidateTransport {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// One `a=candidate` (RFC 8839 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Same text for candidates of the same base and server; 1 to 32 characters.
    pub foundation: String,
    /// 1 for RTP, 2 for RTCP.
    pub component: u16,
    /// The transport.
    pub transport: CandidateTransport,
    /// The greater, the sooner tried.
    pub priority: u32,
    /// Where it is.
    pub address: CandidateAddress,
    /// Its port; 9 for an active TCP candidate.
    pub port: u16,
    /// How it was found.
    pub kind: CandidateKind,
    /// `raddr` and `rport`: what a reflexive or relayed candidate stands before.
    pub related: Option<(CandidateAddress, u16)>,
    /// What follows (`tcptype`, `generation`, `ufrag`, `network-cost`): names and values, in order.
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// A host candidate over UDP of this machine, component 1. `preference` (0 to 65535) orders several of them:
    /// the greater, the sooner tried (RFC 8445 §5.1.2.1).
    pub fn host(address: SocketAddr, foundation: &str, preference: u16) -> Self {
        const HOST_TYPE: u32 = 126 << 24;
        const FIRST_COMPONENT: u32 = 255;
        Self {
            foundation: foundation.to_owned(),
            component: 1,
            transport: CandidateTransport::Udp,
            priority: HOST_TYPE | u32::from(preference) << 8 | FIRST_COMPONENT,
            address: CandidateAddress::Ip(address.ip()),
            port: address.port(),
            kind: CandidateKind::Host,
            related: None,
            extensions: Vec::new(),
        }
    }

    /// Where to send, if the address is numeric.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        self.address.ip().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// The value of an extension, such as `ufrag`.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl FromStr for Candidate {
    type Err = ();

    /// Reads an attribute's value; also with `candidate:` or `a=candidate:` before it, as browsers' trickled
    /// candidates have it. Transports other than UDP and TCP, and unknown kinds, are errors.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim_ascii();
        let text = text.strip_prefix("a=").unwrap_or(text);
        let mut fields = text.strip_prefix("candidate:").unwrap_or(text).split_ascii_whitespace();
        let mut next = || fields.next().ok_or(());
        let foundation = next()?.to_owned();
        let component = next()?.parse().map_err(|_| ())?;
        let transport = parse_transport(next()?)?;
        let priority = next()?.parse().map_err(|_| ())?;
        let address = CandidateAddress::parse(next()?);
        let port = next()?.parse().map_err(|_| ())?;
        if next()? != "typ" || foundation.len() > 32 || !(1..=256).contains(&component) {
            return Err(());
        }
        let kind = CandidateKind::parse(next()?).ok_or(())?;
        let mut extensions = Vec::new();
        while let Some(name) = fields.next() {
            extensions.push((name.to_owned(), fields.next().ok_or(())?.to_owned()));
        }
        let related = take_related(&mut extensions)?;
        Ok(Self { foundation, component, transport, priority, address, port, kind, related, extensions })
    }
}

fn parse_transport(name: &str) -> Result<CandidateTransport, ()> {
    [CandidateTransport::Udp, CandidateTransport::Tcp]
        .into_iter()
        .find(|transport| transport.as_str().eq_ignore_ascii_case(name))
        .ok_or(())
}

/// `raddr` and `rport` stand first, and either both or, from a few peers, `raddr` alone.
fn take_related(extensions: &mut Vec<(String, String)>) -> Result<Option<(CandidateAddress, u16)>, ()> {
    if extensions.first().is_none_or(|(name, _)| name != "raddr") {
        return Ok(None);
    }
    let address = CandidateAddress::parse(&extensions.remove(0).1);
    let mut port = 0;
    if extensions.first().is_some_and(|(name, _)| name == "rport") {
        port = extensions.remove(0).1.parse().map_err(|_| ())?;
    }
    Ok(Some((address, port)))
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, component, priority, address, port, .. } = self;
        let (transport, kind) = (self.transport.as_str(), self.kind.as_str());
        write!(f, "{foundation} {component} {transport} {priority} {address} {port} typ {kind}")?;
        if let Some((address, port)) = &self.related {
            write!(f, " raddr {address} rport {port}")?;
        }
        self.extensions.iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BROWSER: &str = "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.5 \
                           rport 46154 generation 0 ufrag h3Xx network-cost 999";

    #[test]
    fn a_browsers_candidate_in_all_three_spellings() {
        let value = BROWSER.strip_prefix("candidate:").unwrap();
        for text in [value, BROWSER, &format!("a={BROWSER}\r\n")] {
            let candidate: Candidate = text.parse().unwrap();
            assert_eq!(candidate.kind, CandidateKind::ServerReflexive);
            assert_eq!(candidate.socket_address(), Some("203.0.113.7:46154".parse().unwrap()));
            assert_eq!(candidate.extension("ufrag"), Some("h3Xx"));
            assert_eq!(candidate.to_string(), value);
        }
    }

    #[test]
    fn hidden_addresses_are_names() {
        let text = "1 1 UDP 2113937151 8f3c6a1e-9d0a-4c2b-8b3a-2f1f5a7a9b11.local 51515 typ host";
        let candidate: Candidate = text.parse().unwrap();
        assert!(candidate.address.is_mdns());
        assert_eq!(candidate.socket_address(), None);
    }

    #[test]
    fn tcp_and_ipv6() {
        let text = "2 1 tcp 1518280447 2001:db8::5 9 typ host tcptype active";
        let candidate: Candidate = text.parse().unwrap();
        assert_eq!(
            (candidate.transport, candidate.extension("tcptype")),
            (CandidateTransport::Tcp, Some("active"))
        );
        assert_eq!(candidate.to_string(), text);
    }

    #[test]
    fn our_host_candidate_has_the_priority_of_rfc_8445() {
        let candidate = Candidate::host("192.0.2.1:5000".parse().unwrap(), "1", 65_535);
        assert_eq!(candidate.to_string(), "1 1 udp 2130706431 192.0.2.1 5000 typ host");
        assert_eq!(candidate.to_string().parse(), Ok(candidate));
    }

    #[test]
    fn broken_candidates_are_refused() {
        for text in [
            "",
            "1 1 udp 1 10.0.0.1 5000",
            "1 0 udp 1 10.0.0.1 5000 typ host",
            "1 1 sctp 1 10.0.0.1 5000 typ host",
            "1 1 udp 99999999999 10.0.0.1 5000 typ host",
            "1 1 udp 1 10.0.0.1 70000 typ host",
            "1 1 udp 1 10.0.0.1 5000 typ magic",
            "1 1 udp 1 10.0.0.1 5000 typ host generation",
        ] {
            assert_eq!(text.parse::<Candidate>(), Err(()), "{text}");
        }
    }

    #[test]
    fn credentials_are_checked_and_hidden() {
        assert_eq!(IceCredentials::new("abc", "0123456789012345678901"), None);
        assert_eq!(IceCredentials::new("abcd", "012345678901234567890"), None);
        assert_eq!(IceCredentials::new("ab cd", "0123456789012345678901"), None);
        let credentials = IceCredentials::new("abcd", "0123456789012345678901").unwrap();
        assert_eq!(format!("{credentials:?}"), "IceCredentials(abcd, <redacted>)");
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in ".{0,160}") {
            let _ = text.parse::<Candidate>();
        }
    }
}

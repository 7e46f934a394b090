//! Via (RFC 3261 §20.42, RFC 3581 rport).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::sip::uri::HostPort;
use crate::sip::{Flaw, Host, Params, Text, Transport, scan};

/// What a branch begins with if it identifies a transaction by itself (RFC 3261 §8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One Via value: one hop that a request went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// The transport token as written; it may be one we do not speak.
    pub protocol: Text,
    /// Where the hop says it is.
    pub sent_by: HostPort,
    /// branch, received, rport and others.
    pub params: Params,
}

impl Via {
    /// A Via for a request we send, asking for `rport`.
    pub fn new(transport: Transport, host: Host, port: Option<u16>, branch: &str) -> Self {
        let mut params = Params::default();
        params.set("branch", Some(branch));
        params.set("rport", None);
        Self { protocol: Text::from_static(transport.via_token()), sent_by: HostPort { host, port }, params }
    }

    /// Reads one value (not a list).
    pub fn parse(value: &Text) -> Result<Self, Flaw> {
        let (sent, params) = match value.find(';') {
            Some(at) => value.split_at_checked(at).ok_or(Flaw::Param)?,
            None => (value.as_str(), ""),
        };
        let mut parts = sent.splitn(3, '/');
        let mut part = || parts.next().map(scan::trim).ok_or(Flaw::Version);
        if !part()?.eq_ignore_ascii_case("SIP") || part()? != "2.0" {
            return Err(Flaw::Version);
        }
        let rest = part()?;
        let at = rest.find([' ', '\t']).ok_or(Flaw::Host)?;
        let (protocol, host) = rest.split_at_checked(at).ok_or(Flaw::Host)?;
        if !scan::is_token(protocol) {
            return Err(Flaw::Token);
        }
        Ok(Self {
            protocol: value.slice_of(protocol),
            sent_by: HostPort::parse_slice(value, scan::trim(host))?,
            params: Params::parse_slice(value, params)?,
        })
    }

    /// The transport, if we know it.
    pub fn transport(&self) -> Option<Transport> {
        Transport::from_token(&self.protocol)
    }

    /// `branch=` as written.
    pub fn branch(&self) -> Option<Text> {
        self.params.get("branch")
    }

    /// `branch=` if it identifies a transaction: the magic cookie and something after it. Without it the
    /// rules of RFC 2543 apply (RFC 3261 §17.2.3).
    pub fn transaction_branch(&self) -> Option<Text> {
        let branch = self.branch()?;
        let (cookie, rest) = branch.split_at_checked(MAGIC_COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty()).then(|| branch.clone())
    }

    /// `received=`.
    pub fn received(&self) -> Option<IpAddr> {
        Host::parse(&self.params.get("received")?).ok()?.ip()
    }

    /// `rport`: `Some(None)` when it is asked for, `Some(Some(port))` when it is filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.params.find("rport")?;
        Some(
            value
                .and_then(|port| scan::number(&port, u64::from(u16::MAX)))
                .and_then(|p| u16::try_from(p).ok()),
        )
    }

    /// Notes where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4): `received` if it differs
    /// from sent-by or `rport` was asked for, and `rport`'s value.
    pub fn note_source(&mut self, source: SocketAddr) {
        let asked = self.params.has("rport");
        if asked {
            self.params.set("rport", Some(&source.port().to_string()));
        }
        if asked || self.sent_by.host.ip() != Some(source.ip()) {
            self.params.set("received", Some(&source.ip().to_string()));
        } else {
            // A received that the sender wrote itself is a lie.
            self.params.remove("received");
        }
    }

    /// Where an answer goes on an unreliable transport when sent-by is an address or the hop noted its
    /// source (RFC 3261 §18.2.2, RFC 3581 §4). `None` when only a name is known.
    pub fn answer_address(&self) -> Option<SocketAddr> {
        let ip = self.received().or_else(|| self.sent_by.host.ip())?;
        let port = self.rport().flatten().or(self.sent_by.port);
        Some(SocketAddr::new(
            ip,
            port.unwrap_or_else(|| self.transport().map_or(5060, Transport::default_port)),
        ))
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}{}", self.protocol, self.sent_by, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Result<Via, Flaw> {
        Via::parse(&Text::from(text))
    }

    #[test]
    fn spaces_around_every_separator() {
        let got = via("SIP  /   2.0 /UDP\t  192.0.2.2 : 5070 ; branch  = z9hG4bKx ;rport").unwrap();
        assert_eq!(got.transport(), Some(Transport::Udp));
        assert_eq!(got.sent_by.to_string(), "192.0.2.2:5070");
        assert_eq!(got.transaction_branch().unwrap(), "z9hG4bKx");
        assert_eq!(got.rport(), Some(None));
    }

    #[test]
    fn unknown_transports_are_kept() {
        let got = via("SIP/2.0/SCTP t2.example.com;branch=z9hG4bKk").unwrap();
        assert_eq!(got.transport(), None);
        assert_eq!(got.to_string(), "SIP/2.0/SCTP t2.example.com;branch=z9hG4bKk");
    }

    #[test]
    fn a_bare_cookie_identifies_nothing() {
        assert_eq!(via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK").unwrap().transaction_branch(), None);
        assert_eq!(via("SIP/2.0/UDP 192.0.2.1").unwrap().branch(), None);
    }

    #[test]
    fn the_source_is_noted() {
        let mut got = via("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx;rport;received=1.2.3.4").unwrap();
        got.note_source("192.0.2.9:1024".parse().unwrap());
        assert_eq!(got.answer_address(), Some("192.0.2.9:1024".parse().unwrap()));
        let mut got = via("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx;received=1.2.3.4").unwrap();
        got.note_source("192.0.2.9:1024".parse().unwrap());
        assert_eq!(got.to_string(), "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx");
        assert_eq!(got.answer_address(), Some("192.0.2.9:5060".parse().unwrap()));
        let mut got = via("SIP/2.0/TLS phone.example;branch=z9hG4bKx").unwrap();
        got.note_source("[2001:db8::1]:40000".parse().unwrap());
        assert_eq!(got.answer_address(), Some("[2001:db8::1]:5061".parse().unwrap()));
        assert_eq!(via("SIP/2.0/UDP a;branch=z").unwrap().answer_address(), None);
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in ["", "SIP/2.0/UDP", "SIP/7.0/UDP a", "SIP/2.0/UDP a;;", "SIP/2.0/U,P a", "HTTP/2.0/UDP a"]
        {
            assert!(via(text).is_err(), "{text}");
        }
    }
}

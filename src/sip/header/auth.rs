//! Digest challenge and credentials (RFC 3261 §20.7, §20.27, §20.44; RFC 8760; RFC 7616), and
//! Authentication-Info. The computing is in [`crate::sip::digest`].

use std::fmt;

use super::{HeaderName, Typed};
use crate::sip::{Flaw, Text, limits, scan};

/// A hash algorithm of digest authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `SHA-256` (RFC 8760).
    Sha256,
    /// `MD5`, also meant when no algorithm is named.
    Md5,
}

impl Algorithm {
    /// The token on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// Reads the token, in any case.
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Sha256, Self::Md5].into_iter().find(|known| known.as_str().eq_ignore_ascii_case(token))
    }
}

/// `WWW-Authenticate` or `Proxy-Authenticate` with scheme Digest. Strings are without their quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The realm.
    pub realm: Text,
    /// The nonce.
    pub nonce: Text,
    /// To be returned unchanged.
    pub opaque: Option<Text>,
    /// The algorithm token; absent means MD5.
    pub algorithm: Option<Text>,
    /// The qop values offered, as written; absent means the form of RFC 2069.
    pub qop: Option<Text>,
    /// The nonce was too old, but the digest right: try again with this one, do not ask the user.
    pub stale: bool,
}

/// `Authorization` or `Proxy-Authorization` with scheme Digest. Strings are without their quotes.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub username: Text,
    /// In which realm.
    pub realm: Text,
    /// The nonce of the challenge.
    pub nonce: Text,
    /// The digest-uri.
    pub uri: Text,
    /// The response, in hexadecimal.
    pub response: Text,
    /// The algorithm token; absent means MD5.
    pub algorithm: Option<Text>,
    /// The client's nonce.
    pub cnonce: Option<Text>,
    /// As in the challenge.
    pub opaque: Option<Text>,
    /// The chosen quality of protection.
    pub qop: Option<Text>,
    /// The nonce count.
    pub nc: Option<u32>,
}

/// `Authentication-Info`: what the server says after it accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationInfo {
    /// The nonce to use next.
    pub nextnonce: Option<Text>,
    /// The quality of protection of `rspauth`.
    pub qop: Option<Text>,
    /// The server's own digest, in hexadecimal.
    pub rspauth: Option<Text>,
    /// The client's nonce.
    pub cnonce: Option<Text>,
    /// The nonce count.
    pub nc: Option<u32>,
}

impl Challenge {
    /// Reads a value. Another scheme is [`Flaw::Scheme`].
    pub fn parse(value: &Text) -> Result<Self, Flaw> {
        let params = AuthParams::after_scheme(value)?;
        Ok(Self {
            realm: params.get("realm").ok_or(Flaw::Missing)?,
            nonce: params.get("nonce").ok_or(Flaw::Missing)?,
            opaque: params.get("opaque"),
            algorithm: params.get("algorithm"),
            qop: params.get("qop"),
            stale: params.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The algorithm, if we know it.
    pub fn algorithm(&self) -> Option<Algorithm> {
        algorithm(self.algorithm.as_ref())
    }

    /// Whether `qop=auth` is among the offered.
    pub fn offers_auth(&self) -> bool {
        self.qop
            .as_ref()
            .is_some_and(|qop| qop.split(',').any(|q| scan::trim(q).eq_ignore_ascii_case("auth")))
    }
}

impl Credentials {
    /// Reads a value. Another scheme is [`Flaw::Scheme`]: RFC 4475 §3.3.7 wants such a header ignored.
    pub fn parse(value: &Text) -> Result<Self, Flaw> {
        let params = AuthParams::after_scheme(value)?;
        let nc = match params.get("nc") {
            Some(nc) if nc.len() == 8 => Some(u32::from_str_radix(&nc, 16).map_err(|_| Flaw::Number)?),
            Some(_) => return Err(Flaw::Number),
            None => None,
        };
        let must = |name| params.get(name).ok_or(Flaw::Missing);
        Ok(Self {
            username: must("username")?,
            realm: must("realm")?,
            nonce: must("nonce")?,
            uri: must("uri")?,
            response: must("response")?,
            algorithm: params.get("algorithm"),
            cnonce: params.get("cnonce"),
            opaque: params.get("opaque"),
            qop: params.get("qop"),
            nc,
        })
    }

    /// The algorithm, if we know it.
    pub fn algorithm(&self) -> Option<Algorithm> {
        algorithm(self.algorithm.as_ref())
    }
}

impl Typed for AuthenticationInfo {
    const NAME: HeaderName = HeaderName::AuthenticationInfo;

    fn parse(value: &Text) -> Result<Self, Flaw> {
        let params = AuthParams::read(value, value)?;
        Ok(Self {
            nextnonce: params.get("nextnonce"),
            qop: params.get("qop"),
            rspauth: params.get("rspauth"),
            cnonce: params.get("cnonce"),
            nc: params.get("nc").and_then(|nc| u32::from_str_radix(&nc, 16).ok()),
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", scan::quote(&self.realm), scan::quote(&self.nonce))?;
        quoted(f, "opaque", self.opaque.as_ref())?;
        plain(f, "algorithm", self.algorithm.as_ref())?;
        quoted(f, "qop", self.qop.as_ref())?;
        if self.stale { f.write_str(", stale=true") } else { Ok(()) }
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username={}, realm={}", scan::quote(&self.username), scan::quote(&self.realm))?;
        quoted(f, "nonce", Some(&self.nonce))?;
        quoted(f, "uri", Some(&self.uri))?;
        quoted(f, "response", Some(&self.response))?;
        plain(f, "algorithm", self.algorithm.as_ref())?;
        quoted(f, "cnonce", self.cnonce.as_ref())?;
        quoted(f, "opaque", self.opaque.as_ref())?;
        plain(f, "qop", self.qop.as_ref())?;
        self.nc.map_or(Ok(()), |nc| write!(f, ", nc={nc:08x}"))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("uri", &self.uri)
            .field("algorithm", &self.algorithm)
            .field("nc", &self.nc)
            .field("response", &"<redacted>")
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AuthenticationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let quote = |name: &str, value: &Text| format!("{name}={}", scan::quote(value));
        parts.extend(self.nextnonce.as_ref().map(|v| quote("nextnonce", v)));
        parts.extend(self.qop.as_ref().map(|v| format!("qop={v}")));
        parts.extend(self.rspauth.as_ref().map(|v| quote("rspauth", v)));
        parts.extend(self.cnonce.as_ref().map(|v| quote("cnonce", v)));
        parts.extend(self.nc.map(|nc| format!("nc={nc:08x}")));
        f.write_str(&parts.join(", "))
    }
}

fn algorithm(token: Option<&Text>) -> Option<Algorithm> {
    token.map_or(Some(Algorithm::Md5), |token| Algorithm::from_token(token))
}

fn quoted(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&Text>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, ", {name}={}", scan::quote(value)))
}

fn plain(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&Text>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, ", {name}={value}"))
}

/// The pairs of a list `name=value, name="value"`.
struct AuthParams<'a> {
    whole: &'a Text,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> AuthParams<'a> {
    fn after_scheme(value: &'a Text) -> Result<Self, Flaw> {
        let (scheme, list) = scan::trim(value.as_str()).split_once([' ', '\t']).ok_or(Flaw::Scheme)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(Flaw::Scheme);
        }
        Self::read(value, list)
    }

    /// Checks that every piece is a name with a value: a token, or one whole quoted string.
    fn read(whole: &'a Text, list: &'a str) -> Result<Self, Flaw> {
        let mut pairs = Vec::with_capacity(12);
        for piece in scan::list(list).filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').ok_or(Flaw::Param)?;
            let (name, value) = (scan::trim(name), scan::trim(value));
            let plain = |b: u8| b > b' ' && !matches!(b, b'"' | b',' | 0x7f);
            if !scan::is_token(name) || !(scan::is_quoted(value) || value.bytes().all(plain)) {
                return Err(Flaw::Param);
            }
            if pairs.len() == limits::TAGS {
                return Err(Flaw::TooMany);
            }
            pairs.push((name, value));
        }
        Ok(Self { whole, pairs })
    }

    fn get(&self, name: &str) -> Option<Text> {
        let (_, value) = self.pairs.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        match scan::unquote(value) {
            std::borrow::Cow::Borrowed(value) => Some(self.whole.slice_of(value)),
            std::borrow::Cow::Owned(value) => Some(Text::from(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_and_written() {
        let text = r#"Digest realm="a \"b\", c", nonce="n", opaque="o", algorithm=SHA-256, qop="auth, auth-int", stale=true"#;
        let got = Challenge::parse(&Text::from(text)).unwrap();
        assert_eq!(got.realm, "a \"b\", c");
        assert_eq!(got.algorithm(), Some(Algorithm::Sha256));
        assert!(got.offers_auth() && got.stale);
        assert_eq!(got.to_string(), text);
        let old = Challenge::parse(&Text::from(r#"digest realm=x,nonce="""#)).unwrap();
        assert_eq!((old.algorithm(), old.offers_auth()), (Some(Algorithm::Md5), false));
    }

    #[test]
    fn credentials_are_read_and_written() {
        let text = concat!(
            r#"Digest username="bob", realm="r", nonce="n", uri="sip:a;b=c", response="6629", "#,
            r#"algorithm=MD5, cnonce="c", opaque="", qop=auth, nc=0000000a"#
        );
        let got = Credentials::parse(&Text::from(text)).unwrap();
        assert_eq!((got.nc, got.uri.as_str()), (Some(10), "sip:a;b=c"));
        assert_eq!(got.to_string(), text);
        assert!(!format!("{got:?}").contains("6629"));
    }

    #[test]
    fn other_schemes_and_broken_ones_are_told_apart() {
        let read = |text| Credentials::parse(&Text::from(text)).unwrap_err();
        assert_eq!(read("NoOneKnowsThisScheme opaque-data=here"), Flaw::Scheme);
        assert_eq!(read("Digest"), Flaw::Scheme);
        assert_eq!(read("Digest username=\"a"), Flaw::Param);
        assert_eq!(read("Digest username"), Flaw::Param);
        assert_eq!(read("Digest username=\"a\", realm=\"b\""), Flaw::Missing);
        assert_eq!(read("Digest username=a,realm=b,nonce=c,uri=d,response=e,nc=1"), Flaw::Number);
    }

    #[test]
    fn authentication_info() {
        let text = r#"nextnonce="n", qop=auth, rspauth="ab", cnonce="c", nc=00000001"#;
        let got = AuthenticationInfo::parse(&Text::from(text)).unwrap();
        assert_eq!(got.to_string(), text);
    }
}

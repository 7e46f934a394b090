//! URIs: SIP and SIPS (RFC 3261 §19.1), tel (RFC 3966), and any other kept as it came.
//!
//! | file | what lies there |
//! | --- | --- |
//! | this one | [`Uri`], [`SipUri`], [`TelUri`], [`OtherUri`]: reading and writing |
//! | [`host`] | [`Host`] and host with port |
//! | [`params`] | [`Params`]: `;name=value` lists of URIs and headers |
//! | [`escape`] | `%`-escapes |
//! | [`equivalence`] | comparison by RFC 3261 §19.1.4 |

pub mod equivalence;
pub mod escape;
pub mod host;
pub mod params;

use std::borrow::Cow;
use std::fmt;

use super::{Flaw, Text, Transport, limits, scan};
pub use host::{Host, HostPort};
pub use params::Params;

/// A URI. `==` compares what is written; see [`Uri::equivalent`] for what is meant.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Any other scheme: `urn:service:sos`, `http:`, …
    Other(OtherUri),
}

/// A `sip:` or `sips:` URI. User, password, parameters and headers stay escaped as they came.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// What stands before the `@`, up to a `:`; escaped.
    pub user: Option<Text>,
    /// What stands between `:` and `@`; escaped. Deprecated by RFC 3261; never shown by `Debug`.
    pub password: Option<Text>,
    /// The host.
    pub host: Host,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params,
    /// What follows the `?`, without it; empty if there is none.
    pub headers: Text,
}

/// A `tel:` URI.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TelUri {
    /// The number as written: `+`, digits, visual separators.
    pub number: Text,
    /// The parameters (`phone-context`, `ext`, …).
    pub params: Params,
}

/// A URI of a scheme that is opaque to us.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OtherUri {
    text: Text,
}

impl Uri {
    /// Reads a URI: the whole of `text`, without `<>`, at most [`limits::URI`] bytes.
    pub fn parse(text: &Text) -> Result<Self, Flaw> {
        Self::parse_slice(text, text.as_str())
    }

    /// Reads `part`, a piece of `whole`, sharing its buffer.
    pub(super) fn parse_slice(whole: &Text, part: &str) -> Result<Self, Flaw> {
        if part.len() > limits::URI {
            return Err(Flaw::TooLong);
        }
        let (scheme, rest) = part.split_once(':').ok_or(Flaw::Uri)?;
        if !is_scheme(scheme) || rest.is_empty() || rest.bytes().any(never_in_uri) {
            return Err(Flaw::Uri);
        }
        if scheme.eq_ignore_ascii_case("sip") {
            return SipUri::parse_rest(whole, false, rest).map(Self::Sip);
        }
        if scheme.eq_ignore_ascii_case("sips") {
            return SipUri::parse_rest(whole, true, rest).map(Self::Sip);
        }
        if scheme.eq_ignore_ascii_case("tel") {
            return TelUri::parse_rest(whole, rest).map(Self::Tel);
        }
        Ok(Self::Other(OtherUri { text: whole.slice_of(part) }))
    }

    /// The scheme, as written for unknown ones.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(uri) if uri.secure => "sips",
            Self::Sip(_) => "sip",
            Self::Tel(_) => "tel",
            Self::Other(uri) => uri.scheme(),
        }
    }

    /// The SIP URI, if it is one.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// The SIP URI for changes, if it is one.
    pub fn as_sip_mut(&mut self) -> Option<&mut SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// The user of a SIP URI, or the number of a tel URI, escapes undone.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sip(uri) => uri.user(),
            Self::Tel(uri) => Some(Cow::Borrowed(uri.number.as_str())),
            Self::Other(_) => None,
        }
    }

    /// The host of a SIP URI.
    pub fn host(&self) -> Option<&Host> {
        self.as_sip().map(|uri| &uri.host)
    }

    /// Whether it is an emergency service URN: `urn:service:sos` or a part of it (RFC 5031).
    pub fn is_emergency_service(&self) -> bool {
        let Self::Other(uri) = self else { return false };
        let text = uri.text.as_str();
        let Some((head, tail)) = text.split_at_checked("urn:service:sos".len()) else { return false };
        head.eq_ignore_ascii_case("urn:service:sos") && (tail.is_empty() || tail.starts_with('.'))
    }

    /// A copy that keeps no datagram alive.
    pub fn detached(&self) -> Self {
        let text = Text::from(self.to_string());
        Self::parse(&text).unwrap_or_else(|_| Self::Other(OtherUri { text }))
    }
}

impl SipUri {
    /// `sip:user@host:port`.
    pub fn new(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            secure: false,
            user: user.map(|user| Text::from(escape::user(user))),
            password: None,
            host,
            port,
            params: Params::default(),
            headers: Text::default(),
        }
    }

    /// The same with a parameter set.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// The user, escapes undone.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user.as_ref().map(|user| escape::decode(user.as_str()))
    }

    /// `transport=`, if it names one we know. `ws` under `sips:` is [`Transport::Wss`].
    pub fn transport(&self) -> Option<Transport> {
        match Transport::from_token(&self.params.get("transport")?)? {
            Transport::Ws if self.secure => Some(Transport::Wss),
            transport => Some(transport),
        }
    }

    /// Whether `lr` is there: a loose router (RFC 3261 §19.1.1).
    pub fn lr(&self) -> bool {
        self.params.has("lr")
    }

    /// Whether `ob` is there: keep to the flow (RFC 5626).
    pub fn ob(&self) -> bool {
        self.params.has("ob")
    }

    /// `gr=` (RFC 5627); empty when written without a value.
    pub fn gr(&self) -> Option<Text> {
        self.params.find("gr").map(Option::unwrap_or_default)
    }

    /// Whether `user=phone` is there.
    pub fn is_phone(&self) -> bool {
        self.params.get("user").is_some_and(|user| user.eq_ignore_ascii_case("phone"))
    }

    /// `maddr=`.
    pub fn maddr(&self) -> Option<Host> {
        Host::parse(&self.params.get("maddr")?).ok()
    }

    /// The URI's headers, name and value, escapes undone.
    pub fn header_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.headers.as_str().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (escape::decode(name), escape::decode(value))
        })
    }

    fn parse_rest(whole: &Text, secure: bool, rest: &str) -> Result<Self, Flaw> {
        // The user part may hold `;`, `?` and `/`; so the `@` comes first.
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo {
            Some(userinfo) => {
                let (user, password) = match userinfo.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (userinfo, None),
                };
                if user.is_empty() || !escape::is_well_formed(userinfo) {
                    return Err(Flaw::Uri);
                }
                (Some(whole.slice_of(user)), password.map(|p| whole.slice_of(p)))
            }
            None => (None, None),
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) if !headers.is_empty() => (rest, whole.slice_of(headers)),
            Some(_) => return Err(Flaw::Uri),
            None => (rest, Text::default()),
        };
        let at = rest.find(';').unwrap_or(rest.len());
        let (hostport, params) = rest.split_at_checked(at).ok_or(Flaw::Uri)?;
        let HostPort { host, port } = HostPort::parse_slice(whole, hostport)?;
        let params = Params::parse_slice(whole, params)?;
        Ok(Self { secure, user, password, host, port, params, headers })
    }
}

impl TelUri {
    /// Whether the number is in global form, with `+`.
    pub fn is_global(&self) -> bool {
        self.number.starts_with('+')
    }

    /// The number without visual separators.
    pub fn digits(&self) -> String {
        self.number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect()
    }

    fn parse_rest(whole: &Text, rest: &str) -> Result<Self, Flaw> {
        let at = rest.find(';').unwrap_or(rest.len());
        let (number, params) = rest.split_at_checked(at).ok_or(Flaw::Uri)?;
        let digits = number.strip_prefix('+').unwrap_or(number);
        let allowed = |b: u8| b.is_ascii_hexdigit() || matches!(b, b'-' | b'.' | b'(' | b')' | b'*' | b'#');
        if digits.is_empty() || !digits.bytes().all(allowed) {
            return Err(Flaw::Uri);
        }
        Ok(Self { number: whole.slice_of(number), params: Params::parse_slice(whole, params)? })
    }
}

impl OtherUri {
    /// The scheme as written.
    pub fn scheme(&self) -> &str {
        self.text.as_str().split(':').next().unwrap_or_default()
    }

    /// The whole URI as written.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

impl std::str::FromStr for Uri {
    type Err = Flaw;
    fn from_str(text: &str) -> Result<Self, Flaw> {
        Self::parse(&Text::from(text))
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Tel(uri) => write!(f, "tel:{}{}", uri.number, uri.params),
            Self::Other(uri) => f.write_str(uri.as_str()),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.password.as_deref())
    }
}

impl SipUri {
    fn write(&self, f: &mut fmt::Formatter<'_>, password: Option<&str>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        if self.headers.is_empty() { Ok(()) } else { write!(f, "?{}", self.headers) }
    }
}

impl fmt::Debug for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.password.as_ref().map(|_| "<redacted>"))
    }
}

impl fmt::Debug for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{}{}", self.number, self.params)
    }
}

impl fmt::Debug for OtherUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => fmt::Debug::fmt(uri, f),
            Self::Tel(uri) => fmt::Debug::fmt(uri, f),
            Self::Other(uri) => fmt::Debug::fmt(uri, f),
        }
    }
}

/// Bytes that no URI holds unescaped: white space, controls, the brackets and quote that delimit one.
fn never_in_uri(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 0x7f)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// The URI that `text`, trimmed of white space, is.
pub(super) fn parse_trimmed(whole: &Text, text: &str) -> Result<Uri, Flaw> {
    Uri::parse_slice(whole, scan::trim(text))
}

#[cfg(test)]
mod tests;

//! When two URIs mean the same (RFC 3261 §19.1.4).

use super::{SipUri, TelUri, Uri, escape};

/// Parameters that must stand in both URIs or in neither.
const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl Uri {
    /// Whether both mean the same by the rules of their scheme: RFC 3261 §19.1.4 for SIP, RFC 3966 §4 for
    /// tel; other schemes must be written alike but for the case of the scheme. Not transitive for SIP.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.equivalent(b),
            (Self::Tel(a), Self::Tel(b)) => a.equivalent(b),
            (Self::Other(a), Self::Other(b)) => {
                let rest = |text: &str| text.split_once(':').map(|(_, rest)| rest.to_owned());
                a.scheme().eq_ignore_ascii_case(b.scheme()) && rest(a.as_str()) == rest(b.as_str())
            }
            _ => false,
        }
    }
}

impl SipUri {
    /// See [`Uri::equivalent`].
    pub fn equivalent(&self, other: &Self) -> bool {
        self.secure == other.secure
            && same_text(self.user.as_deref(), other.user.as_deref())
            && same_text(self.password.as_deref(), other.password.as_deref())
            && self.host.same(&other.host)
            && self.port == other.port
            && self.params_agree(other)
            && other.params_agree(self)
            && self.headers_within(other)
            && other.headers_within(self)
    }

    /// Whether both name the same user at the same host, whatever port and parameters: the address of
    /// record.
    pub fn same_user_and_host(&self, other: &Self) -> bool {
        same_text(self.user.as_deref(), other.user.as_deref()) && self.host.same(&other.host)
    }

    fn params_agree(&self, other: &Self) -> bool {
        self.params.iter().all(|(name, value)| {
            let theirs = other.params.iter().find(|(theirs, _)| same_without_case(name, theirs));
            match theirs {
                Some((_, theirs)) => same_without_case(value.unwrap_or(""), theirs.unwrap_or("")),
                None => !DECISIVE.iter().any(|decisive| same_without_case(name, decisive)),
            }
        })
    }

    fn headers_within(&self, other: &Self) -> bool {
        self.header_pairs().all(|(name, value)| {
            other.header_pairs().any(|(n, v)| n.eq_ignore_ascii_case(&name) && v == value)
        })
    }
}

impl TelUri {
    /// See [`Uri::equivalent`].
    pub fn equivalent(&self, other: &Self) -> bool {
        let within = |a: &Self, b: &Self| {
            a.params.iter().all(|(name, value)| {
                b.params.iter().any(|(n, v)| {
                    same_without_case(n, name) && same_without_case(v.unwrap_or(""), value.unwrap_or(""))
                })
            })
        };
        self.digits().eq_ignore_ascii_case(&other.digits()) && within(self, other) && within(other, self)
    }
}

fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => meant(a).eq(meant(b)),
        (None, None) => true,
        _ => false,
    }
}

fn same_without_case(a: &str, b: &str) -> bool {
    let lower = |(byte, escaped): (u8, bool)| (byte.to_ascii_lowercase(), escaped);
    meant(a).map(lower).eq(meant(b).map(lower))
}

/// The bytes meant by escaped text. Escaped reserved bytes stay apart from the same bytes unescaped.
fn meant(text: &str) -> impl Iterator<Item = (u8, bool)> {
    escape::decoded_bytes(text).map(|(byte, escaped)| {
        let reserved =
            matches!(byte, b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',' | b'%');
        (byte, escaped && reserved)
    })
}

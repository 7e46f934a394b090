//! `a=crypto`: SRTP keys in SDP (RFC 4568), with the AEAD suites of RFC 7714.
//!
//! One line is `TAG SUITE inline:KEY[|LIFETIME][|MKI:LENGTH] [PARAMETER…]`. A line that asks for something this
//! gateway would have to honour and cannot is refused by itself, with a reason; the others of the same section
//! may still do (RFC 4568 §6.3.7).

use std::fmt;

use thiserror::Error;
use zeroize::Zeroize;

use super::attribute::Attribute;
use super::base64;

/// Most bytes of key and salt together: those of `AEAD_AES_256_GCM`, with room for RFC 6188's.
pub const MAX_KEY_BYTES: usize = 46;

/// The SRTP suites this gateway protects media with, weakest first, so that `Ord` says which is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SrtpSuite {
    /// `AES_CM_128_HMAC_SHA1_32`: RTP with a 4-byte tag, RTCP with 10 (RFC 4568 §6.2.2).
    AesCm128HmacSha1_32,
    /// `AES_CM_128_HMAC_SHA1_80`: 10-byte tags (RFC 4568 §6.2.1).
    AesCm128HmacSha1_80,
    /// `AEAD_AES_256_GCM`: 16-byte tags (RFC 7714 §12).
    AeadAes256Gcm,
    /// `AEAD_AES_128_GCM`: 16-byte tags (RFC 7714 §12). Best: the fastest of those that are strong.
    AeadAes128Gcm,
}

impl SrtpSuite {
    /// All, best first: the order in which they are offered, and picked from an offer.
    pub const PREFERENCE: [Self; 4] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Reads the name on the wire; `None` if it is not one of ours.
    pub fn parse(name: &str) -> Option<Self> {
        Self::PREFERENCE.into_iter().find(|suite| suite.as_str().eq_ignore_ascii_case(name))
    }

    /// Bytes of master key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            _ => 16,
        }
    }

    /// Bytes of master salt.
    pub const fn salt_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_32 | Self::AesCm128HmacSha1_80 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    /// Bytes of key and salt together.
    pub const fn total_length(self) -> usize {
        self.key_length() + self.salt_length()
    }
}

/// Master key and master salt of one direction. Wiped when dropped; Debug says nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKey {
    suite: SrtpSuite,
    bytes: [u8; MAX_KEY_BYTES],
}

impl SrtpKey {
    /// Takes the first [`SrtpSuite::total_length`] bytes: key, then salt. `None` if there are fewer.
    pub fn new(suite: SrtpSuite, material: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_KEY_BYTES];
        bytes.get_mut(..suite.total_length())?.copy_from_slice(material.get(..suite.total_length())?);
        Some(Self { suite, bytes })
    }

    /// The same from an array that always has enough.
    pub(super) fn cut(suite: SrtpSuite, material: &[u8; MAX_KEY_BYTES]) -> Self {
        let mut bytes = *material;
        bytes.iter_mut().skip(suite.total_length()).for_each(|byte| *byte = 0);
        Self { suite, bytes }
    }

    /// The suite this key is for.
    pub const fn suite(&self) -> SrtpSuite {
        self.suite
    }

    /// The master key.
    pub fn key(&self) -> &[u8] {
        self.bytes.split_at(self.suite.key_length()).0
    }

    /// The master salt.
    pub fn salt(&self) -> &[u8] {
        self.key_and_salt().split_at(self.suite.key_length()).1
    }

    /// Key and salt, one after the other, as `inline:` has them.
    pub fn key_and_salt(&self) -> &[u8] {
        self.bytes.split_at(self.suite.total_length()).0
    }
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKey({}, <redacted>)", self.suite.as_str())
    }
}

impl Drop for SrtpKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// The master key identifier that stands in every packet (RFC 3711 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mki {
    /// Its value.
    pub value: u64,
    /// Its length in each packet, 1 to 128 bytes.
    pub length: u8,
}

/// One `a=crypto` line whose suite and parameters can be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CryptoAttribute {
    /// Which line this is: the answer repeats it. At most nine digits.
    pub tag: u32,
    /// The suite.
    pub suite: SrtpSuite,
    /// The writer's own key, with which it protects what it sends.
    pub key: SrtpKey,
    /// How many packets the key lasts; `None` for the suite's own limit.
    pub lifetime: Option<u64>,
    /// The identifier in each of the writer's packets.
    pub mki: Option<Mki>,
    /// `WSH=`: the smallest replay window the writer asks for, in packets.
    pub window_size: Option<u32>,
}

/// Why one `a=crypto` line cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[error("{}", self.as_str())]
pub enum CryptoRefusal {
    /// Not tag, suite and key.
    Malformed,
    /// A tag that is not one to nine digits.
    BadTag,
    /// A suite that is not one of [`SrtpSuite`].
    UnknownSuite,
    /// A key method that is not `inline`.
    UnknownKeyMethod,
    /// More than one key on the line.
    SeveralKeys,
    /// Not base64, or not as many bytes as the suite needs.
    BadKey,
    /// A lifetime that is no count of packets, 0, or above 2^48.
    BadLifetime,
    /// An MKI that is not `value:length` with a length of 1 to 128 and a value of at most 64 bits.
    BadMki,
    /// `KDR`: keys derived again and again.
    KeyDerivationRate,
    /// `UNENCRYPTED_SRTP` or `UNENCRYPTED_SRTCP`.
    Unencrypted,
    /// `UNAUTHENTICATED_SRTP`.
    Unauthenticated,
    /// `FEC_ORDER` or `FEC_KEY`.
    ForwardErrorCorrection,
    /// A session parameter that is not known and may not be ignored.
    UnknownParameter,
}

impl CryptoRefusal {
    /// The name used as a metrics label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadTag => "bad-tag",
            Self::UnknownSuite => "unknown-suite",
            Self::UnknownKeyMethod => "unknown-key-method",
            Self::SeveralKeys => "several-keys",
            Self::BadKey => "bad-key",
            Self::BadLifetime => "bad-lifetime",
            Self::BadMki => "bad-mki",
            Self::KeyDerivationRate => "key-derivation-rate",
            Self::Unencrypted => "unencrypted",
            Self::Unauthenticated => "unauthenticated",
            Self::ForwardErrorCorrection => "forward-error-correction",
            Self::UnknownParameter => "unknown-parameter",
        }
    }
}

impl CryptoAttribute {
    /// Our own line: no lifetime, no MKI, no parameter.
    pub const fn new(tag: u32, key: SrtpKey) -> Self {
        Self { tag, suite: key.suite(), key, lifetime: None, mki: None, window_size: None }
    }

    /// Reads the value of an `a=crypto` line.
    pub fn parse(value: &str) -> Result<Self, CryptoRefusal> {
        let mut fields = value.split_ascii_whitespace();
        let tag = parse_tag(fields.next().ok_or(CryptoRefusal::Malformed)?)?;
        let suite = fields.next().ok_or(CryptoRefusal::Malformed)?;
        let suite = SrtpSuite::parse(suite).ok_or(CryptoRefusal::UnknownSuite)?;
        let (key, lifetime, mki) = parse_key(suite, fields.next().ok_or(CryptoRefusal::Malformed)?)?;
        let mut attribute = Self { tag, suite, key, lifetime, mki, window_size: None };
        for parameter in fields {
            attribute.apply(parameter)?;
        }
        Ok(attribute)
    }

    /// The line to write. It has the key in it.
    pub fn to_attribute(&self) -> Attribute {
        let mut value = format!("{} {} inline:", self.tag, self.suite.as_str());
        base64::encode_into(self.key.key_and_salt(), &mut value);
        if let Some(lifetime) = self.lifetime {
            value.push_str(&format!("|{lifetime}"));
        }
        if let Some(mki) = self.mki {
            value.push_str(&format!("|{}:{}", mki.value, mki.length));
        }
        if let Some(window) = self.window_size {
            value.push_str(&format!(" WSH={window}"));
        }
        let attribute = Attribute::new("crypto", &value);
        value.zeroize();
        attribute
    }

    fn apply(&mut self, parameter: &str) -> Result<(), CryptoRefusal> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "KDR" if value == "0" => Ok(()),
            "KDR" => Err(CryptoRefusal::KeyDerivationRate),
            "UNENCRYPTED_SRTP" | "UNENCRYPTED_SRTCP" => Err(CryptoRefusal::Unencrypted),
            "UNAUTHENTICATED_SRTP" => Err(CryptoRefusal::Unauthenticated),
            "FEC_ORDER" | "FEC_KEY" => Err(CryptoRefusal::ForwardErrorCorrection),
            "WSH" => {
                self.window_size = Some(value.parse().map_err(|_| CryptoRefusal::Malformed)?);
                Ok(())
            }
            _ if name.starts_with('-') => Ok(()),
            _ => Err(CryptoRefusal::UnknownParameter),
        }
    }
}

fn parse_tag(text: &str) -> Result<u32, CryptoRefusal> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| CryptoRefusal::BadTag) } else { Err(CryptoRefusal::BadTag) }
}

fn parse_key(suite: SrtpSuite, text: &str) -> Result<(SrtpKey, Option<u64>, Option<Mki>), CryptoRefusal> {
    let (method, keys) = text.split_once(':').ok_or(CryptoRefusal::Malformed)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(CryptoRefusal::UnknownKeyMethod);
    }
    if keys.contains(';') {
        return Err(CryptoRefusal::SeveralKeys);
    }
    let mut parts = keys.split('|');
    let mut bytes = [0; MAX_KEY_BYTES];
    let length = parts.next().and_then(|key| base64::decode_into(key, &mut bytes));
    let key = length
        .filter(|length| *length == suite.total_length())
        .and_then(|_| SrtpKey::new(suite, &bytes))
        .ok_or(CryptoRefusal::BadKey);
    bytes.zeroize();
    let (mut lifetime, mut mki) = (None, None);
    for part in parts {
        match part.split_once(':') {
            Some(_) if mki.is_some() => return Err(CryptoRefusal::BadMki),
            Some((value, length)) => mki = Some(parse_mki(value, length)?),
            None if lifetime.is_some() || mki.is_some() => return Err(CryptoRefusal::BadLifetime),
            None => lifetime = Some(parse_lifetime(part)?),
        }
    }
    Ok((key?, lifetime, mki))
}

fn parse_lifetime(text: &str) -> Result<u64, CryptoRefusal> {
    let packets = match text.strip_prefix("2^") {
        Some(power) => power.parse::<u32>().ok().and_then(|power| 1_u64.checked_shl(power)),
        None => text.parse().ok(),
    };
    packets.filter(|packets| (1..=1 << 48).contains(packets)).ok_or(CryptoRefusal::BadLifetime)
}

fn parse_mki(value: &str, length: &str) -> Result<Mki, CryptoRefusal> {
    let length = length.parse().ok().filter(|length| (1..=128).contains(length));
    match (value.parse(), length) {
        (Ok(value), Some(length)) => Ok(Mki { value, length }),
        _ => Err(CryptoRefusal::BadMki),
    }
}

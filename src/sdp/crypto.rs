//! `a=crypto`: SRTP keys in SDP (RFC 4568), with the AEAD suites of RFC 7714.
//!
//! One line is `TAG SUITE inline:KEY[|LIFETIME] [PARAMETER…]`. A line that asks for something this
//! gateway would have to honour and cannot is refused by itself, with a reason; the others of the same section
//! may still do (RFC 4568 §6.3.7).

use std::fmt::{self, Write};

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
    /// A master key identifier in every packet (RFC 3711 §3.1): our SRTP has none.
    MasterKeyIdentifier,
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
            Self::MasterKeyIdentifier => "master-key-identifier",
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
        Self { tag, suite: key.suite(), key, lifetime: None, window_size: None }
    }

    /// Reads the value of an `a=crypto` line.
    pub fn parse(value: &str) -> Result<Self, CryptoRefusal> {
        let mut fields = value.split_ascii_whitespace();
        let tag = parse_tag(fields.next().ok_or(CryptoRefusal::Malformed)?)?;
        let suite = fields.next().ok_or(CryptoRefusal::Malformed)?;
        let suite = SrtpSuite::parse(suite).ok_or(CryptoRefusal::UnknownSuite)?;
        let (key, lifetime) = parse_key(suite, fields.next().ok_or(CryptoRefusal::Malformed)?)?;
        let mut attribute = Self { tag, suite, key, lifetime, window_size: None };
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
            let _ = write!(value, "|{lifetime}");
        }
        if let Some(window) = self.window_size {
            let _ = write!(value, " WSH={window}");
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

fn parse_key(suite: SrtpSuite, text: &str) -> Result<(SrtpKey, Option<u64>), CryptoRefusal> {
    let (method, keys) = text.split_once(':').ok_or(CryptoRefusal::Malformed)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(CryptoRefusal::UnknownKeyMethod);
    }
    if keys.contains(';') {
        return Err(CryptoRefusal::SeveralKeys);
    }
    let (key, rest) = keys.split_once('|').unwrap_or((keys, ""));
    if rest.contains(':') {
        return Err(CryptoRefusal::MasterKeyIdentifier);
    }
    let lifetime = if rest.is_empty() { None } else { Some(parse_lifetime(rest)?) };
    Ok((decode_key(suite, key).ok_or(CryptoRefusal::BadKey)?, lifetime))
}

fn decode_key(suite: SrtpSuite, text: &str) -> Option<SrtpKey> {
    let mut bytes = [0; MAX_KEY_BYTES];
    let length = base64::decode_into(text, &mut bytes);
    let key = (length == Some(suite.total_length())).then(|| SrtpKey::cut(suite, &bytes));
    bytes.zeroize();
    key
}

fn parse_lifetime(text: &str) -> Result<u64, CryptoRefusal> {
    let packets = match text.strip_prefix("2^") {
        Some(power) => power.parse::<u32>().ok().and_then(|power| 1_u64.checked_shl(power)),
        None => text.parse().ok(),
    };
    packets.filter(|packets| (1..=1 << 48).contains(packets)).ok_or(CryptoRefusal::BadLifetime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY_30: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    const KEY_28: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==";

    fn refusal(value: &str) -> CryptoRefusal {
        CryptoAttribute::parse(value).unwrap_err()
    }

    #[test]
    fn the_example_of_rfc_4568() {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}|2^20 WSH=128 -future=1");
        let line = CryptoAttribute::parse(&value).unwrap();
        assert_eq!((line.tag, line.suite), (1, SrtpSuite::AesCm128HmacSha1_80));
        assert_eq!((line.lifetime, line.window_size), (Some(1 << 20), Some(128)));
        assert_eq!((line.key.key().len(), line.key.salt().len()), (16, 14));
        let written = line.to_attribute();
        assert_eq!(written.text(), format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}|1048576 WSH=128"));
    }

    #[test]
    fn gcm_has_a_shorter_salt() {
        let line = CryptoAttribute::parse(&format!("2 AEAD_AES_128_GCM inline:{KEY_28}")).unwrap();
        assert_eq!(line.key.key(), (0..16).collect::<Vec<u8>>());
        assert_eq!(line.key.salt(), (16..28).collect::<Vec<u8>>());
        let unpadded =
            CryptoAttribute::parse(&format!("2 AEAD_AES_128_GCM inline:{}", KEY_28.trim_end_matches('=')));
        assert_eq!(unpadded, Ok(line));
    }

    #[test]
    fn every_refusal_has_its_reason() {
        use CryptoRefusal as R;
        let good = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}");
        for (value, reason) in [
            (String::new(), R::Malformed),
            ("1 AES_CM_128_HMAC_SHA1_80".to_owned(), R::Malformed),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY_30}"), R::Malformed),
            (good.replacen('1', "+1", 1), R::BadTag),
            (good.replacen('1', "1234567890", 1), R::BadTag),
            (good.replace("AES_CM_128", "AES_256_CM"), R::UnknownSuite),
            (good.replace("inline", "external"), R::UnknownKeyMethod),
            (format!("{good};inline:{KEY_30}"), R::SeveralKeys),
            (good.replace("CnVubGVz", ""), R::BadKey),
            (good.replace("CnVubGVz", "CnVubGV!"), R::BadKey),
            (good.replace("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"), R::BadKey),
            (format!("{good}|2^49"), R::BadLifetime),
            (format!("{good}|0"), R::BadLifetime),
            (format!("{good}|2^99"), R::BadLifetime),
            (format!("{good}|2^31|1:1"), R::MasterKeyIdentifier),
            (format!("{good}|1:4"), R::MasterKeyIdentifier),
            (format!("{good} KDR=1"), R::KeyDerivationRate),
            (format!("{good} UNENCRYPTED_SRTP"), R::Unencrypted),
            (format!("{good} UNENCRYPTED_SRTCP"), R::Unencrypted),
            (format!("{good} UNAUTHENTICATED_SRTP"), R::Unauthenticated),
            (format!("{good} FEC_ORDER=FEC_SRTP"), R::ForwardErrorCorrection),
            (format!("{good} WSH=many"), R::Malformed),
            (format!("{good} FUTURE"), R::UnknownParameter),
        ] {
            assert_eq!(refusal(&value), reason, "{value}");
        }
    }

    #[test]
    fn debug_never_shows_a_key() {
        let line = CryptoAttribute::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}")).unwrap();
        let shown = format!("{line:?} {:?}", line.to_attribute());
        assert!(shown.contains("redacted") && !shown.contains("WVNf"), "{shown}");
    }

    #[test]
    fn preference_is_best_first() {
        assert!(SrtpSuite::PREFERENCE.is_sorted_by(|better, worse| better > worse));
    }

    proptest! {
        #[test]
        fn reading_never_panics(value in ".{0,120}") {
            let _ = CryptoAttribute::parse(&value);
        }

        #[test]
        fn writing_and_reading_agree(material in any::<[u8; 32]>(), extra in any::<[u8; 14]>(), which in 0..4_usize) {
            let mut bytes = [0; MAX_KEY_BYTES];
            bytes[..32].copy_from_slice(&material);
            bytes[32..].copy_from_slice(&extra);
            let line = CryptoAttribute::new(7, SrtpKey::cut(SrtpSuite::PREFERENCE[which], &bytes));
            prop_assert_eq!(CryptoAttribute::parse(line.to_attribute().text()), Ok(line));
        }
    }
}

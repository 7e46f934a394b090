//! Protection profiles and master keys.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// AES-CM with 128-bit keys, HMAC-SHA1 with 80-bit tags (RFC 3711).
    AesCm128HmacSha1_80,
    /// The same with 32-bit tags on RTP; RTCP keeps 80 (RFC 4568 §6.2).
    AesCm128HmacSha1_32,
    /// AES-GCM with 128-bit keys (RFC 7714).
    AeadAes128Gcm,
    /// AES-GCM with 256-bit keys (RFC 7714).
    AeadAes256Gcm,
}

impl SrtpProfile {
    /// All profiles, in the order we prefer them.
    pub const PREFERRED: [Self; 4] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    /// Length of the master key, in bytes.
    pub const fn key_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Length of the master salt, in bytes.
    pub const fn salt_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    /// Its SDES crypto-suite name (RFC 4568 §6.2, RFC 7714 §14.2).
    pub const fn suite_name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The profile of an SDES crypto-suite name; names are case-sensitive there.
    pub fn from_suite_name(name: &str) -> Option<Self> {
        Self::PREFERRED.into_iter().find(|one| one.suite_name() == name)
    }

    /// Its DTLS-SRTP number in `use_srtp` (RFC 5764 §4.1.2, RFC 7714 §14.2).
    pub const fn dtls_number(self) -> u16 {
        match self {
            Self::AesCm128HmacSha1_80 => 0x0001,
            Self::AesCm128HmacSha1_32 => 0x0002,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// The profile of a DTLS-SRTP number.
    pub fn from_dtls_number(number: u16) -> Option<Self> {
        Self::PREFERRED.into_iter().find(|one| one.dtls_number() == number)
    }
}

/// A key or salt had another length than its profile wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{profile:?} wants a key of {} and a salt of {} bytes, got {key} and {salt}", profile.key_length(), profile.salt_length())]
pub struct KeyLength {
    profile: SrtpProfile,
    key: usize,
    salt: usize,
}

/// A master key and salt, for one direction; wiped when dropped, never printed.
#[derive(Clone)]
pub struct SrtpKey {
    profile: SrtpProfile,
    key: [u8; 32],
    salt: [u8; 14],
}

impl SrtpKey {
    /// A key for `profile`; the lengths must be the profile's.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, KeyLength> {
        let wrong = KeyLength { profile, key: key.len(), salt: salt.len() };
        if key.len() != profile.key_length() || salt.len() != profile.salt_length() {
            return Err(wrong);
        }
        let mut made = Self { profile, key: [0; 32], salt: [0; 14] };
        made.key.get_mut(..key.len()).ok_or(wrong)?.copy_from_slice(key);
        made.salt.get_mut(..salt.len()).ok_or(wrong)?.copy_from_slice(salt);
        Ok(made)
    }

    /// From key and salt joined, as SDES carries them (RFC 4568 §6.1).
    pub fn from_joined(profile: SrtpProfile, joined: &[u8]) -> Result<Self, KeyLength> {
        let (key, salt) = joined.split_at(profile.key_length().min(joined.len()));
        Self::new(profile, key, salt)
    }

    /// Which profile it is for.
    pub const fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// The master key; secret.
    pub fn key(&self) -> &[u8] {
        self.key.get(..self.profile.key_length()).unwrap_or_default()
    }

    /// The master salt; secret.
    pub fn salt(&self) -> &[u8] {
        self.salt.get(..self.profile.salt_length()).unwrap_or_default()
    }
}

impl Drop for SrtpKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl PartialEq for SrtpKey {
    fn eq(&self, other: &Self) -> bool {
        let same = self.key.ct_eq(&other.key) & self.salt.ct_eq(&other.salt);
        self.profile == other.profile && bool::from(same)
    }
}

impl Eq for SrtpKey {}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKey({}, <redacted>)", self.profile.suite_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_length_is_refused() {
        let profile = SrtpProfile::AeadAes256Gcm;
        assert!(SrtpKey::new(profile, &[1; 16], &[2; 12]).is_err());
        assert!(SrtpKey::new(profile, &[1; 32], &[2; 14]).is_err());
        assert!(SrtpKey::from_joined(profile, &[1; 3]).is_err());
        let key = SrtpKey::from_joined(profile, &[1; 44]).unwrap();
        assert_eq!((key.key().len(), key.salt().len()), (32, 12));
        assert_eq!(key, key.clone());
        assert_ne!(key, SrtpKey::from_joined(profile, &[2; 44]).unwrap());
    }

    #[test]
    fn a_key_never_prints_itself() {
        let key = SrtpKey::from_joined(SrtpProfile::AesCm128HmacSha1_80, &[7; 30]).unwrap();
        assert_eq!(format!("{key:?}"), "SrtpKey(AES_CM_128_HMAC_SHA1_80, <redacted>)");
    }

    #[test]
    fn profiles_are_found_by_their_sdes_and_dtls_names() {
        for profile in SrtpProfile::PREFERRED {
            assert_eq!(SrtpProfile::from_suite_name(profile.suite_name()), Some(profile));
            assert_eq!(SrtpProfile::from_dtls_number(profile.dtls_number()), Some(profile));
        }
        assert_eq!(SrtpProfile::from_suite_name("F8_128_HMAC_SHA1_80"), None);
    }
}

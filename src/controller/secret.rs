//! Keys and tokens: 256 bits by chance, shown once, stored as their hash.
//!
//! A plain SHA-256 serves, because nobody guesses 256 bits; looking a hash up in the database tells an attacker's clock
//! nothing about the secret.

use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::shell::hex::hex;

/// How every API key begins.
pub(super) const KEY: &str = "blk_";
/// How every federation token begins.
pub(super) const TOKEN: &str = "blf_";
/// Longest secret that is looked at, in bytes.
const LONGEST: usize = 128;

/// A secret on its way to whoever asked for it.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A fresh one. `None` when the system has no randomness.
    pub(super) fn make(prefix: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(bytes.as_mut_slice()).ok()?;
        let digits = Zeroizing::new(hex(bytes.as_slice()));
        Some(Self(Zeroizing::new(format!("{prefix}{}", *digits))))
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

/// The hash of what a client shows, if that can be a secret of ours.
pub(super) fn hash_of(shown: &str) -> Option<[u8; 32]> {
    let is_ours = shown.len() <= LONGEST && (shown.starts_with(KEY) || shown.starts_with(TOKEN));
    is_ours.then(|| Sha256::digest(shown.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_do_not_show_and_are_found_by_their_hash() {
        let (one, other) = (Secret::make(KEY).unwrap(), Secret::make(KEY).unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), 4 + 64);
        assert_eq!(hash_of(one.reveal()), Some(one.hash()));
        assert_eq!(format!("{one:?}"), "<redacted>");
        assert_eq!(hash_of("somebody"), None);
        assert_eq!(hash_of(&format!("{KEY}{}", "a".repeat(200))), None);
    }
}

//! What an office needs to verify a visitor, sealed so that nobody reads it who has not the federation's key.
//!
//! The home office seals the digests of a user's password; every box keeps them sealed, and opens them only when somebody
//! signs in. Sealed by AES-256-GCM (NIST SP 800-38D); what stands beside in clear (owner, generation, end) is
//! authenticated with it, so that a record can neither be given to another user nor be made to last longer.
//! `docs/decisions/0007-visitors-credentials.md` says why so, and what it does not protect from.

use std::time::Duration;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::aor::Aor;
use super::entry::Second;
use super::keyring::{GroupKey, KeyId, Keyring};
use crate::sip::digest::{Algorithm, Ha1, UserKeys};
use crate::time::WallTime;

/// Most bytes of a realm, user name or display name.
const LONGEST_TEXT: usize = 128;
/// Most bytes of a sealed record.
pub const LONGEST_SEALED: usize = 640;

/// Begins what is authenticated; the number is the record's version.
const DOMAIN: &str = "branchline visitor 1";

/// What verifies a user's digest answers, and how the user is called.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// The realm of the digests.
    pub realm: String,
    /// The user name of the digests.
    pub username: String,
    /// Shown to called parties.
    pub display_name: Option<String>,
    /// H(user:realm:password), by both algorithms.
    pub keys: UserKeys,
}

/// What the home office says of a user.
#[derive(Clone, Debug)]
pub enum Standing {
    /// May sign in.
    Good(Box<Verifier>),
    /// May not sign in any more: the account is gone.
    Revoked,
}

/// The same, sealed: may be published and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedVerifier {
    /// Whose.
    pub aor: Aor,
    /// What it is sealed with.
    pub key: KeyId,
    /// Of two records of one user the one with the greater generation counts.
    pub generation: u64,
    /// When it ends.
    pub not_after: Second,
    /// The nonce's 12 bytes, and what was sealed with its tag behind it.
    pub sealed: Vec<u8>,
}

/// Why a record is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unopened {
    /// Sealed with a key that this box does not have.
    UnknownKey,
    /// Not what was sealed, or with another key.
    Forged,
    /// Its time is over.
    Expired,
    /// Sealed well, and yet not readable: made by a newer Branchline.
    Unreadable,
}

/// Why a verifier cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a realm or name is longer than {LONGEST_TEXT} bytes")]
pub struct TooLong;

impl Unopened {
    /// The stable word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "visitor-key-unknown",
            Self::Forged => "visitor-record-forged",
            Self::Expired => "visitor-record-expired",
            Self::Unreadable => "visitor-record-unreadable",
        }
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
enum Contents<'a> {
    Revoked,
    Good { realm: &'a str, username: &'a str, display_name: Option<&'a str>, sha256: [u8; 32], md5: [u8; 16] },
}

impl SealedVerifier {
    /// Seals what the home office says of a user. `nonce` is random and never used twice with one key.
    pub fn seal(
        aor: &Aor,
        standing: &Standing,
        (generation, not_after): (u64, Second),
        key: &GroupKey,
        nonce: [u8; NONCE_LEN],
    ) -> Result<Self, TooLong> {
        let mut plain = Zeroizing::new(contents(standing)?);
        let mut record = Self {
            aor: aor.clone(),
            key: key.id(),
            generation,
            not_after,
            sealed: Vec::with_capacity(plain.len() + 28),
        };
        let tag = cipher(key)
            .map_err(|_| TooLong)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(record.aad()),
                &mut plain,
            )
            .map_err(|_| TooLong)?;
        record.sealed.extend_from_slice(&nonce);
        record.sealed.extend_from_slice(&plain);
        record.sealed.extend_from_slice(tag.as_ref());
        Ok(record)
    }

    /// What it says at `now`, whose clock may be behind the home office's by `skew`.
    pub fn open(&self, keyring: &Keyring, now: WallTime, skew: Duration) -> Result<Standing, Unopened> {
        let key = keyring.get(self.key).ok_or(Unopened::UnknownKey)?;
        if self.sealed.len() > LONGEST_SEALED {
            return Err(Unopened::Forged);
        }
        let (nonce, text) = self.sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unopened::Forged)?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = cipher(key)
            .map_err(|_| Unopened::UnknownKey)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(self.aad()), &mut text)
            .map_err(|_| Unopened::Forged)?;
        if Second::of(now) > self.not_after.plus(skew) {
            return Err(Unopened::Expired);
        }
        standing(plain).ok_or(Unopened::Unreadable)
    }

    /// Whether it counts more than another record of the same user.
    pub const fn is_newer(&self, other: &Self) -> bool {
        self.generation > other.generation
    }

    /// What stands in clear, as it is authenticated.
    fn aad(&self) -> Vec<u8> {
        let Self { aor, key, generation, not_after, .. } = self;
        format!("{DOMAIN}|{aor}|{}|{generation}|{}", key.0, not_after.0).into_bytes()
    }
}

/// Tells whether two standings say the same, without keeping either.
pub(super) fn fingerprint(standing: &Standing) -> Option<[u8; 32]> {
    let plain = Zeroizing::new(contents(standing).ok()?);
    let digest = ring::digest::digest(&ring::digest::SHA256, &plain);
    digest.as_ref().try_into().ok()
}

fn cipher(key: &GroupKey) -> Result<LessSafeKey, Unspecified> {
    UnboundKey::new(&AES_256_GCM, key.bytes()).map(LessSafeKey::new)
}

fn contents(standing: &Standing) -> Result<Vec<u8>, TooLong> {
    let Standing::Good(verifier) = standing else {
        return postcard::to_stdvec(&Contents::Revoked).map_err(|_| TooLong);
    };
    let Verifier { realm, username, display_name, keys } = &**verifier;
    let texts = [Some(realm), Some(username), display_name.as_ref()];
    if texts.into_iter().flatten().any(|text| text.len() > LONGEST_TEXT) {
        return Err(TooLong);
    }
    let mut good = Contents::Good {
        realm,
        username,
        display_name: display_name.as_deref(),
        sha256: *keys.sha256.secret(),
        md5: *keys.md5.secret().first_chunk().ok_or(TooLong)?,
    };
    let bytes = postcard::to_stdvec(&good).map_err(|_| TooLong);
    if let Contents::Good { sha256, md5, .. } = &mut good {
        zeroize::Zeroize::zeroize(sha256);
        zeroize::Zeroize::zeroize(md5);
    }
    bytes
}

fn standing(plain: &[u8]) -> Option<Standing> {
    match postcard::from_bytes(plain).ok()? {
        Contents::Revoked => Some(Standing::Revoked),
        Contents::Good { realm, username, display_name, sha256, md5 } => {
            let (sha256, md5) = (Zeroizing::new(sha256), Zeroizing::new(md5));
            Some(Standing::Good(Box::new(Verifier {
                realm: realm.to_owned(),
                username: username.to_owned(),
                display_name: display_name.map(str::to_owned),
                keys: UserKeys {
                    sha256: Ha1::from_secret(Algorithm::Sha256, &*sha256)?,
                    md5: Ha1::from_secret(Algorithm::Md5, &*md5)?,
                },
            })))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_000_000_000);
    const SKEW: Duration = Duration::from_secs(300);

    fn aor() -> Aor {
        Aor { home: "BRU".parse().unwrap(), extension: "32-1001".parse().unwrap() }
    }

    fn keyring(text: &str) -> Keyring {
        let lines: Vec<_> = text.lines().map(|line| format!("{line}{}", "a7".repeat(31))).collect();
        Keyring::parse(&lines.join("\n")).unwrap()
    }

    fn ann() -> Standing {
        Standing::Good(Box::new(Verifier {
            realm: "offices.example".to_owned(),
            username: "1001".to_owned(),
            display_name: Some("Ann".to_owned()),
            keys: UserKeys::new("1001", "offices.example", "correct horse"),
        }))
    }

    fn sealed(standing: &Standing) -> SealedVerifier {
        let end = Second::of(NOW).plus(Duration::from_secs(60));
        SealedVerifier::seal(&aor(), standing, (5, end), keyring("1:11").sealing(), [9; 12]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_to_the_same() {
        let Ok(Standing::Good(opened)) = sealed(&ann()).open(&keyring("2:22\n1:11"), NOW, SKEW) else {
            panic!("it opens");
        };
        let keys = UserKeys::new("1001", "offices.example", "correct horse");
        assert_eq!(*opened.keys.sha256.to_hex(), *keys.sha256.to_hex());
        assert_eq!(*opened.keys.md5.to_hex(), *keys.md5.to_hex());
        assert_eq!((opened.realm.as_str(), opened.username.as_str()), ("offices.example", "1001"));
        assert_eq!(opened.display_name.as_deref(), Some("Ann"));
        assert!(matches!(
            sealed(&Standing::Revoked).open(&keyring("1:11"), NOW, SKEW),
            Ok(Standing::Revoked)
        ));
    }

    #[test]
    fn what_was_tampered_with_does_not_open() {
        let keyring = keyring("1:11");
        let refused = |record: SealedVerifier| record.open(&keyring, NOW, SKEW).unwrap_err();
        let good = sealed(&ann());
        for place in 0..good.sealed.len() {
            let mut bad = good.clone();
            bad.sealed[place] ^= 1;
            assert_eq!(refused(bad), Unopened::Forged, "byte {place}");
        }
        let other = Aor { extension: "32-1002".parse().unwrap(), ..aor() };
        assert_eq!(refused(SealedVerifier { aor: other, ..good.clone() }), Unopened::Forged);
        assert_eq!(refused(SealedVerifier { generation: 6, ..good.clone() }), Unopened::Forged);
        assert_eq!(refused(SealedVerifier { not_after: Second(u32::MAX), ..good.clone() }), Unopened::Forged);
        assert_eq!(refused(SealedVerifier { key: KeyId(3), ..good.clone() }), Unopened::UnknownKey);
        for length in 0..good.sealed.len() {
            assert_eq!(
                refused(SealedVerifier { sealed: good.sealed[..length].to_vec(), ..good.clone() }),
                Unopened::Forged
            );
        }
        assert_eq!(refused(SealedVerifier { sealed: vec![0; 641], ..good }), Unopened::Forged);
    }

    #[test]
    fn another_key_of_the_same_number_does_not_open_it() {
        assert_eq!(sealed(&ann()).open(&keyring("1:12"), NOW, SKEW).unwrap_err(), Unopened::Forged);
    }

    #[test]
    fn it_ends() {
        let at = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert!(sealed(&ann()).open(&keyring("1:11"), at(360), SKEW).is_ok());
        assert_eq!(sealed(&ann()).open(&keyring("1:11"), at(361), SKEW).unwrap_err(), Unopened::Expired);
    }

    #[test]
    fn secrets_are_not_shown_and_sizes_are_bounded() {
        let Standing::Good(verifier) = ann() else { panic!("good") };
        let hex = verifier.keys.sha256.to_hex().to_string();
        assert!(!format!("{verifier:?}").contains(&hex));
        let record = sealed(&ann());
        let bytes = postcard::to_stdvec(&record).unwrap();
        assert!(bytes.len() < 160, "{}", bytes.len());
        let hex = verifier.keys.md5.secret();
        assert!(!bytes.windows(16).any(|window| window == &hex[..16]));
        let long = Verifier { realm: "r".repeat(129), ..*verifier };
        let sealed = SealedVerifier::seal(
            &aor(),
            &Standing::Good(Box::new(long)),
            (1, Second(1)),
            keyring("1:11").sealing(),
            [0; 12],
        );
        assert_eq!(sealed.unwrap_err(), TooLong);
    }
}

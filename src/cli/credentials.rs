//! Passwords and tokens: made by chance, shown once, stored as hashes.

use md5::{Digest, Md5};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Failure;
use crate::observe::Redacted;
use crate::shell::hex::hex;
use crate::shell::store::AccountRow;
use crate::time::WallTime;

/// What is handed over once.
pub(super) struct Credentials {
    /// 32 hexadecimal digits: 128 bits.
    pub(super) password: Zeroizing<String>,
    /// 64 hexadecimal digits: 256 bits, so that its plain hash cannot be guessed.
    pub(super) token: Zeroizing<String>,
}

impl Credentials {
    /// Fresh ones, from the system's randomness.
    pub(super) fn make() -> Result<Self, Failure> {
        Ok(Self { password: random::<16>()?, token: random::<32>()? })
    }

    /// The account as it is stored.
    pub(super) fn account(&self, extension: &str, name: &str, realm: &str, created: WallTime) -> AccountRow {
        let secret = Zeroizing::new(format!("{extension}:{realm}:{}", *self.password));
        AccountRow {
            extension: extension.to_owned(),
            username: extension.to_owned(),
            display_name: name.to_owned(),
            ha1_md5: Redacted(hex(&Md5::digest(secret.as_bytes()))),
            ha1_sha256: Redacted(hex(&Sha256::digest(secret.as_bytes()))),
            realm: realm.to_owned(),
            token_sha256: Redacted(hex(&Sha256::digest(self.token.as_bytes()))),
            created,
        }
    }
}

fn random<const BYTES: usize>() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    let filled = SystemRandom::new().fill(bytes.as_mut_slice());
    filled.map_err(|_| Failure::Io(std::io::Error::other("the system gives no random numbers")))?;
    Ok(Zeroizing::new(hex(bytes.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_digest_authentication() {
        let credentials =
            Credentials { password: Zeroizing::new("zanzibar".into()), token: Zeroizing::new("abc".into()) };
        let row = credentials.account("bob", "Bob", "biloxi.com", WallTime(1));
        assert_eq!(row.ha1_md5.0, "12af60467a33e8518da5c68bbff12b11", "MD5 of bob:biloxi.com:zanzibar");
        assert_eq!(row.ha1_sha256.0.len(), 64);
        assert_eq!(row.token_sha256.0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (Credentials::make().unwrap(), Credentials::make().unwrap());
        assert_eq!((one.password.len(), one.token.len()), (32, 64));
        assert_ne!(*one.password, *other.password);
        assert_ne!(*one.token, *other.token);
    }
}

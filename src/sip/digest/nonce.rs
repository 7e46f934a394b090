//! Nonces that carry their own proof: time of issue, salt, and a MAC over both. So a server that challenges
//! strangers remembers nothing of them.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::sip::scan;
use crate::time::WallTime;

/// The secret that nonces are made with. Keep it over restarts and phones need no second challenge.
#[derive(Clone)]
pub struct NonceKey([u8; 32]);

/// Which nonce: ordered by time of issue, so that the oldest can be forgotten first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NonceId {
    /// When it was issued.
    pub issued: WallTime,
    /// What makes it unique.
    pub salt: u64,
}

/// What a nonce is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceVerdict {
    /// Ours and young enough.
    Fresh(NonceId),
    /// Ours but too old, or from a clock ahead of ours.
    Expired,
    /// Not ours: made by another key, or made up.
    Foreign,
}

impl NonceKey {
    /// From 32 random bytes.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// Makes a nonce. `salt` must be random.
    pub fn issue(&self, realm: &str, now: WallTime, salt: u64) -> String {
        let id = NonceId { issued: now, salt };
        let mut text = scan::hex(&now.0.to_be_bytes());
        text.push_str(&scan::hex(&salt.to_be_bytes()));
        text.push_str(&scan::hex(&self.mac(realm, id)));
        text
    }

    /// Recognises a nonce made by [`NonceKey::issue`] for the same realm.
    pub fn verify(&self, realm: &str, nonce: &str, now: WallTime, lifetime: Duration) -> NonceVerdict {
        let Some((id, mac)) = take_apart(nonce) else { return NonceVerdict::Foreign };
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&self.mac(realm, id)[..], &mac[..])) {
            return NonceVerdict::Foreign;
        }
        // A minute of tolerance for a wall clock that was set back.
        let ahead = id.issued.since(now) > Duration::from_secs(60);
        if ahead || now.since(id.issued) > lifetime { NonceVerdict::Expired } else { NonceVerdict::Fresh(id) }
    }

    /// 128 bits of HMAC-SHA-256.
    fn mac(&self, realm: &str, id: NonceId) -> [u8; 16] {
        let mut mac = self.keyed();
        mac.update(&id.issued.0.to_be_bytes());
        mac.update(&id.salt.to_be_bytes());
        mac.update(realm.as_bytes());
        let mut out = [0; 16];
        for (to, from) in out.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        out
    }

    /// A secret derived from this one, for [`super::UserKeys::unknown`].
    pub(super) fn derive(&self, label: &str) -> [u8; 32] {
        let mut mac = self.keyed();
        mac.update(label.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn keyed(&self) -> Hmac<Sha256> {
        <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).expect("invariant: HMAC takes a key of any length")
    }
}

impl Drop for NonceKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(<redacted>)")
    }
}

fn take_apart(nonce: &str) -> Option<(NonceId, [u8; 16])> {
    if nonce.len() != 64 {
        return None;
    }
    let issued = u64::from_be_bytes(scan::unhex(nonce.get(..16)?)?);
    let salt = u64::from_be_bytes(scan::unhex(nonce.get(16..32)?)?);
    Some((NonceId { issued: WallTime(issued), salt }, scan::unhex(nonce.get(32..)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(300);

    #[test]
    fn ours_is_recognised_until_it_expires() {
        let key = NonceKey::new([7; 32]);
        let t = WallTime(1_700_000_000_000);
        let nonce = key.issue("r", t, 42);
        assert_eq!(nonce.len(), 64);
        let at = |ms: u64| key.verify("r", &nonce, WallTime(ms), LIFE);
        assert_eq!(at(t.0), NonceVerdict::Fresh(NonceId { issued: t, salt: 42 }));
        assert!(matches!(at(t.0 + 300_000), NonceVerdict::Fresh(_)));
        assert_eq!(at(t.0 + 300_001), NonceVerdict::Expired);
        assert!(matches!(at(t.0 - 60_000), NonceVerdict::Fresh(_)));
        assert_eq!(at(t.0 - 60_001), NonceVerdict::Expired);
    }

    #[test]
    fn a_changed_one_is_foreign() {
        let key = NonceKey::new([7; 32]);
        let t = WallTime(1);
        let nonce = key.issue("r", t, 42);
        assert_eq!(NonceKey::new([8; 32]).verify("r", &nonce, t, LIFE), NonceVerdict::Foreign);
        assert_eq!(key.verify("other", &nonce, t, LIFE), NonceVerdict::Foreign);
        for at in 0..nonce.len() {
            let mut bytes = nonce.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(key.verify("r", &changed, t, LIFE), NonceVerdict::Foreign, "{at}");
        }
        for text in ["", "x", &"é".repeat(32), &"g".repeat(64)] {
            assert_eq!(key.verify("r", text, t, LIFE), NonceVerdict::Foreign);
        }
        assert_eq!(format!("{key:?}"), "NonceKey(<redacted>)");
    }
}

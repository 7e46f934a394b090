//! Session tokens: `bl1.EXTENSION.EXPIRES.NONCE.MAC`, signed with a key of the box.
//!
//! They are verified without a table, so a page stays signed in over a restart of the daemon. The MAC
//! (HMAC-SHA256) also covers the account's digest hash: new credentials end every session. A token that was
//! signed out is kept as revoked until it expires; that table is bounded, and the entry nearest to its expiry
//! gives way.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use super::auth::WebAccount;
use super::state::Api;
use super::visitors;

/// How every session token begins.
pub(crate) const PREFIX: &str = "bl1.";
/// Sign-outs that are remembered.
const REVOKED_CAPACITY: usize = 4096;
const NONCE_BYTES: usize = 16;

/// Tokens that were signed out: nonce → expiry in seconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Revoked(HashMap<String, u64>);

impl Revoked {
    fn insert(&mut self, now: u64, nonce: &str, expires: u64) {
        self.0.retain(|_, expiry| *expiry > now);
        if self.0.len() >= REVOKED_CAPACITY
            && let Some(first) =
                self.0.iter().min_by_key(|(_, expiry)| **expiry).map(|(nonce, _)| nonce.clone())
        {
            self.0.remove(&first);
        }
        self.0.insert(nonce.to_owned(), expires);
    }
}

/// A new token for `account`, and its expiry in seconds since 1970. `None` when the system has no randomness.
pub(crate) fn issue(api: &Api, account: &WebAccount, life: Duration) -> Option<(String, u64)> {
    let mut nonce = [0; NONCE_BYTES];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let expires = unix_now().saturating_add(life.as_secs());
    let body = format!("{PREFIX}{}.{expires:x}.{}", account.extension, hex(&nonce));
    let mac = hex(sign(api, &body, account).as_ref());
    Some((format!("{body}.{mac}"), expires))
}

/// The account that a token was issued to, if it is genuine, in force and not signed out.
pub(crate) async fn verify(api: &Api, token: &str) -> Option<WebAccount> {
    let parsed = Parsed::of(token)?;
    if parsed.expires <= unix_now() || api.revoked().0.contains_key(parsed.nonce) {
        return None;
    }
    let account = visitors::account_of_token(api, parsed.extension).await?;
    let mac = hex(sign(api, parsed.body, &account).as_ref());
    bool::from(mac.as_bytes().ct_eq(parsed.mac.as_bytes())).then_some(account)
}

/// Ends a session. The token must have been verified.
pub(crate) fn revoke(api: &Api, token: &str) {
    if let Some(parsed) = Parsed::of(token) {
        api.revoked().insert(unix_now(), parsed.nonce, parsed.expires);
    }
}

struct Parsed<'a> {
    body: &'a str,
    extension: &'a str,
    expires: u64,
    nonce: &'a str,
    mac: &'a str,
}

impl<'a> Parsed<'a> {
    fn of(token: &'a str) -> Option<Self> {
        let (body, mac) = token.rsplit_once('.')?;
        let mut fields = body.strip_prefix(PREFIX)?.split('.');
        let (extension, expires, nonce) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() || nonce.len() != NONCE_BYTES * 2 {
            return None;
        }
        Some(Self { body, extension, expires: u64::from_str_radix(expires, 16).ok()?, nonce, mac })
    }
}

fn sign(api: &Api, body: &str, account: &WebAccount) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, api.settings().session_key.bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(body.as_bytes());
    context.update(b"|");
    context.update(account.binding());
    context.sign()
}

/// Seconds since 1970.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revoked_table_is_bounded_and_forgets_the_expired() {
        let mut revoked = Revoked::default();
        for n in 0..(REVOKED_CAPACITY as u64 + 10) {
            revoked.insert(0, &n.to_string(), 1000 + n);
        }
        assert_eq!(revoked.0.len(), REVOKED_CAPACITY);
        assert!(!revoked.0.contains_key("0"), "nearest to its expiry");
        revoked.insert(10_000, "x", 20_000);
        assert_eq!(revoked.0.len(), 1);
    }

    #[test]
    fn only_our_own_shape_parses() {
        let nonce = "0".repeat(32);
        assert!(Parsed::of(&format!("bl1.1001.ff.{nonce}.mac")).is_some());
        for bad in ["", "bl1.", "bl1.1001.ff.00.mac", "bl1.1001.zz.00.mac"] {
            assert!(Parsed::of(bad).is_none(), "{bad}");
        }
        assert!(Parsed::of(&format!("bl1.1001.ff.{nonce}.x.mac")).is_none());
        assert_eq!(hex(&[0x0f, 0xa0]), "0fa0");
    }
}

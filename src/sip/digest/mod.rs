//! Digest authentication (RFC 3261 §22, RFC 8760, RFC 7616) as values: `qop=auth` with SHA-256 or MD5.
//!
//! | file | what lies there |
//! | --- | --- |
//! | this one | [`Ha1`], [`UserKeys`], the digest itself |
//! | [`nonce`] | [`NonceKey`]: nonces that need no memory to be recognised |
//! | [`replay`] | [`NonceCounts`]: no answer is accepted twice |
//! | [`server`] | [`Authenticator`]: challenges and verdicts |
//! | [`client`] | [`answer`]: credentials for a challenge, for trunks and tests |
//!
//! auth-int and userhash are not offered, and the form of RFC 2069 (no qop) is not accepted.

pub mod client;
pub mod nonce;
pub mod replay;
pub mod server;

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

pub use super::header::auth::Algorithm;
use super::scan;
pub use client::{ClientError, answer, choose};
pub use nonce::{NonceId, NonceKey, NonceVerdict};
pub use replay::NonceCounts;
pub use server::{Authenticator, Rejection, Verdict};

/// H(username:realm:password): as good as the password in its realm. Never shown, wiped when dropped.
#[derive(Clone)]
pub struct Ha1 {
    /// 16 bytes for MD5, 32 for SHA-256; the rest is zero.
    bytes: [u8; 32],
    algorithm: Algorithm,
}

/// What is stored of a user: one [`Ha1`] for each algorithm.
#[derive(Clone, Debug)]
pub struct UserKeys {
    /// For SHA-256.
    pub sha256: Ha1,
    /// For MD5.
    pub md5: Ha1,
}

impl Ha1 {
    /// Computes it from a password.
    pub fn new(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> Self {
        let parts = [username.as_bytes(), b":", realm.as_bytes(), b":", password.as_bytes()];
        Self { bytes: hash(algorithm, &parts), algorithm }
    }

    /// Reads stored hexadecimal; its length must fit the algorithm.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        match algorithm {
            Algorithm::Sha256 => bytes = scan::unhex(text)?,
            Algorithm::Md5 => {
                for (to, from) in bytes.iter_mut().zip(scan::unhex::<16>(text)?) {
                    *to = from;
                }
            }
        }
        Some(Self { bytes, algorithm })
    }

    /// For storing. The caller takes care of the secret.
    pub fn to_hex(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(scan::hex(significant(self.algorithm, &self.bytes)))
    }

    /// Takes back what [`Self::secret`] gave; `bytes` are as many as the algorithm's digests have.
    pub fn from_secret(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let mut ha1 = Self { bytes: [0; 32], algorithm };
        ha1.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        (significant(algorithm, &ha1.bytes).len() == bytes.len()).then_some(ha1)
    }

    /// The digest itself, zeros behind it, for sealing. The caller takes care of the secret.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The algorithm it was made with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Drop for Ha1 {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({}, <redacted>)", self.algorithm.as_str())
    }
}

impl UserKeys {
    /// Computes both from a password.
    pub fn new(username: &str, realm: &str, password: &str) -> Self {
        Self {
            sha256: Ha1::new(Algorithm::Sha256, username, realm, password),
            md5: Ha1::new(Algorithm::Md5, username, realm, password),
        }
    }

    /// Keys that no password fits, for users who do not exist; so that they cost the same work. `secret`
    /// must be unguessable.
    pub fn unknown(secret: &[u8; 32]) -> Self {
        let key = |algorithm| Ha1 { bytes: hash(algorithm, &[b"no such user", secret]), algorithm };
        Self { sha256: key(Algorithm::Sha256), md5: key(Algorithm::Md5) }
    }

    /// The key for an algorithm.
    pub const fn for_algorithm(&self, algorithm: Algorithm) -> &Ha1 {
        match algorithm {
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Md5 => &self.md5,
        }
    }
}

/// What goes into a response besides the secret.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    pub(super) cnonce: &'a str,
    pub(super) nc: u32,
}

/// The response for `qop=auth` (RFC 7616 §3.4.1), in hexadecimal. An empty method gives the server's own
/// (`rspauth`, §3.5).
pub(super) fn response(ha1: &Ha1, inputs: Inputs<'_>) -> zeroize::Zeroizing<String> {
    let algorithm = ha1.algorithm;
    let ha2 = hash(algorithm, &[inputs.method.as_bytes(), b":", inputs.uri.as_bytes()]);
    let ha2 = scan::hex(significant(algorithm, &ha2));
    let nc = format!("{:08x}", inputs.nc);
    let secret = ha1.to_hex();
    let digest = hash(
        algorithm,
        &[
            secret.as_bytes(),
            b":",
            inputs.nonce.as_bytes(),
            b":",
            nc.as_bytes(),
            b":",
            inputs.cnonce.as_bytes(),
            b":auth:",
            ha2.as_bytes(),
        ],
    );
    zeroize::Zeroizing::new(scan::hex(significant(algorithm, &digest)))
}

/// Whether both texts are the same but for the case of hexadecimal digits, in time that depends on their
/// lengths only.
pub(super) fn same_hex(ours: &str, theirs: &str) -> bool {
    let theirs = theirs.to_ascii_lowercase();
    bool::from(ours.as_bytes().ct_eq(theirs.as_bytes()))
}

fn significant(algorithm: Algorithm, bytes: &[u8; 32]) -> &[u8] {
    match algorithm {
        Algorithm::Sha256 => bytes,
        Algorithm::Md5 => bytes.first_chunk::<16>().map_or(&[], |half| half),
    }
}

fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> [u8; 32] {
    fn all<D: Digest>(parts: &[&[u8]], out: &mut [u8; 32]) {
        let mut digest = D::new();
        for part in parts {
            digest.update(part);
        }
        for (to, from) in out.iter_mut().zip(digest.finalize()) {
            *to = from;
        }
    }
    let mut out = [0; 32];
    match algorithm {
        Algorithm::Sha256 => all::<Sha256>(parts, &mut out),
        Algorithm::Md5 => all::<Md5>(parts, &mut out),
    }
    out
}

#[cfg(test)]
mod tests;

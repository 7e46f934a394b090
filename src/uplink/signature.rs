//! Signatures of route sets: detached JWS (RFC 7515 appendix F) with EdDSA on Ed25519 (RFC 8037 §3.1).
//!
//! `HEADER..SIGNATURE`, where HEADER is the base64url of `{"alg":"EdDSA","kid":"…"}` and what is signed is HEADER, a dot, and
//! the base64url of the payload that stands elsewhere. `kid` names one of the keys that the box trusts, so that a new key
//! can be trusted before the old one is put away.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::base64url;
use super::json::{self, JsonBounds};

/// Most keys that a box trusts at once.
const MOST_KEYS: usize = 16;
/// Longest detached JWS, in bytes.
const LONGEST: usize = 1024;
/// A key's name.
const LONGEST_KEY_ID: usize = 64;
/// What stands before the 32 bytes in the DER of a private key (RFC 8410 §7: version 1, as OpenSSL writes it).
const PRIVATE_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// And of a public one (RFC 8410 §4).
const PUBLIC_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const HEADER_BOUNDS: JsonBounds = JsonBounds { bytes: 512, depth: 4, values: 32 };

/// A key's name (`kid`): 1 to 64 letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

/// A private key of ops.
pub struct SigningKey {
    id: KeyId,
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey([u8; 32]);

/// The keys whose signatures a box takes, by name; at most 16.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys(BTreeMap<KeyId, VerifyingKey>);

/// Why a key was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name.
    #[error("expected a key's name of 1 to 64 letters, digits, `.`, `_` and `-`")]
    BadName,
    /// The private key.
    #[error("expected an Ed25519 private key in PEM, as `openssl genpkey -algorithm ed25519` makes it")]
    BadPrivateKey,
    /// The public key.
    #[error("expected an Ed25519 public key in PEM, as `openssl pkey -pubout` writes it")]
    BadPublicKey,
    /// There is room for 16.
    #[error("expected at most 16 trusted keys")]
    TooMany,
    /// Another key has this name.
    #[error("another key has this name")]
    Twice,
}

/// Why a signature was not taken. The words say nothing of what came, which a stranger chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignatureFlaw {
    /// There is none.
    #[error("expected a signature; `branchline ops sign` makes one")]
    Missing,
    /// It is no detached JWS.
    #[error("expected a detached JWS (RFC 7515 appendix F): header, two dots, signature")]
    Malformed,
    /// Another algorithm, or an extension that this software does not know.
    #[error("expected a JWS header with alg EdDSA, a kid, and neither crit nor b64")]
    Unsupported,
    /// None of the trusted keys has this name.
    #[error("its key is none of those that this box trusts")]
    UnknownKey,
    /// The signature is not of this key and this content.
    #[error("the signature does not fit the content: it was changed after signing, or another key signed it")]
    Forged,
}

impl SignatureFlaw {
    /// The reason for reports and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "unsigned",
            Self::Malformed => "signature-malformed",
            Self::Unsupported => "signature-unsupported",
            Self::UnknownKey => "unknown-key",
            Self::Forged => "forged",
        }
    }
}

impl SigningKey {
    /// The key made of 32 secret random bytes.
    pub fn from_seed(id: KeyId, seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError::BadPrivateKey)?;
        Ok(Self { id, seed, pair })
    }

    /// The key in `pem` (PKCS #8).
    pub fn from_pem(id: KeyId, pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::BadPrivateKey)?;
        // Version 1, or version 2 which has the public key behind (RFC 5958 §2): both have the seed at the same place.
        let der = der.secret_pkcs8_der();
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| KeyError::BadPrivateKey)?;
        let seed = der.get(PRIVATE_HEAD.len()..PRIVATE_HEAD.len() + 32).ok_or(KeyError::BadPrivateKey)?;
        let seed = <[u8; 32]>::try_from(seed).map_err(|_| KeyError::BadPrivateKey)?;
        Self::from_seed(id, Zeroizing::new(seed))
    }

    /// The private key as OpenSSL writes it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut der = Zeroizing::new(PRIVATE_HEAD.to_vec());
        der.reserve_exact(32);
        der.extend_from_slice(&*self.seed);
        Zeroizing::new(pem("PRIVATE KEY", &der))
    }

    /// Its name.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Its public half.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey(<[u8; 32]>::try_from(self.pair.public_key().as_ref()).unwrap_or_default())
    }

    /// The detached JWS of `payload`.
    pub fn sign(&self, payload: &[u8]) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.id.as_str() }).to_string();
        let header = base64url::encode(header.as_bytes());
        let signature = self.pair.sign(signing_input(&header, payload).as_bytes());
        format!("{header}..{}", base64url::encode(signature.as_ref()))
    }
}

impl VerifyingKey {
    /// The key of these 32 bytes (RFC 8032 §5.1.5).
    pub const fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The key in `pem` (SubjectPublicKeyInfo).
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::BadPublicKey)?;
        let key = der.as_ref().strip_prefix(PUBLIC_HEAD.as_slice()).ok_or(KeyError::BadPublicKey)?;
        Ok(Self(<[u8; 32]>::try_from(key).map_err(|_| KeyError::BadPublicKey)?))
    }

    /// The key as OpenSSL writes it.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &[PUBLIC_HEAD.as_slice(), &self.0].concat())
    }
}

impl TrustedKeys {
    /// Trusts none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts `key` under the name `id` too.
    pub fn trust(&mut self, id: KeyId, key: VerifyingKey) -> Result<(), KeyError> {
        if self.0.get(&id).is_some_and(|known| *known != key) {
            return Err(KeyError::Twice);
        }
        if self.0.len() >= MOST_KEYS && !self.0.contains_key(&id) {
            return Err(KeyError::TooMany);
        }
        self.0.insert(id, key);
        Ok(())
    }

    /// The names of the trusted keys.
    pub fn names(&self) -> impl Iterator<Item = &KeyId> {
        self.0.keys()
    }

    /// Whether none is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of these keys made `signature`, a detached JWS, of `payload`; says which.
    pub fn verify(&self, signature: &str, payload: &[u8]) -> Result<&KeyId, SignatureFlaw> {
        if signature.len() > LONGEST {
            return Err(SignatureFlaw::Malformed);
        }
        let (header, signed) = signature.split_once("..").ok_or(SignatureFlaw::Malformed)?;
        let signed = base64url::decode(signed).filter(|bytes| bytes.len() == 64);
        let signed = signed.ok_or(SignatureFlaw::Malformed)?;
        let id = key_of(header)?;
        let (id, key) = self.0.get_key_value(&id).ok_or(SignatureFlaw::UnknownKey)?;
        UnparsedPublicKey::new(&ED25519, &key.0)
            .verify(signing_input(header, payload).as_bytes(), &signed)
            .map_err(|_| SignatureFlaw::Forged)?;
        Ok(id)
    }
}

/// The key that a JWS header names.
fn key_of(header: &str) -> Result<KeyId, SignatureFlaw> {
    let bytes = base64url::decode(header).ok_or(SignatureFlaw::Malformed)?;
    let header = json::parse(&bytes, &HEADER_BOUNDS).map_err(|_| SignatureFlaw::Malformed)?;
    let Value::Object(header) = header else { return Err(SignatureFlaw::Malformed) };
    // RFC 7515 §4.1.11: what is critical and not understood must be refused; RFC 7797's b64 changes what is signed.
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(SignatureFlaw::Unsupported);
    }
    if header.get("alg").and_then(Value::as_str) != Some("EdDSA") {
        return Err(SignatureFlaw::Unsupported);
    }
    let id = header.get("kid").and_then(Value::as_str).ok_or(SignatureFlaw::Unsupported)?;
    id.parse().map_err(|_| SignatureFlaw::UnknownKey)
}

fn signing_input(header: &str, payload: &[u8]) -> String {
    format!("{header}.{}", base64url::encode(payload))
}

/// PEM with one line of base64, which has room for an Ed25519 key (RFC 7468 §2).
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = base64url::encode(der).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

impl KeyId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=LONGEST_KEY_ID).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(KeyError::BadName)
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, <redacted>)", self.id)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", base64url::encode(&self.0))
    }
}

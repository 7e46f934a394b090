//! Who is asking: passwords and bearer tokens.
//!
//! Passwords are compared as the digest hashes that the registrar keeps (RFC 8760, RFC 7616 §3.4.2), in constant
//! time and with the same work for an extension that does not exist. A text that is not simply one of our extensions
//! (`32-1001`, `BRU-1001`) is asked of the engine: it may name a user of another office.

use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::peer::{Peer, Source};
use super::problem::{Problem, Reason};
use super::state::Api;
use super::{token, visitors};
use crate::engine::numbering::Extension;

/// Longest bearer token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 256;
/// Longest password that is looked at, in bytes.
const PASSWORD_LIMIT: usize = 128;

/// Looks accounts up. Called for every request, so it must answer from memory.
pub trait Authenticate: Send + Sync {
    /// The account of an extension as a person types it; `None` when there is none.
    fn by_extension(&self, extension: &str) -> Option<WebAccount>;

    /// The account whose own long-lived token has this SHA-256 digest.
    fn by_token(&self, sha256: &[u8; 32]) -> Option<WebAccount>;
}

/// An account as this room needs it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAccount {
    /// The extension.
    pub extension: Extension,
    /// The user name in the digest hashes.
    pub username: String,
    /// Name for people.
    pub name: String,
    /// SHA-256 of `username:realm:password` (RFC 8760).
    pub ha1_sha256: Option<Zeroizing<[u8; 32]>>,
    /// MD5 of the same, where only that is kept.
    pub ha1_md5: Option<Zeroizing<[u8; 16]>>,
}

impl WebAccount {
    /// What a session token is bound to: it dies when the credentials change.
    pub(crate) fn binding(&self) -> &[u8] {
        match (&self.ha1_sha256, &self.ha1_md5) {
            (Some(hash), _) => hash.as_slice(),
            (None, Some(hash)) => hash.as_slice(),
            (None, None) => &[],
        }
    }
}

impl std::fmt::Debug for WebAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebAccount")
            .field("extension", &self.extension)
            .field("ha1", &"<redacted>")
            .finish_non_exhaustive()
    }
}

/// Who sent a request, taken from its bearer token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: WebAccount,
    /// SHA-256 of the token: tells sessions of the same extension apart.
    pub(crate) token: [u8; 32],
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        by_bearer(api, bearer(parts).unwrap_or_default()).await
    }
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The account of a session token or of an account's own token.
pub(crate) async fn by_bearer(api: &Api, bearer: &str) -> Result<Caller, Problem> {
    if bearer.is_empty() || bearer.len() > TOKEN_LIMIT {
        return Err(Reason::Unauthorized.into());
    }
    let digest: [u8; 32] = Sha256::digest(bearer.as_bytes()).into();
    let account = if bearer.starts_with(token::PREFIX) {
        token::verify(api, bearer).await
    } else {
        api.accounts().by_token(&digest)
    };
    account.map(|account| Caller { account, token: digest }).ok_or_else(|| Reason::Unauthorized.into())
}

/// The account of an extension and its password; guesses are counted per client and extension.
pub(crate) async fn by_password(
    api: &Api,
    peer: &Peer,
    extension: &str,
    password: &str,
) -> Result<WebAccount, Problem> {
    let source = peer.source();
    is_let_try(api, source, extension)?;
    let account = match api.accounts().by_extension(extension) {
        Some(account) => Some(account),
        None => visitors::account(api, extension).await?,
    };
    // However it is written: guesses at one account are counted together.
    let canonical = account.as_ref().map(|account| account.extension.to_string());
    let extension = canonical.as_deref().unwrap_or(extension);
    is_let_try(api, source, extension)?;
    let now = Instant::now();
    let verified = verify_password(&api.settings().realm, account.as_ref(), extension, password);
    let mut lockout = api.lockout();
    match account {
        Some(account) if verified => {
            lockout.succeeded(source, extension);
            Ok(account)
        }
        _ => {
            lockout.failed(now, source, extension);
            Err(refusal(lockout.wait(now, source, extension)))
        }
    }
}

fn is_let_try(api: &Api, source: Source, extension: &str) -> Result<(), Problem> {
    let wait = api.lockout().wait(Instant::now(), source, extension);
    wait.map_or(Ok(()), |wait| Err(Problem::from(Reason::LockedOut).retry_after(wait)))
}

impl FromRequestParts<Api> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Reason::NotFound.into())
    }
}

/// The source of a request, whatever happens.
pub(crate) fn source_of(extensions: &axum::http::Extensions) -> Source {
    extensions.get::<Peer>().map_or_else(Source::unknown, Peer::source)
}

fn refusal(locked: Option<std::time::Duration>) -> Problem {
    match locked {
        Some(wait) => Problem::from(Reason::WrongCredentials).retry_after(wait),
        None => Reason::WrongCredentials.into(),
    }
}

fn verify_password(realm: &str, account: Option<&WebAccount>, extension: &str, password: &str) -> bool {
    let username = account.map_or(extension, |account| &account.username);
    let material = format!("{username}:{realm}:{password}");
    let sha256: [u8; 32] = Sha256::digest(material.as_bytes()).into();
    let md5: [u8; 16] = Md5::digest(material.as_bytes()).into();
    let kept_sha256 = account.and_then(|account| account.ha1_sha256.as_ref());
    let kept_md5 = account.and_then(|account| account.ha1_md5.as_ref());
    let by_sha256 = sha256.ct_eq(kept_sha256.map_or(&[0; 32], |kept| &**kept));
    let by_md5 = md5.ct_eq(kept_md5.map_or(&[0; 16], |kept| &**kept));
    let matches = match (kept_sha256, kept_md5) {
        (Some(_), _) => bool::from(by_sha256),
        (None, Some(_)) => bool::from(by_md5),
        (None, None) => false,
    };
    matches && password.len() <= PASSWORD_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(sha256: bool) -> WebAccount {
        let material = b"u1001:branch.example:secret";
        WebAccount {
            extension: "1001".parse().unwrap(),
            username: "u1001".into(),
            name: "Ada".into(),
            ha1_sha256: sha256.then(|| Zeroizing::new(Sha256::digest(material).into())),
            ha1_md5: (!sha256).then(|| Zeroizing::new(Md5::digest(material).into())),
        }
    }

    #[test]
    fn either_hash_serves() {
        for account in [account(true), account(false)] {
            assert!(verify_password("branch.example", Some(&account), "1001", "secret"));
            assert!(!verify_password("branch.example", Some(&account), "1001", "Secret"));
            assert!(!verify_password("other.example", Some(&account), "1001", "secret"));
        }
    }

    #[test]
    fn nobody_and_an_account_without_hashes_never_match() {
        let bare = WebAccount { ha1_sha256: None, ..account(true) };
        assert!(!verify_password("branch.example", None, "1001", ""));
        assert!(!verify_password("branch.example", Some(&bare), "1001", ""));
    }

    #[test]
    fn hashes_do_not_show() {
        assert!(format!("{:?}", account(true)).contains("<redacted>"));
    }
}

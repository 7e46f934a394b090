//! The server's side: challenges, and verdicts on credentials.
//!
//! An unknown user goes the same way as a known one with a wrong password: the same work on keys that fit
//! no password, and the same [`Rejection::WrongPassword`], so that neither time nor answer tells them apart.

use std::time::Duration;

use super::nonce::{NonceKey, NonceVerdict};
use super::replay::{CountVerdict, NonceCounts};
use super::{Algorithm, Inputs, UserKeys, response, same_hex};
use crate::sip::header::{AuthenticationInfo, Challenge, Credentials};
use crate::sip::{Method, Text, Uri};
use crate::time::WallTime;

/// What an authenticator decides on credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user is who they say.
    Accepted,
    /// The password is right but the nonce too old or spent: challenge again with `stale=true`; no failure
    /// to count against the user.
    Stale,
    /// Refused. Challenge again or answer 403; count it.
    Rejected(Rejection),
}

/// Why credentials are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The user is unknown or the digest is not theirs.
    WrongPassword,
    /// The digest is right, but this nonce count was used before.
    Replayed,
    /// An algorithm we do not offer.
    Algorithm,
    /// Not `qop=auth`, or nonce count or client nonce absent.
    Qop,
    /// Another realm than ours.
    Realm,
    /// The digest is for another URI than the request's.
    Uri,
}

impl Rejection {
    /// A short name, stable, for counters and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong-password",
            Self::Replayed => "replayed",
            Self::Algorithm => "algorithm",
            Self::Qop => "qop",
            Self::Realm => "realm",
            Self::Uri => "uri",
        }
    }
}

/// Challenges and verifies for one realm.
#[derive(Debug)]
pub struct Authenticator {
    realm: Text,
    key: NonceKey,
    lifetime: Duration,
    counts: NonceCounts,
    nobody: UserKeys,
}

impl Authenticator {
    /// For `realm`; nonces live for `lifetime`, and `capacity` of them are remembered once used.
    pub fn new(realm: &str, key: NonceKey, lifetime: Duration, capacity: usize) -> Self {
        let nobody = UserKeys::unknown(&key.derive("branchline unknown user"));
        Self { realm: Text::from(realm), key, lifetime, counts: NonceCounts::new(capacity), nobody }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The challenges to send, one for each of `offered`, in that order: the preferred one first (RFC 8760
    /// §2.4). `salt` must be random.
    pub fn challenges(
        &self,
        now: WallTime,
        salt: u64,
        stale: bool,
        offered: &[Algorithm],
    ) -> impl Iterator<Item = Challenge> {
        let nonce = Text::from(self.key.issue(&self.realm, now, salt));
        offered.iter().map(move |algorithm| Challenge {
            realm: self.realm.clone(),
            nonce: nonce.clone(),
            opaque: Some(Text::from_static("branchline")),
            algorithm: Some(Text::from_static(algorithm.as_str())),
            qop: Some(Text::from_static("auth")),
            stale,
        })
    }

    /// Judges credentials of a request. `user` is what is stored of the user that they name; `None` if
    /// there is no such user.
    pub fn verify(
        &mut self,
        credentials: &Credentials,
        method: &Method,
        uri: &Uri,
        user: Option<&UserKeys>,
        now: WallTime,
    ) -> Verdict {
        let (ha1, inputs) = match self.inputs(credentials, method, user) {
            Ok(inputs) => inputs,
            Err(rejection) => return Verdict::Rejected(rejection),
        };
        let right = same_hex(&response(ha1, inputs), &credentials.response);
        let nonce = self.key.verify(&self.realm, &credentials.nonce, now, self.lifetime);
        if !right || user.is_none() {
            return Verdict::Rejected(Rejection::WrongPassword);
        }
        if !meant_for(&credentials.uri, uri) {
            return Verdict::Rejected(Rejection::Uri);
        }
        let NonceVerdict::Fresh(id) = nonce else { return Verdict::Stale };
        match self.counts.note(id, inputs.nc) {
            CountVerdict::New => Verdict::Accepted,
            CountVerdict::Repeated => Verdict::Rejected(Rejection::Replayed),
            CountVerdict::Forgotten => Verdict::Stale,
        }
    }

    /// What the server may say after [`Verdict::Accepted`], to prove that it knows the key too.
    pub fn accepted_info(&self, credentials: &Credentials, user: &UserKeys) -> Option<AuthenticationInfo> {
        let ha1 = user.for_algorithm(credentials.algorithm()?);
        let inputs = inputs_of(credentials, "")?;
        Some(AuthenticationInfo {
            nextnonce: None,
            qop: Some(Text::from_static("auth")),
            rspauth: Some(Text::from(response(ha1, inputs).as_str())),
            cnonce: credentials.cnonce.clone(),
            nc: credentials.nc,
        })
    }

    /// Forgets nonces that have expired. Call it now and then; the bound holds without it.
    pub fn tidy(&mut self, now: WallTime) {
        let lifetime = u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX);
        self.counts.forget_before(WallTime(now.0.saturating_sub(lifetime)));
    }

    fn inputs<'a>(
        &'a self,
        credentials: &'a Credentials,
        method: &'a Method,
        user: Option<&'a UserKeys>,
    ) -> Result<(&'a super::Ha1, Inputs<'a>), Rejection> {
        if credentials.realm != *self.realm {
            return Err(Rejection::Realm);
        }
        let algorithm = credentials.algorithm().ok_or(Rejection::Algorithm)?;
        let inputs = inputs_of(credentials, method.as_str()).ok_or(Rejection::Qop)?;
        Ok((user.unwrap_or(&self.nobody).for_algorithm(algorithm), inputs))
    }
}

fn inputs_of<'a>(credentials: &'a Credentials, method: &'a str) -> Option<Inputs<'a>> {
    if !credentials.qop.as_ref()?.eq_ignore_ascii_case("auth") {
        return None;
    }
    Some(Inputs {
        method,
        uri: &credentials.uri,
        nonce: &credentials.nonce,
        cnonce: credentials.cnonce.as_deref()?,
        nc: credentials.nc?,
    })
}

/// Whether a digest-uri is the request's. Parameters and ports are let pass: proxies on the way add and
/// remove them, and phones sign without. Some (SIPp, old adapters) sign the domain alone, whatever they dial: that
/// is let pass too, for no answer counts twice (see `replay`).
fn meant_for(digest_uri: &Text, uri: &Uri) -> bool {
    match (Uri::parse(digest_uri), uri) {
        (Ok(Uri::Sip(signed)), Uri::Sip(asked)) => {
            signed.same_user_and_host(asked) || (signed.user.is_none() && signed.host.same(&asked.host))
        }
        (Ok(signed), asked) => signed.equivalent(asked),
        (Err(_), _) => false,
    }
}

#[cfg(test)]
impl Authenticator {
    pub(super) fn counts_len(&self) -> usize {
        self.counts.len()
    }
}

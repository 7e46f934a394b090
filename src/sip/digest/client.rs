//! The client's side: answering a challenge.

use super::{Algorithm, Ha1, Inputs, UserKeys, response};
use crate::sip::header::{Challenge, Credentials};
use crate::sip::{Method, Text, Uri};

/// Why a challenge cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientError {
    /// Only algorithms we do not have are offered.
    Algorithm,
    /// `qop=auth` is not offered.
    Qop,
}

impl ClientError {
    /// A short name, stable, for counters and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Qop => "qop",
        }
    }
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for ClientError {}

/// The challenge to answer: the strongest that we can (RFC 8760 §2.6).
pub fn choose(challenges: &[Challenge]) -> Result<&Challenge, ClientError> {
    let offers = |wanted| challenges.iter().find(|c| c.algorithm() == Some(wanted) && c.offers_auth());
    offers(Algorithm::Sha256).or_else(|| offers(Algorithm::Md5)).ok_or_else(|| {
        if challenges.iter().any(|c| c.algorithm().is_some()) {
            ClientError::Qop
        } else {
            ClientError::Algorithm
        }
    })
}

/// Credentials that answer `challenge`. `cnonce` must be random; `nc` counts from 1 for each nonce.
pub fn answer(
    challenge: &Challenge,
    username: &str,
    keys: &UserKeys,
    request: (&Method, &Uri),
    cnonce: &str,
    nc: u32,
) -> Result<Credentials, ClientError> {
    let algorithm = challenge.algorithm().ok_or(ClientError::Algorithm)?;
    if !challenge.offers_auth() {
        return Err(ClientError::Qop);
    }
    let ha1: &Ha1 = keys.for_algorithm(algorithm);
    let uri = request.1.to_string();
    let inputs = Inputs { method: request.0.as_str(), uri: &uri, nonce: &challenge.nonce, cnonce, nc };
    let digest = response(ha1, inputs);
    Ok(Credentials {
        username: Text::from(username),
        realm: challenge.realm.clone(),
        nonce: challenge.nonce.clone(),
        response: Text::from(digest.as_str()),
        uri: Text::from(uri),
        algorithm: challenge.algorithm.clone(),
        cnonce: Some(Text::from(cnonce)),
        opaque: challenge.opaque.clone(),
        qop: Some(Text::from_static("auth")),
        nc: Some(nc),
    })
}

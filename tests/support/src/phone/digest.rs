//! Digest authentication, the client's half (RFC 7616, RFC 8760).

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::wire::Message;

/// Which challenge a phone answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Only MD5, as old phones do.
    Md5,
    /// Only SHA-256.
    Sha256,
    /// The first challenge offered, of whichever algorithm (RFC 8760 §2.4).
    #[default]
    FirstOffered,
}

/// What a phone knows of its account.
#[derive(Clone)]
pub struct Credentials {
    /// The name in the digest, usually the extension.
    pub username: String,
    /// The password.
    pub password: String,
    /// Which challenge is answered.
    pub algorithm: Algorithm,
}

/// The parameters of a challenge.
struct Challenge<'a>(&'a str);

impl Challenge<'_> {
    fn get(&self, name: &str) -> Option<String> {
        split_parameters(self.0).into_iter().find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    }

    fn is_sha256(&self) -> bool {
        self.get("algorithm").is_some_and(|a| a.eq_ignore_ascii_case("SHA-256"))
    }

    fn is_md5(&self) -> bool {
        self.get("algorithm").is_none_or(|a| a.eq_ignore_ascii_case("MD5"))
    }
}

/// Splits at commas that are not in quotes.
fn split_parameters(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hash(sha256: bool, text: &str) -> String {
    if sha256 { hex(&Sha256::digest(text)) } else { hex(&Md5::digest(text)) }
}

/// The header (name and value) that answers the challenge of a 401 or 407; `None` if none fits.
pub(super) fn answer(
    credentials: &Credentials,
    refusal: &Message,
    method: &str,
    uri: &str,
    cnonce: &str,
) -> Option<(&'static str, String)> {
    let (asks, answers) = if refusal.code() == 407 {
        ("Proxy-Authenticate", "Proxy-Authorization")
    } else {
        ("WWW-Authenticate", "Authorization")
    };
    let challenge = refusal
        .all(asks)
        .filter_map(|value| value.trim_start().strip_prefix("Digest").map(Challenge))
        .find(|challenge| match credentials.algorithm {
            Algorithm::Md5 => challenge.is_md5(),
            Algorithm::Sha256 => challenge.is_sha256(),
            Algorithm::FirstOffered => challenge.is_md5() || challenge.is_sha256(),
        })?;
    let sha256 = challenge.is_sha256();
    let (realm, nonce) = (challenge.get("realm")?, challenge.get("nonce")?);
    let username = &credentials.username;
    let secret = hash(sha256, &format!("{username}:{realm}:{}", credentials.password));
    let request = hash(sha256, &format!("{method}:{uri}"));
    let algorithm = if sha256 { "SHA-256" } else { "MD5" };
    let mut value = format!(
        "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}"
    );
    let response = if challenge.get("qop").is_some() {
        let _ = write!(value, ", qop=auth, nc=00000001, cnonce=\"{cnonce}\"");
        hash(sha256, &format!("{secret}:{nonce}:00000001:{cnonce}:auth:{request}"))
    } else {
        hash(sha256, &format!("{secret}:{nonce}:{request}"))
    };
    let _ = write!(value, ", response=\"{response}\"");
    if let Some(opaque) = challenge.get("opaque") {
        let _ = write!(value, ", opaque=\"{opaque}\"");
    }
    Some((answers, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of RFC 7616 §3.9.1, both algorithms.
    #[test]
    fn the_example_of_rfc_7616_is_answered() {
        let rest = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
            nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let refusal = Message::parse(&format!(
            "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest {rest}, algorithm=SHA-256\r\n\
             WWW-Authenticate: Digest {rest}, algorithm=MD5\r\n\r\n"
        ))
        .unwrap();
        let mut credentials = Credentials {
            username: "Mufasa".into(),
            password: "Circle of Life".into(),
            algorithm: Algorithm::Md5,
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let (name, value) = answer(&credentials, &refusal, "GET", "/dir/index.html", cnonce).unwrap();
        assert_eq!(name, "Authorization");
        assert!(value.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""), "{value}");
        credentials.algorithm = Algorithm::FirstOffered;
        let (_, value) = answer(&credentials, &refusal, "GET", "/dir/index.html", cnonce).unwrap();
        assert!(
            value.contains("response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""),
            "{value}"
        );
    }
}

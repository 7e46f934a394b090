//! The credentials with which a scripted phone answers a challenge.

use crate::sip::digest::{UserKeys, client};
use crate::sip::{HeaderName, Method, Response, Uri};

/// The credentials that answer a challenge, SHA-256 preferred.
pub(in crate::engine) fn proof(
    response: &Response,
    method: &str,
    uri: &str,
    user: &str,
    password: &str,
    nc: u32,
) -> String {
    let name = if response.status.code() == 401 {
        HeaderName::WwwAuthenticate
    } else {
        HeaderName::ProxyAuthenticate
    };
    let challenges = response.headers.challenges(&name);
    let challenge = client::choose(&challenges).unwrap();
    proof_of(challenge, method, uri, user, password, nc)
}

/// The same for one challenge.
pub(in crate::engine) fn proof_of(
    challenge: &crate::sip::header::Challenge,
    method: &str,
    uri: &str,
    user: &str,
    password: &str,
    nc: u32,
) -> String {
    let keys = UserKeys::new(user, "branchline", password);
    let uri = Uri::parse(&uri.to_owned().into()).unwrap();
    let method = match method {
        "REGISTER" => Method::Register,
        "INVITE" => Method::Invite,
        "MESSAGE" => Method::Message,
        "UPDATE" => Method::Update,
        other => panic!("{other} is not known to the script"),
    };
    client::answer(challenge, user, &keys, (&method, &uri), "c0ffee", nc).unwrap().to_string()
}

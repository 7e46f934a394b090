//! What the proxy writes into a message, so that it knows its own again without remembering anything.
//!
//! | mark | looks like | says |
//! | --- | --- | --- |
//! | in Via | `SIP/2.0/WSS gw.example;branch=z9hG4bK…;from=BRU.17;to=PAR` | BRU asked PAR, on connection 17 |
//! | in Record-Route | `<sip:BRU.PAR@gw.example;transport=ws;lr>` | a dialog of these two offices |
//!
//! The branch is a keyed hash of the two offices and of the branch below (RFC 3261 §16.11): the same for a request, its
//! CANCEL and its ACK, and nobody else can make it; so a response that carries it answers a request that we passed on.
//! The key lives as long as the process: what is under way when it ends has lost its connections anyway. The mark in
//! Record-Route is not secret: whoever uses it must be one of its two offices, and they must be allowed to talk.

use ring::hmac;

use crate::engine::flow::ConnectionId;
use crate::shell::hex::hex;
use crate::sip::header::via::MAGIC_COOKIE;
use crate::sip::{Host, NameAddr, SipUri, Text, Transport, Via};
use crate::uplink::OfficeId;

/// Bytes of the hash that are written: nobody guesses 128 bits.
const WRITTEN: usize = 16;

/// Writes and reads marks.
pub(super) struct Marks {
    host: Host,
    key: hmac::Key,
}

/// What the mark in a Via says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Who asked.
    pub(super) from: OfficeId,
    /// On which connection.
    pub(super) connection: ConnectionId,
    /// Who was asked.
    pub(super) to: OfficeId,
}

impl Marks {
    /// `host` is the gateway's name in messages, `key` is by chance.
    pub(super) fn new(host: Host, key: &[u8; 32]) -> Self {
        Self { host, key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// The Via of a request whose own Via has `branch`.
    pub(super) fn via(&self, asked: Asked, branch: &str) -> Via {
        let mut via = Via::new(Transport::Wss, self.host.clone(), None, &self.branch(asked, branch));
        via.params.remove("rport");
        via.params.set("from", Some(&format!("{}.{}", asked.from, asked.connection.0)));
        via.params.set("to", Some(asked.to.as_str()));
        via
    }

    /// What our Via on top of one with `branch` says; nothing when it is not ours.
    pub(super) fn read_via(&self, via: &Via, branch: &str) -> Option<Asked> {
        let (from, to) = (via.params.get("from")?, via.params.get("to")?);
        let (from, connection) = from.split_once('.')?;
        let connection = ConnectionId(connection.parse().ok()?);
        let asked = Asked { from: from.parse().ok()?, connection, to: to.parse().ok()? };
        let shown = via.branch()?;
        let tag = hex_bytes(shown.strip_prefix(MAGIC_COOKIE)?)?;
        let whole = hmac::sign(&self.key, &content(asked, branch));
        let expected = whole.as_ref().get(..WRITTEN)?;
        // Without leaving early, so that the time says nothing.
        let differs = expected.iter().zip(tag).fold(0, |differs, (a, b)| differs | (a ^ b));
        (differs == 0).then_some(asked)
    }

    /// The tag of our own responses to a request whose Via has `branch`.
    pub(super) fn tag(&self, branch: &str) -> String {
        let whole = hmac::sign(&self.key, format!("tag {branch}").as_bytes());
        hex(whole.as_ref().get(..8).unwrap_or_default())
    }

    /// The Record-Route of a dialog between two offices.
    pub(super) fn route(&self, from: OfficeId, to: OfficeId) -> NameAddr {
        let uri = SipUri::new(Some(&format!("{from}.{to}")), self.host.clone(), None);
        NameAddr::new(uri.with_param("transport", Some("ws")).with_param("lr", None))
    }

    /// The other office of a dialog, by a Route that `from` shows; nothing when it is not ours, or not of that office.
    pub(super) fn read_route(&self, route: &NameAddr, from: OfficeId) -> Option<OfficeId> {
        let uri = route.uri.as_sip()?;
        let is_ours = uri.host.to_string().eq_ignore_ascii_case(&self.host.to_string());
        let (one, other) = uri.user.as_ref().filter(|_| is_ours)?.split_once('.')?;
        let (one, other): (OfficeId, OfficeId) = (one.parse().ok()?, other.parse().ok()?);
        if from == one { Some(other) } else { (from == other).then_some(one) }
    }

    fn branch(&self, asked: Asked, branch: &str) -> String {
        let whole = hmac::sign(&self.key, &content(asked, branch));
        format!("{MAGIC_COOKIE}{}", hex(whole.as_ref().get(..WRITTEN).unwrap_or_default()))
    }
}

/// What is hashed. Not the connection: a CANCEL may come on a newer one.
fn content(asked: Asked, branch: &str) -> Vec<u8> {
    format!("via {} {} {branch}", asked.from, asked.to).into_bytes()
}

fn hex_bytes(text: &str) -> Option<[u8; WRITTEN]> {
    let mut bytes = [0; WRITTEN];
    if text.len() != 2 * WRITTEN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// The office that a host names, in capitals or not.
pub(super) fn office_named(host: &Host) -> Option<OfficeId> {
    let Host::Name(name) = host else { return None };
    Text::as_str(name).to_ascii_uppercase().parse().ok()
}

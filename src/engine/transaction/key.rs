//! Matching: what identifies a transaction (RFC 3261 §17.1.3, §17.2.3) and how our own branches are made.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::engine::flow::{Flow, Side};
use crate::sip::header::via::MAGIC_COOKIE;
use crate::sip::{HeaderName, Method, Request, Text, Via};

/// What identifies a server transaction, or an INVITE by its dialog: a keyed hash of 128 bits, so that it is
/// small, and a stranger can neither force collisions nor foresee where it lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64, u64);

/// Makes [`Key`]s.
#[derive(Clone)]
pub(super) struct Keyer {
    secrets: [[u64; 2]; 2],
}

impl Key {
    /// A tag made of the key: the same for every repetition of a request that is answered without state.
    pub(super) fn tag(self) -> String {
        format!("{:016x}", self.0)
    }
}

impl Keyer {
    /// `next` is a random source.
    pub(super) fn new(mut next: impl FnMut() -> u64) -> Self {
        Self { secrets: [[next(), next()], [next(), next()]] }
    }

    /// The server transaction that `request` belongs to, as if its method were `method` (ACK and CANCEL look
    /// for their INVITE). `None` when a peer of RFC 2543 left out what that needs.
    pub(super) fn transaction(
        &self,
        side: Side,
        via: &Via,
        request: &Request,
        method: &Method,
    ) -> Option<Key> {
        if let Some(branch) = via.transaction_branch() {
            return Some(self.key(side, &(branch, &via.sent_by, method.as_str())));
        }
        // The To tag is left out: an ACK has the response's, and the rest tells dialogs apart.
        let via = request.headers.values(&HeaderName::Via).next()?;
        let call_id = request.call_id()?;
        let number = request.cseq()?.number;
        Some(
            self.key(
                side,
                &(via, request.from_tag(), call_id, number, request.uri.to_string(), method.as_str()),
            ),
        )
    }

    /// The INVITE with this Call-ID, From tag and CSeq number: for ACKs of 2xx, PRACKs and merged requests.
    pub(super) fn invite(&self, side: Side, request: &Request, number: u32) -> Option<Key> {
        Some(self.key(side, &(request.call_id()?, request.from_tag(), number)))
    }

    fn key(&self, side: Side, what: &impl Hash) -> Key {
        let [a, b] = self.secrets.map(|secret| {
            let mut hasher = DefaultHasher::new();
            (secret, side).hash(&mut hasher);
            what.hash(&mut hasher);
            hasher.finish()
        });
        Key(a, b)
    }
}

impl fmt::Debug for Keyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyer(<redacted>)")
    }
}

/// One of our branches: unguessable, and it says where its transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) token: u64,
    pub(super) client: u64,
}

impl Branch {
    pub(super) fn parse(text: &Text) -> Option<Self> {
        let (cookie, rest) = text.split_at_checked(MAGIC_COOKIE.len())?;
        let (token, client) = rest.split_at_checked(16)?;
        let hex = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
        };
        cookie.eq_ignore_ascii_case(MAGIC_COOKIE).then_some(())?;
        Some(Self { token: hex(token)?, client: hex(client)? })
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MAGIC_COOKIE}{:016x}{:x}", self.token, self.client)
    }
}

/// Whether a CANCEL on `cancel` may end an INVITE that came on `invite`: the same connection, or the same
/// host. Nobody else can be authenticated to do so (§9.1, §26.1.5).
pub(super) fn same_hop(invite: Flow, cancel: Flow) -> bool {
    if invite.connection.is_some() || cancel.connection.is_some() {
        return invite.connection == cancel.connection;
    }
    invite.side == cancel.side && invite.remote.ip() == cancel.remote.ip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_reads_as_it_is_written() {
        for (token, client) in [(0, 0), (u64::MAX, u64::MAX), (0x00ab_cdef, 7 << 32 | 3)] {
            let branch = Branch { token, client };
            assert_eq!(Branch::parse(&Text::from(branch.to_string())), Some(branch));
        }
    }

    #[test]
    fn foreign_branches_are_none_of_ours() {
        for text in ["", "z9hG4bK", "z9hG4bK1", "z9hG4bK0123456789abcdef", "z9hG4bK0123456789abcdeg1", "1"] {
            assert_eq!(Branch::parse(&Text::from(text)), None, "{text}");
        }
        assert_eq!(Branch::parse(&Text::from("z9hG4bK+123456789abcdef+1")), None);
    }
}

//! Reaching the other end of a link: what the engine asks of the shell, and what it hears.
//!
//! The engine decides when to connect and when to try again; the shell only carries out one [`Dial`] at a time for each
//! link and answers it with exactly one [`DialResult`]:
//!
//! - It resolves the name (all addresses, IPv6 and IPv4), tries them one after another 250 ms apart without giving up the
//!   earlier ones (RFC 8305 §5), and takes the first that is ready; all within [`Dial::budget`].
//! - Over TLS it shows the box's client certificate, verifies the peer's certificate against the federation's CA, and its
//!   names against [`SipAddress::host`]. A WebSocket asks for the protocol `sip` (RFC 7118) and shows
//!   [`Dial::token`] and this office's name.
//! - Over UDP nothing is connected: the first address is the flow, the others are `others`, and the engine turns to
//!   the next when one is silent. All UDP links share one socket, which takes nothing from addresses that no link has.
//! - A flow it hands over has `Side::Office` when the link names an office, which the shell
//!   verified by the certificate, else `Side::Gateway`. What is read from it comes in by
//!   [`Input::Sip`](crate::engine::Input), its end by [`Input::FlowFailed`](crate::engine::Input), as of any listener's
//!   connection. It is not closed for being idle: the engine's probes keep it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::link::{LinkKind, SipAddress};
use super::name::{CredentialName, LinkId};
use crate::engine::flow::Flow;
use crate::engine::numbering::OfficeId;

/// How long a connection may take, name and TLS included. It is a call's delay too, which must stay below a second.
pub const CONNECT_BUDGET: Duration = Duration::from_millis(900);

/// Matches a [`DialResult`] with its [`Dial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialTicket(pub u64);

/// What an office shows the federation's gateway beside its certificate, issued by the controller.
#[derive(Clone, PartialEq, Eq)]
pub struct FederationToken(Arc<str>);

impl FederationToken {
    /// Longest token, in bytes.
    pub const LONGEST: usize = 256;

    /// A token of printable characters without spaces, as HTTP's `Bearer` takes it (RFC 6750 §2.1).
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// The secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FederationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FederationToken(<redacted>)")
    }
}

/// Asks the shell for a way to a link's other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Matches the answer.
    pub ticket: DialTicket,
    /// The link.
    pub link: LinkId,
    /// What it goes to.
    pub kind: LinkKind,
    /// The office that the peer's certificate must name; none for gateways.
    pub office: Option<OfficeId>,
    /// Where to.
    pub address: Arc<SipAddress>,
    /// The credentials that the link names.
    pub credentials: Option<CredentialName>,
    /// With these it is the token that the federation's gateway wants to see beside the certificate.
    pub token: Option<FederationToken>,
    /// When to give up.
    pub budget: Duration,
}

/// What became of a [`Dial`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialResult {
    /// There is a way.
    Open {
        /// The flow to use.
        flow: Flow,
        /// For UDP, the flows of the name's other addresses, at most 8, in the resolver's order.
        others: Vec<Flow>,
    },
    /// There is none.
    Failed(DialFailure),
}

/// Why there is no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialFailure {
    /// The name has no address, or the resolver failed.
    Unresolved,
    /// All addresses refused or are unreachable.
    Refused,
    /// Nothing was ready within the budget: no connection, or a handshake that stalled.
    TimedOut,
    /// TLS or the WebSocket's upgrade failed, or the peer refused our certificate.
    Handshake,
    /// The peer's certificate is not of the federation, has expired, or does not name the host or the office.
    Certificate,
    /// The gateway refused our token, or that we are the office that we say.
    Unauthorized,
    /// The box has no certificate or no socket to go out with.
    NotEquipped,
}

impl DialFailure {
    /// The label in records, metrics and health.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::Handshake => "handshake",
            Self::Certificate => "certificate",
            Self::Unauthorized => "unauthorized",
            Self::NotEquipped => "not-equipped",
        }
    }
}

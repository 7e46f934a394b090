//! What the transaction layer tells its user.

use crate::engine::flow::{Flow, FlowFailure};
use crate::sip::{Request, Response};

/// A client transaction. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(super) u64);

/// A server transaction. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub(super) u64);

/// What happened. Drain [`Layer::poll_event`](super::Layer::poll_event) after every call.
#[derive(Debug)]
pub enum Event {
    /// A new request, never ACK, CANCEL or a matching PRACK. Its top Via has `received` and `rport` filled in
    /// (RFC 3581), so a response built from it carries them. It wants
    /// [`Layer::respond`](super::Layer::respond).
    Request {
        /// To answer it.
        server: ServerId,
        /// Where it came from; responses go back there.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// The ACK of a 2xx that we sent, once.
    Ack {
        /// The INVITE's transaction.
        server: ServerId,
        /// The ACK; an answer may be in its body.
        request: Request,
    },
    /// The caller gave up. The CANCEL has its 200; the user answers the INVITE with 487.
    Cancelled {
        /// The INVITE's transaction.
        invite: ServerId,
        /// The CANCEL, for its `Reason` (RFC 3326).
        cancel: Request,
    },
    /// The PRACK of a reliable provisional response. It wants a 2xx by
    /// [`Layer::respond`](super::Layer::respond) on `server`; queued responses of the INVITE are sent by then.
    Prack {
        /// To answer the PRACK.
        server: ServerId,
        /// The INVITE's transaction.
        invite: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The PRACK; an offer or answer may be in its body.
        request: Request,
    },
    /// A response: each new provisional, and the final one. An INVITE's 2xx wants
    /// [`Layer::ack_2xx`](super::Layer::ack_2xx) and may come several times, each with another To tag (forks).
    Response {
        /// The transaction. It accepts nothing more after a final response, except `ack_2xx`.
        client: ClientId,
        /// The response.
        response: Response,
        /// Set when the response is a reliable provisional one, in order and new: a PRACK is due.
        prack: Option<ReliableProvisional>,
    },
    /// A 2xx to an INVITE whose [`FailureReason::FirstResponseTimeout`] was told before. It wants `ack_2xx`
    /// and then a BYE.
    LateAnswer {
        /// The transaction.
        client: ClientId,
        /// The 2xx.
        response: Response,
    },
    /// No final response will come. Told at most once, and never after a final response.
    Failed {
        /// The transaction; it has ended.
        client: ClientId,
        /// Why.
        reason: FailureReason,
    },
    /// The peer never acknowledged our final response to its INVITE: after a 2xx the call is to be ended by
    /// BYE (§13.3.1.4), after another one there is nothing to do.
    Unacknowledged {
        /// The INVITE's transaction; it has ended.
        server: ServerId,
        /// Whether it was a 2xx.
        accepted: bool,
    },
    /// The peer never acknowledged a reliable provisional response: the INVITE is to be answered with a 5xx
    /// (RFC 3262 §3).
    ProvisionalUnacknowledged {
        /// The INVITE's transaction; it still wants a final response.
        server: ServerId,
    },
}

/// A reliable provisional response that wants a PRACK: what its `RAck` says (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReliableProvisional {
    /// Its RSeq.
    pub rseq: u32,
    /// The INVITE's CSeq number.
    pub cseq: u32,
}

/// Why a client transaction failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// No final response within 64·T1 (timer F), or none at all to an INVITE (timer B).
    Timeout,
    /// Nothing came within the caller's own first-response deadline.
    FirstResponseTimeout,
    /// The INVITE was cancelled, and the peer sent no final response within 64·T1.
    CancelTimeout,
    /// The message could not be sent, or the flow was closed.
    TransportFailed(FlowFailure),
}

impl FailureReason {
    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::FirstResponseTimeout => "first-response-timeout",
            Self::CancelTimeout => "cancel-timeout",
            Self::TransportFailed(_) => "transport-failed",
        }
    }
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RequestRefusal {
    /// The table of client transactions is full.
    #[error("too many client transactions")]
    Full,
    /// The request lacks one of To, From, Call-ID, CSeq, or is an ACK or CANCEL, which have their own calls.
    #[error("not a request that opens a client transaction")]
    Unfit,
    /// The transaction to which it belongs has ended.
    #[error("the transaction has ended")]
    Gone,
}

/// Why a response was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RespondRefusal {
    /// The transaction has ended, or never was.
    #[error("the transaction has ended")]
    Gone,
    /// A final response was given before.
    #[error("a final response was given before")]
    Answered,
    /// A reliable response needs a provisional status above 100 and an INVITE.
    #[error("only a 101 to 199 to an INVITE can be sent reliably")]
    NotReliable,
    /// Too many reliable responses wait for their predecessor's PRACK.
    #[error("too many reliable responses are waiting")]
    QueueFull,
}

/// Why nothing was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CancelRefusal {
    /// The transaction has ended or has its final response.
    #[error("the transaction has its final response")]
    Answered,
    /// Only an INVITE can be cancelled.
    #[error("only an INVITE can be cancelled")]
    NotInvite,
}

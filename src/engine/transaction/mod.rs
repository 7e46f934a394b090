//! Transactions (RFC 3261 §17, RFC 6026, RFC 3262, RFC 3581).
//!
//! [`Layer`] is the whole of it: messages and time in, [`Event`]s and bytes out. It owns every client and
//! server transaction of the gateway; nothing is sent past it, so everything is retransmitted, matched and
//! counted in one place. The state machines are one file each and know neither tables nor each other.
//!
//! | file | what |
//! | --- | --- |
//! | `layer` | [`Layer`]: the only door; `layer/{requests,responses}` are its two ways in |
//! | `client`, `invite_client` | the client machines |
//! | `server`, `invite_server` | the server machines |
//! | `reliable` | reliable provisional responses, both ends (RFC 3262) |
//! | `key` | matching: branch, sent-by, method; our own branches |
//! | `table`, `backoff`, `outbox` | bounded storage, intervals that double, what waits to be taken |
//! | `event`, `drops`, `settings` | the vocabulary |
//!
//! # State tables
//!
//! "U" is an unreliable transport (UDP), "R" a reliable one. Timers keep their RFC letters. A state that
//! ends is forgotten; what then comes for it is a stray, counted by [`DropReason`].
//!
//! ## INVITE client (RFC 3261 §17.1.1, RFC 6026 §7.2)
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | `request` | send; A = T1 (U), B = 64·T1, own first-response deadline if any | Calling |
//! | Calling | A (U) | send again; A doubles | Calling |
//! | Calling | B | [`FailureReason::Timeout`] | end |
//! | Calling | first-response deadline | [`FailureReason::FirstResponseTimeout`]; B goes on | Abandoned |
//! | Calling | 1xx | [`Event::Response`]; A, B off; CANCEL now if asked before, then cancel deadline = 64·T1 | Proceeding |
//! | Proceeding | 1xx | [`Event::Response`] | Proceeding |
//! | Proceeding | `cancel` | CANCEL in a transaction of its own; cancel deadline = 64·T1 | Proceeding |
//! | Proceeding | cancel deadline | [`FailureReason::CancelTimeout`] | end |
//! | Calling, Proceeding | 2xx | [`Event::Response`]; M = 64·T1 | Accepted |
//! | Calling, Proceeding | 3xx–6xx | ACK on the same flow, [`Event::Response`]; D = 64·T1 (U), 0 (R) | Completed |
//! | Calling, Proceeding | flow lost | [`FailureReason::TransportFailed`] | end |
//! | Abandoned | 1xx | CANCEL once, B becomes 64·T1 from now | Abandoned |
//! | Abandoned | 2xx | [`Event::LateAnswer`]; M = 64·T1 | Accepted |
//! | Abandoned | 3xx–6xx | ACK on the same flow; D | Completed |
//! | Abandoned | B, flow lost | – | end |
//! | Accepted | 2xx, its To tag has an ACK | that ACK again | Accepted |
//! | Accepted | 2xx, its To tag is known, no ACK yet | – | Accepted |
//! | Accepted | 2xx, new To tag | [`Event::Response`] (a fork), [`Event::LateAnswer`] after Abandoned | Accepted |
//! | Accepted | flow lost | – | Accepted |
//! | Accepted | M | – | end |
//! | Completed | 3xx–6xx | ACK again | Completed |
//! | Completed | D, flow lost | – | end |
//!
//! ## Non-INVITE client (§17.1.2)
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | `request` | send; E = T1 (U), F = 64·T1, own first-response deadline if any | Trying |
//! | Trying | E (U) | send again; E = min(2·E, T2) | Trying |
//! | Trying | 1xx | [`Event::Response`]; E = T2 (U) | Proceeding |
//! | Proceeding | E (U) | send again; E = T2 | Proceeding |
//! | Proceeding | 1xx | [`Event::Response`] | Proceeding |
//! | Trying, Proceeding | F | [`FailureReason::Timeout`] | end |
//! | Trying | first-response deadline | [`FailureReason::FirstResponseTimeout`] | end |
//! | Trying, Proceeding | 2xx–6xx | [`Event::Response`]; K = T4 (U), 0 (R) | Completed |
//! | Trying, Proceeding | flow lost | [`FailureReason::TransportFailed`] | end |
//! | Completed | any response | – | Completed |
//! | Completed | K | – | end |
//!
//! ## INVITE server (§17.2.1, §13.3.1.4, RFC 6026 §7.1)
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | INVITE | [`Event::Request`]; 100 now or after 200 ms | Proceeding |
//! | Proceeding | INVITE again | last provisional again (100 if none was sent) | Proceeding |
//! | Proceeding | 200 ms, nothing sent | 100 | Proceeding |
//! | Proceeding | `respond` 1xx | send | Proceeding |
//! | Proceeding | CANCEL | 200 to the CANCEL, [`Event::Cancelled`] once | Proceeding |
//! | Proceeding | `respond` 2xx | send; 2xx timer = T1, L = 64·T1 | Accepted |
//! | Proceeding | `respond` 3xx–6xx | send; G = T1 (U), H = 64·T1 | Completed |
//! | Accepted | 2xx timer, no ACK yet | 2xx again (U and R); timer = min(2·timer, T2) | Accepted |
//! | Accepted | ACK (Call-ID, From tag, CSeq) | [`Event::Ack`] once; 2xx timer off | Accepted |
//! | Accepted | INVITE again | – | Accepted |
//! | Accepted | L | [`Event::Unacknowledged`] if no ACK came | end |
//! | Completed | G (U) | response again; G = min(2·G, T2) | Completed |
//! | Completed | INVITE again | response again | Completed |
//! | Completed | ACK | I = T4 (U), 0 (R) | Confirmed |
//! | Completed | H | [`Event::Unacknowledged`] | end |
//! | Confirmed | INVITE or ACK again | – | Confirmed |
//! | Confirmed | I | – | end |
//!
//! ## Reliable provisional responses, server end (RFC 3262 §3)
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | idle | `respond_reliably` | RSeq put in, send; resend = T1, give-up = 64·T1 | outstanding |
//! | outstanding | `respond_reliably`, `respond` 2xx | queue | outstanding |
//! | outstanding | resend timer | send again (U and R); timer doubles | outstanding |
//! | outstanding | PRACK with its RAck | [`Event::Prack`]; next of the queue is sent | idle or outstanding |
//! | outstanding | `respond` 3xx–6xx | send it; queue dropped | idle |
//! | outstanding | give-up | [`Event::ProvisionalUnacknowledged`]; queue dropped | idle |
//! | any | PRACK with another RAck | 481 | same |
//!
//! ## Non-INVITE server (§17.2.2)
//!
//! | state | event | do | next |
//! | --- | --- | --- | --- |
//! | – | request | [`Event::Request`] | Trying |
//! | Trying | request again | – | Trying |
//! | Trying, Proceeding | `respond` 1xx | send | Proceeding |
//! | Proceeding | request again | last provisional again | Proceeding |
//! | Trying, Proceeding | `respond` 2xx–6xx | send; J = 64·T1 (U), 0 (R) | Completed |
//! | Completed | request again | response again | Completed |
//! | Completed | J | – | end |
//!
//! A server transaction whose user never answers ends after [`Settings::unanswered`], counted as
//! [`DropReason::NeverAnswered`]; so a fault elsewhere cannot fill the table.
//!
//! # When the tables are full
//!
//! Each table has room for [`Limits`]. A new transaction first takes the place of the quiet one (final
//! response sent or received, ACK seen where a 2xx waits for one) that fell quiet first; that only shortens the time
//! in which its stray retransmissions are recognised. If none is quiet, a request gets 503 with
//! `Retry-After`, without state, and [`Layer::request`] refuses with [`RequestRefusal::Full`].

mod backoff;
mod client;
mod drops;
mod event;
mod invite_client;
mod invite_server;
mod key;
mod layer;
mod outbox;
mod reliable;
mod server;
mod settings;
mod table;
#[cfg(test)]
mod tests;

pub use drops::{DropReason, Drops};
pub use event::{
    CancelRefusal, ClientId, Event, FailureReason, ReliableProvisional, RequestRefusal, RespondRefusal,
    ServerId,
};
pub use layer::{Layer, RequestOptions};
pub use settings::{Limits, Settings, Timing, Trying};

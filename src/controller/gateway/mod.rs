//! The federation's gateway: SIP over secure WebSocket between offices that cannot reach each other, on port 443.
//!
//! ```text
//!  BRU ── wss ──► door ──► serve ──► proxy ──► serve ── wss ──► PAR
//!                  │ certificate, header, token    ▲ which offices there are, who may call whom
//!                  └────────── database ───────────┘
//! ```
//!
//! Each office connects to it; nothing is ever dialled from here. A connection is an office's when its certificate, its
//! header `X-Federation-Office` and its token say the same (`door`). What comes on it is passed on by a proxy that keeps no
//! state of calls (RFC 3261 §16.11): it may be restarted, or be there several times, without a call noticing more than a
//! new connection. Media do not come here; the keys of SRTP in the descriptions do, as they come to any proxy.
//!
//! | file | what is there |
//! | --- | --- |
//! | `door` | who gets in: the WebSocket's upgrade |
//! | `serve` | connections and messages: sockets to values and back |
//! | `proxy` | what becomes of a message: values in, values out |
//! | `marks` | what the proxy writes into Via and Record-Route, to know its own again |
//! | `flows` | which connections an office has |
//! | `directory` | which offices there are, and who may call whom |
//! | `reason` | every refusal and drop, by name |
//! | `figures` | what was counted, and who is connected: for REST |

mod directory;
mod door;
mod figures;
mod flows;
mod marks;
mod proxy;
mod reason;
mod serve;

#[cfg(test)]
mod proxy_tests;
#[cfg(test)]
mod tests;

pub(super) use figures::Figures;
pub(super) use serve::Gateway;

/// Names the office: in the upgrade as it says itself, in SIP as the gateway found it proven.
const OFFICE_HEADER: &str = "X-Federation-Office";

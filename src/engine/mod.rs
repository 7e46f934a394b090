//! Sans-IO signalling.
//!
//! One owner, `&mut self`: [`Input`] in, [`Output`] out, time given with every call. The engine never blocks,
//! never reads a clock and never touches a socket; the shell carries its outputs out, in order.
//!
//! | place | what |
//! | --- | --- |
//! | [`transaction`] | client and server transactions (RFC 3261 §17, RFC 6026), timers A to M |
//! | [`dialog`] | dialogs, route sets, session timers (RFC 3261 §12, RFC 4028) |
//! | `registrar` | REGISTER, bindings, location; the browser devices |
//! | `message` | page-mode messages between extensions |
//! | `mirror` | what Asterisk is told about each extension |
//! | `admission` | rates, caps, digest lock-out: a verdict with a reason |
//! | `call` | the B2BUA: call, leg, forking, offer and answer, hold, DTMF |
//! | `roaming` | where extensions are that roam, and visitors' credentials |
//! | [`policy`] | what other offices may do here, and what calls may cost |
//! | `numbering` | extensions, country codes, emergency numbers |
//! | [`routing`] | links, routes, health, plans |
//! | [`web`] | a browser's signalling as values |
//! | [`flow`] | how a peer is reached |

pub mod admission;
pub mod call;
pub mod dialog;
pub mod flow;
mod front;
mod input;
pub mod message;
pub mod mirror;
pub mod numbering;
mod output;
pub mod policy;
pub mod registrar;
pub mod roaming;
pub mod routing;
#[cfg(test)]
pub(crate) mod scenarios;
pub mod settings;
#[cfg(test)]
mod testing;
pub mod timers;
pub mod transaction;
pub mod web;

pub use front::{Engine, EngineSetup};
pub use input::{Input, RoamingInput};
pub use output::{Change, FetchTicket, Observation, Output, Publication, RoamingWrite, StoreTicket};

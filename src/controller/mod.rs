//! The federation's controller: what offices there are and how they reach each other, over REST and on a page.
//!
//! A program for central ops, built with the feature `controller` and not part of a box. Offices, links and routes are
//! rows of a database; from an office's rows a route set is composed, checked as a box would, numbered, signed, kept,
//! and published on `routes/desired`. What the boxes say is collected beside it.
//!
//! ```text
//!  REST, page ──► rest ──► store (database) ◄── uplink ◄── broker ◄── boxes
//!                    │        ▲   │ desired sets that no broker has acknowledged
//!                    └─ compose   └──────────► uplink ──► broker ──► boxes
//! ```
//!
//! Nothing that was answered lives in memory only: a desired set is in the database before it is published, and is
//! published until a broker has acknowledged it, through restarts of either. Revisions are given out by the database, in
//! the transaction that stores the set.
//!
//! | file | what is there |
//! | --- | --- |
//! | `settings` | the configuration file and what it means |
//! | `run` | from settings to a controller that serves, and its end |
//! | `store` | the database: transactions, rows |
//! | `compose` | an office's rows → its route set |
//! | `diagnosis` | what is wrong with an office, in words |
//! | `uplink` | the sessions with brokers |
//! | `collect` | what came from there → the database |
//! | `gateway` | SIP between offices that cannot reach each other, by secure WebSocket |
//! | `access` | who is asking: API keys, federation tokens |
//! | `rest` | every path of REST |
//! | `pages` | the page in the binary |
//! | `problem` | every refusal, as RFC 9457 |

mod access;
mod collect;
mod compose;
mod diagnosis;
mod gateway;
mod pages;
mod problem;
mod rest;
mod run;
mod secret;
mod settings;
mod store;
mod uplink;

pub use run::{Failed, run};
pub use secret::Secret;
pub use settings::{BrokerSettings, Flags, GatewayFlags, GatewaySettings, Settings};
pub use store::{Address, Database, Store, StoreError};

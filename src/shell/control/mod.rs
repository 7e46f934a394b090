//! The control socket: how `branchline status` and its like ask the running daemon.
//!
//! A Unix socket in the runtime directory, for root and the daemon's own user. A client sends one line of
//! JSON and gets one line of JSON:
//!
//! | request | reply |
//! | --- | --- |
//! | `{"get":"status"}` | `{"status":{…}}` |
//! | `{"get":"calls"}` | `{"calls":[…]}` |
//! | `{"get":"registrations"}` | `{"registrations":[…]}` |
//! | `{"get":"links"}` | `{"links":[…]}` |
//! | `{"resolve":"1001"}` | `{"resolution":{…}}` |
//! | `{"do":"reload"}`, `{"do":"reload-accounts"}`, `{"do":"drain"}` | `{"done":"…"}` |
//! | anything else | `{"refused":"why"}` |
//!
//! The socket knows nothing of the engine: each request goes through a bounded channel as a [`ControlQuery`],
//! and whoever holds the other end answers.

mod server;
mod views;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::engine::call::Resolution;

pub use server::{ControlServer, LONGEST_REPLY, LONGEST_REQUEST};
pub use views::{CallView, CertificateView, ConditionView, LegView, LinkView, RegistrationView, StatusView};

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Wire", from = "Wire")]
pub enum ControlRequest {
    /// How the box is.
    Status,
    /// The calls that are up or being set up.
    Calls,
    /// Which device is registered where.
    Registrations,
    /// How the links to other offices and carriers are.
    Links,
    /// Where a call to this number would go, and why.
    Resolve(String),
    /// Read configuration and certificates again.
    Reload,
    /// Read the accounts again: the command line changed them.
    ReloadAccounts,
    /// Take no new calls, and end with the last one.
    Drain,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlReply {
    /// To [`ControlRequest::Status`].
    Status(Box<StatusView>),
    /// To [`ControlRequest::Calls`].
    Calls(Vec<CallView>),
    /// To [`ControlRequest::Registrations`].
    Registrations(Vec<RegistrationView>),
    /// To [`ControlRequest::Links`].
    Links(Vec<LinkView>),
    /// To [`ControlRequest::Resolve`].
    Resolution(Box<Resolution>),
    /// What was done, in words.
    Done(String),
    /// Why not.
    Refused(String),
}

/// A request on its way to whoever can answer it.
#[derive(Debug)]
pub struct ControlQuery {
    /// What is asked.
    pub request: ControlRequest,
    /// Where the answer goes. Dropping it answers "not available now".
    pub reply: oneshot::Sender<ControlReply>,
}

/// The request as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Wire {
    Get(Get),
    Resolve(String),
    Do(Do),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Get {
    Status,
    Calls,
    Registrations,
    Links,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Do {
    Reload,
    ReloadAccounts,
    Drain,
}

impl From<ControlRequest> for Wire {
    fn from(request: ControlRequest) -> Self {
        match request {
            ControlRequest::Status => Self::Get(Get::Status),
            ControlRequest::Calls => Self::Get(Get::Calls),
            ControlRequest::Registrations => Self::Get(Get::Registrations),
            ControlRequest::Links => Self::Get(Get::Links),
            ControlRequest::Resolve(number) => Self::Resolve(number),
            ControlRequest::Reload => Self::Do(Do::Reload),
            ControlRequest::ReloadAccounts => Self::Do(Do::ReloadAccounts),
            ControlRequest::Drain => Self::Do(Do::Drain),
        }
    }
}

impl From<Wire> for ControlRequest {
    fn from(wire: Wire) -> Self {
        match wire {
            Wire::Get(Get::Status) => Self::Status,
            Wire::Get(Get::Calls) => Self::Calls,
            Wire::Get(Get::Registrations) => Self::Registrations,
            Wire::Get(Get::Links) => Self::Links,
            Wire::Resolve(number) => Self::Resolve(number),
            Wire::Do(Do::Reload) => Self::Reload,
            Wire::Do(Do::ReloadAccounts) => Self::ReloadAccounts,
            Wire::Do(Do::Drain) => Self::Drain,
        }
    }
}

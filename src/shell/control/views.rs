//! What the daemon tells about itself. Fields may be added; a reader ignores what it does not know.

use serde::{Deserialize, Serialize};

use crate::observe::ConditionReport;

/// How the box is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusView {
    /// The office's id.
    pub office: String,
    /// The software's version.
    pub version: String,
    /// The daemon's process id.
    pub pid: u32,
    /// Seconds since its start.
    pub uptime_seconds: u64,
    /// `ready`, `reloading` or `draining`.
    pub state: String,
    /// `up`, `down` or `off` (not configured).
    pub asterisk: String,
    /// `off` (not configured), `down`, or the broker in use.
    pub uplink: String,
    /// Accounts.
    pub extensions: usize,
    /// Bindings.
    pub registrations: usize,
    /// Calls up or being set up.
    pub calls: usize,
    /// Where we listen: `tls 0.0.0.0:5061`.
    pub listeners: Vec<String>,
    /// Our certificates.
    pub certificates: Vec<CertificateView>,
    /// Everything that was wrong since start, what is wrong now first.
    pub conditions: Vec<ConditionView>,
}

/// A certificate in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateView {
    /// Which listener shows it: `sip` or `https`.
    pub listener: String,
    /// When it ends; milliseconds since 1970 UTC.
    pub expires_ms: u64,
}

/// A health condition; see [`ConditionReport`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConditionView {
    /// Its name.
    pub name: String,
    /// Whether it holds now.
    pub raised: bool,
    /// Since when; milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// How often it was raised.
    pub count: u64,
    /// The newest error.
    pub last_error: String,
}

impl From<ConditionReport> for ConditionView {
    fn from(report: ConditionReport) -> Self {
        Self {
            name: report.name.to_owned(),
            raised: report.raised,
            since_ms: report.since_ms,
            count: report.count,
            last_error: report.last_error,
        }
    }
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallView {
    /// Its id.
    pub id: String,
    /// Who calls.
    pub caller: String,
    /// Who is called.
    pub callee: String,
    /// `ringing`, `up`, `held`.
    pub state: String,
    /// When it began; milliseconds since 1970 UTC.
    pub started_ms: u64,
    /// Its legs, the caller's first; those that have given up are not among them.
    pub legs: Vec<LegView>,
}

/// A leg of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegView {
    /// The party's number.
    pub number: String,
    /// `udp`, `tcp`, `tls`, `ws`, `wss`, `web` or `asterisk`.
    pub by: String,
    /// Since when it talks, or rings; milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// The codec that was agreed.
    pub codec: Option<String>,
    /// Mean opinion score of what arrives from there.
    pub mos: Option<f32>,
    /// Packets lost on the way from there, in percent.
    pub loss_percent: Option<f32>,
}

/// A binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistrationView {
    /// Whose.
    pub extension: String,
    /// `udp`, `tcp`, `tls` or `wss`.
    pub transport: String,
    /// The device's address and port.
    pub remote: String,
    /// Its contact.
    pub contact: String,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// When it ends; milliseconds since 1970 UTC.
    pub expires_ms: u64,
    /// When the device first bound it; milliseconds since 1970 UTC.
    pub since_ms: u64,
}

/// A link to another office or a carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkView {
    /// Its name in the route set.
    pub id: String,
    /// `SipTrunk`, `IaxTrunk`, `ApiGateway` or `PstnGateway`.
    pub kind: String,
    /// The office that it leads to; none for carriers.
    pub office: Option<String>,
    /// Where to.
    pub address: String,
    /// `up`, `probing`, `down` or `disabled`.
    pub state: String,
    /// Since when; milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// What failed last.
    pub failure: Option<String>,
    /// Calls on it now.
    pub calls: u32,
}

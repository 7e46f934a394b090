//! The daemon's view of itself, for the HTTP room and the control socket: all from memory.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::api::{Condition as ApiCondition, HealthView, Vitals};
use crate::observe::{Condition, Health, Metrics};
use crate::shell::control::StatusView;
use crate::shell::engine_task::Overview;
use crate::shell::settings::AccountBook;
use crate::shell::uplink::UplinkEye;

/// The conditions under which calls cannot be served.
const FAILING: [Condition; 2] = [Condition::EngineStalled, Condition::MediaStalled];

/// What status is made of.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) health: Health,
    pub(super) metrics: Metrics,
    pub(super) overview: watch::Receiver<Overview>,
    pub(super) accounts: Arc<AccountBook>,
    /// The uplink, if there is one.
    pub(super) uplink: Option<UplinkEye>,
    /// Where we listen, as bound: `tls 0.0.0.0:5061`.
    pub(super) listeners: Vec<String>,
    /// What changes at a reload only, and the daemon's state.
    pub(super) ground: Mutex<StatusView>,
}

impl Board {
    /// How the box is.
    pub(super) fn view(&self) -> StatusView {
        let overview = *self.overview.borrow();
        let ground = self.ground.lock().unwrap_or_else(PoisonError::into_inner).clone();
        StatusView {
            uptime_seconds: self.metrics.uptime().as_secs(),
            asterisk: overview.asterisk_word().to_owned(),
            uplink: self.uplink.as_ref().map_or_else(|| "off".to_owned(), UplinkEye::word),
            extensions: self.accounts.len(),
            registrations: overview.registrations,
            calls: overview.calls,
            listeners: self.listeners.clone(),
            conditions: self.health.snapshot().into_iter().map(Into::into).collect(),
            ..ground
        }
    }

    /// Changes the ground.
    pub(super) fn change(&self, change: impl FnOnce(&mut StatusView)) {
        change(&mut self.ground.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A sentence for `systemctl status`.
    pub(super) fn line(&self) -> String {
        let overview = *self.overview.borrow();
        let asterisk = match overview.asterisk_word() {
            "off" => String::new(),
            word => format!(", Asterisk {word}"),
        };
        let raised = self.health.snapshot().into_iter().filter(|report| report.raised);
        let wrong: Vec<&str> = raised.map(|report| report.name).collect();
        let wrong = if wrong.is_empty() { String::new() } else { format!("; {}", wrong.join(", ")) };
        let (calls, devices) = (overview.calls, overview.registrations);
        format!(
            "{}: {calls} {}, {devices} {}{asterisk}{wrong}",
            self.office(),
            of(calls, "call"),
            of(devices, "device")
        )
    }

    fn office(&self) -> String {
        self.ground.lock().unwrap_or_else(PoisonError::into_inner).office.clone()
    }
}

impl Vitals for Board {
    fn health(&self) -> HealthView {
        let raised: Vec<_> = self.health.snapshot().into_iter().filter(|report| report.raised).collect();
        let is_failing = FAILING.iter().any(|condition| self.health.is_raised(*condition));
        let status = match (is_failing, raised.is_empty()) {
            (true, _) => "failing",
            (false, false) => "degraded",
            (false, true) => "ok",
        };
        let conditions = raised.into_iter().map(|report| ApiCondition {
            name: report.name.to_owned(),
            since: report.since_ms,
            text: report.last_error,
        });
        let version = env!("CARGO_PKG_VERSION").to_owned();
        HealthView { status, version, conditions: conditions.collect() }
    }

    fn status(&self) -> serde_json::Value {
        serde_json::to_value(self.view()).unwrap_or_default()
    }

    fn metrics(&self) -> String {
        self.metrics.encode().unwrap_or_else(|_| "# EOF\n".to_owned())
    }
}

fn of(count: usize, one: &str) -> String {
    if count == 1 { one.to_owned() } else { format!("{one}s") }
}

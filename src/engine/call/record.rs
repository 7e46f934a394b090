//! The record of a call: one JSON document, written once it is over.

use serde::Serialize;

use super::attempts::AttemptRecord;
use super::effects::Effects;
use super::leg::{Leg, LegState};
use super::model::{Call, CallState};
use super::quality;
use crate::engine::output::Change;
use crate::engine::web::QualityView;

/// What is kept of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallRecord {
    /// Version of this document.
    pub v: u32,
    /// The call.
    pub id: String,
    /// The office.
    pub office: String,
    /// The caller's number.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// Milliseconds since 1970.
    pub started: u64,
    /// Milliseconds since 1970; absent if it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// Milliseconds since 1970.
    pub ended: u64,
    /// Why it ended, as a stable word.
    pub cause: &'static str,
    /// The rule that refused or ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Whether it was a call for help.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// The revision of the route table by which it was planned; absent when there was none.
    #[serde(rename = "route-revision", skip_serializing_if = "Option::is_none")]
    pub route_revision: Option<u64>,
    /// What was tried, in order, then the links that were left out.
    pub attempts: Vec<AttemptRecord>,
    /// Every leg that was tried, the caller's first.
    pub legs: Vec<LegRecord>,
}

/// What is kept of a leg.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LegRecord {
    /// The party's number.
    pub number: String,
    /// `udp`, `tcp`, `tls`, `ws`, `wss`, `web`, `asterisk`, `office` or `gateway`.
    pub by: &'static str,
    /// Milliseconds since 1970; absent if it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// How it ended, as a stable word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<&'static str>,
    /// The main codec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Quality at the end of the call, both directions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityView>,
    /// Mean of all intervals' opinion scores, of what came from the party.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mos_from: Option<f32>,
    /// The same, of what went to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mos_to: Option<f32>,
}

impl Call {
    /// Writes the record if all figures are in; `anyway` when they will not come.
    pub(super) fn write_record(&mut self, anyway: bool, fx: &mut Effects<'_>) {
        let is_complete = self.legs.iter().all(|leg| leg.session.is_reported());
        let CallState::Over(cause) = self.state else { return };
        if self.recorded || !(is_complete || anyway) {
            return;
        }
        self.recorded = true;
        let record = CallRecord {
            v: 1,
            id: self.id.to_string(),
            office: fx.settings.office.clone(),
            from: self.legs.first().map(|leg| leg.party.number.clone()).unwrap_or_default(),
            to: self.dialled.clone(),
            started: self.started.0,
            answered: self.answered.map(|at| at.0),
            ended: self.ended.unwrap_or(fx.now.wall).0,
            cause: cause.as_str(),
            rule: self.rule.as_ref().map(ToString::to_string),
            emergency: self.plan.is_emergency(),
            route_revision: Some(self.revision.0).filter(|revision| *revision > 0),
            attempts: self.attempt_records(),
            legs: self.legs.iter().map(leg_record).collect(),
        };
        fx.persist(Change::CallRecord(Box::new(record)));
    }
}

fn leg_record(leg: &Leg) -> LegRecord {
    let report = leg.session.report();
    LegRecord {
        number: leg.party.number.clone(),
        by: leg.by(),
        answered: leg.answered.map(|at| at.0),
        ended: match leg.state {
            LegState::Ended(cause) => Some(cause.as_str()),
            _ => None,
        },
        codec: leg.session.agreed().and_then(|agreed| agreed.audio()).map(|audio| audio.codec.name.clone()),
        quality: report.map(quality::view),
        mos_from: report.and_then(|report| report.received.mos_average),
        mos_to: report.and_then(|report| report.sent.mos_average),
    }
}

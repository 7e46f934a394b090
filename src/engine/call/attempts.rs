//! What was tried for a call, in order, and what became of it: for its record.

use std::borrow::Cow;

use serde::Serialize;

use super::cause::Cause;
use super::effects::Effects;
use super::model::Call;
use super::plan::Target;
use crate::engine::output::Observation;
use crate::engine::routing::LinkId;
use crate::time::WallTime;

/// Most attempts that a record holds; what follows is made all the same.
const MOST: usize = 64;

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    by: &'static str,
    link: Option<LinkId>,
    kind: Option<&'static str>,
    started: WallTime,
    rang: bool,
    outcome: Option<(Outcome, Cow<'static, str>, WallTime)>,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered.
    Answered,
    /// It failed by itself: no way, refused, lost.
    Failed,
    /// We gave it up: it was silent, or nobody answered in time.
    GivenUp,
    /// The caller gave up.
    Cancelled,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::GivenUp => "given-up",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is kept of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptRecord {
    /// `link`, `asterisk` or `devices`.
    pub by: &'static str,
    /// The link's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The link's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// When it began, in milliseconds since 1970; absent if it was never made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// How long it took to its outcome, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<u64>,
    /// Whether its phone rang.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rang: bool,
    /// `answered`, `failed`, `given-up`, `cancelled`, or `skipped` for a link that was not tried.
    pub outcome: &'static str,
    /// Why, as a stable word.
    pub reason: String,
}

impl Call {
    /// An attempt begins.
    pub(super) fn begin_attempt(&mut self, target: &Target, fx: &Effects<'_>) {
        if self.tried.len() >= MOST {
            return;
        }
        let (by, link) = match target {
            Target::Asterisk { .. } => ("asterisk", None),
            Target::Device { .. } => ("devices", None),
            Target::Link(choice) => ("link", Some(&choice.link)),
        };
        self.attempt_reason = None;
        self.tried.push(Tried {
            by,
            link: link.map(|link| link.id.clone()),
            kind: link.map(|link| link.kind.as_str()),
            started: fx.now.wall,
            rang: false,
            outcome: None,
        });
    }

    /// How often a link was tried.
    pub(super) fn tries(&self, link: &LinkId) -> usize {
        self.tried.iter().filter(|tried| tried.link.as_ref() == Some(link)).count()
    }

    /// The attempt under way has its outcome; the first one counts. The reason is the one that was noted, else the cause.
    pub(super) fn end_attempt(&mut self, outcome: Outcome, cause: &'static str, fx: &Effects<'_>) {
        let noted = self.attempt_reason.take();
        if let Some(tried) = self.tried.last_mut().filter(|tried| tried.outcome.is_none()) {
            tried.outcome = Some((outcome, noted.unwrap_or(Cow::Borrowed(cause)), fx.now.wall));
        }
    }

    /// The attempt under way ends with the call.
    pub(super) fn end_attempt_with(&mut self, cause: Cause, fx: &Effects<'_>) {
        let outcome = match cause {
            Cause::Cancelled | Cause::Shutdown => Outcome::Cancelled,
            Cause::NoAnswer => Outcome::GivenUp,
            _ => Outcome::Failed,
        };
        self.end_attempt(outcome, cause.as_str(), fx);
    }

    /// The phone of the attempt under way rings.
    pub(super) fn attempt_rings(&mut self) {
        if let Some(tried) = self.tried.last_mut() {
            tried.rang = true;
        }
    }

    /// Says more exactly than a cause why the attempt under way fails.
    pub(super) fn note_attempt(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.attempt_reason = Some(reason.into());
    }

    /// Somebody calls for help: said before anything is tried.
    pub(super) fn tell_of_emergency(&self, fx: &mut Effects<'_>) {
        if self.plan.is_emergency() {
            fx.observe(Observation::Emergency {
                call: self.id.to_string(),
                number: self.dialled.clone(),
                caller: self.peer_of(1).number,
                place: self.place.clone(),
            });
        }
    }

    /// The attempts in their order, then the links that were left out.
    pub(super) fn attempt_records(&self) -> Vec<AttemptRecord> {
        let skipped = self.plan.skipped().iter().map(|skipped| AttemptRecord {
            by: "link",
            link: Some(skipped.link.to_string()),
            kind: None,
            started: None,
            took: None,
            rang: false,
            outcome: "skipped",
            reason: skipped.why.as_str().to_owned(),
        });
        self.tried.iter().map(record).chain(skipped).take(MOST).collect()
    }
}

fn record(tried: &Tried) -> AttemptRecord {
    let ended = tried.outcome.as_ref();
    AttemptRecord {
        by: tried.by,
        link: tried.link.as_ref().map(ToString::to_string),
        kind: tried.kind,
        started: Some(tried.started.0),
        took: ended.map(|(_, _, at)| at.0.saturating_sub(tried.started.0)),
        rang: tried.rang,
        outcome: ended.map_or("cancelled", |(outcome, _, _)| outcome.as_str()),
        reason: ended.map(|(_, reason, _)| reason.to_string()).unwrap_or_default(),
    }
}

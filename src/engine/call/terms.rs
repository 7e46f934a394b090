//! On what terms a call goes out: what the rules that fit it say, and the meter of what it uses.
//!
//! | event | do |
//! | --- | --- |
//! | a call that goes out is planned | the rules are asked; one that is in the way refuses it by its name |
//! | it begins | it counts among the calls of the hour |
//! | it is answered | the meter runs; the shortest of all longest durations is its longest |
//! | [`READ_EVERY`], or something will be used up | what was used is charged; a rule whose limit is reached ends the call |
//! | it ends | the rest is charged |
//!
//! Calls that share a limit read their meters by themselves, so together they may pass it by [`READ_EVERY`] each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::effects::Effects;
use super::model::Call;
use super::plan::Plan;
use super::timer::Purpose;
use super::ways::is_outside;
use crate::engine::output::Observation;
use crate::engine::policy::{Action, Barrier, Caller, Rule, TallyKey};
use crate::engine::routing::RuleName;

/// How often the meter of a call is read.
const READ_EVERY: Duration = Duration::from_secs(20);

/// What the rules say of one call.
#[derive(Debug)]
pub struct Terms {
    /// Those that count something, and under which name.
    counted: Vec<(Arc<Rule>, TallyKey)>,
    /// Longest duration, and who says so.
    longest: Option<(Duration, RuleName)>,
    /// Up to when its use is charged; none before the answer.
    charged: Option<Instant>,
}

/// Why a call may not begin, and which rule says so.
pub(super) struct Barred {
    pub(super) cause: Cause,
    pub(super) rule: Option<RuleName>,
}

impl From<Cause> for Barred {
    fn from(cause: Cause) -> Self {
        Self { cause, rule: None }
    }
}

/// The terms of a call by this plan; nothing when it does not go out, calls for help, or no rule fits.
pub(super) fn terms(
    caller: &Caller<'_>,
    dialled: &str,
    plan: &Plan,
    fx: &mut Effects<'_>,
) -> Result<Option<Box<Terms>>, Barred> {
    let goes_out =
        plan.begins_with_link() || plan.begins_with_asterisk() && is_outside(&fx.settings.numbers, dialled);
    if plan.is_emergency() || !goes_out {
        return Ok(None);
    }
    let numbers: Vec<&str> =
        [dialled].into_iter().chain(plan.choices().map(|choice| choice.number.as_str())).collect();
    let pushed = fx.router.table().map(|table| table.rules().iter()).into_iter().flatten();
    let rules: Vec<Arc<Rule>> = fx.settings.routing.rules.iter().chain(pushed).cloned().collect();
    let mut terms = Terms { counted: Vec::new(), longest: None, charged: None };
    for rule in rules.into_iter().filter(|rule| rule.fits(caller, &numbers)) {
        let barred = |barrier| Barred { cause: Cause::Rule(barrier), rule: Some(rule.name.clone()) };
        match rule.action {
            Action::Refuse => return Err(barred(Barrier::Refused)),
            Action::Permit => break,
            Action::Limit => {}
        }
        if let Some(longest) = rule.max_duration
            && terms.longest.as_ref().is_none_or(|(shortest, _)| longest < *shortest)
        {
            terms.longest = Some((longest, rule.name.clone()));
        }
        if rule.counts() {
            let key = fx.tally.key(&rule, caller, fx.now.wall);
            fx.tally.check(&rule, &key, fx.now.wall).map_err(barred)?;
            terms.counted.push((rule, key));
        }
    }
    for (_, key) in terms.counted.iter().filter(|(rule, _)| rule.calls_per_hour.is_some()) {
        fx.tally.begin(key, fx.now);
    }
    let is_free = terms.counted.is_empty() && terms.longest.is_none();
    Ok((!is_free).then(|| Box::new(terms)))
}

impl Call {
    /// The call was answered: its time runs.
    pub(super) fn start_meter(&mut self, fx: &mut Effects<'_>) {
        let most = fx.settings.calls.max_duration;
        let longest = self.terms.as_ref().and_then(|terms| terms.longest.as_ref());
        let longest = longest.map_or(most, |(longest, _)| most.min(*longest));
        fx.books.set(self.id, Purpose::Longest, fx.now.instant, longest);
        if let Some(terms) = self.terms.as_mut().filter(|terms| !terms.counted.is_empty()) {
            terms.charged = Some(fx.now.instant);
            self.read_meter(fx);
        }
    }

    /// Charges what was used since the last reading, and ends the call if a rule grants no more.
    pub(super) fn read_meter(&mut self, fx: &mut Effects<'_>) {
        self.charge(fx);
        let price = self.price();
        let Some(terms) = &self.terms else { return };
        let left = |(rule, key): &(Arc<Rule>, TallyKey)| {
            let (left, barrier) = fx.tally.left(rule, key, price, fx.now.wall)?;
            Some((left, barrier, rule.name.clone()))
        };
        let least = terms.counted.iter().filter_map(left).min_by_key(|(left, ..)| *left);
        match least {
            Some((left, barrier, rule)) if left.is_zero() => {
                self.rule = Some(rule);
                self.end(Cause::Rule(barrier), None, fx);
            }
            least => {
                let next = least.map_or(READ_EVERY, |(left, ..)| left.min(READ_EVERY));
                fx.books.set(self.id, Purpose::Meter, fx.now.instant, next);
            }
        }
    }

    /// The call is over: charges the rest.
    pub(super) fn stop_meter(&mut self, fx: &mut Effects<'_>) {
        self.charge(fx);
        if let Some(terms) = &mut self.terms {
            terms.charged = None;
        }
    }

    /// The call has lasted as long as it may.
    pub(super) fn longest_reached(&mut self, fx: &mut Effects<'_>) {
        let most = fx.settings.calls.max_duration;
        let longest = self.terms.as_ref().and_then(|terms| terms.longest.as_ref());
        let by_rule = longest.filter(|(longest, _)| *longest <= most).map(|(_, rule)| rule.clone());
        let cause = if by_rule.is_some() { Cause::Rule(Barrier::Duration) } else { Cause::TooLong };
        self.rule = by_rule;
        self.end(cause, None, fx);
    }

    /// Counts and tells of a call that a permission, a rule or a limit refused or ended.
    pub(super) fn tell_if_barred(&self, cause: Cause, fx: &mut Effects<'_>) {
        if !cause.is_bar() {
            return;
        }
        fx.refused("call", cause.as_str());
        fx.observe(Observation::Barred {
            reason: cause.as_str(),
            rule: self.rule.as_ref().map(ToString::to_string),
            office: self.guest,
            caller: self.legs.first().map(|leg| leg.party.number.clone()).unwrap_or_default(),
            number: self.dialled.clone(),
        });
    }

    fn charge(&mut self, fx: &mut Effects<'_>) {
        let price = self.price();
        let Some(terms) = &mut self.terms else { return };
        let Some(since) = terms.charged.replace(fx.now.instant) else {
            terms.charged = None;
            return;
        };
        let span = fx.now.instant.saturating_duration_since(since);
        if !span.is_zero() {
            for (_, key) in &terms.counted {
                fx.tally.charge(key, span, price, fx.now);
            }
        }
    }

    /// What a minute of it costs, in thousandths.
    fn price(&self) -> u32 {
        self.winner.and_then(|winner| self.legs.get(usize::from(winner))).map_or(0, |leg| leg.price)
    }
}

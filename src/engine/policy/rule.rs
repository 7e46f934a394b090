//! Rules for calls that go out: which numbers nobody may call, and how much of the others.
//!
//! Rules are asked in their order, the site's own before those that ops push. Each that fits a call's number and caller says:
//!
//! | the rule has | the call |
//! | --- | --- |
//! | `action` refuse | is refused |
//! | `action` permit | is not asked by the rules after it |
//! | `calls-per-hour` | is refused when so many were begun in this hour |
//! | `minutes-per-day`, `spend-per-day` | is refused when they are used up, and ends when they are in the middle of it |
//! | `max-duration` | ends then |
//!
//! A number fits as it was dialled and as it would be sent over any link of the plan, so that no prefix leads round a rule.
//! Hours and days are those of UTC. Prices and what may be spent are in thousandths of the currency's unit.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::PolicyFlaw;
use super::mask::Mask;
use crate::engine::numbering::{Extension, OfficeId};
use crate::engine::routing::RuleName;

/// Most rules of a list.
pub const MOST_RULES: usize = 64;
/// Most masks, and most callers, of a rule.
pub const MOST_NUMBERS: usize = 64;

/// What a rule does beside limiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Nothing: its limits count.
    #[default]
    Limit,
    /// The call is refused.
    Refuse,
    /// The rules after it are not asked.
    Permit,
}

impl FromStr for Action {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "limit" => Ok(Self::Limit),
            "refuse" => Ok(Self::Refuse),
            "permit" => Ok(Self::Permit),
            _ => Err("expected refuse, permit or limit"),
        }
    }
}

/// Who shares what a rule grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// Each caller has it.
    #[default]
    Caller,
    /// The callers of an office share it; our own users are an office too.
    Office,
    /// All callers share it.
    All,
}

impl FromStr for Per {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "caller" => Ok(Self::Caller),
            "office" => Ok(Self::Office),
            "all" => Ok(Self::All),
            _ => Err("expected caller, office or all"),
        }
    }
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// One of our extensions.
    Extension(Extension),
    /// An office's calls.
    Office(OfficeId),
    /// All other offices' calls.
    Offices,
    /// All visitors.
    Visitors,
    /// The visitors from an office.
    VisitorsOf(OfficeId),
}

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected an extension, office:ID, offices, visitors or visitors:ID";
        match text.split_once(':') {
            Some(("office", id)) => id.parse().map(Self::Office).map_err(|_| EXPECTED),
            Some(("visitors", id)) => id.parse().map(Self::VisitorsOf).map_err(|_| EXPECTED),
            Some(_) => Err(EXPECTED),
            None if text == "offices" => Ok(Self::Offices),
            None if text == "visitors" => Ok(Self::Visitors),
            None => text.parse().map(Self::Extension).map_err(|_| EXPECTED),
        }
    }
}

/// Who calls, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The number.
    pub number: &'a str,
    /// The office from which the call or the visitor came; `None` for our own.
    pub office: Option<OfficeId>,
    /// Whether it is a visitor.
    pub visits: bool,
}

impl Source {
    fn is(&self, caller: &Caller<'_>) -> bool {
        match self {
            Self::Extension(own) => {
                caller.office.is_none() && caller.number.parse::<Extension>().is_ok_and(|one| one == *own)
            }
            Self::Office(office) => caller.office == Some(*office) && !caller.visits,
            Self::Offices => caller.office.is_some() && !caller.visits,
            Self::Visitors => caller.visits,
            Self::VisitorsOf(office) => caller.visits && caller.office == Some(*office),
        }
    }
}

/// Why a rule stands in a call's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Barrier {
    /// Such numbers are not called.
    Refused,
    /// So many calls were begun in this hour.
    Calls,
    /// The day's minutes are used up.
    Minutes,
    /// The day's money is spent.
    Spend,
    /// The call is as long as it may be.
    Duration,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, in records and under which its counts are kept.
    pub name: RuleName,
    /// Which numbers; empty: all that go out.
    pub numbers: Vec<Mask>,
    /// Whose calls; empty: everybody's.
    pub from: Vec<Source>,
    /// What it does beside limiting.
    pub action: Action,
    /// Who shares its limits.
    pub per: Per,
    /// Calls begun in an hour.
    pub calls_per_hour: Option<u32>,
    /// Minutes of answered calls in a day.
    pub minutes_per_day: Option<u32>,
    /// Money in a day, in thousandths.
    pub spend_per_day: Option<u32>,
    /// Longest call.
    pub max_duration: Option<Duration>,
}

impl Rule {
    /// Whether it is about this call.
    pub fn fits(&self, caller: &Caller<'_>, numbers: &[&str]) -> bool {
        let is_number = |mask: &Mask| numbers.iter().any(|number| mask.matches(number));
        (self.numbers.is_empty() || self.numbers.iter().any(is_number))
            && (self.from.is_empty() || self.from.iter().any(|source| source.is(caller)))
    }

    /// Whether anything must be counted for it.
    pub const fn counts(&self) -> bool {
        self.calls_per_hour.is_some() || self.minutes_per_day.is_some() || self.spend_per_day.is_some()
    }

    fn flaw(&self) -> Option<(&'static str, &'static str)> {
        const LONGEST: Duration = Duration::from_secs(86_400);
        let limits = self.counts() || self.max_duration.is_some();
        if self.numbers.len() > MOST_NUMBERS {
            Some(("numbers", "expected at most 64"))
        } else if self.from.len() > MOST_NUMBERS {
            Some(("from", "expected at most 64"))
        } else if self.action == Action::Limit && !limits {
            Some(("action", "expected refuse, permit, or a limit such as `minutes-per-day`"))
        } else if self.action != Action::Limit && limits {
            Some(("action", "expected no limits beside refuse or permit"))
        } else if self.max_duration.is_some_and(|longest| longest.is_zero() || longest > LONGEST) {
            Some(("max-duration", "expected more than 0 and at most 1 day"))
        } else {
            None
        }
    }
}

/// Rules in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Arc<Rule>>);

impl Rules {
    /// Checks each rule, and that no two have the same name.
    pub fn new(rules: Vec<Rule>) -> Result<Self, PolicyFlaw> {
        for (place, rule) in rules.iter().enumerate() {
            let bad = |field, reason: &str| Err(PolicyFlaw { place, field, reason: reason.to_owned() });
            if place >= MOST_RULES {
                return bad("name", "expected at most 64 rules");
            }
            if rules.iter().take(place).any(|other| other.name == rule.name) {
                return bad("name", "it is there twice");
            }
            if let Some((field, reason)) = rule.flaw() {
                return bad(field, reason);
            }
        }
        Ok(Self(rules.into_iter().map(Arc::new).collect()))
    }

    /// The rules in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.0.iter()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

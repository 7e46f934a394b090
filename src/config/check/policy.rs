//! `[federation.limits]`, `[[federation.permission]]`, `[[federation.rule]]` and `inbound-numbers`: what calls may reach and
//! cost, by the site's own word.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;

use super::{Checker, days, seconds};
use crate::config::raw::{self, Key};
use crate::config::sections::Office;
use crate::engine::policy::{
    Destination, Destinations, Mask, Permission, Permissions, PolicyFlaw, Rule, Rules,
};
use crate::engine::routing::Limits;

/// Most masks of numbers that carriers deliver here.
const MOST_INBOUND: usize = 64;

type Texts = Option<Vec<Spanned<String>>>;

impl Checker<'_> {
    pub(super) fn inbound(&mut self, raw: &raw::Federation) -> Vec<Mask> {
        let name = "federation.inbound-numbers";
        if let Some(one) = raw.inbound_numbers.iter().flatten().nth(MOST_INBOUND) {
            self.refuse(Some(one.span()), name, format!("expected at most {MOST_INBOUND}"));
        }
        self.each(&raw.inbound_numbers, name)
    }

    pub(super) fn link_limits(&mut self, raw: &raw::FederationLimits) -> Limits {
        let mut limit = |key: &Key<u32>, name: &str| {
            key.as_ref().map(|_| self.number(key, &format!("federation.limits.{name}"), 1, 1, u32::MAX))
        };
        Limits {
            calls: limit(&raw.calls, "calls"),
            calls_per_user: limit(&raw.calls_per_user, "calls-per-user"),
            calls_per_office: limit(&raw.calls_per_office, "calls-per-office"),
        }
    }

    pub(super) fn permissions(
        &mut self,
        raw: &[Spanned<raw::FederationPermission>],
        office: &Office,
    ) -> Permissions {
        let refused = self.problems.len();
        let entries = raw.iter().filter_map(|one| self.permission(one)).collect();
        if self.problems.len() > refused {
            return Permissions::default();
        }
        Permissions::new(office.id, entries).unwrap_or_else(|flaw| {
            self.flawed("federation.permission", raw, &flaw);
            Permissions::default()
        })
    }

    pub(super) fn rules(&mut self, raw: &[Spanned<raw::FederationRule>]) -> Rules {
        let refused = self.problems.len();
        let rules = raw.iter().filter_map(|one| self.rule(one)).collect();
        if self.problems.len() > refused {
            return Rules::default();
        }
        Rules::new(rules).unwrap_or_else(|flaw| {
            self.flawed("federation.rule", raw, &flaw);
            Rules::default()
        })
    }

    fn permission(&mut self, one: &Spanned<raw::FederationPermission>) -> Option<Permission> {
        let raw = one.get_ref();
        let Some(office) = &raw.office else {
            self.needs(one, "federation.permission.office", "expected the office, or \"*\" for all others");
            return None;
        };
        let office = match office.get_ref().as_str() {
            "*" => None,
            _ => Some(self.word(office, "federation.permission.office")?),
        };
        Some(Permission {
            office,
            may: self.destinations(&raw.may, "federation.permission.may", Destinations::SAFE),
            numbers: self.each(&raw.numbers, "federation.permission.numbers"),
            visitors: self.destinations(&raw.visitors, "federation.permission.visitors", Destinations::ALL),
        })
    }

    fn rule(&mut self, one: &Spanned<raw::FederationRule>) -> Option<Rule> {
        let raw = one.get_ref();
        let Some(name) = &raw.name else {
            self.needs(one, "federation.rule.name", "expected a name, as in name = \"international\"");
            return None;
        };
        let mut limit = |key: &Key<u32>, name: &str| {
            key.as_ref().map(|_| self.number(key, &format!("federation.rule.{name}"), 1, 1, u32::MAX))
        };
        let calls_per_hour = limit(&raw.calls_per_hour, "calls-per-hour");
        let minutes_per_day = limit(&raw.minutes_per_day, "minutes-per-day");
        let spend_per_day = limit(&raw.spend_per_day, "spend-per-day");
        let (action, per) = (raw.action.as_ref(), raw.per.as_ref());
        Some(Rule {
            name: self.word(name, "federation.rule.name")?,
            numbers: self.each(&raw.numbers, "federation.rule.numbers"),
            from: self.each(&raw.from, "federation.rule.from"),
            action: action.and_then(|text| self.word(text, "federation.rule.action")).unwrap_or_default(),
            per: per.and_then(|text| self.word(text, "federation.rule.per")).unwrap_or_default(),
            calls_per_hour,
            minutes_per_day,
            spend_per_day,
            max_duration: raw.max_duration.as_ref().map(|_| {
                let name = "federation.rule.max-duration";
                self.time(&raw.max_duration, name, seconds(3600), seconds(1), days(1))
            }),
        })
    }

    fn destinations(&mut self, texts: &Texts, name: &str, default: Destinations) -> Destinations {
        if texts.is_none() {
            return default;
        }
        self.each::<Destination>(texts, name).into_iter().collect()
    }

    /// The texts of a list, each read by its syntax; those that cannot be are refused.
    fn each<T: FromStr<Err: Display>>(&mut self, texts: &Texts, name: &str) -> Vec<T> {
        texts.iter().flatten().filter_map(|text| self.word(text, name)).collect()
    }

    fn word<T: FromStr<Err: Display>>(&mut self, text: &Spanned<String>, name: &str) -> Option<T> {
        match text.get_ref().parse() {
            Ok(value) => Some(value),
            Err(expected) => {
                let message = format!("{expected}, found \"{}\"", text.get_ref());
                self.refuse(Some(text.span()), name, message);
                None
            }
        }
    }

    fn needs<T>(&mut self, entry: &Spanned<T>, name: &str, expected: &str) {
        if self.complete {
            self.refuse(Some(entry.span()), name, expected);
        }
    }

    fn flawed<T>(&mut self, list: &str, raw: &[Spanned<T>], flaw: &PolicyFlaw) {
        if self.complete {
            let place = raw.get(flaw.place).map(Spanned::span);
            self.refuse(place, &format!("{list}.{}", flaw.field), flaw.reason.clone());
        }
    }
}

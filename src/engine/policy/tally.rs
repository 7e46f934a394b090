//! What was used of the rules' limits: by rule, and by who shares it.
//!
//! Counts are changed in memory and written to flash once every [`WRITE_EVERY`] and when the daemon stops, those that changed
//! in one go. So a `kill -9` forgets what calls used in the last minute, and nothing else.
//!
//! Windows are whole hours and days of UTC and go forwards only: a clock that was set back grants nothing anew.
//!
//! There are at most [`MOST_COUNTS`]. When there is no room, those whose hour and day have passed go; if that is not enough,
//! further callers share one count of their rule and office, so that a flood of invented callers ends in a limit, not in a gap.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::rule::{Barrier, Caller, Per, Rule};
use crate::engine::routing::RuleName;
use crate::time::{Now, WallTime};

/// Most counts; those that callers share for lack of room come on top.
pub const MOST_COUNTS: usize = 10_000;
/// How often counts that changed are written to flash.
pub const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Longest text of who shares a count.
const LONGEST_OF: usize = 80;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

/// Under which a count is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyKey {
    rule: RuleName,
    of: Box<str>,
}

/// A count as it is on flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TallyRow {
    /// The rule, and who shares the count: `no-premium/caller:1001`.
    pub key: String,
    /// The numbers; `None`: forget the row.
    pub counts: Option<String>,
}

/// Numbers of the hour and the day that are being counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    hour: u64,
    calls: u64,
    day: u64,
    /// Milliseconds of calls.
    used: u64,
    /// Thousandths per minute, times milliseconds.
    spent: u64,
}

/// All counts.
#[derive(Debug, Default)]
pub struct Tally {
    counts: HashMap<TallyKey, Count>,
    changed: BTreeSet<TallyKey>,
    write_at: Option<Instant>,
}

impl Tally {
    /// Takes in what was on flash. What cannot be read, or has passed, is forgotten there too.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = (String, String)>, now: Now) -> Vec<TallyRow> {
        let mut useless = Vec::new();
        for (key, counts) in rows {
            let read = read_key(&key).zip(read_count(&counts));
            match read.filter(|(_, count)| !count.has_passed(now.wall)) {
                Some((place, count)) if self.counts.len() < MOST_COUNTS => {
                    self.counts.insert(place, count);
                }
                _ => useless.push(TallyRow { key, counts: None }),
            }
        }
        useless
    }

    /// Under which the use of `rule` by `caller` is counted.
    pub fn key(&mut self, rule: &Rule, caller: &Caller<'_>, now: WallTime) -> TallyKey {
        let mut office = String::new();
        let _ = match caller.office {
            Some(id) => write!(office, "office:{id}"),
            None => write!(office, "own"),
        };
        let of = match rule.per {
            Per::All => "all".to_owned(),
            Per::Office => office.clone(),
            Per::Caller => {
                let known: String = caller.number.chars().take(LONGEST_OF).collect();
                format!("caller:{known}")
            }
        };
        let key = TallyKey { rule: rule.name.clone(), of: of.into() };
        if rule.per != Per::Caller || self.has_room_for(&key, now) {
            return key;
        }
        TallyKey { rule: rule.name.clone(), of: format!("others:{office}").into() }
    }

    /// Whether the rule lets one more call begin.
    pub fn check(&self, rule: &Rule, key: &TallyKey, now: WallTime) -> Result<(), Barrier> {
        let count = self.of(key, now);
        let is_used_up = |limit: Option<u32>, used: u64, each: u64| {
            limit.is_some_and(|most| used >= u64::from(most).saturating_mul(each))
        };
        if is_used_up(rule.calls_per_hour, count.calls, 1) {
            Err(Barrier::Calls)
        } else if is_used_up(rule.minutes_per_day, count.used, MINUTE_MS) {
            Err(Barrier::Minutes)
        } else if is_used_up(rule.spend_per_day, count.spent, MINUTE_MS) {
            Err(Barrier::Spend)
        } else {
            Ok(())
        }
    }

    /// How long a call at this price may go on before the rule stands in its way, and what will; `None`: as long as it likes.
    pub fn left(
        &self,
        rule: &Rule,
        key: &TallyKey,
        price: u32,
        now: WallTime,
    ) -> Option<(Duration, Barrier)> {
        let count = self.of(key, now);
        let all = |limit: u32| u64::from(limit).saturating_mul(MINUTE_MS);
        let minutes = rule.minutes_per_day.map(|most| all(most).saturating_sub(count.used));
        let money = rule.spend_per_day.zip((price > 0).then_some(u64::from(price)));
        let money = money.map(|(most, price)| all(most).saturating_sub(count.spent).div_ceil(price));
        let minutes = minutes.map(|left| (Duration::from_millis(left), Barrier::Minutes));
        let money = money.map(|left| (Duration::from_millis(left), Barrier::Spend));
        minutes.into_iter().chain(money).min_by_key(|(left, _)| *left)
    }

    /// A call begins.
    pub fn begin(&mut self, key: &TallyKey, now: Now) {
        self.change(key, now, |count| count.calls = count.calls.saturating_add(1));
    }

    /// A call went on for so long at this price.
    pub fn charge(&mut self, key: &TallyKey, span: Duration, price: u32, now: Now) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.change(key, now, |count| {
            count.used = count.used.saturating_add(millis);
            count.spent = count.spent.saturating_add(millis.saturating_mul(price.into()));
        });
    }

    /// When [`Self::rows`] should be asked for.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.write_at
    }

    /// What must be written to flash by now; `anyway`: all that changed.
    pub fn rows(&mut self, now: Now, anyway: bool) -> Vec<TallyRow> {
        if !anyway && self.write_at.is_none_or(|at| at > now.instant) {
            return Vec::new();
        }
        self.write_at = None;
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|key| {
                let counts = self.counts.get(&key).map(write_count);
                TallyRow { key: format!("{}/{}", key.rule, key.of), counts }
            })
            .collect()
    }

    /// How many counts there are.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn of(&self, key: &TallyKey, now: WallTime) -> Count {
        let mut count = self.counts.get(key).copied().unwrap_or_default();
        count.advance(now);
        count
    }

    fn change(&mut self, key: &TallyKey, now: Now, act: impl FnOnce(&mut Count)) {
        let count = self.counts.entry(key.clone()).or_default();
        count.advance(now.wall);
        act(count);
        self.changed.insert(key.clone());
        self.write_at = self.write_at.or_else(|| now.instant.checked_add(WRITE_EVERY));
    }

    fn has_room_for(&mut self, key: &TallyKey, now: WallTime) -> bool {
        if self.counts.len() < MOST_COUNTS || self.counts.contains_key(key) {
            return true;
        }
        let passed: Vec<TallyKey> = self
            .counts
            .iter()
            .filter(|(_, count)| count.has_passed(now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in passed {
            self.counts.remove(&key);
            self.changed.insert(key);
        }
        self.counts.len() < MOST_COUNTS
    }
}

impl Count {
    /// Begins a new hour or day when the clock has passed into it. Never goes back.
    fn advance(&mut self, now: WallTime) {
        let (hour, day) = (now.0 / HOUR_MS, now.0 / DAY_MS);
        if hour > self.hour {
            (self.hour, self.calls) = (hour, 0);
        }
        if day > self.day {
            (self.day, self.used, self.spent) = (day, 0, 0);
        }
    }

    fn has_passed(&self, now: WallTime) -> bool {
        self.hour < now.0 / HOUR_MS && self.day < now.0 / DAY_MS
    }
}

fn write_count(count: &Count) -> String {
    let Count { hour, calls, day, used, spent } = count;
    format!("{hour} {calls} {day} {used} {spent}")
}

fn read_count(text: &str) -> Option<Count> {
    let mut words = text.split(' ').map(|word| word.parse::<u64>().ok());
    let mut next = || words.next().flatten();
    let count = Count { hour: next()?, calls: next()?, day: next()?, used: next()?, spent: next()? };
    words.next().is_none().then_some(count)
}

fn read_key(text: &str) -> Option<TallyKey> {
    let (rule, of) = text.split_once('/')?;
    Some(TallyKey { rule: rule.parse().ok()?, of: of.into() })
}

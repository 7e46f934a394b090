//! Whether a route set that went into force makes things worse: then it has to give way to the one before it.
//!
//! | seen | verdict |
//! | --- | --- |
//! | links were up before, and the share that is up has fallen by more than [`FALL`] points for [`Probation::settle`], no link being undecided | roll back: `links-down` |
//! | the same at the end of the probation, undecided links counted as down | roll back: `links-down` |
//! | [`FEW`] calls over links or more have failed since, more than half of all, and it was not so before | roll back: `calls-failing` |
//! | the probation is over | confirmed |
//! | anything else | wait |
//!
//! Without links before it there is nothing to compare with: a first set is confirmed by time alone, but for its calls.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How many points of a hundred the share of links that are up may fall.
pub const FALL: u64 = 20;
/// Fewer failed calls say nothing.
pub const FEW: u64 = 5;
/// Longest time that a fall must last, so that links may come up.
const SETTLE: Duration = Duration::from_secs(15);

/// What is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Vitals {
    /// Links in use, those that ops disabled left out.
    pub links: u64,
    /// Those that are up.
    pub links_up: u64,
    /// Those of which it is not known yet.
    pub links_undecided: u64,
    /// Calls over links that were answered or failed, since the daemon began.
    pub calls: u64,
    /// Those that failed.
    pub calls_failed: u64,
}

impl Vitals {
    /// Links up, in a hundred.
    fn share_up(&self) -> u64 {
        self.links_up.saturating_mul(100).checked_div(self.links).unwrap_or(0)
    }

    fn since(&self, before: &Self) -> (u64, u64) {
        // After a restart of the daemon counting began anew.
        let began_anew = self.calls < before.calls;
        let base = if began_anew { Self::default() } else { *before };
        (self.calls.saturating_sub(base.calls), self.calls_failed.saturating_sub(base.calls_failed))
    }
}

/// Why a set gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    /// Links went down: shares in a hundred, before and now.
    Links(u64, u64),
    /// Calls fail: how many of how many.
    Calls(u64, u64),
    /// The daemon was started so many times during the probation.
    Restarts(u32),
}

impl Fall {
    /// The name in reports and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Links(..) => "links-down",
            Self::Calls(..) => "calls-failing",
            Self::Restarts(_) => "restarts",
        }
    }

    /// In words.
    pub fn words(self) -> String {
        match self {
            Self::Links(was, now) => format!("{was}% of the links were up before, {now}% now"),
            Self::Calls(failed, all) => format!("{failed} of {all} calls over links have failed since"),
            Self::Restarts(times) => format!("the daemon was started {times} times since"),
        }
    }
}

/// What to do with the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look again soon.
    Wait,
    /// It stays.
    Confirmed,
    /// The one before it must come back.
    RollBack(Fall),
}

/// A set being watched.
#[derive(Clone, Debug)]
pub struct Probation {
    before: Vitals,
    began: Instant,
    length: Duration,
    fallen_since: Option<Instant>,
}

impl Probation {
    /// Begins when the set goes into force; `before` is how things were.
    pub const fn new(before: Vitals, began: Instant, length: Duration) -> Self {
        Self { before, began, length, fallen_since: None }
    }

    /// How long it lasts yet.
    pub fn left(&self, now: Instant) -> Duration {
        self.length.saturating_sub(now.saturating_duration_since(self.began))
    }

    /// How long a fall must last: a third of the probation, 15 seconds at most.
    pub fn settle(&self) -> Duration {
        (self.length / 3).min(SETTLE)
    }

    /// How things are now.
    pub fn look(&mut self, now: Instant, vitals: &Vitals) -> Verdict {
        if let Some(fall) = self.failing_calls(vitals) {
            return Verdict::RollBack(fall);
        }
        let is_over = now.saturating_duration_since(self.began) >= self.length;
        match self.fallen_links(vitals) {
            None => self.fallen_since = None,
            Some(fall) => {
                let since = *self.fallen_since.get_or_insert(now);
                let lasts = now.saturating_duration_since(since) >= self.settle();
                if is_over || (lasts && vitals.links_undecided == 0) {
                    return Verdict::RollBack(fall);
                }
            }
        }
        if is_over { Verdict::Confirmed } else { Verdict::Wait }
    }

    fn fallen_links(&self, vitals: &Vitals) -> Option<Fall> {
        let (was, now) = (self.before.share_up(), vitals.share_up());
        // A set that takes all links away on purpose has none that are down.
        (vitals.links > 0 && now.saturating_add(FALL) < was).then_some(Fall::Links(was, now))
    }

    fn failing_calls(&self, vitals: &Vitals) -> Option<Fall> {
        let (calls, failed) = vitals.since(&self.before);
        let failed_before = self.before.calls_failed.saturating_mul(2) > self.before.calls;
        (failed >= FEW && failed.saturating_mul(2) > calls && !failed_before)
            .then_some(Fall::Calls(failed, calls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn links(up: u64, undecided: u64, all: u64) -> Vitals {
        Vitals { links: all, links_up: up, links_undecided: undecided, ..Vitals::default() }
    }

    fn calls(failed: u64, all: u64) -> Vitals {
        Vitals { calls: all, calls_failed: failed, ..links(4, 0, 4) }
    }

    /// What is seen each second, from the beginning; the verdict and its second.
    fn watch(before: Vitals, length: Duration, seen: impl Fn(u64) -> Vitals) -> (Verdict, u64) {
        let began = Instant::now();
        let mut probation = Probation::new(before, began, length);
        (0..=length.as_secs())
            .map(|second| (probation.look(began + Duration::from_secs(second), &seen(second)), second))
            .find(|(verdict, _)| *verdict != Verdict::Wait)
            .expect("a probation ends")
    }

    #[test]
    fn a_set_that_changes_nothing_is_confirmed_at_its_end() {
        assert_eq!(watch(links(3, 0, 4), MINUTE, |_| links(3, 0, 4)), (Verdict::Confirmed, 60));
        assert_eq!(watch(links(4, 0, 4), Duration::ZERO, |_| links(4, 0, 4)), (Verdict::Confirmed, 0));
    }

    #[test]
    fn links_that_go_down_and_stay_so_roll_it_back() {
        let fall = Verdict::RollBack(Fall::Links(100, 50));
        assert_eq!(
            watch(links(4, 0, 4), MINUTE, |second| links(if second < 5 { 4 } else { 2 }, 0, 4)),
            (fall, 20)
        );
        let none = Verdict::RollBack(Fall::Links(100, 0));
        assert_eq!(watch(links(1, 0, 1), Duration::from_secs(6), |_| links(0, 0, 2)), (none, 2));
    }

    #[test]
    fn links_that_come_up_in_time_do_not() {
        let seen = |second| if second < 10 { links(0, 0, 4) } else { links(4, 0, 4) };
        assert_eq!(watch(links(4, 0, 4), MINUTE, seen), (Verdict::Confirmed, 60));
        let flapping = |second: u64| links(if second.is_multiple_of(10) { 4 } else { 0 }, 0, 4);
        assert_eq!(watch(links(4, 0, 4), MINUTE, flapping), (Verdict::Confirmed, 60));
    }

    #[test]
    fn undecided_links_have_until_the_end() {
        let seen = |second| if second < 59 { links(0, 4, 4) } else { links(4, 0, 4) };
        assert_eq!(watch(links(4, 0, 4), MINUTE, seen), (Verdict::Confirmed, 60));
        let (verdict, second) = watch(links(4, 0, 4), MINUTE, |_| links(0, 4, 4));
        assert_eq!((verdict, second), (Verdict::RollBack(Fall::Links(100, 0)), 60));
    }

    #[test]
    fn a_first_set_and_one_without_links_are_not_blamed_for_links() {
        assert_eq!(watch(links(0, 0, 0), MINUTE, |_| links(0, 0, 4)).0, Verdict::Confirmed);
        assert_eq!(watch(links(4, 0, 4), MINUTE, |_| links(0, 0, 0)).0, Verdict::Confirmed);
    }

    #[test]
    fn calls_that_fail_where_they_did_not_before_roll_it_back() {
        let seen = |second: u64| calls(10 + second, 100 + second);
        assert_eq!(watch(calls(10, 100), MINUTE, seen), (Verdict::RollBack(Fall::Calls(5, 5)), 5));
        let half = |second: u64| calls(10 + second, 100 + 2 * second);
        assert_eq!(watch(calls(10, 100), MINUTE, half).0, Verdict::Confirmed);
        assert_eq!(watch(calls(90, 100), MINUTE, seen).0, Verdict::Confirmed, "it was no better before");
        let anew = |second: u64| calls(second, second);
        assert_eq!(watch(calls(10, 100), MINUTE, anew).1, 5, "the daemon was started anew");
    }
}

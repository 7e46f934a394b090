//! How often a call that may not be is told of: the first of its reason and office in a minute, and then how many others
//! there were. Metrics and records have them all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::OfficeId;

/// How long others of the same kind are only counted.
const QUIET: Duration = Duration::from_secs(60);
/// Most kinds that are remembered; when there are more, those that have been quiet go, then all.
const MOST: usize = 1000;

/// Of which kind: why, and whose.
type Kind = (&'static str, Option<OfficeId>);

/// What was told, and when.
#[derive(Debug, Default)]
pub(super) struct Bars {
    told: HashMap<Kind, (Instant, u64)>,
}

impl Bars {
    /// Whether this one is told; if so, how many were not since the last that was.
    pub(super) fn is_told(&mut self, kind: Kind, now: Instant) -> Option<u64> {
        if self.told.len() >= MOST && !self.told.contains_key(&kind) {
            self.told.retain(|_, (at, _)| now.saturating_duration_since(*at) < QUIET);
            if self.told.len() >= MOST {
                self.told.clear();
            }
        }
        match self.told.get_mut(&kind) {
            Some((at, left_out)) if now.saturating_duration_since(*at) < QUIET => {
                *left_out = left_out.saturating_add(1);
                None
            }
            known => {
                let left_out = known.map_or(0, |(_, left_out)| *left_out);
                self.told.insert(kind, (now, 0));
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_minute_is_told_and_the_others_are_counted() {
        let mut bars = Bars::default();
        let (now, par) = (Instant::now(), "PAR".parse().ok());
        assert_eq!(bars.is_told(("not-permitted-pstn", par), now), Some(0));
        assert_eq!(bars.is_told(("not-permitted-pstn", par), now), None);
        assert_eq!(bars.is_told(("not-permitted-pstn", None), now), Some(0), "another kind");
        assert_eq!(bars.is_told(("not-permitted-pstn", par), now + Duration::from_secs(59)), None);
        assert_eq!(bars.is_told(("not-permitted-pstn", par), now + QUIET), Some(2));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut bars = Bars::default();
        let now = Instant::now();
        for number in 0..3 * MOST {
            bars.is_told(("rule-calls", format!("O{number}").parse().ok()), now);
            assert!(bars.told.len() <= MOST);
        }
    }
}

//! Calls for help: whoever called for it must have got it, if there was a way out all the while.

use std::time::{Duration, Instant};

use super::world::{Helped, World};

/// So long before a call a link must have worked to be counted on: it takes that long to be found again.
const SETTLED: Duration = Duration::from_secs(15);

impl World {
    /// A call of somebody has its answer; whoever called for help must have got it if that could be.
    pub(super) fn call_ended(&mut self, agent: usize, dialled: &str, status: u16) {
        self.note(|| format!("agent {agent}: {dialled} is {status}"));
        if dialled != "112" {
            return;
        }
        let Some(helped) = self.helped.remove(&agent) else { return };
        let office = helped.office;
        let must_get_out = if self.has_carrier(office, helped.since) {
            self.judge.count("calls for help that had to get out");
            true
        } else if self.has_neighbour(&helped) {
            self.judge.count("calls for help that had to get out elsewhere");
            true
        } else {
            false
        };
        self.judge.require(!must_get_out || status == 200, || {
            format!(
                "agent {agent} called for help at {office}, there was a way out, and the answer was {status}"
            )
        });
    }

    pub(super) fn boots(&self) -> Vec<Option<u32>> {
        self.offices.iter().map(|office| office.engine.is_some().then_some(office.boot)).collect()
    }

    /// Whether an office could reach a carrier of its own all the while.
    fn has_carrier(&self, office: usize, since: Instant) -> bool {
        let ways = [format!("own-{}", 2 * office), format!("out-{}", 2 * office + 1)];
        ways.iter().any(|way| self.works_since(office, way, since))
    }

    /// Whether a link of an office is in force and its path works, and both were so at `since`.
    fn works_since(&self, office: usize, link: &str, since: Instant) -> bool {
        let (path, _) = Self::path_of(office, link);
        self.offices[office].has_link(link, since) && self.wan.is_open_since(path, since)
    }

    /// Whether another office that could be reached all the while could reach a carrier.
    fn has_neighbour(&self, helped: &Helped) -> bool {
        let (now, before) = (self.boots(), helped.since.checked_sub(SETTLED).unwrap_or(helped.since));
        (0..self.offices.len()).filter(|other| *other != helped.office).any(|other| {
            let stood = now[other].is_some() && now[other] == helped.boots[other];
            let low = self.offices[other].name.to_lowercase();
            let is_linked =
                (0..2).any(|which| self.works_since(helped.office, &format!("{low}-{which}"), before));
            stood && is_linked && self.has_carrier(other, before)
        })
    }
}

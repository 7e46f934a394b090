//! The scores of one direction, interval by interval.

use crate::media::event::StreamReport;
use crate::media::mos::{Conditions, Rating, rate};

/// Loss and rating of the latest interval, and over all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Ratings {
    latest: Option<(f32, Rating)>,
    worst: Option<f32>,
    sum: f64,
    intervals: u32,
}

impl Ratings {
    /// Rates one interval.
    pub(super) fn add(&mut self, conditions: &Conditions) {
        let rating = rate(conditions);
        self.latest = Some((conditions.loss, rating));
        self.worst = Some(self.worst.map_or(rating.mos, |worst| worst.min(rating.mos)));
        self.sum += f64::from(rating.mos);
        self.intervals = self.intervals.saturating_add(1);
    }

    /// Writes the scores into a report.
    pub(super) fn fill(&self, report: &mut StreamReport) {
        report.interval_loss = self.latest.map(|(loss, _)| loss);
        report.r_factor = self.latest.map(|(_, rating)| rating.r_factor);
        report.mos = self.latest.map(|(_, rating)| rating.mos);
        report.mos_worst = self.worst;
        report.mos_average = (self.intervals > 0).then(|| (self.sum / f64::from(self.intervals)) as f32);
    }
}

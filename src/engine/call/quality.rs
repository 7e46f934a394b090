//! How a call sounds: samples for pages, final figures for the record.

use std::time::Duration;

use super::effects::Effects;
use super::model::Call;
use super::timer::Purpose;
use crate::engine::web::{DirectionView, QualityView, WebEvent};
use crate::media::event::StreamReport;
use crate::media::{MediaCommand, Report};

/// How often a call is sampled that a page watches.
pub(super) const SAMPLE_EVERY: Duration = Duration::from_secs(2);
/// How often the others are, for `branchline calls`.
const SAMPLE_SELDOM: Duration = Duration::from_secs(10);

impl Call {
    /// Asks for the figures of all legs.
    pub(super) fn sample(&mut self, fx: &mut Effects<'_>) {
        let mut watched = false;
        for leg in self.legs.iter_mut().filter(|leg| leg.state.is_live()) {
            watched |= leg.web().is_some();
            if let Some(end) = leg.session.end() {
                fx.media(MediaCommand::Sample { end });
            }
        }
        let period = if watched { SAMPLE_EVERY } else { SAMPLE_SELDOM };
        fx.books.set(self.id, Purpose::Sample, fx.now.instant, period);
    }

    /// The figures of a leg came.
    pub(super) fn sampled(&mut self, place: u16, report: &Report, fx: &mut Effects<'_>) {
        let call = self.id;
        let Some(leg) = self.leg(place) else { return };
        let quality = view(report);
        leg.quality = Some(quality);
        if let Some(web) = leg.web() {
            web.tell(WebEvent::Quality { call, quality }, fx);
        }
    }
}

/// The figures as a page or a record shows them.
pub(super) fn view(report: &Report) -> QualityView {
    QualityView {
        from: direction(&report.received),
        to: direction(&report.sent),
        round_trip_ms: report.round_trip.map(|span| span.as_secs_f32() * 1000.0),
    }
}

fn direction(stream: &StreamReport) -> DirectionView {
    DirectionView {
        packets: stream.packets,
        loss_percent: stream.interval_loss.unwrap_or(0.0) * 100.0,
        jitter_ms: stream.jitter_ms,
        mos: stream.mos,
    }
}

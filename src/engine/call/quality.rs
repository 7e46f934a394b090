//! How a call sounds: samples for pages, final figures for the record.

use std::time::Duration;

use super::effects::Effects;
use super::model::Call;
use super::timer::Purpose;
use crate::engine::web::{DirectionView, QualityView, WebEvent};
use crate::media::event::StreamReport;
use crate::media::{MediaCommand, Report};

/// How often legs with a page are sampled.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(2);

impl Call {
    /// Asks for the figures of the legs that a page watches.
    pub(super) fn sample(&mut self, fx: &mut Effects<'_>) {
        let mut watched = false;
        for leg in self.legs.iter_mut().filter(|leg| leg.state.is_live()) {
            if let (true, Some(end)) = (leg.web().is_some(), leg.session.end()) {
                fx.media(MediaCommand::Sample { end });
                watched = true;
            }
        }
        if watched {
            fx.books.set(self.id, Purpose::Sample, fx.now.instant, SAMPLE_EVERY);
        }
    }

    /// The figures of a leg came.
    pub(super) fn sampled(&mut self, place: u16, report: &Report, fx: &mut Effects<'_>) {
        let call = self.id;
        let Some(web) = self.leg(place).and_then(|leg| leg.web()) else { return };
        web.tell(WebEvent::Quality { call, quality: view(report) }, fx);
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

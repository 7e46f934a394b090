//! How a call sounds, in figures: the E-model (ITU-T G.107, for wideband codecs after G.107.1).
//!
//! Only what a gateway can measure goes in: loss of the latest interval, delay, codec. Everything else
//! keeps the model's default values.

use std::time::Duration;

use super::end::CodecKind;

/// What the model is fed with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// The codec in use.
    pub codec: CodecKind,
    /// Share of packets lost, 0 to 1.
    pub loss: f32,
    /// Interarrival jitter; the listener's buffer is taken to be twice as long.
    pub jitter: Duration,
    /// Round trip on the network, when known.
    pub round_trip: Option<Duration>,
}

/// What the model says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Transmission rating, 0 to 100; a wideband rating is scaled down from its 129.
    pub r_factor: f32,
    /// Mean opinion score, 1 to 4.5.
    pub mos: f32,
}

/// A codec's place in the model.
struct Impairment {
    /// Rating without any impairment: 93.2 narrowband, 129 wideband.
    best: f32,
    /// Equipment impairment without loss.
    equipment: f32,
    /// Robustness against loss, in percent.
    robustness: f32,
}

/// Packetisation and the smallest playout buffer.
const LEAST_DELAY: Duration = Duration::from_millis(40);

/// Rates one interval of one direction.
pub fn rate(conditions: &Conditions) -> Rating {
    let codec = impairment(conditions.codec);
    let loss = conditions.loss.clamp(0.0, 1.0) * 100.0;
    let lossy = codec.equipment + (95.0 - codec.equipment) * loss / (loss + codec.robustness);
    let network = conditions.round_trip.unwrap_or_default() / 2;
    let delay = (network + 2 * conditions.jitter + LEAST_DELAY).as_secs_f32() * 1000.0;
    let late = 0.024 * delay + if delay > 177.3 { 0.11 * (delay - 177.3) } else { 0.0 };
    let scale = if codec.best > 100.0 { codec.best / 100.0 } else { 1.0 };
    let r_factor = ((codec.best - late - lossy) / scale).clamp(0.0, 100.0);
    Rating { r_factor, mos: opinion(r_factor) }
}

/// From rating to score (G.107 annex B).
fn opinion(r: f32) -> f32 {
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7.0e-6).clamp(1.0, 4.5)
}

/// G.711 with concealment as G.113 appendix I plans it. For the wideband codecs G.107.1 gives the scale and G.722's
/// equipment impairment; how well G.722 stands loss, and all of Opus, are planning values of ours.
fn impairment(codec: CodecKind) -> Impairment {
    match codec {
        CodecKind::Pcmu | CodecKind::Pcma | CodecKind::Other => {
            Impairment { best: 93.2, equipment: 0.0, robustness: 25.1 }
        }
        CodecKind::G722 => Impairment { best: 129.0, equipment: 13.0, robustness: 13.0 },
        CodecKind::Opus => Impairment { best: 129.0, equipment: 10.0, robustness: 20.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mos(codec: CodecKind, loss: f32, round_trip_ms: u64) -> f32 {
        let round_trip = Some(Duration::from_millis(round_trip_ms));
        rate(&Conditions { codec, loss, jitter: Duration::ZERO, round_trip }).mos
    }

    #[test]
    fn a_clean_call_sounds_good() {
        assert!(mos(CodecKind::Pcmu, 0.0, 10) > 4.3);
        assert!(mos(CodecKind::Opus, 0.0, 10) > 4.3);
    }

    #[test]
    fn known_loss_gives_the_score_of_the_model() {
        // 5% loss of G.711: Ie,eff = 95 · 5 / 30.1 = 15.8, R = 93.2 - 15.8 - 1.1 = 76.3.
        let rating = rate(&Conditions {
            codec: CodecKind::Pcma,
            loss: 0.05,
            jitter: Duration::ZERO,
            round_trip: Some(Duration::from_millis(10)),
        });
        assert!((rating.r_factor - 76.3).abs() < 0.1, "{rating:?}");
        assert!((rating.mos - 3.87).abs() < 0.05, "{rating:?}");
    }

    #[test]
    fn more_loss_and_more_delay_never_sound_better() {
        for codec in [CodecKind::Pcmu, CodecKind::G722, CodecKind::Opus] {
            let mut last = 5.0;
            for percent in 0..=100_u8 {
                let score = mos(codec, f32::from(percent) / 100.0, 50);
                assert!(score <= last && (1.0..=4.5).contains(&score));
                last = score;
            }
            assert!(mos(codec, 0.0, 600) < mos(codec, 0.0, 300));
        }
        assert!((1.0..=4.5).contains(&mos(CodecKind::Pcmu, f32::INFINITY, 0)));
    }
}

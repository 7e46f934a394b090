//! Tones made and measured: which frequency, how loud, and where it was missing.
//!
//! Measuring is by the Goertzel algorithm, which is one bin of a Fourier transform at any frequency.

use std::f64::consts::TAU;
use std::time::Duration;

/// The slice of sound in which a tone counts as present or missing.
const WINDOW: Duration = Duration::from_millis(20);
/// The resolution of gaps.
const HOP: Duration = Duration::from_millis(5);
/// Quieter than this is silence (dBFS).
const SILENCE_DBFS: f64 = -50.0;
/// The share of the sound's energy that a tone must have to be called one.
const PURITY: f64 = 0.5;

/// A sine without end, whose phase runs on from block to block.
#[derive(Debug, Clone)]
pub struct Oscillator {
    hz: f64,
    amplitude: f64,
    rate: f64,
    phase: f64,
}

impl Oscillator {
    /// A tone of `hz` at `dbfs` (0 is full scale) for `rate` samples a second.
    pub fn new(hz: f64, dbfs: f64, rate: u32) -> Self {
        Self { hz, amplitude: 32_767.0 * 10f64.powf(dbfs / 20.0), rate: f64::from(rate), phase: 0.0 }
    }

    /// The next sample.
    pub fn sample(&mut self) -> i16 {
        let value = (self.phase * TAU).sin() * self.amplitude;
        self.phase = (self.phase + self.hz / self.rate).fract();
        value.round() as i16
    }

    /// The next `count` samples.
    pub fn block(&mut self, count: usize) -> Vec<i16> {
        (0..count).map(|_| self.sample()).collect()
    }
}

/// What was found in a stretch of sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The strongest frequency in Hz, to about one Hz; 0 if there is only silence.
    pub hz: f64,
    /// The level of that frequency in dBFS.
    pub dbfs: f64,
    /// The share (0 to 1) of all energy that it has.
    pub purity: f64,
    /// The longest stretch in which it was missing.
    pub longest_gap: Duration,
}

/// The amplitude (0 to 1, full scale) of one frequency in the samples.
pub fn amplitude(samples: &[i16], hz: f64, rate: u32) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let coefficient = 2.0 * (TAU * hz / f64::from(rate)).cos();
    let (mut before, mut before_that) = (0.0, 0.0);
    for &sample in samples {
        let now = f64::from(sample) / 32_768.0 + coefficient * before - before_that;
        before_that = before;
        before = now;
    }
    let power = before * before + before_that * before_that - coefficient * before * before_that;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// The strongest tone in the samples, its level, and its longest gap.
pub fn measure(samples: &[i16], rate: u32) -> Measured {
    let Some(hz) = strongest(samples, rate) else {
        let longest_gap = duration_of(samples.len(), rate);
        return Measured { hz: 0.0, dbfs: f64::NEG_INFINITY, purity: 0.0, longest_gap };
    };
    let typical = median_amplitude(samples, hz, rate);
    let energy: f64 = samples.iter().map(|&s| (f64::from(s) / 32_768.0).powi(2)).sum();
    let present = presence(samples, hz, rate, typical);
    let tonal: f64 =
        present.iter().filter(|p| **p).count() as f64 * hop(rate) as f64 * typical * typical / 2.0;
    Measured {
        hz,
        dbfs: 20.0 * typical.log10(),
        purity: (tonal / energy).min(1.0),
        longest_gap: duration_of(longest_absence(&present) * hop(rate), rate),
    }
}

/// Whether the samples hold this tone, clearly and within 2%.
pub fn is_tone(measured: &Measured, hz: f64) -> bool {
    (measured.hz - hz).abs() <= hz * 0.02 && measured.dbfs > SILENCE_DBFS && measured.purity >= PURITY
}

/// The longest stretch without a tone of this frequency.
pub fn longest_gap(samples: &[i16], hz: f64, rate: u32) -> Duration {
    let typical = median_amplitude(samples, hz, rate);
    duration_of(longest_absence(&presence(samples, hz, rate, typical)) * hop(rate), rate)
}

fn hop(rate: u32) -> usize {
    (HOP.as_millis() as usize * rate as usize) / 1000
}

fn window(rate: u32) -> usize {
    (WINDOW.as_millis() as usize * rate as usize) / 1000
}

fn duration_of(samples: usize, rate: u32) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(rate))
}

/// Coarse over the telephone band in the loudest fifth of a second, then fine around the best.
fn strongest(samples: &[i16], rate: u32) -> Option<f64> {
    let length = (rate as usize / 5).min(samples.len());
    let loudest = samples.chunks(length.max(1)).max_by_key(|chunk| energy_of(chunk))?;
    let coarse = (20..=700).map(|step| f64::from(step) * 5.0).filter(|hz| *hz < f64::from(rate) / 2.0);
    let best = peak(loudest, coarse, rate)?;
    let fine = (-10..=10).map(|step| best + f64::from(step) * 0.5);
    let best = peak(loudest, fine, rate)?;
    (20.0 * amplitude(loudest, best, rate).log10() > SILENCE_DBFS).then_some(best)
}

fn energy_of(samples: &[i16]) -> u64 {
    samples.iter().map(|&s| u64::from(s.unsigned_abs()).pow(2)).sum()
}

fn peak(samples: &[i16], candidates: impl Iterator<Item = f64>, rate: u32) -> Option<f64> {
    candidates
        .map(|hz| (hz, amplitude(samples, hz, rate)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|best| best.0)
}

/// The tone's amplitude in the median of the windows that are not silent.
fn median_amplitude(samples: &[i16], hz: f64, rate: u32) -> f64 {
    let floor = 10f64.powf(SILENCE_DBFS / 20.0);
    let mut levels: Vec<f64> = samples
        .chunks_exact(window(rate))
        .map(|chunk| amplitude(chunk, hz, rate))
        .filter(|level| *level > floor)
        .collect();
    levels.sort_by(f64::total_cmp);
    levels.get(levels.len() / 2).copied().unwrap_or(floor)
}

/// Hop by hop, whether the tone has at least half its typical amplitude.
///
/// A window half of silence has half the amplitude, so a run of absent hops is as long as the silence.
fn presence(samples: &[i16], hz: f64, rate: u32, typical: f64) -> Vec<bool> {
    let size = window(rate);
    (0..samples.len().saturating_sub(size - 1))
        .step_by(hop(rate))
        .map(|start| amplitude(&samples[start..start + size], hz, rate) >= typical / 2.0)
        .collect()
}

fn longest_absence(present: &[bool]) -> usize {
    present.split(|p| *p).map(<[bool]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, milliseconds: usize, rate: u32) -> Vec<i16> {
        Oscillator::new(hz, -10.0, rate).block(milliseconds * rate as usize / 1000)
    }

    #[test]
    fn a_tone_is_found_with_its_frequency_and_level() {
        for rate in [8_000, 16_000, 48_000] {
            for hz in [300.0, 440.0, 1004.0, 2_600.0] {
                let measured = measure(&tone(hz, 2_000, rate), rate);
                assert!(is_tone(&measured, hz), "{hz} Hz at {rate}: {measured:?}");
                assert!((measured.dbfs + 10.0).abs() < 0.5, "{measured:?}");
                assert_eq!(measured.longest_gap, Duration::ZERO);
            }
        }
    }

    #[test]
    fn silence_is_no_tone_and_one_long_gap() {
        let measured = measure(&[0; 8_000], 8_000);
        assert!(!is_tone(&measured, 440.0));
        assert_eq!(measured.longest_gap, Duration::from_secs(1));
    }

    #[test]
    fn the_longest_of_several_gaps_is_measured_within_ten_milliseconds() {
        for gap in [40, 60, 200] {
            let mut sound = tone(700.0, 1_000, 8_000);
            sound.extend(vec![0; 8 * 20]);
            sound.extend(tone(700.0, 500, 8_000));
            sound.extend(vec![0; 8 * gap]);
            sound.extend(tone(700.0, 500, 8_000));
            let measured = measure(&sound, 8_000).longest_gap.as_millis() as i64;
            assert!((measured - gap as i64).abs() <= 10, "{gap} ms was measured as {measured}");
        }
    }

    #[test]
    fn noise_is_not_taken_for_a_tone() {
        let mut state = 1u32;
        let noise: Vec<i16> = (0..16_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 20) as i16 - 2_048
            })
            .collect();
        let measured = measure(&noise, 8_000);
        assert!(!is_tone(&measured, measured.hz), "{measured:?}");
    }

    #[test]
    fn another_tone_counts_as_missing() {
        let mut sound = tone(440.0, 1_000, 8_000);
        sound.extend(tone(1_200.0, 300, 8_000));
        sound.extend(tone(440.0, 1_000, 8_000));
        let gap = longest_gap(&sound, 440.0, 8_000).as_millis();
        assert!((290..=310).contains(&gap), "{gap} ms");
    }
}

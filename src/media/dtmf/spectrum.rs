//! How much of a sound is at the eight frequencies of the keypad (Goertzel's algorithm).
//!
//! Sound is taken in steps of 5 ms. The three newest steps, joined in phase, are a window of 15 ms: long enough to tell
//! neighbouring frequencies apart, short enough to find the edges of a tone of 40 ms. So each sample is looked at once
//! for each frequency, although windows overlap.

use std::f32::consts::TAU;

use super::Digit;
use super::tone::{HIGH, LOW};
use crate::media::g711::{PEAK_0_DBM0, SAMPLES_A_SECOND};

/// Samples in a step: 5 ms.
pub(super) const STEP: usize = 40;
const STEP_LENGTH: f32 = 40.0;

/// Samples in a window.
const WINDOW: f32 = 3.0 * STEP_LENGTH;

/// Frequencies that are listened to.
const TONES: usize = 8;

/// The weakest tone that counts: −30 dBm0, below the −25 dBm that must be heard (Q.24).
const WEAKEST: f32 = 1e-3 * POWER_0_DBM0;

/// Power of a sine of 0 dBm0.
const POWER_0_DBM0: f32 = PEAK_0_DBM0 * PEAK_0_DBM0 / 2.0;

/// Mean power below which a step is taken as silence: −36 dBm0.
const SILENCE: f32 = 2.5e-4 * POWER_0_DBM0;

/// The high tone may be louder than the low one by 4 dB (Q.24), and 1 dB for what we measure wrongly.
const HIGH_LOUDER: f32 = 3.16;

/// The low tone may be louder than the high one by 8 dB (Q.24), and 1.5 dB for what we measure wrongly.
const LOW_LOUDER: f32 = 8.91;

/// How much of all power must be in the two tones for them to be there at all.
const LEAST_SHARE: f32 = 0.66;

/// The same for a key to be pressed: speech has its power elsewhere too, in its other harmonics.
const PURE_SHARE: f32 = 0.8;

/// How much stronger than its neighbours a tone must be: 7 dB.
const ABOVE_NEIGHBOURS: f32 = 5.0;

/// How far off a tone may be: more than the 1.8 % that must be heard, less than the 3.5 % that must not (Q.24).
const TOLERANCE: f32 = 0.025;

/// One complex number for each frequency.
#[derive(Clone, Copy, Debug, Default)]
struct Bins {
    re: [f32; TONES],
    im: [f32; TONES],
}

impl Bins {
    /// Each multiplied by its own factor.
    fn times(&self, factors: &Self) -> Self {
        let mut product = Self::default();
        for n in 0..TONES {
            product.re[n] = self.re[n] * factors.re[n] - self.im[n] * factors.im[n];
            product.im[n] = self.re[n] * factors.im[n] + self.im[n] * factors.re[n];
        }
        product
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        for n in 0..TONES {
            sum.re[n] += other.re[n];
            sum.im[n] += other.im[n];
        }
        sum
    }

    fn powers(&self) -> [f32; TONES] {
        std::array::from_fn(|n| self.re[n] * self.re[n] + self.im[n] * self.im[n])
    }
}

/// A key whose tone fills the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) digit: Digit,
    /// Hardly anything else is there.
    pub(super) is_pure: bool,
}

/// The sound of the last 15 ms.
#[derive(Clone, Debug)]
pub(super) struct Spectrum {
    /// One sample's turn of each frequency.
    turn: Bins,
    /// One step's turn of each frequency.
    step_turn: Bins,
    /// The tangent of the angle by which a tone within the tolerance may run ahead in a step.
    drift: [f32; TONES],
    /// The two steps before the newest, and their energies.
    steps: [Bins; 2],
    energies: [f32; 2],
    /// The window before the newest.
    before: Bins,
}

impl Spectrum {
    pub(super) fn new() -> Self {
        let mut spectrum = Self {
            turn: Bins::default(),
            step_turn: Bins::default(),
            drift: [0.0; TONES],
            steps: [Bins::default(); 2],
            energies: [0.0; 2],
            before: Bins::default(),
        };
        for (n, frequency) in LOW.into_iter().chain(HIGH).enumerate() {
            let turn = TAU * frequency / SAMPLES_A_SECOND;
            let step_turn = turn * STEP_LENGTH;
            (spectrum.turn.im[n], spectrum.turn.re[n]) = turn.sin_cos();
            (spectrum.step_turn.im[n], spectrum.step_turn.re[n]) = step_turn.sin_cos();
            spectrum.drift[n] = (step_turn * TOLERANCE).tan();
        }
        spectrum
    }

    /// What came before is not what comes before the next step.
    pub(super) fn forget(&mut self) {
        self.steps = Default::default();
        self.energies = Default::default();
        self.before = Bins::default();
    }

    /// Takes the next step; gives the key whose tone fills the window.
    pub(super) fn hear(&mut self, samples: &[f32; STEP]) -> Option<Heard> {
        let energy: f32 = samples.iter().map(|sample| sample * sample).sum();
        let is_silent = energy < SILENCE * STEP_LENGTH;
        let step = if is_silent { Bins::default() } else { self.goertzel(samples) };
        let older = self.steps[1].times(&self.step_turn).plus(&self.steps[0]);
        let window = older.times(&self.step_turn).plus(&step);
        let total = energy + self.energies[0] + self.energies[1];
        let key = if is_silent { None } else { self.key(&window, total) };
        self.steps = [step, self.steps[0]];
        self.energies = [energy, self.energies[0]];
        self.before = window;
        key
    }

    /// The part of each frequency in a step, its phase counted from the step's last sample.
    fn goertzel(&self, samples: &[f32; STEP]) -> Bins {
        let (mut last, mut older) = ([0.0; TONES], [0.0; TONES]);
        for sample in samples {
            for n in 0..TONES {
                let next = sample + 2.0 * self.turn.re[n] * last[n] - older[n];
                older[n] = last[n];
                last[n] = next;
            }
        }
        let mut bins = Bins::default();
        for n in 0..TONES {
            bins.re[n] = last[n] - older[n] * self.turn.re[n];
            bins.im[n] = older[n] * self.turn.im[n];
        }
        bins
    }

    fn key(&self, window: &Bins, energy: f32) -> Option<Heard> {
        let powers = window.powers();
        let (low_powers, high_powers) = powers.split_at(LOW.len());
        let (row, low) = strongest(low_powers)?;
        let (column, high) = strongest(high_powers)?;
        let low = self.full_power(window, row, low)?;
        let high = self.full_power(window, LOW.len() + column, high)?;
        let is_loud = low.min(high) >= WEAKEST * WINDOW * WINDOW / 2.0;
        let is_balanced = high <= low * HIGH_LOUDER && low <= high * LOW_LOUDER;
        let share = 2.0 * (low + high) / (WINDOW * energy);
        if !is_loud || !is_balanced || share < LEAST_SHARE {
            return None;
        }
        Some(Heard { digit: Digit::of_tone(row, column)?, is_pure: share >= PURE_SHARE })
    }

    /// The power of the tone near a frequency, of which the window shows `shown`; `None` when it is too far off, which
    /// its phase tells: it runs ahead of the frequency's own from window to window.
    fn full_power(&self, window: &Bins, n: usize, shown: f32) -> Option<f32> {
        let (turn_re, turn_im) = (self.step_turn.re[n], self.step_turn.im[n]);
        let due_re = self.before.re[n] * turn_re - self.before.im[n] * turn_im;
        let due_im = self.before.re[n] * turn_im + self.before.im[n] * turn_re;
        let along = window.re[n] * due_re + window.im[n] * due_im;
        let across = window.im[n] * due_re - window.re[n] * due_im;
        if across.abs() > along * self.drift[n] {
            return None;
        }
        // A window of three steps shows sin²x/x² of a tone that runs ahead by 2x/3 in a step.
        let x = 1.5 * across.atan2(along);
        let part = if x.abs() < 0.01 { 1.0 } else { x.sin() / x };
        Some(shown / (part * part))
    }
}

/// The strongest of a group, if it stands out.
fn strongest(powers: &[f32]) -> Option<(usize, f32)> {
    let (place, best) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let rival = powers.iter().enumerate().any(|(n, power)| n != place && power * ABOVE_NEIGHBOURS > best);
    (!rival).then_some((place, best))
}

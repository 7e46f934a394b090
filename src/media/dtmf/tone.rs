//! The tones of the keys (ITU-T Q.23): each key is one low and one high frequency at once.

use std::f32::consts::TAU;

use super::Digit;
use crate::media::g711::{Law, PEAK_0_DBM0, SAMPLES_A_SECOND};

/// The rows of the keypad, in Hz.
pub const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];

/// Its columns, in Hz.
pub const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// Event codes by row and column.
const KEYPAD: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

/// Levels of a tone of ours, of 0 dBm0: −10 and −8 dBm0, the high one louder because lines damp it more
/// (ETSI ES 201 235-2).
const LEVELS: [f32; 2] = [0.316, 0.398];

impl Digit {
    /// The key of a row and a column, 0 to 3.
    pub(super) fn of_tone(row: usize, column: usize) -> Option<Self> {
        KEYPAD.get(row)?.get(column).copied().and_then(Self::from_event)
    }

    /// Its two frequencies, in Hz; the hook flash has none.
    pub fn tone(self) -> Option<[f32; 2]> {
        let place = |row: &[u8; 4]| row.iter().position(|code| *code == self.event());
        let (low, column) = LOW.iter().zip(&KEYPAD).find_map(|(low, row)| Some((*low, place(row)?)))?;
        Some([low, *HIGH.get(column)?])
    }
}

/// Writes a part of a key's tone: the samples from `from` on, counted from the tone's start. Silence for the hook flash.
pub fn write_tone(digit: Digit, from: u16, law: Law, payload: &mut [u8]) {
    let Some(tone) = digit.tone() else { return payload.fill(law.silence()) };
    let radians = tone.map(|frequency| TAU * frequency / SAMPLES_A_SECOND);
    for (n, code) in (from..=u16::MAX).zip(payload) {
        let sines = radians.iter().zip(LEVELS).map(|(radians, level)| level * (radians * f32::from(n)).sin());
        *code = law.encode((sines.sum::<f32>() * PEAK_0_DBM0) as i16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_frequencies() {
        for (row, low) in ["123A", "456B", "789C", "*0#D"].iter().zip(LOW) {
            for (key, high) in row.chars().zip(HIGH) {
                assert_eq!(Digit::from_char(key).unwrap().tone(), Some([low, high]), "{key}");
            }
        }
        assert_eq!(Digit::from_char('!').unwrap().tone(), None);
        assert_eq!(Digit::of_tone(4, 0), None);
    }

    #[test]
    fn a_tone_in_parts_is_the_tone_as_a_whole() {
        let five = Digit::from_char('5').unwrap();
        let (mut whole, mut parts) = ([0; 800], [0; 800]);
        write_tone(five, 0, Law::A, &mut whole);
        for (n, part) in parts.chunks_mut(160).enumerate() {
            write_tone(five, n as u16 * 160, Law::A, part);
        }
        assert_eq!(whole, parts);
        let power: f32 = whole.iter().map(|code| f32::from(Law::A.decode(*code)).powi(2)).sum();
        let level = 10.0 * (power / 800.0 / (PEAK_0_DBM0 * PEAK_0_DBM0 / 2.0)).log10();
        assert!((level + 5.9).abs() < 0.2, "−10 and −8 dBm0 together: {level}");
    }
}

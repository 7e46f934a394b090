//! Keys heard as tones in G.711 audio (ITU-T Q.23, Q.24), for peers whose session has no telephone events.
//!
//! Every 5 ms the spectrum says which key's tone, if any, fills the last 15 ms. A key is pressed when the same one
//! was found five times in a row with hardly anything else, and let go when it was not found six times in a row. So
//! tones of 40 ms and pauses of 30 ms are always heard, tones of 24 ms never, and a break of 15 ms in a tone does not
//! make two keys of one.
//!
//! | state | the window holds | next |
//! | --- | --- | --- |
//! | idle | a key and nothing else, five in a row | held: `Pressed` |
//! | held | the same key | held |
//! | held | another key or none, six in a row | idle: `Released` |
//! | held | nothing comes for 250 ms, or 100 ms are missing | idle: `Released` |
//!
//! Windows across lost packets say nothing, neither for nor against a key.

use std::time::{Duration, Instant};

use super::spectrum::{Heard, STEP, Spectrum};
use super::{Digit, KeyPress, LOST_END};
use crate::media::g711::Law;

/// Windows in a row that make a key pressed.
const PRESS: u8 = 5;

/// Windows in a row without the key that make it let go.
const RELEASE: u8 = 6;

/// Windows after a gap that reach over it.
const BRIDGING: u8 = 2;

/// A gap of more samples than this, 100 ms, ends what was before; so does a step back by more.
const LONGEST_GAP: i32 = 800;
const LONGEST_STEP_BACK: i32 = -800;

/// Time between windows.
const STEP_TIME: Duration = Duration::from_millis(5);

/// How many changes one packet can bring: the longest has 36 steps, and a press and a release take 11.
const MAX_CHANGES: usize = 8;

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToneChange {
    /// Its tone is there.
    Pressed(Digit),
    /// Its tone is over.
    Released(KeyPress),
}

/// The changes that one packet brought, in order.
pub type ToneChanges = heapless::Vec<ToneChange, MAX_CHANGES>;

/// Finds keys in the audio of one peer. Of fixed size; nothing is allocated.
#[derive(Clone, Debug)]
pub struct InbandReceiver {
    spectrum: Spectrum,
    samples: [f32; STEP],
    filled: usize,
    /// The timestamp that comes next, and when the last packet came.
    due: Option<(u32, Instant)>,
    bridging: u8,
    rising: Option<(Digit, u8)>,
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    digit: Digit,
    /// Windows from the first with the tone to the last.
    windows: u32,
    /// Windows without it since.
    missed: u8,
}

impl Held {
    fn press(self) -> KeyPress {
        KeyPress { digit: self.digit, duration: STEP_TIME * self.windows.saturating_add(1) }
    }
}

impl Default for InbandReceiver {
    fn default() -> Self {
        Self::new()
    }
}

impl InbandReceiver {
    /// Nothing was heard yet.
    pub fn new() -> Self {
        Self {
            spectrum: Spectrum::new(),
            samples: [0.0; STEP],
            filled: 0,
            due: None,
            bridging: 0,
            rising: None,
            held: None,
        }
    }

    /// Takes the payload of one packet; late and repeated ones are passed over.
    pub fn handle_packet(&mut self, now: Instant, timestamp: u32, payload: &[u8], law: Law) -> ToneChanges {
        let mut changes = ToneChanges::new();
        if let Some((due, _)) = self.due {
            match timestamp.wrapping_sub(due).cast_signed() {
                0 => {}
                LONGEST_STEP_BACK..0 => return changes,
                1..=LONGEST_GAP => self.skip(),
                _ => {
                    self.rising = None;
                    changes.extend(self.release());
                    self.skip();
                }
            }
        }
        self.due = Some((timestamp.wrapping_add(payload.len() as u32), now));
        for code in payload {
            let Some(place) = self.samples.get_mut(self.filled) else { break };
            *place = f32::from(law.decode(*code));
            self.filled += 1;
            if self.filled == STEP {
                self.filled = 0;
                let heard = self.spectrum.hear(&self.samples);
                self.judge(heard, &mut changes);
            }
        }
        changes
    }

    /// The key that is held, whose audio has stopped coming.
    pub fn handle_timer(&mut self, now: Instant) -> Option<KeyPress> {
        let (_, last) = self.due?;
        if now.saturating_duration_since(last) < LOST_END {
            return None;
        }
        self.held.take().map(Held::press)
    }

    /// Whether the tone of a key is in the audio.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Samples are missing before those that come next.
    fn skip(&mut self) {
        self.filled = 0;
        self.bridging = BRIDGING;
        self.spectrum.forget();
    }

    fn judge(&mut self, heard: Option<Heard>, changes: &mut ToneChanges) {
        if self.bridging > 0 {
            self.bridging -= 1;
            return;
        }
        self.rising = heard.filter(|heard| heard.is_pure).map(|Heard { digit, .. }| match self.rising {
            Some((same, windows)) if same == digit => (digit, windows.saturating_add(1)),
            _ => (digit, 1),
        });
        match &mut self.held {
            Some(held) if heard.is_some_and(|heard| heard.digit == held.digit) => {
                held.windows = held.windows.saturating_add(1 + u32::from(held.missed));
                held.missed = 0;
            }
            Some(held) => {
                held.missed += 1;
                if held.missed >= RELEASE {
                    changes.extend(self.release());
                }
            }
            None => {}
        }
        if self.held.is_none()
            && let Some((digit, windows @ PRESS..)) = self.rising
        {
            self.held = Some(Held { digit, windows: windows.into(), missed: 0 });
            changes.extend([ToneChange::Pressed(digit)]);
        }
    }

    fn release(&mut self) -> Option<ToneChange> {
        self.held.take().map(|held| ToneChange::Released(held.press()))
    }
}

#[cfg(test)]
#[path = "inband_tests.rs"]
mod tests;

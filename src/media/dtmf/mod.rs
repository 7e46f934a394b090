//! The keys of a telephone: as named RTP payloads, telephone events (RFC 4733), and as tones in the audio.
//!
//! [`DtmfReceiver`] turns event packets into keys; [`DtmfSender`] turns keys into events or tones. [`inband`] hears
//! tones, [`tone`] makes them.
//!
//! | sender state | after | does | becomes |
//! | --- | --- | --- | --- |
//! | `Idle` | a digit waits | starts an event (a tone) | `Tone` |
//! | `Tone` | 20 ms | sends it longer by 20 ms (20 ms more of it) | `Tone`, at 100 ms `Ending` |
//! | `Ending` | 20 ms | sends the end packet (20 ms of silence), three times in all | `Pause` |
//! | `Pause` | 60 ms | nothing | `Idle` |

pub mod inband;
mod spectrum;
pub mod tone;

use std::time::{Duration, Instant};

use super::g711::Law;

/// One key of a telephone: `0` to `9`, `*`, `#`, `A` to `D`, or the hook flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digit(u8);

/// The event code of the hook flash (RFC 4733 §3.2).
const FLASH: u8 = 16;

impl Digit {
    /// From an event code; `None` above 16, which are not keys.
    pub const fn from_event(code: u8) -> Option<Self> {
        if code <= FLASH { Some(Self(code)) } else { None }
    }

    /// From its character, either case; `!` is the hook flash.
    pub const fn from_char(key: char) -> Option<Self> {
        let code = match key {
            '0'..='9' => key as u8 - b'0',
            '*' => 10,
            '#' => 11,
            'A'..='D' => key as u8 - b'A' + 12,
            'a'..='d' => key as u8 - b'a' + 12,
            '!' => FLASH,
            _ => return None,
        };
        Some(Self(code))
    }

    /// Whether it can be sent as a tone: all but the hook flash.
    pub const fn has_tone(self) -> bool {
        self.0 < FLASH
    }

    /// Its event code, 0 to 16.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// Its character.
    pub const fn as_char(self) -> char {
        match self.0 {
            0..=9 => (b'0' + self.0) as char,
            10 => '*',
            11 => '#',
            12..=15 => (b'A' + self.0 - 12) as char,
            _ => '!',
        }
    }
}

/// How many digits one command may carry.
pub const MAX_DIGITS: usize = 32;

/// Digits to send, in order.
pub type Digits = heapless::Vec<Digit, MAX_DIGITS>;

/// Length of an event's payload (RFC 4733 §2.3).
pub const EVENT_PAYLOAD: usize = 4;

/// The payload of one event packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    /// Event code.
    pub event: u8,
    /// The key was let go.
    pub end: bool,
    /// Loudness below 0 dBm0, 0 to 63.
    pub volume: u8,
    /// How long so far, in units of the clock rate.
    pub duration: u16,
}

impl EventPayload {
    /// Reads the payload's first event; `None` when it is too short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, high, low] = *payload.first_chunk::<EVENT_PAYLOAD>()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Self { event, end: flags & 0x80 != 0, volume: flags & 0x3F, duration })
    }

    /// The payload on the wire.
    pub fn to_bytes(self) -> [u8; EVENT_PAYLOAD] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | self.volume & 0x3F, high, low]
    }

    /// The same event in another clock rate.
    pub fn rescaled(self, from_rate: u32, to_rate: u32) -> Self {
        let scaled = u64::from(self.duration) * u64::from(to_rate) / u64::from(from_rate.max(1));
        Self { duration: u16::try_from(scaled).unwrap_or(u16::MAX), ..self }
    }
}

/// A key that was pressed and let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPress {
    /// Which key.
    pub digit: Digit,
    /// How long it was held.
    pub duration: Duration,
}

/// An event without news for this long has ended, its end packets lost.
const LOST_END: Duration = Duration::from_millis(250);

/// An event this long may be continued by another, for want of bits (RFC 4733 §2.5.1.3).
const LONG_EVENT: u16 = 0xF000;

/// Puts the packets of each event together, so that each key is told once.
#[derive(Clone, Debug, Default)]
pub struct DtmfReceiver {
    current: Option<ReceivedEvent>,
}

#[derive(Clone, Copy, Debug)]
struct ReceivedEvent {
    digit: Digit,
    timestamp: u32,
    /// Of earlier segments, when the key is held longer than one event can say (RFC 4733 §2.5.1.3).
    earlier: Duration,
    duration: u16,
    clock_rate: u32,
    last: Instant,
    told: bool,
}

impl ReceivedEvent {
    fn press(&self) -> KeyPress {
        KeyPress { digit: self.digit, duration: self.earlier + self.segment() }
    }

    /// Takes another packet of the same event; gives the key when it ends it.
    fn goes_on(&mut self, now: Instant, event: EventPayload) -> Option<KeyPress> {
        self.last = now;
        self.duration = self.duration.max(event.duration);
        let ends = event.end && !self.told;
        self.told |= ends;
        ends.then(|| self.press())
    }

    /// Whether an event that begins `ahead` of this one is the same key, still held.
    fn is_continued_by(&self, digit: Digit, ahead: u32) -> bool {
        self.digit == digit && self.duration >= LONG_EVENT && ahead == u32::from(self.duration)
    }

    fn segment(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.duration) / f64::from(self.clock_rate.max(1)))
    }
}

impl DtmfReceiver {
    /// Takes one event packet. Up to two keys end with it: one whose end was lost, and its own.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        timestamp: u32,
        payload: &[u8],
        clock_rate: u32,
    ) -> heapless::Vec<KeyPress, 2> {
        let mut ended = heapless::Vec::new();
        let Some(event) = EventPayload::parse(payload) else { return ended };
        let Some(digit) = Digit::from_event(event.event) else { return ended };
        let mut earlier = Duration::ZERO;
        if let Some(current) = &mut self.current {
            match timestamp.wrapping_sub(current.timestamp).cast_signed() {
                ..0 => return ended, // a late packet of an event that is over
                0 => {
                    ended.extend(current.goes_on(now, event));
                    return ended;
                }
                _ if current.told => {}
                ahead if current.is_continued_by(digit, ahead.cast_unsigned()) => {
                    earlier = current.earlier + current.segment();
                }
                _ => ended.extend([current.press()]),
            }
        }
        let told = event.end;
        let duration = event.duration;
        let current = ReceivedEvent { digit, timestamp, earlier, duration, clock_rate, last: now, told };
        if told {
            ended.extend([current.press()]);
        }
        self.current = Some(current);
        ended
    }

    /// The key whose end packets were lost, once it has been quiet for long enough.
    pub fn handle_timer(&mut self, now: Instant) -> Option<KeyPress> {
        let current = self.current.as_mut()?;
        if current.told || now.saturating_duration_since(current.last) < LOST_END {
            return None;
        }
        current.told = true;
        Some(current.press())
    }
}

/// How often an event is sent anew.
pub const STEP: Duration = Duration::from_millis(20);

/// How long a digit of ours sounds.
const TONE: Duration = Duration::from_millis(100);

/// The silence after it.
const PAUSE: Duration = Duration::from_millis(60);

/// How often an end packet is sent (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;

/// -10 dBm0: what telephones send.
const VOLUME: u8 = 10;

/// What [`DtmfSender`] wants sent: a telephone event, or [`STEP`] of its tone (of silence, once it has ended).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStep {
    /// Which key.
    pub digit: Digit,
    /// The first packet of its event: takes a new timestamp and the marker; the others keep it.
    pub first: bool,
    /// The payload.
    pub payload: EventPayload,
}

impl EventStep {
    /// Writes the sound of this step in G.711; its clock rate must be 8000.
    pub fn write_tone(&self, law: Law, payload: &mut [u8; TONE_PAYLOAD]) {
        if self.payload.end {
            payload.fill(law.silence());
        } else {
            let from = self.payload.duration.saturating_sub(TONE_PAYLOAD as u16);
            tone::write_tone(self.digit, from, law, payload);
        }
    }
}

/// Length of a payload with [`STEP`] of a tone.
pub const TONE_PAYLOAD: usize = 160;

/// Sends digits one after the other.
#[derive(Clone, Debug, Default)]
pub struct DtmfSender {
    waiting: heapless::Deque<Digit, MAX_DIGITS>,
    state: SendState,
}

#[derive(Clone, Copy, Debug, Default)]
enum SendState {
    #[default]
    Idle,
    Tone {
        digit: Digit,
        next: Instant,
        length: Duration,
    },
    Ending {
        digit: Digit,
        next: Instant,
        left: u8,
    },
    Pause {
        until: Instant,
    },
}

impl DtmfSender {
    /// Adds digits after those waiting; false (and none is added) when they do not all fit.
    pub fn send(&mut self, digits: &[Digit]) -> bool {
        if self.waiting.len() + digits.len() > MAX_DIGITS {
            return false;
        }
        digits.iter().all(|digit| self.waiting.push_back(*digit).is_ok())
    }

    /// Gives up what is being sent and what waits.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether digits are being sent, so that audio must wait.
    pub fn is_active(&self) -> bool {
        !matches!(self.state, SendState::Idle) || !self.waiting.is_empty()
    }

    /// When [`poll`](Self::poll) will have something; `None` when nothing is being sent.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        match self.state {
            SendState::Idle => (!self.waiting.is_empty()).then_some(now),
            SendState::Tone { next, .. } | SendState::Ending { next, .. } => Some(next),
            SendState::Pause { until } => Some(until),
        }
    }

    /// The next packet that is due; call until it gives `None`.
    pub fn poll(&mut self, now: Instant, clock_rate: u32) -> Option<EventStep> {
        match self.state {
            SendState::Idle => self.start(now, clock_rate),
            SendState::Tone { digit, next, length } if now >= next => {
                let length = length + STEP;
                let next = next + STEP;
                self.state = if length >= TONE {
                    SendState::Ending { digit, next, left: END_PACKETS }
                } else {
                    SendState::Tone { digit, next, length }
                };
                Some(step(digit, length, clock_rate, Stage::Going))
            }
            SendState::Ending { digit, next, left } if now >= next => {
                self.state = if left > 1 {
                    SendState::Ending { digit, next: next + STEP, left: left - 1 }
                } else {
                    SendState::Pause { until: now + PAUSE }
                };
                Some(step(digit, TONE, clock_rate, Stage::End))
            }
            SendState::Pause { until } if now >= until => {
                self.state = SendState::Idle;
                self.start(now, clock_rate)
            }
            SendState::Tone { .. } | SendState::Ending { .. } | SendState::Pause { .. } => None,
        }
    }

    fn start(&mut self, now: Instant, clock_rate: u32) -> Option<EventStep> {
        let digit = self.waiting.pop_front()?;
        self.state = SendState::Tone { digit, next: now + STEP, length: STEP };
        Some(step(digit, STEP, clock_rate, Stage::First))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    First,
    Going,
    End,
}

fn step(digit: Digit, length: Duration, clock_rate: u32, stage: Stage) -> EventStep {
    let units = length.as_millis() * u128::from(clock_rate) / 1000;
    let duration = u16::try_from(units).unwrap_or(u16::MAX);
    let payload = EventPayload { event: digit.event(), end: stage == Stage::End, volume: VOLUME, duration };
    EventStep { digit, first: stage == Stage::First, payload }
}

#[cfg(test)]
mod tests;

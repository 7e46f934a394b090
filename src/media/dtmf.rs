//! Telephone events (RFC 4733): the keys of a telephone as named RTP payloads.

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

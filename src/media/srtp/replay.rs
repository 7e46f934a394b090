//! Packet indices: the roll-over counter and the replay window (RFC 3711 §3.3).

use crate::media::DropReason;

/// How many indices behind the highest are remembered.
const WINDOW: u64 = 128;

/// The largest SRTP index: 48 bits (RFC 3711 §9.2).
const LAST_RTP_INDEX: u64 = (1 << 48) - 1;

/// Remembers which indices of one stream were used.
///
/// Receivers refuse what was seen before; senders refuse to use an index twice, which would give two
/// packets the same key stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    highest: Option<u64>,
    /// Bit `n` is set when `highest - n` was used.
    used: u128,
}

impl ReplayWindow {
    /// A window in which nothing was used.
    pub const fn new() -> Self {
        Self { highest: None, used: 0 }
    }

    /// The 48-bit index of an RTP packet by its sequence number: of the three possible roll-over counters
    /// the one nearest to the highest index so far (RFC 3711 §3.3.1). The first packet has counter 0.
    pub fn rtp_index(&self, sequence: u16) -> Result<u64, DropReason> {
        let Some(highest) = self.highest else { return Ok(u64::from(sequence)) };
        let last = highest as u16;
        let roll = highest >> 16;
        let ahead = sequence.wrapping_sub(last);
        let roll = if ahead < 0x8000 {
            if sequence < last { roll + 1 } else { roll }
        } else if sequence > last {
            roll.checked_sub(1).ok_or(DropReason::TooOld)?
        } else {
            roll
        };
        let index = roll << 16 | u64::from(sequence);
        if index > LAST_RTP_INDEX { Err(DropReason::KeyExhausted) } else { Ok(index) }
    }

    /// Whether `index` may still be used.
    pub fn check(&self, index: u64) -> Result<(), DropReason> {
        let Some(behind) = self.highest.and_then(|highest| highest.checked_sub(index)) else { return Ok(()) };
        if behind >= WINDOW {
            Err(DropReason::TooOld)
        } else if self.used >> behind & 1 == 1 {
            Err(DropReason::Replayed)
        } else {
            Ok(())
        }
    }

    /// Notes that `index` was used; only after [`check`](Self::check) and authentication.
    pub fn record(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {
                if highest - index < WINDOW {
                    self.used |= 1 << (highest - index);
                }
            }
            Some(highest) => {
                let ahead = index - highest;
                self.used = if ahead < WINDOW { self.used << ahead | 1 } else { 1 };
                self.highest = Some(index);
            }
            None => {
                self.used = 1;
                self.highest = Some(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(window: &mut ReplayWindow, sequence: u16) -> Result<u64, DropReason> {
        let index = window.rtp_index(sequence)?;
        window.check(index)?;
        window.record(index);
        Ok(index)
    }

    #[test]
    fn the_counter_rolls_over_and_late_packets_keep_their_own() {
        let mut window = ReplayWindow::default();
        assert_eq!(take(&mut window, 65_534), Ok(65_534));
        assert_eq!(take(&mut window, 1), Ok(0x1_0001));
        assert_eq!(take(&mut window, 65_535), Ok(65_535), "late, from before the roll-over");
        assert_eq!(take(&mut window, 0), Ok(0x1_0000));
        assert_eq!(take(&mut window, 2), Ok(0x1_0002));
    }

    #[test]
    fn what_lies_before_the_first_packet_is_too_old() {
        let mut window = ReplayWindow::default();
        take(&mut window, 5).unwrap();
        assert_eq!(take(&mut window, 65_530), Err(DropReason::TooOld));
    }

    #[test]
    fn seen_and_too_old_are_refused() {
        let mut window = ReplayWindow::default();
        take(&mut window, 1_000).unwrap();
        assert_eq!(take(&mut window, 1_000), Err(DropReason::Replayed));
        assert_eq!(take(&mut window, 873), Ok(873), "the window's last place");
        assert_eq!(take(&mut window, 873), Err(DropReason::Replayed));
        assert_eq!(take(&mut window, 872), Err(DropReason::TooOld));
        take(&mut window, 1_127).unwrap();
        assert_eq!(take(&mut window, 1_000), Err(DropReason::Replayed), "still remembered at the edge");
        take(&mut window, 1_500).unwrap();
        assert_eq!(take(&mut window, 1_499), Ok(1_499), "a long jump forgets nothing it should not");
    }

    #[test]
    fn the_last_index_of_a_key_is_not_passed() {
        let mut window = ReplayWindow::default();
        window.record(LAST_RTP_INDEX);
        assert_eq!(window.rtp_index(0), Err(DropReason::KeyExhausted));
    }

    #[test]
    fn the_nearest_of_three_counters_is_chosen() {
        for highest in [0_u64, 1, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x1_8000, 0x5_FFFF] {
            for sequence in (0..=u16::MAX).step_by(97) {
                let mut window = ReplayWindow::default();
                window.record(highest);
                let Ok(index) = window.rtp_index(sequence) else { continue };
                assert_eq!(index as u16, sequence);
                assert!(index.abs_diff(highest) <= 0x8000, "{highest} {sequence}");
            }
        }
    }
}

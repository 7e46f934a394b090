//! One packet in a buffer that is used again and again.

/// The longest packet we carry, in bytes: what fits an Ethernet frame.
pub const MAX_PACKET: usize = 1500;

/// Room behind a packet for an SRTP tag and an SRTCP index.
const TAIL_ROOM: usize = 36;

/// A packet with room to grow at its end (tags) and to shrink at its front (header extensions), so that it
/// is opened, changed and protected where it was received.
#[derive(Clone, Debug)]
pub struct Packet {
    bytes: [u8; MAX_PACKET + TAIL_ROOM],
    start: usize,
    end: usize,
}

impl Packet {
    /// An empty packet.
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_PACKET + TAIL_ROOM], start: 0, end: 0 }
    }

    /// Empties the packet and gives its whole space to be received into; then say
    /// [`received`](Self::received). The space is longer than [`MAX_PACKET`], so that longer packets show.
    pub fn space(&mut self) -> &mut [u8] {
        self.start = 0;
        self.end = 0;
        &mut self.bytes
    }

    /// Says that `length` bytes lie in [`space`](Self::space).
    pub fn received(&mut self, length: usize) {
        self.start = 0;
        self.end = length.min(self.bytes.len());
    }

    /// Replaces the content; false (and empty) when it does not fit.
    pub fn fill(&mut self, content: &[u8]) -> bool {
        self.start = 0;
        self.end = 0;
        self.extend(content)
    }

    /// Appends; false (and nothing happens) when it does not fit.
    pub fn extend(&mut self, tail: &[u8]) -> bool {
        let end = self.end + tail.len();
        match self.bytes.get_mut(self.end..end) {
            Some(room) => {
                room.copy_from_slice(tail);
                self.end = end;
                true
            }
            None => false,
        }
    }

    /// Keeps the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start + length);
    }

    /// Cuts `length` bytes off the front.
    pub fn cut_front(&mut self, length: usize) {
        self.start = self.end.min(self.start + length);
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Its bytes, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }
}

impl Default for Packet {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_grows_and_shrinks_within_its_room() {
        let mut packet = Packet::new();
        assert!(packet.fill(&[1, 2, 3, 4]));
        packet.cut_front(1);
        assert!(packet.extend(&[5]));
        assert_eq!(packet.as_slice(), [2, 3, 4, 5]);
        packet.truncate(2);
        assert_eq!(packet.as_slice(), [2, 3]);
        packet.cut_front(9);
        assert!(packet.is_empty());
        assert!(!packet.fill(&[0; MAX_PACKET + TAIL_ROOM + 1]));
        packet.received(usize::MAX);
        assert_eq!(packet.len(), MAX_PACKET + TAIL_ROOM);
    }
}

//! Which payload type of one leg is which of the other, for media that passes through unchanged.

use heapless::LinearMap;

use super::agreed::AgreedCodec;
use super::codec::PayloadType;
use super::limits::MAX_AGREED_CODECS;

/// From the payload types a leg receives to those the other leg sends. Small and fixed; no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadMap(LinearMap<PayloadType, PayloadType, MAX_AGREED_CODECS>);

impl PayloadMap {
    /// The number a packet goes out with; `None` means that the other leg has no such codec: drop the packet.
    pub fn get(&self, received: PayloadType) -> Option<PayloadType> {
        self.0.get(&received).copied()
    }

    /// Whether every packet would be dropped.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All pairs, in the order of the first leg's codecs.
    pub fn iter(&self) -> impl Iterator<Item = (PayloadType, PayloadType)> {
        self.0.iter().map(|(from, to)| (*from, *to))
    }
}

/// The map for packets that come in on leg `from` and go out on leg `to`. Codecs match by [`super::Codec::matches`],
/// so telephone events go only to those of the same clock rate.
pub fn payload_map(from: &[AgreedCodec], to: &[AgreedCodec]) -> PayloadMap {
    let _ = (from, to);
    todo!()
}

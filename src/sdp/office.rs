//! The office's codecs, and what of an offer to pass on to the other leg.

use super::codec::{Codec, Encoding};

/// Which encodings this office lets through, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficeCodecs(heapless::Vec<Encoding, 8>);

impl OfficeCodecs {
    /// A list of the office's own. Repetitions, [`Encoding::Other`] and comfort noise are left out.
    pub fn new(encodings: &[Encoding]) -> Self {
        let _ = encodings;
        todo!()
    }

    /// The encodings, best first.
    pub fn encodings(&self) -> &[Encoding] {
        &self.0
    }

    /// All of them as codecs under our own numbers, for an offer that no other leg's offer precedes.
    pub fn codecs(&self) -> Vec<Codec> {
        todo!()
    }
}

impl Default for OfficeCodecs {
    /// Opus, G.722, PCMU, PCMA, and telephone events.
    fn default() -> Self {
        Self::new(&[Encoding::Opus, Encoding::G722, Encoding::Pcmu, Encoding::Pcma, Encoding::TelephoneEvent])
    }
}

/// The codecs to offer on leg B when leg A offered `offered`: those the office lets through, in A's order, under
/// A's payload types where these are allowed, with the telephone events that go with one of them.
pub fn codecs_for_other_leg(offered: &[Codec], office: &OfficeCodecs) -> Vec<Codec> {
    let _ = (offered, office);
    todo!()
}

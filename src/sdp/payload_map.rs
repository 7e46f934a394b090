//! Which payload type of one leg is which of the other, for media that passes through unchanged.

use heapless::LinearMap;

use super::agreed::AgreedCodec;
use super::codec::PayloadType;
use super::limits::MAX_AGREED_CODECS;
use super::office::rtp_rate;

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

/// The map for packets that come in on leg `from` and go out on leg `to`. Codecs match by [`super::Codec::matches`].
/// Telephone events go to those of the same clock rate; where there are none, to those of another rate if the audio of
/// both legs has the same clock, which their timestamps follow. The packet's duration must then be rescaled.
pub fn payload_map(from: &[AgreedCodec], to: &[AgreedCodec]) -> PayloadMap {
    let mut map = LinearMap::new();
    for received in from.iter().take(MAX_AGREED_CODECS) {
        let same = to.iter().find(|sent| sent.codec.matches(&received.codec));
        if let Some(sent) = same.or_else(|| event_of_other_rate(received, from, to)) {
            // The map has room for as many as are taken here, so nothing is lost.
            let _ = map.insert(received.receive_type, sent.codec.payload_type);
        }
    }
    PayloadMap(map)
}

fn event_of_other_rate<'a>(
    received: &AgreedCodec,
    from: &[AgreedCodec],
    to: &'a [AgreedCodec],
) -> Option<&'a AgreedCodec> {
    let clock = |side: &[AgreedCodec]| {
        side.iter().map(|agreed| &agreed.codec).find(|codec| codec.encoding().is_audio()).map(rtp_rate)
    };
    if !received.codec.is_telephone_event() || clock(from) != clock(to) {
        return None;
    }
    to.iter().find(|sent| sent.codec.is_telephone_event())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::codec::Codec;

    fn agreed(list: &[(u8, u8, &str)]) -> Vec<AgreedCodec> {
        let number = |number| PayloadType::new(number).unwrap();
        list.iter()
            .map(|(sent, received, rtpmap)| AgreedCodec {
                codec: Codec::from_rtpmap(number(*sent), rtpmap).unwrap(),
                receive_type: number(*received),
            })
            .collect()
    }

    fn pairs(map: &PayloadMap) -> Vec<(u8, u8)> {
        map.iter().map(|(from, to)| (from.number(), to.number())).collect()
    }

    #[test]
    fn numbers_differ_between_legs() {
        let browser =
            agreed(&[(111, 111, "opus/48000/2"), (0, 0, "PCMU/8000"), (126, 126, "telephone-event/8000")]);
        let phone = agreed(&[(96, 96, "opus/48000/2"), (101, 101, "telephone-event/8000")]);
        assert_eq!(pairs(&payload_map(&browser, &phone)), [(111, 96), (126, 101)]);
        assert_eq!(pairs(&payload_map(&phone, &browser)), [(96, 111), (101, 126)]);
        assert_eq!(payload_map(&browser, &phone).get(PayloadType::new(0).unwrap()), None);
    }

    #[test]
    fn an_answerer_with_its_own_numbers() {
        let ours = agreed(&[(98, 111, "opus/48000/2")]);
        let other = agreed(&[(96, 97, "opus/48000/2")]);
        assert_eq!(pairs(&payload_map(&ours, &other)), [(111, 96)]);
        assert_eq!(pairs(&payload_map(&other, &ours)), [(97, 98)]);
    }

    #[test]
    fn events_of_another_clock_rate_pass_where_the_audio_has_one_clock() {
        let a = agreed(&[(0, 0, "PCMU/8000"), (110, 110, "telephone-event/48000")]);
        let b = agreed(&[(0, 0, "PCMU/8000"), (101, 101, "telephone-event/8000")]);
        assert_eq!(pairs(&payload_map(&a, &b)), [(0, 0), (110, 101)]);
        assert_eq!(pairs(&payload_map(&b, &a)), [(0, 0), (101, 110)]);
        let both = agreed(&[
            (0, 0, "PCMU/8000"),
            (96, 96, "telephone-event/48000"),
            (97, 97, "telephone-event/8000"),
        ]);
        assert_eq!(pairs(&payload_map(&a, &both)), [(0, 0), (110, 96)], "the same rate first");
        let opus = agreed(&[(111, 111, "opus/48000/2"), (110, 110, "telephone-event/48000")]);
        assert_eq!(pairs(&payload_map(&opus, &b)), [], "timestamps of another clock");
        assert!(payload_map(&a, &[]).is_empty());
    }
}

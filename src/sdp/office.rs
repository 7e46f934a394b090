//! The office's codecs, and what of an offer to pass on to the other leg.

use super::codec::{Codec, Encoding, PayloadType};
use super::limits::MAX_AGREED_CODECS;

/// The rates of telephone events: those of our audio codecs.
const EVENT_RATES: [u32; 2] = [48_000, 8_000];

/// Which encodings this office lets through, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficeCodecs(heapless::Vec<Encoding, 8>);

impl OfficeCodecs {
    /// A list of the office's own. Repetitions, [`Encoding::Other`] and comfort noise are left out.
    pub fn new(encodings: &[Encoding]) -> Self {
        let mut list = heapless::Vec::new();
        for encoding in encodings {
            if !list.contains(encoding) && reference(*encoding, 8_000).is_some() {
                // Fewer encodings have a reference than the list has room for, so nothing is lost here.
                let _ = list.push(*encoding);
            }
        }
        Self(list)
    }

    /// The encodings, best first.
    pub fn encodings(&self) -> &[Encoding] {
        &self.0
    }

    /// All of them as codecs under our own numbers, for an offer that no other leg's offer precedes.
    pub fn codecs(&self) -> Vec<Codec> {
        let audio = self.0.iter().filter(|encoding| encoding.is_audio());
        let mut codecs: Vec<Codec> = audio.filter_map(|encoding| reference(*encoding, 8_000)).collect();
        if self.0.contains(&Encoding::TelephoneEvent) {
            codecs.extend(EVENT_RATES.iter().filter_map(|rate| reference(Encoding::TelephoneEvent, *rate)));
        }
        retain_usable_events(&mut codecs);
        codecs
    }
}

impl Default for OfficeCodecs {
    /// Opus, G.722, PCMU, PCMA, and telephone events.
    fn default() -> Self {
        Self::new(&[Encoding::Opus, Encoding::G722, Encoding::Pcmu, Encoding::Pcma, Encoding::TelephoneEvent])
    }
}

/// The codecs to offer on leg B when leg A offered `offered`: those the office lets through, in A's order, under
/// A's payload types where these are allowed, and the telephone events that go with them, whether A offered those or
/// not: keys are converted between legs. Empty if none is sound.
pub fn codecs_for_other_leg(offered: &[Codec], office: &OfficeCodecs) -> Vec<Codec> {
    let mut codecs: Vec<Codec> = Vec::new();
    let allowed = offered.iter().filter(|theirs| office.0.contains(&theirs.encoding()));
    for theirs in allowed {
        let Some(ours) = reference(theirs.encoding(), theirs.clock_rate) else { continue };
        let repeated = codecs.iter().any(|codec| codec.matches(theirs));
        if !ours.matches(theirs) || repeated || codecs.len() >= MAX_AGREED_CODECS {
            continue;
        }
        if let Some(number) = number_for(&ours, theirs.payload_type, offered, &codecs) {
            codecs.push(Codec { fmtp: theirs.fmtp.clone(), ..ours.with_payload_type(number) });
        }
    }
    retain_usable_events(&mut codecs);
    if codecs.iter().any(|codec| codec.encoding().is_audio()) {
        let rates: Vec<u32> = audio_rates(&codecs).collect();
        add_events(&mut codecs, &rates, offered, office);
        codecs
    } else {
        Vec::new()
    }
}

/// What to answer one leg with when the other one agreed to `agreed`: the same, and telephone events at every rate,
/// because keys are converted between legs.
pub fn answerable_codecs(agreed: Vec<Codec>, office: &OfficeCodecs) -> Vec<Codec> {
    let mut codecs = agreed;
    let rates: Vec<u32> = audio_rates(&codecs).chain(EVENT_RATES).collect();
    add_events(&mut codecs, &rates, &[], office);
    codecs
}

/// Adds the telephone events of these rates that are missing.
fn add_events(codecs: &mut Vec<Codec>, rates: &[u32], offered: &[Codec], office: &OfficeCodecs) {
    if !office.0.contains(&Encoding::TelephoneEvent) {
        return;
    }
    for event in rates.iter().filter_map(|rate| reference(Encoding::TelephoneEvent, *rate)) {
        if codecs.len() >= MAX_AGREED_CODECS || codecs.iter().any(|codec| codec.matches(&event)) {
            continue;
        }
        if let Some(number) = number_for(&event, event.payload_type, offered, codecs) {
            codecs.push(event.with_payload_type(number));
        }
    }
}

fn audio_rates(codecs: &[Codec]) -> impl Iterator<Item = u32> {
    codecs.iter().filter(|codec| codec.encoding().is_audio()).map(rtp_rate)
}

/// Drops telephone events of a clock rate that none of the audio has (RFC 4733 §2.5.1.1), unless all are such.
pub(super) fn retain_usable_events(codecs: &mut Vec<Codec>) {
    let rates: Vec<u32> = audio_rates(codecs).collect();
    let fits = |codec: &Codec| rates.contains(&codec.clock_rate);
    if codecs.iter().any(|codec| codec.is_telephone_event() && fits(codec)) {
        codecs.retain(|codec| !codec.is_telephone_event() || fits(codec));
    }
}

/// The clock of a codec's RTP timestamps, also where a peer wrote G.722's rate as what it is.
pub(super) fn rtp_rate(codec: &Codec) -> u32 {
    if codec.encoding() == Encoding::G722 { 8_000 } else { codec.clock_rate }
}

/// How we write a codec that the office may let through; `rate` tells telephone events apart.
fn reference(encoding: Encoding, rate: u32) -> Option<Codec> {
    let codec = |number, name, rate, channels| {
        PayloadType::new(number).map(|number| Codec::new(number, name, rate, channels))
    };
    match (encoding, rate) {
        (Encoding::Opus, _) => {
            codec(111, "opus", 48_000, 2).map(|opus| opus.with_fmtp("minptime=10;useinbandfec=1"))
        }
        (Encoding::G722, _) => codec(9, "G722", 8_000, 1),
        (Encoding::Pcmu, _) => codec(0, "PCMU", 8_000, 1),
        (Encoding::Pcma, _) => codec(8, "PCMA", 8_000, 1),
        (Encoding::TelephoneEvent, 48_000) => codec(110, "telephone-event", 48_000, 1),
        (Encoding::TelephoneEvent, rate) => codec(101, "telephone-event", rate, 1),
        (Encoding::ComfortNoise | Encoding::Other, _) => None,
    }
}

/// A number for `ours` on the other leg: the static one if it has one; else the offerer's, if it is dynamic; else a
/// dynamic one that nobody uses.
fn number_for(ours: &Codec, theirs: PayloadType, offered: &[Codec], taken: &[Codec]) -> Option<PayloadType> {
    if !ours.payload_type.is_dynamic() {
        return Some(ours.payload_type);
    }
    let used = |codecs: &[Codec], number| codecs.iter().any(|codec| codec.payload_type == number);
    if theirs.is_dynamic() && !used(taken, theirs) {
        return Some(theirs);
    }
    (96..128).filter_map(PayloadType::new).find(|number| !used(taken, *number) && !used(offered, *number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codecs(list: &[(u8, &str)]) -> Vec<Codec> {
        let codec = |(number, rtpmap): &(u8, &str)| Codec::from_rtpmap(PayloadType::new(*number)?, rtpmap);
        list.iter().map(|entry| codec(entry).unwrap()).collect()
    }

    fn shown(codecs: &[Codec]) -> Vec<String> {
        codecs.iter().map(Codec::rtpmap).collect()
    }

    #[test]
    fn a_browsers_offer_keeps_its_numbers_and_loses_the_rest() {
        let offered = codecs(&[
            (111, "opus/48000/2"),
            (63, "red/48000/2"),
            (9, "G722/8000"),
            (0, "PCMU/8000"),
            (8, "PCMA/8000"),
            (13, "CN/8000"),
            (110, "telephone-event/48000"),
            (126, "telephone-event/8000"),
        ]);
        let passed = codecs_for_other_leg(&offered, &OfficeCodecs::default());
        let wanted = [
            "111 opus/48000/2",
            "9 G722/8000",
            "0 PCMU/8000",
            "8 PCMA/8000",
            "110 telephone-event/48000",
            "126 telephone-event/8000",
        ];
        assert_eq!(shown(&passed), wanted);
    }

    #[test]
    fn events_follow_the_audio() {
        let office = OfficeCodecs::new(&[Encoding::Pcmu, Encoding::TelephoneEvent]);
        let offered = codecs(&[
            (111, "opus/48000/2"),
            (0, "PCMU/8000"),
            (110, "telephone-event/48000"),
            (126, "telephone-event/8000"),
        ]);
        let passed = codecs_for_other_leg(&offered, &office);
        assert_eq!(shown(&passed), ["0 PCMU/8000", "126 telephone-event/8000"]);
        let offered = codecs(&[(111, "opus/48000/2"), (101, "telephone-event/8000")]);
        let passed = codecs_for_other_leg(&offered, &OfficeCodecs::default());
        let wanted = ["111 opus/48000/2", "101 telephone-event/8000", "110 telephone-event/48000"];
        assert_eq!(shown(&passed), wanted, "the one that was offered, and the one that fits");
    }

    #[test]
    fn odd_numbers_are_put_right() {
        let offered =
            codecs(&[(97, "PCMU/8000"), (70, "opus/48000/2"), (96, "G722/16000"), (98, "pcmu/8000")]);
        let passed = codecs_for_other_leg(&offered, &OfficeCodecs::default());
        let audio = ["0 PCMU/8000", "99 opus/48000/2", "9 G722/8000"];
        assert_eq!(shown(&passed)[..3], audio);
    }

    #[test]
    fn events_are_offered_and_answered_though_the_other_leg_has_none() {
        let office = OfficeCodecs::default();
        let mute = codecs(&[(101, "opus/48000/2"), (0, "PCMU/8000")]);
        let events = ["110 telephone-event/48000", "96 telephone-event/8000"];
        assert_eq!(shown(&codecs_for_other_leg(&mute, &office))[2..], events);
        let agreed = codecs(&[(0, "PCMU/8000"), (101, "telephone-event/8000")]);
        let wanted = ["0 PCMU/8000", "101 telephone-event/8000", "110 telephone-event/48000"];
        assert_eq!(shown(&answerable_codecs(agreed.clone(), &office)), wanted);
        assert_eq!(shown(&codecs_for_other_leg(&agreed, &office)), wanted[..2], "only what fits is offered");
        let without = OfficeCodecs::new(&[Encoding::Pcmu]);
        assert_eq!(shown(&codecs_for_other_leg(&mute, &without)), ["0 PCMU/8000"]);
        assert_eq!(answerable_codecs(agreed.clone(), &without), agreed);
    }

    #[test]
    fn nothing_sound_means_nothing() {
        let offered = codecs(&[(18, "G729/8000"), (101, "telephone-event/8000")]);
        assert_eq!(codecs_for_other_leg(&offered, &OfficeCodecs::default()), []);
    }

    #[test]
    fn parameters_go_along() {
        let mut offered = codecs(&[(111, "opus/48000/2")]);
        offered[0].fmtp = Some("useinbandfec=1;stereo=0".to_owned());
        let passed = codecs_for_other_leg(&offered, &OfficeCodecs::default());
        assert_eq!(passed[0].fmtp, offered[0].fmtp);
    }

    #[test]
    fn our_own_list() {
        let all = OfficeCodecs::default().codecs();
        let wanted = [
            "111 opus/48000/2",
            "9 G722/8000",
            "0 PCMU/8000",
            "8 PCMA/8000",
            "110 telephone-event/48000",
            "101 telephone-event/8000",
        ];
        assert_eq!(shown(&all), wanted);
        let plain =
            OfficeCodecs::new(&[Encoding::Pcma, Encoding::Pcma, Encoding::Other, Encoding::TelephoneEvent]);
        assert_eq!(shown(&plain.codecs()), ["8 PCMA/8000", "101 telephone-event/8000"]);
    }
}

//! Keys that change their form on the way: tones, events, events of another clock.

use super::*;
use crate::media::dtmf::inband::{InbandReceiver, ToneChange};
use crate::media::dtmf::tone::write_tone;
use crate::media::dtmf::{Digit, DtmfReceiver, EVENT_PAYLOAD};
use crate::media::end::{Flow, G711Payload};
use crate::media::event::RefusalReason;
use crate::media::g711::Law;

const TO_TRUNK: Transmit = Transmit {
    socket: SocketId::Trunk,
    to: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 10000),
};

/// A session of A-law alone.
fn tones_only() -> EndCodec {
    let pcma = G711Payload { law: Law::A, sent: pt(8), received: pt(8) };
    EndCodec {
        kind: CodecKind::Pcma,
        clock_rate: 8000,
        g711: [pcma].into_iter().collect(),
        ..EndCodec::default()
    }
}

/// A session of Opus alone.
fn opus_only() -> EndCodec {
    EndCodec { kind: CodecKind::Opus, clock_rate: 48000, ..EndCodec::default() }
}

/// What a call sounds like at one end, packet by packet.
#[derive(Default)]
struct Ear {
    events: DtmfReceiver,
    tones: InbandReceiver,
    heard: String,
    heard_tones: String,
    /// Packets with anything but silence in them.
    loud: usize,
    last: Option<RtpHeader>,
}

impl Ear {
    fn hear(&mut self, now: Instant, (header, payload): (RtpHeader, Vec<u8>)) {
        if let Some(last) = self.last.replace(header) {
            assert_eq!((header.ssrc, header.sequence), (last.ssrc, last.sequence.wrapping_add(1)));
            let step = header.timestamp.wrapping_sub(last.timestamp);
            assert!(step < 8000 && (step == 0 || step >= 160), "time went {step} on");
        }
        if payload.len() == EVENT_PAYLOAD {
            let presses = self.events.handle_packet(now, header.timestamp, &payload, 8000);
            return self.heard.extend(presses.iter().map(|press| press.digit.as_char()));
        }
        self.loud += usize::from(payload.iter().any(|code| Law::A.decode(*code).unsigned_abs() > 100));
        for change in self.tones.handle_packet(now, header.timestamp, &payload, Law::A) {
            if let ToneChange::Pressed(digit) = change {
                self.heard_tones.push(digit.as_char());
            }
        }
    }
}

/// Payloads of 20 ms: each key for so many packets, and as many of silence after it.
fn dialled(keys: &str, packets: u16) -> Vec<[u8; 160]> {
    let silence = [Law::A.silence(); 160];
    let mut payloads = vec![silence; 3];
    for key in keys.chars().filter_map(Digit::from_char) {
        payloads.extend((0..packets).map(|n| {
            let mut payload = [0; 160];
            write_tone(key, n * 160, Law::A, &mut payload);
            payload
        }));
        payloads.extend(vec![silence; packets.into()]);
    }
    payloads
}

impl Bench {
    /// A phone with one session bridged to a trunk with another, the audio passing.
    fn converting(phone: EndCodec, trunk: EndCodec) -> Self {
        let mut bench = Self::phone_call(None);
        bench.command(MediaCommand::SetCodec { end: PHONE, codec: phone });
        bench.command(MediaCommand::SetCodec { end: TRUNK, codec: trunk });
        let audio = || PayloadMap::identity(&[pt(8)]);
        bench.command(MediaCommand::Bridge { a: PHONE, b: TRUNK, a_to_b: audio(), b_to_a: audio() });
        bench
    }

    /// The phone says this, a packet every 20 ms; what the trunk's peer hears until `after` has passed.
    fn says(&mut self, phone: &mut Peer, payloads: &[[u8; 160]], after: Duration) -> Ear {
        let (mut ear, asterisk) = (Ear::default(), &mut Peer::new(2));
        for payload in payloads {
            let mut packet = phone.packet(payload);
            if matches!(self.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet), Verdict::Send(_)) {
                ear.hear(self.now, asterisk.open(packet));
            }
            self.listens(&mut ear, Duration::from_millis(20));
        }
        self.listens(&mut ear, after);
        ear
    }

    fn listens(&mut self, ear: &mut Ear, span: Duration) {
        for (transmit, packet) in self.run(span) {
            if transmit == TO_TRUNK && packet.as_slice()[1] & 0x7F < 72 || packet.as_slice()[1] & 0x7F > 76 {
                ear.hear(self.now, Peer::new(2).open(packet));
            }
        }
    }

    /// The keys told, and whether signalling must carry them.
    fn keys_told(&mut self) -> Vec<(char, Duration, bool)> {
        let keys = self.events().into_iter().filter_map(|event| match event {
            MediaEvent::Dtmf { digit, duration, needs_signalling, .. } => {
                Some((digit.as_char(), duration, needs_signalling))
            }
            _ => None,
        });
        keys.collect()
    }
}

fn with_events() -> EndCodec {
    let event = DtmfPayload { payload_type: pt(101), clock_rate: 8000 };
    EndCodec { dtmf: [event].into_iter().collect(), ..tones_only() }
}

/// A key of a phone with events, let go after 100 ms.
fn press(phone: &mut Peer, bench: &mut Bench, key: char) -> Vec<Verdict> {
    let code = Digit::from_char(key).unwrap().event();
    phone.payload_type = 101;
    let timestamp = phone.timestamp;
    let mut verdicts = Vec::new();
    for (duration, flags) in [(400_u16, 10), (800, 0x8A), (800, 0x8A)] {
        let [high, low] = duration.to_be_bytes();
        phone.timestamp = timestamp;
        let mut packet = phone.packet(&[code, flags, high, low]);
        verdicts.push(bench.arrive(PHONE_SOCKET, PHONE_ADDRESS, &mut packet));
        bench.wait(Duration::from_millis(50));
    }
    phone.timestamp = timestamp + 2400;
    phone.payload_type = 8;
    verdicts
}

#[test]
fn a_tone_becomes_an_event_and_is_not_heard_as_tone() {
    let mut bench = Bench::converting(tones_only(), with_events());
    let ear = bench.says(&mut Peer::new(1), &dialled("7", 20), Duration::from_millis(500));
    assert_eq!((ear.heard.as_str(), ear.heard_tones.as_str()), ("7", ""));
    assert!(ear.loud <= 2, "{} packets before the key was known", ear.loud);
    let [(key, duration, needs_signalling)] = bench.keys_told()[..] else { panic!() };
    assert_eq!((key, needs_signalling), ('7', false));
    assert!((390..=410).contains(&duration.as_millis()), "{duration:?}");
}

#[test]
fn every_key_dialled_as_tone_arrives_once_as_event() {
    let keys = "0123456789*#ABCD";
    for packets in [3, 5] {
        let mut bench = Bench::converting(tones_only(), with_events());
        let ear = bench.says(&mut Peer::new(1), &dialled(keys, packets), Duration::from_secs(4));
        assert_eq!((ear.heard.as_str(), ear.heard_tones.as_str()), (keys, ""));
        let told: String = bench.keys_told().iter().map(|told| told.0).collect();
        assert_eq!(told, keys);
    }
}

#[test]
fn a_tone_for_a_side_that_has_only_tones_is_left_alone() {
    let mut bench = Bench::converting(tones_only(), tones_only());
    let payloads = dialled("42", 5);
    let ear = bench.says(&mut Peer::new(1), &payloads, Duration::from_secs(1));
    assert_eq!((ear.heard.as_str(), ear.heard_tones.as_str(), ear.loud), ("", "42", 10));
    let told: Vec<_> = bench.keys_told().iter().map(|told| (told.0, told.2)).collect();
    assert_eq!(told, [('4', false), ('2', false)]);
}

#[test]
fn audio_of_an_end_with_events_is_not_listened_to() {
    let mut bench = Bench::converting(with_events(), with_events());
    let ear = bench.says(&mut Peer::new(1), &dialled("42", 5), Duration::from_secs(1));
    assert_eq!((ear.heard.as_str(), ear.heard_tones.as_str()), ("", "42"));
    assert_eq!(bench.keys_told(), []);
}

#[test]
fn an_event_becomes_a_tone() {
    let mut bench = Bench::converting(with_events(), tones_only());
    let mut phone = Peer::new(1);
    let mut ear = bench.says(&mut phone, &dialled("", 0), Duration::ZERO);
    for key in "5#".chars() {
        assert_eq!(press(&mut phone, &mut bench, key), [Verdict::Consumed; 3]);
        bench.listens(&mut ear, Duration::from_millis(300));
    }
    assert_eq!((ear.heard.as_str(), ear.heard_tones.as_str(), ear.loud), ("", "5#", 10));
    let told: Vec<_> = bench.keys_told().iter().map(|told| (told.0, told.2)).collect();
    assert_eq!(told, [('5', false), ('#', false)]);
}

#[test]
fn digits_of_ours_are_sent_as_tones_where_there_are_no_events() {
    let mut bench = Bench::converting(with_events(), tones_only());
    let mut ear = bench.says(&mut Peer::new(1), &dialled("", 0), Duration::ZERO);
    let digits = "19*0#D".chars().filter_map(Digit::from_char).collect();
    bench.command(MediaCommand::SendDtmf { end: TRUNK, digits });
    bench.listens(&mut ear, Duration::from_secs(2));
    assert_eq!((ear.heard.as_str(), ear.heard_tones.as_str()), ("", "19*0#D"));
    let flash = Digit::from_char('!').into_iter().collect();
    bench.events();
    bench.command(MediaCommand::SendDtmf { end: TRUNK, digits: flash });
    let refused = bench.events();
    assert!(
        matches!(refused[..], [MediaEvent::Refused { reason: RefusalReason::NoDtmfPayload, .. }]),
        "the hook flash has no tone: {refused:?}"
    );
}

#[test]
fn an_event_that_is_not_mapped_is_sent_anew_in_the_other_clock() {
    let event = DtmfPayload { payload_type: pt(101), clock_rate: 48000 };
    let browser = EndCodec { dtmf: [event].into_iter().collect(), ..opus_only() };
    let mut bench = Bench::converting(browser, with_events());
    let mut phone = Peer::new(1);
    let mut ear = bench.says(&mut phone, &dialled("", 0), Duration::ZERO);
    assert_eq!(press(&mut phone, &mut bench, '8'), [Verdict::Consumed; 3]);
    bench.listens(&mut ear, Duration::from_millis(300));
    assert_eq!(ear.heard, "8");
    let told: Vec<_> = bench.keys_told().iter().map(|told| (told.0, told.2)).collect();
    assert_eq!(told, [('8', false)]);
}

#[test]
fn a_key_without_a_way_in_the_media_is_left_to_signalling() {
    let mut bench = Bench::converting(with_events(), opus_only());
    assert_eq!(press(&mut Peer::new(1), &mut bench, '8'), [Verdict::Consumed; 3]);
    assert_eq!(bench.keys_told(), [('8', Duration::from_millis(100), true)]);

    let mut bench = Bench::converting(with_events(), tones_only());
    press(&mut Peer::new(1), &mut bench, '!');
    assert_eq!(bench.keys_told(), [('!', Duration::from_millis(100), true)], "a flash has no tone");
}

#[test]
fn a_key_for_a_held_end_is_told_and_goes_nowhere() {
    let mut bench = Bench::converting(tones_only(), with_events());
    bench.command(MediaCommand::SetFlow { end: TRUNK, flow: Flow { send: false, receive: true } });
    let ear = bench.says(&mut Peer::new(1), &dialled("7", 5), Duration::from_secs(1));
    assert_eq!((ear.heard.as_str(), ear.loud), ("", 0));
    let told: Vec<_> = bench.keys_told().iter().map(|told| (told.0, told.2)).collect();
    assert_eq!(told, [('7', false)]);
}

#[test]
fn a_tone_whose_audio_stops_is_told_by_the_timer() {
    let mut bench = Bench::converting(tones_only(), with_events());
    let payloads = dialled("7", 5);
    let ear = bench.says(&mut Peer::new(1), &payloads[..8], Duration::from_secs(1));
    assert_eq!(ear.heard, "7");
    let told: Vec<_> = bench.keys_told().iter().map(|told| (told.0, told.2)).collect();
    assert_eq!(told, [('7', false)]);
}

#[test]
fn digits_are_given_up_when_a_new_session_leaves_no_way() {
    let mut bench = Bench::converting(with_events(), tones_only());
    let digits = "123".chars().filter_map(Digit::from_char).collect();
    bench.command(MediaCommand::SendDtmf { end: TRUNK, digits });
    bench.run(Duration::from_millis(60));
    bench.command(MediaCommand::SetCodec { end: TRUNK, codec: opus_only() });
    bench.run(Duration::from_millis(100));
    assert_eq!(bench.relay.counts().drops.get(DropReason::DtmfNoWay), 1);
}

#[test]
fn more_keys_than_can_wait_are_counted() {
    let mut bench = Bench::converting(with_events(), tones_only());
    let digits = || [Digit::from_char('1').unwrap(); 32].into_iter().collect();
    bench.command(MediaCommand::SendDtmf { end: TRUNK, digits: digits() });
    press(&mut Peer::new(1), &mut bench, '8');
    assert_eq!(bench.relay.counts().drops.get(DropReason::DtmfQueueFull), 1);
}

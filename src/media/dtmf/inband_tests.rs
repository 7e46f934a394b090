//! Keys as tones: all of them, at the limits of Q.24, and what must not be taken for one.
#![expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "counts of samples, far below 2^24")]
#![expect(clippy::float_cmp, reason = "shares that are 0 or 1")]

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::media::g711::PEAK_0_DBM0;

/// A sound in the making, 8 kHz.
#[derive(Clone, Default)]
struct Sound(Vec<f32>);

/// A dual tone.
#[derive(Clone, Copy)]
struct Dual {
    hz: [f32; 2],
    dbm0: [f32; 2],
}

impl Dual {
    fn of(key: char) -> Self {
        Self { hz: Digit::from_char(key).unwrap().tone().unwrap(), dbm0: [-10.0, -10.0] }
    }

    fn levels(self, low: f32, high: f32) -> Self {
        Self { dbm0: [low, high], ..self }
    }

    fn off_by(self, low: f32, high: f32) -> Self {
        Self { hz: [self.hz[0] * (1.0 + low), self.hz[1] * (1.0 + high)], ..self }
    }
}

fn amplitude(dbm0: f32) -> f32 {
    PEAK_0_DBM0 * 10_f32.powf(dbm0 / 20.0)
}

fn samples(ms: f32) -> usize {
    (ms * 8.0) as usize
}

impl Sound {
    fn silence(mut self, ms: f32) -> Self {
        self.0.extend(vec![0.0; samples(ms)]);
        self
    }

    fn tone(mut self, tone: Dual, ms: f32) -> Self {
        let wave = |n: usize, part: usize| {
            amplitude(tone.dbm0[part]) * (TAU * tone.hz[part] * n as f32 / 8000.0).sin()
        };
        self.0.extend((0..samples(ms)).map(|n| wave(n, 0) + wave(n, 1)));
        self
    }

    fn key(self, key: char, ms: f32) -> Self {
        self.tone(Dual::of(key), ms)
    }

    /// White noise over all of it; its power in dBm0.
    fn noise(mut self, dbm0: f32, seed: u64) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        // Uniform noise between ±a has a third of a²; a sine of the same peak has a half.
        let peak = amplitude(dbm0) * 1.5_f32.sqrt();
        for sample in &mut self.0 {
            *sample += peak * (chance.next_u32() as f32 / 2_147_483_648.0 - 1.0);
        }
        self
    }

    fn coded(&self, law: Law) -> Vec<u8> {
        self.0.iter().map(|sample| law.encode(*sample as i16)).collect()
    }

    /// The changes that packets of this size bring.
    fn changes(&self, law: Law, size: usize) -> Vec<ToneChange> {
        let (mut ear, mut changes) = (InbandReceiver::new(), Vec::new());
        let now = Instant::now();
        for (n, payload) in self.coded(law).chunks(size).enumerate() {
            changes.extend(ear.handle_packet(now, (n * size) as u32, payload, law));
        }
        changes.extend(ear.handle_timer(now + LOST_END).map(ToneChange::Released));
        changes
    }

    /// The keys heard, once each.
    fn keys(&self) -> String {
        keys(&self.changes(Law::Mu, 160))
    }
}

fn keys(changes: &[ToneChange]) -> String {
    let pressed = changes.iter().filter_map(|change| match change {
        ToneChange::Pressed(digit) => Some(digit.as_char()),
        ToneChange::Released(_) => None,
    });
    pressed.collect()
}

const ALL: &str = "123A456B789C*0#D";

#[test]
fn every_key_is_heard_once_in_either_law_and_any_packet_size() {
    let sound =
        ALL.chars().fold(Sound::default().silence(50.0), |sound, key| sound.key(key, 60.0).silence(60.0));
    for law in [Law::Mu, Law::A] {
        for size in [80, 160, 200, 240, 477, 1464] {
            let changes = sound.changes(law, size);
            assert_eq!(keys(&changes), ALL, "{law:?} {size}");
            assert_eq!(changes.len(), 32);
        }
    }
}

/// How often one key is heard, over all keys and beginnings anywhere within a step.
fn share_heard(sound: impl Fn(Sound, char) -> Sound, wanted: impl Fn(&str, char) -> bool) -> f32 {
    let beginnings = [0.0, 0.75, 1.5, 2.25, 3.0, 3.75, 4.5];
    let mut heard = 0;
    for key in ALL.chars() {
        for beginning in beginnings {
            let sound = sound(Sound::default().silence(50.0 + beginning), key).silence(60.0);
            heard += usize::from(wanted(&sound.keys(), key));
        }
    }
    heard as f32 / (beginnings.len() * ALL.len()) as f32
}

fn once(keys: &str, key: char) -> bool {
    keys.chars().eq([key])
}

#[test]
fn tones_of_40_ms_are_heard_and_tones_of_24_ms_are_not() {
    for (ms, share) in [(10.0, 0.0), (20.0, 0.0), (24.0, 0.0), (38.0, 1.0), (40.0, 1.0), (45.0, 1.0)] {
        assert_eq!(share_heard(|sound, key| sound.key(key, ms), once), share, "{ms} ms");
    }
}

#[test]
fn pauses_of_30_ms_part_two_keys_and_breaks_of_15_ms_do_not() {
    let twice = |keys: &str, key: char| keys.chars().eq([key, key]);
    for (ms, one, two) in
        [(5.0, 1.0, 0.0), (10.0, 1.0, 0.0), (15.0, 1.0, 0.0), (27.0, 0.0, 1.0), (30.0, 0.0, 1.0)]
    {
        let sound = |sound: Sound, key| sound.key(key, 50.0).silence(ms).key(key, 50.0);
        assert_eq!((share_heard(sound, once), share_heard(sound, twice)), (one, two), "{ms} ms");
    }
}

#[test]
fn frequencies_may_be_off_by_a_little() {
    for (off, share) in [(0.0, 1.0), (0.008, 1.0), (0.015, 1.0), (0.03, 0.0), (0.035, 0.0)] {
        for (low, high) in [(off, 0.0), (-off, 0.0), (0.0, off), (0.0, -off), (off, off), (-off, off)] {
            let sound = |sound: Sound, key| sound.tone(Dual::of(key).off_by(low, high), 40.0);
            assert_eq!(share_heard(sound, once), share, "{low} {high}");
        }
    }
}

#[test]
fn the_tones_may_differ_by_the_twist_that_lines_make() {
    for (low, high, share) in [
        (-10.0, -10.0, 1.0),
        (-14.0, -10.0, 1.0),
        (-16.5, -10.0, 0.0),
        (-10.0, -18.0, 1.0),
        (-10.0, -20.5, 0.0),
        (-10.0, -90.0, 0.0),
    ] {
        let sound = |sound: Sound, key| sound.tone(Dual::of(key).levels(low, high), 40.0);
        assert_eq!(share_heard(sound, once), share, "{low} {high}");
    }
}

#[test]
fn levels_from_0_to_minus_25_are_heard_and_what_is_far_below_is_not() {
    for (level, share) in [(0.0, 1.0), (-3.0, 1.0), (-25.0, 1.0), (-28.0, 1.0), (-33.0, 0.0), (-55.0, 0.0)] {
        let sound = |sound: Sound, key| sound.tone(Dual::of(key).levels(level, level), 40.0);
        assert_eq!(share_heard(sound, once), share, "{level} dBm0");
    }
}

#[test]
fn keys_are_heard_in_noise_and_noise_is_no_key() {
    let mut seed = 0;
    let dialled: Sound = (0..20)
        .flat_map(|_| ALL.chars())
        .fold(Sound::default(), |sound, key| sound.key(key, 45.0).silence(45.0));
    for snr in [24.0, 15.0, 10.0] {
        seed += 1;
        let heard = dialled.clone().silence(60.0).noise(-10.0 - snr, seed).keys();
        assert_eq!(heard, ALL.repeat(20), "{snr} dB");
    }
    for level in [-40.0, -20.0, -6.0] {
        seed += 1;
        assert_eq!(Sound::default().silence(60_000.0).noise(level, seed).keys(), "", "{level} dBm0");
    }
}

#[test]
fn tones_of_the_network_are_no_keys() {
    // Dial, ringing and busy tones of Europe and North America, fax, modem, test tone, special information, and one
    // frequency of the keypad alone or two of one group.
    for hz in [
        [425.0, 425.0],
        [350.0, 440.0],
        [440.0, 480.0],
        [480.0, 620.0],
        [1100.0, 1100.0],
        [2100.0, 2100.0],
        [1004.0, 1004.0],
        [950.0, 1400.0],
        [697.0, 697.0],
        [1336.0, 1336.0],
        [697.0, 770.0],
        [1209.0, 1633.0],
    ] {
        let tone = Dual { hz, dbm0: [-10.0, -10.0] };
        assert_eq!(Sound::default().tone(tone, 2000.0).silence(50.0).keys(), "", "{hz:?}");
    }
}

/// Something like speech: syllables of a buzz whose pitch glides, shaped by three formants that glide too, hisses
/// between them.
fn speech(seconds: usize, seed: u64) -> Sound {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut between = |low: f32, high: f32| low + (high - low) * (chance.next_u32() as f32 / 4_294_967_296.0);
    let mut sound = Vec::with_capacity(seconds * 8000);
    let mut memory = [[0.0_f32; 2]; 3];
    let mut phase = 0.0_f32;
    while sound.len() < seconds * 8000 {
        let length = samples(between(60.0, 350.0));
        let (voiced, loudness) = (between(0.0, 1.0) < 0.8, between(800.0, 12_000.0));
        let pitch = [between(75.0, 320.0), between(75.0, 320.0)];
        let ranges = [(250.0, 950.0), (850.0, 2400.0), (1800.0, 3200.0)];
        let formants = ranges.map(|(low, high)| [between(low, high), between(low, high)]);
        for n in 0..length {
            let along = n as f32 / length as f32;
            let glide = |[from, to]: [f32; 2]| from + (to - from) * along;
            phase += glide(pitch) / 8000.0;
            let pulse = if phase >= 1.0 { 8.0 } else { 0.0 };
            phase = phase.fract();
            let source = if voiced { pulse + between(-0.05, 0.05) } else { between(-0.6, 0.6) };
            let mut voice = 0.0;
            for (formant, memory) in formants.iter().zip(&mut memory) {
                let (turn, decay) = (TAU * glide(*formant) / 8000.0, 0.965);
                let next = source + 2.0 * decay * turn.cos() * memory[0] - decay * decay * memory[1];
                *memory = [next, memory[0]];
                voice += next * (1.0 - decay);
            }
            sound.push((voice * loudness * (TAU / 2.0 * along).sin()).clamp(-32_000.0, 32_000.0));
        }
        sound.extend(vec![0.0; samples(between(0.0, 120.0))]);
    }
    Sound(sound)
}

#[test]
fn speech_is_no_key() {
    let mut heard = String::new();
    for seed in 0..40 {
        heard += &speech(30, seed).noise(-50.0, seed).keys();
    }
    assert_eq!(heard, "", "in twenty minutes");
}

/// Gives packets of a held key, those of `lost` left out.
fn with_losses(lost: &[usize], ear: &mut InbandReceiver) -> Vec<ToneChange> {
    let sound = Sound::default().silence(40.0).key('7', 120.0).silence(60.0).coded(Law::A);
    let packets = sound.chunks(160).enumerate().filter(|(n, _)| !lost.contains(n));
    let heard =
        packets.flat_map(|(n, payload)| ear.handle_packet(Instant::now(), n as u32 * 160, payload, Law::A));
    heard.collect()
}

#[test]
fn a_lost_packet_makes_no_second_key() {
    for lost in [&[][..], &[3], &[4], &[5], &[2, 6], &[4, 5]] {
        let changes = with_losses(lost, &mut InbandReceiver::new());
        assert_eq!((keys(&changes).as_str(), changes.len()), ("7", 2), "{lost:?}");
    }
}

#[test]
fn late_and_repeated_packets_are_passed_over() {
    let sound = Sound::default().key('7', 120.0).silence(60.0).coded(Law::A);
    let mut ear = InbandReceiver::new();
    let mut changes = Vec::new();
    for (n, payload) in sound.chunks(160).enumerate() {
        changes.extend(ear.handle_packet(Instant::now(), n as u32 * 160, payload, Law::A));
        changes.extend(ear.handle_packet(Instant::now(), n as u32 * 160, payload, Law::A));
        changes.extend(ear.handle_packet(
            Instant::now(),
            (n as u32).wrapping_sub(2).wrapping_mul(160),
            payload,
            Law::A,
        ));
    }
    assert_eq!((keys(&changes).as_str(), changes.len()), ("7", 2));
}

#[test]
fn a_held_key_tells_its_length_and_ends_with_its_audio() {
    let held = Sound::default().silence(30.0).key('#', 700.0);
    let Some(ToneChange::Released(press)) = held.clone().silence(50.0).changes(Law::A, 160).pop() else {
        panic!()
    };
    assert!((690..=710).contains(&press.duration.as_millis()), "{press:?}");

    let (mut ear, now) = (InbandReceiver::new(), Instant::now());
    let coded = held.coded(Law::A);
    assert_eq!(keys(&ear.handle_packet(now, 0, &coded[..1400], Law::A)), "#");
    assert!(ear.is_held());
    assert_eq!(ear.handle_timer(now + Duration::from_millis(249)), None);
    let press = ear.handle_timer(now + LOST_END).unwrap();
    assert_eq!(press.digit.as_char(), '#');
    assert_eq!(ear.handle_timer(now + LOST_END), None);

    let mut ear = InbandReceiver::new();
    ear.handle_packet(now, 0, &coded[..1400], Law::A);
    let other_stream = ear.handle_packet(now, 3_000_000, &coded[..160], Law::A);
    assert!(matches!(other_stream[..], [ToneChange::Released(_)]), "{other_stream:?}");
}

#[test]
fn a_packet_cannot_bring_more_changes_than_there_is_room_for() {
    let sound =
        ALL.chars().fold(Sound::default(), |sound, key| sound.key(key, 38.0).silence(29.0)).silence(20.0);
    let changes = sound.changes(Law::Mu, 1464);
    assert_eq!((keys(&changes).as_str(), changes.len()), (ALL, 32));
}
